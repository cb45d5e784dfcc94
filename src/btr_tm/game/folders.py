"""Where TrackMania Nations Forever and TMInterface keep a user's files, on Windows and under Wine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import short

INTERFACE = "TMInterface"
GAME_NAMES = ("TmForever", "TrackMania")  # Nations, United
STEAM_ID = "11020"  # of TrackMania Nations Forever
PREFIXES = (  # below the home folder: Wine, Steam's Proton, Lutris, Bottles
    ".wine",
    f".steam/steam/steamapps/compatdata/{STEAM_ID}/pfx",
    f".local/share/Steam/steamapps/compatdata/{STEAM_ID}/pfx",
    "Games/*",
    ".local/share/bottles/bottles/*",
    ".var/app/com.usebottles.bottles/data/bottles/bottles/*",
)
DOCUMENTS = ("Documents", "My Documents", "OneDrive/Documents")  # below a user's folder


class Machine(NamedTuple):
    """What decides where the folders are."""

    windows: bool
    home: Path
    environ: Mapping[str, str]
    documents: Path | None = None  # as Windows names it: elsewhere if OneDrive has moved it


class GameFolders(NamedTuple):
    """A Documents folder with TMInterface in it."""

    documents: Path

    @property
    def plugins(self) -> Path:
        return self.documents / INTERFACE / "Plugins"

    @property
    def tracks(self) -> Path:
        """Maps and replays. Of two games, the one that is there."""
        there = [name for name in GAME_NAMES if (self.documents / name / "Tracks").is_dir()]
        return self.documents / (there or GAME_NAMES)[0] / "Tracks"

    @property
    def maps(self) -> Path:
        return self.tracks / "Challenges"

    @property
    def autosaves(self) -> Path:
        return self.tracks / "Replays" / "Autosaves"


def this_machine() -> Machine:
    """The machine that this runs on."""
    return Machine(os.name == "nt", Path.home(), os.environ, _registered_documents())


def _registered_documents() -> Path | None:
    if sys.platform == "win32":
        import winreg

        place = r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders"
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, place) as key:
                return Path(os.path.expandvars(winreg.QueryValueEx(key, "Personal")[0]))
        except OSError:
            return None
    return None


def find_folders(machine: Machine) -> list[GameFolders]:
    """Every Documents folder with a TMInterface folder in it, each once, the likeliest first."""
    found: dict[Path, GameFolders] = {}
    for documents in candidates(machine):
        if (documents / INTERFACE).is_dir():
            found.setdefault((documents / INTERFACE).resolve(), GameFolders(documents))
    return list(found.values())


def candidates(machine: Machine) -> Iterator[Path]:
    """The Documents folders that may have one."""
    if machine.windows:
        if machine.documents is not None:
            yield machine.documents
        names = ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")
        for cloud in (machine.environ[name] for name in names if machine.environ.get(name)):
            yield Path(cloud) / "Documents"
        yield from (machine.home / name for name in DOCUMENTS)
        return
    for prefix in prefixes(machine):
        yield from _documents_of(prefix)


def prefixes(machine: Machine) -> Iterator[Path]:
    """The Wine prefixes of a user that are there; WINEPREFIX comes first."""
    if machine.environ.get("WINEPREFIX"):
        yield Path(machine.environ["WINEPREFIX"])
    for pattern in PREFIXES:
        yield from (path for path in sorted(machine.home.glob(pattern)) if (path / "drive_c").is_dir())


def _documents_of(prefix: Path) -> Iterator[Path]:
    for user in sorted((prefix / "drive_c" / "users").glob("*")):
        yield from (user / name for name in DOCUMENTS)


def named_folders(folder: Path) -> GameFolders:
    """What a user means by a folder of the game: Documents, TMInterface, its Plugins, or a Wine prefix."""
    folder = folder.expanduser().absolute()
    for documents in (folder, folder.parent, folder.parent.parent, *_documents_of(folder)):
        inside = documents / INTERFACE
        if inside.is_dir() and (
            folder in (documents, inside, inside / "Plugins") or folder in inside.parents
        ):
            return GameFolders(documents)
    raise UserError(
        f"there is no {INTERFACE} folder in {short(folder)}; name the folder that holds it, "
        "which is Documents of the user who plays"
    )


def game_folders(
    machine: Machine, named: Path | None = None, setting: str = "--game-folder"
) -> list[GameFolders]:
    """The folders of `named`, or else all that are found; UserError, which says what `setting` names one."""
    if named is not None:
        return [named_folders(named)]
    found = find_folders(machine)
    if not found:
        looked = [str(path) for path in candidates(machine)] or [f"the Wine prefixes below {machine.home}"]
        raise UserError(
            f"found no {INTERFACE} folder in {', '.join(looked[:4])}; start the game once with TMInterface, "
            f"or name its Documents folder with {setting}"
        )
    return found
