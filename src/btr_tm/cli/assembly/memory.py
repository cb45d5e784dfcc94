"""Whether what learns fits into memory, estimated from below before anything is allocated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from btr_tm.cli.assembly.parts import Parts
from btr_tm.core.memory import refuse_too_much
from btr_tm.core.protocols import EnvironmentSpec
from btr_tm.nets.network import Network

COPIES = 5  # float32 numbers for each weight: online, target, gradient, two moments of Adam
WIDTHS = ("profile.head_hidden", "profile.float_hidden", "profile.impala_model_size", "profile.pool_size")
KEPT_BYTES = 2  # of each number that a layer keeps for its gradient: in bf16


def refuse_large_learner(parts: Parts, env: EnvironmentSpec) -> None:
    """Raise UserError if networks, batch or an update cannot fit; `env` says what they see."""
    device, batch, rows = parts.device, parts.profile["batch_size"], parts.profile["micro_batch"]
    state = torch.Size(env.image_shape).numel() + 4 * env.layout.size
    refuse_too_much(
        2 * state * batch, device, f"batches of {batch:,} transitions", "profile.batch_size", batch
    )
    try:
        with torch.device("meta"):  # shapes without numbers
            net = parts.plain_net(env)
            kept = KEPT_BYTES * rows * _inputs(net, env, parts.profile["taus"])
    except NotImplementedError:  # a user's class that looks at the numbers
        return
    weights = sum(weight.numel() for weight in net.parameters())
    what = f"networks of {weights:,} weights with their optimizer"
    refuse_too_much(4 * COPIES * weights, device, what, ", ".join(WIDTHS))
    refuse_too_much(kept, device, f"updates of {rows:,} transitions at once", "profile.micro_batch", rows)


def _inputs(net: Network, env: EnvironmentSpec, taus: int) -> int:
    """Numbers that go into layers for one state; their gradients need them again."""
    seen = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal seen
        seen += inputs[0].numel()

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_pre_hook(count)
    net.encoder(torch.zeros(1, *env.image_shape, dtype=torch.uint8))
    net.float_head(torch.zeros(1, env.layout.size))
    return seen + taus * (net.encoder.out_features + net.float_head.out_features)
