"""Networks and batches for the tests of nets and agent, with defaults for what conf/ always says."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Batch, Obs
from btr_tm.nets.backbone import NoBackbone
from btr_tm.nets.builders import BuildBody, DrawWeights
from btr_tm.nets.encoder.cnn import CnnBody
from btr_tm.nets.encoder.encoder import Encoder, NoEncoder
from btr_tm.nets.encoder.impala import ImpalaBody
from btr_tm.nets.encoder.norm import NoKernelNorm, SpectralNorm
from btr_tm.nets.encoder.pool import AdaptiveMaxPool, NoPool
from btr_tm.nets.heads import DuelingHead
from btr_tm.nets.iqn import IQN
from btr_tm.nets.layers import LayerNorm, LeakyRelu, NoNorm, Orthogonal, initialise
from btr_tm.nets.linear import Noisy, NoisyLinear, Plain
from btr_tm.nets.pixels import Centred
from btr_tm.nets.state_fusion import Concat
from btr_tm.nets.values import Quantiles

CPU = torch.device("cpu")
CNN = CnnBody(LeakyRelu())
ORTHOGONAL = Orthogonal()
HEAD = {"linear": Plain(), "norm": NoNorm(), "activation": LeakyRelu(), "block": (), "atoms": ()}


def noisy(**options: Any) -> Noisy:
    known = {"sigma0": 0.5, "last_value": "noisy", "bias_sigma": "inputs", "draw": "batch"}
    return Noisy(**(known | options))


ALL_ON = {
    "body": ImpalaBody(0.25),
    "norm": SpectralNorm("residual"),
    "pool": AdaptiveMaxPool(2),
    "linear": noisy(),
    "layer": LayerNorm(),
}
ALL_OFF = {"body": CNN, "norm": NoKernelNorm(), "pool": NoPool(), "linear": Plain(), "layer": NoNorm()}
PER_SAMPLE = ALL_ON | {"linear": noisy(draw="sample")}


def noisy_layer(inputs: int, outputs: int, kind: type[NoisyLinear] = NoisyLinear) -> NoisyLinear:
    return kind(inputs, outputs, sigma0=0.5, bias_sigma="inputs")


def encoder_of(image_shape: tuple[int, int, int], body: BuildBody, **parts: Any) -> Encoder:
    known = {"norm": NoKernelNorm(), "pool": NoPool(), "pixels": Centred()}
    return Encoder(image_shape, body, **(known | parts))


def dueling(features: int, actions: int, hidden: int, **options: Any) -> DuelingHead:
    return DuelingHead(features, actions, hidden, **(HEAD | options))


def initialised(module: nn.Module, seed: int = 0, weights: DrawWeights = ORTHOGONAL) -> Any:
    """`module` itself, with initial weights."""
    initialise(module, torch.Generator().manual_seed(seed), weights)
    return module


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
    encoder = partial(encoder_of, body=parts["body"], norm=parts["norm"], pool=parts["pool"])
    head = partial(dueling, hidden=hidden, linear=parts["linear"], norm=parts["layer"])
    quantiles = {key: options.pop(key, default) for key, default in {"cosines": 8, "first_cosine": 1}.items()}
    known = {"values": Quantiles(**quantiles), "float_hidden": 8, "float_norm": parts["layer"]}
    known |= {
        "state_fusion": Concat,
        "backbone": NoBackbone(),
        "activation": LeakyRelu(),
        "weights": ORTHOGONAL,
        "precision": "fp32",
        "block": (),
        "device": CPU,
    }
    return IQN(
        image_shape,
        FloatLayout.generic(5) if layout is None else layout,
        actions,
        NoEncoder if image_shape[1] == 0 else encoder,
        head,
        torch.Generator().manual_seed(seed),
        **(known | options),
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
