"""Author runs: `python -m btr_tm.sim.author a01` searches one, or improves the one that is stored."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.seeding import generator as seeded
from btr_tm.race.inputs_file import InputsFile
from btr_tm.sim.author.search import NEVER, Anywhere, Around, Grid, Search, Situation, situation
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.load import load_track, shipped_tracks, track_path
from btr_tm.sim.world import PHYSICS_VERSION, World

FINER = (2.0, 3.0, 4.0, 6.0, 8.0, 8.0)  # cells of the first search divided by those of the later ones


class DrivenRace(NamedTuple):
    """A race from the canonical start."""

    actions: Tensor  # (T,) int64, one per decision, up to the finish
    time_ms: int  # very long if it does not reach the finish
    situations: Situation  # before each decision

    @property
    def finished(self) -> bool:
        """It reaches the finish."""
        return self.time_ms < 10 * NEVER


def drive(world: World, actions: Tensor) -> DrivenRace:
    """Re-drive `actions` (T,) up to the finish."""
    states = [Starts(world).canonical(1)]
    for action in actions:
        states.append(world.step(states[-1], action.view(1)))
        if states[-1].finish_tick.item() >= 0:
            break
    finish_tick = int(states[-1].finish_tick.item())
    run = situation(world, SimState(*(torch.cat(values) for values in zip(*states, strict=True))))
    return DrivenRace(actions[: len(states) - 1], 10 * (finish_tick if finish_tick >= 0 else NEVER), run)


def find_author_run(world: World, grid: Grid, draw: torch.Generator) -> DrivenRace:
    """A first race: a search among all cars."""
    return drive(world, Search(world, grid, Anywhere(), draw).run())


def polish(
    world: World, best: DrivenRace, grid: Grid, finer: Sequence[float], draw: torch.Generator
) -> DrivenRace:
    """A race not slower than `best`: for each factor of `finer`, a search on a finer grid near the best."""
    for factor in finer:
        print(
            f"{world.track.name}: {best.time_ms} ms after {time.process_time():.0f} s of CPU time", flush=True
        )
        found = drive(world, Search(world, grid.finer(factor), Around(best.situations), draw).run())
        best = min(best, found, key=lambda race: race.time_ms)
    return best


@torch.no_grad()
def main(arguments: Sequence[str] | None = None) -> None:
    """Search author runs, or improve those that are stored."""
    parser = argparse.ArgumentParser(prog="python -m btr_tm.sim.author", description=main.__doc__)
    parser.add_argument(
        "tracks", nargs="*", default=shipped_tracks(), help="names or .yaml files (all shipped)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--folder", type=Path, help="where <track>.author.inputs are stored (default: beside each track)"
    )
    parser.add_argument("--cars", type=int, default=Grid.cars, help="cars kept per slice: slower and better")
    parser.add_argument("--finer", type=float, nargs="*", default=FINER, help="grids of the later searches")
    options = parser.parse_args(arguments)
    try:
        for name in options.tracks:
            improve(name, options)
    except UserError as error:
        sys.exit(f"btr_tm.sim.author: {error}")


def improve(name: str, options: argparse.Namespace) -> None:
    """Search a race on the track `name` that is faster than the stored one, and store it."""
    if options.cars < 1:
        raise UserError(f"--cars must be 1 or larger, got {options.cars}")
    world, grid, draw = World(load_track(name)), Grid(cars=options.cars), seeded(options.seed, "author")
    path = (options.folder or track_path(name).parent) / f"{world.track.name}.author.inputs"
    stored = stored_run(world, path)
    first = stored if stored.finished else find_author_run(world, grid, draw)
    if not first.finished:
        raise UserError(f"no race on {world.track.name} reached the finish; keep more cars with --cars")
    best = polish(world, first, grid, options.finer, draw)
    if best.time_ms < stored.time_ms:
        header = (world.ticks_per_action, world.track.name, PHYSICS_VERSION, best.time_ms)
        InputsFile.from_actions(best.actions, *header).write(path)
    before = f", was {stored.time_ms} ms" if stored.finished else ""
    print(f"{path}: {best.time_ms} ms{before}, {time.process_time():.0f} s CPU")


def stored_run(world: World, path: Path) -> DrivenRace:
    """The run in `path`, re-driven; one that does not reach the finish if there is none.

    Raises UserError for a file that cannot be read, or whose keys change within a decision: a slower race
    must not take its place.
    """
    if not path.exists():
        return drive(world, torch.zeros(0, dtype=torch.int64))
    try:
        return drive(world, InputsFile.read(path).to_actions(world.ticks_per_action))
    except UserError as error:
        raise UserError(f"{error}; move {path} away, or name another --folder") from error
