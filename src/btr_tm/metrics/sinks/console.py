"""What the person at the terminal sees: a live display, or plain lines where output is piped."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from btr_tm.core.clock import Clock
from btr_tm.metrics.meter import Row
from btr_tm.metrics.summary_text import clock_text, race_time_text, share_text

if TYPE_CHECKING:
    from rich.console import Group


class Standing:
    """The latest value of each figure of a run."""

    def __init__(self, total_frames: int) -> None:
        self.total_frames = total_frames
        self.row: Row = {}
        self.rate = 0.0  # frames/s, smoothed; anew once updates slow the driving down
        self._updating = False

    def update(self, row: Row) -> None:
        self.row |= row
        now, updating = row["speed/frames_per_s"], row["speed/updates_per_s"] > 0
        is_first = self.rate == 0.0 or updating and not self._updating
        self.rate = now if is_first else 0.7 * self.rate + 0.3 * now
        self._updating |= updating

    def fields(self, frames: int) -> list[str]:
        """Texts for frames, speed, updates, best time, finish rate, and time to go."""
        row = self.row
        best = row.get("eval/best_canonical_time_s", row.get("race/best_time_s"))
        finish = row.get("eval/finish_rate", row.get("race/finish_rate"))
        known = self._updating and self.rate > 0  # else nothing is learnt yet, which takes longer
        left = (self.total_frames - frames) / self.rate if known else None
        return [
            f"{frames:,} frames",
            f"{self.rate:,.0f} frames/s",
            f"{row.get('speed/updates_per_s', 0.0):.1f} updates/s",
            "best " + (race_time_text(best) if best is not None else "--"),
            "finish " + (share_text(finish) if finish is not None else "--"),
            "ETA " + (clock_text(left) if left is not None else "--"),
        ]


class PlainConsole:
    """One line per flush, at most one every `seconds`; figures come every `log_every` frames.

    Until the first ones, it says how far they are: after `seconds`, and then less and less often.
    """

    def __init__(self, total_frames: int, log_every: int, clock: Clock, seconds: float = 10.0) -> None:
        self.standing = Standing(total_frames)
        self.log_every, self.clock, self.seconds = log_every, clock, seconds
        self._next = 0.0
        self._heard = threading.Event()  # of a row, or of the end

    def say(self, line: str) -> None:
        print(line, flush=True)

    def write(self, row: Row) -> None:
        self._heard.set()
        self.standing.update(row)
        if time.monotonic() >= self._next or self.clock.frames >= self.standing.total_frames:
            self._next = time.monotonic() + self.seconds
            share = share_text(self.clock.frames / self.standing.total_frames)
            self.say(f"{share:>4}  " + "  ".join(self.standing.fields(self.clock.frames)))

    def start(self) -> None:
        threading.Thread(target=self._speak_until_heard, daemon=True).start()

    def _speak_until_heard(self) -> None:
        began, frames, wait = time.monotonic(), self.clock.frames, self.seconds
        while self.log_every and not self._heard.wait(wait):
            driven = self.clock.frames - frames
            left = self.log_every - self.clock.frames % self.log_every
            line = f"{driven:,} frames so far, the first figures follow after {left:,} more"
            if driven:
                line += f", in about {clock_text(left * (time.monotonic() - began) / driven)}"
            self.say(line)
            wait *= 2

    def close(self) -> None:
        self._heard.set()


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
        line.add_row(ProgressBar(total=1.0, completed=share, width=50), f"{share_text(share):>4}", to_go)
        return Group(line, Text("  ".join(figures), no_wrap=True, overflow="ellipsis"))

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)

    def write(self, row: Row) -> None:
        self.standing.update(row)

    def start(self) -> None:
        self._live.start()

    def close(self) -> None:
        self._live.stop()


def console(total_frames: int, log_every: int, clock: Clock) -> PlainConsole | LiveConsole:
    """The console that suits standard output."""
    if sys.stdout.isatty():
        return LiveConsole(total_frames, clock)
    return PlainConsole(total_frames, log_every, clock)
