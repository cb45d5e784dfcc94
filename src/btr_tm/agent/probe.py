"""What an update does to the network, measured on states that stay the same for the whole run."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from btr_tm.agent import diagnostics as look
from btr_tm.agent.diagnostics import Activity, Values, still
from btr_tm.agent.learner import Learner
from btr_tm.core.clock import Clock, Every
from btr_tm.core.protocols import Update
from btr_tm.core.types import Batch, Obs
from btr_tm.losses.quantile import draw_taus
from btr_tm.metrics import analysis
from btr_tm.nets.iqn import IQN

FRACTIONS = 32  # of the common grid
SPREAD = (0.05, 0.95)  # fractions between which the published runs measure the spread of quantiles
Readings = dict[str, Tensor | float]


class States(Protocol):
    """Where states come from."""

    def __call__(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        """`count` stored states and the actions (B,) or (B, K) taken in them."""
        ...


class Probe:
    """`count` stored states, drawn when learning begins, looked at every `every` frames; 0 means never.

    Everything is measured on copies of the network without noise, so that a run with a probe learns the same
    as one without, bit for bit; `generator` is the probe's own. States go through the network `rows_at_once`
    at a time.
    """

    def __init__(
        self, draw: States, count: int, every: int, generator: torch.Generator, rows_at_once: int = 256
    ) -> None:
        self.draw, self.count, self.generator = draw, count, generator
        self.every, self.rows_at_once = Every(every), rows_at_once
        self.obs: Obs | None = None
        self.action = torch.zeros(0, dtype=torch.int64)

    def begin(self) -> None:
        """Draw the states, unless they are known or never looked at."""
        if self.obs is None and self.every.period > 0:
            self.obs, self.action = self.draw(self.count, self.generator)

    def values(self, net: IQN) -> Values:
        assert self.obs is not None, "nothing to look at before begin()"
        return Values(net, self.obs, self.rows_at_once)

    def random_q(self, values: Values, taus: int) -> Tensor:
        """Action values at fractions drawn anew for each state."""
        return values.at(draw_taus(self.count, taus, self.generator)).mean(1)

    def state_dict(self) -> dict[str, Any]:
        held = {} if self.obs is None else {"obs": tuple(self.obs), "action": self.action}
        return held | {"generator": self.generator.get_state(), "every": self.every.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.generator.set_state(state["generator"].cpu())
        self.every.load_state_dict(state["every"])
        if "obs" in state:
            device = self.generator.device
            self.obs = Obs(*(leaf.to(device) for leaf in state["obs"]))
            self.action = state["action"].to(device)


class ProbedLearner:
    """A learner that looks at the probe before and after an update now and then; else the learner itself."""

    def __init__(self, learner: Learner, probe: Probe, clock: Clock) -> None:
        self.learner, self.probe, self.clock = learner, probe, clock
        self.readings: Readings = {}

    def __getattr__(self, name: str) -> Any:
        """What is not about the probe is the learner's."""
        return getattr(self.learner, name)

    def update(self, batch: Batch) -> Update:
        """One update, measured if it is time."""
        self.probe.begin()
        if not self.probe.every(self.clock.frames):
            return self.learner.update(batch)
        with torch.no_grad():
            before = self._before()
            parameters = torch.nn.utils.parameters_to_vector(self.learner.online.parameters())
        update = self.learner.update(batch)
        with torch.no_grad():
            self.readings = self._after(before) | self._step(parameters)
        return update

    def take(self) -> Readings:
        """What was measured since this was last asked: a gauge of the meter."""
        taken, self.readings = self.readings, {}
        return taken

    def _grid(self) -> Tensor:
        """(1, N) midpoints."""
        device = self.learner.generator.device
        return ((torch.arange(FRACTIONS, device=device) + 0.5) / FRACTIONS)[None]

    def _before(self) -> dict[str, Tensor]:
        """Action values (B, [K,] A): at the common grid, and twice at fractions drawn anew."""
        values = self.probe.values(still(self.learner.online))
        first, second = (self.probe.random_q(values, self.learner.taus) for _ in range(2))
        return {"grid": values.at(self._grid()).mean(1), "first": first, "second": second}

    def _after(self, before: dict[str, Tensor]) -> Readings:
        net = still(self.learner.online)
        activity = Activity(net, FRACTIONS)
        with activity.watching():
            values = self.probe.values(net)
            q = values.at(self._grid()).mean(1)
        redrawn = self.probe.random_q(values, self.learner.taus)
        found: Readings = {
            "policy/churn": analysis.churn(before["grid"], q),
            "policy/churn_redrawn": analysis.churn(before["first"], redrawn),
            "policy/churn_redrawn_null": analysis.churn(before["first"], before["second"]),
            "policy/action_gap": analysis.action_gap(q),
            "policy/q_mean": q.mean(),
            "policy/q_max": q.amax(-1).mean(),
        }
        measured = self.learner.target.measure(q, self.probe.action)
        found |= {f"policy/{name}": value for name, value in measured.items()}
        found |= self._spread(values)
        found |= look.dormancy(activity.mean()) | look.ranks(activity.features())
        return found | look.weights(net)

    def _spread(self, values: Values) -> Readings:
        taus = torch.linspace(*SPREAD, FRACTIONS, device=self.learner.generator.device)[None]
        spread = values.at(taus).std(1).mean(0).flatten()  # (A,), or (K A,) slot by slot
        return {f"policy/quantile_std.{i}": value for i, value in enumerate(spread.unbind())}

    def _step(self, before: Tensor) -> Readings:
        """How far the update went, its gradient, and the moments of the optimizer."""
        online, step = self.learner.online, self.learner.step
        after = torch.nn.utils.parameters_to_vector(online.parameters())
        named = [(name, part) for name, part in online.named_parameters() if part.requires_grad]
        names, sizes = [name for name, _ in named], [part.numel() for _, part in named]
        found: Readings = {"optimizer/step_relative": (after - before).norm() / before.norm()}
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

    def state_dict(self) -> dict[str, Any]:
        probe = self.probe.state_dict() | {"readings": dict(self.readings)}
        return self.learner.state_dict() | {"probe": probe}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learner.load_state_dict({name: part for name, part in state.items() if name != "probe"})
        self.probe.load_state_dict(state["probe"])
        self.readings = dict(state["probe"]["readings"])


def _by_name(kind: str, names: list[str], values: list[Tensor]) -> Readings:
    return {f"{kind}.{name}": value for name, value in zip(names, values, strict=True)}
