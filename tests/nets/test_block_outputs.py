"""What networks answer where a decision is a block of actions, and nothing new for single ones."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.floats import FloatLayout

from .helpers import ALL_OFF, ALL_ON, dueling, network, noisy, observations


@pytest.mark.parametrize("block", [(), (5,)])
def test_blocks_add_the_published_number_of_parameters(block: tuple, monkeypatch) -> None:
    """Linesight's base for 25 previous actions; five actions put 512 x 60 + 60 in place of 512 x 12 + 12."""
    monkeypatch.setattr("btr_tm.nets.network.initialise", lambda *_: None)  # counting needs no weights
    layout = FloatLayout.full(previous_actions=25)
    net = network((1, 64, 64), layout, hidden=512, cosines=128, float_hidden=256, block=block)
    count = sum(parameter.numel() for parameter in net.parameters())
    assert count == (1_096_909 if block else 1_072_285)


@pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])
def test_a_block_of_one_is_the_network_of_single_actions_bit_for_bit(parts) -> None:
    single, block = network(seed=3, **parts), network(seed=3, block=(1,), **parts)
    state, again = single.state_dict(), block.state_dict()
    assert state.keys() == again.keys()
    assert all(torch.equal(state[key], again[key]) for key in state)
    obs, taus = observations(4), torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(single(obs, taus), block(obs, taus)[:, :, 0])


@pytest.mark.parametrize("linear", [ALL_OFF["linear"], noisy()], ids=["plain", "noisy"])
def test_slots_share_the_value_and_have_advantages_of_their_own(linear) -> None:
    """Q_i(a) = V + A_i(a) - mean_a A_i for each slot i, the advantages being laid out slot after slot."""
    head = dueling(7, 4, hidden=6, linear=linear, block=(3,))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x = torch.randn(5, 7, generator=generator)
    q = head(x)
    assert q.shape == (5, 3, 4)
    advantages, value = head.advantage_out(head.advantage(x)), head.value_out(head.value(x))
    for row in range(5):
        for slot in range(3):
            own = advantages[row, 4 * slot : 4 * slot + 4]
            torch.testing.assert_close(q[row, slot], value[row] + own - own.mean())


def test_a_block_gives_quantiles_for_every_slot() -> None:
    net = network(**ALL_ON, block=(5,))
    q = net(observations(3), torch.rand(3, 6))
    assert q.shape == (3, 6, 5, 12) and q.dtype == torch.float32
