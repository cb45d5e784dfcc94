"""Tables of experiments/driver: sections of races against the author's, returns and values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from btr_tm.report.section_text import section_table
from btr_tm.report.sections import Compared, Passage, Section
from btr_tm.report.table_text import markdown


def page(path: Path) -> str:
    """sections.md: the races that are shown whole, as `evaluate --sections` prints them."""
    parts = []
    for name, rows in json.loads(path.read_text(encoding="utf-8"))["shown"].items():
        compared = [
            Compared(Section(**section), Passage(**driver), Passage(**author))
            for section, driver, author in rows
        ]
        parts.append(f"## {name}\n\n{section_table(compared)}\n")
    return "# Three races against the author's, section by section\n\n" + "\n".join(parts)


def tables(folder: Path) -> str:
    """Those of the README."""
    measured = json.loads((folder / "measured.json").read_text(encoding="utf-8"))
    titled = {
        f"**Sections**, means of {measured['races']} finished races; author in brackets:": means(measured),
        "**Returns** from the start:": returned(measured),
        "**From the author's states on**, gamma 0.99:": continued(measured),
        "**Predicted and driven**, gamma 0.99, with the potential:": values(measured),
        "**What a m/s is worth** at a place:": slopes(measured),
    }
    return "\n".join(f"{title}\n\n{table}\n" for title, table in titled.items()) + hits(measured)


def means(measured: dict[str, Any]) -> str:
    rows = [
        ["section", "lost s", "of all races", "lowest km/h", "exit", "at the fence", "braking", "steering"]
    ]
    for each in measured["means"]:
        lost, author = each["lost_s"], each["author"]
        rows.append(
            [
                Section(**each["section"]).name,
                f"{np.mean(lost):+.2f}",
                f"{min(lost):+.2f} to {max(lost):+.2f}",
                f"{each['lowest_kmh']:.0f} ({author['lowest_kmh']:.0f})",
                f"{each['exit_kmh']:.0f} ({author['exit_kmh']:.0f})",
                f"{each['touched']:.0%}",
                f"{each['braking']:.0%} ({author['braking']:.0%})",
                f"{each['steering']:.0%} ({author['steering']:.0%})",
            ]
        )
    return markdown(rows)


def returned(measured: dict[str, Any]) -> str:
    """The author comes first; a time of 0 stands for a race that did not finish."""
    finished = np.array(measured["time_s"]) > 0
    rows = [
        ["gamma", "author", "best of the others", "worst that finished", "rank correlation with race time"]
    ]
    for gamma, worth in measured["returns"].items():
        author, others = worth[0], np.array(worth)[1:][finished[1:]]
        times = np.array(measured["time_s"])[1:][finished[1:]]
        order = np.corrcoef(others.argsort().argsort(), (-times).argsort().argsort())[0, 1]
        rows.append(
            [gamma, f"{author:.2f}", f"{others.max():.2f}", f"{others.min():.2f}", f"{order:.2f}"],
        )
    return markdown(rows)


def continued(measured: dict[str, Any]) -> str:
    rows = [["at", "the author goes on", "the driver goes on"]]
    rows += [
        [f"{max(each['metres'], 0):.0f} m", f"{each['author']:.2f}", f"{each['driver']:.2f}"]
        for each in measured["marks"]
    ]
    return markdown(rows)


def values(measured: dict[str, Any]) -> str:
    rows = [["at", "predicted", "driven"]]
    rows += [
        [f"{each['time_s']:.2f} s", f"{each['predicted']:.1f}", f"{each['driven']:.1f}"]
        for each in measured["values"][::2]
    ]
    return markdown(rows)


def slopes(measured: dict[str, Any]) -> str:
    rows = [["at", "worth of 1 m/s there", "what the potential pays"]]
    rows += [[f"{place} m", f"{worth:+.2f}", "+0.20"] for place, worth in measured["slopes"].items()]
    return markdown(rows)


def hits(measured: dict[str, Any]) -> str:
    before, after = measured["hit_kmh"]
    return (
        f"\nContacts with the fence that cost more than 15 km/h: {measured['hits_per_race']:.1f} a race, on "
        f"average from {before:.0f} to {after:.0f} km/h.\nSlower at the finish than 76 m before it: "
        f"{measured['slower_at_the_finish']} of {measured['races']} races.\n"
    )
