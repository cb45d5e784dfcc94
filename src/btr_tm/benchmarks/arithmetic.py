"""How many multiplications BTR's network needs, layer by layer; a multiplication with its addition is 2 FLOP.

Only convolutions and matrix products count: noise, norms, pools, activations and the optimizer do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Conv(NamedTuple):
    """`repeats` equal 3 x 3 convolutions with padding 1."""

    repeats: int
    inputs: int  # channels
    outputs: int
    height: int
    width: int
    input_gradient: bool = True  # whether it is needed

    @property
    def macs(self) -> int:
        """Of a forward pass, per sample."""
        return self.repeats * 9 * self.inputs * self.outputs * self.height * self.width


class Product(NamedTuple):
    """(`rows`, `inputs`) times (`inputs`, `outputs`) for each sample."""

    rows: int
    inputs: int
    outputs: int
    input_gradient: bool = True

    @property
    def macs(self) -> int:
        return self.rows * self.inputs * self.outputs


Layer = Conv | Product


@dataclass(frozen=True)
class Sizes:
    """IMPALA with an adaptive pool, an embedding of fractions, two streams; the numbers of a profile."""

    image_shape: tuple[int, int, int]
    actions: int
    model_size: float = 2.0
    pool: int = 6
    hidden: int = 512
    taus: int = 8
    cosines: int = 64
    floats: int = 0
    float_hidden: int = 0

    @property
    def layers(self) -> list[Layer]:
        """In the order of a forward pass; the first layers of both streams are one product."""
        features = round(32 * self.model_size) * self.pool**2 + self.float_hidden
        return [*self._body(), *self._float_head(), *self._head(features, streams=2)]

    @property
    def acting_layers(self) -> list[Layer]:
        """Of a greedy choice, which needs the advantages alone (the mean over actions moves no maximum)."""
        features = round(32 * self.model_size) * self.pool**2 + self.float_hidden
        return [*self._body(), *self._float_head(), *self._head(features, streams=1)]

    def _body(self) -> list[Layer]:
        inputs, height, width = self.image_shape
        layers: list[Layer] = []
        for outputs in (round(channels * self.model_size) for channels in (16, 32, 32)):
            layers.append(Conv(1, inputs, outputs, height, width, input_gradient=bool(layers)))
            height, width = (height + 1) // 2, (width + 1) // 2
            layers.append(Conv(4, outputs, outputs, height, width))
            inputs = outputs
        return layers

    def _float_head(self) -> list[Layer]:
        if not self.floats:
            return []
        first = Product(1, self.floats, self.float_hidden, input_gradient=False)
        return [first, Product(1, self.float_hidden, self.float_hidden)]

    def _head(self, features: int, streams: int) -> list[Layer]:
        embedding = Product(self.taus, self.cosines, features, input_gradient=False)
        hidden = Product(self.taus, features, streams * self.hidden)
        advantage = Product(self.taus, self.hidden, self.actions)
        value = [Product(self.taus, self.hidden, 1)] * (streams - 1)
        return [embedding, hidden, advantage, *value]


def forward_flops(layers: list[Layer]) -> int:
    """Per sample."""
    return 2 * sum(layer.macs for layer in layers)


def update_flops(layers: list[Layer], more_forwards: int = 0) -> int:
    """Per sample, of an update with two forward passes (prediction, target) and one backward pass.

    A backward pass is two products per layer, or one where the gradient of the inputs is not needed.
    `more_forwards`: BTR's paper takes log pi from a third forward pass, of the target network, and BTR's code
    from one of the online network.
    """
    backward = sum(layer.macs * (2 if layer.input_gradient else 1) for layer in layers)
    return 2 * backward + (2 + more_forwards) * forward_flops(layers)
