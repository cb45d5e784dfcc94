"""What an image encoder is to learn from pictures alone, and what its features go through for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.types import Batch
from btr_tm.losses.contrastive import info_nce, matched, similarities
from btr_tm.nets.augmentation import Augmentation
from btr_tm.nets.builders import BuildPart, Pixels

Judge = Callable[[Tensor], Tensor]  # an encoder and the part that an objective has built on its features


class Score(NamedTuple):
    """How far the network is from what is wanted of it."""

    loss: Tensor  # (B,)
    figures: dict[str, Tensor]  # scalars


class Objective(Protocol):
    """What an encoder is to learn from the pictures of a batch; `generator` is on their device.

    `part` builds what its features go through: the network asks for that.
    """

    @property
    def part(self) -> BuildPart: ...

    def __call__(self, net: Judge, batch: Batch, generator: torch.Generator) -> Score: ...


@dataclass(frozen=True)
class Reconstruction:
    """Mean squared error between each picture and what a decoder makes of its features (an auto-encoder).

    Pictures count in the numbers of `pixels`, which the encoder reads.
    """

    part: BuildPart
    pixels: Pixels

    def __call__(self, net: Judge, batch: Batch, generator: torch.Generator) -> Score:
        wanted = self.pixels(batch.obs.image)
        return Score((net(batch.obs.image) - wanted).square().flatten(1).mean(1), {})


@dataclass(frozen=True)
class Contrast:
    """A picture finds the one that the same car saw an n-step return later, among those of other rows.

    Augmented temporal contrast (Stooke et al. 2021, arXiv:2009.08319), without a momentum encoder. Similarity
    is the cosine over `temperature`. Both pictures of a pair are augmented by themselves, for else the
    appearance of a race would be enough to find the partner.
    """

    compares_rows: ClassVar[bool] = True

    part: BuildPart
    temperature: float
    augment: Augmentation

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise UserError(f"net.objective.temperature must be above 0, got {self.temperature}")

    def __call__(self, net: Judge, batch: Batch, generator: torch.Generator) -> Score:
        seen = (self.augment(obs.image, generator) for obs in (batch.obs, batch.next_obs))
        first, second = net(torch.cat(list(seen))).chunk(2)
        logits = similarities(first, second, self.temperature)
        return Score(info_nce(logits), {"matched": matched(logits.detach())})
