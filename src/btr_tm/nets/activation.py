"""The activation everywhere outside IMPALA, which always uses ReLU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from btr_tm.nets.init import LEAKY_SLOPE

BuildActivation = Callable[[], nn.Module]


@dataclass(frozen=True)
class LeakyRelu:
    """Builds max(x, 0.01 x): Linesight and the published TrackMania runs."""

    def __call__(self) -> nn.Module:
        return nn.LeakyReLU(LEAKY_SLOPE, inplace=True)


@dataclass(frozen=True)
class Relu:
    """Builds max(x, 0): BTR's paper and code, IQN, Rainbow."""

    def __call__(self) -> nn.Module:
        return nn.ReLU(inplace=True)
