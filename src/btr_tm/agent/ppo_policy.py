"""Choosing actions with a policy that is learnt as such."""

from __future__ import annotations

import torch
from torch import Tensor

from btr_tm.agent.execution import Execution
from btr_tm.agent.net_policy import NetPolicy
from btr_tm.core.block import by_slot
from btr_tm.core.clock import Clock
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Obs
from btr_tm.nets.actor_critic import ActorCritic


class PpoPolicy(NetPolicy[ActorCritic]):
    """Draws from the probabilities of `net`; not exploring, the likeliest."""

    def __init__(
        self, net: ActorCritic, clock: Clock, generator: torch.Generator, execution: Execution
    ) -> None:
        super().__init__(net, clock, generator, execution)
        self._logits = execution.part(net.logits)
        self._valued = {unchanged: execution.part(self._values) for unchanged in (False, True)}

    def _values(self, obs: Obs) -> Tensor:
        """(E, [K,] A): the value of the state for the likeliest action, and less for others by as many nats
        as they are less likely; the slots of a block share the value.
        """
        logits, value = self.net(obs)
        slots = by_slot(logits)
        behind = slots - slots.amax(-1, keepdim=True)
        return (behind + value[:, None, None] / slots.shape[1]).reshape(logits.shape)

    @torch.no_grad()
    def act(self, obs: Obs, explore: bool) -> Decision:
        """One decision per car. `q` are the logits that were drawn from; not exploring, see `_values`."""
        if not explore:
            q = self._valued[self._unchanged](obs)
            return Decision(q.argmax(-1), torch.ones(len(q), dtype=torch.bool, device=q.device), q)
        logits = self._logits(obs)
        odds = logits.softmax(-1).flatten(0, -2)
        action = torch.multinomial(odds, 1, generator=self.generator).reshape(logits.shape[:-1])
        greedy = (action == logits.argmax(-1)).reshape(len(action), -1).all(1)
        return Decision(action, greedy, logits)

    def with_net(self, net: ActorCritic) -> PpoPolicy:
        """This policy if it has `net`, else one like it, with the same random numbers, that has."""
        return self if net is self.net else PpoPolicy(net, self.clock, self.generator, self.execution)
