"""The large colour view for people: the same scene and camera as the grey one, painted far to near.

Not for training: it runs on the host, some hundred pictures a second. Letters in shapes: E cars, N faces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from btr_tm.sim import scene
from btr_tm.sim.colour import track_mesh
from btr_tm.sim.colour.car_mesh import BLUE, Colour, car_faces
from btr_tm.sim.grey.strips import Strips
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.ribbon import Track

NEAR_M, MIDDLE_M, FAR_M = 0.4, 72.0, 420.0  # clipping, end of the fine mesh, end of the coarse one
ZENITH, HAZE, MEADOW = (58, 124, 214), (206, 224, 240), (74, 132, 62)
FOG_HALF_M = 260.0
BUILDINGS = 72  # around the horizon
OPAQUE = -1 << 24  # highest byte of a colour packed as Pillow's core does
CAR_REACH_M = 2.6  # from a car's middle to its farthest corner
EYE_CLEAR_M = 3.5  # a car that is nearer to the eye would hide the road
SMOOTHING = 2  # every pixel is the mean of this many squared; 1 is faster, and enough for large pictures


def _shadow_outline() -> np.ndarray:
    """A rounded rectangle (24, 2), right and ahead of a car's middle, in m."""
    around = np.arange(24) * 2 * np.pi / 24
    ring = np.stack([np.cos(around), np.sin(around)], 1)
    return np.array([1.08, 2.1]) * np.sign(ring) * np.abs(ring) ** 0.5


SHADOW = _shadow_outline()


class OtherCar(NamedTuple):
    """A car that a picture shows beside the one it follows."""

    pose: Pose  # leading axis as that of the followed car
    paint: Colour
    opacity: float = 1.0  # less than 1 for a ghost


@dataclass(frozen=True)
class _Eye:
    """One car's camera on the host."""

    eye: np.ndarray  # (3,)
    heading: np.ndarray  # (2,) x and z
    horizon: float  # row
    focal: tuple[float, float]
    middle: float  # column

    def local(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) as right, up, ahead of the eye."""
        x, y, z = np.moveaxis(points - self.eye, -1, 0)
        across = z * self.heading[0] - x * self.heading[1]
        return np.stack([across, y, x * self.heading[0] + z * self.heading[1]], -1)

    def project(self, local: np.ndarray) -> np.ndarray:
        """Image column and row (..., 2) of points in front of the eye."""
        near = 1 / np.maximum(local[..., 2], NEAR_M)
        column = self.middle + self.focal[0] * local[..., 0] * near
        return np.stack([column, self.horizon - self.focal[1] * local[..., 1] * near], -1)


class ColourView:
    """Pictures (E, H, W, 3) uint8 of the cars in a pose, wide ones showing more at the sides."""

    def __init__(self, track: Track, height: int = 360, width: int = 640, smoothing: int = SMOOTHING):
        self.height, self.width, self.smoothing = height, width, smoothing
        self.framing = scene.Framing(height * smoothing, width * smoothing, aspect=width / height)
        host = track.to("cpu")
        self.strips = Strips(host)
        self.fine, self.coarse = track_mesh.build(host, 2.0), track_mesh.build(host, 8.0)
        self.sky = _sky(self.framing.height * 3, self.framing.width)
        self.canvas = Image.new("RGB", (self.framing.width, self.framing.height))
        self.skyline = np.random.default_rng(11).uniform(0.35, 1.0, BUILDINGS)

    def __call__(self, pose: Pose) -> Tensor:
        """One picture per car."""
        return torch.from_numpy(np.stack([np.asarray(image) for image in self.images(pose)]))

    def images(self, pose: Pose, others: Sequence[OtherCar] = ()) -> Iterator[Image.Image]:
        """One picture after the other; in number i the `others` are at their pose i."""
        pose = _on_host(pose)
        others = [other._replace(pose=_on_host(other.pose)) for other in others]
        view = scene.viewpoint(pose, self.strips.slope(pose.s_m))
        for car in range(len(pose.s_m)):
            yield self._image(pose, view, car, others)

    def _image(self, pose: Pose, view: scene.Viewpoint, car: int, others: Sequence[OtherCar]) -> Image.Image:
        framing = self.framing
        heading = np.array([float(view.heading_x[car]), float(view.heading_z[car])])
        horizon = framing.horizon + framing.focal_y * float(view.slope[car])
        focal = (framing.focal_x, framing.focal_y)
        eye = _Eye(view.eye[car].numpy().astype(float), heading, horizon, focal, framing.width / 2)
        image = self._backdrop(eye)
        self._track(ImageDraw.Draw(image), eye)
        away = [_away(eye, each.pose, car) for each in others]
        for other, distance in sorted(zip(others, away, strict=True), key=lambda each: -each[1]):
            if EYE_CLEAR_M < distance < FAR_M and distance >= _away(eye, pose, car):
                self._other(image, eye, other, car)
        self._shadow(ImageDraw.Draw(image, "RGBA"), eye, pose, car)
        self._car(ImageDraw.Draw(image), eye, pose, car, BLUE)
        for other, distance in zip(others, away, strict=True):
            if EYE_CLEAR_M < distance < _away(eye, pose, car):
                self._other(image, eye, other, car)
        return image.reduce(self.smoothing) if self.smoothing > 1 else image.copy()

    def _other(self, image: Image.Image, eye: _Eye, other: OtherCar, car: int) -> None:
        """Paint it, and mix what it covers with what was there."""
        middle = eye.local(other.pose.position[car].numpy().astype(float))
        if middle[2] < EYE_CLEAR_M:
            return
        column, row = eye.project(middle)
        reach = 2 * CAR_REACH_M / middle[2] * max(eye.focal)
        box = [int(column - reach), int(row - reach), int(column + reach), int(row + reach)]
        left, top = max(box[0], 0), max(box[1], 0)
        right, bottom = min(box[2], image.width), min(box[3], image.height)
        if left >= right or top >= bottom:
            return
        before = image.crop((left, top, right, bottom))
        self._shadow(ImageDraw.Draw(image, "RGBA"), eye, other.pose, car)
        self._car(ImageDraw.Draw(image), eye, other.pose, car, other.paint)
        if other.opacity < 1:
            after = image.crop((left, top, right, bottom))
            image.paste(Image.blend(before, after, other.opacity), (left, top))

    def _backdrop(self, eye: _Eye) -> Image.Image:
        """Sky, a stadium ring on the horizon, meadow."""
        framing = self.framing
        top = self.sky.height // 2 - round(min(max(eye.horizon, -framing.height / 2), framing.height * 1.4))
        image = (
            self.canvas
        )  # painted over: new memory for every picture would take as long as painting the road
        image.paste(self.sky, (0, -top))
        draw = ImageDraw.Draw(image)
        angle = np.arange(BUILDINGS + 1) * 2 * np.pi / BUILDINGS
        ahead = np.sin(angle) * eye.heading[0] + np.cos(angle) * eye.heading[1]
        across = np.cos(angle) * eye.heading[0] - np.sin(angle) * eye.heading[1]
        edge = eye.middle + eye.focal[0] * across / np.maximum(ahead, 0.3)
        for i in np.flatnonzero((ahead[:-1] > 0.3) & (ahead[1:] > 0.3)):
            self._building(draw, eye, int(i), *sorted((float(edge[i]), float(edge[i + 1]))))
        return image

    def _building(self, draw: ImageDraw.ImageDraw, eye: _Eye, number: int, left: float, right: float) -> None:
        """One block of the skyline, some with a floodlight mast."""
        high = eye.horizon - 0.055 * self.skyline[number] * eye.focal[1]
        tone = 168 + int(26 * self.skyline[number * 7 % BUILDINGS])
        draw.rectangle((left, high, right, eye.horizon), fill=(tone - 14, tone, tone + 12))
        if number % 6 == 0:
            mast, lamp = eye.horizon - 0.13 * eye.focal[1], 0.008 * eye.focal[0]
            draw.rectangle((left, mast, left + 0.003 * eye.focal[0], eye.horizon), fill=(150, 162, 176))
            draw.rectangle((left - lamp, mast - lamp, left + lamp, mast), fill=(245, 246, 240))

    def _track(self, draw: ImageDraw.ImageDraw, eye: _Eye) -> None:
        for mesh, nearest_m, farthest_m in ((self.coarse, MIDDLE_M, FAR_M), (self.fine, 0.0, MIDDLE_M)):
            local, colour = _shown(mesh, eye, nearest_m, farthest_m)
            crossing = np.flatnonzero(local[..., 2].min(1) <= NEAR_M)
            outlines = list(eye.project(local).astype(np.float32))
            for i in crossing:
                outlines[i] = eye.project(_clipped(local[i])).astype(np.float32)
            _paint(draw, outlines, colour)

    def _shadow(self, draw: ImageDraw.ImageDraw, eye: _Eye, pose: Pose, car: int) -> None:
        """A soft patch below the car; the only thing that is not opaque, and opaque painting is faster."""
        forward, up, position = _axes(pose, car)
        right = np.cross(forward, up)
        ground = position - np.array([0.0, float(pose.height_m[car]), 0.0])
        shade = int(120 / (1 + 0.25 * abs(float(pose.height_m[car]))))
        for grow, opacity in ((1.12, shade // 2), (1.0, shade)):
            shadow = ground + grow * (SHADOW @ np.stack([right, forward]))
            draw.polygon(eye.project(eye.local(shadow)).ravel().tolist(), fill=(10, 12, 20, opacity))

    def _car(self, draw: ImageDraw.ImageDraw, eye: _Eye, pose: Pose, car: int, paint: Colour) -> None:
        forward, up, position = _axes(pose, car)
        controls = float(pose.steer[car]), float(pose.brake[car]), float(pose.damper[car])
        faces = car_faces(np.stack([np.cross(forward, up), up, forward]), position, *controls, paint)
        local = eye.local(faces.corners)
        order = np.argsort(-np.linalg.norm(local.mean(1), axis=1))
        outlines = eye.project(local[order]).astype(np.float32)
        _paint(draw, outlines, faces.colour[order].clip(0, 255))


def _on_host(pose: Pose) -> Pose:
    return Pose(*(values.detach().to("cpu", torch.float32) for values in pose))


def _away(eye: _Eye, pose: Pose, car: int) -> float:
    """Metres from the eye to a car."""
    return float(np.linalg.norm(pose.position[car].numpy() - eye.eye))


def _axes(pose: Pose, car: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Forward, up and position, (3,) each."""
    forward, up, position = (
        values[car].numpy().astype(float) for values in (pose.forward, pose.up, pose.position)
    )
    return forward, up, position


def _paint(draw: ImageDraw.ImageDraw, outlines: Iterable[np.ndarray], colour: np.ndarray) -> None:
    """Opaque polygons (M, 2) float32, in the order given; colours (N, 3). Those without an area are left out.

    Arrays, packed colours and the inner painter: checking what `draw.polygon` is given takes as long as
    painting, and over a thousand lists and tuples per picture keep the garbage collector busy.
    """
    red, green, blue = colour.astype(int).T
    polygon = draw.draw.draw_polygon
    for outline, ink in zip(outlines, (red | green << 8 | blue << 16 | OPAQUE).tolist(), strict=True):
        if len(outline) > 2:
            polygon(outline, ink, 1)


def _shown(
    mesh: track_mesh.Mesh, eye: _Eye, nearest_m: float, farthest_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Corners (N, 4, 3) in eye axes and fogged colours (N, 3) of faces in a distance range, far to near."""
    slope = 1.05 * eye.middle / eye.focal[0]  # of the sides of the picture, with a little more
    distance = np.linalg.norm(mesh.middle - eye.eye, axis=1)
    across, _, ahead = np.moveaxis(eye.local(mesh.middle), -1, 0)
    room = (1 + slope) * mesh.radius
    within = (distance >= nearest_m) & (distance < farthest_m)
    slices = np.flatnonzero(
        within & (np.abs(across) < slope * np.maximum(ahead, NEAR_M) + room) & (ahead > -room)
    )
    slices = slices[np.argsort(-distance[slices], kind="stable")]
    chosen = mesh.faces_of(slices)
    local = eye.local(mesh.corners[chosen])
    ahead = local[..., 2]
    limit = slope * np.maximum(ahead, NEAR_M)
    seen = (ahead.max(1) > NEAR_M) & (local[..., 0] < limit).any(1) & (local[..., 0] > -limit).any(1)
    chosen = chosen[seen]
    clear = 1 / (1 + (distance[mesh.slice_[chosen]] / FOG_HALF_M) ** 2)[:, None]
    return local[seen], mesh.colour[chosen] * clear + np.array(HAZE) * (1 - clear)


def _clipped(local: np.ndarray) -> np.ndarray:
    """The part (M, 3) of a polygon (4, 3) in front of the near plane."""
    out = []
    for start, end in zip(local, np.roll(local, -1, axis=0), strict=True):
        inside, next_inside = start[2] >= NEAR_M, end[2] >= NEAR_M
        if inside:
            out.append(start)
        if inside != next_inside:
            part = (NEAR_M - start[2]) / (end[2] - start[2])
            out.append(start + part * (end - start))
    return np.array(out).reshape(-1, 3)


def _sky(height: int, width: int) -> Image.Image:
    """Sky above the middle, meadow below it."""
    row = (np.arange(height) - height // 2) / (height / 3)
    up, down = np.clip(-row * 2.2, 0, 1)[:, None] ** 0.7, np.clip(row * 5, 0, 1)[:, None] ** 0.4
    sky = np.array(HAZE) * (1 - up) + np.array(ZENITH) * up
    meadow = np.array(HAZE) * (1 - down) + np.array(MEADOW) * down
    column = np.where(row[:, None] < 0, sky, meadow)
    return Image.fromarray(column[:, None].astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
