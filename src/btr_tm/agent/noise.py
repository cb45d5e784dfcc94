"""When the learner redraws the parameter noise of its two networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from btr_tm.nets.iqn import IQN


class RedrawNoise(Protocol):
    """Called before every update; `samples` in the batch, which layers with noise per sample need to know."""

    def __call__(self, online: IQN, target: IQN, generator: torch.Generator, samples: int) -> None: ...


@dataclass(frozen=True)
class RedrawBoth:
    """New noise in both networks before every update (the published TrackMania runs)."""

    def __call__(self, online: IQN, target: IQN, generator: torch.Generator, samples: int) -> None:
        online.reset_noise(generator, samples)
        target.reset_noise(generator, samples)


@dataclass(frozen=True)
class ShareWithActing:
    """New noise in the target only; the online network learns with what it last acted with (BTR's code).

    Noise per sample cannot be shared, since the samples of a batch are not the cars that acted.
    """

    shares_noise = True

    def __call__(self, online: IQN, target: IQN, generator: torch.Generator, samples: int) -> None:
        target.reset_noise(generator)
