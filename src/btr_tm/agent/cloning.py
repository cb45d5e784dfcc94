"""Behaviour cloning: the action values are taught to prefer what a demonstrator did."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from btr_tm.agent.batch_loss import BatchLoss, Errors, MicroBatch
from btr_tm.core.block import by_slot


@dataclass(frozen=True)
class CloningLoss(BatchLoss):
    """Cross entropy of the softmax of Q / `temperature` with the demonstrated actions.

    It leaves the level of Q open. `td_weight` times the usual loss is added, which draws the value of the
    demonstrated action to the demonstrator's return, as in DQfD (Hester et al. 2018, arXiv:1704.03732), whose
    margin the cross entropy replaces; 0 saves the target network's pass. The loss, and the error that replay
    is told, are those of both; with 0, the metric target_mean is 0.
    """

    needs_demonstrations = True  # a class attribute: no field of the dataclass

    temperature: float
    td_weight: float

    def _target(self, micro: MicroBatch, outputs: Tensor) -> Tensor:
        if self.td_weight:
            return super()._target(micro, outputs)
        return outputs.new_zeros(len(outputs), 1)

    def _errors(self, micro: MicroBatch, outputs: Tensor, target: Tensor) -> tuple[Tensor, Errors]:
        action = micro.batch.action
        values = by_slot(self.online.reading.read(outputs).mean(1))  # (B, K, A)
        logits, wanted = values / self.temperature, action.reshape(len(action), -1)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none")
        loss = loss.unflatten(0, wanted.shape).mean(1)
        if self.td_weight:
            usual, errors = super()._errors(micro, outputs, target)
            loss = loss + self.td_weight * usual
            return loss, errors._replace(loss=loss.detach())
        q = self.online.reading.read(outputs.detach()).mean(1)
        return loss, Errors(loss.detach(), loss.detach(), target.mean(1), q)

    def measure_actions(self, q: Tensor, action: Tensor) -> dict[str, Tensor]:
        chosen = by_slot(q).argmax(2)
        agreed = (chosen == action.reshape(len(action), -1)).float().mean()
        return {"agreement": agreed, **super().measure_actions(q, action)}
