"""The driver's own car: a few quadrilaterals, and how the grey camera paints them.

Car axes here: x right, y up, z forward, origin on the ground under the car's middle.
Letters in shapes: E cars, Q quadrilaterals, h w the small window of the picture in which the car can be.
"""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.sim.grey.rasterizer import Rasterizer
from btr_tm.sim.pose import Pose
from btr_tm.sim.scene import Framing, Viewpoint

Corners = list[tuple[float, float, float]]  # the four of a quadrilateral
SHADOW, REAR = 0, 6
# Shift of a front wheel's corners; more than real, to fill a pixel of 64 x 64.
STEER_M = (0.4, 0.4, -0.15, -0.15)
WINDOW = (0.48, 0.3, 0.7)  # top, left, right as shares of the picture; it ends at the bottom


def _across(
    half_width: float, far: tuple[float, float], near: tuple[float, float], taper: float = 1.0
) -> Corners:
    """A quadrilateral symmetric to the car's plane between (y, z) `far` (`taper`ed) and `near`."""
    far_half = half_width * taper
    return [(-far_half, *far), (far_half, *far), (half_width, *near), (-half_width, *near)]


def _wheel(x: float, z: float, width: float, height: float) -> Corners:
    """A wheel seen from behind and above: from the top of its front to the foot of its back."""
    left, right, front, back = x - width / 2, x + width / 2, z + 0.2, z - 0.25
    return [(left, height, front), (right, height, front), (right, 0.0, back), (left, 0.0, back)]


QUADS = (  # painted in this order, far ones first
    _across(1.05, (0.0, 2.1), (0.0, -2.1)),  # shadow
    _wheel(-0.95, 1.35, 0.36, 0.66),
    _wheel(0.95, 1.35, 0.36, 0.66),
    _across(0.55, (0.35, 2.2), (0.85, 0.0), taper=0.45),  # nose
    _wheel(-0.92, -1.3, 0.5, 0.74),
    _wheel(0.92, -1.3, 0.5, 0.74),
    _across(0.66, (0.72, -1.45), (0.2, -1.7)),  # rear
    _across(0.66, (0.9, 0.1), (0.72, -1.5), taper=0.6),  # engine cover
    _across(0.95, (1.08, -1.5), (1.0, -1.95)),  # wing
)
GREYS = (20.0, 10.0, 10.0, 225.0, 8.0, 8.0, 60.0, 190.0, 240.0)
OPACITY = (0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
BRAKE_LIGHT = 180.0


class OwnCar:
    """Paints each driver's own car over the grey picture."""

    def __init__(self, framing: Framing, rasterizer: Rasterizer, device: torch.device | str = "cpu"):
        height, width = framing.height, framing.width
        top, left, right = WINDOW
        self.rows = slice(int(top * height), height)
        self.columns = slice(int(left * width), int(right * width) + 1)
        self.x = torch.arange(width, device=device)[self.columns] + 0.5
        self.y = torch.arange(height, device=device)[self.rows] + 0.5
        self.framing, self.rasterizer = framing, rasterizer
        corners = torch.tensor(QUADS, device=device)  # (Q, 4, 3)
        self.corner_x, self.corner_y, self.corner_z = corners.reshape(-1, 3).unbind(1)
        self.steered = _steered(corners).flatten()
        grounded = torch.zeros(len(QUADS), 4, device=device)
        grounded[SHADOW] = 1.0
        self.grounded = grounded.flatten()
        self.sprung = (self.corner_y > 0).float() * _sprung(device).flatten()
        self.grey = torch.tensor(GREYS, device=device)
        self.opacity = torch.tensor(OPACITY, device=device)[:, None]
        self.brake = torch.zeros(len(QUADS), device=device)
        self.brake[REAR] = BRAKE_LIGHT

    def paint(self, grey: Tensor, pose: Pose, view: Viewpoint, horizon: Tensor) -> Tensor:
        """The pictures (E, H, W) with the cars of `pose` in front: painted over, in place."""
        edges = self._edges(*self._project(pose, view, horizon))
        shade = (self.grey + pose.brake[:, None] * self.brake)[..., None, None].unbind(1)
        part = grey[:, self.rows, self.columns].clone()
        for share, colour in zip(self.rasterizer.coverage(*edges, self.x), shade, strict=True):
            part.add_((colour - part).mul_(share))
        grey[:, self.rows, self.columns] = part
        return grey

    def _project(self, pose: Pose, view: Viewpoint, horizon: Tensor) -> tuple[Tensor, Tensor]:
        """Image column and row of all corners, each (E, 4, Q)."""
        along, up = pose.forward, pose.up
        right_x = along[:, 1] * up[:, 2] - along[:, 2] * up[:, 1]
        right_y = along[:, 2] * up[:, 0] - along[:, 0] * up[:, 2]
        right_z = along[:, 0] * up[:, 1] - along[:, 1] * up[:, 0]
        side = self.corner_x + pose.steer[:, None] * self.steered
        high = self.corner_y - pose.damper[:, None] * self.sprung

        def world(axis: int, right: Tensor) -> Tensor:
            own = (
                side * right[:, None]
                + high * up[:, axis : axis + 1]
                + self.corner_z * along[:, axis : axis + 1]
            )
            return own + pose.position[:, axis : axis + 1]

        drop = pose.height_m[:, None] * self.grounded
        across, above, ahead = view.local(world(0, right_x), world(1, right_y) - drop, world(2, right_z))
        near = 1 / ahead.clamp(min=0.5)
        x = self.framing.width / 2 + self.framing.focal_x * across * near
        y = horizon[:, 0] - self.framing.focal_y * above * near
        return x.unflatten(1, (-1, 4)).transpose(1, 2), y.unflatten(1, (-1, 4)).transpose(1, 2)

    def _edges(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Ends of each convex quadrilateral in each row, and the share of the row inside, (E, Q, h) each."""
        dx, dy = x.roll(-1, 1) - x, y.roll(-1, 1) - y  # (E, 4, Q)
        top, bottom = y.amin(1)[..., None], y.amax(1)[..., None]
        row = torch.minimum(torch.maximum(self.y, top), bottom)  # rows just outside take the outline's end
        part = (row[:, None] - y[..., None]) / torch.where(dy.abs() < 1e-4, 1e-4, dy)[..., None]
        cut = x[..., None] + part * dx[..., None]  # (E, 4, Q, h)
        beside = (part < -1e-3) | (part > 1.001)
        left = cut.masked_fill(beside, 1e6).amin(1)
        right = cut.masked_fill(beside, -1e6).amax(1)
        high = (
            torch.minimum(self.y + 0.5 - top, bottom + 0.5 - self.y).clamp_(0, 1) * self.opacity
        )  # (E, Q, h)
        return left, right, high


def _steered(corners: Tensor) -> Tensor:
    """Shift to the right (Q, 4) of each corner when steering fully right; front wheels turn in place."""
    shift = torch.zeros(corners.shape[:2], device=corners.device)
    shift[1:3] = torch.tensor(STEER_M, device=corners.device)
    return shift


def _sprung(device: torch.device | str) -> Tensor:
    """1 for corners (Q, 4) carried by the dampers, 0 for wheels and shadow."""
    carried = torch.ones(len(QUADS), 4, device=device)
    carried[[SHADOW, 1, 2, 4, 5]] = 0.0
    return carried
