"""Every shipped experiment learns the same on a CPU whether its updates are replayed or not."""

from __future__ import annotations

import pytest
import torch

from btr_tm.agent.execution import Eager, Replayed
from btr_tm.agent.parallel import SingleProcess
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import Spec

from .test_captured import CPU, SIZES, built, each_choice, updates

KERNEL = "profile.compile=kernel"


@each_choice(pytest.mark.long, "quickstart", "all options")
def test_replayed_updates_are_equal_to_the_bit(choices) -> None:
    found = []
    for compile, execution in (("eager", Eager), ("auto", Replayed)):
        learner, shapes = built(*choices, "profile.micro_batch=16", f"profile.compile={compile}")
        assert type(learner.execution) is execution
        found.append([update.metrics for update in updates(learner, shapes, 6)])
        found[-1] += [learner.online.state_dict(), learner.target_net.state_dict()]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0, equal_nan=True)


def of_several(net) -> SingleProcess:
    """What is not known to be one process."""
    return SingleProcess(net)


@pytest.mark.parametrize(
    "words, group, execution",
    [
        ((KERNEL,), SingleProcess, Replayed),
        ((KERNEL,), of_several, Eager),
        ((KERNEL, "profile.micro_batch=8"), SingleProcess, Eager),
        ((), SingleProcess, Eager),
    ],
)
def test_updates_of_one_process_and_in_one_piece_are_replayed(words, group, execution) -> None:
    parts = Parts(checked(compose_job(["+experiment=quickstart", *SIZES, *words]).values), CPU)
    policy = parts.policy(Spec((1, *parts.image_size), FloatLayout.generic(8), 12))
    assert type(parts.learner(policy, group).execution) is execution
