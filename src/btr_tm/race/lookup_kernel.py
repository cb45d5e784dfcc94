"""What the reward sees of one car, compiled: the numbers of `float_lookup`, to the bit.

Letters in shapes: E cars, F floats.
"""

from __future__ import annotations

from typing import NamedTuple

from btr_tm.core.kernels import ONE, ZERO, Floats, part
from btr_tm.race.car_arrays import CarArrays
from btr_tm.race.features import NEAREST_STEP, CameraFeatures, Features, FeatureSet
from btr_tm.race.features_kernel import Ahead, copied, turned
from btr_tm.race.float_lookup import FixedForFiveLookup, FloatLookup, NamedLookup

NOWHERE = -1


class Places(NamedTuple):
    """First places in the floats of what the reward reads there; NOWHERE for what is not read there."""

    contact: int
    velocity: int
    points: int


def places_read(lookup: FloatLookup, features: FeatureSet) -> Places | None:
    """What `lookup` reads, or None if no kernel knows it."""
    if type(features) not in (Features, CameraFeatures):
        return None
    if type(lookup) is FixedForFiveLookup and (places := lookup.places(features.layout)) is not None:
        return Places(*(place.start for place in places))
    if type(lookup) in (NamedLookup, FixedForFiveLookup):
        by_name = features.layout["line_points"].start if isinstance(features, Features) else NOWHERE
        return Places(NOWHERE, NOWHERE, by_name)
    return None


@part
def look_up(
    car: CarArrays, e: int, floats: Floats, zone: int, ahead: Ahead, places: Places, points: Floats
) -> None:
    """Writes points (2, 3), and what is read at other places than its own into the car."""
    if places.points == NOWHERE:
        place, axes = car.position[e], car.rotation[e]
        for number in range(2):
            point = ahead.points[zone + number * NEAREST_STEP]
            x, y, z = point[0] - place[0], point[1] - place[1], point[2] - place[2]
            turned(points[number], 0, axes, x, y, z)
    else:
        for number in range(2):
            copied(points[number], 0, floats[places.points + 3 * number :][:3])
    if places.contact != NOWHERE:
        copied(car.wheel_contact[e], 0, floats[places.contact :][:4])
        copied(car.velocity[e], 0, floats[places.velocity :][:3])
        for row in range(3):
            for column in range(3):
                car.rotation[e, row, column] = ONE if row == column else ZERO
