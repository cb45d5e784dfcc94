"""The one place where encoder, float head, quantile fusion and dueling heads meet."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from btr_tm.core.block import Block
from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Obs
from btr_tm.nets.builders import BuildActivation, BuildNorm, DrawWeights
from btr_tm.nets.encoder.encoder import ImageEncoder
from btr_tm.nets.encoder.norm import SpectrallyNormalised
from btr_tm.nets.floats import float_head
from btr_tm.nets.fusion import CosineFusion
from btr_tm.nets.heads import Head
from btr_tm.nets.layers import LeakyRelu, NoNorm, Orthogonal, initialise
from btr_tm.nets.linear import NoisyLinear
from btr_tm.nets.precision import Precision, resolved

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class IQN(nn.Module):
    """Implicit quantile network (Dabney et al. 2018, arXiv:1806.06923) over an image and a float vector.

    `encoder(image_shape)`, `head(features, actions, block=)` and `float_norm(features)` are builders. All
    initial weights are drawn by `weights` from `generator`, on the CPU. `activation` builds what follows the
    float head's layers and the embedding of fractions; encoder and head know their own. `precision` "bf16"
    runs convolutions and the large matrix products in that format: image encoder, embedding and the hidden
    layers of the head; "fp16" the image encoder alone; "auto" is bf16 on devices that multiply it natively.
    Parameters, norms, values and gradients of parameters are float32 always. With `block` (K,) a decision is
    a block of K actions. Raises UserError if there is neither an image encoder nor a float.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        layout: FloatLayout,
        actions: int,
        encoder: Callable[[tuple[int, int, int]], ImageEncoder],
        head: Callable[..., Head],
        generator: torch.Generator,
        cosines: int = 64,
        first_cosine: int = 1,
        float_hidden: int = 256,
        float_norm: BuildNorm = NoNorm(),  # noqa: B008 (frozen)
        activation: BuildActivation = LeakyRelu(),  # noqa: B008 (frozen)
        weights: DrawWeights = Orthogonal(),  # noqa: B008 (frozen)
        precision: Precision = "fp32",
        block: Block = (),
    ) -> None:
        super().__init__()
        self.precision = precision
        self.encoder = encoder(image_shape)
        self.float_head = float_head(layout, float_hidden, float_norm, activation)
        features = self.encoder.out_features + self.float_head.out_features
        if features == 0:
            raise UserError("expected an image encoder or floats in the observation, got neither; choose one")
        self.fusion = CosineFusion(features, cosines, first_cosine, activation)
        self.head = head(features, actions, block=block)
        self._weights = weights
        initialise(self, generator, weights)
        self._noisy = [module for module in self.modules() if isinstance(module, NoisyLinear)]
        self._normalised = [module for module in self.modules() if isinstance(module, SpectrallyNormalised)]

    @property
    def noisy(self) -> bool:
        """Some layer has parameter noise."""
        return bool(self._noisy)

    def features(self, obs: Obs) -> Tensor:
        """What the network sees before it knows a fraction: (B, D)."""
        with self._autocast(obs.image, "bf16", "fp16"):
            image = self.encoder(obs.image)
        return torch.cat([image.float(), self.float_head(obs.floats)], dim=1)

    def _autocast(self, like: Tensor, *formats: Precision) -> torch.autocast:
        """The network's own format, if it is one of `formats`."""
        device = like.device.type
        own = resolved(self.precision, device)
        return torch.autocast(device, _HALF.get(own), enabled=own in formats)

    def quantiles(self, features: Tensor, taus: Tensor) -> Tensor:
        """As `forward`, from what `features` returned."""
        with self._autocast(features, "bf16"):
            fused = self.fusion(features, taus)  # (B, N, D)
            return self.head(fused.flatten(0, 1)).unflatten(0, taus.shape)

    def forward(self, obs: Obs, taus: Tensor) -> Tensor:
        """Quantiles (B, N, A), or (B, N, K, A), of the return at the fractions `taus` (B, N)."""
        return self.quantiles(self.features(obs), taus)

    def reset_noise(self, generator: torch.Generator, samples: int = 1) -> None:
        """New parameter noise, for all rows or each of `samples`, as the layers say; without any, nothing."""
        for layer in self._noisy:
            layer.reset_noise(generator, samples)

    def fit_noise(self, generator: torch.Generator, samples: int) -> None:
        """New noise where it is drawn for each sample and those of the last draw are not `samples`."""
        for layer in self._noisy:
            layer.fit_noise(generator, samples)

    def select_noise(self, samples: slice) -> None:
        """The rows that follow belong to these samples of the last draw."""
        for layer in self._noisy:
            layer.select_noise(samples)

    def disable_noise(self) -> None:
        """Means only, until the next `reset_noise`."""
        for layer in self._noisy:
            layer.disable_noise()

    def power_iteration(self) -> None:
        """One step of the spectral norm's estimates; nothing happens in a network without it."""
        for part in self._normalised:
            part.power_iteration()

    def redraw(self, generator: torch.Generator) -> None:
        """All initial weights anew, by the law they were first drawn with; on the CPU."""
        initialise(self, generator, self._weights)

    def last_layers(self) -> list[nn.Module]:
        """Those whose outputs are advantages and value."""
        return self.head.last_layers()
