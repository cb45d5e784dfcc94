"""The learner step that is compared across machines: full-size BTR on made-up pixels, no environment."""

from __future__ import annotations

import torch

from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import EnvironmentSpec, Spec
from btr_tm.core.types import Batch, Obs


def images_only(image_shape: tuple[int, int, int], actions: int) -> Spec:
    """Of an environment that shows images and nothing else."""
    return Spec(image_shape, FloatLayout.generic(0), actions)


SMALL_IMAGE = images_only((1, 64, 64), 12)  # what our camera shows, and our actions
ATARI = images_only((4, 84, 84), 18)


def batch_of(spec: EnvironmentSpec, size: int, generator: torch.Generator) -> Batch:
    """Random transitions on the generator's device, of which every twentieth ended its race."""
    device = generator.device

    def look() -> Obs:
        pixels = torch.randint(
            0, 256, (size, *spec.image_shape), dtype=torch.uint8, generator=generator, device=device
        )
        return Obs(pixels, torch.zeros(size, spec.layout.size, device=device))

    ended = torch.rand(size, generator=generator, device=device) < 0.05
    return Batch(
        obs=look(),
        action=torch.randint(0, spec.actions, (size,), generator=generator, device=device),
        reward=torch.randn(size, generator=generator, device=device),
        discount=torch.where(ended, 0.0, 0.997**3),
        next_obs=look(),
        weight=torch.rand(size, generator=generator, device=device) + 0.5,
        index=torch.arange(size, device=device),
    )
