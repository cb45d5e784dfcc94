"""The stadium car for the large colour view: boxes, wedges and round wheels, shaded by the sun.

Car axes: x right, y up, z forward, origin on the ground under the car's middle. Letters in shapes: N faces.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

SUN = np.array([0.35, 0.85, -0.4]) / np.linalg.norm([0.35, 0.85, -0.4])
Colour = tuple[int, int, int]
BLUE, WHITE, BLACK, GREY, CARBON, LAMP, LAMP_LIT, VISOR = (
    (28, 96, 214), (240, 240, 244), (26, 26, 30), (150, 152, 158), (48, 50, 56), (120, 10, 14), (255, 46, 36),
    (250, 200, 60),
)  # fmt: skip
WHEELS = (
    (-0.95, 1.32, 0.34, 0.36),
    (0.95, 1.32, 0.34, 0.36),
    (-0.92, -1.32, 0.38, 0.5),
    (0.92, -1.32, 0.38, 0.5),
)
STEER_RAD = 0.45
SPOKES = 10


class Faces(NamedTuple):
    """Flat faces in world axes; a face of three corners repeats the last one."""

    corners: np.ndarray  # (N, 4, 3)
    colour: np.ndarray  # (N, 3), shaded


class _Part(NamedTuple):
    """Faces in car axes."""

    corners: np.ndarray  # (N, 4, 3)
    normal: np.ndarray  # (N, 3) unit, to either side
    colour: np.ndarray  # (N, 3), unshaded


def car_faces(
    axes: np.ndarray,
    position: np.ndarray,
    steer: float,
    brake: float,
    damper_m: float,
    paint: Colour = BLUE,
) -> Faces:
    """The faces of a car at `position` (3,) with `axes` (3, 3), whose rows are right, up and forward."""
    body, front, rear = _parts(brake > 0.5, paint)
    cos, sin = np.cos(steer * STEER_RAD), np.sin(steer * STEER_RAD)
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    turned = [wheel.corners @ turn + hub for wheel, hub in front]
    corners = np.concatenate([body.corners - (0.0, damper_m, 0.0), *turned, rear.corners])
    normal = np.concatenate([body.normal, *(wheel.normal @ turn for wheel, _ in front), rear.normal])
    colour = np.concatenate([body.colour, *(wheel.colour for wheel, _ in front), rear.colour])
    return Faces(corners @ axes + position, colour * _light(normal @ axes)[:, None])


@cache
def _parts(braking: bool, paint: Colour) -> tuple[_Part, tuple[tuple[_Part, np.ndarray], ...], _Part]:
    """The body, the front wheels at the origin with the places of their hubs, and the rear wheels."""
    wheels = [(_part(*_wheel(radius, width)), np.array([x, radius, z])) for x, z, radius, width in WHEELS]
    rear = [wheel._replace(corners=wheel.corners + hub) for wheel, hub in wheels[2:]]
    return (
        _part(*_body(braking, paint)),
        tuple(wheels[:2]),
        _Part(*map(np.concatenate, zip(*rear, strict=True))),
    )


def _part(corners: np.ndarray, colour: np.ndarray) -> _Part:
    # Car axes are left-handed: the other order than in the world.
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 1] - corners[:, 0])
    return _Part(corners, normal / np.maximum(np.linalg.norm(normal, axis=1), 1e-9)[:, None], colour)


def _light(normal: np.ndarray) -> np.ndarray:
    """Brightness (N,) of faces with normals (N, 3), lit from either side so that winding does not matter."""
    normal = np.where((normal[:, 1] < -0.2)[:, None], -normal, normal)
    return np.clip(0.72 + 0.36 * (normal @ SUN), 0.45, 1.06)


def _body(braking: bool, paint: Colour) -> tuple[np.ndarray, np.ndarray]:
    lamp = LAMP_LIT if braking else LAMP
    parts = [
        _hull(((0.55, 0.16, 0.42), (0.18, 0.24, 0.36)), 0.5, 2.3, paint),  # nose
        _hull(((0.95, 0.12, 0.18), (0.9, 0.12, 0.18)), 1.95, 2.35, WHITE),  # front wing
        _hull(((0.74, 0.16, 0.62), (0.56, 0.16, 0.5)), -0.9, 0.55, paint),  # cockpit tub
        _hull(((0.8, 0.16, 0.6), (0.84, 0.16, 0.55)), -1.5, -0.5, paint),  # side pods
        _hull(((0.16, 0.6, 0.78), (0.3, 0.6, 1.0)), -1.7, -0.35, WHITE),  # engine cover
        _hull(((0.2, 0.55, 0.86), (0.17, 0.55, 0.8)), -0.22, 0.12, VISOR),  # helmet
        _hull(((0.6, 0.3, 0.56), (0.7, 0.25, 0.58)), -1.85, -1.5, CARBON),  # gearbox
        _hull(((0.97, 0.98, 1.06), (0.97, 0.94, 1.0)), -2.05, -1.6, paint),  # rear wing
        _hull(((0.99, 0.7, 1.16), (0.99, 0.7, 1.12)), -2.06, -1.6, WHITE, sides_only=True),  # its end plates
        _hull(((0.34, 0.36, 0.5), (0.34, 0.36, 0.5)), -1.9, -1.86, lamp),
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _hull(
    ends: tuple, back_z: float, front_z: float, colour: tuple, sides_only: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Six faces between a back and a front rectangle, each (half width, low, high)."""
    rings = []
    for (half, low, high), z in zip(ends, (back_z, front_z), strict=True):
        rings.append([(-half, low, z), (half, low, z), (half, high, z), (-half, high, z)])
    back, front = rings
    faces = [
        [back[i], back[(i + 1) % 4], front[(i + 1) % 4], front[i]]
        for i in ((1, 3) if sides_only else range(1, 4))
    ]
    if not sides_only:
        faces += [back, front]
    return np.array(faces), np.tile(np.array(colour, float), (len(faces), 1))


def _wheel(radius: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Tread, tyre wall and rim of a wheel about the origin."""
    angle = np.arange(SPOKES + 1) * 2 * np.pi / SPOKES
    ring = np.stack([np.zeros(SPOKES + 1), radius * np.sin(angle), radius * np.cos(angle)], 1)
    side = np.array([width / 2, 0.0, 0.0])
    faces, colours = [], []
    for i in range(SPOKES):
        faces.append([ring[i] - side, ring[i] + side, ring[i + 1] + side, ring[i + 1] - side])
        colours.append(BLACK if i % 2 else CARBON)
        for sign in (-1, 1):
            hub = sign * side
            faces.append([ring[i] + hub, ring[i + 1] + hub, ring[i + 1] * 0.55 + hub, ring[i] * 0.55 + hub])
            colours.append(BLACK)
            faces.append(
                [hub * 1.02, ring[i] * 0.55 + hub, ring[i + 1] * 0.55 + hub, ring[i + 1] * 0.55 + hub]
            )
            colours.append(GREY)
    return np.array(faces), np.array(colours, float)
