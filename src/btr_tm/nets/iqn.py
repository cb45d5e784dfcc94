"""The whole network: image encoder, float head, fusion with the fractions, head, reading of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

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
from btr_tm.nets.heads import Head
from btr_tm.nets.layers import initialise
from btr_tm.nets.linear import NoisyLinear
from btr_tm.nets.precision import Format, Precision, resolved
from btr_tm.nets.values import Values

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class IQN(nn.Module):
    """Implicit quantile network (Dabney et al. 2018, arXiv:1806.06923) over an image and a float vector.

    `encoder(image_shape)`, `head(features, actions, block=, atoms=)` and `float_norm(features)` are builders.
    `values` says how features and fractions meet and what the head's outputs are: quantiles, or bins. All
    initial weights are drawn by `weights` from `generator`, on the CPU. `activation` builds what follows the
    float head's layers and the embedding of fractions; encoder and head have their own. `precision` "bf16"
    runs convolutions and the large matrix products in that format: image encoder, embedding and the hidden
    layers of the head; "fp16" the image encoder alone; "auto" is bf16 if `device`, on which it will run,
    multiplies it natively. Parameters, norms, values and gradients of parameters are float32 always. With
    `block` (K,) a decision is a block of K actions. Raises UserError if there is neither an image encoder nor
    a float.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        layout: FloatLayout,
        actions: int,
        encoder: Callable[[tuple[int, int, int]], ImageEncoder],
        head: Callable[..., Head],
        generator: torch.Generator,
        values: Values,
        float_hidden: int,
        float_norm: BuildNorm,
        activation: BuildActivation,
        weights: DrawWeights,
        precision: Precision,
        block: Block,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.precision: Format = resolved(precision, device.type)
        self.encoder = encoder(image_shape)
        self.float_head = float_head(layout, float_hidden, float_norm, activation)
        features = self.encoder.out_features + self.float_head.out_features
        if features == 0:
            raise UserError(
                "the network needs an image encoder or floats in the observation, got neither; choose one"
            )
        self.reading = values
        self.fusion = values.fusion(features, activation)
        self.head = head(features, actions, block=block, atoms=values.atoms)
        self._weights = weights
        initialise(self, generator, weights)
        self._noisy = [module for module in self.modules() if isinstance(module, NoisyLinear)]
        self._normalised = [module for module in self.modules() if isinstance(module, SpectrallyNormalised)]

    @property
    def noisy(self) -> bool:
        """Some layer has parameter noise."""
        return bool(self._noisy)

    def features(self, obs: Obs) -> Tensor:
        """Features (B, D) of the state, which do not depend on the fractions."""
        with self._autocast(obs.image, "bf16", "fp16"):
            image = self.encoder(obs.image)
        return torch.cat([image.float(), self.float_head(obs.floats)], dim=1)

    def _autocast(self, like: Tensor, *formats: Format) -> torch.autocast:
        """Autocast to the format of this network, if that is one of `formats`."""
        half = _HALF.get(self.precision)
        return torch.autocast(like.device.type, half, enabled=self.precision in formats)

    def outputs(self, features: Tensor, taus: Tensor) -> Tensor:
        """As `forward`, from what `features` returned."""
        with self._autocast(features, "bf16"):
            fused = self.fusion(features, taus)  # (B, N', D)
            return self.reading.arranged(self.head(fused.flatten(0, 1)), len(features))

    def forward(self, obs: Obs, taus: Tensor) -> Tensor:
        """What the loss scores, at fractions `taus` (B, N) or (1, N): quantiles of the return (B, N, A) or
        (B, N, K, A), or the logits of bins (B, bins, A).
        """
        return self.outputs(self.features(obs), taus)

    def values(self, obs: Obs, taus: Tensor) -> Tensor:
        """Values of the return (B, N, [K,] A) at fractions `taus` (B, N) or (1, N); their mean over N is
        Q, and with bins N is 1.
        """
        return self.reading.read(self(obs, taus))

    def reset_noise(self, generator: torch.Generator, samples: int = 1) -> None:
        """Draw new parameter noise: for all rows, or for each of `samples`, as the layers are built."""
        for layer in self._noisy:
            layer.reset_noise(generator, samples)

    def fit_noise(self, generator: torch.Generator, samples: int) -> None:
        """Draw new noise where samples have their own and the last draw was for another number of them."""
        for layer in self._noisy:
            layer.fit_noise(generator, samples)

    def select_noise(self, samples: slice) -> None:
        """The next rows belong to these samples of the last draw."""
        for layer in self._noisy:
            layer.select_noise(samples)

    def disable_noise(self) -> None:
        """Use the means only, until the next `reset_noise`."""
        for layer in self._noisy:
            layer.disable_noise()

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """While this lasts, nobody changes the weights: what depends on them alone is computed once.

        Noise is off, until the next `reset_noise`; the numbers are those of every other forward pass.
        """
        with ExitStack() as stack:
            with self._autocast(next(self.parameters()), "bf16", "fp16"):
                for part in self._normalised:
                    stack.enter_context(part.unchanged())
            for layer in self._noisy:
                stack.enter_context(layer.unchanged())
            yield

    def power_iteration(self) -> None:
        """Improve the estimates of the spectral norms by one step, if there are any."""
        for part in self._normalised:
            part.power_iteration()

    def redraw(self, generator: torch.Generator) -> None:
        """Draw all initial weights again, as they were drawn first; on the CPU."""
        initialise(self, generator, self._weights)

    def last_layers(self) -> list[nn.Module]:
        """The layers whose outputs are advantages and value."""
        return self.head.last_layers()
