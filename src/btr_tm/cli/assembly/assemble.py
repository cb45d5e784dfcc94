"""The composition root: wires the parts of one configuration to a run."""

from __future__ import annotations

import os
import shlex
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import torch

from btr_tm.cli.assembly.build import make_with_known
from btr_tm.cli.assembly.driver import write_policy
from btr_tm.cli.assembly.gauges import gauges, pace
from btr_tm.cli.assembly.initial_weights import initial_weights
from btr_tm.cli.assembly.memory import refuse_large_learner
from btr_tm.cli.assembly.parts import KEPT_TRACK, Parts, checked, device_of
from btr_tm.cli.assembly.remote import BuildEvaluation, BuildLearner, BuildWorker
from btr_tm.cli.configuration import overrides as typed
from btr_tm.cli.configuration.composition import Composition
from btr_tm.cli.configuration.contradictions import refuse_to_keep_waiting
from btr_tm.cli.configuration.learner_misfits import says
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.errors import UserError
from btr_tm.core.files import crc32, read_json
from btr_tm.core.interrupts import INTERRUPTS
from btr_tm.core.protocols import DrivingEnv, EnvironmentSpec, RedrivableEnv, ReplayBuffer, Spec
from btr_tm.core.seeding import seed_globals
from btr_tm.metrics.meter import Logger
from btr_tm.nets.network import Network
from btr_tm.race.actions import TICK_MS
from btr_tm.report.summary import CurveReport, InputsReport, RaceReport
from btr_tm.run import status as status_of
from btr_tm.run.evaluate import EvaluationRaces
from btr_tm.run.manifest import Manifest, claim, differences, read
from btr_tm.run.protocols import Collector, LearningProcesses, TrainingRaces
from btr_tm.run.run import Report, Run
from btr_tm.run.training_races import FastestTrainingRace, NoTrainingRaces
from btr_tm.sim.track.source import TrackSource, source_in

# Where a run lies is no part of what it is; which of the user's modules may be named is for the user to say.
NOT_RECORDED = frozenset({"name", "runs_dir", "on_existing", "plugins"})
REQUEUED = "SLURM_RESTART_COUNT"  # how often Slurm has begun a job again, which must not overwrite itself
LONGEST_TAG, LONGEST_GROUP = 64, 128  # of Weights & Biases


def build(job: Composition) -> Run:
    """The run of one job, checked before its first frame; claims the run folder once all parts are built.

    Raises UserError for anything in the configuration that cannot work.
    """
    values = checked(job.values)
    if os.environ.get(REQUEUED, "0") != "0":
        values["on_existing"] = "resume"
    refuse_to_keep_waiting(values)
    device = device_of(values["device"])
    set_threads(values["profile"]["threads"])
    seed_globals(values["seed"])
    parts = Parts(values, device)
    env = parts.env(parts.cars)
    env.check_ready()
    refuse_large_learner(parts, env)
    policy, replay = parts.policy(env), parts.replay(env)
    origin = initial_weights(parts, policy.net, job.folder)
    evaluator, plan = parts.evaluator(evaluation_of(parts), env.decision_ms), parts.plan()
    with ExitStack() as undo:  # whatever is refused from here on, no process stays behind
        undo.callback(evaluator.close)
        processes = processes_of(parts, env)
        undo.callback(processes.close)
        learner = processes.lead(parts.learner(policy, processes.group, parts.observer(replay)))
        collector = collector_of(parts, env, policy.net)
        undo.callback(collector.close)
        processes.charge_to(collector.watch)
        track, kept = parts.own_track, job.folder / KEPT_TRACK
        if values["on_existing"] == "resume":
            refuse_other_track(track, kept)
        demos = crc32(Path(values["demos"])) if values["demos"] else None
        overwrites = values["on_existing"] == "overwrite"
        claimed = (_recorded(values), job.overrides, parts.seed, values["on_existing"], origin, demos)
        manifest = claim(job.folder, *claimed)
        keep_track(track, kept)
        look = "watch" if parts.env_class.can_redrive else "evaluate"
        title = f"{values['name']} / {typed.arm(job.overrides)} / seed {parts.seed}"
        run = Run(
            folder=job.folder,
            collector=collector,
            replay=replay,
            learner=learner,
            evaluator=evaluator,
            clock=parts.clock,
            plan=plan,
            loggers=_loggers(job, parts, manifest, learner.driver.net),
            report=_report(title, parts, env),
            training_races=_training_races(parts, env),
            gauges=gauges(parts, learner, replay),
            pace=pace(parts, env),
            title=title,
            facts=facts(parts, policy.net, replay) | dict(env.facts) | {"fingerprint": job.fingerprint},
            interrupts=INTERRUPTS,
            device=device.type,
            again="the same command without on_existing=overwrite" if overwrites else "the same command",
            next_command=f"python -m btr_tm.{look} {shlex.quote(job.folder.as_posix())}",
        )
        undo.pop_all()
    return run


def is_finished(job: Composition) -> bool:
    """Whether the folder of a job says, without building its parts, that nothing is left to do there.

    False where the run would have something to say: about another configuration, or a track of the user's.
    """
    try:
        status, summary = status_of.read(job.folder), read_json(job.folder / "summary.json")
        held = read(job.folder / "manifest.json")
        values = checked(job.values)
    except UserError:
        return False
    return (
        status.state == "done"
        and values["on_existing"] == "resume"
        and not (job.folder / KEPT_TRACK).exists()
        and not differences(held["config"], _recorded(values))
        and isinstance(frames := summary.get("frames"), int)
        and frames >= values["profile"]["total_frames"]
    )


def _recorded(values: Node) -> Node:
    """What the manifest keeps of a configuration."""
    return {key: value for key, value in values.items() if key not in NOT_RECORDED}


def refuse_other_track(track: TrackSource | None, kept: Path) -> None:
    """UserError if the file of the track is no longer what the run in that folder has been driving on."""
    before = source_in(kept)
    if track is not None and before is not None and track.content != before.content:
        raise UserError(
            f"{track.file_name} has changed since the run began, which keeps it in {kept}; put the old one "
            "back, choose another run folder, or start again there with on_existing=overwrite"
        )


def keep_track(track: TrackSource | None, folder: Path) -> None:
    """Store the user's own track with the run, which then goes on wherever it is moved."""
    if track is None:
        return
    try:
        track.write(folder)
    except OSError as error:
        raise UserError(f"cannot keep {track.file_name} in {folder} ({error})") from error


def collector_of(parts: Parts, env: DrivingEnv, net: torch.nn.Module) -> Collector:
    """Inline ones drive `env` themselves, others build environments where they are."""
    build = BuildWorker(parts.values, parts.workers)
    return make_with_known(parts.values["collector"], env=env, build=build, net=net, clock=parts.clock)


def evaluation_of(parts: Parts) -> EvaluationRaces:
    """Where the races of an evaluation are driven; a process is not started before the first."""
    known = {"build": BuildEvaluation(parts.values), "make_env": parts.evaluation_env}
    return make_with_known(parts.values["eval"], **known, starts=parts.eval_starts)


def processes_of(parts: Parts, env: EnvironmentSpec) -> LearningProcesses:
    """Those that learn together; no other is started before the learner is built."""
    spec = Spec(env.image_shape, env.layout, env.actions, env.block)
    known = {"build": BuildLearner(parts.values, spec), "device": parts.device}
    return make_with_known(parts.values["parallel"], **known, batch_size=parts.profile["batch_size"])


def set_threads(threads: int | str) -> None:
    """`auto` leaves torch's choice, which follows OMP_NUM_THREADS and the cores of the machine."""
    if threads != "auto":
        torch.set_num_threads(int(threads))


def facts(parts: Parts, net: Network, replay: ReplayBuffer) -> dict[str, str]:
    """What the banner says about size and place."""
    place = torch.cuda.get_device_name(parts.device) if parts.device.type == "cuda" else "CPU"
    memory = replay.bytes_per_transition * replay.capacity
    height, width = parts.image_size
    return {
        "device": f"{parts.device} ({place}, threads: {torch.get_num_threads()}, {net.precision})",
        "track": parts.track_name,
        "image": f"{height} x {width}" if height else "none",
        "parameters": f"{sum(p.numel() for p in net.parameters()):,}",
        "replay": f"{memory / 2**30:.2f} GiB for {replay.capacity:,} transitions",
    } | _without_updates(parts)


def _without_updates(parts: Parts) -> dict[str, str]:
    """Said of a run that ends in its warm-up."""
    warmup, frames = parts.profile["warmup_frames"], parts.profile["total_frames"]
    if warmup < frames or says(parts.values["learner"], "on_policy"):
        return {}
    return {"learning": f"none: the warm-up takes {warmup:,} frames; lower profile.warmup_frames"}


def _report(title: str, parts: Parts, env: DrivingEnv) -> Report:
    if not parts.env_class.with_track:
        return CurveReport(title)
    if not parts.env_class.can_redrive:
        return InputsReport(title, parts.track, env.decision_ms // TICK_MS)
    race = cast(RedrivableEnv, env)
    return RaceReport(title, parts.track, race.decision_ticks, race.action_delay_ticks)


def _training_races(parts: Parts, env: DrivingEnv) -> TrainingRaces:
    if not parts.env_class.with_track:
        return NoTrainingRaces()
    return FastestTrainingRace(env.decision_ms, parts.profile["race_ms"])


def _loggers(job: Composition, parts: Parts, manifest: Manifest, net: torch.nn.Module) -> list[Logger]:
    name, arm = parts.values["name"], typed.arm(job.overrides)
    facts = {"fingerprint": job.fingerprint, "sweep": name, "arm": arm, "commit": manifest.commit}
    known = {
        "run_id": manifest.run_id,
        "folder": job.folder,
        "config": manifest.config | facts,
        "name": f"{name}/{arm}/s{parts.seed}",
        "group": f"{name}/{arm}"[:LONGEST_GROUP],
        "tags": [tag[:LONGEST_TAG] for tag in (parts.track_name, *arm.split(","))],
        "track": parts.track_name,
        "write_driver": lambda path: write_policy(parts, net, parts.clock.frames, path),
    }
    return [make_with_known(node, **known) for node in parts.values["logger"].values()]
