"""The number format of the large products of a network."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Format = Literal["fp32", "bf16", "fp16"]

_BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def resolved(precision: Precision, device_type: str) -> Format:
    """`auto` is bf16 on devices that multiply it natively, else fp32."""
    if precision != "auto":
        return precision
    return "bf16" if _multiplies_bf16(device_type) else "fp32"


def autocast(
    device: torch.device, dtype: torch.dtype | None = None, enabled: bool = True
) -> AbstractContextManager[object]:
    """torch's; nothing on device "meta", of shapes without numbers, which torch's does not know."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, dtype, enabled=enabled)


@cache
def _multiplies_bf16(device_type: str) -> bool:
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = torch.cpu.get_capabilities() if device_type == "cpu" else {}
    return any(known.get(name, False) for name in _BF16_INSTRUCTIONS)
