"""Races without exploration: one from the canonical start, the rest from fixed seeded starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.block import by_slot
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import Actor, DrivingEnv
from btr_tm.core.types import Obs, Races, StateDict
from btr_tm.run.canonical_metrics import CanonicalMetrics
from btr_tm.run.race import NO_RACE, Race

LONGEST_RACE = 120_000  # decisions; Atari's usual limit of 30 minutes is 108,000 of single frames
CHECK_EVERY = 8  # decisions; whether every race is over is known only after waiting for the device


class Result(NamedTuple):
    """All races of one evaluation, on the host; row 0 is the canonical start."""

    finished: Tensor  # (E,) bool
    time_s: Tensor  # (E,) float64
    progress_m: Tensor  # (E,) float64
    reward: Tensor  # (E,) float64
    canonical: Race


def never() -> bool:
    """Never stops."""
    return False


Tell = Callable[[int, int], None]  # (decisions of each race so far, races that are over)


def silent(decisions: int, over: int) -> None:
    """Says nothing."""


class Evaluator:
    """Drives `1 + starts` races and keeps the best canonical one.

    `make_env(cars)` builds the environment; car 0 starts canonically, and a race that is over stays over;
    `track_m` is the distance to the finish; `author_time_s` is NaN where unknown.
    """

    def __init__(
        self,
        make_env: Callable[[int], DrivingEnv],
        clock: Clock,
        starts: int,
        track_m: float = math.nan,
        author_time_s: float = math.nan,
        canonical: CanonicalMetrics | None = None,
    ) -> None:
        self.env = make_env(1 + starts)
        self.track_m, self.author_time_s = track_m, author_time_s
        self.canonical = canonical or CanonicalMetrics()
        self.clock = clock
        self.best = NO_RACE
        self.latest: dict[str, float] = {}  # figures of the last evaluation, at `latest_frames`
        self.latest_frames = -1
        self.canonical_figures: dict[str, float] = {}  # figures of its canonical race, until they are logged

    def race(self, policy: Actor, tell: Tell = silent) -> Result:
        """Drive every race to its end, and `tell` now and then how far they are; raises UserError if one has
        none.
        """
        result = self._race(policy, never, tell)
        assert result is not None
        return result

    @torch.inference_mode()
    def _race(self, policy: Actor, stop: Callable[[], bool], tell: Tell = silent) -> Result | None:
        """The same, or None if `stop()` came first."""
        with policy.unchanged():
            return self._driven(policy, stop, tell)

    def _driven(self, policy: Actor, stop: Callable[[], bool], tell: Tell) -> Result | None:
        obs, _ = self.env.reset(options={"start": "evaluation"})
        ends: Races | None = None
        rows = torch.arange(len(obs.floats), device=obs.floats.device)  # of the races that are driven
        actions, values, metres, over = [], [], [], []  # of the canonical race, decision by decision
        for step in itertools.count(1):
            decision = policy.act(obs, explore=False)
            actions.append(decision.action[0])
            values.append(decision.q[0])
            obs, _, _, _, info = self.env.step(decision.action)
            ends = info["races"] if ends is None else first_end(ends, info["races"], rows)
            metres.append(ends.progress_m[0])
            over.append(ends.done[0])
            if step % CHECK_EVERY:
                continue
            if stop():
                return None
            ended = int(ends.done.sum())
            tell(step, ended)
            if ended == len(ends.done):
                break
            if step > LONGEST_RACE:
                raise UserError(
                    f"a race of the evaluation has not ended after {LONGEST_RACE:,} decisions; give the "
                    "environment a limit after which it truncates an episode"
                )
            obs, rows = self._narrowed(obs, rows, ends.done)
        assert ends is not None
        n = 1 + int((~torch.stack(over)).sum())  # the canonical race may have ended before the others
        columns = [torch.stack(column).cpu()[:n] for column in (actions, values, metres)]
        with torch.inference_mode(False):  # inference tensors could not be used elsewhere
            return self._result(Races(*(leaf.clone() for leaf in ends)), *(c.clone() for c in columns))

    def _narrowed(self, obs: Obs, rows: Tensor, done: Tensor) -> tuple[Obs, Tensor]:
        """Drop half of the races once that many are over, never the canonical one; so few sizes occur."""
        half = (len(rows) + 1) // 2
        going = ~done[rows]
        going[0] = True
        if not self.env.can_shrink or half == len(rows) or int(going.sum()) > half:
            return obs, rows
        places = going.int().argsort(descending=True, stable=True)[:half]
        return self.env.keep(places), rows[places]

    def _result(self, ends: Races, actions: Tensor, q: Tensor, metres: Tensor) -> Result:
        time_s = ends.time_ms.cpu().double() / 1000.0
        finished, progress_m = ends.finished.cpu(), ends.progress_m.cpu().double()
        first = bool(finished[0]), int(ends.time_ms[0]), float(progress_m[0])
        canonical = Race(actions, *first, self.clock.frames, q.float(), metres)
        return Result(finished, time_s, progress_m, ends.reward.cpu().double(), canonical)

    def run(self, policy: Actor, stop: Callable[[], bool] = never) -> dict[str, float]:
        """Metrics of one evaluation for the section `eval`; NaN where a figure does not exist.

        None at all, and nothing is kept, if `stop()` comes before its end.
        """
        result = self._race(policy, stop)
        if result is None:
            return {}
        if result.canonical.rank() > self.best.rank():
            self.best = result.canonical
        self.latest_frames, self.latest = self.clock.frames, self.summarise(result)
        self.canonical_figures = self.canonical.measure(result.canonical, self.best)
        return self.latest

    def take(self) -> dict[str, float]:
        """Figures of the canonical race, once for each evaluation: a gauge of the meter."""
        taken, self.canonical_figures = self.canonical_figures, {}
        return {f"canonical/{name}": value for name, value in taken.items()}

    def summarise(self, result: Result) -> dict[str, float]:
        nan_times = torch.where(result.finished, result.time_s, math.nan)
        seeded = nan_times[1:][result.finished[1:]]
        canonical_s = float(nan_times[0])
        share = torch.where(result.finished, 1.0, (result.progress_m / self.track_m).clamp(0.0, 1.0))
        return {
            "canonical_time_s": canonical_s,
            "best_time_s": float(nan_times.nan_to_num(math.inf).min()),
            "finish_rate": float(result.finished[1:].double().mean()),
            "mean_time_s": float(seeded.mean()),
            "std_time_s": float((seeded - seeded.mean()).square().mean().sqrt()),
            "progress_mean": float(share[1:].mean()),
            "author_ratio": canonical_s / self.author_time_s,
            "return_mean": float(result.reward.mean()),
            "q_mean": float(by_slot(result.canonical.q).sum(1).mean()),
            "best_canonical_time_s": self.best.time_ms / 1000.0 if self.best.finished else math.nan,
        }

    def state_dict(self) -> StateDict:
        latest = {
            "latest": self.latest,
            "latest_frames": self.latest_frames,
            "canonical_figures": self.canonical_figures,
        }
        return {"best": self.best._asdict(), "rolling_s": self.canonical.rolling.value_s} | latest

    def load_state_dict(self, state: StateDict) -> None:
        self.best, self.canonical_figures = Race(**state["best"]), dict(state["canonical_figures"])
        self.canonical.rolling.value_s = float(state["rolling_s"])
        self.latest, self.latest_frames = dict(state["latest"]), int(state["latest_frames"])

    def close(self) -> None:
        self.env.close()


def first_end(held: Races, now: Races, rows: Tensor) -> Races:
    """`held`, with the `rows` (K,) of races that had not ended before as they are `now` (K rows)."""
    before = Races(*(leaf[rows] for leaf in held))
    news = [torch.where(before.done, old, new) for old, new in zip(before, now, strict=True)]
    merged = Races(*news)._replace(done=before.done | now.done)
    return Races(*(leaf.index_copy(0, rows, part) for leaf, part in zip(held, merged, strict=True)))
