"""Accumulates metrics on the device they come from; one host sync per flush."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.types import StateDict
from btr_tm.metrics.catalog import metric
from btr_tm.metrics.section import Section
from btr_tm.metrics.stopwatch import Stopwatch

Row = dict[str, float]
Gauge = Callable[[], Mapping[str, Tensor | float]]
DRIVING = ("acting", "simulator", "waiting")  # activities during which nothing is learnt
BEST_OF = ("race/best_time_s", "eval/best_time_s", "eval/best_canonical_time_s")


class Unwritten(NamedTuple):
    """A row that waits for samples, with the sections that they belong to, or for the rows before it."""

    row: Row
    sections: dict[str, Section]


class Sink(Protocol):
    """A place that rows are written to."""

    def write(self, row: Row) -> None: ...
    def close(self) -> None: ...


class Logger(Sink, Protocol):
    """A sink besides the record, chosen by `logger=`."""

    def resume(self, rows: Sequence[Row]) -> None:
        """Begin, or go on after a start that ended early: called once, before the first row.

        `rows` is what the record still holds; rows written after those before count no longer.
        """
        ...

    def show(self, files: Mapping[str, Path]) -> None:
        """Take what a finished run leaves, by name: pictures, film and inputs of its best race."""
        ...


@dataclass(frozen=True)
class Pace:
    """How much a frame and an update are; NaN where that is not known."""

    frame_s: float = math.nan  # race time of one decision
    batch_size: float = math.nan  # transitions per update


UNKNOWN_PACE = Pace()


class Meter:
    """Sections of metrics between two flushes, and the sinks that get a row at each flush.

    `gauges` are read at each flush: figures of that moment, by catalogue name; `last_gauge` when the row is
    written, which is later where samples are expected.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        watch: Stopwatch | None = None,
        gauges: Sequence[Gauge] = (),
        pace: Pace = UNKNOWN_PACE,
        last_gauge: Gauge = dict,
    ) -> None:
        self.sinks, self.gauges, self.pace = list(sinks), list(gauges), pace
        self.last_gauge = last_gauge
        self.watch = watch or Stopwatch()
        self._sections: dict[str, Section] = {}
        self._expected = ""  # section that gets samples of the row at hand, maybe after its flush
        self._unwritten: deque[Unwritten] = deque()  # rows; only the first can lack samples
        self._frames = self._updates = 0
        self._best_s = math.inf

    def add(self, section: str, values: Mapping[str, Tensor | float]) -> None:
        """Add one sample (or, as (n,) tensors, n samples) of each metric `section/key`; NaN is no sample."""
        if not values:
            return
        late = section == self._expected and bool(self._unwritten)
        self._add(self._unwritten[0].sections if late else self._sections, section, values)
        if section == self._expected:
            self._expected = ""
            self._write()

    def expect(self, section: str) -> None:
        """The next samples of `section` belong to the row at hand: if they come after its flush, it and the
        rows after it are written then.
        """
        assert not self._expected, "two sections expected"
        self._expected = section

    def _add(self, sections: dict[str, Section], section: str, values: Mapping[str, Tensor | float]) -> None:
        stacked = torch.stack([torch.as_tensor(value, dtype=torch.float32) for value in values.values()])
        names = [f"{section}/{key}" for key in values]
        held = sections.get(section)
        if held is None:
            held = sections[section] = Section(names, stacked.device)
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
                f"learning has gone wrong: NaN or infinity {named}; training stopped before the last good "
                "checkpoint was replaced; lower the learning rate or clip gradients more"
            )

    def flush(self, clock: Clock) -> Row:
        """Reduce everything, hand one row to every sink, start anew; the host sync of logging.

        Non-finite samples of the guarded sections stop the run after the row is written.
        """
        expected = self._expected and not self._unwritten
        later = {name: held for name, held in self._sections.items() if expected and name == self._expected}
        row: Row = self._times(clock)
        for name, section in self._sections.items():
            if name not in later:
                row |= _on_host(section.reduced())
        for gauge in self.gauges:
            row |= _on_host(gauge())
        self._unwritten.append(Unwritten(row, later))
        if not self._expected or self.non_finite("learner"):  # nothing will come any more
            self._write()
        self.check_finite("learner")
        self._sections = {}
        return row

    def _write(self) -> None:
        """Hand every row to the sinks, now that none lacks samples."""
        while self._unwritten:
            row, sections = self._unwritten.popleft()
            for section in sections.values():
                row |= _on_host(section.reduced())
            row |= _on_host(self.last_gauge())
            row |= self._record(row)
            for sink in self.sinks:
                sink.write(row)

    def _times(self, clock: Clock) -> Row:
        seconds, cpu_seconds, shares = self.watch.lap()
        clock.seconds += seconds
        clock.cpu_seconds += cpu_seconds
        row: Row = {"frames": clock.frames, "updates": clock.updates}
        row |= {"wall_s": round(clock.seconds, 3), "cpu_s": round(clock.cpu_seconds, 3)}
        row["speed/frames_per_s"] = (clock.frames - self._frames) / seconds
        row["speed/updates_per_s"] = (clock.updates - self._updates) / seconds
        row |= self._pace(row, shares)
        self._frames, self._updates = clock.frames, clock.updates
        return row | {f"time/{name}_share": share for name, share in shares.items()}

    def _pace(self, row: Row, shares: Mapping[str, float]) -> Row:
        updates_per_s = row["speed/updates_per_s"]
        found = {
            "speed/samples_per_s": self.pace.batch_size * updates_per_s,
            "speed/race_time_ratio": self.pace.frame_s * row["speed/frames_per_s"],
            "speed/update_s": shares["learning"] / updates_per_s if updates_per_s else math.nan,
            "speed/driving_share": sum(shares[name] for name in DRIVING),
        }
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _record(self, row: Row) -> Row:
        """The best time so far, once there is one."""
        self._best_s = min([self._best_s, *(row[name] for name in BEST_OF if name in row)])
        return {"race/alltime_best_s": self._best_s} if self._best_s < math.inf else {}

    def pending(self, clock: Clock) -> bool:
        """Whether a flush would write anything new."""
        return bool(self._sections) or clock.frames != self._frames

    def state_dict(self) -> StateDict:
        assert not self._unwritten, "rows wait for samples"
        sections = {name: section.state_dict() for name, section in self._sections.items()}
        done = {"frames": self._frames, "updates": self._updates, "best_s": self._best_s}
        return {"sections": sections} | done

    def load_state_dict(self, state: StateDict) -> None:
        self._frames, self._updates = int(state["frames"]), int(state["updates"])
        self._best_s = float(state["best_s"])
        self._sections = {}
        for name, saved in state["sections"].items():
            section = Section(saved["names"], saved["sum"].device)
            section.load_state_dict(saved)
            self._sections[name] = section

    def close(self) -> None:
        for sink in self.sinks:
            sink.close()


def _on_host(values: Mapping[str, Tensor | float]) -> Row:
    """The finite ones, as numbers; one sync for all tensors, which lie on one device."""
    for name in values:
        metric(name)
    scalars = {name: value.detach().float() for name, value in values.items() if isinstance(value, Tensor)}
    read = torch.stack([*scalars.values()]).tolist() if scalars else []
    found = dict(values) | dict(zip(scalars, read, strict=True))
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}
