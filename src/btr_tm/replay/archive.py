"""Saves a replay at the cost of what is new: files are only added, a manifest says which of them count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.types import StateDict
from btr_tm.replay import columns_file
from btr_tm.replay.columns_file import Column
from btr_tm.replay.ring import Ring
from btr_tm.replay.sampler.sampler import Sampler
from btr_tm.replay.split import Split

FORMAT = 4
NAME = re.compile(r"replay-(\d{6})\.(rows|state)")
PIECE = 4096  # rows that are copied at a time

Manifest = StateDict  # plain values: numbers, strings, lists and dicts


class Saved(NamedTuple):
    """What the files of a folder hold."""

    segments: list[Manifest]
    writes: int  # of the ring
    cursor: Tensor  # (E,) of the ring


class Archive:
    """Each save writes the rows that changed since the last one, and small bookkeeping in full.

    Files are never rewritten. A manifest lists the files of its state, so any manifest can be loaded for as
    long as its files exist; files whose rows the ring has all overwritten leave the list. The `changed` rows
    before the newest frame of a car may change after they were saved, and are written again.
    """

    def __init__(
        self, ring: Ring, sampler: Sampler, split: Split, changed: int, generator: torch.Generator
    ) -> None:
        self._ring, self._sampler, self._split = ring, sampler, split
        self._changed_rows, self._generator = changed, generator
        self._start_over(None)

    def _start_over(self, folder: Path | None) -> None:
        self._folder = folder
        self._saved = self._earlier = Saved([], 0, torch.zeros_like(self._ring.cursor))
        self._new_files: list[Path] = []  # of the last save

    def save(self, folder: Path) -> Manifest:
        """Write what is new and return the manifest; raises OSError, the earlier files being intact."""
        if folder != self._folder:
            self._start_over(folder)
        folder.mkdir(parents=True, exist_ok=True)
        number = 1 + max((int(m[1]) for m in map(NAME.fullmatch, _names(folder)) if m), default=0)
        segments = [segment for segment in self._saved.segments if self._holds_live_rows(segment)]
        rows, state = folder / f"replay-{number:06d}.rows", folder / f"replay-{number:06d}.state"
        if self._ring.writes.count > self._saved.writes:
            segments.append(self._save_rows(rows))
        try:
            checksum = columns_file.write(state, {name: [tensor] for name, tensor in self._state().items()})
        except OSError:
            rows.unlink(missing_ok=True)  # else each attempt would leave more on a full disk
            raise
        self._earlier, self._new_files = self._saved, [rows, state]
        self._saved = self._as_now(segments)
        return {
            "format": FORMAT,
            "geometry": self._geometry(),
            "writes": self._ring.writes.count,
            "state": {"file": state.name, "crc32": checksum},
            "segments": segments,
        }

    def undo(self) -> None:
        """Remove the files of the last save: its manifest could not be stored, and the next will be larger.

        Nothing may have been stored in the ring since that save.
        """
        self._saved = self._earlier
        for path in self._new_files:
            path.unlink(missing_ok=True)

    def load(self, folder: Path, manifest: Manifest) -> None:
        """Restore bit for bit; raises UserError that names the file or the setting that does not fit."""
        if manifest["format"] != FORMAT:
            got = manifest["format"]
            raise UserError(f"the saved replay has format {got} instead of {FORMAT}; start a new run")
        for name, here in self._geometry().items():
            if manifest["geometry"].get(name) != here:
                raise UserError(
                    f"the saved replay has {name} {manifest['geometry'].get(name)}, but this run has {here}; "
                    "resume with the configuration that wrote it, or start a new run"
                )
        layout = {name: Column(t.dtype, tuple(t.shape)) for name, t in self._state().items()}
        held = manifest["state"]
        state = columns_file.read(folder / held["file"], layout, held["crc32"])
        segments = [self._open_rows(folder, segment) for segment in manifest["segments"]]
        for rows in segments:  # all files are there and complete; from here on nothing fails
            self._load_rows(rows)
        for name, tensor in self._tensors().items():
            tensor.copy_(state[name])
        self._generator.set_state(state["generator"].clone())
        self._ring.writes.count = manifest["writes"]
        self._sampler.restored()
        self._start_over(folder)
        self._saved = self._earlier = self._as_now(list(manifest["segments"]))

    def _holds_live_rows(self, segment: Manifest) -> bool:
        """Whether some car has not yet overwritten all that it had in the file."""
        driven = self._ring.cursor.cpu() - torch.tensor(segment["cursor"])
        return int(driven.min()) < self._ring.slots_per_car

    def mark_changed(self, cars: slice, rows: list[int]) -> None:
        """The newest `rows` of each of `cars` are about to change: the next save writes them again."""
        changes, saved = (
            self._ring.cursor[cars] - torch.tensor(rows, device=self._ring.device),
            self._saved.cursor,
        )
        saved[cars] = torch.minimum(saved[cars], changes)

    def _as_now(self, segments: list[Manifest]) -> Saved:
        return Saved(segments, self._ring.writes.count, self._ring.cursor.clone())

    def _state(self) -> dict[str, Tensor]:
        return self._tensors() | {"generator": self._generator.get_state()}

    def _tensors(self) -> dict[str, Tensor]:
        return self._ring.state | self._sampler.state | self._split.state

    def _geometry(self) -> Manifest:
        return {
            "cars": self._ring.cars,
            "slots_per_car": self._ring.slots_per_car,
            "image_shape": list(self._ring.image_shape),
            "floats": self._ring.rows["floats"].shape[1],
            "action_shape": list(self._ring.rows["action"].shape[1:]),
            "columns": sorted(self._ring.rows),
            "sampler": type(self._sampler).__name__,
            "split": type(self._split).__name__,
        }

    def _save_rows(self, path: Path) -> Manifest:
        slot = self._changed()
        rows = self._ring.rows
        pieces = {"slot": [slot]} | {name: _gathered(column, slot) for name, column in rows.items()}
        checksum = columns_file.write(path, pieces)
        cursor = self._ring.cursor.tolist()
        return {"file": path.name, "crc32": checksum, "rows": len(slot), "cursor": cursor}

    def _changed(self) -> Tensor:
        """Slots (R,) written since the last save, from the frame that was newest then to today's."""
        ring = self._ring
        unchanged = (self._saved.cursor - self._changed_rows).clamp(min=0)
        first = torch.maximum(unchanged, ring.cursor + 1 - ring.slots_per_car)
        count = ring.cursor + 1 - first
        offset = torch.arange(int(count.max()), device=ring.device)[:, None]  # (rows, E)
        return ring.slot(first + offset)[offset < count]

    def _open_rows(self, folder: Path, segment: Manifest) -> dict[str, Tensor]:
        count = segment["rows"]
        layout = {"slot": Column(torch.int64, (count,))} | {
            name: Column(column.dtype, (count, *column.shape[1:])) for name, column in self._ring.rows.items()
        }
        return columns_file.read(folder / segment["file"], layout, segment["crc32"])

    def _load_rows(self, saved: dict[str, Tensor]) -> None:
        for piece in torch.arange(len(saved["slot"])).split(PIECE):
            piece = slice(int(piece[0]), int(piece[-1]) + 1)
            slot = saved["slot"][piece].to(self._ring.device)
            for name, column in self._ring.rows.items():
                column.index_copy_(0, slot, saved[name][piece].to(self._ring.device))


def prune(folder: Path, manifests: Iterable[Manifest]) -> None:
    """Remove the replay files in `folder` that none of the manifests needs."""
    needed = {part["file"] for m in manifests for part in (m["state"], *m["segments"])}
    for name in _names(folder):
        if NAME.fullmatch(name) and name not in needed:
            (folder / name).unlink()


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _gathered(column: Tensor, slot: Tensor) -> Iterator[Tensor]:
    for piece in slot.split(PIECE):
        yield column.index_select(0, piece)
