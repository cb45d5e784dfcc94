"""Files of raw columns, one after the other: written once, never changed, read through a memory map.

There is no header: a reader must know names, types and shapes. Numbers are little-endian.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.errors import DamagedFile

ALIGN = 64  # bytes; each column begins at a multiple


class Column(NamedTuple):
    """What a column looks like."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def write(path: Path, columns: Mapping[str, Iterable[Tensor]]) -> None:
    """Write each column from its consecutive pieces, durably; a file that cannot be completed is removed."""
    file = path.open("xb")
    try:
        with file:
            for pieces in columns.values():
                for piece in pieces:
                    file.write(piece.cpu().numpy().tobytes())
                file.write(bytes(-file.tell() % ALIGN))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise


def read(path: Path, columns: Mapping[str, Column]) -> dict[str, Tensor]:
    """The columns as tensors over a private memory map; nothing is read before it is used."""
    offsets = np.cumsum([0] + [c.bytes + -c.bytes % ALIGN for c in columns.values()]).tolist()
    if not path.is_file():
        raise DamagedFile(f"the replay file {path} is missing; resume from an older checkpoint")
    if path.stat().st_size != offsets[-1]:
        raise DamagedFile(
            f"the replay file {path} has {path.stat().st_size} bytes instead of {offsets[-1]}: "
            "it is truncated or of another run; resume from an older checkpoint"
        )
    raw = torch.from_numpy(np.memmap(path, dtype=np.uint8, mode="c")) if offsets[-1] else torch.empty(0)
    return {
        name: raw[start : start + column.bytes].view(column.dtype).view(column.shape)
        for start, (name, column) in zip(offsets, columns.items(), strict=False)
    }
