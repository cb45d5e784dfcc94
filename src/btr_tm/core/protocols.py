"""The seams between packages, where more than one implementation exists."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor

from btr_tm.core.types import Batch, Chunk, Obs


class QNet(Protocol):
    """A quantile network; deterministic apart from its own noise buffers."""

    def __call__(self, obs: Obs, taus: Tensor) -> Tensor:
        """Quantiles (B, N, A), or (B, N, K, A), of the return at the fractions `taus` (B, N)."""
        ...


class NetPair(NamedTuple):
    """The network that learns and the slow copy that supplies targets."""

    online: QNet
    target: QNet


class TargetFn(Protocol):
    """Builds the regression target of the quantile loss."""

    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor:
        """Target quantiles (B, N), without gradient, from the prediction `q_online` (B, N', [K,] A)."""
        ...


class Decision(NamedTuple):
    """What a policy answers."""

    action: Tensor  # (E,) int64, or (E, K)
    greedy: Tensor  # (E,) bool, action is the argmax of q, in every slot of a block
    q: Tensor  # (E, A) float32, or (E, K, A), mean over quantiles


class Policy(Protocol):
    """Chooses actions; holds its own random generator."""

    def act(self, obs: Obs, explore: bool) -> Decision:
        """One decision per car; with `explore=False` deterministic."""
        ...


class Collector(Protocol):
    """Drives cars and hands over what they experienced."""

    def collect(self, policy: Policy) -> Chunk:
        """Transitions and races since the last call; may be empty when the cars are remote."""
        ...
