"""How the C library hands out memory; a matter of speed only."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc malloc.h
_GIBIBYTE = 2**30


def keep_freed_memory() -> None:
    """Let freed tensors be reused instead of going back to the kernel, which zeroes every page again.

    Without it glibc maps and unmaps every tensor of some MB: about 5000 page faults, one sixth of the time,
    in an update of the `cpu` profile. Call once at start, before the first tensor; elsewhere than on glibc
    nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _GIBIBYTE)
        mallopt(_TRIM_THRESHOLD, 2 * _GIBIBYTE - 1)
