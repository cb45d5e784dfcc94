"""What the outputs of the head mean: quantiles of the return, or the probabilities of bins of its mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from btr_tm.core.bins import Bins
from btr_tm.nets.builders import Atoms, BuildActivation
from btr_tm.nets.fusion import CosineFusion


class Values(Protocol):
    """How a network reads values out of features; N' rows of the head for each state."""

    @property
    def atoms(self) -> Atoms:
        """How many outputs of the head make one value: (), or (bins,)."""
        ...

    def rows(self, taus: int) -> int:
        """N', how many values of a state there are for `taus` fractions."""
        ...

    def fusion(self, features: int, activation: BuildActivation) -> nn.Module:
        """Joins features (B, D) and fractions (B, N): (B, N', D)."""
        ...

    def arranged(self, rows: Tensor, states: int) -> Tensor:
        """Outputs by state, from those of the head for the flat rows (B N', *atoms, [K,] A)."""
        ...

    def read(self, outputs: Tensor) -> Tensor:
        """Values (B, N', [K,] A) of the return, whose mean over N' is Q, from `arranged` outputs."""
        ...


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of the return at random fractions (IQN), which a cosine embedding joins to the features."""

    cosines: int
    first_cosine: int

    @property
    def atoms(self) -> Atoms:
        return ()

    def rows(self, taus: int) -> int:
        return taus

    def fusion(self, features: int, activation: BuildActivation) -> nn.Module:
        return CosineFusion(features, self.cosines, self.first_cosine, activation)

    def arranged(self, rows: Tensor, states: int) -> Tensor:
        return rows.unflatten(0, (states, -1))

    def read(self, outputs: Tensor) -> Tensor:
        return outputs


@dataclass(frozen=True)
class BinMeans:
    """Q as the mean of a distribution over `bins`, of which the head gives the logits (arXiv:2403.03950).

    Outputs are (B, bins, A); fractions are not looked at, and N' is 1.
    """

    bins: Bins

    @property
    def atoms(self) -> Atoms:
        return (self.bins.count,)

    def rows(self, taus: int) -> int:
        return 1

    def fusion(self, features: int, activation: BuildActivation) -> nn.Module:
        return FeaturesAlone()

    def arranged(self, rows: Tensor, states: int) -> Tensor:
        return rows

    def read(self, outputs: Tensor) -> Tensor:
        return self.bins.mean(outputs)[:, None]


class FeaturesAlone(nn.Module):
    """One row for each state: (B, D), fractions -> (B, 1, D)."""

    def forward(self, features: Tensor, taus: Tensor) -> Tensor:
        return features[:, None, :]
