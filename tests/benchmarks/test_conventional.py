"""The conventional learner and ours are each other's oracle: equal weights, noise and fractions."""

from __future__ import annotations

import copy
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from btr_tm.agent.learner import IqnLearner
from btr_tm.benchmarks.conventional import ConventionalLearner
from btr_tm.benchmarks.conventional_net import ConventionalNet
from btr_tm.benchmarks.full_size import batch_of, images_only
from btr_tm.cli.measuring.bench_parts import FULL_BTR, parts_of
from btr_tm.core.types import Batch
from btr_tm.losses.quantile import draw_taus
from btr_tm.nets.iqn import IQN

SIZE = images_only((2, 24, 20), 5)
SMALL = {"impala_model_size": 0.25, "pool_size": 2, "head_hidden": 16, "cosines": 8}
BATCH = {"batch_size": 6, "micro_batch": 6}


class Pair(NamedTuple):
    ours: IqnLearner
    theirs: ConventionalLearner
    batch: Batch


@pytest.fixture
def pair() -> Pair:
    """Learners of equal weights whose targets differ from their online networks."""
    torch.manual_seed(0)
    sizes = {f"profile.{name}": value for name, value in (SMALL | BATCH).items()}
    parts = parts_of(FULL_BTR, {"profile": "atari"} | sizes)
    ours = parts.learner(parts.policy(SIZE))
    ours.online.reset_noise(ours.generator)
    with torch.no_grad():
        for weight in ours.target_net.parameters():
            weight.add_(0.05 * torch.randn(weight.shape))
    ours.updates = 1  # no target copy is due
    net = ConventionalNet(SIZE.image_shape, SIZE.actions, model_size=0.25, pool=2, hidden=16, cosines=8)
    theirs = ConventionalLearner(net)
    theirs.online.eval(), theirs.target.eval()  # the singular vectors stay as they were copied
    return Pair(ours, theirs, batch_of(SIZE, 6, torch.Generator().manual_seed(1)))


def renamed(net: IQN) -> dict[str, Tensor]:
    """Our weights, noise and singular vectors under the names of the conventional network."""
    state, found = net.state_dict(), {}
    for ours, theirs in {"head.value": "value.0", "head.advantage": "advantage.0"}.items():
        found |= noisy(state, f"{ours}.0.", f"{theirs}.")
        found |= noisy(state, f"{ours}_out.", theirs.replace("0", "2") + ".")
    for name in ("weight", "bias"):
        found[f"embedding.{name}"] = state[f"fusion.embedding.{name}"]
    trunk = net.encoder.trunk
    for name, value in trunk.body.state_dict().items():
        layer, _, last = name.rpartition(".")
        normalised = last == "weight" and layer.endswith(("first", "second"))
        found[f"body.{layer}.parametrizations.weight.original" if normalised else f"body.{name}"] = value
    for index, group in enumerate(trunk._groups):
        left, right = trunk.get_buffer(f"left_{index}"), trunk.get_buffer(f"right_{index}")
        for name, u, v in zip(group, left, right, strict=True):
            layer = f"body.{name.removesuffix('.weight')}.parametrizations.weight.0"
            found |= {f"{layer}._u": u, f"{layer}._v": v}
    return found


def noisy(state: dict[str, Tensor], ours: str, theirs: str) -> dict[str, Tensor]:
    weights = {f"{theirs}{name}_mu": state[f"{ours}{name}"] for name in ("weight", "bias")}
    weights |= {f"{theirs}{name}_sigma": state[f"{ours}{name}_sigma"] for name in ("weight", "bias")}
    outer = torch.outer(state[f"{ours}noise_out"], state[f"{ours}noise_in"])
    return weights | {f"{theirs}weight_epsilon": outer, f"{theirs}bias_epsilon": state[f"{ours}noise_out"]}


def align(pair: Pair) -> tuple[Tensor, Tensor]:
    """Give the conventional learner what ours will use in its next update; the fractions of that update."""
    generator = torch.Generator()
    generator.set_state(pair.ours.generator.get_state())
    online, target = copy.deepcopy(pair.ours.online), copy.deepcopy(pair.ours.target_net)
    target.reset_noise(generator)
    online.power_iteration()
    pair.theirs.online.load_state_dict(renamed(online))
    pair.theirs.target.load_state_dict(renamed(target))
    size = len(pair.batch.action)
    return draw_taus(size, 8, generator), draw_taus(size, 8, generator)


def test_both_say_the_same_loss_and_priorities(pair: Pair) -> None:
    taus, target_taus = align(pair)
    loss, priority = pair.theirs.loss(pair.batch, taus, taus, target_taus)
    update = pair.ours.update(pair.batch)
    assert float(loss.detach()) == pytest.approx(float(update.metrics["loss"]), rel=1e-5)
    torch.testing.assert_close(priority, update.priority, rtol=1e-5, atol=1e-5)


def test_both_take_the_same_step(pair: Pair) -> None:
    taus, target_taus = align(pair)
    pair.theirs.loss(pair.batch, taus, taus, target_taus)[0].backward()
    norm = pair.theirs.clip()
    pair.theirs.optimizer.step()
    before = renamed(copy.deepcopy(pair.ours.online))
    update = pair.ours.update(pair.batch)
    assert float(norm) == pytest.approx(float(update.metrics["grad_norm"]), rel=1e-4)
    moved = 0.0
    after = renamed(pair.ours.online)
    for name, value in pair.theirs.online.named_parameters():
        torch.testing.assert_close(value, after[name], rtol=1e-4, atol=2e-6, msg=name)
        moved = max(moved, float((after[name] - before[name]).abs().max()))
    assert moved > 5e-5  # a step of Adam, and not nothing


def test_it_is_the_network_of_the_paper() -> None:
    net = ConventionalNet((4, 84, 84), 18)
    assert sum(p.numel() for p in net.parameters()) == 5_278_918
    net = ConventionalNet((1, 64, 64), 12)
    assert sum(p.numel() for p in net.parameters()) == 5_271_898


def test_its_own_update_redraws_the_target_and_copies_it_when_due() -> None:
    torch.manual_seed(0)
    net = ConventionalNet(SIZE.image_shape, SIZE.actions, 0.25, 2, 16, 8)
    learner = ConventionalLearner(net, target_every=2)
    batch = batch_of(SIZE, 4, torch.Generator().manual_seed(1))
    weight = learner.target.embedding.weight
    for copied in (True, False, True):
        before = learner.online.embedding.weight.detach().clone()
        assert learner.update(batch).shape == (4,)
        assert torch.equal(weight, before) == copied
        own_noise = bool(learner.target.value[0].bias_epsilon.any())  # the online network has none here
        assert own_noise != copied
