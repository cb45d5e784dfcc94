"""The page of an ablation: its answer, the effects as a forest that sorts, the figures of the arms."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from btr_tm.metrics.stats import Interval
from btr_tm.report import arms as compared
from btr_tm.report.ablation.effects import ADD, ADD_SEVERAL, OTHER, REMOVE, REMOVE_SEVERAL
from btr_tm.report.ablation.forest import at_equal_compute, better_text
from btr_tm.report.ablation.forest import known as known_effects
from btr_tm.report.ablation.model import EXPLORATORY, HELPS, HURTS, NO_EVIDENCE, Arm, Effect, Study
from btr_tm.report.ablation.outcomes import AREA, MEAN_TIME
from btr_tm.report.ablation.text import METHOD, heading, signed
from btr_tm.report.ablation.words import FAMILIES, answer, p_text, seeds_text
from btr_tm.report.html.differences import part
from btr_tm.report.html.model import Cell, Forest, ForestRow, Order, Page, Part, Row, Table, Whisker
from btr_tm.report.html.page import render
from btr_tm.report.table_text import interval_text

MEASURES = (
    AREA,
    "finish_rate",
    MEAN_TIME,
    "final_time_s",
    "best_time_s",
    "first_finish_frames",
    "cpu_ms_per_update",
)
KINDS = {HELPS: "helps", HURTS: "hurts", NO_EVIDENCE: "none", EXPLORATORY: "few"}
DIRECTIONS = {
    REMOVE: "without it",
    ADD: "with it",
    REMOVE_SEVERAL: "without them",
    ADD_SEVERAL: "with them",
    OTHER: "than the reference",
}
HEADINGS = (  # the verdict first, where the style sheet looks for it
    "verdict",
    "at equal frames",
    "at equal compute",
    "corrected p",
    "improvement",
    "seeds",
    "seeds needed",
)
CUT = 3.0  # intervals go off the plot at so many times the largest difference
NONE = "--"


def page(study: Study) -> str:
    """The study as HTML."""
    arms = [compared.Arm(arm.name, arm.runs) for arm in study.arms]
    found = [known_effects(study, measure, family) for measure in (AREA, MEAN_TIME) for family in FAMILIES]
    content = Page(
        title=f"Ablation: {study.title}",
        answer=answer(study),
        forests=tuple(forest(study, effects) for effects in found if effects),
        tables=(figures(study),),
        differences=tuple(differences(study)),
        notes=(METHOD, *study.notes),
        metrics=(study.metric,),
    )
    return render(content, arms)


def forest(study: Study, effects: Sequence[Effect]) -> Forest:
    """One family: differences of arms to their reference in a measure, of the main one also at equal
    compute."""
    family, measure = effects[0].family, study.measure(effects[0].measure)
    equal = at_equal_compute(study, measure.name)
    shared = [*study.effects_of(measure.name), *equal.values()]
    edge = edge_of([e for e in shared if alike(e.family, family)])
    rows = [forest_row(e, equal.get(e.arm), edge, signed(measure)) for e in effects]
    columns = filled([row.row for row in rows])
    places = MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(-edge, edge)
    title = family[0].upper() + family[1:]
    also = "; hollow: at equal compute" if any(e.arm in equal for e in effects) else ""
    return Forest(
        caption=f"{title}: {better_text(measure)} {DIRECTIONS[family]}{also}",
        first="change" if family == OTHER else "ingredient",
        effect=f"difference in {heading(measure)}",
        headings=tuple(HEADINGS[column] for column in columns),
        zero=50.0,
        ticks=tuple((percent(at, edge), f"{at:+.3g}" if at else "0") for at in places if abs(at) <= edge),
        rows=tuple(row._replace(row=only(row.row, columns)) for row in rows),
    )


def filled(rows: Sequence[Row]) -> list[int]:
    """The columns in which something stands."""
    return [column for column in range(len(rows[0].cells)) if any(r.cells[column].text != NONE for r in rows)]


def only(row: Row, columns: Sequence[int]) -> Row:
    return row._replace(cells=tuple(row.cells[column] for column in columns))


def alike(family: str, other: str) -> bool:
    """Whether two families share a scale: all that remove or add ingredients do."""
    return (family == OTHER) == (other == OTHER)


def edge_of(effects: Sequence[Effect]) -> float:
    """How far a plot reaches to both sides: to the longest interval, but not far beyond the values."""
    values = max((abs(e.difference.value) for e in effects if math.isfinite(e.difference.value)), default=0.0)
    ends = [abs(end) for e in effects for end in e.difference[1:] if math.isfinite(end)]
    return 1.08 * min(max([values, *ends]), CUT * values) or 1.0


def percent(value: float, edge: float) -> float:
    """Where a value lies between -edge and edge; ends beyond that are cut."""
    return round(50 + 50 * max(-1.0, min(1.0, value / edge)), 2)


def forest_row(effect: Effect, equal: Effect | None, edge: float, form: str) -> ForestRow:
    """With the cells of HEADINGS."""
    exact = "=" if effect.exact and not math.isnan(effect.p) else ""
    cells = [
        Cell(effect.verdict, effect.verdict),
        interval_cell(effect.difference, form),
        interval_cell(equal.difference, form) if equal else Cell(NONE, None),
        Cell(exact + p_text(effect.adjusted_p), known(effect.adjusted_p)),
        Cell(interval_text(effect.improvement, ".2f"), known(effect.improvement.value)),
        Cell(f"{effect.seeds[0]}, {effect.seeds[1]}", min(effect.seeds)),
        Cell(seeds_text(effect.seeds_needed).removesuffix(" seeds") or NONE, known(effect.seeds_needed)),
    ]
    drawn = [(effect, "at equal frames"), *([(equal, "at equal compute")] if equal else [])]
    return ForestRow(
        row=Row(effect.label, -1, tuple(cells)),
        order=known(effect.difference.value),
        whiskers=tuple(whisker(e.difference, edge, where, form) for e, where in drawn),
        kind=KINDS[effect.verdict],
        pair=f"{effect.arm} - {effect.reference}",
    )


def interval_cell(interval: Interval, form: str) -> Cell:
    return Cell(interval_text(interval, form), known(interval.value))


def known(value: float) -> Order:
    """What a cell is sorted by: nothing for a missing value."""
    return value if math.isfinite(value) else None


def whisker(difference: Interval, edge: float, where: str, form: str = "+.3f") -> Whisker:
    value, low, high = difference
    there, bounded = math.isfinite(value), math.isfinite(low) and math.isfinite(high)
    return Whisker(
        value=percent(value, edge) if there else None,
        low=percent(low, edge) if bounded else None,
        high=percent(high, edge) if bounded else None,
        label=f"{interval_text(difference, form)} {where}",
    )


def figures(study: Study) -> Table:
    """Means with intervals, one arm per row."""
    measures = [measure for measure in study.measures if measure.name in MEASURES]
    return Table(
        "Figures of the arms",
        (
            "seeds",
            *(heading(measure) for measure in measures),
            *(["update, measured (CPU ms)"] * bool(study.costs)),
        ),
        tuple(
            Row(arm.name, number, (Cell(str(len(arm.runs)), len(arm.runs)), *figures_of(study, arm)))
            for number, arm in enumerate(study.arms)
        ),
    )


def figures_of(study: Study, arm: Arm) -> list[Cell]:
    cells = []
    for measure in (measure for measure in study.measures if measure.name in MEASURES):
        found = arm.summaries[measure.name]
        some = f" ({found.held} of {found.seeds})" if 0 < found.held < found.seeds else ""
        text = (
            interval_text(found.mean, measure.form) + some
            if found.held
            else "never"
            if measure.never
            else NONE
        )
        cells.append(Cell(text, known(found.mean.value)))
    if study.costs:
        cost = study.costs.get(arm.name)
        cells.append(
            Cell(interval_text(Interval(*cost), ".1f"), cost.update_ms) if cost else Cell(NONE, None)
        )
    return cells


def differences(study: Study) -> list[Part]:
    """What each arm changes of its reference, in words and setting by setting."""
    numbers = {arm.name: number for number, arm in enumerate(study.arms)}
    found = []
    for arm in (arm for arm in study.arms if arm.reference):
        summary = "; ".join(change.text for change in arm.changes) or "nothing"
        runs = arm.runs[0], study.arm(arm.reference).runs[0]
        found.append(part(numbers[arm.name], arm.name, arm.reference, *runs)._replace(summary=summary))
    return found
