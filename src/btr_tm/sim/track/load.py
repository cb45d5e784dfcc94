"""Tracks by name or path: those that come with the package, track files and reference lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.core.files import parse_npy, parse_text, parse_yaml, short
from btr_tm.race import inputs_file
from btr_tm.race.inputs_file import InputsFile
from btr_tm.sim.track.compile import compile_track
from btr_tm.sim.track.line import line_track
from btr_tm.sim.track.ribbon import Track
from btr_tm.sim.track.source import AUTHOR, LINE, SUFFIXES, TrackSource, read_source

FOLDER = Path(__file__).resolve().parents[1] / "tracks"
HALF_WIDTH_M = 12.0  # of the road along a reference line, unless said


def shipped_tracks() -> list[str]:
    """Names of the tracks that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def track_path(name_or_path: str | Path) -> Path:
    """Where a shipped track, a track file (.yaml) or a reference line (.npy) lies; UserError if nowhere."""
    path = Path(name_or_path)
    if path.suffix not in SUFFIXES and path.name == str(name_or_path):  # a name, in no folder
        path = FOLDER / f"{path.name}.yaml"
    if not path.is_file():
        known = ", ".join(shipped_tracks())
        raise UserError(
            f"there is no track {short(name_or_path, 300)}; name a shipped one ({known}) or the path of a "
            ".yaml or .npy file"
        )
    return path


def load_track(name_or_path: str | Path, half_width_m: float = HALF_WIDTH_M) -> Track:
    """A shipped track by name, a track file (.yaml), or a reference line (.npy) of that half width.

    The author time is that of `<name>.author.inputs` beside the track file. UserErrors name file, block
    and remedy.
    """
    path = track_path(name_or_path)
    track = make_track(read_source(path), half_width_m)
    return dataclasses.replace(track, source=None) if path.resolve().parent == FOLDER else track


def make_track(source: TrackSource, half_width_m: float = HALF_WIDTH_M) -> Track:
    """The same from the content of its file."""
    content, author_time_ms = source.content, None
    if source.suffix == LINE:
        points = parse_npy(content, source.file_name)
        track = line_track(points, half_width_m, source.name, source.file_name)
    else:
        blocks = parse_yaml(parse_text(content, source.file_name), source.file_name)
        track = compile_track(source.name, blocks, source.file_name)
    if source.author:
        name = source.name + AUTHOR
        author_time_ms = inputs_file.parse(parse_text(source.author, name), name).time_ms
    return dataclasses.replace(track, author_time_ms=author_time_ms, source=source)


def author_inputs(track: Track) -> InputsFile | None:
    """The race that the author time of `track` comes from; None if it has none."""
    own, name = track.source, track.name + AUTHOR
    if own is not None:
        return inputs_file.parse(parse_text(own.author, name), name) if own.author else None
    path = FOLDER / name
    return InputsFile.read(path) if path.is_file() else None
