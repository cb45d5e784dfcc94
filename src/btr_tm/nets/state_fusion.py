"""Where the picture meets the floats: how both become the features of a state. No convolutions of its own.

Letters in shapes: B states, C channels of the encoder's last map, D features, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from btr_tm.core.errors import UserError
from btr_tm.nets.builders import BuildActivation, DrawWeights
from btr_tm.nets.encoder.encoder import Encoder, ImageEncoder
from btr_tm.nets.linear import Linear


class StateFusion(nn.Module):
    """The base: `build(encoder, floats, activation)` for an encoder and `floats` features of floats."""

    needs_both = False  # a picture and floats
    out_features: int

    def forward(self, encoder: ImageEncoder, image: Tensor, floats: Tensor) -> Tensor:
        """Features (B, D), float32, of uint8 pictures (B, ...) and features (B, F) of the floats."""
        raise NotImplementedError


class Concat(StateFusion):
    """Features of the picture and of the floats side by side (Linesight and the published runs)."""

    def __init__(self, encoder: ImageEncoder, floats: int, activation: BuildActivation) -> None:
        super().__init__()
        self.out_features = encoder.out_features + floats

    def forward(self, encoder: ImageEncoder, image: Tensor, floats: Tensor) -> Tensor:
        return torch.cat([encoder(image).float(), floats], dim=1)


class Film(StateFusion):
    """The floats scale and shift each channel of the encoder's last map, before the pool (Perez et al. 2018,
    arXiv:1709.07871, equation 2); then both are side by side.

    Scales begin at 1 and shifts at 0: a new network is that of `Concat`.
    """

    needs_both = True

    def __init__(self, encoder: ImageEncoder, floats: int, activation: BuildActivation) -> None:
        super().__init__()
        channels = _map_of(encoder, floats).shape[1]
        self.modulate = Linear(floats, 2 * channels, gain=0.0)
        self.out_features = encoder.out_features + floats

    def initialise(self, generator: torch.Generator, weights: DrawWeights) -> None:
        """After the layer has drawn: no modulation, whatever rule drew it."""
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, encoder: ImageEncoder, image: Tensor, floats: Tensor) -> Tensor:
        assert isinstance(encoder, Encoder), type(encoder)
        scale, shift = self.modulate(floats)[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1) each
        seen = encoder.last_map(image) * (1 + scale) + shift
        return torch.cat([encoder.pooled(seen).float(), floats], dim=1)


class PatchTransformer(StateFusion):
    """A small transformer over the cells of the encoder's pooled map and tokens of the floats.

    Tokens have `width` numbers. Each of `layers` layers is attention of `heads` heads and a layer twice as
    wide, both after a layer norm (Xiong et al. 2020, arXiv:2002.04745). Cells have learnt positions
    (Dosovitskiy et al. 2021, arXiv:2010.11929). Read out are the mean of the cells and each float token.
    """

    needs_both = True

    def __init__(
        self,
        encoder: ImageEncoder,
        floats: int,
        activation: BuildActivation,
        width: int,
        heads: int,
        layers: int,
        float_tokens: int,
    ) -> None:
        super().__init__()
        if width < 1 or heads < 1:
            raise UserError(f"fusion.width and fusion.heads must be 1 or larger, got {width} and {heads}")
        if width % heads:
            raise UserError(f"fusion.heads ({heads}) must divide fusion.width ({width})")
        channels = _map_of(encoder, floats).shape[1]
        cells = encoder.out_features // channels
        self.channels, self.width = channels, width
        self.cells = Linear(channels, width, gain=1.0)
        self.position = nn.Parameter(torch.zeros(cells, width))
        self.float_tokens = Linear(floats, float_tokens * width, gain=1.0)
        self.layers = nn.Sequential(*(_Layer(width, heads, activation) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.out_features = (1 + float_tokens) * width

    def initialise(self, generator: torch.Generator, weights: DrawWeights) -> None:
        """All cells begin alike."""
        nn.init.zeros_(self.position)

    def forward(self, encoder: ImageEncoder, image: Tensor, floats: Tensor) -> Tensor:
        assert isinstance(encoder, Encoder), type(encoder)
        patches = encoder(image).unflatten(1, (self.channels, -1)).transpose(1, 2)  # (B, cells, C)
        cells = self.cells(patches) + self.position
        tokens = torch.cat([cells, self.float_tokens(floats).unflatten(1, (-1, self.width))], dim=1)
        mixed = self.norm(self.layers(tokens)).float()
        seen = mixed[:, : cells.shape[1]].mean(1)
        return torch.cat([seen, mixed[:, cells.shape[1] :].flatten(1)], dim=1)


class _Layer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): (B, T, width)."""

    def __init__(self, width: int, heads: int, activation: BuildActivation) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = Linear(width, 3 * width, gain=1.0)
        self.out = Linear(width, width, gain=1.0)
        self.mlp = nn.Sequential(Linear(width, 2 * width), activation(), Linear(2 * width, width, gain=1.0))

    def forward(self, x: Tensor) -> Tensor:
        parts = self.query_key_value(self.before_attention(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, T, width / heads) each
        share = (query @ key.transpose(-1, -2) * self.scale).softmax(-1)
        x = x + self.out((share @ value).transpose(1, 2).flatten(2))
        return x + self.mlp(self.before_mlp(x))


def _map_of(encoder: ImageEncoder, floats: int) -> Tensor:
    """The last map of `encoder` for one picture; UserError unless there are a picture and floats to mix."""
    if not isinstance(encoder, Encoder) or not floats:
        raise UserError(
            "only a picture and floats can be mixed early, and one is missing; choose fusion=concat"
        )
    with torch.no_grad():
        return encoder.last_map(torch.zeros(1, *encoder.image_shape, dtype=torch.uint8))


BuildStateFusion = Callable[[ImageEncoder, int, BuildActivation], StateFusion]  # encoder, features of floats
