"""Counters that drive everything periodic; a frame is one decision of one car."""

from __future__ import annotations

from dataclasses import asdict, dataclass


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
    """True once for every multiple of `period` frames that was crossed since it last was; 0 means never."""

    period: int
    last: int = 0

    def __call__(self, frames: int) -> bool:
        if self.period <= 0 or frames // self.period <= self.last // self.period:
            return False
        self.last = frames
        return True

    def state_dict(self) -> dict[str, int]:
        return {"last": self.last}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.last = int(state["last"])  # the period is not restored: it may change between sittings


class Credit:
    """Learning that driving has paid for: one update per `frames_per_update` frames, none for the warm-up."""

    def __init__(self, frames_per_update: float, warmup_frames: int = 0) -> None:
        assert frames_per_update > 0, frames_per_update
        self.frames_per_update = frames_per_update
        self.seen = warmup_frames
        self.unspent = 0.0  # frames

    def due(self, frames: int) -> int:
        """Whole updates earned up to `frames` and not handed out yet; the rest is kept."""
        self.unspent += max(0, frames - self.seen)
        self.seen = max(frames, self.seen)
        updates = int(self.unspent // self.frames_per_update)
        self.unspent -= updates * self.frames_per_update
        return updates

    def state_dict(self) -> dict[str, float]:
        return {"seen": self.seen, "unspent": self.unspent}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.seen, self.unspent = int(state["seen"]), float(state["unspent"])
