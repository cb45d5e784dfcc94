"""What the policy does with noise, fractions and its generator."""

from __future__ import annotations

import pytest
import torch

from btr_tm.agent.execution import Eager, Replayed
from btr_tm.agent.policy import IqnPolicy
from btr_tm.agent.recording import Recording
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.schedule import Constant
from btr_tm.exploration.noise import NoisyGreedy
from btr_tm.losses.quantile import draw_taus

from ..exploration.helpers import exploring, noise_and
from ..nets.helpers import ALL_OFF, ALL_ON, PER_SAMPLE, network, observations
from .helpers import learner_of


def policy(exploration, seed: int = 0, **parts) -> IqnPolicy:
    return of_net(network(**parts), exploration, seed, Eager())


def of_net(net, exploration, seed: int, execution) -> IqnPolicy:
    drawing = torch.Generator().manual_seed(seed)
    return IqnPolicy(net, exploration, Clock(), drawing, 4, False, execution)


def test_driving_without_exploration_is_deterministic_and_silent() -> None:
    driver, obs = policy(NoisyGreedy(), **ALL_ON), observations(6)
    first = driver.act(obs, explore=False)
    state = driver.generator.get_state()
    driver.act(obs, explore=True)  # leaves noise behind
    driver.generator.set_state(state)
    second = driver.act(obs, explore=False)
    assert torch.equal(first.q, second.q) and torch.equal(first.action, second.action)
    assert torch.equal(driver.generator.get_state(), state)  # nothing drawn
    assert torch.equal(first.action, first.q.argmax(1))
    assert first.greedy.dtype == torch.bool and first.greedy.all()


def test_exploring_with_noise_draws_new_noise_before_every_decision() -> None:
    driver, obs = policy(NoisyGreedy(), **ALL_ON), observations(6)
    noises = []
    for _ in range(2):
        decision = driver.act(obs, explore=True)
        noises.append(driver.net.head.advantage[0].noise_in.clone())
        assert torch.equal(decision.action, decision.q.argmax(1)) and decision.greedy.all()
    assert not torch.equal(*noises)


def test_epsilon_exploration_drives_a_noisy_network_without_its_noise() -> None:
    driver, obs = policy(exploring(Constant(1.0)), **ALL_ON), observations(64)
    driver.net.reset_noise(torch.Generator().manual_seed(9))
    decision = driver.act(obs, explore=True)
    assert (driver.net.head.advantage[0].noise_in == 0).all()
    assert decision.action.unique().numel() > 4
    assert torch.equal(decision.greedy, decision.action == decision.q.argmax(1))


def test_exploration_follows_the_clock() -> None:
    driver = policy(exploring(lambda frames: float(frames > 10)), **ALL_OFF)
    greedy = []
    for driver.clock.frames in (10, 11):
        greedy.append(driver.act(observations(64), explore=True).greedy.all().item())
    assert greedy == [True, False]


def test_noise_and_epsilon_work_together() -> None:
    driver = policy(noise_and(Constant(1.0)), **ALL_ON)
    decision = driver.act(observations(64), explore=True)
    assert (driver.net.head.advantage[0].noise_in != 0).any()
    assert not decision.greedy.all()


def test_saved_and_loaded_policy_goes_on_drawing_the_same() -> None:
    driver, obs = policy(noise_and(Constant(0.5)), **ALL_ON), observations(16)
    driver.act(obs, explore=True)
    state = driver.state_dict()
    expected = driver.act(obs, explore=True)
    other = policy(noise_and(Constant(0.5)), seed=5, **ALL_ON)
    other.load_state_dict(state)
    again = other.act(obs, explore=True)
    assert torch.equal(again.q, expected.q) and torch.equal(again.action, expected.action)


def test_a_policy_of_blocks_decides_for_every_slot() -> None:
    driver = policy(noise_and(Constant(0.5)), **ALL_ON, block=(5,))
    quiet = driver.act(observations(64), explore=False)
    assert quiet.q.shape == (64, 5, 12)
    assert torch.equal(quiet.action, quiet.q.argmax(-1)) and quiet.greedy.shape == (64,)
    decision = driver.act(observations(64), explore=True)
    assert decision.action.shape == (64, 5)
    assert torch.equal(decision.greedy, (decision.action == decision.q.argmax(-1)).all(1))


def test_mirrored_fractions_reach_the_acting_draw() -> None:
    driver, obs = policy(NoisyGreedy(), **ALL_ON), observations(3)
    drawing = torch.Generator().manual_seed(0)
    mirrored = IqnPolicy(network(**ALL_ON), NoisyGreedy(), Clock(), drawing, 4, True, Eager())
    for each, symmetric in ((driver, False), (mirrored, True)):
        q = each.act(obs, explore=True).q
        expected = torch.Generator().manual_seed(0)
        each.net.reset_noise(expected, 3)
        taus = draw_taus(3, 4, expected, symmetric)
        assert torch.equal(q, each.net(obs, taus).mean(1).detach())


def test_an_odd_number_of_mirrored_acting_fractions_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match="^taus_act must be even, .* got 5$"):
        IqnPolicy(network(), NoisyGreedy(), Clock(), torch.Generator(), 5, True, Eager())


def test_with_noise_per_sample_each_car_acts_with_noise_of_its_own() -> None:
    driver = policy(NoisyGreedy(), **PER_SAMPLE)
    one = observations(1)
    obs = type(one)(*(leaf.expand(5, *leaf.shape[1:]) for leaf in one))
    driver.act(obs, explore=True)
    noise, _ = driver.net.head.advantage[0]._drawn
    assert noise.shape[0] == 5 and not torch.equal(noise[0], noise[1])
    silent = driver.act(obs, explore=False).q
    assert torch.equal(silent[0], silent[4])


class Recorded(Replayed):
    """Records whatever Python this is."""

    def part(self, function):
        self._recordings.append(Recording(function))
        return self._recordings[-1]


CASES = {
    "all on": ALL_ON,
    "all off": ALL_OFF,
    "noise per sample": PER_SAMPLE,
    "bf16": ALL_ON | {"precision": "bf16"},
}


def driven(driver: IqnPolicy) -> list[torch.Tensor]:
    """Decisions while weights and noise change, of two numbers of cars, in evaluations and beside them."""
    decisions = []
    for turn in range(3):
        with torch.no_grad():
            for weight in driver.net.parameters():
                weight.mul_(0.9)
        driver.net.power_iteration()
        for number in range(4):
            decisions += driver.act(observations(6, seed=number + 10 * turn), explore=True)
        with torch.inference_mode(), driver.unchanged():
            for number in range(5):
                decisions += driver.act(observations(5 - number % 2, seed=number + 10 * turn), explore=False)
        decisions += driver.act(observations(6, seed=turn), explore=False)
    return decisions


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
def test_recorded_decisions_are_those_of_every_other_way(parts) -> None:
    plain, recorded = (
        of_net(network(**parts), noise_and(Constant(0.2)), 3, way) for way in (Eager(), Recorded())
    )
    forward, calls = recorded.net.forward, []
    recorded.net.forward = lambda *given: calls.append(0) or forward(*given)
    found = driven(plain), driven(recorded)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert len(calls) == 4 + 2 * 4 + 3  # exploring, two sizes of evaluations, beside them


def test_a_learner_of_a_driver_that_has_acted_moves_its_weights() -> None:
    """It lays the parameters out anew."""
    driver, obs = of_net(network(), exploring(Constant(0.0)), 0, Recorded()), observations(4)
    for _ in range(6):
        driver.act(obs, explore=False)
    learner_of(driver)
    with torch.no_grad():
        for weight in driver.net.parameters():
            weight.zero_()
    assert (driver.act(obs, explore=False).q == 0).all()


def test_a_grid_for_all_cars_is_the_grid_of_each() -> None:
    driver, obs = policy(NoisyGreedy(), **ALL_ON, precision="bf16"), observations(33)
    expected = driver.net(obs, driver._grid.expand(33, -1)).mean(1)
    assert torch.equal(driver.act(obs, explore=False).q, expected)
