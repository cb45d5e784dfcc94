"""An update where each decision is a block of several actions: loss, gradient, and the block of one."""

from __future__ import annotations

import pytest
import torch

from btr_tm.core.types import Batch, Step
from btr_tm.losses.quantile import draw_taus
from btr_tm.targets.greedy import DoubleDqn, Max

from ..nets.helpers import ALL_OFF, ALL_ON, network, observations, random_batch
from ..targets.helpers import munchausen
from .helpers import learner

K = 3


def blocks(rows: int, seed: int = 0, inner: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed + 9)

    def action() -> torch.Tensor:
        return torch.randint(0, 12, (rows, K), generator=generator)

    steps = tuple(
        Step(observations(rows, seed=seed + 20 + k), action(), torch.full((rows,), 0.9 ** (k + 1)))
        for k in range(inner)
    )
    return random_batch(rows, seed)._replace(action=action(), inner=steps)


def slow_loss(online, target, batch: Batch, seed: int) -> torch.Tensor:
    """Quantile Huber loss of block values with a DDQN target, sample by sample, quantile by quantile."""
    generator = torch.Generator().manual_seed(seed)
    rows = len(batch.weight)
    taus, target_taus = draw_taus(rows, 4, generator), draw_taus(rows, 4, generator)
    prediction = online(batch.obs, taus)
    chooser, judge = online(batch.next_obs, target_taus), target(batch.next_obs, target_taus)
    total = torch.zeros(())
    for b in range(rows):
        for i in range(4):
            value = sum(prediction[b, i, k, batch.action[b, k]] for k in range(K))
            for j in range(4):
                best = [chooser[b, :, k].mean(0).argmax() for k in range(K)]
                follows = sum(judge[b, j, k, best[k]] for k in range(K))
                delta = batch.reward[b] + batch.discount[b] * follows - value
                huber = 0.5 * delta**2 if delta.abs() <= 1 else delta.abs() - 0.5
                total = total + batch.weight[b] * (taus[b, i] - float(delta < 0)).abs() * huber / 4
    return total / rows


def test_loss_of_an_update_on_blocks_equals_a_slow_loop() -> None:
    one, batch = learner(network(**ALL_OFF, block=(K,)), target=DoubleDqn()), blocks(5)
    with torch.no_grad():
        expected = slow_loss(one.online, one.target_net, batch, seed=2)
        q = one.online(batch.obs, draw_taus(5, 4, torch.Generator().manual_seed(2))).mean(1)
    metrics = one.update(batch).metrics
    torch.testing.assert_close(metrics["loss"], expected, atol=1e-5, rtol=1e-5)
    top = q.sort(-1, descending=True).values
    expected_metrics = {
        "q_max": sum(top[:, k, 0] for k in range(K)).mean(),  # of the whole decision
        "q_mean": sum(q[torch.arange(5), k, batch.action[:, k]] for k in range(K)).mean(),
        "action_gap": (top[..., 0] - top[..., 1]).mean(),  # of a single action
    }
    for name, value in expected_metrics.items():
        torch.testing.assert_close(metrics[name], value, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "target",
    [Max("mean"), Max("quantile"), munchausen(), munchausen(nstep="all"), munchausen(log_pi_from="target")],
)
def test_micro_batches_of_blocks_give_the_gradient_of_the_whole_batch(target) -> None:
    batch, gradients = blocks(7, inner=2 * (target.states == "all")), []
    for micro_batch in (7, 3):
        one = learner(network(**ALL_ON, block=(K,)), target=target, micro_batch=micro_batch)
        update = one.update(batch)
        assert all(bool(value.isfinite()) for value in update.metrics.values())
        gradients.append(one.step.gradient.clone())
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])
def test_an_update_on_blocks_of_one_is_that_on_single_actions_bit_for_bit(parts) -> None:
    batch, states = random_batch(6), []
    for block in ((), (1,)):
        one = learner(network(**parts, block=block))
        for _ in range(2):
            one.update(batch._replace(action=batch.action.reshape(6, *block)))
        states.append(one.online.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
