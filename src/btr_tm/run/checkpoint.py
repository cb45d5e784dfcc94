"""Complete, atomic checkpoints of a run; the two newest are kept."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from btr_tm.core.clock import Clock
from btr_tm.core.errors import DamagedFile, UserError
from btr_tm.core.files import write_atomic
from btr_tm.core.protocols import ReplayBuffer, Stateful
from btr_tm.core.seeding import global_states, restore_global_states
from btr_tm.core.types import StateDict

FORMAT = "btr_tm checkpoint 1"
KEEP = 2


def read(path: Path) -> StateDict | None:
    """The content of a checkpoint, None if the file is damaged; a file of another kind raises UserError."""
    if not zipfile.is_zipfile(path):
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise foreign(path, "it holds objects other than tensors and numbers") from error
    except (RuntimeError, EOFError):
        return None
    found = content.get("format", "none") if isinstance(content, dict) else "none"
    if found != FORMAT:
        raise foreign(path, f"its format is {found}")
    return content


def foreign(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is not a '{FORMAT}' file, {reason}; name one that this version saved")


def load_part(name: str, part: Stateful, state: StateDict, path: Path) -> None:
    """Restore one part; a mismatch names it."""
    try:
        part.load_state_dict(state)
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"the part '{name}' of {path} does not fit this run ({type(error).__name__}: {reason}); "
            "continue with the configuration that saved it, or choose another run folder"
        ) from error


class Checkpoint:
    """Saves and restores `parts` and the replay under `folder`.

    `say` shows a line to the user; a full disk, or an old file that cannot be removed, is said and not
    raised.
    """

    def __init__(
        self,
        folder: str | Path,
        parts: Mapping[str, Stateful],
        replay: ReplayBuffer,
        clock: Clock,
        say: Callable[[str], None] = print,
        healthy: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = Path(folder)
        self.parts, self.replay, self.clock = dict(parts), replay, clock
        self.say, self.healthy = say, healthy
        self._manifests: dict[Path, StateDict | None] = {}  # of the replay, by checkpoint

    @property
    def replay_folder(self) -> Path:
        return self.folder / "replay"

    def files(self) -> list[Path]:
        """Checkpoints in the folder, newest first."""
        return sorted(self.folder.glob("frames_*.pt"), reverse=True)

    def save(self) -> bool:
        """Save everything now; on a failed write say so, keep the old checkpoints and return False."""
        self.healthy()  # raises before NaNs could replace the last good checkpoint
        path = self.folder / f"frames_{self.clock.frames:012d}.pt"
        try:
            self.replay_folder.mkdir(parents=True, exist_ok=True)
            manifest = self.replay.save(self.replay_folder)
            write_atomic(path, self._payload(manifest))
        except OSError as error:
            self.say(f"could not save a checkpoint ({error}); training goes on, the previous one is intact")
            return False
        self._manifests[path] = manifest
        try:
            self._prune()
        except OSError as error:  # Windows refuses while another program reads the file
            self.say(f"could not remove an old checkpoint ({error}); the next save tries again")
        return True

    def _payload(self, manifest: StateDict) -> bytes:
        parts = {name: part.state_dict() for name, part in self.parts.items()}
        content = {"format": FORMAT, "frames": self.clock.frames, "parts": parts}
        content |= {"replay": manifest, "random": global_states(), "torch": str(torch.__version__)}
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    def _prune(self) -> None:
        for path in self.files()[KEEP:]:
            path.unlink(missing_ok=True)
            self._manifests.pop(path, None)
        kept = [self._manifest(path) for path in self.files()]
        self.replay.prune(self.replay_folder, [manifest for manifest in kept if manifest is not None])

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
