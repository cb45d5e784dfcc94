"""From the folder of a sweep to everything that the report says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from btr_tm.core.errors import UserError
from btr_tm.metrics.stats import area_under
from btr_tm.report.ablation import costs as costs_file
from btr_tm.report.ablation.changes import changes, held
from btr_tm.report.ablation.effects import Values, corrected, decided, effect, ranked, tested
from btr_tm.report.ablation.model import Arm, Cost, Effect, Measure, Study
from btr_tm.report.ablation.notes import notes
from btr_tm.report.ablation.outcomes import (
    COMPUTE_AREA,
    compute_curve,
    curve,
    measures,
    outcome,
    summaries,
)
from btr_tm.report.ablation.read import read
from btr_tm.report.arms import Seed
from btr_tm.run.sweep import BASE

Array = np.ndarray
METRIC = "eval/progress_mean"
KEPT = "records"
WITHOUT = "iqn"  # the arm with none of the six
NOWHERE = np.array([math.inf, -math.inf])  # first and last of a curve without updates


def analyse(
    folder: Path,
    base: str = "",
    metric: str = METRIC,
    say: Callable[[str], None] = lambda _: None,
) -> Study:
    """The study of a sweep; every arm is compared with `base`, if it is named, else with the nearer one of
    the arm with all ingredients and the arm with none. `say` hears of the progress."""
    found = read(folder, metric)
    say(f"runs: {sum(map(len, found.arms.values()))}, arms: {len(found.arms)}")
    window = common_frames(found.arms, metric)
    figures = measures(metric)
    arms = tuple(
        arm_of(name, reference, found.arms, metric, window, figures)
        for name, reference in references(found.arms, base).items()
    )
    costs, problems = read_costs(folder)
    effects = tuple(all_effects(arms, figures, metric, costs, say))
    study = Study(title(folder), metric, figures, arms, effects, window, costs, ())
    return study._replace(notes=(*found.notes, *problems, *notes(study)))


def title(folder: Path) -> str:
    """The name of the sweep, also where its records are kept in a folder of an experiment."""
    whole = folder.resolve()
    return whole.parent.name if whole.name == KEPT else whole.name


def common_frames(arms: Mapping[str, Sequence[Seed]], metric: str) -> tuple[float, float]:
    """From the first frame at which every run has been evaluated to the last."""
    names = {f"{arm}/{run.folder.name}": run for arm, runs in arms.items() for run in runs}
    curves = {name: curve(run, metric, "frames")[0] for name, run in names.items()}
    latest = max(curves, key=lambda name: float(curves[name][0]))
    shortest = min(curves, key=lambda name: float(curves[name][-1]))
    low, high = float(curves[latest][0]), float(curves[shortest][-1])
    if low >= high:
        raise UserError(
            f"the runs have no frames in common: {latest} begins at {low:.0f}, after {shortest} ended at "
            f"{high:.0f}; train longer, or move the runs that are too short out of the folder"
        )
    return low, high


def references(arms: Mapping[str, Sequence[Seed]], base: str) -> dict[str, str]:
    """The reference of each arm, "" for that of the first; references come first."""
    if base and base not in arms:
        raise UserError(f"there is no arm {base!r} with runs to compare; choose one of {', '.join(arms)}")
    configs = {name: runs[0].manifest["config"] for name, runs in arms.items()}
    full = base or (BASE if BASE in arms else max(arms, key=lambda name: len(held(configs[name]))))
    bare = [name for name in sorted(arms, key=lambda name: name != WITHOUT) if not held(configs[name])]
    found = [full] if base or not held(configs[full]) else [full, *bare[:1]]
    nearest = {
        name: min(found, key=lambda each: len(changes(configs[each], configs[name])))
        for name in arms
        if name not in found
    }
    return {full: "", **dict.fromkeys(found[1:], full), **nearest}


def arm_of(
    name: str,
    reference: str,
    arms: Mapping[str, Sequence[Seed]],
    metric: str,
    window: tuple[float, float],
    figures: Sequence[Measure],
) -> Arm:
    runs = arms[name]
    outcomes = tuple(outcome(f"{name}/{run.folder.name}", run, metric, window) for run in runs)
    configs = [arms[each][0].manifest["config"] for each in (reference or name, name)]
    return Arm(name, reference, changes(*configs), tuple(runs), outcomes, summaries(outcomes, figures))


def read_costs(folder: Path) -> tuple[dict[str, Cost], list[str]]:
    """What costs.json holds, or why it cannot be used."""
    try:
        return costs_file.read(folder), []
    except UserError as error:
        return {}, [f"{error}."]


def all_effects(
    arms: Sequence[Arm],
    figures: Sequence[Measure],
    metric: str,
    costs: Mapping[str, Cost],
    say: Callable[[str], None],
) -> list[Effect]:
    """Every arm but the first against its reference, in every measure, tested, corrected and decided."""
    by_name = {arm.name: arm for arm in arms}
    found: list[Effect] = []
    values: list[Values] = []
    for arm in (arm for arm in arms if arm.reference):
        say(f"{arm.name} against {arm.reference}")
        reference = by_name[arm.reference]
        pairs = [(measure, both(arm, reference, measure.name)) for measure in figures]
        equal = compute_values(arm, reference, metric, costs)
        for measure, pair in [*pairs, *([(figures[0]._replace(name=COMPUTE_AREA), equal)] if equal else [])]:
            values.append(ranked(measure, pair))
            found.append(effect(arm, reference, measure, values[-1]))
    if found:
        say("permutation tests")
    found = corrected(tested(found, values))
    sizes = Counter((each.family, each.measure) for each in found)
    return [decided(e, pair, sizes[e.family, e.measure]) for e, pair in zip(found, values, strict=True)]


def both(arm: Arm, reference: Arm, measure: str) -> Values:
    x, y = (np.array([each.values[measure] for each in a.outcomes]) for a in (arm, reference))
    return x, y


def compute_values(arm: Arm, reference: Arm, metric: str, costs: Mapping[str, Cost]) -> Values | None:
    """Areas over the CPU seconds of updates that all runs of both arms have used; None where unknown."""
    if not {arm.name, reference.name} <= costs.keys():
        return None
    curves = [
        [compute_curve(run, metric, costs[each.name].update_ms) for run in each.runs]
        for each in (arm, reference)
    ]
    ends = [xs[[0, -1]] if xs.size else NOWHERE for runs in curves for xs, _ in runs]
    low, high = max(end[0] for end in ends), min(end[1] for end in ends)
    if not low < high:
        return None
    x, y = (np.array([area_under(*each, low, high) for each in runs]) for runs in curves)
    return x, y
