"""A policy and a value of the state, from the same image and float heads as the quantile network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from btr_tm.core.block import Block
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Obs
from btr_tm.nets.builders import BuildActivation, BuildLinear, BuildNorm, DrawWeights
from btr_tm.nets.encoder.encoder import ImageEncoder
from btr_tm.nets.floats import float_head
from btr_tm.nets.heads import Head, hidden_layer
from btr_tm.nets.linear import Linear
from btr_tm.nets.network import Network, refuse_blind
from btr_tm.nets.precision import Precision
from btr_tm.nets.state_fusion import BuildStateFusion

NEW_POLICY_GAIN = 0.01  # a new policy chooses nearly evenly (Andrychowicz et al. 2021, arXiv:2006.05990, 3.2)


class Opinion(NamedTuple):
    """What an actor and a critic say of B states."""

    logits: Tensor  # (B, [K,] A) float32, of the actions
    value: Tensor  # (B,) float32, of the return


class ActorCritic(Network):
    """Logits of the actions and value of the state, from an image and a float vector.

    Each is one hidden layer of `hidden` units on the features. With `shared` actor and critic look through
    one image encoder and one float head, else the critic has its own. Builders as of `nets.iqn.IQN`; `linear`
    and `norm` are those of a head. `precision` "bf16" or "fp16" runs the image encoders in that format;
    everything else is float32. Raises UserError if there is neither an image encoder nor a float.
    """

    has_policy = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        layout: FloatLayout,
        actions: int,
        encoder: Callable[[tuple[int, int, int]], ImageEncoder],
        hidden: int,
        linear: BuildLinear,
        norm: BuildNorm,
        shared: bool,
        state_fusion: BuildStateFusion,
        generator: torch.Generator,
        float_hidden: int,
        activation: BuildActivation,
        weights: DrawWeights,
        precision: Precision,
        block: Block,
        device: torch.device,
    ) -> None:
        super().__init__(precision, device)
        floats = (layout, float_hidden, norm, activation)
        self.encoder, self.float_head = encoder(image_shape), float_head(*floats)
        self.critic_encoder = None if shared else encoder(image_shape)
        self.critic_float_head = None if shared else float_head(*floats)
        floats_seen = self.float_head.out_features
        refuse_blind(self.encoder.out_features + floats_seen)
        self.state_fusion = state_fusion(self.encoder, floats_seen, activation)
        self.critic_state_fusion = None if shared else state_fusion(self.encoder, floats_seen, activation)
        features = self.state_fusion.out_features
        self.shape = (*block, actions)
        last = Linear(hidden, math.prod(self.shape), NEW_POLICY_GAIN)
        self.actor = _Stream(hidden_layer(features, hidden, linear, norm, activation), last)
        last = Linear(hidden, 1, 1.0)
        self.critic = _Stream(hidden_layer(features, hidden, linear, norm, activation), last)
        self.settle(generator, weights)

    def forward(self, obs: Obs) -> Opinion:
        """What actor and critic say."""
        features = self.look(obs, self.encoder, self.float_head, self.state_fusion)
        logits = self.actor(features).unflatten(-1, self.shape)
        return Opinion(logits, self.critic(self._critic_features(obs, features))[:, 0])

    def logits(self, obs: Obs) -> Tensor:
        """(B, [K,] A), of the actor alone."""
        return self.actor(self.look(obs, self.encoder, self.float_head, self.state_fusion)).unflatten(
            -1, self.shape
        )

    def _critic_features(self, obs: Obs, features: Tensor) -> Tensor:
        encoder, floats, fusion = self.critic_encoder, self.critic_float_head, self.critic_state_fusion
        if encoder is None or floats is None or fusion is None:
            return features
        return self.look(obs, encoder, floats, fusion)

    def last_layers(self) -> list[nn.Module]:
        return [self.actor.last, self.critic.last]


class _Stream(Head):
    """One hidden layer and what it says, with all digits: (B, features) -> (B, outputs)."""

    def __init__(self, hidden: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.hidden, self.last = hidden, last

    def forward(self, features: Tensor) -> Tensor:
        return self.values(self.last, self.hidden(features))
