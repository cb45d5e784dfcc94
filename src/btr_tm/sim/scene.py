"""What all pictures share: where the camera stands, and how large things are.

World axes are right-handed with y up; camera axes X right, Y up, Z along the level heading. The image plane
stays upright (slopes shift the horizon instead of tilting it), so an image column is a vertical plane.
Letters in shapes: E cars.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim.appearance import NO_VARIATION, Variation
from btr_tm.sim.pose import Pose

EYE_BACK_M = 7.0  # the game's third-person cam 2: behind and above
EYE_UP_M = 3.2
HALF_VIEW = 0.84  # tangent of half the horizontal field of view of a 4:3 picture (80 degrees)
HORIZON = 0.34  # of the picture's height from the top, on level ground
SLIDE_LOOK = 0.8  # how far the camera looks along the slide instead of along the nose
FENCE_M = 1.6  # height of the fence
GATE_BEAM_M = (4.8, 7.0)  # lower and upper edge of a gate's beam
POST_M = 0.9  # width of a gate's post
FOG_M = 170.0  # half of the contrast is left here


@dataclass(frozen=True)
class Framing:
    """Pixel geometry of a picture; all sizes show the same 4:3 scene, squeezed where they are not 4:3."""

    height: int
    width: int
    aspect: float = 4 / 3  # of the scene shown; wider scenes show more at the sides

    @property
    def focal_x(self) -> float:
        """Pixels per unit slope to the side."""
        return self.width / (2 * HALF_VIEW) * (4 / 3) / self.aspect

    @property
    def focal_y(self) -> float:
        """Pixels per unit slope upward."""
        return self.height * (4 / 3) / (2 * HALF_VIEW)

    @property
    def horizon(self) -> float:
        """Row of the level horizon, from the top."""
        return self.height * HORIZON


class Viewpoint(NamedTuple):
    """Where a camera stands and which way it looks, one per car."""

    eye: Tensor  # (E, 3)
    heading_x: Tensor  # (E,) level unit vector
    heading_z: Tensor  # (E,)
    slope: Tensor  # (E,) rise per metre along the heading to which the picture is levelled

    def local(self, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """World points relative to the eye, (E, N) each, in camera axes: right, up, ahead."""
        x, y, z = x - self.eye[:, :1], y - self.eye[:, 1:2], z - self.eye[:, 2:]
        across, ahead = self.turned(x, z)
        return across, y, ahead

    def turned(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """World directions (E, N) in camera axes: right, ahead."""
        heading_x, heading_z = self.heading_x[:, None], self.heading_z[:, None]
        return z * heading_x - x * heading_z, x * heading_x + z * heading_z


def viewpoint(pose: Pose, slope: Tensor, variation: Variation = NO_VARIATION) -> Viewpoint:
    """The camera behind the car: heading between nose and velocity, levelled to the road's `slope` (E,)."""
    # A nose that points to the sky still has a heading: away from where the car's roof then points.
    nose = pose.forward - pose.forward[:, 1:2] * pose.up
    nose_x, nose_z = _level_unit(nose[:, 0], nose[:, 2])
    velocity_x, velocity_z = pose.velocity[:, 0], pose.velocity[:, 2]
    speed = (velocity_x * velocity_x + velocity_z * velocity_z).sqrt()
    sideways = (velocity_z * nose_x - velocity_x * nose_z) / (speed + 8.0)
    turn = SLIDE_LOOK * sideways + _flat(variation.yaw)
    heading_x, heading_z = _level_unit(nose_x - turn * nose_z, nose_z + turn * nose_x)
    back = torch.stack([heading_x, slope, heading_z], 1) * EYE_BACK_M
    up = pose.position[:, 1] + EYE_UP_M + _flat(variation.up_m)
    lifted = torch.stack([pose.position[:, 0], up, pose.position[:, 2]], 1)
    return Viewpoint(lifted - back, heading_x, heading_z, slope)


def _level_unit(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    square = x * x + z * z
    none = square < 1e-6
    length = square.masked_fill(none, 1.0).sqrt()
    return x.masked_fill(none, 0.0) / length, z.masked_fill(none, 1.0) / length


def _flat(value: Tensor | float) -> Tensor | float:
    return value.flatten() if isinstance(value, Tensor) else value
