"""When things happen: the budget and the cadences of a run, all in frames."""

from __future__ import annotations

from typing import Any

from btr_tm.core.clock import Credit, Every
from btr_tm.core.errors import UserError


class Plan:
    """Budget, batch size and cadences of one run.

    `frames_per_update` frames pay for one update, after `warmup_frames` frames that pay for none.
    A cadence of 0 means never.
    """

    def __init__(
        self,
        total_frames: int,
        batch_size: int,
        frames_per_update: float,
        warmup_frames: int,
        log_every: int,
        eval_every: int,
        save_every: int,
    ) -> None:
        if total_frames <= 0 or batch_size <= 0 or frames_per_update <= 0:
            raise UserError(
                f"expected positive total_frames, batch_size and frames_per_update, got {total_frames}, "
                f"{batch_size} and {frames_per_update}; correct them in the profile or on the command line"
            )
        self.total_frames = int(total_frames)
        self.batch_size = int(batch_size)
        self.credit = Credit(frames_per_update, int(warmup_frames))
        self.log = Every(int(log_every))
        self.eval = Every(int(eval_every))
        self.save = Every(int(save_every))

    def updates_due(self, frames: int) -> int:
        return self.credit.due(frames)

    def _parts(self) -> dict[str, Credit | Every]:
        return {"credit": self.credit, "log": self.log, "eval": self.eval, "save": self.save}

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
