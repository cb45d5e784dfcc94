"""Demonstrations in one file: what was seen and decided in races that somebody else has driven.

race              0          1              two races, of 3 and 2 decisions
state (S rows)    0 1 2 3*   4 5 6*         * seen after the last decision
decision (N rows) 0 1 2      3 4            decision n of race r was made in state n + r
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save as serialized
from torch import Tensor

from btr_tm.core import tensor_file
from btr_tm.core.errors import UserError
from btr_tm.core.files import MIB, parse_json, write_atomic
from btr_tm.core.types import JsonObject

FORMAT = "btr_tm demonstrations 1"
LARGEST_BYTES = 8192 * MIB  # a hundred races of a minute take 200 MiB with pictures of 40 x 40
STATES, DECISIONS, RACES = (
    ("image", "floats", "potential"),
    ("action", "mixed", "reward"),
    ("terminated", "length"),
)


class Demonstrations(NamedTuple):
    """S states and N decisions of R races, S = N + R."""

    image: Tensor  # (S, C, H, W) uint8
    floats: Tensor  # (S, F) float32
    potential: Tensor  # (S,) float32
    action: Tensor  # (N,) or (N, K) uint8
    mixed: Tensor  # (N,) bool, the driver pressed other keys for a part of the decision
    reward: Tensor  # (N,) float32
    terminated: Tensor  # (R,) bool, else the race was given up, or its keys ended
    length: Tensor  # (R,) int64, decisions


def joined(races: list[Demonstrations]) -> Demonstrations:
    """Races one after the other."""
    return Demonstrations(*(torch.cat(leaves) for leaves in zip(*races, strict=True)))


def save(path: Path, demos: Demonstrations, about: JsonObject) -> None:
    """Write them with what a person and a run should know `about` them."""
    tensors = {name: leaf.contiguous().clone() for name, leaf in demos._asdict().items()}
    text = json.dumps(about)
    crc32 = str(tensor_file.checksum(tensors, text))
    header = {"format": FORMAT, "about": text, "crc32": crc32}
    write_atomic(path, serialized(tensors, metadata=header))


def load(path: Path) -> tuple[Demonstrations, JsonObject]:
    """What `save` wrote; raises UserError for anything else."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; make demonstrations with python -m btr_tm.demos")
    if path.stat().st_size > LARGEST_BYTES:
        raise UserError(f"{path} has more than {LARGEST_BYTES // MIB:,} MiB, too much for demonstrations")
    made = "make it with python -m btr_tm.demos"
    tensors, header = tensor_file.read(path, "file of demonstrations", made)
    if header.get("format") != FORMAT:
        raise UserError(f"{path} does not hold what this version reads, '{FORMAT}'; {made}")
    text = header.get("about", "")
    if header.get("crc32") != str(tensor_file.checksum(tensors, text)) or not _fit(tensors):
        raise UserError(f"{path} is damaged; {made} again")
    return Demonstrations(**tensors), parse_json(text, path)


def _fit(tensors: dict[str, Tensor]) -> bool:
    """Whether they are the columns of as many races, decisions and states as `length` says."""
    kinds = {"image": torch.uint8, "action": torch.uint8, "mixed": torch.bool, "terminated": torch.bool}
    kinds["length"] = torch.int64
    wanted = {name: kinds.get(name, torch.float32) for name in Demonstrations._fields}
    if {name: leaf.dtype for name, leaf in tensors.items()} != wanted:
        return False
    axes = {"image": 4, "floats": 2, "action": min(2, tensors["action"].dim())}
    if any(leaf.dim() != axes.get(name, 1) for name, leaf in tensors.items()):
        return False
    length = tensors["length"]
    races, decisions = len(length), int(length.sum())
    rows = dict.fromkeys(STATES, decisions + races) | dict.fromkeys(DECISIONS, decisions)
    rows |= dict.fromkeys(RACES, races)
    return races > 0 and bool((length > 0).all()) and all(len(tensors[n]) == rows[n] for n in rows)
