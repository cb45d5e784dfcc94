"""Counters that drive everything periodic; a frame is one decision of one car."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from btr_tm.core.schedule import ReplaySize

SLOW_ABOVE = 200_000  # transitions: Linesight, while a larger replay is not full,
SLOWLY = 4  # charges an update as many times


@dataclass
class Clock:
    """How far a run is; `seconds` and `cpu_seconds` add up over interruptions."""

    frames: int = 0
    updates: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def state_dict(self) -> dict[str, float]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.frames, self.updates = int(state["frames"]), int(state["updates"])
        self.seconds, self.cpu_seconds = float(state["seconds"]), float(state["cpu_seconds"])


@dataclass
class Every:
    """True if a multiple of `period` frames was passed since it was last True; a period of 0 means never."""

    period: int
    last: int = 0

    def __call__(self, frames: int) -> bool:
        if self.period <= 0 or frames // self.period <= self.last // self.period:
            return False
        self.last = frames
        return True

    def again(self) -> None:
        """What the latest True asked for could not be done: it is due again."""
        self.last = max(self.last - self.period, 0)

    def state_dict(self) -> dict[str, int]:
        return {"last": self.last}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.last = int(state["last"])  # the period is not restored: a resumed run may have another


GRANTED_AT_ONCE = 256  # updates, so that a run can be stopped and its cars drive on between them


class Credit:
    """Driving pays for learning: one update per `frames_per_update` frames, none for the warm-up.

    `train_share` is the share of frames that is trained on; the others pay for nothing. Uses of transitions
    that a learner is granted besides pay for updates of `batch_size` uses each, GRANTED_AT_ONCE at a time.
    """

    def __init__(
        self, frames_per_update: float, warmup_frames: int, batch_size: int, train_share: float = 1.0
    ) -> None:
        assert frames_per_update > 0 and 0 < train_share <= 1, (frames_per_update, train_share)
        self.frames_per_update = frames_per_update / train_share
        self.batch_size = batch_size
        self.seen = warmup_frames
        self.granted = 0.0  # uses that have paid for updates
        self.unspent = 0.0  # frames

    def due(self, frames: int, uses: float = 0) -> int:
        """Whole updates paid for up to `frames` and not made yet; the rest is kept.

        `uses` are all that were ever granted besides.
        """
        self.unspent += max(0, frames - self.seen)
        granted = min(uses, self.granted + GRANTED_AT_ONCE * self.batch_size)
        self.unspent += (granted - self.granted) / self.batch_size * self.frames_per_update
        self.granted = granted
        self.seen = max(frames, self.seen)
        updates = int(self.unspent // self.frames_per_update)
        self.unspent -= updates * self.frames_per_update
        return updates

    def state_dict(self) -> dict[str, float]:
        return {"seen": self.seen, "unspent": self.unspent, "granted": self.granted}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.seen, self.unspent = int(state["seen"]), float(state["unspent"])
        self.granted = float(state["granted"])


class RolloutCredit:
    """One update for every rollout: `steps` decisions of each of `cars` cars."""

    on_policy = True

    def __init__(self, cars: int, steps: int) -> None:
        assert cars > 0 and steps > 0, (cars, steps)
        self.rollout_frames = cars * steps
        self.paid = 0  # rollouts

    def due(self, frames: int, uses: float = 0) -> int:
        """1 if a rollout is full that was not paid before; nothing else pays for an update."""
        full = frames // self.rollout_frames
        due, self.paid = int(full > self.paid), max(full, self.paid)
        return due

    def state_dict(self) -> dict[str, int]:
        return {"paid": self.paid}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.paid = int(state["paid"])


class UseCredit:
    """Linesight's counters: each new transition pays for as many samples as it will be used, on average.

    An update spends `batch_size` uses, four times as many while a replay above 200,000 is not full, and is
    due while the balance is not negative and the replay holds `start_learning` transitions. The uses of those
    are never spent: not at the start, nor when a step of `replay_size` asks for more. `train_share` is the
    share of frames that is trained on. How many transitions the replay holds is counted here, not asked. What
    is granted besides is handed out as in `Credit`; Linesight learns all of it before it drives again.
    """

    def __init__(
        self,
        frames_per_update: float,
        replay_size: Callable[[int], ReplaySize],
        batch_size: int,
        train_share: float,
    ) -> None:
        assert frames_per_update > 0 and 0 < train_share <= 1, (frames_per_update, train_share)
        self.uses = batch_size / frames_per_update
        self.replay_size, self.batch_size, self.train_share = replay_size, batch_size, train_share
        self.seen = 0
        self.size = 0.0  # transitions in the replay
        self.earned = self.spent = self.granted = 0.0  # uses

    def due(self, frames: int, uses: float = 0) -> int:
        """Updates due after `frames` frames, `uses` being granted besides; from now on they count as made."""
        capacity, start_learning = self.replay_size(self.seen)
        added = self.train_share * max(0, frames - self.seen)
        self.seen = max(frames, self.seen)
        self.size = min(self.size + added, capacity)
        self.earned += self.uses * added
        self.granted = min(uses, self.granted + GRANTED_AT_ONCE * self.batch_size)
        balance = self.earned + self.granted - self.uses * start_learning - self.spent
        if self.size < start_learning or balance < 0:
            return 0
        slow = capacity > SLOW_ABOVE and self.size < capacity
        price = self.batch_size * (SLOWLY if slow else 1)
        updates = int(balance // price) + 1
        self.spent += updates * price
        return updates

    def state_dict(self) -> dict[str, float]:
        uses = {"earned": self.earned, "spent": self.spent, "granted": self.granted}
        return {"seen": self.seen, "size": self.size, **uses}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.seen, self.size = int(state["seen"]), float(state["size"])
        self.earned, self.spent = float(state["earned"]), float(state["spent"])
        self.granted = float(state.get("granted", math.inf))  # all of it, in checkpoints until 2026-11-29
