"""The whole network: image encoder, float head, fusion with the fractions, head, reading of values."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from btr_tm.core.block import Block
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Obs
from btr_tm.nets.backbone import BuildBackbone
from btr_tm.nets.builders import BuildActivation, BuildNorm, DrawWeights
from btr_tm.nets.encoder.encoder import ImageEncoder
from btr_tm.nets.floats import float_head
from btr_tm.nets.heads import Head
from btr_tm.nets.network import Network, refuse_blind
from btr_tm.nets.precision import Precision
from btr_tm.nets.state_fusion import BuildStateFusion
from btr_tm.nets.values import Values


class IQN(Network):
    """Implicit quantile network (Dabney et al. 2018, arXiv:1806.06923) over an image and a float vector.

    `encoder(image_shape)`, `head(features, actions, block=, atoms=)` and `float_norm(features)` are builders;
    `state_fusion` and `backbone` build how picture and floats meet, and what follows before the fractions.
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
        state_fusion: BuildStateFusion,
        backbone: BuildBackbone,
        float_hidden: int,
        float_norm: BuildNorm,
        activation: BuildActivation,
        weights: DrawWeights,
        precision: Precision,
        block: Block,
        device: torch.device,
    ) -> None:
        super().__init__(precision, device)
        self.encoder = encoder(image_shape)
        self.float_head = float_head(layout, float_hidden, float_norm, activation)
        refuse_blind(self.encoder.out_features + self.float_head.out_features)
        self.state_fusion = state_fusion(self.encoder, self.float_head.out_features, activation)
        self.backbone, features = backbone(self.state_fusion.out_features)
        self.reading = values
        self.fusion = values.fusion(features, activation)
        self.head = head(features, actions, block=block, atoms=values.atoms)
        self.settle(generator, weights)

    def features(self, obs: Obs) -> Tensor:
        """Features (B, D) of the state, which do not depend on the fractions."""
        features = self.look(obs, self.encoder, self.float_head, self.state_fusion)
        with self._autocast(features, "bf16"):
            return self.backbone(features).float()

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

    def answers(self, obs: Obs, taus: int) -> Tensor:
        """What the loss scores, at `taus` fractions."""
        return self(obs, obs.floats.new_zeros(len(obs.floats), taus))

    def last_layers(self) -> list[nn.Module]:
        """The layers whose outputs are advantages and value."""
        return self.head.last_layers()
