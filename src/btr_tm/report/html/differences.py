"""What the configuration of an arm changes, setting by setting."""

from __future__ import annotations

from collections.abc import Sequence

from btr_tm.report.arms import Arm, Seed, without_seed
from btr_tm.report.html.model import Part
from btr_tm.run.manifest import differences


def parts(arms: Sequence[Arm]) -> tuple[Part, ...]:
    """Every later arm against the first."""
    base = arms[0]
    return tuple(
        part(number, arm.label, base.label, arm.seeds[0], base.seeds[0])
        for number, arm in enumerate(arms)
        if number
    )


def part(number: int, name: str, against: str, run: Seed, other: Seed) -> Part:
    """One arm against another, of each one run; unknown where only a record was kept, without a manifest."""
    if not is_known(run) or not is_known(other):
        return Part(number, name, against, "not known, because the manifest was not kept", ())
    lines = differences(without_seed(other), without_seed(run))
    summary = f"{len(lines)} setting{'s' * (len(lines) != 1)}" if lines else "nothing"
    return Part(number, name, against, summary, tuple(lines))


def is_known(run: Seed) -> bool:
    """Whether its configuration says more than the track, which a reader may have named."""
    return bool(without_seed(run).keys() - {"track"})
