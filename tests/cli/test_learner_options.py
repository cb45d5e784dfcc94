"""Values of a configuration that reach the learner and the policy, and sentences for those that cannot."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from btr_tm.agent.loss_scaling import DynamicScaling, NoScaling
from btr_tm.agent.moments import KeepMoments, ResetMoments
from btr_tm.agent.reset import NoReset, PartialReset
from btr_tm.agent.target_sync import HardSync, SoftSync
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Batch, Obs
from btr_tm.losses.self_loss import NormalisedSelfLoss, NoSelfLoss
from btr_tm.nets.linear import NoisyLinearPerSample

SMALL = ("profile=smoke", "profile.threads=1", "encoder=none")


def built(*overrides: str):
    parts = Parts(checked(compose_job([*SMALL, *overrides]).values), torch.device("cpu"))
    env = SimpleNamespace(image_shape=(1, 0, 0), layout=FloatLayout.full(), actions=12, block=())
    return parts.learner(parts.policy(env))


def some_batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    first, second = (
        Obs(torch.zeros(8, 1, 0, 0, dtype=torch.uint8), torch.randn(8, 184, generator=draw)) for _ in range(2)
    )
    zeros, ones = torch.zeros(8, dtype=torch.int64), torch.ones(8)
    return Batch(first, zeros, ones, 0.9 * ones, second, ones, zeros)


def test_every_option_of_the_learner_is_off_by_default() -> None:
    learner = built("head=noisy")
    assert isinstance(learner.loss.self_loss, NoSelfLoss) and isinstance(learner.reset, NoReset)
    assert isinstance(learner.step.scaling, NoScaling) and learner.step.clip_value == math.inf
    assert learner.target_sync == SoftSync(0.02, 1, "follow")
    assert not learner.policy.symmetric_taus and learner.driver is learner.policy
    assert isinstance(learner.moments, KeepMoments)
    assert not any(isinstance(layer, NoisyLinearPerSample) for layer in learner.online.modules())


def test_every_option_of_the_learner_can_be_chosen_together() -> None:
    learner = built(
        "head=noisy", "profile.precision=fp16", "learner/self_loss=normalised",
        "convention.clip_value=1000", "learner/reset=partial", "learner.reset.every_frames=7",
        "learner/target_sync=hard", "convention.target_hard_every=9", "convention.target_buffers=own",
        "convention.noise_draw=sample", "convention.symmetric_taus=true", "learner/moments=reset",
        "policy=ema",
    )  # fmt: skip
    assert isinstance(learner.loss.self_loss, NormalisedSelfLoss) and isinstance(
        learner.step.scaling, DynamicScaling
    )
    assert isinstance(learner.reset, PartialReset) and learner.reset.every.period == 7
    assert learner.target_sync == HardSync(9, "own") and learner.step.clip_value == 1000
    assert isinstance(learner.moments, ResetMoments) and learner.driver is not learner.policy
    assert learner.policy.symmetric_taus and learner.online.precision == "fp16"
    assert any(isinstance(layer, NoisyLinearPerSample) for layer in learner.online.modules())
    assert torch.isfinite(learner.update(some_batch()).metrics["loss"])


def test_soft_target_takes_its_share_and_period_from_the_convention() -> None:
    learner = built("convention.target_soft_tau=0.5", "convention.target_soft_every=4")
    assert learner.target_sync == SoftSync(0.5, 4, "follow")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("convention.symmetric_taus=true", "profile.taus_act=7"), "profile.taus_act must be even, .* got 7"),
        (("convention.symmetric_taus=true", "profile.taus=5"), "profile.taus must be even, .* got 5"),
        (("convention.target_soft_every=0",), "got 0"),
        (("head=noisy", "learner/noise=share_with_acting", "convention.noise_draw=sample"), "redraw_both"),
        (("head=noisy", "learner/noise=share_with_acting", "collector=processes"), "collector=inline"),
        (("learner/self_loss=normalized",), "normalised"),
        (("learner/moments=reset",), "choose learner/target_sync=hard, or learner/moments=kept"),
        (
            ("learner/moments=reset", "learner/target_sync=hard", "convention.target_hard_every=1"),
            "would forget the moments after each update; raise convention.target_hard_every",
        ),
        (("learner/reset=partial",), r"every_frames \(5,000,000\) must be below profile.total_frames"),
        (("value=hl_gauss", "learner/self_loss=normalised"), "learner/self_loss=none, or value=quantiles"),
        (("value=hl_gauss", "env.action_offsets_ms=[0,10]"), "value=quantiles, or env.action_offsets_ms"),
        (("value=hl_gauss", "value.bins.low=70"), "low below high, got 70 and 40.0"),
    ],
)
def test_values_that_cannot_work_are_refused_in_one_sentence(overrides, words) -> None:
    with pytest.raises(UserError, match=words) as caught:
        built(*overrides)
    assert "\n" not in str(caught.value)
