"""Named arrays laid out one after another in one buffer, shared between processes without pickling."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.shared_memory import SharedMemory
from typing import NamedTuple

import numpy as np

ALIGN = 64  # bytes; a cache line


class Field(NamedTuple):
    """One array."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Layout:
    """Where each field lies."""

    fields: Mapping[str, Field]

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Byte at which each field begins, on cache lines."""
        offsets, end = {}, 0
        for name, field in self.fields.items():
            offsets[name] = end
            end += -(-field.bytes // ALIGN) * ALIGN
        return offsets

    @property
    def size(self) -> int:
        """Bytes of one record."""
        return sum(-(-field.bytes // ALIGN) * ALIGN for field in self.fields.values())

    def views(self, buffer: memoryview, start: int = 0) -> dict[str, np.ndarray]:
        """The fields of the record that begins at byte `start` of `buffer`, not copied."""
        # frombuffer and no other constructor: it keeps the memory mapped for as long as an array lives.
        raw = np.frombuffer(buffer, np.uint8, self.size, start)
        return {
            name: raw[self.offsets[name] : self.offsets[name] + field.bytes]
            .view(field.dtype)
            .reshape(field.shape)
            for name, field in self.fields.items()
        }


class _Memory(SharedMemory):
    def __del__(self) -> None:
        with suppress(BufferError):  # somebody still holds a view; the mapping ends with that view
            super().__del__()


class Shared:
    """`count` records of `layout` in shared memory, made by one process and attached to by others.

    Only the process that made it removes it. If that is killed, Python's resource tracker does, or Windows.
    """

    def __init__(self, layout: Layout, count: int = 1, name: str | None = None) -> None:
        self.layout, self.count = layout, count
        self._owner = name is None
        size = max(1, layout.size * count)
        # With the process id, so that a person can tell whose it is; short, for macOS.
        name = name or f"btr_tm_{os.getpid()}_{secrets.token_hex(4)}"
        self._memory = _Memory(name=name, create=self._owner, size=size)
        self.name = self._memory.name
        self.records = [layout.views(self._buffer, i * layout.size) for i in range(count)]

    @property
    def _buffer(self) -> memoryview:
        assert self._memory.buf is not None, "closed"
        return self._memory.buf

    def bytes_of(self, record: int) -> memoryview:
        """The raw bytes of one record."""
        start = record * self.layout.size
        return self._buffer[start : start + self.layout.size]

    def close(self) -> None:
        """Release the memory, and remove it if this process made it; its arrays cannot be used any more."""
        self.records = []
        with suppress(BufferError):
            self._memory.close()
        if self._owner:
            self._owner = False
            self._memory.unlink()
