"""Writes pictures of the docs: camera.png and colour.png, the same places as the network and as a person sees
them; blocks.png, the blocks of a track file; my_track.png, the example of docs/tracks.md; film.png and
race.png, pictures of a film of two kept races; race_line.png and curve.png, the map and the curve of a run;
line.png, a reference line as `map make` draws it.

python experiments/pictures/make.py docs/img [races ...]
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import yaml
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from btr_tm.cli.commands import draw_track
from btr_tm.cli.commands import map as map_command
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.metrics.summary_text import race_time_text
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.film import SIZE, Racer, Scene, end_of, pictures_of
from btr_tm.report.plots import INK, learning_curve, save
from btr_tm.report.race_picture import race_picture
from btr_tm.report.redrive import redrive_all
from btr_tm.report.track_picture import draw_height, draw_map
from btr_tm.sim.colour.view import ColourView
from btr_tm.sim.grey.camera import Camera
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.blocks import Style, make_block
from btr_tm.sim.track.compile import draft
from btr_tm.sim.track.file import TrackFile
from btr_tm.sim.track.load import author_inputs, load_track
from btr_tm.sim.world import World

PLACES_M = {"a01": (60.0, 250.0, 330.0, 560.0, 700.0), "dirt_and_turbo": (300.0, 700.0, 900.0)}
SPEED_MPS, NO_KEYS, SETTLING_DECISIONS = 40.0, 3, 2
COLUMNS, SCALE = 4, 3
RECORDS = Path(__file__).resolve().parents[1] / "target_share" / "records"
KEPT = ("convention.target_soft_tau=0.1/s20", "convention.target_soft_tau=0.02,iqn/s23")
STILLS_A_SECOND = 2
STILLS = (11, 17, 28, 40)  # of race.png, then of film.png
STILL, COLOURS = (480, 270), 200
BLOCKS = (
    "start: {}",
    "checkpoint: {}",
    "finish: {}",
    "turbo: {}",
    "straight: {length: 3}",
    "straight: {length: 3, rise: 1}",
    "crest: {length: 3, rise: 1}",
    "jump: {ramp: 1, gap: 1, landing: 2}",
    "curve: {turn: right, size: 2}",
    "curve: {turn: left, size: 3}",
    "curve: {size: 2, quarters: 2}",
    "chicane: {turn: right, length: 4, shift: 1}",
    "straight: {length: 2, width: 40}",
    "straight: {length: 2, margin: 16}",
    "straight: {length: 2, surface: dirt}",
    "straight: {length: 2, surface: grass}",
)


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


def blocks(path: Path) -> None:
    """Each block by itself from above, and its height where that changes."""
    figure = Figure(figsize=(9, 11), layout="constrained")
    grid = figure.subfigures(len(BLOCKS) // COLUMNS, COLUMNS)
    for place, text in zip(grid.flat, BLOCKS, strict=True):
        ((kind, options),) = yaml.safe_load(text).items()
        ribbon = draft(TrackFile([make_block(kind, options, Style())], False, 1, ""), text).ribbon
        climbs = float(ribbon.centre[:, 1].abs().max()) > 0
        above, below = place.subplots(2, 1, height_ratios=(3, 1)) if climbs else (place.subplots(), None)
        draw_map(above, ribbon, [])
        if below is not None:
            draw_height(below, ribbon, [])
        place.suptitle(text.removesuffix(": {}"), fontsize=8, color=INK)
    save(figure, path)


def example(path: Path) -> None:
    """The first track file in docs/tracks.md, as the command draws it."""
    text = (path.parents[1] / "tracks.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    with TemporaryDirectory() as folder:
        track = Path(folder) / "my_track.yaml"
        track.write_text(text, encoding="utf-8")
        draw_track.main([str(track), "--out", str(path)])


def line(path: Path) -> None:
    """The line along which the author of `hills` drives."""
    author = author_inputs(load_track("hills"))
    assert author is not None
    with TemporaryDirectory() as folder:
        author.write(race := Path(folder) / "hills.inputs")
        map_command.main(["make", str(race), "--out", f"{folder}/hills_line.npy"])
        with Image.open(Path(folder) / "hills_line.png") as picture:
            small(picture.convert("RGB")).save(path, optimize=True)


def views(folder: Path) -> None:
    """The same places as the network and as a person sees them."""
    grey, colour = [], []
    for name, places in PLACES_M.items():
        track = load_track(name)
        world, camera, view = World(track), Camera(track), ColourView(track, 64 * SCALE, 64 * SCALE * 4 // 3)
        for pose in (pose_at(world, s_m) for s_m in places):
            grey.append(camera(pose)[0, 0].repeat_interleave(SCALE, 0).repeat_interleave(SCALE, 1))
            colour.append(view(pose)[0])
    sheet(grey).save(folder / "camera.png")
    sheet(colour).save(folder / "colour.png")


def races(folder: Path) -> None:
    """Film and map of two kept races beside the author's, and the curve of the run of the first."""
    track = load_track("a01")
    kept = [InputsFile.read(RECORDS / name / "best/race.inputs").actions for name in KEPT]
    author = author_inputs(track)
    assert author is not None
    first, second, beside = redrive_all(track, [*kept, author.actions])
    scene = Scene(track, [Racer("BTR", first), Racer("IQN", second)], beside)
    view = ColourView(track, *SIZE, smoothing=1)
    pictures = [image.copy() for image in pictures_of(scene, view, STILLS_A_SECOND, SIZE)]
    small(pictures[STILLS[0]]).save(folder / "race.png", optimize=True)
    chosen = [*(pictures[number] for number in STILLS[1:]), end_of(scene, pictures[-1], SIZE)]
    together = Image.new("RGB", (2 * STILL[0], 2 * STILL[1]))
    for number, picture in enumerate(chosen):
        place = number % 2 * STILL[0], number // 2 * STILL[1]
        together.paste(picture.resize(STILL, Image.Resampling.BOX), place)
    small(together).save(folder / "film.png", optimize=True)
    title = f"a01: {race_time_text(first.time_ms / 1000)}"
    race_picture(track, first, beside, folder / "race_line.png", title)
    medals_s = {name: time_ms / 1000 for name, time_ms in track.medals_ms.items()}
    rows = read_record(RECORDS / KEPT[0] / "record.jsonl")
    learning_curve(rows, folder / "curve.png", "quickstart on a01, seed 20", medals_s)


def small(picture: Image.Image) -> Image.Image:
    """In few colours, for a small file."""
    return picture.quantize(COLOURS)


def main(folder: str, *wanted: str) -> None:
    made = {
        "blocks": lambda: blocks(Path(folder) / "blocks.png"),
        "example": lambda: example(Path(folder) / "my_track.png"),
        "line": lambda: line(Path(folder) / "line.png"),
        "views": lambda: views(Path(folder)),
        "races": lambda: races(Path(folder)),
    }
    for name in wanted or made:
        made[name]()


if __name__ == "__main__":
    main(*sys.argv[1:])
