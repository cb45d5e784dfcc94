"""Dynamic loss scaling against the documented law, torch's own scaler and updates without it."""

from __future__ import annotations

import pytest
import torch

from btr_tm.agent.loss_scaling import DynamicScaling, NoScaling, for_precision

from ..nets.helpers import ALL_OFF, ALL_ON, network, random_batch
from .helpers import learner

CPU = torch.device("cpu")


def small(device: torch.device, **options) -> DynamicScaling:
    return DynamicScaling(device, **({"initial": 64.0, "growth_interval": 3} | options))


def pattern(count: int, seed: int) -> list[bool]:
    draw = torch.rand(count, generator=torch.Generator().manual_seed(seed))
    return (draw < 0.85).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_the_scale_follows_the_documented_law(seed: int) -> None:
    scaling, scale, in_a_row = small(CPU), 64.0, 0
    for finite in pattern(60, seed):
        scaling.update(torch.tensor(finite))
        if not finite:
            scale, in_a_row = scale * 0.5, 0
        elif in_a_row + 1 == 3:
            scale, in_a_row = scale * 2.0, 0
        else:
            in_a_row += 1
        assert scaling.scale.item() == scale and scaling.finite_in_a_row.item() == in_a_row


def test_the_scale_follows_torchs_own_scaler() -> None:
    scaling = small(CPU)
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.0)
    theirs = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=3)
    for finite in pattern(40, 9):
        loss = (weight * (1.0 if finite else float("inf"))).sum()
        theirs.scale(loss).backward()
        theirs.step(optimizer)
        theirs.update()
        optimizer.zero_grad()
        scaling.update(torch.tensor(finite))
        assert scaling.scale.item() == theirs.get_scale()


def test_numbers_are_torchs_unless_others_are_given() -> None:
    torchs, ours = torch.amp.GradScaler("cpu"), DynamicScaling(CPU)
    assert ours.scale == torchs.get_scale() and ours.growth == torchs.get_growth_factor()
    assert ours.backoff == torchs.get_backoff_factor()
    assert ours.growth_interval == torchs.get_growth_interval()


def test_the_scale_never_becomes_infinite() -> None:
    scaling = small(CPU, initial=1.5 * 2.0**127, growth_interval=1)
    scaling.update(torch.tensor(True))
    assert scaling.scale.item() == 1.5 * 2.0**127


@pytest.mark.parametrize("parts", [ALL_OFF, ALL_ON], ids=["all off", "all on"])
def test_scaling_by_a_power_of_two_changes_no_update(parts) -> None:
    plain, scaled = learner(network(**parts)), learner(network(**parts), scaling=DynamicScaling)
    for seed in range(3):
        first, second = (one.update(random_batch(6, seed)) for one in (plain, scaled))
        assert torch.equal(first.metrics["loss"], second.metrics["loss"])
        assert torch.equal(first.metrics["grad_norm"], second.metrics["grad_norm"])
    assert torch.equal(plain.step.parameters, scaled.step.parameters)


def test_half_precision_learns_what_single_precision_learns() -> None:
    gradients = []
    for precision in ("fp32", "fp16"):
        one = learner(
            network(precision=precision), clip_norm=1e9, scaling=lambda device: DynamicScaling(device, 1024.0)
        )
        one.update(random_batch(8))
        gradients.append(one.step.gradient.clone())
    single, half = gradients
    assert not torch.equal(half, single)
    assert (half - single).norm() < 0.02 * single.norm()


def test_overflow_skips_the_step_halves_the_scale_and_raises_no_alarm() -> None:
    net = network(precision="fp16")
    one = learner(net, reduction="sum", scaling=lambda device: DynamicScaling(device, 2.0**40))
    before = one.step.parameters.detach().clone()
    update = one.update(random_batch(8))
    assert torch.equal(one.step.parameters, before)
    assert one.step.scaling.scale.item() == 2.0**39
    assert all(torch.isfinite(value) for value in update.metrics.values())
    for seed in range(35):
        one.update(random_batch(8, seed))
    assert not torch.equal(one.step.parameters, before)


def test_a_gradient_that_no_scale_can_save_shows() -> None:
    scaling = small(CPU, initial=2.0**-9)
    shown = []
    for _ in range(3):
        scaling.update(torch.tensor(False))
        shown.append(scaling.logged_norm(torch.tensor(float("inf"))).item())
    assert shown == [0.0, float("inf"), float("inf")]


def test_saved_and_loaded_scale_goes_on_the_same(tmp_path) -> None:
    one, other = (learner(network(precision="fp16"), scaling=small) for _ in range(2))
    for seed in range(4):
        one.update(random_batch(6, seed))
    torch.save(one.state_dict(), tmp_path / "learner.pt")
    other.load_state_dict(torch.load(tmp_path / "learner.pt", weights_only=True))
    for seed in range(4, 8):
        for each in (one, other):
            each.update(random_batch(6, seed))
    assert torch.equal(one.step.parameters, other.step.parameters)
    assert one.step.scaling.state_dict() == other.step.scaling.state_dict()


def test_the_scale_lives_where_the_gradient_does() -> None:
    scaling = for_precision(torch.device("meta"), "fp16")
    assert {value.device.type for value in scaling.state_dict().values()} == {"meta"}


def test_only_half_precision_is_scaled() -> None:
    assert isinstance(for_precision(CPU, "fp16"), DynamicScaling)
    assert all(isinstance(for_precision(CPU, precision), NoScaling) for precision in ("fp32", "bf16"))
