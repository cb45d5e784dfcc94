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


class TrackSource(NamedTuple):
    """A track file or reference line, and the author's race if there is one."""

    name: str
    suffix: str  # one of SUFFIXES
    content: bytes
    author: bytes = b""  # of the .author.inputs file; empty if there is none

    @property
    def file_name(self) -> str:
        return self.name + self.suffix

    def write(self, folder: Path) -> None:
        """Store it in `folder` under its own name."""
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / self.file_name, self.content)
        if self.author:
            write_atomic(folder / (self.name + AUTHOR), self.author)

    def as_json(self) -> JsonObject:
        """For headers and messages; bytes in base64."""
        packed = {name: base64.b64encode(getattr(self, name)).decode() for name in ("content", "author")}
        return {"name": self.name, "suffix": self.suffix} | packed


def from_json(held: JsonObject, source: str) -> TrackSource:
    """What `as_json` wrote; UserError that names `source` for anything else."""
    try:
        name, suffix, content, author = (held[key] for key in ("name", "suffix", "content", "author"))
        if Path(name).name != name:
            raise ValueError("its name is a path")
        if len(content) > 2 * SUFFIXES[suffix] or len(author) > 2 * TEXT_BYTES:
            raise ValueError("its size")
        packed = (base64.b64decode(text, validate=True) for text in (content, author))
        return TrackSource(name, suffix, *packed)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise UserError(f"the track in {source} is damaged; name another one with --track") from error


def read_source(path: Path) -> TrackSource:
    """The track file or reference line at `path`, unchecked."""
    author = path.with_name(path.stem + AUTHOR)
    race = read_bytes(author, TEXT_BYTES) if author.is_file() else b""
    return TrackSource(path.stem, path.suffix, read_bytes(path, SUFFIXES[path.suffix]), race)


def source_in(folder: Path, name: str | None = None) -> TrackSource | None:
    """The track `name` that lies in `folder`, or any; None if there is none."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [path for path in paths if path.suffix in SUFFIXES and name in (None, path.stem)]
    return read_source(found[0]) if found else None
