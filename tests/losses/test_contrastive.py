"""The contrastive loss against a slow loop and a closed form."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.losses.contrastive import info_nce, matched, similarities


def test_the_loss_is_that_of_a_slow_loop() -> None:
    draw = torch.Generator().manual_seed(0)
    first, second = (
        torch.nn.functional.normalize(torch.randn(5, 3, generator=draw, dtype=torch.float64), dim=1)
        for _ in range(2)
    )
    found = info_nce(similarities(first, second, 0.2))
    alike = [
        [sum(a * b for a, b in zip(x, y, strict=True)) / 0.2 for y in second.tolist()] for x in first.tolist()
    ]
    for i in range(5):
        forth = -math.log(math.exp(alike[i][i]) / sum(math.exp(alike[i][j]) for j in range(5)))
        back = -math.log(math.exp(alike[i][i]) / sum(math.exp(alike[j][i]) for j in range(5)))
        assert float(found[i]) == pytest.approx((forth + back) / 2, abs=1e-12)
    right = sum(max(range(5), key=row.__getitem__) == i for i, row in enumerate(alike))
    assert float(matched(similarities(first, second, 0.2))) == pytest.approx(right / 5)


def test_what_cannot_be_told_apart_costs_the_logarithm_of_their_number() -> None:
    same = torch.ones(8, 2) / math.sqrt(2)
    assert info_nce(similarities(same, same, 0.1)).tolist() == pytest.approx([math.log(8)] * 8, rel=1e-5)
