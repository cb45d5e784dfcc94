"""Accumulates metrics on the device they come from; one host sync per flush."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.metrics.catalog import metric
from btr_tm.metrics.stopwatch import Stopwatch

Row = dict[str, float]
REDUCTIONS = ("sum", "count", "min", "max", "last", "bad")


class Sink(Protocol):
    """Somewhere rows go."""

    def write(self, row: Row) -> None: ...
    def close(self) -> None: ...


class Section:
    """Running statistics of K metrics that always arrive together; non-finite samples are counted apart."""

    def __init__(self, names: Sequence[str], device: torch.device) -> None:
        for name in names:
            metric(name)
        self.names = tuple(names)
        zeros = torch.zeros(len(names), device=device)
        self.sum, self.count, self.bad = zeros, zeros, zeros
        self.min, self.max = zeros + torch.inf, zeros - torch.inf
        self.last = zeros + torch.nan

    def add(self, values: Tensor) -> None:
        """Take samples (K, n) without a host sync."""
        if self.sum.device != values.device:  # restored from a checkpoint, which is read to the CPU
            self.load_state_dict(self.state_dict(), values.device)
        valid = values.isfinite()
        self.sum = self.sum + torch.where(valid, values, 0.0).sum(1)
        self.count = self.count + valid.sum(1)
        self.bad = self.bad + (~valid).sum(1)
        self.min = torch.minimum(self.min, torch.where(valid, values, torch.inf).amin(1))
        self.max = torch.maximum(self.max, torch.where(valid, values, -torch.inf).amax(1))
        self.last = values[:, -1]

    def reduced(self) -> Tensor:
        """(K,) by the catalogue's reductions; non-finite where no sample came."""
        pick = {"mean": self.sum / self.count, "sum": self.sum, "min": self.min, "max": self.max}
        pick["last"] = self.last
        return torch.stack([pick[metric(name).reduction][i] for i, name in enumerate(self.names)])

    def state_dict(self) -> dict[str, Any]:
        return {"names": list(self.names)} | {key: getattr(self, key) for key in REDUCTIONS}

    def load_state_dict(self, state: dict[str, Any], device: torch.device | None = None) -> None:
        for key in REDUCTIONS:
            setattr(self, key, state[key].to(device or self.sum.device))


class Meter:
    """Sections of metrics between two flushes, and the sinks that get a row at each flush."""

    def __init__(self, sinks: Sequence[Sink], watch: Stopwatch | None = None) -> None:
        self.sinks = list(sinks)
        self.watch = watch or Stopwatch()
        self._sections: dict[str, Section] = {}
        self._frames = self._updates = 0

    def add(self, section: str, values: Mapping[str, Tensor | float]) -> None:
        """Add one sample (or, as (n,) tensors, n samples) of each metric `section/key`; NaN is no sample."""
        if not values:
            return
        stacked = torch.stack([torch.as_tensor(value, dtype=torch.float32) for value in values.values()])
        names = [f"{section}/{key}" for key in values]
        held = self._sections.get(section)
        if held is None:
            held = self._sections[section] = Section(names, stacked.device)
        assert held.names == tuple(names), f"{section}: {held.names} became {names}"
        held.add(stacked.detach().reshape(len(names), -1))

    def non_finite(self, section: str) -> dict[str, int]:
        """Metrics of `section` that got NaN or infinity since the last flush (a device sync point)."""
        held = self._sections.get(section)
        if held is None:
            return {}
        return {name: int(bad) for name, bad in zip(held.names, held.bad.tolist(), strict=True) if bad > 0}

    def check_finite(self, section: str) -> None:
        """Raise UserError if `section` got non-finite samples since the last flush (a device sync point)."""
        bad = self.non_finite(section)
        if bad:
            named = ", ".join(f"{count} times in {name}" for name, count in bad.items())
            raise UserError(
                f"expected finite learning metrics, got NaN or infinity {named}; training stopped before the "
                "last good checkpoint was replaced: lower the learning rate or the gradient clipping"
            )

    def flush(self, clock: Clock) -> Row:
        """Reduce everything, hand one row to every sink, start anew; the host sync of logging.

        Non-finite samples of the guarded sections stop the run after the row is written.
        """
        row: Row = self._times(clock)
        for section in self._sections.values():
            values = section.reduced().tolist()
            row |= {n: v for n, v in zip(section.names, values, strict=True) if math.isfinite(v)}
        for sink in self.sinks:
            sink.write(row)
        self.check_finite("learner")
        self._sections = {}
        return row

    def _times(self, clock: Clock) -> Row:
        seconds, cpu_seconds, shares = self.watch.lap()
        clock.seconds += seconds
        clock.cpu_seconds += cpu_seconds
        row: Row = {"frames": clock.frames, "updates": clock.updates}
        row |= {"wall_s": round(clock.seconds, 3), "cpu_s": round(clock.cpu_seconds, 3)}
        row["speed/frames_per_s"] = (clock.frames - self._frames) / seconds
        row["speed/updates_per_s"] = (clock.updates - self._updates) / seconds
        self._frames, self._updates = clock.frames, clock.updates
        return row | {f"time/{name}_share": share for name, share in shares.items()}

    def pending(self, clock: Clock) -> bool:
        """Whether a flush would write anything new."""
        return bool(self._sections) or clock.frames != self._frames

    def state_dict(self) -> dict[str, Any]:
        sections = {name: section.state_dict() for name, section in self._sections.items()}
        return {"sections": sections, "frames": self._frames, "updates": self._updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._frames, self._updates = int(state["frames"]), int(state["updates"])
        self._sections = {}
        for name, saved in state["sections"].items():
            section = Section(saved["names"], saved["sum"].device)
            section.load_state_dict(saved)
            self._sections[name] = section

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()
