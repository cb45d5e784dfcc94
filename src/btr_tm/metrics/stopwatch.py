"""Where the wall time goes. On CUDA these are launch times: the device may still be working."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

ACTIVITIES = ("simulator", "acting", "waiting", "replay", "learning", "testing", "evaluation")


class Lap(NamedTuple):
    """One interval: wall and CPU seconds, and the share of each activity; with `other` they add up to 1."""

    seconds: float
    cpu_seconds: float
    shares: dict[str, float]


class Stopwatch:
    """Seconds per activity since `lap` was last called; activities do not nest."""

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self._begin, self._cpu_begin = time.perf_counter(), time.process_time()
        self._spent = dict.fromkeys(ACTIVITIES, 0.0)
        self._charged = 0.0

    def charge(self, cpu_seconds: float) -> None:
        """Add CPU seconds that another process spent for this run."""
        self._charged += cpu_seconds

    @contextmanager
    def __call__(self, activity: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._spent[activity] += time.perf_counter() - begin

    def lap(self) -> Lap:
        """Times since the last lap, and start the next."""
        seconds = max(time.perf_counter() - self._begin, 1e-9)
        cpu_seconds = time.process_time() - self._cpu_begin + self._charged
        shares = {name: spent / seconds for name, spent in self._spent.items()}
        shares["other"] = 1.0 - sum(shares.values())
        self._restart()
        return Lap(seconds, cpu_seconds, shares)
