"""When things happen: the budget and the cadences of a run, all in frames."""

from __future__ import annotations

from typing import Any, Protocol

from btr_tm.core.clock import Credit, Every
from btr_tm.core.errors import UserError


class Account(Protocol):
    """What learning is paid from."""

    def due(self, frames: int, uses: float = 0) -> int:
        """Updates that are due after `frames` frames and with `uses` of transitions granted besides."""
        ...

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Plan:
    """Budget, batch size and cadences of one run.

    `frames_per_update` frames pay for one update, after `warmup_frames` frames that pay for none, unless
    `credit` says otherwise. A cadence of 0 means never; that of tests is in updates, the others in frames.
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
        if total_frames <= 0 or batch_size <= 0 or frames_per_update <= 0:
            raise UserError(
                f"expected positive total_frames, batch_size and frames_per_update, got {total_frames}, "
                f"{batch_size} and {frames_per_update}; correct them in the profile or on the command line"
            )
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

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
