"""The races of an evaluation: one from the canonical start, the rest from fixed seeded starts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.errors import RaceLost, UserError
from btr_tm.core.protocols import Actor, DrivingEnv
from btr_tm.core.types import Obs, Races
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.race import Race
from btr_tm.run.rehearsal import rehearse

LONGEST_RACE = 120_000  # decisions; Atari's usual limit of 30 minutes is 108,000 of single frames
TRIES = 3  # of races that a game loses
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


class InlineRaces:
    """Drives `1 + starts` races where training waits for them.

    `make_env(cars)` builds the environment; car 0 starts canonically, and a race that is over stays over.
    """

    def __init__(self, make_env: Callable[[int], DrivingEnv], starts: int) -> None:
        self.env = make_env(1 + starts)
        self._driven: Result | None = None

    def begin(self, policy: Actor, frames: int, stop: Callable[[], bool]) -> bool:
        """Drive every race to its end with a driver of `frames` frames; False if `stop()` came first."""
        self._driven = self._drive(policy, frames, stop, silent)
        return self._driven is not None

    def result(self, wait: bool) -> Result | None:
        """The races that were begun and not asked for yet."""
        driven, self._driven = self._driven, None
        return driven

    def charge_to(self, watch: Stopwatch) -> None:
        """No other process spends time for it."""

    def drive(self, policy: Actor, frames: int, tell: Tell = silent) -> Result:
        """The same at once, and `tell` now and then how far they are; UserError if a race has no end."""
        result = self._drive(policy, frames, never, tell)
        assert result is not None
        return result

    @torch.inference_mode()
    def _drive(self, policy: Actor, frames: int, stop: Callable[[], bool], tell: Tell) -> Result | None:
        for _ in range(TRIES - 1):
            with policy.unchanged(), suppress(RaceLost):
                return self._decide(policy, frames, stop, tell)
        with policy.unchanged():
            return self._decide(policy, frames, stop, tell)

    def _decide(self, policy: Actor, frames: int, stop: Callable[[], bool], tell: Tell) -> Result | None:
        rehearse(self.env, policy, explore=False)
        obs, began = self.env.reset(options={"start": "evaluation"})
        ends: Races | None = None
        rows = torch.arange(len(obs.floats), device=obs.floats.device)  # of the races that are driven
        actions, values, metres, over = [], [], [], []  # of the canonical race, decision by decision
        rewards, potentials = [], [began["potential"][0].clone()]
        for step in itertools.count(1):
            decision = policy.act(obs, explore=False)
            actions.append(decision.action[0])
            values.append(decision.q[0])
            obs, reward, terminated, _, info = self.env.step(decision.action)
            rewards.append(reward[0].clone())  # the environment may write the next into its place
            potentials.append(torch.where(terminated[0], 0.0, info["final_potential"][0]))
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
        columns = [torch.stack(column).cpu()[:n] for column in (actions, values, metres, rewards)]
        columns.append(torch.stack(potentials).cpu()[: n + 1])
        with torch.inference_mode(False):  # inference tensors could not be used elsewhere
            return as_result(frames, Races(*(leaf.clone() for leaf in ends)), *(c.clone() for c in columns))

    def _narrowed(self, obs: Obs, rows: Tensor, done: Tensor) -> tuple[Obs, Tensor]:
        """Drop half of the races once that many are over, never the canonical one; so few sizes occur."""
        half = (len(rows) + 1) // 2
        going = ~done[rows]
        going[0] = True
        if not self.env.can_shrink or half == len(rows) or int(going.sum()) > half:
            return obs, rows
        places = going.int().argsort(descending=True, stable=True)[:half]
        return self.env.keep(places), rows[places]

    def close(self) -> None:
        self.env.close()


def as_result(
    frames: int,
    ends: Races,
    actions: Tensor,
    q: Tensor,
    metres: Tensor,
    rewards: Tensor,
    potentials: Tensor,
) -> Result:
    """On the host; from `actions` on they are those of the canonical race, decision by decision."""
    time_s = ends.time_ms.cpu().double() / 1000.0
    finished, progress_m = ends.finished.cpu(), ends.progress_m.cpu().double()
    first = bool(finished[0]), int(ends.time_ms[0]), float(progress_m[0])
    canonical = Race(actions, *first, frames, q.float(), metres, rewards, potentials)
    return Result(finished, time_s, progress_m, ends.reward.cpu().double(), canonical)


def first_end(held: Races, now: Races, rows: Tensor) -> Races:
    """`held`, with the `rows` (K,) of races that had not ended before as they are `now` (K rows)."""
    before = Races(*(leaf[rows] for leaf in held))
    news = [torch.where(before.done, old, new) for old, new in zip(before, now, strict=True)]
    merged = Races(*news)._replace(done=before.done | now.done)
    return Races(*(leaf.index_copy(0, rows, part) for leaf, part in zip(held, merged, strict=True)))
