"""The mean-expansion head against its formula, and how it shares an update between actions."""

from __future__ import annotations

import pytest
import torch

from btr_tm.nets.layers import LayerNorm
from btr_tm.nets.mean_expansion import MeanExpansionHead

from .helpers import HEAD, dueling, initialised, noisy


def built(**options) -> MeanExpansionHead:
    return initialised(MeanExpansionHead(6, 4, hidden=8, **(HEAD | {"k": 1.0} | options)))


def features(rows: int = 5) -> torch.Tensor:
    return torch.randn(rows, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("k", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("block", [(), (3,)])
def test_the_mean_over_actions_is_added_k_times(k: float, block) -> None:
    head, x = built(k=k, block=block), features()
    z = head.values_out(head.hidden(x)).detach().double().reshape(5, *block, 4)
    expected = torch.zeros_like(z)
    for index in torch.cartesian_prod(*(torch.arange(size) for size in z.shape)).tolist():
        row = z[tuple(index[:-1])]
        expected[tuple(index)] = row[index[-1]] + k * sum(row.tolist()) / 4
    torch.testing.assert_close(head(x).detach().double(), expected, atol=1e-6, rtol=1e-6)


def test_greedy_actions_and_gaps_do_not_depend_on_k() -> None:
    x = features(64)
    plain, expanded = built(k=0.0)(x), built(k=3.0)(x)
    assert torch.equal(plain.argmax(1), expanded.argmax(1))
    torch.testing.assert_close(plain - plain[:, :1], expanded - expanded[:, :1], atol=1e-5, rtol=0.0)


def test_an_update_of_one_action_moves_the_others_by_the_share_that_is_promised() -> None:
    head, x, k = built(k=1.5), features(1), 1.5
    before = head(x)
    before[0, 2].backward()
    gradient = head.values_out.bias.grad  # dq_2 / dz
    moved = gradient + k * gradient.mean()
    torch.testing.assert_close(moved[[0, 1, 3]], torch.full((3,), k * (2 + k) / 4))
    assert moved[2].item() == pytest.approx(1 + k * (2 + k) / 4)


def test_on_a_dueling_head_the_layer_would_only_scale_the_value() -> None:
    head = initialised(dueling(6, 4, hidden=8))
    q, value = head(features()), head.value_out(head.value(features()))
    torch.testing.assert_close(q + 2.0 * q.mean(1, keepdim=True), q + 2.0 * value, atol=1e-6, rtol=1e-5)


def test_noise_and_layer_norm_are_built_in_like_in_the_dueling_head() -> None:
    head = built(linear=noisy(), norm=LayerNorm())
    names = [type(module).__name__ for module in head.modules()]
    assert names.count("NoisyLinear") == 2 and names.count("LayerNorm") == 1
    assert head.last_layers() == [head.values_out]


def test_the_layer_has_no_parameters() -> None:
    assert sum(p.numel() for p in built().parameters()) == (6 * 8 + 8) + (8 * 4 + 4)
