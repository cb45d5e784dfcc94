"""Races without exploration: one from the canonical start, the rest from fixed seeded starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from btr_tm.core.block import by_slot
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Policy
from btr_tm.core.types import Obs, Races
from btr_tm.run.canonical import Canonical

CHECK_EVERY = 8  # decisions between two looks at whether every race is over, each a device sync point


class Race(NamedTuple):
    """One recorded race; T decisions of one action or K, out of A."""

    actions: Tensor  # (T,) int64, row of the action table per decision, or (T, K)
    finished: bool
    time_ms: int
    progress_m: float
    frames: int  # training frames of the policy that drove it
    q: Tensor = torch.zeros(0, 0)  # (T, A) or (T, K, A), what it thought of its actions
    metres: Tensor = torch.zeros(0)  # (T,) furthest metre after each decision

    def rank(self) -> tuple[bool, float]:
        """Larger is better: finished before unfinished, then faster, or farther."""
        return (self.finished, -self.time_ms if self.finished else self.progress_m)


class Result(NamedTuple):
    """All races of one evaluation, on the host; row 0 is the canonical start."""

    finished: Tensor  # (E,) bool
    time_s: Tensor  # (E,) float64
    progress_m: Tensor  # (E,) float64
    reward: Tensor  # (E,) float64
    canonical: Race


def never() -> bool:
    """Goes on to the end."""
    return False


NOTHING = Race(torch.zeros(0, dtype=torch.int64), False, 0, -math.inf, 0)  # every race beats it


class Evaluator:
    """Drives `1 + starts` races and remembers the best canonical one.

    `make_env(cars)` builds the evaluation environment, car 0 starting canonically, done cars staying done;
    `track_m` is the distance to the finish; `author_time_s` is NaN where unknown.
    """

    def __init__(
        self,
        make_env: Callable[[int], Any],
        clock: Clock,
        starts: int = 32,
        track_m: float = math.nan,
        author_time_s: float = math.nan,
        canonical: Canonical | None = None,
    ) -> None:
        self.env = make_env(1 + starts)
        self.track_m, self.author_time_s = track_m, author_time_s
        self.canonical = canonical or Canonical()
        self.clock = clock
        self.best = NOTHING
        self.latest: dict[str, float] = {}  # figures of the last evaluation, at `latest_frames`
        self.latest_frames = -1
        self.closely: dict[str, float] = {}  # figures of its canonical race, until they are logged

    def race(self, policy: Policy) -> Result:
        """Drive every race to its end."""
        result = self._race(policy, never)
        assert result is not None
        return result

    @torch.inference_mode()
    def _race(self, policy: Policy, stop: Callable[[], bool]) -> Result | None:
        """The same, or None if `stop()` came first."""
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
            if bool(ends.done.all()):
                break
            obs, rows = self._narrowed(obs, rows, ends.done)
        assert ends is not None
        n = 1 + int((~torch.stack(over)).sum())  # the canonical race may have ended before the others
        columns = [torch.stack(column).cpu()[:n] for column in (actions, values, metres)]
        with torch.inference_mode(False):  # tensors that anyone may use
            return self._result(Races(*(leaf.clone() for leaf in ends)), *(c.clone() for c in columns))

    def _narrowed(self, obs: Obs, rows: Tensor, done: Tensor) -> tuple[Obs, Tensor]:
        """Half as many races, once the others are over; the canonical one stays. Few sizes ever occur."""
        half = (len(rows) + 1) // 2
        going = ~done[rows]
        going[0] = True
        if not getattr(self.env, "shrinks", False) or half == len(rows) or int(going.sum()) > half:
            return obs, rows
        places = going.int().argsort(descending=True, stable=True)[:half]
        return self.env.keep(places), rows[places]

    def _result(self, ends: Races, actions: Tensor, q: Tensor, metres: Tensor) -> Result:
        time_s = ends.time_ms.cpu().double() / 1000.0
        finished, progress_m = ends.finished.cpu(), ends.progress_m.cpu().double()
        first = bool(finished[0]), int(ends.time_ms[0]), float(progress_m[0])
        canonical = Race(actions, *first, self.clock.frames, q.float(), metres)
        return Result(finished, time_s, progress_m, ends.reward.cpu().double(), canonical)

    def run(self, policy: Policy, stop: Callable[[], bool] = never) -> dict[str, float]:
        """Metrics of one evaluation for the section `eval`; NaN where a figure does not exist.

        None at all, and nothing is remembered, if `stop()` comes before its end.
        """
        result = self._race(policy, stop)
        if result is None:
            return {}
        if result.canonical.rank() > self.best.rank():
            self.best = result.canonical
        self.latest_frames, self.latest = self.clock.frames, self.summarise(result)
        self.closely = self.canonical.look(result.canonical, self.best)
        return self.latest

    def take(self) -> dict[str, float]:
        """The canonical race of an evaluation since this was last asked: a gauge of the meter."""
        taken, self.closely = self.closely, {}
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

    def state_dict(self) -> dict[str, Any]:
        latest = {"latest": self.latest, "latest_frames": self.latest_frames, "closely": self.closely}
        return {"best": self.best._asdict(), "rolling_s": self.canonical.rolling.value_s} | latest

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.closely = Race(**state["best"]), dict(state["closely"])
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
