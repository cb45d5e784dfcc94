"""When things happen: the budget and the cadences of a run, all in frames."""

from __future__ import annotations

from typing import Protocol

from btr_tm.core.clock import Credit, Every
from btr_tm.core.errors import UserError
from btr_tm.core.types import StateDict


class Account(Protocol):
    """Decides how many updates the driven frames allow."""

    def due(self, frames: int, uses: float = 0) -> int:
        """Updates that are due after `frames` frames and with `uses` of transitions granted besides."""
        ...

    def state_dict(self) -> StateDict: ...

    def load_state_dict(self, state: StateDict) -> None: ...


class Plan:
    """Budget, batch size and cadences of one run.

    `frames_per_update` frames allow one update, after `warmup_frames` frames that allow none, unless `credit`
    says otherwise. A cadence of 0 means never; that of tests is in updates, the others in frames.
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
        test_every: int = 0,
        credit: Account | None = None,
    ) -> None:
        sizes = {"total_frames": total_frames, "batch_size": batch_size}
        for name, size in (sizes | {"frames_per_update": frames_per_update}).items():
            if size <= 0:
                raise UserError(f"{name} must be larger than 0, got {size}")
        self.total_frames = int(total_frames)
        self.batch_size = int(batch_size)
        self.credit = credit or Credit(frames_per_update, int(warmup_frames), self.batch_size)
        self.test = Every(int(test_every))
        self.log = Every(int(log_every))
        self.eval = Every(int(eval_every))
        self.save = Every(int(save_every))

    def updates_due(self, frames: int, uses: float = 0) -> int:
        return self.credit.due(frames, uses)

    def _parts(self) -> dict[str, Account | Every]:
        cadences = {"log": self.log, "eval": self.eval, "save": self.save, "test": self.test}
        return {"credit": self.credit, **cadences}

    def state_dict(self) -> StateDict:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: StateDict) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
