"""Copying the plugin to where TMInterface looks for it, and saying what lies there already."""

from __future__ import annotations

from enum import Enum
from itertools import count
from pathlib import Path
from typing import NamedTuple

from btr_tm import __version__
from btr_tm.core.errors import UserError
from btr_tm.core.files import MIB, read_bytes, write_atomic
from btr_tm.game.folders import GameFolders
from btr_tm.game.plugin_file import NAME, plugin_bytes, version_of

HEAD_BYTES = 4096  # in which a plugin of ours names its version


class Copy(Enum):
    """What lies where the plugin belongs."""

    MISSING = "is missing"
    CURRENT = "is up to date"
    OUTDATED = "is of another version"
    CHANGED = "has been changed"
    FOREIGN = "is a file that is not ours"


class Found(NamedTuple):
    """The state of one plugins folder."""

    path: Path
    copy: Copy
    version: str | None  # None if it is missing or not ours
    others: list[Path]  # more copies of it, all of which TMInterface would load


def inspect(folders: GameFolders) -> Found:
    """What TMInterface would load from `folders`."""
    path = folders.plugins / NAME
    others = [other for other in _scripts(folders.plugins) if other != path and _version(other)]
    if not path.exists():
        return Found(path, Copy.MISSING, None, others)
    content = _read(path)
    version = version_of(content)
    if version is None:
        return Found(path, Copy.FOREIGN, None, others)
    if version != __version__:
        return Found(path, Copy.OUTDATED, version, others)
    same = _plain(content) == _plain(plugin_bytes())
    return Found(path, Copy.CURRENT if same else Copy.CHANGED, version, others)


def install(folders: GameFolders, replace: bool) -> list[str]:
    """Put the plugin of this version into `folders`; returns what was done, and what the user should know.

    A file that is not ours, or that somebody changed, is kept beside the new one; the former only goes with
    `replace`, else UserError.
    """
    found = inspect(folders)
    path, said = found.path, []
    if found.copy is Copy.FOREIGN and not replace:
        raise UserError(f"{path} is not our plugin; move it away, or add --replace to keep it as {NAME}.bak")
    if found.copy is Copy.CURRENT:
        said.append(f"BtrTm {__version__} is already in {path.parent}")
    else:
        if found.copy in (Copy.FOREIGN, Copy.CHANGED):
            kept = _free(path)
            write_atomic(kept, _read(path))
            said.append(f"kept the file that was there as {kept}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, plugin_bytes())
        except OSError as error:
            raise UserError(
                f"cannot write {path} ({error.strerror}); close the game and try again"
            ) from error
        instead = f" instead of {found.version}" if found.copy is Copy.OUTDATED else ""
        said.append(f"installed BtrTm {__version__}{instead} as {path}; restart the game if it runs")
    for other in found.others:
        said.append(f"another copy, {_version(other)}, is {other}: delete it, or both listen on one port")
    return said


def _scripts(folder: Path) -> list[Path]:
    """Scripts that TMInterface loads: files, and those in folders one level deep."""
    return sorted([*folder.glob("*.as"), *folder.glob("*/*.as")])


def _version(path: Path) -> str | None:
    with path.open("rb") as file:  # others' scripts may be long
        return version_of(file.read(HEAD_BYTES))


def _read(path: Path) -> bytes:
    return read_bytes(path, MIB)


def _plain(content: bytes) -> bytes:
    """Without what editors and git change by themselves."""
    return content.replace(b"\r\n", b"\n").rstrip()


def _free(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.bak{number or ''}") for number in count())
    return next(name for name in names if not name.exists())
