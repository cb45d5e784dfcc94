"""The probe: what it measures against slow versions, and that a run is the same with it and without it."""

from __future__ import annotations

import copy

import pytest
import torch

from btr_tm.agent.diagnostics import (
    Activity,
    StateValues,
    dormancy,
    noiseless_copy,
    rank_metrics,
    weight_metrics,
)
from btr_tm.agent.learner import IqnLearner
from btr_tm.agent.probe import FRACTIONS, Probe
from btr_tm.core.bins import Bins
from btr_tm.core.clock import Clock
from btr_tm.core.types import Obs
from btr_tm.losses.value_loss import HlGauss
from btr_tm.metrics import catalog
from btr_tm.nets.encoder.conv import Residual
from btr_tm.nets.encoder.norm import SpectralNorm
from btr_tm.nets.values import BinMeans
from btr_tm.targets.greedy import DoubleDqn

from ..nets.helpers import ALL_OFF, ALL_ON, PER_SAMPLE, network, observations, random_batch
from ..targets.helpers import munchausen
from .helpers import learner

BOTH = pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])


def draw(count: int, generator: torch.Generator) -> tuple[Obs, torch.Tensor]:
    return observations(count), torch.randint(12, (count,), generator=generator)


def draw_blocks(count: int, generator: torch.Generator) -> tuple[Obs, torch.Tensor]:
    return observations(count), torch.randint(12, (count, 3), generator=generator)


def probed(parts, every: int = 10, **options) -> IqnLearner:
    clock, target, taus = Clock(), options.get("target", munchausen()), options.get("taus", 4)
    probe = Probe(draw, 6, every, 4, target, taus, clock, torch.Generator().manual_seed(9))
    return learner(network(**parts), clock=clock, observer=probe, **options)


def leaves(value) -> list:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def equal(left, right) -> bool:
    pairs = zip(leaves(left), leaves(right), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON, PER_SAMPLE], ids=["all off", "all on", "per sample"])
def test_learning_is_the_same_with_and_without_a_probe_bit_for_bit(parts) -> None:
    states, numbers = [], []
    for agent in (learner(network(**parts)), probed(parts, 0), probed(parts, 10)):
        torch.manual_seed(0)  # the global generator must not be used either
        for number in range(4):
            agent.clock.frames = 10 * number
            update = agent.update(random_batch(5, seed=number))
            agent.policy.act(observations(3), explore=True)
        states.append({name: part for name, part in agent.state_dict().items() if name != "observer"})
        numbers.append((update.metrics, update.priority, torch.get_rng_state()))
    assert agent.observer.take() and all(equal(states[0], each) for each in states)
    assert all(equal(numbers[0], each) for each in numbers)


@BOTH
def test_churn_is_what_the_update_changed_and_nothing_else(parts) -> None:
    agent = probed(parts, learning_rate=lambda frames: 0.1)
    before = copy.deepcopy(agent.online)
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found = agent.observer.take()
    grid = torch.linspace(0.5 / FRACTIONS, 1 - 0.5 / FRACTIONS, FRACTIONS)
    best = []
    for net in (before, copy.deepcopy(agent.online)):
        net.disable_noise()
        best.append(
            [
                net(Obs(*(x[i : i + 1] for x in agent.observer.obs)), grid[None]).mean(1).argmax()
                for i in range(6)
            ]
        )
    changed = sum(a != b for a, b in zip(*best, strict=True)) / 6
    assert float(found["policy/churn"]) == pytest.approx(float(changed)) and changed > 0


@BOTH
def test_null_of_churn_with_common_fractions_is_zero(parts) -> None:
    agent = probed(parts, learning_rate=lambda frames: 0.0)
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found = agent.observer.take()
    # power iteration moves the estimates of singular vectors a little, but decides nothing here
    assert found["policy/churn"] == 0.0 and found["optimizer/step_relative"] == 0.0


def test_redrawn_fractions_change_actions_without_any_update() -> None:
    agent = probed(ALL_OFF, learning_rate=lambda frames: 0.0, taus=1)
    agent.observer.count = 400
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found = agent.observer.take()
    assert found["policy/churn"] == 0 and found["policy/churn_redrawn"] > 0
    assert float(found["policy/churn_redrawn"] - found["policy/churn_redrawn_null"]) == pytest.approx(
        0, abs=0.1
    )


def test_an_update_changes_more_actions_than_fractions_that_are_drawn_again() -> None:
    agent = probed(ALL_OFF, learning_rate=lambda frames: 0.1, taus=64)
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found = agent.observer.take()
    assert found["policy/churn_redrawn_null"] < 0.2 < found["policy/churn_redrawn"]


def test_values_in_the_states_equal_a_slow_loop_over_them() -> None:
    agent = probed(ALL_ON)
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found, net = agent.observer.take(), copy.deepcopy(agent.online)
    net.disable_noise()
    best, spreads = [], []
    for i in range(6):
        state = Obs(*(leaf[i : i + 1] for leaf in agent.observer.obs))
        grid = torch.linspace(0.5 / FRACTIONS, 1 - 0.5 / FRACTIONS, FRACTIONS)
        best.append(float(net(state, grid[None]).mean(1).max().detach()))
        quantiles = net(state, torch.linspace(0.05, 0.95, FRACTIONS)[None])[0].detach()
        spreads.append([float(quantiles[:, action].std()) for action in range(12)])
    assert float(found["policy/q_max"]) == pytest.approx(sum(best) / 6, rel=1e-5)
    for action, spread in enumerate(zip(*spreads, strict=True)):
        assert float(found[f"policy/quantile_std.{action}"]) == pytest.approx(sum(spread) / 6, rel=1e-4)


def test_the_best_value_of_a_block_is_that_of_each_slot() -> None:
    clock = Clock()
    probe = Probe(draw_blocks, 6, 10, 4, DoubleDqn(), 4, clock, torch.Generator().manual_seed(9))
    agent = learner(network(block=(3,)), clock=clock, observer=probe)
    clock.frames = 10
    agent.update(random_batch(5)._replace(action=torch.zeros(5, 3, dtype=torch.int64)))
    found = probe.take()
    grid = torch.linspace(0.5 / FRACTIONS, 1 - 0.5 / FRACTIONS, FRACTIONS)[None].expand(6, -1)
    q = agent.online(probe.obs, grid).detach().mean(1)  # (6, 3, 12)
    best = [q[i, slot].max() for i in range(6) for slot in range(3)]
    torch.testing.assert_close(found["policy/q_max"], sum(best) / 18)


def test_every_reading_is_in_the_catalogue_and_finite() -> None:
    agent = probed(ALL_ON)
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found = agent.observer.take()
    assert all(catalog.find(name) for name in found) and agent.observer.take() == {}
    unbounded = [name for name, value in found.items() if not torch.as_tensor(value).isfinite()]
    assert unbounded == [] and {"policy/entropy", "policy/bonus_clipped"} <= set(found)


def test_target_that_has_no_policy_reports_none() -> None:
    agent = probed(ALL_OFF, target=DoubleDqn())
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found = agent.observer.take()
    assert "policy/entropy" not in found and not any(name.startswith(("noisy", "spectral")) for name in found)


def test_figures_of_the_update_equal_those_of_the_networks_own_tensors() -> None:
    agent = probed(ALL_ON)
    before = [parameter.detach().clone() for parameter in agent.online.parameters()]
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found, after = agent.observer.take(), list(agent.online.parameters())
    names = [name for name, _ in agent.online.named_parameters()]
    moved = sum(float((a.detach() - b).square().sum()) for a, b in zip(after, before, strict=True))
    whole = sum(float(b.square().sum()) for b in before)
    assert float(found["optimizer/step_relative"]) == pytest.approx((moved / whole) ** 0.5, rel=1e-4)
    for name, parameter in zip(names, after, strict=True):
        assert float(found[f"gradients/l2.{name}"]) == pytest.approx(float(parameter.grad.norm()), rel=1e-5)
        assert float(found[f"gradients/max.{name}"]) == pytest.approx(
            float(parameter.grad.abs().max()), rel=1e-5
        )
        # first step of Adam: v = 0.001 g^2, m = 0.1 g
        rms = float(parameter.grad.square().mean().sqrt())
        assert float(found[f"optimizer/exp_avg.{name}"]) == pytest.approx(0.1 * rms, rel=1e-4, abs=1e-12)
        adaptive = 1 / (parameter.grad.abs() * 0.001**0.5 + 1e-4)
        assert float(found[f"optimizer/adaptive_rate.{name}"]) == pytest.approx(
            float(adaptive.square().mean().sqrt()), rel=1e-4
        )


def test_probe_resumes_with_its_states_and_pending_readings() -> None:
    whole, parts = probed(ALL_ON), probed(ALL_ON)
    for agent in (whole, parts):
        agent.clock.frames = 10
        agent.update(random_batch(5))
    resumed = probed(ALL_ON)
    resumed.load_state_dict(copy.deepcopy(parts.state_dict()))
    assert equal(resumed.observer.take(), whole.observer.take())
    for agent in (whole, resumed):
        agent.clock.frames = 20
        agent.update(random_batch(5, seed=1))
    assert equal(resumed.observer.take(), whole.observer.take()) and equal(
        resumed.state_dict(), whole.state_dict()
    )


def test_measured_every_so_many_frames_and_never_with_zero() -> None:
    agent, measured = probed(ALL_OFF), []
    for frames in (5, 9, 12, 18, 21):
        agent.clock.frames = frames
        agent.update(random_batch(5))
        measured += [frames] * bool(agent.observer.take())
    assert measured == [12, 21]
    often, never = probed(ALL_OFF, every=1), probed(ALL_OFF, every=0)
    for agent in (often, never):
        agent.clock.frames = 1
        agent.update(random_batch(5))
    assert often.observer.take() and never.observer.obs is None


@torch.no_grad()
def test_activity_is_that_of_a_slow_pass_layer_by_layer() -> None:
    net = noiseless_copy(network(**ALL_ON))
    activity, obs = Activity(net, rows_per_state=3), observations(5)
    taus = torch.tensor([[0.2, 0.5, 0.8]])
    with activity.watching():
        StateValues(net, obs, rows_at_once=2).at(taus)
    mean = activity.mean()
    residuals = [name for name, module in net.named_modules() if isinstance(module, Residual)]
    assert len(residuals) == 6 and {
        f"{name}.{part}" for name in residuals for part in ("first", "second")
    } <= set(mean)
    image = net.features(obs)[:, : net.encoder.out_features]
    assert torch.allclose(mean["encoder.trunk.body.12"].shape[0] * torch.ones(()), torch.tensor(8.0))
    floats = net.float_head(obs.floats)
    torch.testing.assert_close(mean["float_head.layers.5"], floats.abs().mean(0))
    fused = net.fusion(torch.cat([image, floats], 1), taus.expand(5, -1)).flatten(0, 1)
    hidden = net.head.advantage(fused)
    torch.testing.assert_close(mean["head.advantage.2"], hidden.abs().mean(0))
    both = torch.cat([net.head.advantage(fused), net.head.value(fused)], 1).unflatten(0, (5, 3)).mean(1)
    torch.testing.assert_close(activity.features(), both)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_units_are_channels_of_feature_maps_and_the_last_axis_otherwise() -> None:
    activity, values = Activity(torch.nn.ReLU(), rows_per_state=1), torch.rand(2, 3, 4, 5)
    with activity.watching():
        activity.net(values)
    torch.testing.assert_close(activity.mean()[""], values.mean((0, 2, 3)))
    activity = Activity(activity.net, rows_per_state=1)
    with activity.watching():
        activity.net(values[0])
    torch.testing.assert_close(activity.mean()[""], values[0].mean((0, 1)))


def test_dormancy_counts_units_by_part_of_the_network() -> None:
    found = dormancy(
        {
            "head.a.0": torch.tensor([2.0, 0.0, 0.05, 2.0]),
            "head.b.0": torch.ones(4),
            "encoder.c": torch.ones(2),
        }
    )
    assert found["plasticity/dormant_0_1.head"] == 0.25 and found["plasticity/dormant_0_025.head"] == 0.125
    assert found["plasticity/dormant_0.encoder"] == 0.0


def test_rank_of_features_in_a_plane_is_two() -> None:
    draw = torch.Generator().manual_seed(0)
    plane = torch.randn(40, 2, generator=draw) @ torch.linalg.qr(torch.randn(6, 6, generator=draw)).Q[:2]
    found = rank_metrics(plane)
    assert found["plasticity/srank"] == 2 and found["plasticity/rank_limit"] == 6
    assert 1.5 < float(found["plasticity/effective_rank"]) <= 2.001


def test_spectral_norm_brings_every_kernel_to_one_and_raw_sigma_grows_with_the_kernel() -> None:
    net = network(**(ALL_ON | {"norm": SpectralNorm("all")}))
    before = weight_metrics(net)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.startswith("encoder") and name.endswith("weight"):
                parameter.mul_(3.0)
    after = weight_metrics(net)
    raw = [name for name in before if name.startswith("spectral/sigma_raw")]
    assert len(raw) == 15  # three stages of 1 + 4 convolutions
    for name in raw:
        assert float(after[name]) == pytest.approx(3 * float(before[name]), rel=1e-5)
    for found in (before, after):
        assert found["spectral/sigma_normalised_max"] == pytest.approx(1.0, abs=0.02)
        assert found["spectral/sigma_normalised_min"] == pytest.approx(1.0, abs=0.02)


def test_a_noiseless_copy_takes_no_noise_from_the_network() -> None:
    net = network(**ALL_ON)
    net.reset_noise(torch.Generator().manual_seed(0))
    noise = net.head.value[0].noise_in.clone()
    copied = noiseless_copy(net)
    assert torch.equal(net.head.value[0].noise_in, noise) and noise.any()
    assert not copied.head.value[0].noise_in.any()


def test_a_sigma_of_zero_is_not_negative() -> None:
    net = network(**ALL_ON)
    with torch.no_grad():
        net.head.value[0].weight_sigma.zero_()[0, 0] = -1.0
    count = net.head.value[0].weight_sigma.numel()
    assert weight_metrics(net)["noisy/sigma_negative.head.value.0"] == pytest.approx(1 / count)


def test_noise_and_weight_norms_of_a_fresh_network() -> None:
    net = network(**ALL_ON)
    found = weight_metrics(net)
    layer = net.head.advantage[0]
    assert float(found["noisy/sigma_abs_mean.head.advantage.0"]) == pytest.approx(
        0.5 / layer.inputs**0.5, rel=1e-5
    )
    assert found["noisy/sigma_negative.head.advantage.0"] == 0.0
    norms = {name: float(parameter.detach().norm()) for name, parameter in net.named_parameters()}
    assert float(found["weights/l2.head.advantage.0.weight"]) == pytest.approx(
        norms["head.advantage.0.weight"], rel=1e-5
    )
    called = [norm for name, norm in norms.items() if "weight" in name]
    assert float(found["weights/l2_mean"]) == pytest.approx(sum(called) / len(called), rel=1e-5)


def test_a_network_with_bins_is_measured_too() -> None:
    bins = Bins(-5.0, 5.0, 11)
    agent = probed({"values": BinMeans(bins)}, value_loss=HlGauss(bins, 0.75))
    agent.clock.frames = 10
    agent.update(random_batch(5))
    found = agent.observer.take()
    q = agent.online.values(agent.observer.obs, torch.empty(6, 1)).detach()[:, 0]
    assert float(found["policy/q_max"]) == pytest.approx(float(q.amax(1).mean()), rel=1e-4)
    assert "plasticity/srank" in found
    assert not any(name.startswith("policy/quantile_std") for name in found)
