"""Networks that give bins instead of quantiles."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.bins import Bins
from btr_tm.nets.values import BinMeans

from .helpers import ALL_OFF, ALL_ON, network, observations

BINS = Bins(-2.0, 2.0, 5)  # centres -1.6, -0.8, 0, 0.8, 1.6


@pytest.mark.parametrize("parts", [ALL_ON, ALL_OFF], ids=["all on", "all off"])
def test_bins_have_a_value_stream_of_their_own(parts) -> None:
    """Q is the mean over the softmax of V + A - mean A of each bin; fractions are not looked at."""
    net, obs = network(**parts, values=BinMeans(BINS)), observations(3)
    net.disable_noise()
    with torch.no_grad():
        outputs = net(obs, torch.rand(3, 4))
        hidden = net.features(obs)
        advantage = net.head.advantage_out(net.head.advantage(hidden)).unflatten(-1, (5, 12))
        value = net.head.value_out(net.head.value(hidden)).unflatten(-1, (5, 1))
        q = net.values(obs, torch.rand(3, 9))
    assert outputs.shape == (3, 5, 12) and q.shape == (3, 1, 12)
    torch.testing.assert_close(outputs, value + advantage - advantage.mean(-1, keepdim=True))
    centres = torch.tensor([-1.6, -0.8, 0.0, 0.8, 1.6])
    slow = [[float((outputs[b, :, a].softmax(0) * centres).sum()) for a in range(12)] for b in range(3)]
    torch.testing.assert_close(q[:, 0], torch.tensor(slow))


def test_quantiles_are_read_as_they_are() -> None:
    net, obs, taus = network(), observations(3), torch.rand(3, 4)
    assert torch.equal(net.values(obs, taus), net(obs, taus))
