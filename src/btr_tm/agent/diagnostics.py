"""Diagnostics of a network: its values, activations and weights, measured without changing anything.

Letters in shapes: B states, N fractions, K actions of a block, A actions, U units of a layer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from btr_tm.core.types import Obs
from btr_tm.metrics import analysis
from btr_tm.nets.encoder.conv import Residual
from btr_tm.nets.encoder.norm import SpectrallyNormalised
from btr_tm.nets.iqn import IQN
from btr_tm.nets.linear import NoisyLinear

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU)
THRESHOLDS = {"0_1": 0.1, "0_025": 0.025, "0": 0.0}


def noiseless_copy(net: IQN) -> IQN:
    """A copy that acts without noise; whatever is done to it, `net` and its noise stay as they are."""
    copied = copy.deepcopy(net)
    copied.disable_noise()
    return copied


class Activity:
    """Mean absolute activation of every unit, and the last hidden activations, over all states so far.

    Measured are the outputs of all activation modules and, in residual blocks, the inputs of their
    convolutions. In feature maps a unit is a channel. The head reads `rows_per_state` rows for each state.
    """

    def __init__(self, net: IQN, rows_per_state: int) -> None:
        self.net, self.rows_per_state = net, rows_per_state
        self.sums: dict[str, Tensor] = {}  # by layer: (U,) sum of absolute values
        self.rows: dict[str, int] = {}  # by layer: how many were added up
        self.hidden: dict[str, list[Tensor]] = {}  # by layer of the head: (B, U) per pass, mean of fractions

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record every forward pass meanwhile."""
        hooks = []
        for name, module in self.net.named_modules():
            if isinstance(module, ACTIVATIONS):
                hooks.append(module.register_forward_hook(lambda _, __, out, name=name: self._add(name, out)))
            if isinstance(module, Residual):
                for part in ("first", "second"):
                    convolution, place = getattr(module, part), f"{name}.{part}"
                    hooks.append(
                        convolution.register_forward_pre_hook(
                            lambda _, inputs, place=place: self._add(place, inputs[0])
                        )
                    )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _add(self, name: str, values: Tensor) -> None:
        """Add the `values` of one layer, units in axis 1 of feature maps and in the last axis otherwise."""
        values = values.detach().float()
        if name.startswith("head"):
            mean = values.unflatten(0, (-1, self.rows_per_state)).mean(1)
            self.hidden.setdefault(name, []).append(mean)
        units = values.transpose(1, -1) if values.ndim == 4 else values
        flat = units.abs().flatten(0, -2)
        self.sums[name] = self.sums.get(name, 0.0) + flat.sum(0)
        self.rows[name] = self.rows.get(name, 0) + len(flat)

    def mean(self) -> dict[str, Tensor]:
        """(U,) by layer."""
        return {name: total / self.rows[name] for name, total in self.sums.items()}

    def features(self) -> Tensor:
        """Inputs of the head's last layers, mean over fractions: (B, U of all streams)."""
        return torch.cat([torch.cat(passes) for passes in self.hidden.values()], dim=1)


def dormancy(activity: dict[str, Tensor]) -> dict[str, Tensor]:
    """Dormant units over all units, by part of the network and threshold."""
    parts: dict[str, list[Tensor]] = {}
    for name, mean in activity.items():
        parts.setdefault(name.partition(".")[0], []).append(mean)
    found = {}
    for label, threshold in THRESHOLDS.items():
        for part, layers in parts.items():
            counts = [analysis.dormant_share(mean, threshold) * len(mean) for mean in layers]
            units = sum(len(mean) for mean in layers)
            found[f"plasticity/dormant_{label}.{part}"] = torch.stack(counts).sum() / units
    return found


def rank_metrics(features: Tensor) -> dict[str, Tensor | float]:
    """Ranks of the features (B, D)."""
    singular = torch.linalg.svdvals(features.nan_to_num())
    return {
        "plasticity/srank": analysis.srank(singular),
        "plasticity/effective_rank": analysis.effective_rank(singular),
        "plasticity/rank_limit": float(len(singular)),
    }


@torch.no_grad()
def weight_metrics(net: IQN) -> dict[str, Tensor]:
    """Norms of all parameters, sigmas of noisy layers, singular values under spectral norm."""
    names, tensors = zip(*net.named_parameters(), strict=True)
    norms = dict(zip(names, analysis.l2(tensors), strict=True))
    found = {f"weights/l2.{name}": norm for name, norm in norms.items()}
    found |= {f"weights/rms.{name}": v for name, v in zip(names, analysis.rms(tensors), strict=True)}
    called_weight = [norm for name, norm in norms.items() if "weight" in name]
    return found | {"weights/l2_mean": torch.stack(called_weight).mean()} | _noise(net) | _spectra(net)


def _noise(net: IQN) -> dict[str, Tensor]:
    found = {}
    for name, layer in net.named_modules():
        if isinstance(layer, NoisyLinear):
            found[f"noisy/sigma_abs_mean.{name}"] = layer.weight_sigma.abs().mean()
            found[f"noisy/sigma_negative.{name}"] = (layer.weight_sigma < 0).float().mean()
    return found


def _spectra(net: IQN) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    after = []
    for place, module in net.named_modules():
        if isinstance(module, SpectrallyNormalised):
            for name, kernel in module.normalised().items():
                raw = module.body.get_parameter(name)
                found[f"spectral/sigma_raw.{place}.{name}"] = analysis.largest_singular_value(raw)
                after.append(analysis.largest_singular_value(kernel))
    if after:
        found["spectral/sigma_normalised_max"] = torch.stack(after).max()
        found["spectral/sigma_normalised_min"] = torch.stack(after).min()
    return found


class StateValues:
    """Values of the states `obs` under one network, `rows_at_once` at a time; images are encoded once."""

    def __init__(self, net: IQN, obs: Obs, rows_at_once: int) -> None:
        self.net, self.rows_at_once = net, rows_at_once
        firsts = range(0, len(obs.floats), rows_at_once)
        pieces = [Obs(*(leaf[i : i + rows_at_once] for leaf in obs)) for i in firsts]
        self.features = [net.features(piece) for piece in pieces]

    def at(self, taus: Tensor) -> Tensor:
        """(B, N) or (1, N) -> (B, N, [K,] A)."""
        rows = sum(len(part) for part in self.features)
        pieces = taus.expand(rows, -1).split(self.rows_at_once)
        found = [self.net.outputs(part, some) for part, some in zip(self.features, pieces, strict=True)]
        return self.net.reading.read(torch.cat(found))
