"""What the pictures agree on: where the camera stands, what things measure, how a race may vary in looks.

World axes are right-handed with y up; camera axes X right, Y up, Z along the level heading. The image plane
stays upright (slopes shift the horizon instead of tilting it), so an image column is a vertical plane.
Letters in shapes: E cars.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.sim.pose import Pose

EYE_BACK_M = 7.0  # the game's third-person cam 2: behind and above
EYE_UP_M = 3.2
HALF_VIEW = 0.84  # tangent of half the horizontal field of view of a 4:3 picture (80 degrees)
HORIZON = 0.34  # of the picture's height from the top, on level ground
SLIDE_LOOK = 0.8  # how far the camera looks along the slide instead of along the nose
FENCE_M = 1.6  # height of the fence
GATE_BEAM_M = (4.8, 7.0)  # lower and upper edge of a gate's beam
GATE_SPAN = 1.0  # posts stand at the road's edge, in half widths
POST_M = 0.9  # width of a gate's post
FOG_M = 170.0  # half of the contrast is left here
GRAIN_M = 30.0  # and half of the ground's grain here, where a patch is about a pixel of 64 x 64
PATTERNS = 2**20  # ground textures to draw from


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


class Look(NamedTuple):
    """How a race looks, one per car or one for all: (E, 1, 1) or scalars."""

    gain: Tensor | float = 1.0  # contrast around mid grey
    offset: Tensor | float = 0.0  # brightness, grey levels
    up_m: Tensor | float = 0.0  # camera higher
    yaw: Tensor | float = 0.0  # camera turned, rad (small)
    grain: Tensor | float = 0.0  # of the ground's texture, grey levels
    pattern: Tensor | int = 0  # which texture, not negative

    def tint(self, grey: Tensor) -> Tensor:
        """Grey levels (E, H, W) as this race shows them."""
        # In this form a gain of 1 and an offset of 0 leave every grey level exactly as it is.
        return (grey * self.gain + (128 * (1 - self.gain) + self.offset)).clamp(0, 255)

    def textured(self, grey: Tensor, nearness: Tensor, patch: Callable[[], Tensor]) -> Tensor:
        """Ground (E, H, W) with this race's grain on each patch of it, fading where patches get small."""
        square = nearness * nearness
        fade = square / (square + 1 / GRAIN_M**2)
        return (grey + self.grain * fade * _noise(patch() + self.pattern)).clamp(0, 255)


class NeutralLook(Look):
    """Nothing is changed, and nothing computed."""

    def tint(self, grey: Tensor) -> Tensor:
        """The same grey levels."""
        return grey

    def textured(self, grey: Tensor, nearness: Tensor, patch: Callable[[], Tensor]) -> Tensor:
        """The same ground."""
        return grey


NEUTRAL = NeutralLook()


@dataclass(frozen=True)
class Appearance:
    """Every race looks the same: the null object of appearance randomisation.

    What a race has drawn is a row of L numbers, so that it can be stored and moved with the race; here L = 0.
    """

    @property
    def size(self) -> int:
        """L, how many numbers make a look."""
        return 0

    def neutral(self, cars: int, device: torch.device) -> Tensor:
        """Rows (cars, L) that look as if nothing varied."""
        return torch.zeros(cars, self.size, device=device)

    def draw(self, cars: int, generator: torch.Generator) -> Tensor:
        """Rows (cars, L) for `cars` new races, uniform within -1 to 1."""
        if not self.size:
            return self.neutral(cars, generator.device)
        return torch.rand(cars, self.size, generator=generator, device=generator.device) * 2 - 1

    def look(self, drawn: Tensor) -> Look:
        """The looks of races that drew `drawn` (E, L)."""
        return NEUTRAL


@dataclass(frozen=True)
class VariedAppearance(Appearance):
    """Each race draws its own brightness, contrast, ground texture and camera mounting within +- these."""

    contrast: float
    brightness: float  # grey levels
    grain: float  # grey levels, of the ground nearby
    camera_up_m: float
    camera_yaw_rad: float

    @property
    def size(self) -> int:
        """One number for each field of a look."""
        return len(Look._fields)

    def look(self, drawn: Tensor) -> Look:
        """The looks of races that drew `drawn` (E, L); zeros are neutral to the last bit."""
        gain, offset, up_m, yaw, grain, pattern = drawn[:, :, None, None].unbind(1)
        return Look(
            1 + self.contrast * gain,
            self.brightness * offset,
            self.camera_up_m * up_m,
            self.camera_yaw_rad * yaw,
            self.grain * grain,
            ((pattern + 1) * PATTERNS / 2).long(),
        )


def _noise(number: Tensor) -> Tensor:
    """A fixed value within -1 to 1 for each whole number: an int64 hash without overflow."""
    number = number.long() & 0x7FFFFFFF
    for _ in range(2):
        number = ((number ^ (number >> 16)) * 0x45D9F3B) & 0x7FFFFFFF
    return (number >> 23) / 127.5 - 1


def viewpoint(pose: Pose, slope: Tensor, look: Look = NEUTRAL) -> Viewpoint:
    """The camera behind the car: heading between nose and velocity, levelled to the road's `slope` (E,)."""
    # A nose that points to the sky still has a heading: away from where the car's roof then points.
    nose = pose.forward - pose.forward[:, 1:2] * pose.up
    nose_x, nose_z = _level_unit(nose[:, 0], nose[:, 2])
    velocity_x, velocity_z = pose.velocity[:, 0], pose.velocity[:, 2]
    speed = (velocity_x * velocity_x + velocity_z * velocity_z).sqrt()
    sideways = (velocity_z * nose_x - velocity_x * nose_z) / (speed + 8.0)
    turn = SLIDE_LOOK * sideways + _flat(look.yaw)
    heading_x, heading_z = _level_unit(nose_x - turn * nose_z, nose_z + turn * nose_x)
    back = torch.stack([heading_x, slope, heading_z], 1) * EYE_BACK_M
    up = pose.position[:, 1] + EYE_UP_M + _flat(look.up_m)
    lifted = torch.stack([pose.position[:, 0], up, pose.position[:, 2]], 1)
    return Viewpoint(lifted - back, heading_x, heading_z, slope)


def _level_unit(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    square = x * x + z * z
    none = square < 1e-6
    length = square.masked_fill(none, 1.0).sqrt()
    return x.masked_fill(none, 0.0) / length, z.masked_fill(none, 1.0) / length


def _flat(value: Tensor | float) -> Tensor | float:
    return value.flatten() if isinstance(value, Tensor) else value
