"""Tensors in one file with a text header (safetensors), every byte covered by a checksum."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.files import PARSE_ERRORS, short

SUFFIX = ".safetensors"


class TensorFile(NamedTuple):
    """What lies in a file."""

    tensors: dict[str, Tensor]
    header: dict[str, str]


def read(path: Path, kind: str, hint: str) -> TensorFile:
    """The content of a file; UserError that says `kind` (a policy file) and `hint` for any other."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            return TensorFile({name: file.get_tensor(name) for name in file.keys()}, header)  # noqa: SIM118
    except (SafetensorError, OSError, *PARSE_ERRORS) as error:
        raise UserError(f"{path} is no {kind} ({short(error)}); {hint}") from error


def checksum(tensors: dict[str, Tensor], text: str) -> int:
    """The CRC-32 of what a file holds."""
    found = zlib.crc32(text.encode())
    for name, tensor in sorted(tensors.items()):
        found = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes(), found)
    return found
