"""Independent random streams by name, and the states of the global generators for checkpoints."""

from __future__ import annotations

import hashlib
import random
from typing import TypedDict

import numpy as np
import torch


class PythonState(TypedDict):
    """Of the module `random`."""

    version: int
    words: torch.Tensor
    gauss: float | None


class NumpyState(TypedDict):
    """Of NumPy's global Mersenne twister."""

    keys: torch.Tensor
    position: int
    has_gauss: int
    cached: float


class GlobalStates(TypedDict):
    """Of all global generators, as tensors and plain numbers, loadable with `weights_only=True`."""

    python: PythonState
    numpy: NumpyState
    torch: torch.Tensor
    cuda: list[torch.Tensor]


def stream_seed(seed: int, name: str) -> int:
    """A 63-bit seed for the stream `name` of run seed `seed`; the same on every machine and Python."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, name: str, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator whose stream is independent of those of other names and seeds."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, name))


def seed_globals(seed: int) -> None:
    """Seed the generators that third-party code and parameter initialisation draw from."""
    random.seed(stream_seed(seed, "python"))
    np.random.seed(stream_seed(seed, "numpy") % 2**32)
    torch.manual_seed(stream_seed(seed, "torch"))


def global_states() -> GlobalStates:
    """The states of the global generators at this moment."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    assert name == "MT19937" and isinstance(keys, np.ndarray), name
    return {
        "python": {"version": version, "words": torch.tensor(words, dtype=torch.int64), "gauss": gauss},
        "numpy": {
            "keys": torch.from_numpy(keys.astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_global_states(states: GlobalStates) -> None:
    """Undo all draws since `global_states()`."""
    python, numpy = states["python"], states["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    keys = numpy["keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, numpy["position"], numpy["has_gauss"], numpy["cached"]))
    torch.set_rng_state(states["torch"].cpu())
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])
