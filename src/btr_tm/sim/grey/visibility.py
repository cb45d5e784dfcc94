"""Two ways to compute one and the same picture: in few operations, for eager execution, or in few loops, for
a compiler, which joins operations by itself but works out anew whatever it is not told to keep.

Letters in shapes: E cars, K samples, H rows, W columns, Q quadrilaterals, h w a window of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from btr_tm.sim.grey.columns import Chain, Fence


class Stepwise:
    """Enters each sample at its row, then fills downward: few operations, for eager execution."""

    def seen(self, chain: Chain, fence: Fence, number: Tensor, middle: Tensor) -> tuple[Tensor, Chain]:
        """First sample (E, H, W) not below each pixel, K where none is, and the chain with the fence in.

        `number` (1, K, 1) counts the samples, `middle` (1, H, 1) holds the middles of successive rows.
        """
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

    def kept(self, *values: Tensor) -> Sequence[Tensor]:
        """Values of one shape that are read often."""
        return values

    def table(self, rows: Tensor) -> Tensor:
        """Rows that are looked up often."""
        return rows

    def covers(self, left: Tensor, right: Tensor, high: Tensor, x: Tensor) -> Sequence[Tensor]:
        """Share (E, h, w) of each pixel inside each quadrilateral, from its outline (E, Q, h) in each row.

        `x` (w,) holds the middles of the columns, `high` the share of each row that is inside.
        """
        wide = torch.minimum(x + 0.5 - left[..., None], right[..., None] + 0.5 - x)
        return wide.clamp_(0, 1).mul_(high[..., None]).unbind(1)


class Joined(Stepwise):
    """Compares every sample with every row, in a single loop once compiled, but far too large eagerly."""

    def seen(self, chain: Chain, fence: Fence, number: Tensor, middle: Tensor) -> tuple[Tensor, Chain]:
        """As above."""
        count, number = number.shape[1], number.int()
        # Whole numbers of 32 bits: the least of them is found at twice the speed of floats.
        first = number[..., None].masked_fill(chain.row[:, :, None] > middle, count).amin(1)  # (E, H, W)
        at = fence.at.int()
        beyond = torch.where(fence.foot.row > middle, count, at)
        moved = (torch.where(number == at, new, old) for old, new in zip(chain, fence.foot, strict=True))
        return torch.where(first < at, first, beyond), Chain(*moved)

    def kept(self, *values: Tensor) -> Sequence[Tensor]:
        """Written to memory: a compiler would work them out anew wherever they are read."""
        return torch.stack(values).unbind(0)

    def table(self, rows: Tensor) -> Tensor:
        """Likewise."""
        return torch.cat(rows.tensor_split(2))

    def covers(self, left: Tensor, right: Tensor, high: Tensor, x: Tensor) -> Sequence[Tensor]:
        """As above, one by one, so that none has to be written to memory."""
        left, right, high = self.kept(left, right, high)
        whole, each = super().covers, [slice(number, number + 1) for number in range(left.shape[1])]
        return [whole(left[:, one], right[:, one], high[:, one], x)[0] for one in each]
