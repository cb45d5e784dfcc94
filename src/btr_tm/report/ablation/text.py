"""ablation.md: the answer, verdicts, tables and notes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from btr_tm.report.ablation.changes import INGREDIENTS
from btr_tm.report.ablation.effects import ADD, DECIDE, LEVEL, OTHER, REMOVE, SEEDS
from btr_tm.report.ablation.model import Arm, Effect, Measure, Study, Summary
from btr_tm.report.ablation.outcomes import AREA, COMPUTE_AREA, MEAN_TIME
from btr_tm.report.ablation.words import FAMILIES, answer, p_text, verdict_text
from btr_tm.report.compare import GOOD_RATE
from btr_tm.report.table_text import interval_text, markdown

Rows = list[list[str]]
NONE = "--"
METHOD = (
    "Brackets are 95 % t intervals over seeds (Student's for one arm, Welch's for a difference, that of a "
    "trimmed mean for an interquartile mean, IQM). p is of a two-sided permutation test, exact where marked "
    "with =, corrected by Holm over the arms of a table. Improvement is the probability that a run of the "
    "arm is better than one of the reference, with a bootstrap interval (BCa) that no verdict rests on. A "
    f"verdict needs {SEEDS} seeds of both arms, a corrected p below {LEVEL} and a t interval without zero. "
    "The seeds that would be needed are per arm, for a power of 80 % at the correction of the whole table, "
    "if the observed difference were the true one."
)
ARM_TABLES = (
    ("Learning", (AREA, "finish_rate", "late_slope"), False),
    ("Race times", (MEAN_TIME, "final_time_s", "best_time_s"), True),
    ("First finish", ("first_finish_frames", "first_finish_cpu_s"), False),
    ("Cost", ("cpu_s", "cpu_ms_per_update"), False),
)  # title, measures, with the interquartile mean


def method(study: Study) -> Iterator[str]:
    """How the figures were made."""
    yield METHOD
    yield (
        "The mean time at the end is that of the seeded starts in the last evaluation that every run has "
        f"had, of runs that bring at least {GOOD_RATE:.0%} of them home; an arm with a run that does not has "
        "no verdict in it. Final and best canonical time are of the one race from the track's own start at "
        "each evaluation; "
        f"the late slope is that of the least squares line through {study.metric} over the last third of the "
        "frames."
    )
    if study.costs:
        yield (
            "At equal compute the abscissa is the time of the updates: their number times the cost of one, "
            "measured for all arms in turns on one machine (median and quartiles); each pair is compared "
            "where both have been evaluated. Driving and testing are not counted."
        )


def page(study: Study, *pictures: str) -> str:
    """The whole page; `pictures` are the names of those of effects, and last that of curves."""
    parts = [
        f"# Ablation: {study.title}",
        answer(study),
        *(f"![the effect of each ingredient]({name})" for name in pictures[:-1]),
        *section("Verdicts", overview(study)),
        *(part for family in FAMILIES for part in family_section(study, family)),
        *(part for title, names, iqm in ARM_TABLES for part in section(title, arm_table(study, names, iqm))),
        *section("Configurations", configurations(study)),
        f"![learning curves]({pictures[-1]})",
        "## Notes",
        "\n".join(f"- {note}" for note in (*method(study), *study.notes)),
    ]
    return "\n\n".join(parts) + "\n"


def section(title: str, rows: Rows) -> list[str]:
    """Nothing where there is only the heading."""
    return [f"## {title}", markdown(rows)] if len(rows) > 1 else []


def overview(study: Study) -> Rows:
    """One row per ingredient: what removing and adding it says, at equal frames, at equal compute, and in
    race time."""
    rows = [["ingredient", "removing, equal frames", "equal compute", "race time", "adding, equal frames",
             "equal compute", "race time", "cost of an update with it"]]  # fmt: skip
    for name in (each.name for each in INGREDIENTS):
        found = [one(study, name, family, m) for family in (REMOVE, ADD) for m in DECIDE]
        if any(found):
            rows.append([name, *(verdict_text(e) if e else NONE for e in found), cost_text(study, found)])
    return rows


def one(study: Study, ingredient: str, family: str, measure: str) -> Effect | None:
    return next((e for e in study.effects_of(measure, family) if e.label == ingredient), None)


def cost_text(study: Study, effects: Sequence[Effect | None]) -> str:
    """`x 1.32, x 1.20`: of the arm with the ingredient over that without it, removed and added."""
    ratios = {e.arm: cost_ratio(study, e) for e in effects if e}
    known = [f"x {ratio:.2f}" for ratio in ratios.values() if not math.isnan(ratio)]
    return ", ".join(known) or NONE


def cost_ratio(study: Study, effect: Effect) -> float:
    """Cost of an update with the ingredient over that without it; NaN where it was not measured."""
    if not {effect.arm, effect.reference} <= study.costs.keys():
        return math.nan
    ratio = study.costs[effect.arm].update_ms / study.costs[effect.reference].update_ms
    return ratio if effect.sign > 0 else 1 / ratio


def family_section(study: Study, family: str) -> list[str]:
    """The main outcome, race times, then the others."""
    title = family[0].upper() + family[1:]
    return [
        *section(f"{title}: {study.measure(AREA).title}", effect_rows(study, family)),
        *section(f"{title}: {study.measure(MEAN_TIME).title}", time_rows(study, family)),
        *section(f"{title}: other measures", secondary_rows(study, family)),
    ]


def effect_rows(study: Study, family: str) -> Rows:
    """In the main outcome, with what equal compute says."""
    rows = [[*effect_headings(family), "difference at equal compute", "corrected p", "verdict"]]
    equal = {e.arm: e for e in study.effects_of(COMPUTE_AREA, family)}
    found = study.effects_of(AREA, family)
    form = signed(study.measure(AREA))
    return rows + [[*effect_cells(e, form), *compute_cells(equal.get(e.arm))] for e in found]


def time_rows(study: Study, family: str) -> Rows:
    """In race time, where an arm and its reference have some."""
    found = [e for e in study.effects_of(MEAN_TIME, family) if not math.isnan(e.difference.value)]
    form = signed(study.measure(MEAN_TIME))
    return [effect_headings(family), *(effect_cells(e, form) for e in found)]


def effect_headings(family: str) -> list[str]:
    """Those of `effect_cells`."""
    first = "change" if family == OTHER else "ingredient"
    return [first, "arm - reference", "seeds", "difference", "p", "corrected p", "improvement", "verdict"]


def effect_cells(effect: Effect, form: str) -> list[str]:
    """One difference, its tests and its verdict; seeds are those with a value."""
    return [
        effect.label,
        f"{effect.arm} - {effect.reference}",
        f"{effect.held[0]}, {effect.held[1]}",
        interval_text(effect.difference, form),
        ("=" if effect.exact and not math.isnan(effect.p) else "") + p_text(effect.p),
        p_text(effect.adjusted_p),
        interval_text(effect.improvement, ".2f"),
        verdict_text(effect),
    ]


def compute_cells(effect: Effect | None) -> list[str]:
    if effect is None:
        return [NONE, NONE, NONE]
    return [interval_text(effect.difference, "+.3f"), p_text(effect.adjusted_p), verdict_text(effect)]


def secondary_rows(study: Study, family: str) -> Rows:
    """Differences and corrected p values, without a verdict."""
    others = [measure for measure in study.measures if measure.name not in DECIDE]
    rows = [["arm - reference", *(heading(measure) for measure in others)]]
    for main in study.effects_of(AREA, family):
        found = {e.measure: e for e in study.effects if e.arm == main.arm}
        rows.append([f"{main.arm} - {main.reference}", *(secondary_cell(found[m.name], m) for m in others)])
    return rows


def secondary_cell(effect: Effect, measure: Measure) -> str:
    if math.isnan(effect.difference.value) and math.isnan(effect.p):
        return NONE
    return f"{interval_text(effect.difference, signed(measure))}; p {p_text(effect.adjusted_p)}"


def signed(measure: Measure) -> str:
    return "+" + measure.form


def heading(measure: Measure) -> str:
    return f"{measure.title} ({measure.unit})" if measure.unit else measure.title


def arm_table(study: Study, names: Sequence[str], iqm: bool) -> Rows:
    """Arms in rows; two columns per measure where the interquartile mean is shown too."""
    found = [study.measure(name) for name in names]
    rows = [["arm", "seeds", *(text for measure in found for text in headings(measure, iqm))]]
    costs = bool(study.costs) and "cpu_s" in names
    rows[0] += ["update, measured (ms)"] if costs else []
    for arm in study.arms:
        cells = [
            cell for measure in found for cell in summary_cells(arm.summaries[measure.name], measure, iqm)
        ]
        rows.append([arm.name, str(len(arm.runs)), *cells, *(measured(study, arm) if costs else [])])
    return rows


def headings(measure: Measure, iqm: bool) -> Iterator[str]:
    yield heading(measure)
    if iqm:
        yield "its IQM"


def summary_cells(summary: Summary, measure: Measure, iqm: bool) -> Iterator[str]:
    if not summary.held:
        yield "never" if measure.never else NONE
        yield from [NONE] * iqm
        return
    some = f" ({summary.held} of {summary.seeds})" if summary.held < summary.seeds else ""
    yield interval_text(summary.mean, measure.form) + some
    if iqm:
        yield interval_text(summary.iqm, measure.form)


def measured(study: Study, arm: Arm) -> list[str]:
    cost = study.costs.get(arm.name)
    return [f"{cost.update_ms:.1f} [{cost.low:.1f}, {cost.high:.1f}]" if cost else NONE]


def configurations(study: Study) -> Rows:
    rows = [["arm", "reference", "differs by"]]
    for arm in study.arms:
        texts = "; ".join(change.text for change in arm.changes)
        rows.append([arm.name, arm.reference or NONE, texts or ("nothing" if arm.reference else NONE)])
    return rows
