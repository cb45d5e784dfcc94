"""What an update does to the network, measured on states that stay the same for the whole run."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.agent.diagnostics import (
    Activity,
    StateValues,
    dormancy,
    noiseless_copy,
    rank_metrics,
    weight_metrics,
)
from btr_tm.agent.step import GuardedStep
from btr_tm.core.clock import Clock, Every
from btr_tm.core.protocols import TargetFn
from btr_tm.core.types import Obs, StateDict
from btr_tm.losses.quantile import draw_taus, fixed_taus
from btr_tm.metrics import analysis
from btr_tm.nets.iqn import IQN

FRACTIONS = 32  # of the common grid
SPREAD = (0.05, 0.95)  # fractions between which the published runs measure the spread of quantiles
Readings = dict[str, Tensor | float]


class DrawStates(Protocol):
    """Where states come from: a replay."""

    def __call__(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        """`count` stored states and the actions (B,) or (B, K) taken in them."""
        ...


class _Before(NamedTuple):
    """The network before an update."""

    parameters: Tensor  # (P,)
    grid: Tensor  # (B, [K,] A) action values at the common grid
    first: Tensor  # the same at fractions drawn anew
    second: Tensor  # and once more


class Probe:
    """An Observer that measures every `every` frames of `clock`, on `count` stored states; 0 means never.

    The states are drawn before the first update and kept. Everything is measured on copies of the network
    without noise, so that a run with a probe learns the same as one without, bit for bit; `generator` is the
    probe's own. States go through the network `rows_at_once` at a time. `target` and `taus` are those of the
    loss.
    """

    def __init__(
        self,
        draw: DrawStates,
        count: int,
        every: int,
        rows_at_once: int,
        target: TargetFn,
        taus: int,
        clock: Clock,
        generator: torch.Generator,
    ) -> None:
        self.draw, self.count, self.every, self.rows_at_once = draw, count, Every(every), rows_at_once
        self.target, self.taus, self.clock, self.generator = target, taus, clock, generator
        self.obs: Obs | None = None
        self.action: Tensor  # taken in these states, drawn with them
        self._before: _Before | None = None
        self._readings: Readings = {}

    @torch.no_grad()
    def before(self, online: IQN) -> None:
        """Measure the network if it is time."""
        if self.obs is None and self.every.period > 0:
            self.obs, self.action = self.draw(self.count, self.generator)
        if self.every(self.clock.frames):
            values = self._values(noiseless_copy(online))
            first, second = (self._random_q(values) for _ in range(2))
            parameters = torch.nn.utils.parameters_to_vector(online.parameters())
            self._before = _Before(parameters, values.at(self._grid()).mean(1), first, second)

    @torch.no_grad()
    def after(self, online: IQN, step: GuardedStep) -> None:
        """Measure it again if `before` has, and compare."""
        if self._before is not None:
            found = self._policy(online, self._before) | self._update(online, step, self._before)
            self._before, self._readings = None, found

    def take(self) -> Readings:
        """What was measured since this was last asked."""
        taken, self._readings = self._readings, {}
        return taken

    def _values(self, net: IQN) -> StateValues:
        assert self.obs is not None, "before() draws the states"
        return StateValues(net, self.obs, self.rows_at_once)

    def _random_q(self, values: StateValues) -> Tensor:
        """Action values at fractions drawn anew for each state."""
        return values.at(draw_taus(self.count, self.taus, self.generator)).mean(1)

    def _grid(self) -> Tensor:
        """(1, N) midpoints."""
        return fixed_taus(FRACTIONS, self.generator.device)[None]

    def _policy(self, online: IQN, before: _Before) -> Readings:
        """Values and choices in the states, and what the layers and weights of the network are like."""
        net = noiseless_copy(online)
        activity = Activity(net, net.reading.rows(FRACTIONS))
        with activity.watching():
            values = self._values(net)
            q = values.at(self._grid()).mean(1)
        redrawn = self._random_q(values)
        found: Readings = {
            "policy/churn": analysis.churn(before.grid, q),
            "policy/churn_redrawn": analysis.churn(before.first, redrawn),
            "policy/churn_redrawn_null": analysis.churn(before.first, before.second),
            "policy/action_gap": analysis.action_gap(q),
            "policy/q_mean": q.mean(),
            "policy/q_max": q.amax(-1).mean(),
        }
        found |= {f"policy/{name}": value for name, value in self.target.measure(q, self.action).items()}
        found |= self._spread(values)
        found |= dormancy(activity.mean()) | rank_metrics(activity.features())
        return found | weight_metrics(net)

    def _spread(self, values: StateValues) -> Readings:
        taus = torch.linspace(*SPREAD, FRACTIONS, device=self.generator.device)[None]
        found = values.at(taus)
        if found.shape[1] == 1:
            return {}  # bins, whose values do not depend on fractions
        spread = found.std(1).mean(0).flatten()  # (A,), or (K A,) slot by slot
        return {f"policy/quantile_std.{i}": value for i, value in enumerate(spread.unbind())}

    def _update(self, online: IQN, step: GuardedStep, before: _Before) -> Readings:
        """How far the update went, its gradient, and the moments of the optimizer."""
        after = torch.nn.utils.parameters_to_vector(online.parameters())
        named = [(name, part) for name, part in online.named_parameters() if part.requires_grad]
        names, sizes = [name for name, _ in named], [part.numel() for _, part in named]
        moved = (after - before.parameters).norm() / before.parameters.norm()
        found: Readings = {"optimizer/step_relative": moved}
        gradients = step.gradient.split(sizes)
        found |= _by_name("gradients/l2", names, analysis.l2(gradients))
        found |= _by_name("gradients/max", names, [gradient.abs().amax() for gradient in gradients])
        state = step.optimizer.state[step.parameters]
        if "exp_avg_sq" in state:  # Adam and its kin
            second = state["exp_avg_sq"]
            rate = 1.0 / (second.sqrt() + 1e-4)
            moments = {"adaptive_rate": rate, "exp_avg": state["exp_avg"], "exp_avg_sq": second}
            for kind, values in moments.items():
                found |= _by_name(f"optimizer/{kind}", names, analysis.rms(values.split(sizes)))
        return found

    def state_dict(self) -> StateDict:
        held = {} if self.obs is None else {"obs": tuple(self.obs), "action": self.action}
        own = {"generator": self.generator.get_state(), "every": self.every.state_dict()}
        return held | own | {"readings": dict(self._readings)}

    def load_state_dict(self, state: StateDict) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.every.load_state_dict(state["every"])
        self._readings = dict(state["readings"])
        if "obs" in state:
            device = self.generator.device
            self.obs = Obs(*(leaf.to(device) for leaf in state["obs"]))
            self.action = state["action"].to(device)


def _by_name(kind: str, names: list[str], values: list[Tensor]) -> Readings:
    return {f"{kind}.{name}": value for name, value in zip(names, values, strict=True)}
