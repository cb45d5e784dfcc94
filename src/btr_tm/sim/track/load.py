"""Tracks by name or path: those that come with the package, track files and reference lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_yaml, short
from btr_tm.race.inputs_file import InputsFile
from btr_tm.sim.track.compile import compile_track
from btr_tm.sim.track.line import load_line_track
from btr_tm.sim.track.ribbon import Track

FOLDER = Path(__file__).parents[1] / "tracks"


def shipped_tracks() -> list[str]:
    """Names of the tracks that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def track_path(name_or_path: str | Path) -> Path:
    """Where a shipped track, a track file (.yaml) or a reference line (.npy) lies; UserError if nowhere."""
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml", ".npy"):
        path = FOLDER / f"{path.name}.yaml"
    if not path.is_file():
        known = ", ".join(shipped_tracks())
        raise UserError(
            f"there is no track {short(name_or_path)}; name a shipped one ({known}) or the path of a .yaml "
            "or .npy file"
        )
    return path


def load_track(name_or_path: str | Path, half_width_m: float = 12.0) -> Track:
    """A shipped track by name, a track file (.yaml), or a reference line (.npy) of that half width.

    The author time is that of `<name>.author.inputs` beside the track file. UserErrors name file, block
    and remedy.
    """
    path = track_path(name_or_path)
    if path.suffix == ".npy":
        return load_line_track(path, half_width_m)
    track = compile_track(path.stem, read_yaml(path), path.name)
    author = path.with_name(f"{path.stem}.author.inputs")
    if not author.is_file():
        return track
    return dataclasses.replace(track, author_time_ms=InputsFile.read(author).time_ms)
