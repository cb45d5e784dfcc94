"""The learner step that is compared across machines: full-size BTR on made-up pixels, no environment."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from btr_tm.core.block import Block
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Batch, Obs


@dataclass(frozen=True)
class FullSize:
    """What a network has to know of an environment that shows images and nothing else."""

    image_shape: tuple[int, int, int]
    actions: int
    layout: FloatLayout = FloatLayout.generic(0)  # noqa: RUF009 (frozen)
    block: Block = ()


SMALL_IMAGE = FullSize((1, 64, 64), 12)  # what our camera shows, and our actions
ATARI = FullSize((4, 84, 84), 18)


def batch_of(shape: FullSize, size: int, generator: torch.Generator) -> Batch:
    """Random transitions on the generator's device, of which every twentieth ended its race."""
    device = generator.device

    def look() -> Obs:
        pixels = torch.randint(
            0, 256, (size, *shape.image_shape), dtype=torch.uint8, generator=generator, device=device
        )
        return Obs(pixels, torch.zeros(size, shape.layout.size, device=device))

    ended = torch.rand(size, generator=generator, device=device) < 0.05
    return Batch(
        obs=look(),
        action=torch.randint(0, shape.actions, (size,), generator=generator, device=device),
        reward=torch.randn(size, generator=generator, device=device),
        discount=torch.where(ended, 0.0, 0.997**3),
        next_obs=look(),
        weight=torch.rand(size, generator=generator, device=device) + 0.5,
        index=torch.arange(size, device=device),
    )
