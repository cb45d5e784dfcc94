"""What a row says about settings and memory at its frame: read at each flush, never accumulated."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from btr_tm.cli.assembly.build import make
from btr_tm.cli.assembly.parts import Parts
from btr_tm.core.protocols import DrivingEnv, Learner, ReplayBuffer
from btr_tm.metrics.meter import Gauge, Pace


def gauges(parts: Parts, learner: Learner, replay: ReplayBuffer) -> list[Gauge]:
    """Those of every run, whatever its parts are; an evaluation's come from the evaluator."""
    return [_settings(parts), _memory(parts, replay), learner.take]


def pace(parts: Parts, env: DrivingEnv) -> Pace:
    """What a frame and an update amount to."""
    frame_s = env.decision_ms / 1000 if parts.env_class.with_track else math.nan
    return Pace(frame_s, parts.passes * parts.batch_size)


def _settings(parts: Parts) -> Gauge:
    gamma = make(parts.values["schedule"]["gamma"])
    convention, clock = parts.values["convention"], parts.clock

    def read() -> Mapping[str, float]:
        found = {
            "gamma": gamma(clock.frames),
            "batch_size": parts.batch_size,
            "uses_per_transition": parts.passes * parts.batch_size / parts.frames_per_update,
        }
        if not parts.learner_class.on_policy:  # else a rollout is made of single steps
            found |= {name: convention[name] for name in ("n_step", "cut_at_non_greedy")}
        return {f"settings/{name}": value for name, value in found.items()}

    return read


def _memory(parts: Parts, replay: ReplayBuffer) -> Gauge:
    clock, per_update = parts.clock, parts.passes * parts.batch_size
    per_frame = per_update / parts.frames_per_update

    def read() -> Mapping[str, Tensor | float]:
        samples = {"samples_used": per_update * clock.updates, "samples_due": per_frame * clock.frames}
        return {f"replay/{name}": value for name, value in (samples | replay.measure()).items()}

    return read
