"""What the evaluations of a run say: figures of each, and the best canonical race of all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch

from btr_tm.core.block import by_slot
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Policy
from btr_tm.core.types import StateDict
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.canonical_metrics import CanonicalMetrics
from btr_tm.run.evaluation_races import Result, never
from btr_tm.run.race import NO_RACE, Race

HISTORY = 64  # races: some 100 kB in a checkpoint


class EvaluationRaces(Protocol):
    """Drives the races of one evaluation at a time, while training waits or beside it."""

    def begin(self, policy: Policy, frames: int, stop: Callable[[], bool]) -> bool:
        """Begin with the weights of this moment; False if `stop()` has ended it already."""
        ...

    def result(self, wait: bool) -> Result | None:
        """The races that were begun, once, when they are over; `wait` for that."""
        ...

    def charge_to(self, watch: Stopwatch) -> None:
        """Charge the CPU seconds that another process spends on them to `watch`."""
        ...

    def close(self) -> None:
        """Release environment and process; safe to call twice."""
        ...


class Evaluator:
    """Figures of the races that `races` drives; keeps the best canonical one.

    `track_m` is the distance to the finish; `author_time_s` is NaN where unknown.
    """

    def __init__(
        self,
        races: EvaluationRaces,
        clock: Clock,
        track_m: float = math.nan,
        author_time_s: float = math.nan,
        canonical: CanonicalMetrics | None = None,
    ) -> None:
        self.races, self.clock = races, clock
        self.track_m, self.author_time_s = track_m, author_time_s
        self.canonical = canonical or CanonicalMetrics()
        self.best = NO_RACE
        self.history: list[Race] = []  # canonical races in short, the first and the latest among them
        self.latest: dict[str, float] = {}  # figures of the last evaluation, at `latest_frames`
        self.latest_frames = -1
        self.canonical_figures: dict[str, float] = {}  # figures of its canonical race, until they are logged
        self._open = False

    def begin(self, policy: Policy, stop: Callable[[], bool] = never) -> bool:
        """Begin an evaluation; False, and nothing is kept, if `stop()` comes before its end.

        The one before must have ended.
        """
        assert not self._open, "two evaluations at once"
        self._open = self.races.begin(policy, self.clock.frames, stop)
        return self._open

    def ended(self, wait: bool) -> dict[str, float]:
        """Metrics for the section `eval` of the evaluation that was begun, once; none before its end.

        NaN where a figure does not exist.
        """
        result = self.races.result(wait) if self._open else None
        if result is None:
            return {}
        self._open = False
        return self._keep(result)

    def run(self, policy: Policy, stop: Callable[[], bool] = never) -> dict[str, float]:
        """Metrics of one evaluation from begin to end; none if `stop()` comes before."""
        return self.ended(wait=True) if self.begin(policy, stop) else {}

    def _keep(self, result: Result) -> dict[str, float]:
        if result.canonical.rank() > self.best.rank():
            self.best = result.canonical
        self.history = remembered(self.history, result.canonical)
        self.latest_frames, self.latest = result.canonical.frames, self.summarise(result)
        self.canonical_figures = self.canonical.measure(result.canonical, self.best)
        return self.latest

    def take(self) -> dict[str, float]:
        """Figures of the canonical race, once for each evaluation: a gauge of the meter."""
        taken, self.canonical_figures = self.canonical_figures, {}
        return {f"canonical/{name}": value for name, value in taken.items()}

    def summarise(self, result: Result) -> dict[str, float]:
        """The first race is the canonical one. A game that has no seeded starts is judged by it alone."""
        rows = slice(min(1, len(result.finished) - 1), None)  # of the seeded starts
        nan_times = torch.where(result.finished, result.time_s, math.nan)
        seeded = nan_times[rows][result.finished[rows]]
        canonical_s = float(nan_times[0])
        share = torch.where(result.finished, 1.0, (result.progress_m / self.track_m).clamp(0.0, 1.0))
        return {
            "canonical_time_s": canonical_s,
            "best_time_s": float(nan_times.nan_to_num(math.inf).min()),
            "finish_rate": float(result.finished[rows].double().mean()),
            "mean_time_s": float(seeded.mean()),
            "std_time_s": float((seeded - seeded.mean()).square().mean().sqrt()),
            "progress_mean": float(share[rows].mean()),
            "author_ratio": canonical_s / self.author_time_s,
            "return_mean": float(result.reward.mean()),
            "q_mean": float(by_slot(result.canonical.q).sum(1).mean()),
            "best_canonical_time_s": self.best.time_ms / 1000.0 if self.best.finished else math.nan,
        }

    def state_dict(self) -> StateDict:
        latest: StateDict = {
            "latest": self.latest,
            "latest_frames": self.latest_frames,
            "canonical_figures": self.canonical_figures,
        }
        latest["history"] = [race._asdict() for race in self.history]
        return {"best": self.best._asdict(), "rolling_s": self.canonical.rolling.value_s} | latest

    def load_state_dict(self, state: StateDict) -> None:
        self.best, self.canonical_figures = Race(**state["best"]), dict(state["canonical_figures"])
        self.history = [Race(**each) for each in state["history"]]
        self.canonical.rolling.value_s = float(state["rolling_s"])
        self.latest, self.latest_frames = dict(state["latest"]), int(state["latest_frames"])

    def close(self) -> None:
        self.races.close()


def remembered(history: list[Race], race: Race) -> list[Race]:
    """`history` with one more race by its actions alone; of more than HISTORY every second one is dropped."""
    nothing = NO_RACE._replace(actions=race.actions.to(torch.uint8), finished=race.finished)
    short = nothing._replace(time_ms=race.time_ms, progress_m=race.progress_m, frames=race.frames)
    kept = history[::2] if len(history) >= HISTORY else history
    return [*kept, short]
