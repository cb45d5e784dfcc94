"""What the person at the terminal sees: a live display, or plain lines where output is piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from btr_tm.core.clock import Clock
from btr_tm.metrics.meter import Row
from btr_tm.metrics.summary_text import clock_text

if TYPE_CHECKING:
    from rich.console import Group


class Standing:
    """The latest value of each figure of a run."""

    def __init__(self, total_frames: int) -> None:
        self.total_frames = total_frames
        self.row: Row = {}
        self.rate = 0.0  # frames/s, smoothed

    def update(self, row: Row) -> None:
        self.row |= row
        now = row["speed/frames_per_s"]
        self.rate = now if self.rate == 0.0 else 0.7 * self.rate + 0.3 * now

    def fields(self, frames: int) -> list[str]:
        """Texts for frames, speed, updates, best time, finish rate, and time to go."""
        row = self.row
        best = row.get("eval/best_canonical_time_s", row.get("race/best_time_s"))
        finish = row.get("eval/finish_rate", row.get("race/finish_rate"))
        left = (self.total_frames - frames) / self.rate if self.rate > 0 else None
        return [
            f"{frames:,} frames",
            f"{self.rate:,.0f} frames/s",
            f"{row.get('speed/updates_per_s', 0.0):.1f} updates/s",
            "best " + (f"{best:.2f} s" if best is not None else "--"),
            "finish " + (f"{finish:.0%}" if finish is not None else "--"),
            "ETA " + (clock_text(left) if left is not None else "--"),
        ]


class Estimate:
    """Says once, as soon as updates are running, how long the run will take at this speed."""

    def __init__(self, total_frames: int, clock: Clock, say: Callable[[str], None]) -> None:
        self.total_frames, self.clock, self.say = total_frames, clock, say
        self._said = False

    def write(self, row: Row) -> None:
        rate = row["speed/frames_per_s"]
        if not self._said and row["speed/updates_per_s"] > 0 and rate > 0:
            left = (self.total_frames - self.clock.frames) / rate
            self.say(f"about {clock_text(left)} to go at {rate:,.0f} frames/s")
            self._said = True

    def close(self) -> None:
        pass


class PlainConsole:
    """One line per flush, at most one every `seconds`."""

    def __init__(self, total_frames: int, clock: Clock, seconds: float = 10.0) -> None:
        self.standing = Standing(total_frames)
        self.clock, self.seconds = clock, seconds
        self._next = 0.0

    def say(self, line: str) -> None:
        print(line, flush=True)

    def write(self, row: Row) -> None:
        self.standing.update(row)
        if time.monotonic() >= self._next or self.clock.frames >= self.standing.total_frames:
            self._next = time.monotonic() + self.seconds
            share = self.clock.frames / self.standing.total_frames
            self.say(f"{share:4.0%}  " + "  ".join(self.standing.fields(self.clock.frames)))

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


class LiveConsole:
    """A progress bar with figures that stays at the bottom of a terminal."""

    def __init__(self, total_frames: int, clock: Clock) -> None:
        from rich.console import Console
        from rich.live import Live

        self.standing = Standing(total_frames)
        self.clock = clock
        self.console = Console()
        self._live = Live(console=self.console, get_renderable=self._render, refresh_per_second=2)

    def _render(self) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        share = min(1.0, self.clock.frames / self.standing.total_frames)
        *figures, to_go = self.standing.fields(self.clock.frames)
        line = Table.grid(padding=(0, 2))
        line.add_row(ProgressBar(total=1.0, completed=share, width=50), f"{share:4.0%}", to_go)
        return Group(line, Text("  ".join(figures), no_wrap=True, overflow="ellipsis"))

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)

    def write(self, row: Row) -> None:
        self.standing.update(row)

    def start(self) -> None:
        self._live.start()

    def close(self) -> None:
        self._live.stop()


def console(total_frames: int, clock: Clock) -> PlainConsole | LiveConsole:
    """The console that suits standard output."""
    if sys.stdout.isatty():
        return LiveConsole(total_frames, clock)
    return PlainConsole(total_frames, clock)
