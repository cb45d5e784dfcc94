"""A trained driver in one file: weights as safetensors, the configuration that rebuilds it in the header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from safetensors.torch import save as serialized
from torch import Tensor

from btr_tm.core import tensor_file
from btr_tm.core.errors import UserError
from btr_tm.core.files import parse_json, write_atomic
from btr_tm.core.tensor_file import checksum
from btr_tm.core.types import JsonObject

FORMAT = "btr_tm policy 2"


class PolicyFile(NamedTuple):
    """What a policy file holds."""

    weights: dict[str, Tensor]  # state of the online network
    config: JsonObject  # resolved configuration of the run
    frames: int  # driven when the weights were saved
    track: JsonObject | None = None  # of the user's own, which the configuration only names


def save(path: str | Path, policy: PolicyFile) -> None:
    """Write `policy`; tensors that share memory are written separately."""
    path, config = Path(path), json.dumps(policy.config)
    weights = {name: tensor.detach().cpu().clone() for name, tensor in policy.weights.items()}
    header = {"format": FORMAT, "config": config, "frames": str(policy.frames)}
    header["track"] = json.dumps(policy.track) if policy.track else ""
    header["crc32"] = str(checksum(weights, config + header["track"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, serialized(weights, metadata=header))


def load(path: str | Path) -> PolicyFile:
    """Read what `save` wrote; raises UserError for anything else."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist; name a policy file, a run folder or a checkpoint")
    weights, header = tensor_file.read(path, "policy file", "name one that was exported")
    if header.get("format") != FORMAT:
        raise UserError(f"{path} was not exported by this version, whose policy files say '{FORMAT}'")
    config, frames, track = (header.get(name, "") for name in ("config", "frames", "track"))
    if header.get("crc32") != str(checksum(weights, config + track)) or not frames.isdecimal():
        raise UserError(f"{path} is damaged (its checksum differs); export it again")
    kept = parse_json(track, path) if track else None
    return PolicyFile(weights, parse_json(config, path), int(frames), kept)
