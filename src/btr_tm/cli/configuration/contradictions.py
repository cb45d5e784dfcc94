"""Choices that exclude each other, each with the sentence that says what to choose instead.

Classes say what they need and what they give in class attributes, so that a user's subclass counts like the
class it comes from; one that says nothing needs nothing and gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from hydra.utils import get_object

from btr_tm.cli.assembly.build import partial
from btr_tm.cli.configuration.learner_misfits import learner_misfits, says
from btr_tm.cli.configuration.ranges import out_of_range, values_of
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.errors import UserError
from btr_tm.metrics.sinks.wandb import WandbSink
from btr_tm.metrics.sinks.wandb_mode import check_project
from btr_tm.race import actions


def refuse(values: Node) -> None:
    """Raise UserError for the first contradiction in a resolved configuration."""
    checks = (
        out_of_range,
        _beginning,
        learner_misfits,
        _demonstrated,
        _noise,
        _moments,
        _resets,
        _bins,
        _horizon,
        _sight,
        _sizes,
        _schedules,
        _blocks,
        _lost,
        _loggers,
    )
    for sentence in chain.from_iterable(check(values) for check in checks):  # lazily: numbers come first
        raise UserError(sentence)


def refuse_to_keep_waiting(values: Node) -> None:
    """UserError for training that a game in real time would have to wait for, or that has no game."""
    for sentence in _real_time(values):
        raise UserError(sentence)


def _real_time(values: Node) -> Iterator[str]:
    """A game that goes on while we learn, and of which there is one."""
    if not says(values["env"], "real_time"):
        return
    collector = values["collector"]
    if says(collector, "acts_with_learner"):
        yield (
            "a game in real time does not wait for updates, as collector=inline would have it; choose "
            "collector=one_process"
        )
    if says(collector, "waits_between_chunks"):
        yield (
            "a worker of collector=ray waits between two chunks, in the middle of a race, and a game in real "
            "time does not; choose collector=one_process"
        )
    workers = collector.get("workers", 1)
    if workers != 1:
        yield f"there is one game in real time on a computer, got {workers} workers; set collector.workers=1"


def _schedules(values: Node) -> Iterator[str]:
    """Points that a schedule cannot read, found before a run or a sweep starts."""
    bonuses = values["reward"].get("bonuses", {})
    nodes = {f"schedule.{name}": node for name, node in values["schedule"].items()}
    nodes |= {f"reward.bonuses.{name}": node for name, node in bonuses.items()}
    nodes["profile.replay_steps"] = values["replay"].get("capacity")
    for name, node in nodes.items():
        try:
            if isinstance(node, dict) and "_target_" in node:
                partial(node)()
        except UserError as error:
            yield f"{name}: {error}"


def _blocks(values: Node) -> Iterator[str]:
    """Actions of a decision that leave out a tick, or last for none."""
    if values["env"].get("ticks_per_action", 1) < 1:
        yield f"env.ticks_per_action must be 1 or larger, got {values['env']['ticks_per_action']}"
    try:
        actions.block(values["env"].get("action_offsets_ms", [0]))
    except UserError as error:
        yield str(error)


def _lost(values: Node) -> Iterator[str]:
    if values["env"].get("cut_offs", {}).get("no_progress_terminates") and says(
        values["reward"], "ending_pays"
    ):
        yield (
            "this reward costs more than it earns with every decision, so a car would stand still to have "
            "lost; choose env/cut_offs=truncate, or reward=progress"
        )


def _loggers(values: Node) -> Iterator[str]:
    """Names that would be refused only when a run begins to log."""
    for node in values["logger"].values():
        try:
            if issubclass(get_object(node["_target_"]), WandbSink):
                check_project(node["project"])
        except UserError as error:
            yield str(error)


def _beginning(values: Node) -> Iterator[str]:
    if values["init_part"] != "whole" and not values["init_from"]:
        part = values["init_part"]
        yield f"init_part={part} says what to take from init_from, which is empty; name a run there"


def _demonstrated(values: Node) -> Iterator[str]:
    share, file = values["replay"].get("demo_share", 0.0), values["demos"]
    if share > 0 and not file:
        yield (
            f"there are no demonstrations to learn from (replay.demo_share={share:g}); make them with "
            "python -m btr_tm.demos and name the file with demos=..."
        )
    if file and share == 0:
        yield "nothing learns from demos; set replay.demo_share, or choose +experiment=bc"
    size = values["profile"]["batch_size"]
    if 0 < share < 1 and round(share * size) in (0, size):
        yield (
            f"replay.demo_share={share:g} of a batch of {size} is {round(share * size)} when rounded, so one "
            f"of the two is never learnt from; choose between {1 / size:.3g} and {1 - 1 / size:.3g}"
        )
    if share < 1 and says(values["collector"], "drives_nothing"):
        yield "collector=idle drives nothing to learn from; choose replay=demonstrations, or collector=inline"


def _noise(values: Node) -> Iterator[str]:
    # noisy_epsilon is allowed with plain heads: it is the fair partner when the noise alone is ablated.
    noisy_head, exploration = says(values["head"]["linear"], "noisy"), values["exploration"]
    if says(exploration, "needs_noise") and not noisy_head:
        yield "exploration=noisy needs noise in the head; choose head=noisy or noisy_ln, or exploration=auto"
    if says(exploration, "noise") is False and noisy_head:
        yield (
            "exploration=epsilon_boltzmann would never use the noise of a noisy head; "
            "choose exploration=auto, noisy or noisy_epsilon, or head=plain or ln"
        )
    shared = "noise" in values["learner"] and says(values["learner"]["noise"], "shares_noise")
    if noisy_head and shared and not says(values["collector"], "acts_with_learner"):
        yield (
            "learner/noise=share_with_acting needs the learner's network to act, which it does with "
            "collector=inline only; choose that, or learner/noise=redraw_both"
        )
    if noisy_head and shared and values["convention"]["noise_draw"] == "sample":
        yield (
            "convention.noise_draw=sample cannot be shared with acting, since the samples of a batch are not "
            "the cars that acted; choose learner/noise=redraw_both, or noise_draw=batch"
        )


def _moments(values: Node) -> Iterator[str]:
    learner = values["learner"]
    resets = "moments" in learner and says(learner["moments"], "needs_copies")
    if resets and not says(learner["target_sync"], "copies"):
        yield (
            "learner/moments=reset needs a target that is copied now and then, while a soft one moves at "
            "every update; choose learner/target_sync=hard, or learner/moments=kept"
        )
    elif resets and values["convention"]["target_hard_every"] == 1:
        yield (
            "learner/moments=reset would forget the moments after each update; raise "
            "convention.target_hard_every, or choose learner/moments=kept"
        )


def _resets(values: Node) -> Iterator[str]:
    reset, frames = values["learner"].get("reset") or {}, values["profile"]["total_frames"]
    if reset.get("every_frames", 0) >= frames:
        yield (
            f"learner.reset.every_frames ({reset['every_frames']:,}) must be below profile.total_frames "
            f"({frames:,}), else nothing is ever reset; lower it, or choose learner/reset=none"
        )


def _bins(values: Node) -> Iterator[str]:
    if "bins" not in values["value"]:
        return
    learner = values["learner"]
    if "self_loss" in learner and says(learner["self_loss"], "needs_batch"):
        yield (
            "learner/self_loss=normalised measures the width of target quantiles, which value=hl_gauss does "
            "not have; choose learner/self_loss=none, or value=quantiles"
        )
    if len(values["env"].get("action_offsets_ms", [0])) > 1:
        yield (
            "value=hl_gauss gives each action bins of its own, which do not add up for decisions of several "
            "actions; choose value=quantiles, or env.action_offsets_ms=[0]"
        )


def _horizon(values: Node) -> Iterator[str]:
    if says(values["horizon"], "needs_clock") and not says(values["env"], "has_clock"):
        yield "horizon=mini_race needs the clock that only env=sim has; choose horizon=discounted"
    if says(values["horizon"], "endless") and _largest(values["schedule"]["gamma"]) >= 1:
        yield (
            "horizon=discounted needs a discount below 1, and schedule.gamma reaches 1; "
            "choose schedule=btr or constant, or horizon=mini_race"
        )


def _sight(values: Node) -> Iterator[str]:
    """Networks that see nothing, and observations that nobody makes."""
    env, sees = values["env"], says(values["encoder"], "reads_images")
    if says(values["obs"], "needs_camera") and not says(env, "with_track"):
        yield "obs=camera belongs to env=sim; leave it out"
    if env.get("image") == "none" and sees:
        yield "env.image=none gives the encoder nothing to see; choose encoder=none or set env.image=pixels"
    if env.get("image") == "pixels" and not sees:
        yield "encoder=none makes env.image=pixels useless; choose an encoder or set env.image=none"
    if says(values["fusion"], "needs_both") and not (sees and says(env, "has_floats")):
        yield "this fusion mixes a picture with floats, and one of them is missing; choose fusion=concat"
    if not says(env, "has_floats") and not sees:
        yield "this environment shows nothing but pictures, which encoder=none cannot see; choose an encoder"


def _sizes(values: Node) -> Iterator[str]:
    profile = values["profile"]
    for name in ("taus", "taus_act"):
        if values["convention"]["symmetric_taus"] and profile[name] % 2:
            yield f"profile.{name} must be even, since half of them are mirrored, got {profile[name]}"
    if says(values["learner"], "on_policy"):  # batches are rollouts, and there is neither warm-up nor memory
        return
    if profile["batch_size"] % profile["micro_batch"]:
        yield (
            f"profile.micro_batch ({profile['micro_batch']}) must divide profile.batch_size "
            f"({profile['batch_size']}); halve the batch size until it fits"
        )
    if profile["warmup_frames"] > profile["replay_capacity"]:
        yield (
            f"profile.warmup_frames ({profile['warmup_frames']}) must fit into profile.replay_capacity "
            f"({profile['replay_capacity']}); shorten the warm-up"
        )


def _largest(schedule: Node) -> float:
    return max(values_of(schedule), default=0.0)
