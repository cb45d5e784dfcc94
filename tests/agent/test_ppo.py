"""One update of PPO against Stable-Baselines3's, and what ends an update early."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from btr_tm.agent.driver_weights import OnlineWeights
from btr_tm.agent.execution import Eager
from btr_tm.agent.ppo import Passes, PpoBuilder, PpoLearner
from btr_tm.agent.ppo_policy import PpoPolicy
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.schedule import Constant
from btr_tm.core.types import Batch, Obs
from btr_tm.losses.policy_gradient import ClippedSurrogate
from btr_tm.nets.actor_critic import ActorCritic
from btr_tm.nets.encoder.encoder import NoEncoder
from btr_tm.nets.layers import LeakyRelu, NoNorm, Orthogonal
from btr_tm.nets.linear import Plain
from btr_tm.nets.state_fusion import Concat

from .helpers import ADAM, STEP, step_of

T, E, FLOATS, ACTIONS = 8, 4, 5, 3
GAMMA, TRACE, RATE = 0.9, 0.8, 1e-3
EPOCHS, VALUE_WEIGHT, ENTROPY_WEIGHT, CLIP_NORM = 3, 0.5, 0.01, 0.5


def learner(
    value_clip: float = 0.0, target_kl: float = 0.0, epochs: int = EPOCHS, **passes: int
) -> PpoLearner:
    net = ActorCritic(
        (1, 0, 0),
        FloatLayout.generic(FLOATS),
        ACTIONS,
        encoder=lambda shape: NoEncoder(shape),
        hidden=16,
        linear=Plain(),
        norm=NoNorm(),
        shared=True,
        state_fusion=Concat,
        generator=torch.Generator().manual_seed(0),
        float_hidden=16,
        activation=LeakyRelu(),
        weights=Orthogonal(),
        precision="fp32",
        block=(),
        device=torch.device("cpu"),
    )
    sizes = {"minibatches": 1, "rows_at_once": 12} | passes
    builder = PpoBuilder(
        Constant(RATE),
        partial(step_of, **(STEP | {"clip_norm": CLIP_NORM})),
        OnlineWeights,
        ClippedSurrogate(0.2, value_clip, VALUE_WEIGHT, ENTROPY_WEIGHT),
        Passes(epochs=epochs, trace=TRACE, target_kl=target_kl, **sizes),
    )
    policy = PpoPolicy(net, Clock(), torch.Generator().manual_seed(1), Eager())
    return builder.build(policy, ADAM, torch.Generator().manual_seed(2))


def rollout(rewards: float = 1.0) -> Batch:
    """T decisions of E cars: one race ends by its own, one is cut off, the others go on."""
    draw = torch.Generator().manual_seed(3)
    terminated, ended = torch.zeros(2, T, E, dtype=torch.bool)
    terminated[2, 0] = ended[2, 0] = ended[4, 1] = True
    states = torch.randn(T + 1, E, FLOATS, generator=draw)
    following = states[1:].clone()
    following[ended] = torch.randn(int(ended.sum()), FLOATS, generator=draw)
    rows, blank = T * E, torch.zeros(T * E, 1, 0, 0, dtype=torch.uint8)
    return Batch(
        obs=Obs(blank, states[:-1].flatten(0, 1)),
        action=torch.randint(ACTIONS, (rows,), generator=draw),
        reward=rewards * torch.randn(rows, generator=draw),
        discount=torch.full((T, E), GAMMA).masked_fill(terminated, 0.0).flatten(),
        next_obs=Obs(blank, following.flatten(0, 1)),
        weight=torch.ones(rows),
        index=torch.arange(rows),
        ended=(ended,),
    )


class Judged(nn.Module):
    """What Stable-Baselines3 asks of a policy, around our network."""

    def __init__(self, net: ActorCritic) -> None:
        super().__init__()
        self.net = net
        self.optimizer = torch.optim.Adam(net.parameters(), RATE, eps=1e-5)

    def set_training_mode(self, mode: bool) -> None:
        self.train(mode)

    def seen(self, floats: Tensor) -> Obs:
        return Obs(torch.zeros(len(floats), 1, 0, 0, dtype=torch.uint8), floats)

    def evaluate_actions(self, floats: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, value = self.net(self.seen(floats))
        chosen = torch.distributions.Categorical(logits=logits)
        return value[:, None], chosen.log_prob(actions), chosen.entropy()


def train_by_stable_baselines3(net: ActorCritic, batch: Batch, value_clip: float) -> None:
    """Update `net` with its loop and its advantages."""
    from gymnasium.spaces import Box, Discrete
    from stable_baselines3 import PPO
    from stable_baselines3.common.buffers import RolloutBuffer
    from stable_baselines3.common.logger import Logger

    spaces = Box(-9, 9, (FLOATS,)), Discrete(ACTIONS)
    held = RolloutBuffer(T, *spaces, gae_lambda=TRACE, gamma=GAMMA, n_envs=E)
    judged = Judged(net)
    with torch.no_grad():
        logits, value = net(batch.obs)
        following = net(batch.next_obs).value.view(T, E)
    ended, terminated = batch.ended[0], batch.discount.view(T, E) == 0
    log_p = torch.distributions.Categorical(logits=logits).log_prob(batch.action)
    # It knows no successor but the next row: its loop pays what was cut off into the reward.
    paid = batch.reward.view(T, E) + torch.where(ended & ~terminated, GAMMA * following, 0.0)
    starts = torch.cat([torch.zeros(1, E), ended[:-1].float()])
    floats, actions = batch.obs.floats.view(T, E, -1), batch.action.view(T, E)
    for t in range(T):
        row = floats[t].numpy(), actions[t].numpy()[:, None], paid[t].numpy(), starts[t].numpy()
        held.add(*row, value.view(T, E)[t], log_p.view(T, E)[t])
    held.compute_returns_and_advantage(following[-1], ended[-1].numpy())
    loop = PPO.__new__(PPO)
    loop.policy, loop.rollout_buffer, loop.logger_ = judged, held, None
    loop._logger = Logger(None, [])
    loop.action_space, loop.use_sde, loop.device = spaces[1], False, torch.device("cpu")
    loop.clip_range, loop._current_progress_remaining = lambda _: 0.2, 1.0
    loop.clip_range_vf = (lambda _: value_clip) if value_clip else None
    loop.lr_schedule = lambda _: RATE
    loop.n_epochs, loop.batch_size, loop.normalize_advantage = EPOCHS, T * E, True
    loop.ent_coef, loop.vf_coef, loop.max_grad_norm = ENTROPY_WEIGHT, VALUE_WEIGHT, CLIP_NORM
    loop.target_kl, loop.verbose, loop._n_updates = None, 0, 0
    loop.train()


@pytest.mark.parametrize("value_clip", [0.0, 0.05])
def test_an_update_is_that_of_stable_baselines3(value_clip: float) -> None:
    pytest.importorskip("stable_baselines3")
    own, other, batch = learner(value_clip), learner(value_clip), rollout()
    before = [leaf.clone() for leaf in own.online.parameters()]
    own.update(batch)
    train_by_stable_baselines3(other.online, batch, value_clip)
    for ours, theirs in zip(own.online.parameters(), other.online.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0.0)
    assert any(not torch.equal(was, ours) for was, ours in zip(before, own.online.parameters(), strict=True))


def test_an_update_ends_where_the_policy_has_moved_too_far() -> None:
    free, held = learner(epochs=20), learner(epochs=20, target_kl=1e-4)
    assert float(free.update(rollout()).metrics["epochs"]) == 20.0
    found = held.update(rollout()).metrics
    assert 1.0 <= float(found["epochs"]) < 20.0


def test_a_number_that_is_not_finite_changes_nothing() -> None:
    own, batch = learner(), rollout()
    before = [leaf.clone() for leaf in own.online.parameters()]
    own.update(batch._replace(reward=batch.reward * torch.nan))
    for was, now in zip(before, own.online.parameters(), strict=True):
        torch.testing.assert_close(was, now, atol=0.0, rtol=0.0)


def test_an_update_learns_what_pays() -> None:
    """The first action pays 1, the others nothing."""
    own = learner(epochs=4, minibatches=2)
    for number in range(30):
        batch = rollout()
        floats = torch.randn(batch.obs.floats.shape, generator=torch.Generator().manual_seed(number))
        obs = batch.obs._replace(floats=floats)
        action = own.policy.act(obs, explore=True).action
        own.update(batch._replace(obs=obs, action=action, reward=(action == 0).float()))
    assert float(own.policy.act(obs, explore=True).q.softmax(-1)[:, 0].mean()) > 0.6


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("minibatches", 0)])
def test_passes_that_make_no_sense_are_refused(name: str, value: int) -> None:
    with pytest.raises(UserError, match=f"learner.passes.{name} must be 1 or larger, got 0"):
        learner(**{name: value})
