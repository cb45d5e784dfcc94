"""What every network of ours can do, whatever it says: look at a state, draw noise, keep its norms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import torch
from torch import Tensor, nn

from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs
from btr_tm.nets.builders import DrawWeights
from btr_tm.nets.encoder.encoder import ImageEncoder
from btr_tm.nets.encoder.norm import SpectrallyNormalised
from btr_tm.nets.floats import FloatHead, NoFloats
from btr_tm.nets.layers import initialise
from btr_tm.nets.linear import NoisyLinear
from btr_tm.nets.precision import Format, Precision, autocast, resolved
from btr_tm.nets.state_fusion import StateFusion

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Network(nn.Module):
    """The base of networks with an image encoder; a subclass calls `settle` once its layers are there.

    `precision` is the format of the convolutions; "auto" is bf16 if `device` multiplies it natively.
    """

    encoder: ImageEncoder
    float_head: FloatHead | NoFloats

    def __init__(self, precision: Precision, device: torch.device) -> None:
        super().__init__()
        self.precision: Format = resolved(precision, device.type)

    def settle(self, generator: torch.Generator, weights: DrawWeights) -> None:
        """Draw all initial weights by `weights` from `generator`, on the CPU."""
        self._weights = weights
        initialise(self, generator, weights)
        self._noisy = [module for module in self.modules() if isinstance(module, NoisyLinear)]
        self._normalised = [module for module in self.modules() if isinstance(module, SpectrallyNormalised)]

    @property
    def noisy(self) -> bool:
        """Some layer has parameter noise."""
        return bool(self._noisy)

    def look(self, obs: Obs, encoder: ImageEncoder, float_head: nn.Module, fusion: StateFusion) -> Tensor:
        """Features (B, D) of the state, float32."""
        floats = float_head(obs.floats)
        with self._autocast(obs.image, "bf16", "fp16"):
            return fusion(encoder, obs.image, floats)

    def _autocast(self, like: Tensor, *formats: Format) -> AbstractContextManager[object]:
        """Autocast to the format of this network, if that is one of `formats`."""
        half = _HALF.get(self.precision)
        return autocast(like.device, half, enabled=self.precision in formats)

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

    def answers(self, obs: Obs, taus: int) -> object:
        """A forward pass as for an update; of networks that know of fractions, at `taus` of them."""
        return self(obs)

    def last_layers(self) -> list[nn.Module]:
        """The layers whose outputs are what the network says, or its parts."""
        raise NotImplementedError


def refuse_blind(features: int) -> int:
    """`features`, UserError if there are none."""
    if features == 0:
        raise UserError(
            "the network needs an image encoder or floats in the observation, got neither; choose one"
        )
    return features
