"""What follows the fusion of features and quantile fractions: action values."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from btr_tm.nets.init import LEAKY_SLOPE
from btr_tm.nets.linear import Plain
from btr_tm.nets.norm import NoNorm

BuildLinear = Callable[..., nn.Module]
BuildNorm = Callable[[int], nn.Module]


class DuelingHead(nn.Module):
    """Q = V + A - mean_a A from two streams of one hidden layer each (Wang et al. 2016, arXiv:1511.06581).

    `linear` and `norm` are builders: `linear(inputs, outputs, role)`, `norm(features)`. Input (R, features),
    output (R, actions).
    """

    def __init__(
        self,
        features: int,
        actions: int,
        hidden: int = 512,
        linear: BuildLinear = Plain(),  # noqa: B008 (frozen)
        norm: BuildNorm = NoNorm(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        self.advantage = _stream(features, hidden, linear, norm)
        self.advantage_out = linear(hidden, actions, "advantage")
        self.value = _stream(features, hidden, linear, norm)
        self.value_out = linear(hidden, 1, "value")

    def forward(self, x: Tensor) -> Tensor:
        advantage = self.advantage_out(self.advantage(x))
        value = self.value_out(self.value(x))
        return value + advantage - advantage.mean(-1, keepdim=True)


def _stream(features: int, hidden: int, linear: BuildLinear, norm: BuildNorm) -> nn.Sequential:
    activation = nn.LeakyReLU(LEAKY_SLOPE, inplace=True)
    return nn.Sequential(linear(features, hidden, "hidden"), norm(hidden), activation)
