"""Where the reward finds a car's values: by name, or at fixed places of the float vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.race.car import CarState
from btr_tm.race.features import FeatureSet
from btr_tm.race.progress import Progress
from btr_tm.race.reference_line import ReferenceLine

_FIVE = FloatLayout.full(previous_actions=5)
_READ = ("wheel_contact", "velocity", "line_points")  # by rewards and potentials of the published runs


class FloatLookup(Protocol):
    """Car and nearest line points as the reward sees them."""

    def __call__(
        self, features: FeatureSet, floats: Tensor, car: CarState, progress: Progress, line: ReferenceLine
    ) -> tuple[CarState, Tensor]:
        """`car` and its first two line points (E, 2, 3) in car axes, of cars with `floats` (E, F)."""
        ...


@dataclass(frozen=True)
class NamedLookup:
    """Each value by its name: the reward sees the car as it is."""

    def __call__(
        self, features: FeatureSet, floats: Tensor, car: CarState, progress: Progress, line: ReferenceLine
    ) -> tuple[CarState, Tensor]:
        return car, features.nearest_points(floats, car, progress, line)


@dataclass(frozen=True)
class FixedForFiveLookup:
    """Floats 25 to 28, 56 to 58 and 62 to 67, whatever they hold (Linesight's reward and potential).

    With 5 previous actions, for which they were written, those are wheel contacts, velocity and line points:
    the same as NamedLookup, bit for bit. With 25 they are keys that were held 9 to 19 decisions ago: the
    reward then pays for keys, not for speed. Published runs with 25 may have had it.
    """

    def __call__(
        self, features: FeatureSet, floats: Tensor, car: CarState, progress: Progress, line: ReferenceLine
    ) -> tuple[CarState, Tensor]:
        places = self.places(features.layout)
        if places is None:
            return NamedLookup()(features, floats, car, progress, line)
        contact, velocity, points = (floats[:, place] for place in places)
        # The published reward takes the velocity found as one in car axes: no rotation is left to undo.
        upright = torch.eye(3, device=floats.device).expand(len(floats), 3, 3).contiguous()
        misread = car._replace(wheel_contact=contact, velocity=velocity, rotation=upright)
        return misread, points.unflatten(1, (2, 3))

    def places(self, layout: FloatLayout) -> tuple[slice, slice, slice] | None:
        """Of what is taken for wheel contacts, velocity and line points; None if they lie just there."""
        if all(name in layout and layout[name].start == _FIVE[name].start for name in _READ):
            return None
        return _places(layout)


def _places(layout: FloatLayout) -> tuple[slice, slice, slice]:
    """Where wheel contacts, velocity and the first two line points lie for 5 previous actions."""
    contact, velocity, line = (_FIVE[name] for name in _READ)
    end = line.start + 6
    if layout.size < end:
        raise UserError(
            f"float_lookup=fixed_for_5 reads floats up to number {end - 1}, but there are {layout.size}; "
            "choose float_lookup=named, or more previous actions or line points"
        )
    return contact, velocity, slice(line.start, end)
