"""The float vector by name: which element means what, and the numbers that normalise it.

Nothing else in the project may index floats by number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from btr_tm.core.errors import UserError

MOST_PREVIOUS_ACTIONS = 1000
DAMPER_STD_M = 0.06  # Linesight


class Part(NamedTuple):
    """A named run of neighbouring floats."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class FloatLayout:
    """Names, positions and normalisation of the F floats of an observation.

    `layout["velocity"]` is a slice. `mean` and `std` are F numbers in physical units; networks normalise
    with (x - mean) / std, observations are stored as they are.
    """

    parts: tuple[Part, ...]
    slices: dict[str, slice] = field(init=False, repr=False, compare=False)  # where each part lies

    def __post_init__(self) -> None:
        slices, start = {}, 0
        for part in self.parts:
            slices[part.name] = slice(start, start + len(part.mean))
            start += len(part.mean)
        # A plain attribute: torch.compile cannot trace through functools.cached_property.
        object.__setattr__(self, "slices", slices)

    @classmethod
    def full(
        cls,
        previous_actions: int = 5,
        line_points: int = 40,
        damper_std: float = DAMPER_STD_M,
        action_delay: bool = False,
    ) -> FloatLayout:
        """The published vector of 27 + 3 Z + 4 P + 16 + 1 floats for Z line points and P previous actions.

        184 floats for P = 5, 264 for P = 25. Linesight divides the dampers by 0.06 m, the published
        TrackMania runs by 0.5 m. With `action_delay` one more says how late the last action reached the car.
        """
        _check_count("previous_actions", previous_actions, least=0)
        _check_count("line_points", line_points, least=2)
        line = _line_part(line_points)
        last = _last_parts(action_delay)
        return cls((*_car_parts(previous_actions, damper_std), line, _REMAINING, *last))

    @classmethod
    def camera(
        cls, previous_actions: int = 5, damper_std: float = DAMPER_STD_M, action_delay: bool = False
    ) -> FloatLayout:
        """What the car knows about itself: `full` without line points and remaining distance."""
        _check_count("previous_actions", previous_actions, least=0)
        return cls((*_car_parts(previous_actions, damper_std), *_last_parts(action_delay)))

    @classmethod
    def generic(cls, size: int) -> FloatLayout:
        """`size` floats of unknown meaning in one slice "floats", left as they are; size may be 0."""
        _check_count("size", size, least=0)
        return cls((_part("floats", [0.0] * size, 1.0),))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts in order."""
        return tuple(part.name for part in self.parts)

    @property
    def size(self) -> int:
        """F."""
        return sum(len(part.mean) for part in self.parts)

    @property
    def mean(self) -> tuple[float, ...]:
        """F means in physical units."""
        return tuple(value for part in self.parts for value in part.mean)

    @property
    def std(self) -> tuple[float, ...]:
        """F standard deviations in physical units, all positive."""
        return tuple(value for part in self.parts for value in part.std)

    def __getitem__(self, name: str) -> slice:
        return self.slices[name]

    def __contains__(self, name: object) -> bool:
        return name in self.slices


def _part(name: str, mean: list[float], std: float | list[float]) -> Part:
    spread = std if isinstance(std, list) else [std] * len(mean)
    assert len(spread) == len(mean), (name, len(spread), len(mean))
    return Part(name, tuple(mean), tuple(spread))


def _check_count(name: str, count: int, least: int) -> None:
    if count < least:
        raise UserError(f"{name} must be {least} or larger, got {count}")


def _car_parts(previous_actions: int, damper_std: float) -> tuple[Part, ...]:
    if damper_std <= 0:
        raise UserError(f"damper_std must be larger than 0, got {damper_std}; Linesight has 0.06")
    if previous_actions > MOST_PREVIOUS_ACTIONS:
        most = MOST_PREVIOUS_ACTIONS
        raise UserError(f"previous_actions must be at most {most}, got {previous_actions}; Linesight has 5")
    return (
        _part("clock", [70.0], 70.0),  # decisions since the mini-race began; 0 when acting
        _part("previous_actions", [0.8, 0.2, 0.3, 0.3] * previous_actions, 0.5),  # oldest first
        _part("wheel_sliding", [0.1] * 4, 0.5),
        _part("wheel_contact", [0.9] * 4, 0.5),
        _part("damper_m", [0.02] * 4, damper_std),
        _part("gearbox_state", [0.3], 1.0),
        _part("gear", [2.5], 2.0),
        _part("rpm", [7000.0], 3000.0),
        _part("gearbox_count", [0.1], 10.0),
        _part("surface", [0.5] * 16, 0.5),  # one-hot over groups 0..3, wheel after wheel
        _part("angular_velocity", [0.0, 0.0, 0.0], [0.5, 1.0, 0.5]),  # car axes, rad/s
        _part("velocity", [0.0, 0.0, 55.0], [5.0, 5.0, 20.0]),  # car axes, m/s
        _part("world_up", [0.0, 1.0, 0.0], 0.5),  # car axes
    )


_REMAINING = _part("remaining_m", [700.0], 350.0)
_FREEWHEELING = _part("freewheeling", [0.0], 1.0)
_ACTION_DELAY = _part("action_delay_s", [0.02], 0.02)


def _last_parts(action_delay: bool) -> tuple[Part, ...]:
    return (_FREEWHEELING, _ACTION_DELAY) if action_delay else (_FREEWHEELING,)


# (mean y, mean z, std of x and y, std of z) in metres of the line point 10 m * k ahead, car axes;
# measured by the authors of Linesight, whose loader holds this table. Mean x is 0.
_LINE_POINT_STATISTICS = (
    (-2.1, -0.2, 7.7, 2.9),
    (-2.2, 9.5, 7.8, 3.3),
    (-2.2, 19.1, 8.3, 4.1),
    (-2.2, 28.5, 9.5, 5.1),
    (-2.2, 37.7, 11.5, 6.4),
    (-2.1, 46.6, 14.3, 7.9),
    (-2.0, 55.2, 17.8, 9.7),
    (-1.8, 63.5, 21.9, 11.7),
    (-1.5, 71.4, 26.3, 14.2),
    (-1.3, 78.9, 31.1, 17.0),
    (-1.0, 86.2, 36.1, 20.1),
    (-0.7, 93.1, 41.3, 23.5),
    (-0.4, 99.8, 46.6, 27.2),
    (0.0, 106.0, 52.0, 31.1),
    (0.3, 112.0, 57.4, 35.2),
    (0.7, 118.0, 63.0, 39.4),
    (1.1, 124.0, 68.5, 43.7),
    (1.6, 129.0, 74.2, 48.1),
    (2.1, 134.0, 79.9, 52.5),
    (2.6, 139.0, 85.6, 57.0),
    (3.1, 143.0, 91.4, 61.4),
    (3.7, 148.0, 97.2, 65.8),
    (4.2, 152.0, 103.0, 70.2),
    (4.8, 156.0, 109.0, 74.6),
    (5.3, 160.0, 115.0, 79.1),
    (5.8, 164.0, 121.0, 83.5),
    (6.4, 167.0, 127.0, 88.0),
    (6.9, 171.0, 132.0, 92.6),
    (7.4, 174.0, 138.0, 97.2),
    (7.8, 177.0, 144.0, 102.0),
    (8.3, 180.0, 149.0, 107.0),
    (8.7, 182.0, 155.0, 112.0),
    (9.1, 185.0, 160.0, 117.0),
    (9.5, 187.0, 166.0, 121.0),
    (9.9, 189.0, 171.0, 126.0),
    (10.2, 191.0, 176.0, 131.0),
    (10.6, 193.0, 182.0, 136.0),
    (10.9, 194.0, 187.0, 141.0),
    (11.2, 196.0, 192.0, 146.0),
    (11.5, 197.0, 198.0, 151.0),
)
_TREND = 10  # rows at the end of the table whose mean growth goes on beyond it


def _line_part(line_points: int) -> Part:
    """The table cut or prolonged to `line_points` rows.

    Beyond 390 m nobody measured; there the numbers go on growing as over the last ten rows. Linesight's
    loader pads with mean 0 and standard deviation 50, a quarter of that of the last row measured.
    """
    last, earlier = _LINE_POINT_STATISTICS[-1], _LINE_POINT_STATISTICS[-1 - _TREND]
    growth = tuple((b - a) / _TREND for a, b in zip(earlier, last, strict=True))
    beyond = range(1, 1 + line_points - len(_LINE_POINT_STATISTICS))
    further = tuple(tuple(b + k * g for b, g in zip(last, growth, strict=True)) for k in beyond)
    rows = (_LINE_POINT_STATISTICS + further)[:line_points]
    mean = [value for y, z, _, _ in rows for value in (0.0, y, z)]
    std = [value for _, _, xy, z in rows for value in (xy, xy, z)]
    return _part("line_points", mean, std)
