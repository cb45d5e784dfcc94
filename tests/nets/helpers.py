"""Networks and batches for the tests of nets and agent."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Batch, Obs
from btr_tm.nets.encoder.cnn import CnnBody
from btr_tm.nets.encoder.encoder import Encoder, NoEncoder
from btr_tm.nets.encoder.impala import ImpalaBody
from btr_tm.nets.encoder.norm import NoNorm as NoKernelNorm
from btr_tm.nets.encoder.norm import SpectralNorm
from btr_tm.nets.encoder.pool import AdaptiveMaxPool, NoPool
from btr_tm.nets.heads import DuelingHead
from btr_tm.nets.iqn import IQN
from btr_tm.nets.layers import LayerNorm, NoNorm
from btr_tm.nets.linear import Noisy, Plain

ALL_ON = {
    "body": ImpalaBody(0.25),
    "norm": SpectralNorm("residual"),
    "pool": AdaptiveMaxPool(2),
    "linear": Noisy(),
    "layer": LayerNorm(),
}
ALL_OFF = {
    "body": CnnBody(), "norm": NoKernelNorm(), "pool": NoPool(), "linear": Plain(), "layer": NoNorm()
}  # fmt: skip


def network(
    image_shape: tuple[int, int, int] = (1, 36, 36),
    layout: FloatLayout | None = None,
    actions: int = 12,
    hidden: int = 16,
    seed: int = 0,
    **options: Any,
) -> IQN:
    """A small network; `options` replace parts of ALL_OFF or are arguments of IQN."""
    parts = ALL_OFF | {key: options.pop(key) for key in list(options) if key in ALL_OFF}
    encoder = partial(Encoder, body=parts["body"], norm=parts["norm"], pool=parts["pool"])
    sizes = {"cosines": 8, "float_hidden": 8, "float_norm": parts["layer"]} | options
    return IQN(
        image_shape,
        FloatLayout.generic(5) if layout is None else layout,
        actions,
        NoEncoder if image_shape[1] == 0 else encoder,
        partial(DuelingHead, hidden=hidden, linear=parts["linear"], norm=parts["layer"]),
        torch.Generator().manual_seed(seed),
        **sizes,
    )


def observations(
    rows: int, net_shape: tuple[int, int, int] = (1, 36, 36), floats: int = 5, seed: int = 0
) -> Obs:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (rows, *net_shape), dtype=torch.uint8, generator=generator)
    return Obs(image, torch.randn(rows, floats, generator=generator))


def random_batch(rows: int, seed: int = 0, **shapes: Any) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        observations(rows, seed=seed + 1, **shapes),
        torch.randint(0, 12, (rows,), generator=generator),
        torch.randn(rows, generator=generator),
        torch.full((rows,), 0.97),
        observations(rows, seed=seed + 2, **shapes),
        torch.rand(rows, generator=generator) + 0.5,
        torch.arange(rows),
    )
