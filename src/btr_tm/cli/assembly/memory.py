"""Whether what learns fits into memory, estimated from below before anything is allocated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from btr_tm.cli.assembly.parts import Parts
from btr_tm.core.memory import refuse_too_much
from btr_tm.core.protocols import EnvironmentSpec
from btr_tm.core.types import Obs
from btr_tm.nets.linear import NoisyLinear
from btr_tm.nets.network import Network

COPIES = (
    4  # float32 numbers for each weight: itself, gradient, two moments of Adam; a target network has one more
)
LAYERS = (nn.Conv2d, nn.Linear, NoisyLinear)
WIDTHS = ("profile.head_hidden", "profile.float_hidden", "profile.impala_model_size", "profile.pool_size")
KEPT_BYTES = 2  # of each number that a layer keeps for its gradient: in bf16


def refuse_large_learner(parts: Parts, env: EnvironmentSpec) -> None:
    """Raise UserError if networks, batch or an update cannot fit; `env` says what they see."""
    device, batch, rows = parts.device, parts.profile["batch_size"], parts.profile["micro_batch"]
    state = torch.Size(env.image_shape).numel() + 4 * env.layout.size
    if not parts.learner_class.on_policy:
        what = f"batches of {batch:,} transitions"
        refuse_too_much(2 * state * batch, device, what, "profile.batch_size", batch)
    try:
        with torch.device("meta"):  # shapes without numbers
            net = parts.plain_net(env)
            kept = KEPT_BYTES * rows * layer_inputs(net, env, parts.profile["taus"])
    except NotImplementedError:  # a user's class that looks at the numbers
        return
    weights = sum(weight.numel() for weight in net.parameters())
    what = f"networks of {weights:,} weights with their optimizer"
    refuse_too_much(4 * (COPIES + parts.learner_class.probed) * weights, device, what, ", ".join(WIDTHS))
    refuse_too_much(kept, device, f"updates of {rows:,} transitions at once", "profile.micro_batch", rows)


def layer_inputs(net: Network, env: EnvironmentSpec, taus: int) -> int:
    """Numbers that go into the layers of `net` for one state; their gradients need them again."""
    seen: dict[int, Tensor] = {}  # by identity: what goes into two layers is kept once

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[id(inputs[0])] = inputs[0]

    hooks = [layer.register_forward_pre_hook(keep) for layer in net.modules() if isinstance(layer, LAYERS)]
    image = torch.zeros(1, *env.image_shape, dtype=torch.uint8)
    net.answers(Obs(image, torch.zeros(1, env.layout.size)), taus)
    for hook in hooks:
        hook.remove()
    return sum(each.numel() for each in seen.values())
