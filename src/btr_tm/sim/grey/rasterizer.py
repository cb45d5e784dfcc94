"""Which sample of the road, and which share of a quadrilateral, each pixel shows: computed in two ways.

Run eagerly, time goes by the number of operations. A compiler fuses operations into loops by itself, but
computes a value anew wherever it is read, unless it is told to write it to memory. The pictures are equal.
Letters in shapes: E cars, K samples, H rows, W columns, Q quadrilaterals, h w a window of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from btr_tm.sim.grey.columns import Chain, Fence


class Rasterizer(Protocol):
    """From geometry to pixels."""

    def first_visible(
        self, chain: Chain, fence: Fence, number: Tensor, middle: Tensor
    ) -> tuple[Tensor, Chain]:
        """First sample (E, H, W) not below each pixel, K where none is, and the chain with the fence in.

        `number` (1, K, 1) counts the samples, `middle` (1, H, 1) holds the middles of successive rows.
        """
        ...

    def materialized(self, *values: Tensor) -> Sequence[Tensor]:
        """The same `values`, all of one shape, in memory: they are read often."""
        ...

    def materialized_rows(self, rows: Tensor) -> Tensor:
        """The same `rows` in memory: they are looked up often."""
        ...

    def coverage(self, left: Tensor, right: Tensor, high: Tensor, x: Tensor) -> Sequence[Tensor]:
        """Share (E, h, w) of each pixel inside each quadrilateral, from its outline (E, Q, h) in each row.

        `x` (w,) holds the middles of the columns, `high` the share of each row that is inside.
        """
        ...


class EagerRasterizer:
    """Enters each sample at its row, then fills downward: few operations."""

    def first_visible(
        self, chain: Chain, fence: Fence, number: Tensor, middle: Tensor
    ) -> tuple[Tensor, Chain]:
        for values, new in zip(chain, fence.foot, strict=True):
            values.scatter_(1, fence.at, new)
        cars, count, width = chain.row.shape
        height = middle.shape[1]
        first_row = torch.ceil(chain.row - middle[:, :1]).clamp_(0, height)
        first_row = first_row.masked_fill_(number > fence.sample, height).long()
        first = torch.full((cars, height + 1, width), count, dtype=torch.uint8, device=first_row.device)
        number = number.to(torch.uint8).expand_as(first_row)
        first = first.scatter_reduce(1, first_row, number, "amin")[:, :-1]
        step = 1
        while step < height:  # running minimum down each column
            first = torch.cat([first[:, :step], torch.minimum(first[:, step:], first[:, :-step])], 1)
            step *= 2
        return first.int(), chain

    def materialized(self, *values: Tensor) -> Sequence[Tensor]:
        return values

    def materialized_rows(self, rows: Tensor) -> Tensor:
        return rows

    def coverage(self, left: Tensor, right: Tensor, high: Tensor, x: Tensor) -> Sequence[Tensor]:
        return _coverage(left, right, high, x).unbind(1)


class CompiledRasterizer:
    """Compares every sample with every row: one loop once compiled, but far too many numbers eagerly."""

    def first_visible(
        self, chain: Chain, fence: Fence, number: Tensor, middle: Tensor
    ) -> tuple[Tensor, Chain]:
        count, number = number.shape[1], number.int()
        # Whole numbers of 32 bits: the least of them is found at twice the speed of floats.
        first = number[..., None].masked_fill(chain.row[:, :, None] > middle, count).amin(1)  # (E, H, W)
        at = fence.at.int()
        beyond = torch.where(fence.foot.row > middle, count, at)
        moved = (torch.where(number == at, new, old) for old, new in zip(chain, fence.foot, strict=True))
        return torch.where(first < at, first, beyond), Chain(*moved)

    def materialized(self, *values: Tensor) -> Sequence[Tensor]:
        return torch.stack(values).unbind(0)  # a stack is not fused into what reads it

    def materialized_rows(self, rows: Tensor) -> Tensor:
        return torch.cat(rows.tensor_split(2))  # nor is a concatenation

    def coverage(self, left: Tensor, right: Tensor, high: Tensor, x: Tensor) -> Sequence[Tensor]:
        left, right, high = self.materialized(left, right, high)
        # One by one, so that no share has to be written to memory.
        each = [slice(number, number + 1) for number in range(left.shape[1])]
        return [_coverage(left[:, one], right[:, one], high[:, one], x)[:, 0] for one in each]


def _coverage(left: Tensor, right: Tensor, high: Tensor, x: Tensor) -> Tensor:
    """Shares (E, Q, h, w)."""
    wide = torch.minimum(x + 0.5 - left[..., None], right[..., None] + 0.5 - x)
    return wide.clamp_(0, 1).mul_(high[..., None])
