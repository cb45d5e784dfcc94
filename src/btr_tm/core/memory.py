"""How much memory is free, and the sentence for what does not fit."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

from btr_tm.core.errors import UserError

GIB = 2**30
CONTAINER = Path("/sys/fs/cgroup")  # version 2, of Linux


def free_bytes(device: torch.device) -> int:
    """What could still be allocated on `device`; of a container, what its limit leaves."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min(int(psutil.virtual_memory().available), _left_in_container())


def _left_in_container() -> int:
    try:
        limit = int((CONTAINER / "memory.max").read_text())
        used = int((CONTAINER / "memory.current").read_text())
        stat = dict(line.split() for line in (CONTAINER / "memory.stat").read_text().splitlines())
        return limit - used + int(stat["inactive_file"])  # files that are only kept in case
    except (OSError, ValueError, KeyError):  # no container, or "max": no limit
        return 2**63


def refuse_too_much(needed: float, device: torch.device, what: str, setting: str, value: int = 0) -> None:
    """Raise UserError if `needed` bytes do not fit; they grow with `value`, which `setting` has."""
    free = free_bytes(device)
    if needed > free:
        most = int(0.9 * value * free / needed)
        fits = f" to {most} or less" if most else ""
        raise UserError(
            f"{what} need {_gib(needed)} of memory, but only {_gib(free)} are free on {device}; "
            f"lower {setting}{fits}"
        )


def _gib(size: float) -> str:
    return f"{size / GIB:,.1f} GiB" if size < 2**50 else f"{size / 2**50:,.1f} PiB"
