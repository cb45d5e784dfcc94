"""Network weights in shared memory: one process writes versions, many read the newest."""

from __future__ import annotations

import threading
import time

import numpy as np
import torch
from torch import Tensor, nn

from btr_tm.run.remote.arrays import Field, Layout, Shared

INVALID = -1
VERSION, FRAMES = 0, 1  # places in the header


def weights_of(net: nn.Module) -> Tensor:
    """All parameters and buffers of `net` as one float32 vector (W,) on its device."""
    with torch.no_grad():
        return torch.cat([part.detach().float().flatten() for part in _parts(net)])


@torch.no_grad()
def set_weights(net: nn.Module, weights: Tensor) -> None:
    """Overwrite all parameters and buffers of `net`, in place."""
    parts = _parts(net)
    pieces = weights.split([part.numel() for part in parts])
    for part, piece in zip(parts, pieces, strict=True):
        part.copy_(piece.view_as(part))


def _parts(net: nn.Module) -> list[Tensor]:
    return [*net.parameters(), *net.buffers()]


class SharedWeights:
    """Two buffers of (W,) float32, written in turn; a reader notices if its buffer changed while it read.

    Each buffer has its version before and after the numbers; both are INVALID while it is written. The header
    holds the newest version and the frames of the whole run, which drive schedules. Fences keep the order of
    reads and writes on processors that change it (ARM).
    """

    def __init__(self, size: int, name: str | None = None) -> None:
        self.size = size
        fields = {
            "header": Field((2,), np.dtype(np.int64)),
            "first": Field((2,), np.dtype(np.int64)),
            "numbers": Field((2, size), np.dtype(np.float32)),
            "last": Field((2,), np.dtype(np.int64)),
        }
        self.shared = Shared(Layout(fields), name=name)
        self._view = self.shared.records[0]
        self._lock = threading.Lock()
        self._lock.acquire()
        if name is None:
            self._view["first"][:] = self._view["last"][:] = INVALID
            self._view["header"][:] = 0

    @property
    def name(self) -> str:
        return self.shared.name

    @property
    def version(self) -> int:
        """The newest version; 0 before the first."""
        return int(self._view["header"][VERSION])

    @property
    def frames(self) -> int:
        """Frames driven by all collectors together."""
        return int(self._view["header"][FRAMES])

    @frames.setter
    def frames(self, frames: int) -> None:
        self._view["header"][FRAMES] = frames

    def publish(self, weights: Tensor, version: int) -> None:
        """Make `weights` (W,) the newest version; `version` counts up from 1."""
        buffer = version % 2
        self._view["first"][buffer] = self._view["last"][buffer] = INVALID
        self._fence()
        self._view["numbers"][buffer] = weights.detach().cpu().numpy()
        self._fence()
        self._view["first"][buffer] = self._view["last"][buffer] = version
        self._fence()
        self._view["header"][VERSION] = version

    def _fence(self) -> None:
        """Nothing is read or written on the other side of this: release, then acquire."""
        self._lock.release()
        self._lock.acquire()

    def read(self, seconds: float = 10.0) -> tuple[int, Tensor]:
        """The newest version and a copy of its weights, never a mixture of two.

        Waits up to `seconds` for a first version; TimeoutError if none comes.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            version = self.version
            buffer = version % 2
            self._fence()
            if version and self._view["first"][buffer] == version:
                self._fence()
                copy = torch.from_numpy(self._view["numbers"][buffer].copy())
                self._fence()
                if self._view["first"][buffer] == version == self._view["last"][buffer]:
                    return version, copy
            time.sleep(0.0005)
        raise TimeoutError(f"no complete weights within {seconds} s")

    def close(self) -> None:
        self._view = {}
        self.shared.close()
