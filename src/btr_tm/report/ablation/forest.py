"""What removing and what adding each ingredient does, side by side: in one measure, as a forest plot."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from btr_tm.report.ablation.effects import ADD, REMOVE
from btr_tm.report.ablation.model import EXPLORATORY, HELPS, HURTS, NO_EVIDENCE, Effect, Measure, Study
from btr_tm.report.ablation.outcomes import AREA, COMPUTE_AREA
from btr_tm.report.ablation.text import heading
from btr_tm.report.ablation.words import FAMILIES, named, seeds_text
from btr_tm.report.plots import BLUE, GREEN, GREY, INK, ORANGE, save, style

WIDTH, ROW, MARGIN = 10.5, 0.5, 1.0  # inches
APART = 0.17  # of a row, from its middle to the marks of equal frames and of equal compute
CUT = 3.0  # intervals go off the panel at so many times the largest difference
LABEL = 40  # letters of a row
COLOURS = {HELPS: GREEN, HURTS: ORANGE, NO_EVIDENCE: GREY, EXPLORATORY: BLUE}
SIDES = {REMOVE: "without it", ADD: "with it"}


def draw(study: Study, path: Path, name: str = AREA) -> Path:
    """Removing on the left and adding on the right; comparisons of other kinds below."""
    better = better_text(study.measure(name))
    pair = [known(study, name, family) for family in (REMOVE, ADD)]
    labels = in_order([*pair[0], *pair[1]])
    rest = [e for family in FAMILIES if family not in SIDES for e in known(study, name, family)]
    parts = [n for n in (len(labels), len(rest)) if n]
    heights = [MARGIN + ROW * n for n in parts]
    figure = Figure(figsize=(WIDTH, 0.9 + sum(heights)), layout="constrained")
    if not parts:
        figure.text(0.5, 0.5, "there is only one arm, so nothing can be compared", ha="center", color=GREY)
        return save(figure, path)
    blocks = list(figure.subfigures(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0])
    if labels:
        panels = blocks.pop(0).subplots(1, 2, sharex=True, sharey=True)
        edge = edge_of(study, [*pair[0], *pair[1]])
        for axes, family, effects in zip(panels, SIDES, pair, strict=True):
            draw_rows(axes, study, effects, [labels.index(e.label) for e in effects], labels)
            axes.set_xlim(-edge, edge)
            axes.set_title(f"{family}:  {better} {SIDES[family]}", loc="left", fontsize=10.5, color=INK)
    if rest:
        below = blocks.pop().subplots()
        draw_rows(below, study, rest, range(len(rest)), [named(e, rest) for e in rest])
        below.set_xlim(-edge_of(study, rest), edge_of(study, rest))
        title = f"other comparisons:  {better} than the reference"
        below.set_title(title, loc="left", fontsize=10.5, color=INK)
    legend(figure, study, name)
    return save(figure, path)


def known(study: Study, measure: str, family: str) -> list[Effect]:
    """The differences that exist: of race times only where an arm and its reference have some."""
    return [e for e in study.effects_of(measure, family) if not math.isnan(e.difference.value)]


def better_text(measure: Measure) -> str:
    """On which side of zero an arm is better."""
    return "right is better" if measure.higher_is_better else "left is better"


def short_text(effect: Effect) -> str:
    """The verdict, or the seeds that one would need."""
    needed = seeds_text(effect.seeds_needed)
    return f"{needed} needed" if needed else effect.verdict


def in_order(effects: Sequence[Effect]) -> list[str]:
    """Ingredients that hurt most first; by their mean over removing and adding."""
    by: dict[str, list[float]] = {}
    for effect in effects:
        by.setdefault(effect.label, []).append(effect.gain)
    return sorted(by, key=lambda label: sum(by[label]) / len(by[label]))


def draw_rows(
    axes: Axes, study: Study, effects: Sequence[Effect], rows: Sequence[int], labels: Sequence[str]
) -> None:
    """One row per label, the first on top; each effect has its row."""
    measure = study.measure(effects[0].measure) if effects else study.measure(AREA)
    equal = at_equal_compute(study, measure.name)
    for effect, row in zip(effects, rows, strict=True):
        colour = COLOURS[effect.verdict]
        draw_interval(axes, effect, row - APART, colour, filled=True)
        if effect.arm in equal:
            other = equal[effect.arm]
            draw_interval(axes, other, row + APART, COLOURS[other.verdict], filled=False)
        axes.annotate(
            short_text(effect), (1.0, row), xycoords=("axes fraction", "data"), xytext=(-4, 16),
            textcoords="offset points", ha="right", va="center", fontsize=8, color=colour,
            bbox={"color": "white", "alpha": 0.8, "pad": 1}, zorder=1.5,
        )  # fmt: skip
    axes.axvline(0, color=INK, lw=1.0)
    style(axes, "")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(
        range(len(labels)),
        [textwrap.fill(label, LABEL, max_lines=2, placeholder="…") for label in labels],
        fontsize=10,
    )
    axes.set_xlabel(f"difference in {heading(measure)}", color=INK, fontsize=9)


def draw_interval(axes: Axes, effect: Effect, row: float, colour: str, filled: bool) -> None:
    """The difference, and its interval where there is one."""
    value, low, high = effect.difference
    if math.isfinite(low + high):
        axes.plot([low, high], [row, row], color=colour, lw=2.0 if filled else 1.2, solid_capstyle="butt")
    inside = colour if filled else "white"
    marker = "o" if filled else "D"
    axes.plot(value, row, marker, ms=7 if filled else 5.5, color=colour, mfc=inside, mew=1.4)


def edge_of(study: Study, effects: Sequence[Effect]) -> float:
    """How far a panel reaches to both sides: to the longest interval, but not far beyond the values."""
    arms = {e.arm for e in effects}
    equal = at_equal_compute(study, effects[0].measure)
    found = [e.difference for e in (*effects, *equal.values()) if e.arm in arms]
    values = max(abs(each.value) for each in found)
    ends = [abs(end) for each in found for end in each[1:] if math.isfinite(end)]
    return 1.08 * min(max([values, *ends]), CUT * values) or 1.0


def at_equal_compute(study: Study, measure: str) -> dict[str, Effect]:
    """By arm; only the main outcome is measured so."""
    return {e.arm: e for e in study.effects_of(COMPUTE_AREA)} if measure == AREA else {}


def legend(figure: Figure, study: Study, measure: str) -> None:
    """Only what is there."""
    equal = at_equal_compute(study, measure)
    seen = {e.verdict for e in (*study.effects_of(measure), *equal.values())}
    handles = [
        Line2D([], [], color=c, lw=4, label=verdict) for verdict, c in COLOURS.items() if verdict in seen
    ]
    handles.append(Line2D([], [], color=INK, marker="o", lw=2.0, ms=7, label="equal frames"))
    if equal:
        hollow = Line2D([], [], color=INK, marker="D", lw=1.2, ms=5.5, mfc="white", label="equal compute")
        handles.append(hollow)
    figure.legend(handles=handles, loc="outside upper left", ncols=6, frameon=False, fontsize=9.5)
    note = (
        "bars: 95% t interval of the difference;  colour: verdict;  "
        "seeds needed: of each arm, if the difference at equal frames were the true one"
    )
    figure.supxlabel(note, fontsize=8, color=GREY)
