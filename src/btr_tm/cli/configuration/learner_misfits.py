"""Parts that a learner has no use for, each with the sentence that says what to choose instead.

The same holds here as in contradictions.py: classes say what they need and what they give.
"""

from __future__ import annotations

from collections.abc import Iterator

from hydra.utils import get_object

from btr_tm.cli.configuration.schema import Node


def says(node: Node, attribute: str) -> object:
    """A class attribute of what `node` names, None where it has no such attribute."""
    return getattr(get_object(node["_target_"]), attribute, None)


def learner_misfits(values: Node) -> Iterator[str]:
    """Choices that the learner would not use, or lacks."""
    if says(values["learner"], "learns_pictures"):
        yield from _of_pictures(values)
    elif says(values["learner"], "on_policy"):
        yield from _of_policies(values)
    else:
        yield from _of_values(values)


def _of_pictures(values: Node) -> Iterator[str]:
    """For a learner of pictures, which builds the image encoder and nothing that drives."""
    if not says(values["net"], "learns_pictures"):
        yield "learner=pretraining needs net=pretraining; choose that, or +experiment=pretrain"
    if not says(values["encoder"], "reads_images"):
        yield "encoder=none leaves learner=pretraining nothing to train; choose an encoder"
    objective, rows = values["net"].get("objective", {}), values["learner"].get("rows_at_once", 2)
    if "_target_" in objective and says(objective, "compares_rows") and rows < 2:
        yield (
            "net/objective=contrast finds pictures among those of other rows, and profile.micro_batch="
            f"{rows} leaves it none; raise it"
        )
    for group in ("replay", "credit"):
        if says(values[group], "on_policy"):
            yield f"{group}=rollout belongs to learner=ppo; leave it out"
    if not says(values["parallel"], "alone"):
        yield "learner=pretraining learns in one process; choose parallel=none"
    if says(values["target"], "entropy_in_target"):
        yield "target=munchausen is about action values, which learner=pretraining has none of; leave it out"
    if "bins" in values["value"]:
        yield "value=hl_gauss is about action values, which learner=pretraining has none of; leave it out"
    if says(values["head"]["linear"], "noisy") or not says(values["head"]["norm"], "changes_nothing"):
        yield "learner=pretraining builds the image encoder alone, and no head; choose head=plain"
    if says(values["fusion"], "needs_both"):
        yield "learner=pretraining sees no floats that a picture could meet; choose fusion=concat"
    if says(values["exploration"], "__name__") != "auto":
        yield "learner=pretraining drives at random, whatever explores; choose exploration=auto"


def _of_values(values: Node) -> Iterator[str]:
    """For a learner of action values."""
    clones = "loss" in values["learner"] and says(values["learner"]["loss"], "needs_demonstrations")
    learner, replay = ("bc", "demonstrations") if clones else ("iqn", "uniform or prioritized")
    for net in ("pretraining", "actor_critic"):
        if says(values["net"], "learns_pictures" if net == "pretraining" else "has_policy"):
            yield f"net={net} has no action values, which learner={learner} learns; choose net=separate"
    for group, instead in (("replay", replay), ("credit", "frames")):
        if says(values[group], "on_policy"):
            yield (
                f"{group}=rollout belongs to learner=ppo, not to learner={learner}; choose "
                f"{group}={instead}, or +experiment=ppo"
            )
    if clones and values["replay"].get("demo_share", 0.0) < 1:
        yield "learner=bc would clone what it drives itself; choose replay=demonstrations"


def _of_policies(values: Node) -> Iterator[str]:
    """For a learner of a policy, which learns from what that policy has just driven."""
    if values["demos"]:
        yield "learner=ppo learns from what it drives itself; leave demos out"
    if not says(values["net"], "has_policy"):
        yield "learner=ppo needs a network with a policy; choose net=actor_critic, or +experiment=ppo"
    for group in ("replay", "credit"):
        if not says(values[group], "on_policy"):
            yield f"learner=ppo learns from what it has just driven; choose {group}=rollout"
    if says(values["env"], "real_time"):
        yield (
            "a game in real time does not wait for the updates that learner=ppo makes between two rollouts; "
            "choose learner=iqn"
        )
    if not says(values["collector"], "acts_with_learner"):
        yield (
            "learner=ppo learns from what its present weights have driven, while other processes drive with "
            "older ones; choose collector=inline"
        )
    if not says(values["parallel"], "alone"):
        yield "learner=ppo learns in one process; choose parallel=none"
    yield from _rollouts(values)
    yield from _ingredients(values)


def _rollouts(values: Node) -> Iterator[str]:
    """Rollouts that a run would end before."""
    cars = 1 if says(values["env"], "one_car") else values["profile"]["cars"]
    frames, total = values["replay"].get("steps", 1) * cars, values["profile"]["total_frames"]
    if frames > total:
        yield (
            f"learner=ppo would learn nothing: a rollout is {frames} frames (replay.steps times {cars} "
            f"cars), and profile.total_frames {total}; lower replay.steps to {total // cars} or less"
        )
    steps, together = values["replay"].get("steps", 1), values["collector"].get("decisions_per_collect", 1)
    if together > 0 and steps % together:
        yield (
            f"a rollout of {steps} decisions of each car (replay.steps) is not a multiple of {together} "
            "(collector.decisions_per_collect); set the latter to 1"
        )


def _ingredients(values: Node) -> Iterator[str]:
    """Ingredients of action values, which have no meaning where a policy is learnt."""
    if says(values["target"], "entropy_in_target"):
        yield (
            "target=munchausen changes the target of action values, which learner=ppo does not have; choose "
            "target=ddqn, and learner.loss.entropy_weight for entropy"
        )
    if says(values["head"]["linear"], "noisy"):
        yield (
            "noise in the head would change the probabilities that learner=ppo learns from, and its policy "
            "explores by itself; choose head=plain or ln"
        )
    if says(values["exploration"], "__name__") != "auto":
        yield "learner=ppo draws its actions from its own policy; choose exploration=auto"
    if says(values["horizon"], "needs_clock"):
        yield "learner=ppo estimates returns without an end; choose horizon=discounted"
    if "bins" in values["value"]:
        yield "value=hl_gauss is for action values, which learner=ppo does not have; choose value=quantiles"
    if not says(values["head"], "dueling"):
        yield (
            "learner=ppo has a layer for the policy and one for the value, whatever the shape of the head; "
            "choose head/shape=dueling"
        )
