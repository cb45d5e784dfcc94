"""Writes docs/img/camera.png and colour.png: the same places as the network and as a person sees them.

python experiments/pictures/make.py docs/img
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from btr_tm.sim.colour.view import ColourView
from btr_tm.sim.grey.camera import Camera
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.load import load_track
from btr_tm.sim.world import World

PLACES_M = {"a01": (60.0, 250.0, 330.0, 560.0, 700.0), "dirt_and_turbo": (300.0, 700.0, 900.0)}
SPEED_MPS, NO_KEYS, SETTLING_DECISIONS = 40.0, 3, 2
COLUMNS, SCALE = 4, 3


def pose_at(world: World, s_m: float) -> Pose:
    """One car rolling along the middle of the road."""
    still = torch.zeros(1)
    state = world.start(still + s_m, still, still, still + SPEED_MPS, still.long())
    for _ in range(SETTLING_DECISIONS):
        state = world.step(state, torch.full((1,), NO_KEYS))
    return world.pose(state)


def sheet(pictures: list[Tensor]) -> Image.Image:
    """Pictures (H, W) or (H, W, 3), COLUMNS in a row."""
    rows = [torch.cat(pictures[i : i + COLUMNS], 1) for i in range(0, len(pictures), COLUMNS)]
    return Image.fromarray(torch.cat(rows, 0).numpy())


def main(folder: str) -> None:
    grey, colour = [], []
    for name, places in PLACES_M.items():
        track = load_track(name)
        world, camera, view = World(track), Camera(track), ColourView(track, 64 * SCALE, 64 * SCALE * 4 // 3)
        for pose in (pose_at(world, s_m) for s_m in places):
            grey.append(camera(pose)[0, 0].repeat_interleave(SCALE, 0).repeat_interleave(SCALE, 1))
            colour.append(view(pose)[0])
    sheet(grey).save(Path(folder) / "camera.png")
    sheet(colour).save(Path(folder) / "colour.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
