"""Complete, atomic checkpoints of a run; the two newest are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from btr_tm.core.clock import Clock
from btr_tm.core.errors import DamagedFile, UserError
from btr_tm.core.files import short, write_atomic
from btr_tm.core.protocols import ReplayBuffer, Stateful
from btr_tm.core.seeding import global_states, restore_global_states
from btr_tm.core.types import StateDict
from btr_tm.run.checkpoint_file import packed, read
from btr_tm.run.reserve import Reserve

KEEP = 2
FIRST_RESERVE = 2**20  # bytes, until the size of a checkpoint is known
RESERVE = 2  # times the size of the newest checkpoint


def load_part(name: str, part: Stateful, state: StateDict, path: Path) -> None:
    """Restore one part; a mismatch names it."""
    try:
        part.load_state_dict(state)
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        reason = f"{type(error).__name__}: {short(error, 300)}"
        raise UserError(
            f"the part '{name}' of {path} does not fit this run ({reason}); "
            "continue with the configuration that saved it, or choose another run folder"
        ) from error


class Checkpoint:
    """Saves and restores `parts` and the replay under `folder`.

    `say` shows a line to the user. A full disk during a run, or an old file that cannot be removed, is said
    and not raised. `healthy` raises where the parts are not worth saving; `settle` writes what other files
    must hold before a checkpoint counts, or raises OSError. On another kind of `device` a run cannot go on.
    """

    def __init__(
        self,
        folder: str | Path,
        parts: Mapping[str, Stateful],
        replay: ReplayBuffer,
        clock: Clock,
        say: Callable[[str], None] = print,
        healthy: Callable[[], None] = lambda: None,
        settle: Callable[[], None] = lambda: None,
        device: str = "cpu",
    ) -> None:
        self.folder = Path(folder)
        self.parts, self.replay, self.clock = dict(parts), replay, clock
        self.say, self.healthy, self.settle, self.device = say, healthy, settle, device
        self.reserve = Reserve(self.folder / "reserve")
        self._manifests: dict[Path, StateDict | None] = {}  # of the replay, by checkpoint

    @property
    def replay_folder(self) -> Path:
        return self.folder / "replay"

    def files(self) -> list[Path]:
        """Checkpoints in the folder, newest first."""
        return sorted(self.folder.glob("frames_*.pt"), reverse=True)

    def prepare(self) -> None:
        """Make the folders, and remove what a killed process left; UserError where nothing can be written."""
        try:
            self.replay_folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.folder.glob("*.tmp"):
                leftover.unlink()
            self.reserve.hold(FIRST_RESERVE)
        except OSError as error:
            raise UserError(
                f"cannot write checkpoints into {self.folder} ({error.strerror or error}); "
                "mend that, or choose another runs_dir"
            ) from error
        self._tidy()

    def save(self) -> bool:
        """Save everything now; on a failed write say so, keep the old checkpoints and return False."""
        self.healthy()  # raises before NaNs could replace the last good checkpoint
        try:
            size = self._write()
        except OSError as error:
            self.say(f"could not save a checkpoint ({error}); training goes on, {self._kept()}")
            return False
        self._tidy()
        try:
            self.reserve.hold(RESERVE * size)
        except OSError as error:
            self.say(f"could not keep room on the disk for the last checkpoint ({error})")
        return True

    def save_last(self) -> None:
        """Save the end of a run or of a session, on a full disk with the room kept for it.

        UserError if that does not suffice either.
        """
        self.healthy()
        for make_room in (lambda: None, self.reserve.release, self._drop_older):
            try:
                make_room()
                self._write()
                self._tidy()
                return self.reserve.release()
            except OSError as error:
                reason = error
        raise UserError(
            f"the run ended at {self.clock.frames:,} frames, but its state could not be saved ({reason}): "
            f"{self._kept()}; make room there, and the same command continues from what is saved"
        ) from reason

    def _kept(self) -> str:
        newest = next(iter(self.files()), None)
        return "no checkpoint exists yet" if newest is None else f"the newest checkpoint is {newest.name}"

    def _write(self) -> int:
        """Write a checkpoint; its size in bytes. After an OSError the files are those of before."""
        self.settle()
        path = self.folder / f"frames_{self.clock.frames:012d}.pt"
        self.replay_folder.mkdir(parents=True, exist_ok=True)
        before = set(self.replay_folder.rglob("*"))
        manifest = self.replay.save(self.replay_folder)
        try:
            write_atomic(path, self._payload(manifest))
        except OSError:
            self.replay.undo_save()
            raise
        self._manifests[path] = manifest
        added = [each for each in self.replay_folder.rglob("*") if each not in before]
        return sum(each.stat().st_size for each in (path, *added))

    def _payload(self, manifest: StateDict) -> bytes:
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        held = {"frames": self.clock.frames, "parts": parts, "replay": manifest, "random": global_states()}
        return packed(held | {"device": self.device})

    def _tidy(self) -> None:
        try:
            self._prune()
        except (OSError, UserError) as error:  # Windows refuses while another program reads the file
            self.say(f"could not remove an old checkpoint ({error}); the next save tries again")

    def _prune(self, keep: int = KEEP) -> None:
        for path in self.files()[keep:]:
            path.unlink(missing_ok=True)
            self._manifests.pop(path, None)
        kept = [self._manifest(path) for path in self.files()]
        self.replay.prune(self.replay_folder, [manifest for manifest in kept if manifest is not None])

    def _drop_older(self) -> None:
        """Keep nothing but the newest checkpoint that is whole."""
        for path in self.files():
            if self._manifest(path) is not None:
                break
            path.unlink()
        self._prune(keep=1)

    def _manifest(self, path: Path) -> StateDict | None:
        if path not in self._manifests:
            content = read(path)
            self._manifests[path] = None if content is None else content["replay"]
        return self._manifests[path]

    def load_newest(self) -> bool:
        """Restore the newest readable checkpoint; False if there is none to restore."""
        damaged = []
        for path in self.files():
            content = read(path)
            if content is None:
                self.say(f"{path.name} is damaged; trying the checkpoint before it")
                damaged.append(path)
                continue
            try:
                self._restore(path, content)
            except DamagedFile as error:  # what was restored so far is overwritten by the next attempt
                self.say(f"{path.name} cannot be restored: {error}")
                damaged.append(path)
                continue
            for broken in damaged:
                os.replace(broken, broken.with_suffix(".damaged"))
            return True
        if damaged:
            raise UserError(
                f"every checkpoint in {self.folder} is damaged ({len(damaged)} of them); "
                "delete the folder to start again"
            )
        return False

    def _restore(self, path: Path, content: StateDict) -> None:
        if (device := content.get("device", self.device)) != self.device:
            raise UserError(
                f"{path} was saved with device={device}, and device={self.device} cannot go on with its "
                f"random numbers; set device={device}, or begin another run with "
                f"init_from={self.folder.parent}"
            )
        saved, own = set(content["parts"]), set(self.parts)
        if saved != own:
            raise UserError(
                f"{path} holds the parts {', '.join(sorted(saved))}, but this run consists of "
                f"{', '.join(sorted(own))}; choose another run folder"
            )
        for name, part in self.parts.items():
            load_part(name, part, content["parts"][name], path)
        load_part("replay", _ReplayPart(self.replay, self.replay_folder), content["replay"], path)
        restore_global_states(content["random"])
        self._manifests[path] = content["replay"]


class _ReplayPart:
    """The replay as one of the parts: its state is the manifest, its data lie in segment files."""

    def __init__(self, replay: ReplayBuffer, folder: Path) -> None:
        self.replay, self.folder = replay, folder

    def state_dict(self) -> StateDict:
        return self.replay.save(self.folder)

    def load_state_dict(self, state: StateDict) -> None:
        self.replay.load(self.folder, state)
