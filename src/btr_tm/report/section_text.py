"""The comparison with the author, section by section, as a table and in words."""

from __future__ import annotations

from collections.abc import Sequence

from btr_tm.metrics.summary_text import metres_text, race_time_text, share_text
from btr_tm.report.redrive import Redriven
from btr_tm.report.sections import Compared, Passage
from btr_tm.report.table_text import markdown

HEADINGS = (
    "section", "ends at", "time s", "lost", "total", "entry km/h", "lowest", "exit", "at the fence",
    "braking", "steering", "full throttle",
)  # fmt: skip
WORST = 3  # sections named below the table,
LEAST_S = 0.005  # if they lose as much


def section_table(compared: Sequence[Compared]) -> str:
    """A Markdown table; the author's figures in brackets behind the driver's."""
    rows, total = [list(HEADINGS)], 0.0
    for each in compared:
        total += each.lost_s
        rows.append(row(each, total))
    return markdown(rows)


def row(each: Compared, total_s: float) -> list[str]:
    driver, author = each.driver, each.author
    speeds = [
        f"{mine:.0f} ({his:.0f})" for mine, his in zip(driver[1:4], author[1:4], strict=True)
    ]  # entry, lowest, exit
    shares = [
        f"{share_text(mine)} ({share_text(his)})" for mine, his in zip(driver[6:], author[6:], strict=True)
    ]  # braking, steering, throttle
    times = f"{driver.time_s:.2f} ({author.time_s:.2f})", f"{each.lost_s:+.2f}", f"{total_s:+.2f}"
    return [each.section.name, each.section.gate, *times, *speeds, fence_text(driver), *shares]


def fence_text(passage: Passage) -> str:
    """12.3 m, 340 ms; nothing for a car that kept off."""
    return f"{metres_text(passage.wall_m)}, {passage.wall_ms} ms" if passage.wall_ms else ""


def verdict(compared: Sequence[Compared], driver: Redriven, author: Redriven) -> str:
    """What the table comes to, in sentences."""
    lost_s = sum(each.lost_s for each in compared)
    wall_m, wall_ms = (sum(each.driver[field] for each in compared) for field in (4, 5))
    touched = (
        f"{metres_text(wall_m)} and {wall_ms} ms against the fence" if wall_ms else "the fence not touched"
    )
    return f"{ending(compared, driver, author)} {lost_s:+.2f} s in all, {touched}.{where_most(compared)}"


def where_most(compared: Sequence[Compared]) -> str:
    """The sections that lose most, in a sentence; none where nothing is lost."""
    losing = sorted((each for each in compared if each.lost_s >= LEAST_S), key=lambda each: -each.lost_s)
    named = ", ".join(f"{each.section.name} ({each.lost_s:+.2f} s)" for each in losing[:WORST])
    return f" Most time goes in: {named}." if named else ""


def ending(compared: Sequence[Compared], driver: Redriven, author: Redriven) -> str:
    """How far the comparison goes."""
    times = f"the author needs {race_time_text(author.time_ms / 1000)}"
    if driver.finished:
        return f"The driver finishes in {race_time_text(driver.time_ms / 1000)}, {times}."
    reached = metres_text(compared[-1].section.last_m)
    return (
        f"The race ended after {reached} without a finish and is compared as far as it came; {times} for all."
    )
