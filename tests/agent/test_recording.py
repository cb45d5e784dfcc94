"""A recorded part of an update against the part itself."""

from __future__ import annotations

import copy
import math
import weakref
from functools import partial

import pytest
import torch
from torch import Tensor

from btr_tm.agent.execution import Eager, Replayed
from btr_tm.agent.learner import IqnLearner
from btr_tm.agent.loss_scaling import DynamicScaling
from btr_tm.agent.noise import ShareWithActing
from btr_tm.agent.recording import Recording
from btr_tm.agent.reset import PartialReset
from btr_tm.core.bins import Bins
from btr_tm.core.clock import Clock
from btr_tm.losses.value_loss import HlGauss
from btr_tm.nets.values import BinMeans
from btr_tm.targets.greedy import DoubleDqn

from ..nets.helpers import ALL_OFF, ALL_ON, PER_SAMPLE, network, observations, random_batch
from ..targets.helpers import munchausen
from .helpers import LINESIGHT_SELF_LOSS, hard, learner, soft

CALLS = 6  # the third and the fourth are written down, later ones replayed


class Counted:
    """How often Python ran through `function`."""

    def __init__(self, function) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *trees):
        self.calls += 1
        return self.function(*trees)


def test_gradients_draws_and_changes_outside_are_replayed() -> None:
    weight, mean = torch.randn(3, 2).requires_grad_(), torch.zeros(3)
    weight.grad = torch.zeros_like(weight)
    generator = torch.Generator()

    def step(x: Tensor) -> tuple[Tensor, Tensor]:
        noise = torch.rand(4, 3, generator=generator)
        mean.lerp_(x.mean(0), 0.1)
        loss = (((x + noise) @ weight).tanh() ** 2).sum()
        loss.backward()
        return loss.detach(), mean * 1.0

    found = []
    for way in (Counted(step), counted := Counted(step)):
        with torch.no_grad():
            mean.zero_(), weight.grad.zero_()
        generator.manual_seed(0)
        run = Recording(way) if way is counted else way
        results = [run(torch.full((4, 3), float(number))) for number in range(CALLS)]
        found.append([*(leaf for result in results for leaf in result), weight.grad.clone(), mean.clone()])
    assert counted.calls == 4
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_another_shape_is_recorded_for_itself() -> None:
    doubled = Counted(lambda x: (x * 2,))
    recording = Recording(doubled)
    for rows in (2, 3) * CALLS:
        (result,) = recording(torch.ones(rows))
        assert result.tolist() == [2.0] * rows
    assert doubled.calls == 2 * 4


def test_what_reads_a_number_is_not_recorded() -> None:
    recording = Recording(lambda x: (x * 2 if x.sum().item() > 0 else x,))
    for number in range(CALLS):
        x = torch.tensor([1.0 if number % 2 else -1.0])
        assert recording(x)[0].item() == (2.0 if number % 2 else -1.0)


def test_a_mask_whose_rows_are_counted_is_not_recorded() -> None:
    recording = Recording(lambda x: (x[x > 0].sum(),))
    for number in range(CALLS):
        x = torch.arange(4.0) - number
        assert recording(x)[0].item() == x.clamp_min(0).sum().item()


def test_another_order_in_memory_is_recorded_for_itself() -> None:
    recording = Recording(lambda x: (x.reshape(-1) * 1,))
    for x in (torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(3, 2).T) * CALLS:
        assert torch.equal(recording(x)[0], x.reshape(-1))


def test_another_format_is_recorded_for_itself() -> None:
    recording = Recording(lambda x: (x.float() * 0.5,))
    for x in (torch.tensor([1.0]), torch.tensor([3])) * CALLS:
        assert recording(x)[0].tolist() == [x.item() / 2]


def chances(x: Tensor, generator: torch.Generator | None) -> tuple[Tensor]:
    return (torch.bernoulli(x * 0.5, generator=generator),)


def dropped(x: Tensor, generator: torch.Generator | None) -> tuple[Tensor]:
    return (torch.nn.functional.dropout(x, 0.5),)


@pytest.mark.parametrize("draw", [chances, dropped])
def test_draws_that_cannot_come_first_are_not_recorded(draw) -> None:
    found = []
    for way in (lambda function: function, Recording):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        run = way(partial(draw, generator=generator))
        found.append([run(torch.full((9,), number / CALLS))[0].tolist() for number in range(CALLS)])
    assert found[0] == found[1]


def a_new_factor(x: Tensor, number: int) -> Tensor:
    return x * torch.full((1,), float(number))


def through_numpy(x: Tensor, number: int) -> Tensor:
    return torch.from_numpy(x.numpy() * number)


def a_number(x: Tensor, number: int) -> Tensor:
    return x * number


@pytest.mark.parametrize("function", [a_new_factor, through_numpy, a_number])
def test_what_is_another_operation_each_time_is_not_recorded(function) -> None:
    number = iter(range(CALLS))
    recording = Recording(lambda x: (function(x, next(number)),))
    assert [recording(torch.ones(1))[0].item() for _ in range(CALLS)] == [*map(float, range(CALLS))]


def test_a_call_that_fails_while_it_is_written_leaves_nothing_behind() -> None:
    total, calls = torch.zeros(()), iter(range(2 * CALLS))

    def add(x: Tensor) -> tuple[Tensor]:
        total.add_(x.sum())
        if next(calls) in (2, 4):
            raise ValueError("no")
        return (total * 1,)

    recording = Recording(add)
    for number in range(2 * CALLS):
        if number in (2, 4):
            with pytest.raises(ValueError, match="no"):
                recording(torch.ones(1))
        else:
            assert recording(torch.ones(1))[0].item() == number + 1
    assert next(calls) == 6


def test_what_the_tracer_does_not_know_stays_as_it_is(monkeypatch) -> None:
    def refuse(module, inputs, **options) -> None:
        module(*inputs)
        raise RuntimeError("unknown operation")

    monkeypatch.setattr(torch.jit, "trace", refuse)
    total = torch.zeros(())
    recording = Recording(lambda x: (total.add_(x.sum()) * 1,))
    assert [recording(torch.ones(1))[0].item() for _ in range(CALLS)] == [*map(float, range(1, CALLS + 1))]


def test_memory_is_given_back_while_a_call_is_written_down() -> None:
    held = []

    def through(x: Tensor) -> tuple[Tensor]:
        between = x * 2
        found, watched = between + 1, weakref.ref(between)
        del between
        held.append(watched() is not None)
        return (found,)

    recording = Recording(through)
    for _ in range(CALLS):
        recording(torch.ones(2))
    assert held == [False] * 4


def test_a_tensor_that_has_been_replaced_is_forgotten() -> None:
    held = {"factor": torch.tensor(2.0)}
    recording = Recording(lambda x: (x * held["factor"],))
    for _ in range(CALLS):
        recording(torch.ones(2))
    held["factor"] = torch.tensor(3.0)
    recording.forget()
    assert [recording(torch.ones(1))[0].item() for _ in range(CALLS)] == [3.0] * CALLS


BINS = Bins(-5.0, 5.0, 21)
VARIANTS = {
    "all off": (ALL_OFF, {"target": DoubleDqn(), "target_sync": soft(), "self_loss": LINESIGHT_SELF_LOSS}),
    "all on": (ALL_ON, {"target": munchausen(), "symmetric_taus": True, "micro_batch": 5}),
    "noise per sample": (PER_SAMPLE, {"target": munchausen(log_pi_from="target"), "clip_norm": 0.1}),
    "bins": (ALL_ON | {"values": BinMeans(BINS)}, {"value_loss": HlGauss(BINS, 0.75)}),
    "bf16": (ALL_ON | {"precision": "bf16"}, {"target": munchausen()}),
}


def pair(variant: str) -> tuple[IqnLearner, IqnLearner]:
    parts, options = VARIANTS[variant]
    eager, replayed = (learner(network(**parts), execution=way, **options) for way in (Eager(), Replayed()))
    return eager, replayed


def assert_equal_updates(eager: IqnLearner, replayed: IqnLearner, count: int) -> None:
    for seed in range(count):
        one, other = (each.update(random_batch(9, seed)) for each in (eager, replayed))
        torch.testing.assert_close(other, one, rtol=0, atol=0, equal_nan=True)
        assert torch.equal(eager.step.parameters, replayed.step.parameters)
    torch.testing.assert_close(
        replayed.target_net.state_dict(), eager.target_net.state_dict(), rtol=0, atol=0
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_replayed_updates_are_equal_to_the_bit(variant: str) -> None:
    eager, replayed = pair(variant)
    assert_equal_updates(eager, replayed, CALLS)
    calls = Counted(replayed.loss.target)
    object.__setattr__(replayed.loss, "target", calls)
    assert_equal_updates(eager, replayed, 2)
    assert calls.calls == 0


def test_a_learner_goes_on_from_what_it_loads() -> None:
    eager, replayed = pair("all on")
    assert_equal_updates(eager, replayed, CALLS)
    state = copy.deepcopy(eager.state_dict())
    assert_equal_updates(eager, replayed, 2)
    for each in (eager, replayed):
        each.load_state_dict(copy.deepcopy(state))
    assert_equal_updates(eager, replayed, CALLS)


def reset_learner(execution) -> tuple[IqnLearner, Clock]:
    net, clock = network(**PER_SAMPLE), Clock()
    reset = PartialReset(net, torch.Generator().manual_seed(5), 2, share=0.1, last_share=0.8, extra_uses=0)
    options = {"target_sync": hard(2), "noise": ShareWithActing(), "scaling": DynamicScaling}
    return learner(net, clock=clock, reset=reset, execution=execution, **options), clock


def test_what_happens_between_updates_is_seen_by_replayed_ones() -> None:
    """Decisions, test batches of another size, resets, copies of the network, and a batch with no numbers."""
    found = []
    for way in (Eager(), Replayed()):
        each, clock = reset_learner(way)
        results = []
        for seed in range(CALLS + 4):
            each.policy.act(observations(3, seed=seed), explore=True)
            batch = random_batch(9, seed)
            refused = batch._replace(reward=torch.full_like(batch.reward, math.nan))
            results.append(each.update(refused if seed == CALLS else batch))
            results.append(each.evaluate(random_batch(4, seed)))
            clock.frames += 1
        found.append([results, each.online.state_dict(), each.target_net.state_dict()])
        found[-1] += [each.step.scaling.state_dict(), each.generator.get_state()]
        assert results[2 * CALLS].metrics["grad_norm"].isfinite()  # that of the step before
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0, equal_nan=True)
