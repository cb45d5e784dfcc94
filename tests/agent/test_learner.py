"""One update, looked at from all sides."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from functools import partial

import pytest
import torch
from torch import nn

from btr_tm.agent.loss_scaling import DynamicScaling
from btr_tm.agent.noise import RedrawBoth, ShareWithActing
from btr_tm.agent.parallel import SingleProcess, rows_of
from btr_tm.core.block import of_action
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import NetPair
from btr_tm.core.schedule import Constant
from btr_tm.losses.quantile import draw_taus, pairwise_td, quantile_huber
from btr_tm.losses.self_loss import NoSelfLoss
from btr_tm.losses.value_loss import QuantileHuber
from btr_tm.metrics.catalog import CATALOG
from btr_tm.nets.iqn import IQN
from btr_tm.targets.greedy import DoubleDqn, Max

from ..exploration.helpers import noise_and
from ..host_reads import HostReads
from ..nets.helpers import ALL_OFF, ALL_ON, PER_SAMPLE, network, observations, random_batch
from ..targets.helpers import munchausen
from .helpers import ADAM, LINESIGHT_SELF_LOSS, hard, learner, soft

BOTH = pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])


def parameters(net: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def slow_base_update(net: nn.Module, batch, seed: int, rate: float) -> None:
    """IQN with a DDQN target, sample by sample and quantile by quantile, and torch's own optimizer."""
    generator = torch.Generator().manual_seed(seed)
    rows = len(batch.action)
    taus, target_taus = draw_taus(rows, 4, generator), draw_taus(rows, 4, generator)
    prediction, following = net(batch.obs, taus), net(batch.next_obs, target_taus).detach()
    total = torch.zeros(())
    for b in range(rows):
        best = following[b].mean(0).argmax()
        for i in range(4):
            for j in range(4):
                y = batch.reward[b] + batch.discount[b] * following[b, j, best]
                delta = y - prediction[b, i, batch.action[b]]
                huber = 0.5 * delta**2 if delta.abs() <= 1 else delta.abs() - 0.5
                total = total + batch.weight[b] * (taus[b, i] - float(delta < 0)).abs() * huber / 4
    (total / rows).backward()
    optimizer = ADAM(net.parameters(), lr=rate)
    nn.utils.clip_grad_norm_(net.parameters(), 10.0)
    optimizer.step()


def test_first_update_of_the_base_equals_a_slow_loop_and_torchs_optimizer() -> None:
    net, twin, batch = network(**ALL_OFF), network(**ALL_OFF), random_batch(5)
    learner(net, target=DoubleDqn()).update(batch)
    slow_base_update(twin, batch, seed=2, rate=1e-3)
    torch.testing.assert_close(parameters(net), parameters(twin), atol=2e-5, rtol=1e-4)


@BOTH
@pytest.mark.parametrize("target", [munchausen(), munchausen(log_pi_from="target"), DoubleDqn(), Max("mean")])
def test_micro_batches_give_the_gradient_of_the_whole_batch(parts, target) -> None:
    batch, results = random_batch(10), []
    for micro_batch in (10, 3):
        whole = learner(network(**parts), target=target, micro_batch=micro_batch)
        update = whole.update(batch)
        results.append((whole.step.gradient.clone(), update))
    (gradient, update), (in_parts, update_in_parts) = results
    torch.testing.assert_close(in_parts, gradient, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(update_in_parts.priority, update.priority, atol=1e-5, rtol=1e-4)
    for name, value in update.metrics.items():
        torch.testing.assert_close(update_in_parts.metrics[name], value, atol=1e-5, rtol=1e-4)


def test_sum_over_the_batch_is_the_mean_times_its_size() -> None:
    gradients = []
    for reduction in ("mean", "sum"):
        one = learner(network(**ALL_ON), reduction=reduction, clip_norm=1e9)
        one.update(random_batch(6))
        gradients.append(one.step.gradient.clone())
    torch.testing.assert_close(gradients[1], 6 * gradients[0], atol=1e-5, rtol=1e-4)


@BOTH
def test_equal_seeds_give_equal_parameters(parts) -> None:
    results = []
    for _ in range(2):
        one = learner(network(**parts))
        for seed in range(3):
            one.update(random_batch(6, seed))
        results.append(parameters(one.online))
    assert torch.equal(*results)


@BOTH
def test_saved_and_loaded_learner_goes_on_bit_for_bit(parts, tmp_path) -> None:
    one = learner(network(**parts), target_sync=hard(3))
    for seed in range(4):
        one.update(random_batch(6, seed))
    torch.save(one.state_dict(), tmp_path / "learner.pt")
    other = learner(network(**parts, seed=8), seed=8, target_sync=hard(3))
    other.load_state_dict(torch.load(tmp_path / "learner.pt", weights_only=True))
    for seed in range(4, 8):
        batch = random_batch(6, seed)
        first, second = one.update(batch), other.update(batch)
        assert torch.equal(first.priority, second.priority)
        actions = [which.policy.act(batch.obs, explore=True).action for which in (one, other)]
        assert torch.equal(*actions)
    assert torch.equal(parameters(one.online), parameters(other.online))
    assert torch.equal(parameters(one.target_net), parameters(other.target_net))


@BOTH
def test_an_update_that_is_not_finite_is_refused_and_shows(parts) -> None:
    one = learner(network(**parts))
    one.update(random_batch(6, 0))
    before = parameters(one.online)
    broken = random_batch(6, 1)._replace(reward=torch.tensor([math.nan, math.inf] * 3))
    update = one.update(broken)
    assert not torch.isfinite(update.metrics["loss"])
    assert torch.equal(parameters(one.online), before)
    assert not update.priority.any()
    healthy = one.update(random_batch(6, 2))
    assert torch.isfinite(healthy.metrics["loss"])
    assert not torch.equal(parameters(one.online), before)


@BOTH
@pytest.mark.parametrize("target", [munchausen(), DoubleDqn(), Max("mean")])
def test_update_and_act_never_wait_for_the_device(parts, target) -> None:
    one = learner(network(**parts), target=target, optimizer=torch.optim.SGD)
    batch = random_batch(4)
    with HostReads():
        one.update(batch)
        one.policy.act(batch.obs, explore=True)
        one.policy.act(batch.obs, explore=False)


def test_munchausen_from_the_online_network_costs_no_further_forward() -> None:
    calls = []
    for source in ("online", "target"):
        one = learner(network(**ALL_ON), target=munchausen(log_pi_from=source))
        passes = []
        for net in (one.online, one.target_net):
            net.register_forward_hook(lambda *_, passes=passes: passes.append(1))
        one.update(random_batch(4))
        calls.append(len(passes))
    assert calls == [2, 3]


def test_every_metric_is_in_the_catalogue() -> None:
    update = learner(network(**ALL_ON)).update(random_batch(4))
    assert {f"learner/{name}" for name in update.metrics} <= set(CATALOG)
    assert all(value.shape == () for value in update.metrics.values())


def test_metrics_say_what_they_mean() -> None:
    one = learner(network(**ALL_OFF), target=Max("mean"), learning_rate=Constant(0.25))
    batch = random_batch(7)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(2)
        taus, target_taus = draw_taus(7, 4, generator), draw_taus(7, 4, generator)
        quantiles = one.online(batch.obs, taus)
        q = quantiles.mean(1)
        target = one.loss.target(NetPair(one.online, one.target_net), batch, quantiles, target_taus)
        taken = quantiles[torch.arange(7), :, batch.action]
        td = (target[:, None, :] - taken[:, :, None]).abs()
    update = one.update(batch)
    top = q.topk(2).values
    expected = {
        "q_max": top[:, 0].mean(),
        "q_mean": q[torch.arange(7), batch.action].mean(),
        "action_gap": (top[:, 0] - top[:, 1]).mean(),
        "td_abs": td.mean(),
        "target_mean": target.mean(),
        "learning_rate": torch.tensor(0.25),
    }
    for name, value in expected.items():
        torch.testing.assert_close(update.metrics[name], value)
    torch.testing.assert_close(update.priority, td.sum(1).mean(1))


def test_noise_is_redrawn_or_shared_as_chosen() -> None:
    generator = torch.Generator().manual_seed(0)
    online, target = network(**ALL_ON), network(**ALL_ON)
    online.reset_noise(generator)
    acted_with = online.head.value[0].noise_in.clone()
    ShareWithActing()(online, target, generator, 1)
    assert torch.equal(online.head.value[0].noise_in, acted_with)
    assert (target.head.value[0].noise_in != 0).any()
    RedrawBoth()(online, target, generator, 1)
    assert not torch.equal(online.head.value[0].noise_in, acted_with)
    assert not torch.equal(online.head.value[0].noise_in, target.head.value[0].noise_in)


@pytest.mark.parametrize(("buffers", "shared"), [("follow", [True, False, True]), ("own", [False] * 3)])
def test_a_hard_copy_lends_the_target_the_acting_noise_for_one_update(buffers, shared) -> None:
    """BTR's code redraws the target's noise first and copies the whole network over it then."""
    one = learner(network(**ALL_ON), noise=ShareWithActing(), target_sync=hard(2, buffers))
    for update, expected in enumerate(shared):
        batch = random_batch(6, update)
        one.policy.act(batch.obs, explore=True)
        before = parameters(one.online)
        one.update(batch)
        noise = [net.head.value[0].noise_in for net in (one.online, one.target_net)]
        assert torch.equal(*noise) is expected and noise[1].abs().min() > 0
        assert torch.equal(parameters(one.target_net), before) is (update != 1)


def test_gradient_norm_is_clipped_but_reported_unclipped() -> None:
    one = learner(network(**ALL_OFF), clip_norm=1e-3, optimizer=partial(torch.optim.SGD, lr=1.0))
    before = parameters(one.online)
    update = one.update(random_batch(6))
    assert update.metrics["grad_norm"] > 1e-2
    moved = (parameters(one.online) - before).norm() / 1e-3  # learning rate 1e-3
    assert moved.item() == pytest.approx(1e-3, rel=0.05)


def test_an_odd_number_of_mirrored_fractions_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match="taus must be even, .* got 5"):
        learner(network(**ALL_OFF), symmetric_taus=True, taus=5)


@pytest.mark.parametrize("self_loss", [NoSelfLoss, LINESIGHT_SELF_LOSS])
@pytest.mark.parametrize("parts", [ALL_ON, PER_SAMPLE], ids=["one draw", "noise per sample"])
def test_micro_batches_share_self_loss_and_keep_their_samples_noise(parts, self_loss) -> None:
    """The running means see the whole batch at once, the noise of a sample is the same in any part."""
    results = []
    for micro_batch in (10, 3):
        one = learner(
            network(**parts), self_loss=self_loss, micro_batch=micro_batch, value_loss=QuantileHuber(0.005)
        )
        updates = [one.update(random_batch(10, seed)).metrics["loss"] for seed in range(3)]
        means = [value.clone() for value in one.loss.self_loss.state_dict().values()]
        results.append([*updates, one.step.gradient.clone(), *means])
    for whole, in_parts in zip(*results, strict=True):
        torch.testing.assert_close(in_parts, whole, atol=1e-5, rtol=2e-3)


@pytest.mark.parametrize(
    ("self_loss", "micro_batch", "passes"),
    [(NoSelfLoss, 10, 1), (NoSelfLoss, 3, 4), (LINESIGHT_SELF_LOSS, 10, 1), (LINESIGHT_SELF_LOSS, 3, 8)],
)
def test_only_a_self_loss_over_micro_batches_costs_further_passes(self_loss, micro_batch, passes) -> None:
    one, made = learner(network(), self_loss=self_loss, micro_batch=micro_batch), []
    one.online.register_forward_hook(lambda _, inputs, __: made.append(len(inputs[1])))
    one.loss.backward(random_batch(10), lambda loss: loss)
    assert len(made) == passes


def test_scaling_and_self_loss_are_told_the_device() -> None:
    told = []

    def noting(kind, device: torch.device):
        told.append(device)
        return kind(device)

    learner(network(), scaling=partial(noting, DynamicScaling), self_loss=partial(noting, NoSelfLoss))
    assert told == 2 * [torch.device("cpu")]


def test_the_noise_of_all_samples_is_back_after_the_micro_batches() -> None:
    outputs, taus = [], torch.rand(7, 4)
    for micro_batch in (7, 2):
        one = learner(network(**PER_SAMPLE), micro_batch=micro_batch)
        one.noise(one.online, one.target_net, one.generator, 7)
        one.loss.backward(random_batch(7), lambda loss: loss)
        outputs += [net(observations(7), taus) for net in (one.online, one.target_net)]
    torch.testing.assert_close(outputs[:2], outputs[2:])


def test_self_loss_normalisation_divides_by_the_width_of_each_target() -> None:
    """Over several updates: the logged sum is that of a slow loop over the samples."""
    options = {"self_loss": LINESIGHT_SELF_LOSS, "reduction": "sum", "value_loss": QuantileHuber(0.005)}
    one = learner(network(**ALL_OFF), target=DoubleDqn(), **options)
    width_mean = clamped_mean = 0.01
    for seed in range(4):
        batch = random_batch(6, seed)
        state = one.generator.get_state()
        taus, target_taus = draw_taus(6, 4, one.generator), draw_taus(6, 4, one.generator)
        one.generator.set_state(state)
        with torch.no_grad():
            prediction = of_action(one.online(batch.obs, taus), batch.action)
            target = one.loss.target(NetPair(one.online, one.target_net), batch, prediction, target_taus)
        loss, width = (
            quantile_huber(pairwise_td(of, target).double(), at.double(), 0.005)
            for of, at in ((prediction, taus), (target, target_taus))
        )
        widths = width.sqrt().tolist()
        width_mean = 0.99 * width_mean + 0.01 * sum(widths) / 6
        clamped = [max(each, width_mean / 4) for each in widths]
        clamped_mean = 0.99 * clamped_mean + 0.01 * sum(clamped) / 6
        rows = zip(batch.weight.tolist(), loss.tolist(), clamped, strict=True)
        expected = sum(weight * each * clamped_mean / wide for weight, each, wide in rows)
        assert one.update(batch).metrics["loss"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("self_loss", [NoSelfLoss, LINESIGHT_SELF_LOSS])
@pytest.mark.parametrize("parts", [ALL_ON, PER_SAMPLE], ids=["one draw", "noise per sample"])
def test_evaluating_a_held_out_batch_changes_no_later_update(parts, self_loss) -> None:
    results = []
    for evaluations in (0, 2):
        one = learner(network(**parts), self_loss=self_loss)
        for seed in range(3):
            one.policy.act(observations(4), explore=True)
            one.update(random_batch(6, seed))
            for held_out in range(evaluations):
                metrics = one.evaluate(random_batch(9, 50 + held_out))
                assert {f"test/{name}" for name in metrics} <= set(CATALOG)
                assert all(value.shape == () and value.isfinite() for value in metrics.values())
        results.append(torch.cat([parameters(one.online), parameters(one.target_net)]))
    assert torch.equal(*results)


def test_the_loss_of_a_held_out_batch_is_what_learning_from_it_would_show() -> None:
    one = learner(network(**ALL_ON), noise=ShareWithActing(), target_sync=hard(buffers="own"))
    one.online.reset_noise(torch.Generator().manual_seed(3))
    batch = random_batch(6)
    shown = one.evaluate(batch)["loss"]
    one.noise = lambda *_: None  # no redraw before the update either
    one.online.power_iteration = lambda: None
    torch.testing.assert_close(one.update(batch).metrics["loss"], shown)


def test_saved_and_loaded_self_loss_goes_on_bit_for_bit(tmp_path) -> None:
    one, other = (learner(network(**PER_SAMPLE), self_loss=LINESIGHT_SELF_LOSS) for _ in range(2))
    for seed in range(3):
        one.update(random_batch(6, seed))
    torch.save(one.state_dict(), tmp_path / "learner.pt")
    other.load_state_dict(torch.load(tmp_path / "learner.pt", weights_only=True))
    for seed in range(3, 6):
        first, second = one.update(random_batch(6, seed)), other.update(random_batch(6, seed))
        assert torch.equal(first.metrics["loss"], second.metrics["loss"])
    assert torch.equal(parameters(one.online), parameters(other.online))


def test_updates_with_every_option_never_wait_for_the_device() -> None:
    one = learner(
        network(**PER_SAMPLE, precision="fp16"), optimizer=torch.optim.SGD, self_loss=LINESIGHT_SELF_LOSS,
        scaling=DynamicScaling, clip_value=1.0, symmetric_taus=True, micro_batch=2,
    )  # fmt: skip
    with HostReads():
        one.policy.act(random_batch(4).obs, explore=True)
        one.update(random_batch(4))
        one.evaluate(random_batch(4))


def test_a_soft_target_moves_at_the_end_of_every_second_update() -> None:
    """An update that is just made counts: the second moves the target, not the third."""
    one, moved = learner(network(**ALL_OFF), target_sync=soft(0.5, every_updates=2)), []
    for seed in range(5):
        before = parameters(one.target_net)
        one.update(random_batch(6, seed))
        moved.append(not torch.equal(parameters(one.target_net), before))
    assert moved == [False, True, False, True, False]


@pytest.mark.parametrize(("clip_norm", "clipped"), [(1e-3, 1.0), (1e6, 0.0)])
def test_a_gradient_counts_as_clipped_if_it_is_longer_than_the_bound(clip_norm, clipped) -> None:
    metrics = learner(network(**ALL_OFF), clip_norm=clip_norm).update(random_batch(6)).metrics
    assert metrics["grad_clipped"] == clipped
    as_long = learner(network(**ALL_OFF), clip_norm=float(metrics["grad_norm"]))
    assert as_long.update(random_batch(6)).metrics["grad_clipped"] == 0.0


def test_a_row_of_the_log_says_what_is_in_force() -> None:
    one = learner(
        network(**ALL_ON), weight_decay_ratio=0.5, learning_rate=lambda frames: 0.1 * frames,
        target_sync=hard(2),
    )  # fmt: skip
    for seed in range(5):
        one.update(random_batch(6, seed))
    one.clock.frames = 3
    one.policy.exploration = noise_and(lambda frames: 0.2 * frames)
    assert one.take() == {
        "settings/weight_decay": pytest.approx(0.15),
        "settings/epsilon": pytest.approx(0.6),
        "optimizer/target_syncs": 2,
    }


class OneOfTwo(SingleProcess):
    """A process that learns from its half of each batch; who averages the gradients is left out."""

    processes = 2

    def __init__(self, online: IQN, rank: int) -> None:
        super().__init__(online)
        self.rank = rank

    def rows(self, size: int) -> slice:
        return rows_of(self.rank, 2, size)


class Noting(OneOfTwo):
    """Notes what it is asked for, in order."""

    def __init__(self, online: IQN) -> None:
        super().__init__(online, rank=0)
        self.asked: list[bool | int] = []

    def micro_batch(self, last: bool) -> AbstractContextManager[None]:
        self.asked.append(last)
        return super().micro_batch(last)

    def gather(self, own: torch.Tensor, size: int) -> torch.Tensor:
        self.asked.append(size)
        return super().gather(own, size)


def test_a_group_is_told_which_micro_batch_is_the_last_and_how_large_the_batch_is() -> None:
    one = learner(network(), group=Noting, self_loss=LINESIGHT_SELF_LOSS, micro_batch=2)
    one.loss.backward(random_batch(11), lambda loss: loss)
    assert one.loss.group.asked == [11, 11, False, False, True, 11, 11, 11, 11]  # 5 rows are its own


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_mean_gradient_of_two_processes_is_that_of_the_whole_batch(reduction) -> None:
    groups = [SingleProcess, *(partial(OneOfTwo, rank=rank) for rank in (0, 1))]
    gradients = []
    for group in groups:
        one = learner(network(**PER_SAMPLE), group=group, reduction=reduction, micro_batch=2)
        one.noise(one.online, one.target_net, one.generator, 7)
        one.loss.backward(random_batch(7), lambda loss: loss)
        gradients.append(one.step.gradient)
    whole, first, second = gradients
    torch.testing.assert_close((first + second) / 2, whole, atol=1e-6, rtol=1e-4)
