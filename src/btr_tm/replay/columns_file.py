"""Files of raw columns, one after the other: written once, never changed, read through a memory map.

There is no header: a reader must know names, types, shapes and the checksum. Numbers are little-endian.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.core.errors import DamagedFile
from btr_tm.core.files import crc32

ALIGN = 64  # bytes; each column begins at a multiple


class Column(NamedTuple):
    """What a column looks like."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def write(path: Path, columns: Mapping[str, Iterable[Tensor]]) -> int:
    """Write each column from its consecutive pieces, durably; returns the CRC-32 of the file.

    A file that cannot be completed is removed.
    """
    file, checksum = path.open("xb"), 0
    try:
        with file:
            for piece in _bytes(columns):
                file.write(piece)
                checksum = zlib.crc32(piece, checksum)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise
    return checksum


def _bytes(columns: Mapping[str, Iterable[Tensor]]) -> Iterator[bytes]:
    for pieces in columns.values():
        size = 0
        for piece in pieces:
            payload = piece.cpu().numpy().tobytes()
            size += len(payload)
            yield payload
        yield bytes(-size % ALIGN)


def read(path: Path, columns: Mapping[str, Column], checksum: int) -> dict[str, Tensor]:
    """The columns as tensors over a private memory map; raises DamagedFile if the file has changed."""
    offsets = np.cumsum([0] + [c.bytes + -c.bytes % ALIGN for c in columns.values()]).tolist()
    if not path.is_file():
        raise DamagedFile(f"the replay file {path} is missing; resume from an older checkpoint")
    if path.stat().st_size != offsets[-1]:
        raise DamagedFile(
            f"the replay file {path} has {path.stat().st_size} bytes instead of {offsets[-1]}: "
            "it is truncated or of another run; resume from an older checkpoint"
        )
    if crc32(path) != checksum:
        raise DamagedFile(
            f"the replay file {path} is not what was written (its checksum differs); "
            "resume from an older checkpoint"
        )
    raw = torch.from_numpy(np.memmap(path, dtype=np.uint8, mode="c")) if offsets[-1] else torch.empty(0)
    return {
        name: raw[start : start + column.bytes].view(column.dtype).view(column.shape)
        for start, (name, column) in zip(offsets, columns.items(), strict=False)
    }
