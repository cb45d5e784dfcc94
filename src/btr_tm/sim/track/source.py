"""What a track was made from, to be kept beside what was driven on it: its file, whole."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import YAML_BYTES, read_bytes, write_atomic
from btr_tm.core.types import JsonObject
from btr_tm.race.inputs_file import TEXT_BYTES
from btr_tm.race.line_points import FILE_BYTES

LINE = ".npy"
SUFFIXES = {".yaml": YAML_BYTES, ".yml": YAML_BYTES, LINE: FILE_BYTES}  # and the most they may hold
AUTHOR = ".author.inputs"
MAP = ".map_id"  # of a game; beside a line that was driven on it
MAP_BYTES = 256
PACKED = ("content", "author", "map")


class TrackSource(NamedTuple):
    """A track file or reference line, with the author's race and the map of a game if there is one."""

    name: str
    suffix: str  # one of SUFFIXES
    content: bytes
    author: bytes = b""  # of the .author.inputs file; empty if there is none
    map: bytes = b""  # of the .map_id file; empty for any map

    @property
    def file_name(self) -> str:
        return self.name + self.suffix

    @property
    def map_id(self) -> str:
        """What its game calls the map that it belongs to; '' if that is not known."""
        return self.map.decode("ascii", "replace").strip()

    def write(self, folder: Path) -> None:
        """Store it in `folder` under its own name."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / self.file_name, self.content)
        for suffix, content in ((AUTHOR, self.author), (MAP, self.map)):
            path = folder / (self.name + suffix)
            if content:
                write_atomic(path, content)
            else:
                path.unlink(missing_ok=True)  # of another track of this name

    def as_json(self) -> JsonObject:
        """For headers and messages; bytes in base64."""
        packed = {name: base64.b64encode(getattr(self, name)).decode() for name in PACKED}
        return {"name": self.name, "suffix": self.suffix} | packed


def from_json(held: JsonObject, source: str) -> TrackSource:
    """What `as_json` wrote; UserError that names `source` for anything else."""
    try:
        name, suffix, content, author, map = (held[key] for key in ("name", "suffix", *PACKED))
        if Path(name).name != name:
            raise ValueError("its name is a path")
        sizes = (SUFFIXES[suffix], TEXT_BYTES, MAP_BYTES)
        if any(len(text) > 2 * size for text, size in zip((content, author, map), sizes, strict=True)):
            raise ValueError("its size")
        packed = (base64.b64decode(text, validate=True) for text in (content, author, map))
        return TrackSource(name, suffix, *packed)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise UserError(f"the track in {source} is damaged; name another one with --track") from error


def read_source(path: Path) -> TrackSource:
    """The track file or reference line at `path`, unchecked."""
    beside = []
    for suffix, limit in ((AUTHOR, TEXT_BYTES), (MAP, MAP_BYTES)):
        other = path.with_name(path.stem + suffix)
        beside.append(read_bytes(other, limit) if other.is_file() else b"")
    return TrackSource(path.stem, path.suffix, read_bytes(path, SUFFIXES[path.suffix]), *beside)


def source_in(folder: Path, name: str | None = None) -> TrackSource | None:
    """The track `name` that lies in `folder`, or any; None if there is none."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [path for path in paths if path.suffix in SUFFIXES and name in (None, path.stem)]
    return read_source(found[0]) if found else None
