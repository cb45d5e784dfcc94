"""The one place where encoder, float head, quantile fusion and dueling heads meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Obs
from btr_tm.nets.encoder.encoder import ImageEncoder
from btr_tm.nets.encoder.norm import SpectrallyNormalised
from btr_tm.nets.floats import float_head
from btr_tm.nets.fusion import CosineFusion
from btr_tm.nets.heads import BuildNorm
from btr_tm.nets.init import initialise
from btr_tm.nets.linear import NoisyLinear
from btr_tm.nets.norm import NoNorm


class IQN(nn.Module):
    """Implicit quantile network (Dabney et al. 2018, arXiv:1806.06923) over an image and a float vector.

    `encoder(image_shape)`, `head(features, actions)` and `float_norm(features)` are builders. All initial
    weights are drawn from `generator`, on the CPU. `precision="bf16"` runs the image encoder, and only it, in
    bfloat16. Raises UserError if there is neither an image encoder nor a float.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        layout: FloatLayout,
        actions: int,
        encoder: Callable[[tuple[int, int, int]], ImageEncoder],
        head: Callable[[int, int], nn.Module],
        generator: torch.Generator,
        cosines: int = 64,
        first_cosine: int = 1,
        float_hidden: int = 256,
        float_norm: BuildNorm = NoNorm(),  # noqa: B008 (frozen)
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        super().__init__()
        self.precision = precision
        self.encoder = encoder(image_shape)
        self.float_head = float_head(layout, float_hidden, float_norm)
        features = self.encoder.out_features + self.float_head.out_features
        if features == 0:
            raise UserError("expected an image encoder or floats in the observation, got neither; choose one")
        self.fusion = CosineFusion(features, cosines, first_cosine)
        self.head = head(features, actions)
        initialise(self, generator)
        self._noisy = [module for module in self.modules() if isinstance(module, NoisyLinear)]
        self._normalised = [module for module in self.modules() if isinstance(module, SpectrallyNormalised)]

    @property
    def noisy(self) -> bool:
        """Some layer has parameter noise."""
        return bool(self._noisy)

    def features(self, obs: Obs) -> Tensor:
        """What the network sees before it knows a fraction: (B, D)."""
        with torch.autocast(obs.image.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            image = self.encoder(obs.image)
        return torch.cat([image.float(), self.float_head(obs.floats)], dim=1)

    def forward(self, obs: Obs, taus: Tensor) -> Tensor:
        """Quantiles (B, N, A) of the return at the fractions `taus` (B, N)."""
        fused = self.fusion(self.features(obs), taus)  # (B, N, D)
        return self.head(fused.flatten(0, 1)).unflatten(0, taus.shape)

    def reset_noise(self, generator: torch.Generator) -> None:
        """New parameter noise, one draw for all rows; nothing happens in a network without noisy layers."""
        for layer in self._noisy:
            layer.reset_noise(generator)

    def disable_noise(self) -> None:
        """Means only, until the next `reset_noise`."""
        for layer in self._noisy:
            layer.disable_noise()

    def power_iteration(self) -> None:
        """One step of the spectral norm's estimates; nothing happens in a network without it."""
        for part in self._normalised:
            part.power_iteration()
