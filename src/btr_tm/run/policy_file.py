"""A trained driver in one file: weights as safetensors, the configuration that rebuilds it in the header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.types import JsonObject

FORMAT = "btr_tm policy 1"
SUFFIX = ".safetensors"


class PolicyFile(NamedTuple):
    """What a policy file holds."""

    weights: dict[str, Tensor]  # state of the online network
    config: JsonObject  # resolved configuration of the run
    frames: int  # driven when the weights were saved


def save(path: str | Path, policy: PolicyFile) -> None:
    """Write `policy`; tensors that share memory are written separately."""
    header = {"format": FORMAT, "config": json.dumps(policy.config), "frames": str(policy.frames)}
    weights = {name: tensor.detach().cpu().clone() for name, tensor in policy.weights.items()}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path, metadata=header)


def load(path: str | Path) -> PolicyFile:
    """Read what `save` wrote; raises UserError for anything else."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is no policy file ({error}); name one that was exported") from error
    if header.get("format") != FORMAT:
        raise UserError(f"{path} was not exported by this version, whose policy files say '{FORMAT}'")
    return PolicyFile(weights, json.loads(header["config"]), int(header["frames"]))
