"""The own car in front of the picture, and the brightness of a race."""

from __future__ import annotations

import numpy as np

from btr_tm.core.kernels import HALF, ONE, ZERO, Floats, reordered_part
from btr_tm.sim.grey.kernel.layout import BRAKE_LIGHT, REAR, Bytes, F, Picture, View, clip, index, row_at
from btr_tm.sim.pose import BRAKE, DAMPER, FORWARD, HEIGHT, POSITION, STEER, UP


@reordered_part
def paint_car(
    corners: Floats,
    quads: Floats,
    size: Picture,
    view: View,
    car: Floats,
    xy: Floats,
    grey: Floats,
) -> None:
    """As `OwnCar.paint`, of one car, into `grey` (H, W); `xy` (2, 4) is scratch."""
    position, forward, up = car[POSITION:], car[FORWARD:], car[UP:]
    height_m, damper, steer, brake = car[HEIGHT], car[DAMPER], car[STEER], car[BRAKE]
    right_x = forward[1] * up[2] - forward[2] * up[1]
    right_y = forward[2] * up[0] - forward[0] * up[2]
    right_z = forward[0] * up[1] - forward[1] * up[0]
    x, y = xy[0], xy[1]
    for quad in range(corners.shape[0]):
        for corner in range(4):
            side = corners[quad, corner, 0] + steer * corners[quad, corner, 3]
            high = corners[quad, corner, 1] - damper * corners[quad, corner, 4]
            along = corners[quad, corner, 2]
            world_x = side * right_x + high * up[0] + along * forward[0] + position[0] - view.x
            world_y = side * right_y + high * up[1] + along * forward[1] + position[1] - view.y
            world_z = side * right_z + high * up[2] + along * forward[2] + position[2] - view.z
            world_y -= height_m * corners[quad, corner, 5]
            near = ONE / max(world_x * view.heading_x + world_z * view.heading_z, HALF)
            across = world_z * view.heading_x - world_x * view.heading_z
            x[corner] = F(size.width) / F(2) + size.focal_x * across * near
            y[corner] = view.horizon - size.focal_y * world_y * near
        colour = quads[quad, 0] + (brake * BRAKE_LIGHT if quad == REAR else ZERO)
        _paint_quad(size, x, y, colour, quads[quad, 1], grey)


@reordered_part
def _paint_quad(
    size: Picture, x: Floats, y: Floats, colour: np.float32, opacity: np.float32, grey: Floats
) -> None:
    """As `OwnCar._edges` and `rasterizer._coverage`, of one quadrilateral."""
    top, bottom = min(min(y[0], y[1]), min(y[2], y[3])), max(max(y[0], y[1]), max(y[2], y[3]))
    for pixel in range(max(row_at(top - ONE, size), size.car_rows), row_at(bottom + F(2), size)):
        middle = F(pixel) + HALF
        high = clip(min(middle + HALF - top, bottom + HALF - middle), ZERO, ONE) * opacity
        row = min(max(middle, top), bottom)
        left, right = F(1e6), F(-1e6)
        for corner in range(4):
            other = (corner + 1) % 4
            dy = y[other] - y[corner]
            part = (row - y[corner]) / (F(1e-4) if abs(dy) < F(1e-4) else dy)
            if part >= F(-1e-3) and part <= F(1.001):
                cut = x[corner] + part * (x[other] - x[corner])
                left, right = min(left, cut), max(right, cut)
        start = max(index(clip(left - ONE, ZERO, F(size.width)), size.width + 1), size.car_left)
        stop = min(index(clip(right + F(2), ZERO, F(size.width)), size.width + 1), size.car_right)
        for column in range(start, stop):
            across = F(column) + HALF
            cover = clip(min(across + HALF - left, right + HALF - across), ZERO, ONE) * high
            grey[pixel, column] += cover * (colour - grey[pixel, column])


@reordered_part
def tint(grey: Floats, drawn: Floats, out: Bytes) -> None:
    """As `Variation.tint`; gain 1 and offset 0 leave every level as it is."""
    gain, lift = drawn[0], F(128) * (ONE - drawn[0]) + drawn[1]
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            out[row, column] = np.uint8(clip(grey[row, column] * gain + lift, ZERO, F(255)))
