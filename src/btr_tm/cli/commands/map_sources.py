"""Where lines come from: races of the game, races of the simulator, and positions that somebody recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from btr_tm.cli.commands.watch import SUFFIXES, track_of
from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.protocols import Telemetry
from btr_tm.maps.gbx import challenge, replay
from btr_tm.maps.gbx.challenge import Course
from btr_tm.maps.line import SPACING_M, line_of, until
from btr_tm.race.inputs_file import InputsFile
from btr_tm.race.line_points import positions_in, read_points
from btr_tm.report.redrive import TICK_MS, redrive
from btr_tm.report.summary import outcome
from btr_tm.sim.starts import Starts
from btr_tm.sim.world import World

LAP_S = 600.0  # without a record, while a lap is followed
FARTHEST = 20.0  # a step of positions in terms of their median; a longer one is a jump
SMALLEST_M = 5.0  # and of this many metres at least


def line_from(path: str, track: str | None) -> tuple[np.ndarray, str, Course | None]:
    """The line (N, 3), what it comes from in words, and the gates of the map if that is known."""
    suffix = Path(path).suffix.lower()
    if suffix == ".gbx":
        return _of_replay(path)
    if suffix in SUFFIXES:
        return _of_inputs(path, track)
    if suffix == ".npy":
        return _of_positions(path)
    raise UserError(f"a line is made from a .Gbx, an {', a '.join(SUFFIXES)} or an .npy file, got {path}")


def _of_replay(path: str) -> tuple[np.ndarray, str, Course | None]:
    """Of the fastest race in it."""
    found = replay.read(path)
    ghost = found.fastest()
    times_s, positions = ghost.records.times_ms / 1000, ghost.records.positions
    if ghost.time_ms is not None:
        times_s, positions = until(times_s, positions, ghost.time_ms / 1000)
    line = line_of(times_s, positions, path)
    ended = (
        f"a race of {ghost.time_ms / 1000:.2f} s" if ghost.time_ms is not None else "a race that did not end"
    )
    try:
        track = found.map()
        if track is None:
            return line, ended, None
        return line, f"{ended} on {challenge.header(track).name}", challenge.course(track)
    except UserError as error:  # the race can be read all the same
        return line, f"{ended}; it is not compared with its map, since {error}", None


def _of_inputs(path: str, chosen: str | None) -> tuple[np.ndarray, str, Course | None]:
    """Of a race that finishes in the simulator."""
    file = InputsFile.read(path)
    track = track_of(file, Path(path), chosen)
    print(f"driving {path} on {track.name}", flush=True)
    race = redrive(track, file.actions)
    if not race.finished:
        raise UserError(f"{path} is {outcome(race)} on {track.name}; a line needs a race that finishes")
    start = Starts(World(track.to("cpu"), ticks_per_action=1)).canonical(1).position
    positions = torch.cat((start, race.pose.position)).double().numpy()
    times_s = np.arange(len(positions)) * (TICK_MS / 1000)
    return line_of(times_s, positions, path), f"a race of {race.time_ms / 1000:.2f} s on {track.name}", None


def _of_positions(path: str) -> tuple[np.ndarray, str, Course | None]:
    """Of positions at unknown times; places where the car stood count once."""
    given = positions_in(read_points(path), path)
    steps = np.linalg.norm(np.diff(given, axis=0), axis=1)
    given = given[np.concatenate(([True], steps > 1e-3))] if len(given) else given
    steps = steps[steps > 1e-3]
    bad = np.flatnonzero(steps > max(SMALLEST_M, FARTHEST * np.median(steps))) if len(steps) else steps
    if len(bad):
        at = int(bad[0])
        raise UserError(
            f"{path}: the positions jump {steps[at]:,.1f} m at {steps[:at].sum():,.1f} m; cut them there"
        )
    times_s = np.concatenate(([0.0], np.cumsum(steps / SPACING_M)))  # as if it drove half a metre a second
    return line_of(times_s, given, path), f"{len(given):,} positions", None


def line_driven(overrides: Sequence[str]) -> tuple[np.ndarray, str, str]:
    """The line of the lap that somebody drives now, what it comes from, and what the game calls the map."""
    from btr_tm.cli.assembly.build import make
    from btr_tm.cli.assembly.parts import checked
    from btr_tm.cli.configuration.composition import compose_job
    from btr_tm.envs.desktop.follow import follow

    env = checked(compose_job(["env=desktop", *overrides, "logger=none"]).values)["env"]
    telemetry: Telemetry = make(env["game"]["telemetry"])
    try:
        lap = follow(telemetry, LAP_S, lambda words: print(words, flush=True))
    finally:
        telemetry.close()
    line = line_of(lap.times_s, lap.positions, "the lap")
    return line, f"a lap of {lap.times_s[-1] - lap.times_s[0]:.2f} s", lap.map_id
