"""Floats of an observation, and what they need from earlier decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.floats import DAMPER_STD_M, FloatLayout
from btr_tm.race import actions
from btr_tm.race.car import CarState, in_car_axes
from btr_tm.race.progress import Progress
from btr_tm.race.reference_line import AFTER, ReferenceLine

REMAINING_CAP_M = 700.0  # beyond it the finish is out of reach of a 7 s horizon
NEAREST_STEP = 20  # zones between the two points of `Moment.points`


class History(NamedTuple):
    """What floats need from earlier decisions."""

    previous_actions: Tensor  # (E, P, 4) float32 keys, oldest first
    gearbox_count: Tensor  # (E,) float32, decisions in a row with the gearbox busy
    delay_s: Tensor  # (E,) float32, how late the last action reached the car


class FeatureSet(Protocol):
    """Computes the float vector, and what the reward needs beside it."""

    @property
    def layout(self) -> FloatLayout: ...

    def start(self, cars: int, device: torch.device | str = "cpu") -> History: ...

    def remember(self, history: History, action: Tensor, car: CarState) -> History: ...

    def __call__(
        self, car: CarState, progress: Progress, line: ReferenceLine, history: History
    ) -> Tensor: ...

    def nearest_points(
        self, floats: Tensor, car: CarState, progress: Progress, line: ReferenceLine
    ) -> Tensor: ...


class _WithHistory:
    """The history, which is the same for all feature sets."""

    previous_actions: int
    action_delay: bool

    def start(self, cars: int, device: torch.device | str = "cpu") -> History:
        """The history of E cars before their first decision: as if they had only accelerated."""
        row = actions.TABLE[actions.FORWARD].to(device)
        nothing = torch.zeros(cars, device=device)
        return History(row.repeat(cars, self.previous_actions, 1), nothing, nothing.clone())

    def remember(self, history: History, action: Tensor, car: CarState) -> History:
        """After `action` (E,) or (E, K) led to `car`."""
        new = actions.keys(action).reshape(len(action), -1, 4)
        recent = torch.cat((history.previous_actions, new), dim=1)[:, new.shape[1] :]
        # A copy: the strides of a slice would differ from those of `start`, and each layout is compiled anew.
        recent = recent.clone(memory_format=torch.contiguous_format)
        busy = torch.where(car.gearbox_state != 0, history.gearbox_count + 1, 0.0)
        return History(recent, busy, history.delay_s)

    def _last_parts(self, car: CarState, history: History) -> tuple[Tensor, ...]:
        """From whether a car rolls freely on."""
        delay = (history.delay_s[:, None],) if self.action_delay else ()
        return (car.freewheeling[:, None], *delay)


@dataclass(frozen=True)
class Features(_WithHistory):
    """The published float vector: the car's own state and the line ahead (Linesight).

    With `action_delay` a float follows that it does not have: how late the last action reached the car.
    """

    line_points: int = 40
    previous_actions: int = 5
    point_step: int = 20
    damper_std: float = DAMPER_STD_M
    action_delay: bool = False
    layout: FloatLayout = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.point_step < 1 or (self.line_points - 1) * self.point_step >= AFTER:
            raise UserError(
                f"line points must lie less than {AFTER} zones ahead, got {self.line_points} points every "
                f"{self.point_step}; take fewer or closer ones"
            )
        layout = FloatLayout.full(self.previous_actions, self.line_points, self.damper_std, self.action_delay)
        object.__setattr__(self, "layout", layout)

    def __call__(self, car: CarState, progress: Progress, line: ReferenceLine, history: History) -> Tensor:
        """Floats (E, F) in the order of `layout`."""
        points = _points_ahead(car, progress, line, self.line_points, self.point_step)
        motion = torch.stack((car.angular_velocity, car.velocity), dim=1)
        turned = in_car_axes(car, torch.cat((motion, points), dim=1))  # (E, 2 + Z, 3)
        remaining = (line.total_m - progress.metres).clamp(max=REMAINING_CAP_M)
        parts = (
            *_own_parts(car, history),
            turned[:, :2].flatten(1),
            car.rotation[:, 1],  # world up in car axes
            turned[:, 2:].flatten(1),
            remaining[:, None],
            *self._last_parts(car, history),
        )
        return torch.cat(parts, dim=1)

    def nearest_points(
        self, floats: Tensor, car: CarState, progress: Progress, line: ReferenceLine
    ) -> Tensor:
        """The first two line points (E, 2, 3) in car axes: read back from the floats."""
        first = self.layout["line_points"].start
        return floats[:, first : first + 6].unflatten(1, (2, 3))


@dataclass(frozen=True)
class CameraFeatures(_WithHistory):
    """The car's own state only: where the road goes must be seen in the image."""

    previous_actions: int
    damper_std: float
    action_delay: bool = False
    layout: FloatLayout = field(init=False, repr=False, compare=False)
    needs_camera = True

    def __post_init__(self) -> None:
        layout = FloatLayout.camera(self.previous_actions, self.damper_std, self.action_delay)
        object.__setattr__(self, "layout", layout)

    def __call__(self, car: CarState, progress: Progress, line: ReferenceLine, history: History) -> Tensor:
        """Floats (E, F) in the order of `layout`; `progress` and `line` stay unseen."""
        turned = in_car_axes(car, torch.stack((car.angular_velocity, car.velocity), dim=1))
        parts = (
            *_own_parts(car, history),
            turned.flatten(1),
            car.rotation[:, 1],  # world up in car axes
            *self._last_parts(car, history),
        )
        return torch.cat(parts, dim=1)

    def nearest_points(
        self, floats: Tensor, car: CarState, progress: Progress, line: ReferenceLine
    ) -> Tensor:
        """The first two line points (E, 2, 3) in car axes, computed for the reward only."""
        return in_car_axes(car, _points_ahead(car, progress, line, 2, NEAREST_STEP))


def _points_ahead(car: CarState, progress: Progress, line: ReferenceLine, count: int, step: int) -> Tensor:
    """Line points (E, count, 3) from the current zone on, relative to the car, world axes."""
    ahead = torch.arange(0, count * step, step, device=progress.zone.device)
    return line.rows(progress.zone[:, None] + ahead) - car.position[:, None]


def _own_parts(car: CarState, history: History) -> tuple[Tensor, ...]:
    """From the clock, which is 0 when acting, to the surfaces."""
    groups = torch.arange(4, device=car.surface.device)
    clock = torch.zeros_like(car.rpm)
    return (
        clock[:, None],
        history.previous_actions.flatten(1),
        car.wheel_sliding,
        car.wheel_contact,
        car.damper_m,
        torch.stack((car.gearbox_state, car.gear, car.rpm, history.gearbox_count), dim=1),
        (car.surface[:, :, None] == groups).flatten(1).to(torch.float32),
    )
