"""What a CUDA graph asks of an update, held on a CPU for every shipped experiment.

The host may read nothing, every tensor from outside must lie where it lay when the graph was captured, and
the compiled networks must be whole and compiled before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from btr_tm.agent.execution import Eager
from btr_tm.agent.learner import IqnLearner
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.floats import FloatLayout
from btr_tm.core.protocols import Spec
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch

from ..agent.test_execution import radam_on_a_device
from ..host_reads import HostReads, tensors
from ..nets.helpers import observations, random_batch

CPU, ROOT = torch.device("cpu"), Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
ALL_OPTIONS = (
    "head=noisy", "profile.precision=fp16", "learner/self_loss=normalised", "convention.clip_value=1000",
    "learner/reset=partial", "learner.reset.every_frames=1000", "learner/target_sync=hard",
    "convention.target_hard_every=2",
    "convention.noise_draw=sample", "convention.symmetric_taus=true", "profile.micro_batch=8",
)  # fmt: skip
# PPO learns from whole rollouts and reads how far its policy has moved; pretraining learns eagerly.
EAGER = ("ppo", "ppo_cart_pole", "ppo_lunar_lander", "pretrain")
CHOICES = {name: (f"+experiment={name}",) for name in EXPERIMENTS if name not in EAGER}
CHOICES["bc"] += ("demos=unread",)
CHOICES["all options"] = ("+experiment=quickstart", *ALL_OPTIONS)


def each_choice(others: pytest.MarkDecorator, *soon: str) -> pytest.MarkDecorator:
    """Parametrize `choices`; those that are not named get the mark of `others`."""
    marked = [
        pytest.param(words, id=name, marks=[] if name in soon else others) for name, words in CHOICES.items()
    ]
    return pytest.mark.parametrize("choices", marked)


SIZES = ("profile=smoke", "profile.threads=1", "profile.precision=bf16")
ROWS, CARS = 16, 3


class Watch(HostReads):
    """Notes besides where tensors from outside lie."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[int] = []
        self._made: set[int] = set()
        self._kept: list[Any] = []  # so that no address is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = tensors((args, kwargs))
        result = super().__torch_dispatch__(func, types, args, kwargs)
        places = {place(t) for t in given}
        self.outside += [place(t) for t in given if place(t) not in self._made]
        self._made |= {place(t) for t in tensors(result)} - places
        self._kept += [given, result]
        return result


def place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Watched(Eager):
    """Gives what a graph would be captured with: a batch and a rate that stay where they are."""

    def __init__(self) -> None:
        self.batch: Batch | None = None
        self.rate = torch.zeros(())
        self.watches: list[Watch] = []

    def __call__(self, step: Any, batch: Batch, rate: float) -> Any:
        self.batch = tree_map(torch.clone, batch) if self.batch is None else self.batch
        tree_map(Tensor.copy_, self.batch, batch)
        self.rate.fill_(rate)
        with Watch() as watch:
            result = step(self.batch, self.rate)
        self.watches.append(watch)
        return result


def built(*choices: str) -> tuple[IqnLearner, dict[str, Any]]:
    """A learner, and the shapes of what it sees."""
    given = SIZES if not any("precision" in word for word in choices) else SIZES[:-1]
    parts = Parts(checked(compose_job([choices[0], *given, *choices[1:]]).values), CPU)
    race = parts.env_class.with_track
    shape = (1, *parts.image_size)
    layout = parts.env(1, start_pool=1).layout if race else FloatLayout.generic(8)
    learner = parts.learner(parts.policy(Spec(shape, layout, 12)))
    return learner, {"net_shape": shape, "floats": layout.size}


def updates(learner: IqnLearner, shapes: dict[str, Any], count: int) -> Iterator[Any]:
    """With decisions between them, as in a run."""
    for number in range(count):
        seen = observations(CARS, seed=number, **shapes)
        learner.policy.act(seen, explore=True)
        with learner.policy.unchanged():  # an evaluation
            learner.policy.act(seen, explore=False)
        yield learner.update(random_batch(ROWS, seed=number, **shapes))


@each_choice(pytest.mark.slow, "quickstart", "all options")
def test_an_update_reads_nothing_and_finds_everything_where_it_was(choices, monkeypatch) -> None:
    radam_on_a_device(monkeypatch)
    learner, shapes = built(*choices)
    assert learner.step.takes_tensor_rate
    learner.execution = Watched()
    for update in updates(learner, shapes, 5):
        assert bool(update.metrics["loss"].isfinite())
    third, *others = (watch.outside for watch in learner.execution.watches[2:])
    assert len(third) > 100 and all(other == third for other in others)


@each_choice(pytest.mark.slow, "quickstart", "all options")
@pytest.mark.parametrize("explore", [True, False])
def test_a_decision_reads_nothing(choices, explore: bool) -> None:
    learner, shapes = built(*choices)
    with Watch():
        learner.policy.act(observations(CARS, **shapes), explore)


@each_choice(pytest.mark.long)
def test_the_networks_are_one_graph_each_and_compiled_before_the_update_is_captured(choices) -> None:
    learner, shapes = built(*choices)
    torch._dynamo.reset()
    for net in (learner.online, learner.target_net):
        net.compile(dynamic=False, fullgraph=True, backend="eager")
    graphs = []
    for _ in updates(learner, shapes, 6):
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[2:] == [graphs[2]] * 4 and graphs[2] > 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(torch._dynamo.config, "trace_autograd_ops"), reason="torch is too old")
@each_choice(pytest.mark.long, "all options")
def test_loss_and_gradient_are_one_graph(choices, monkeypatch) -> None:
    """All of an update but the optimizer, and random draws, which torch.compile takes from no generator."""
    learner, shapes = built(*choices)
    (update,) = updates(learner, shapes, 1)
    fixed = torch.linspace(0.1, 0.9, ROWS * learner.loss.taus).reshape(ROWS, -1)
    monkeypatch.setattr("btr_tm.agent.batch_loss.draw_taus", lambda *_: fixed)
    torch._dynamo.reset()
    batch = random_batch(ROWS, **shapes)
    gradients = []
    with torch._dynamo.config.patch(trace_autograd_ops=True):
        whole = torch.compile(learner.loss.backward, fullgraph=True, dynamic=False, backend="eager")
        for backward in (learner.loss.backward, whole):
            before = {name: value.clone() for name, value in learner.loss.self_loss.state_dict().items()}
            learner.step.clear()
            backward(batch, learner.step.scaling.scaled)
            gradients.append(learner.step.gradient.clone())
            learner.loss.self_loss.load_state_dict(before)
    torch.testing.assert_close(*gradients, rtol=0.02, atol=1e-3)  # pools and casts in another order


def test_what_would_make_a_gpu_wait_is_found() -> None:
    x = torch.arange(4.0)
    reads = (x.sum().item, lambda: bool(x[0] > 1), lambda: x[x > 1], x.nonzero, lambda: torch.tensor(1.0))
    for read in reads:
        with Watch(), pytest.raises(AssertionError):
            read()
    with Watch() as watch:
        y = x + 1
        y.mul_(x)
    assert watch.outside == [place(x)] * 2
