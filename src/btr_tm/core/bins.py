"""Bins of equal width over a range of numbers, and the mean of a distribution over them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from btr_tm.core.errors import UserError


@dataclass(frozen=True)
class Bins:
    """`count` bins of equal width from `low` to `high`. Raises UserError if they hold no range of numbers."""

    low: float
    high: float
    count: int

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise UserError(f"bins need low below high, got {self.low} and {self.high}")
        if self.count < 2:
            raise UserError(f"two bins are the least, got {self.count}")

    @property
    def width(self) -> float:
        return (self.high - self.low) / self.count

    def edges(self, like: Tensor) -> Tensor:
        """(count + 1,) on the device of `like`, float32."""
        return torch.linspace(self.low, self.high, self.count + 1, device=like.device)

    def mean(self, logits: Tensor) -> Tensor:
        """Of the centres, with the shares softmax(logits): (B, count, ...) -> (B, ...)."""
        edges = self.edges(logits)
        centres = (edges[1:] + edges[:-1]) / 2
        return torch.einsum("bn...,n->b...", torch.softmax(logits, 1), centres)
