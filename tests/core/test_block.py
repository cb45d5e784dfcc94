"""Values of decisions that are blocks of several actions."""

from __future__ import annotations

import torch

from btr_tm.core.block import by_slot, of_action

B, N, K, A = 5, 4, 3, 6


def test_values_of_decisions_are_sums_over_slots() -> None:
    generator = torch.Generator().manual_seed(2)
    quantiles = torch.randn(B, N, K, A, generator=generator)
    action = torch.randint(A, (B, K), generator=generator)
    slow = torch.tensor(
        [[sum(float(quantiles[b, n, k, action[b, k]]) for k in range(K)) for n in range(N)] for b in range(B)]
    )
    torch.testing.assert_close(of_action(quantiles, action), slow)
    torch.testing.assert_close(of_action(quantiles.mean(1), action), slow.mean(1))
    single = quantiles[:, :, 0]
    assert torch.equal(of_action(single, action[:, 0]), single[torch.arange(B), :, action[:, 0]])
    assert torch.equal(of_action(single[:, 0], action[:, 0]), single[torch.arange(B), 0, action[:, 0]])
    assert by_slot(single, 2).shape == (B, N, 1, A) and by_slot(quantiles, 2).shape == quantiles.shape
