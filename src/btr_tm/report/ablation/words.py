"""Effects in words: verdicts, p values, seeds that would be needed, and the answer in one paragraph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from btr_tm.report.ablation.effects import ADD, ADD_SEVERAL, OTHER, REMOVE, REMOVE_SEVERAL
from btr_tm.report.ablation.model import EXPLORATORY, HELPS, HURTS, NO_EVIDENCE, Effect, Measure, Study
from btr_tm.report.ablation.outcomes import AREA, COMPUTE_AREA, MEAN_TIME
from btr_tm.report.table_text import amount, interval_text

FAMILIES = (REMOVE, ADD, REMOVE_SEVERAL, ADD_SEVERAL, OTHER)
MANY = 1000  # seeds that nobody will run
BEGINNING = {
    REMOVE: "Removed one at a time",
    ADD: "Added one at a time",
    REMOVE_SEVERAL: "Removed together",
    ADD_SEVERAL: "Added together",
    OTHER: "Of the other changes",
}
WITH = {REMOVE: "without it", REMOVE_SEVERAL: "without them", ADD: "with it", ADD_SEVERAL: "with them",
        OTHER: "with it"}  # fmt: skip
DONE = {REMOVE: "removed", REMOVE_SEVERAL: "removed", ADD: "added", ADD_SEVERAL: "added", OTHER: "changed"}


def p_text(p: float) -> str:
    if math.isnan(p):
        return "--"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def seeds_text(seeds: float) -> str:
    """Seeds of each arm that would be needed; nothing where that is unknown."""
    if math.isnan(seeds):
        return ""
    return f"about {seeds:,.0f} seeds" if seeds <= MANY else f"more than {MANY:,} seeds"


def verdict_text(effect: Effect) -> str:
    """`no evidence yet (about 37 seeds)`, the number that would be needed."""
    return effect.verdict + bracketed(seeds_text(effect.seeds_needed))


def seeds_of(study: Study) -> str:
    """`10 seeds of each arm`, `3 to 10 seeds of each arm`."""
    counts = sorted({len(arm.runs) for arm in study.arms})
    number = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return f"{number} seed{'' if counts == [1] else 's'} of each arm"


def answer(study: Study) -> str:
    """What the sweep says, in one paragraph."""
    low, high = (amount(end, "frames") for end in study.window)
    opening = f"Judged by the mean of {study.metric} between {low} and {high} frames, over {seeds_of(study)}."
    if not study.effects:
        return f"{opening} There is only one arm, so nothing can be compared."
    found = [opening, *about_families(study, AREA), *about_compute(study), about_times(study)]
    return " ".join(sentence for sentence in found if sentence)


def about_times(study: Study) -> str:
    """The same of race times; nothing where no arm and its reference have some."""
    sentences = about_families(study, MEAN_TIME)
    return " ".join([f"Judged by the {study.measure(MEAN_TIME).title}.", *sentences]) if sentences else ""


def about_families(study: Study, measure: str) -> list[str]:
    """One sentence for each family that has differences in the measure."""
    known = [e for e in study.effects_of(measure) if not math.isnan(e.difference.value)]
    by_family = [[e for e in known if e.family == family] for family in FAMILIES]
    return [about_family(found, study.measure(measure)) for found in by_family if found]


def about_family(effects: Sequence[Effect], measure: Measure) -> str:
    """`Removed one at a time, IMPALA helps (-0.062 [...] without it, corrected p 0.005); no evidence yet for
    Munchausen (about 248 seeds).`"""
    found = sorted(effects, key=lambda e: -abs(e.difference.value))
    family, form, unit = found[0].family, f"+{measure.form}", f" {measure.unit}" if measure.unit else ""
    sure = [
        f"{spoken(e, found)} {verb(e)} ({interval_text(e.difference, form)}{unit} {WITH[family]}, "
        f"corrected p {p_text(e.adjusted_p)})"
        for e in found
        if e.verdict in (HELPS, HURTS)
    ]
    unsure = [
        f"{spoken(e, found)}{bracketed(seeds_text(e.seeds_needed))}"
        for e in found
        if e.verdict == NO_EVIDENCE
    ]
    few = [
        f"{spoken(e, found)} ({e.difference.value:{form}}{unit} {WITH[family]})"
        for e in found
        if e.verdict == EXPLORATORY
    ]
    parts = [
        *sure,
        *([f"no evidence yet for {listed(unsure)}"] if unsure else []),
        *([f"too few seeds for a verdict on {listed(few)}"] if few else []),
    ]
    return f"{BEGINNING[family]}, {'; '.join(parts)}."


def named(effect: Effect, others: Sequence[Effect]) -> str:
    """Its label; its arm where another effect, over another reference, has the same label."""
    twins = [other for other in others if other.label == effect.label]
    return effect.arm if len(twins) > 1 else effect.label


def spoken(effect: Effect, others: Sequence[Effect]) -> str:
    """The same within a sentence: a change of several parts in quotation marks."""
    name = named(effect, others)
    return f'"{name}"' if effect.family == OTHER and " " in name else name


def verb(effect: Effect) -> str:
    """`helps`; `help` for several ingredients."""
    return effect.verdict.rstrip("s") if effect.family in (REMOVE_SEVERAL, ADD_SEVERAL) else effect.verdict


def listed(names: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 3]}..."


def bracketed(text: str) -> str:
    return f" ({text})" if text else ""


def about_compute(study: Study) -> Iterator[str]:
    """Where equal compute decides otherwise than equal frames."""
    before = {e.arm: e.verdict for e in study.effects_of(AREA)}
    found = study.effects_of(COMPUTE_AREA)
    other = [f"{e.label} {DONE[e.family]}: {e.verdict}" for e in found if e.verdict != before[e.arm]]
    if other:
        yield f"At equal compute {len(other)} of {len(found)} verdicts are others ({'; '.join(other)})."
    elif any(e.verdict != EXPLORATORY for e in found):
        yield "At equal compute the verdicts are the same."
