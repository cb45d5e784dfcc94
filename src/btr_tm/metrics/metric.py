"""What a metric is: one line of the catalogue."""

from __future__ import annotations

from typing import Literal, NamedTuple

Reduction = Literal["mean", "sum", "min", "max", "last", "q25", "median", "q75", "q90", "q98"]
QUANTILES = {"q25": 0.25, "median": 0.5, "q75": 0.75, "q90": 0.9, "q98": 0.98}


class Metric(NamedTuple):
    """How one number is made and what it says; the reduction is over the samples between two rows.

    A name that ends in `.{something}` stands for a family with one metric per tensor, layer or action. `tag`
    are the names, separated by blanks, under which the published TrackMania runs log the same figure, times
    `scale`; `{track}` and the family's placeholder are filled in.
    """

    name: str
    unit: str
    reduction: Reduction
    meaning: str
    tag: str = ""
    scale: float = 1.0
    of: str = ""  # the metric whose samples are reduced, if not those of its own name

    @property
    def stem(self) -> str:
        """What the names of a family begin with; the name itself of a single metric."""
        return self.name.partition("{")[0]

    @property
    def family(self) -> bool:
        return self.stem != self.name
