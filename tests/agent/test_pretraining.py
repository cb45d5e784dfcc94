"""An encoder learns from pictures: objectives against closed forms, and what it then knows."""

from __future__ import annotations

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from btr_tm.agent.driver_weights import OnlineWeights
from btr_tm.agent.loss_scaling import for_precision
from btr_tm.agent.pretraining import PretrainingBuilder, PretrainingLearner
from btr_tm.agent.random_policy import HELD, RandomPolicy
from btr_tm.agent.step import GuardedStep
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.schedule import Constant
from btr_tm.core.types import Batch, Obs
from btr_tm.nets.augmentation import Augmentation
from btr_tm.nets.encoder.encoder import NoEncoder
from btr_tm.nets.encoder.impala import ImpalaBody
from btr_tm.nets.encoder.norm import SpectralNorm
from btr_tm.nets.layers import LeakyRelu
from btr_tm.nets.objectives import Contrast, Objective, Reconstruction
from btr_tm.nets.pixels import Centred
from btr_tm.nets.pretraining import Decoder, PretrainingNet, Projection

from ..nets.helpers import CPU, ORTHOGONAL, encoder_of

SIZE = (1, 14, 18)
RECONSTRUCTION = Reconstruction(partial(Decoder, channels=8), Centred())
CONTRAST = Contrast(partial(Projection, size=8), 0.1, Augmentation(1, 0.2, 20.0))


def stripes(rows: int, seed: int = 0) -> tuple[Batch, Tensor]:
    """Pictures of a bright vertical stripe, which moves by a pixel until `next_obs`, and where it is."""
    draw = torch.Generator().manual_seed(seed)
    where = torch.randint(1, SIZE[2] - 2, (rows,), generator=draw)
    columns = torch.arange(SIZE[2])

    def seen(place: Tensor) -> Obs:
        row = 60 + 120 * ((columns - place[:, None]).abs() < 2)
        image = row[:, None, None, :].expand(-1, *SIZE) + torch.randint(0, 20, (rows, *SIZE), generator=draw)
        return Obs(image.to(torch.uint8), torch.zeros(rows, 0))

    ones, nothing = torch.ones(rows), torch.zeros(rows, dtype=torch.int64)
    return Batch(seen(where), nothing, ones, ones, seen(where + 1), ones, nothing), where.float()


def net_for(objective: Objective) -> PretrainingNet:
    encoder = partial(encoder_of, body=ImpalaBody(0.25), norm=SpectralNorm("residual"))
    drawn = torch.Generator().manual_seed(0)
    return PretrainingNet(SIZE, encoder, objective, LeakyRelu(), drawn, ORTHOGONAL, "fp32", CPU)


def learner_for(objective: Objective, rows_at_once: int = 32) -> PretrainingLearner:
    scaling = partial(for_precision, precision="fp32")
    step = partial(GuardedStep, clip_norm=10.0, clip_value=1e9, weight_decay_ratio=0.0, scaling=scaling)
    builder = PretrainingBuilder(Constant(3e-3), step, OnlineWeights, rows_at_once)
    policy = RandomPolicy(net_for(objective), torch.Generator().manual_seed(1), 12, ())
    adam = partial(torch.optim.Adam, lr=3e-3)
    return builder.build(policy, adam, torch.Generator().manual_seed(2), Clock())


def error_of_probe(net: PretrainingNet) -> float:
    """What a linear fit of the features leaves of the stripe's place, root mean square, on other pictures."""
    batch, where = stripes(400, seed=7)
    with torch.no_grad():
        features = nn.functional.pad(net.encoder(batch.obs.image).double(), (0, 1), value=1.0)
    learnt, tested = features[:200], features[200:]
    weights = torch.linalg.solve(
        learnt.T @ learnt + torch.eye(len(learnt.T)), learnt.T @ where[:200].double()
    )
    return float((tested @ weights - where[200:]).square().mean().sqrt())


def test_reconstruction_is_the_mean_squared_error_per_picture() -> None:
    net, (batch, _) = net_for(RECONSTRUCTION), stripes(3)
    with torch.no_grad():
        for weight in net.part.parameters():
            weight.zero_()  # the decoder answers mid grey
    loss = RECONSTRUCTION(net, batch, torch.Generator()).loss
    pixels = (batch.obs.image.double() - 128) / 128
    assert loss.tolist() == pytest.approx(pixels.square().flatten(1).mean(1).tolist(), rel=1e-5)


def test_decoded_pictures_have_the_size_of_those_seen_and_projections_length_one() -> None:
    batch, _ = stripes(3)
    assert net_for(RECONSTRUCTION)(batch.obs.image).shape == (3, *SIZE)
    assert net_for(CONTRAST)(batch.obs.image).norm(dim=1).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize(("objective", "share"), [(RECONSTRUCTION, 0.2), (CONTRAST, 0.9)])
def test_the_loss_falls(objective: Objective, share: float) -> None:
    """Pictures of the same place cannot be told apart: that of contrast stays above log 2."""
    learner = learner_for(objective)
    losses = [float(learner.update(stripes(32, seed=step)[0]).metrics["loss"]) for step in range(40)]
    assert sum(losses[-5:]) < share * sum(losses[:5])


def test_an_encoder_that_tells_pictures_apart_knows_where_things_are() -> None:
    learner = learner_for(CONTRAST)
    before = error_of_probe(learner.online)
    for step in range(40):
        learner.update(stripes(32, seed=step)[0])
    assert error_of_probe(learner.online) < 0.7 * before


def test_an_update_goes_on_from_a_saved_state_to_the_bit() -> None:
    one, other = learner_for(CONTRAST), learner_for(CONTRAST)
    batches = [stripes(32, seed=step)[0] for step in range(3)]
    for batch in batches[:2]:
        one.update(batch)
    other.update(batches[2])
    other.load_state_dict(deepcopy(one.state_dict()))
    one.evaluate(batches[0])  # changes nothing
    assert float(one.update(batches[2]).metrics["loss"]) == float(other.update(batches[2]).metrics["loss"])
    for a, b in zip(one.online.state_dict().values(), other.online.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_parts_of_a_batch_give_the_gradient_of_the_whole() -> None:
    whole, parts = learner_for(RECONSTRUCTION), learner_for(RECONSTRUCTION, rows_at_once=5)
    batch, _ = stripes(32)
    norms = [float(each.update(batch).metrics["grad_norm"]) for each in (whole, parts)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_a_batch_that_is_not_finite_changes_nothing() -> None:
    learner, (batch, _) = learner_for(RECONSTRUCTION), stripes(8)
    before = learner.step.parameters.clone()
    update = learner.update(batch._replace(weight=torch.full((8,), torch.nan)))
    assert torch.equal(learner.step.parameters, before) and not torch.isfinite(update.metrics["grad_norm"])


def test_random_driving_holds_its_actions_for_a_while() -> None:
    policy = RandomPolicy(net_for(CONTRAST), torch.Generator().manual_seed(0), 12, ())
    obs = stripes(50)[0].obs
    driven = torch.stack([policy.act(obs, explore=True).action for _ in range(200)])
    changed = float((driven[1:] != driven[:-1]).float().mean())
    assert changed == pytest.approx(11 / 12 / HELD, abs=0.01)
    assert len(driven.unique()) == 12
    saved = policy.state_dict()
    following = policy.act(obs, explore=True).action
    policy.load_state_dict(saved)
    assert torch.equal(policy.act(obs, explore=True).action, following)
    assert policy.act(obs, explore=False).action.unique().tolist() == [0]


def test_a_decision_of_several_random_actions_changes_as_one() -> None:
    policy = RandomPolicy(net_for(CONTRAST), torch.Generator().manual_seed(0), 12, (3,))
    decision = policy.act(stripes(5)[0].obs, explore=True)
    assert decision.action.shape == (5, 3) and decision.q.shape == (5, 3, 12)


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="temperature must be above 0, got 0"):
        Contrast(CONTRAST.part, 0, CONTRAST.augment)
    with pytest.raises(UserError, match="there is no image encoder to pretrain; choose one"):
        drawn = torch.Generator()
        PretrainingNet(SIZE, NoEncoder, CONTRAST, LeakyRelu(), drawn, ORTHOGONAL, "fp32", CPU)
