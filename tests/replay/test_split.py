"""What is set aside for tests: how much, in which pieces, and never trained on."""

from __future__ import annotations

from itertools import groupby

import pytest
import torch

from btr_tm.replay.sampler.uniform import Uniform
from btr_tm.replay.split import Contiguous, NoSplit, PerTransition

from .helpers import PRIORITIZED, SlowReplay, drive
from .test_buffer import check_against
from .test_conventions import CARS, replay

FLAGS, CARS_OF_FLAGS = 4000, 200


def flags(kind, p_end: float = 0.02) -> torch.Tensor:
    """Flags (T, E) of many cars whose races end now and then, and whether the race ended before (T, E)."""
    generator = torch.Generator().manual_seed(0)
    split = kind(CARS_OF_FLAGS, generator)
    ended = torch.rand(FLAGS, CARS_OF_FLAGS, generator=generator) < p_end
    return torch.stack([split(row).clone() for row in ended])


def test_five_per_cent_are_for_tests_in_the_long_run() -> None:
    """A stretch lasts ten decisions or so, so the standard error of the share is about 0.0008."""
    assert flags(Contiguous).float().mean().item() == pytest.approx(0.05, abs=0.004)


def test_a_stretch_ends_with_the_race_or_where_a_new_draw_says_so() -> None:
    """Within a race, a car leaves a stretch with probability 0.1 x 0.95, and enters one with 0.1 x 0.05."""
    drawn = flags(Contiguous, p_end=0.0)
    before, after = drawn[:-1], drawn[1:]
    left = (before & ~after).sum() / before.sum()
    entered = (~before & after).sum() / (~before).sum()
    assert left.item() == pytest.approx(0.095, rel=0.05)
    assert entered.item() == pytest.approx(0.005, rel=0.05)


def test_every_race_draws_anew() -> None:
    """Races of one decision: what came before does not matter."""
    drawn = flags(Contiguous, p_end=1.0)
    both = (drawn[:-1] & drawn[1:]).float().mean()
    assert both.item() == pytest.approx(0.05**2, rel=0.1)


def test_the_published_slip_sets_14_5_per_cent_aside_one_by_one() -> None:
    drawn = flags(PerTransition)
    assert drawn.float().mean().item() == pytest.approx(0.145, abs=0.002)
    both = (drawn[:-1] & drawn[1:]).float().mean()
    assert both.item() == pytest.approx(0.145**2, rel=0.03)
    assert PerTransition.train_share == pytest.approx(0.855)


def test_a_restored_split_goes_on_with_the_stretches_it_was_in() -> None:
    """Given the random numbers of the saved one and its state, but nothing else."""
    generator = torch.Generator().manual_seed(0)
    saved, ended = Contiguous(CARS_OF_FLAGS, generator), torch.arange(CARS_OF_FLAGS) % 2 == 0
    for _ in range(20):
        saved(ended)
    fresh_generator = torch.Generator()
    fresh_generator.set_state(generator.get_state())
    restored = Contiguous(CARS_OF_FLAGS, fresh_generator)
    for name, tensor in restored.state.items():
        tensor.copy_(saved.state[name])
    assert saved.state["split_test"].any()
    for _ in range(5):
        assert torch.equal(saved(ended), restored(ended))


def test_without_a_split_nothing_is_set_aside() -> None:
    assert not flags(NoSplit).any() and NoSplit.train_share == 1.0


@pytest.mark.parametrize("sampler", [Uniform, PRIORITIZED])
@pytest.mark.parametrize("split", [Contiguous, PerTransition])
def test_tests_are_never_trained_on_and_everything_is_one_or_the_other(sampler, split) -> None:
    fast, slow = replay(capacity=90, split=split, sampler=sampler, n_step=3), SlowReplay(CARS)
    for t in drive(120, CARS, torch.Generator().manual_seed(8)):
        fast.add(t)
        slow.add(t)
    check_against(slow, fast.sample(100), 3, cut=False)
    check_against(slow, fast.sample_test(100), 3, cut=False)  # returns run on across the split
    train, test = fast.sample(6000), fast.sample_test(2000)
    assert torch.equal(test.weight, torch.ones(2000))
    trained, tested = (set(batch.obs.floats[:, 1].int().tolist()) for batch in (train, test))
    live = {slow.rows[car][i].frame for car in range(CARS) for i in slow.live(car, fast.ring.slots_per_car)}
    assert trained | tested == live and not trained & tested
    assert len(fast) == len(trained)


def test_contiguous_tests_come_in_stretches_of_one_car() -> None:
    fast = replay(capacity=3000, split=Contiguous)
    for t in drive(950, CARS, torch.Generator().manual_seed(8), 0.01, 0.01):
        fast.add(t)
    tested = sorted(set(fast.sample_test(3000).obs.floats[:, 1].int().tolist()))
    stretches = [list(group) for _, group in groupby(enumerate(tested), lambda pair: pair[1] - pair[0])]
    assert len(tested) / len(stretches) > 5  # at 5 % one by one it would be 1.05


def test_as_long_as_nothing_is_set_aside_a_test_batch_counts_for_nothing() -> None:
    fast = replay(split=Contiguous, seed=0)
    fast.add(next(drive(1, CARS, torch.Generator())))
    assert int(fast.ring.test.count.sum()) == 0
    assert bool(fast.sample_test(8).weight.isnan().all())


def test_a_replay_that_does_not_split_has_no_test_batches() -> None:
    fast = replay()
    fast.add(next(drive(1, CARS, torch.Generator())))
    with pytest.raises(AssertionError, match="does not split"):
        fast.sample_test(8)


@pytest.mark.parametrize("kind", [NoSplit, Contiguous, PerTransition])
def test_a_part_answers_for_its_cars_with_the_random_numbers_of_the_whole(kind) -> None:
    generator = torch.Generator().manual_seed(0)
    part, before = kind(5, generator).part(slice(1, 4)), generator.get_state()
    assert part(torch.zeros(3, dtype=torch.bool)).shape == (3,)
    assert torch.equal(generator.get_state(), before) == (kind is NoSplit)
