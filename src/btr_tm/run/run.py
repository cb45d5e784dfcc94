"""A run from banner to summary: everything it needs, and the order in which it happens."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, write_json
from btr_tm.core.interrupts import Interrupts
from btr_tm.core.protocols import Learner, ReplayBuffer, Stateful
from btr_tm.core.types import JsonObject
from btr_tm.metrics.meter import Gauge, Logger, Meter, Pace
from btr_tm.metrics.sinks.console import LiveConsole, PlainConsole, console
from btr_tm.metrics.sinks.jsonl import JsonlSink
from btr_tm.metrics.summary_text import clock_text, summary_lines
from btr_tm.run.checkpoint import Checkpoint
from btr_tm.run.evaluate import Evaluator
from btr_tm.run.plan import Plan
from btr_tm.run.protocols import Collector, TrainingRaces
from btr_tm.run.race import Race
from btr_tm.run.train import take_figures, train
from btr_tm.run.training_races import NoTrainingRaces


class Report(Protocol):
    """Writes the results of a finished run."""

    def make(self, best: Sequence[Race], folder: Path, say: Callable[[str], None]) -> JsonObject:
        """Write pictures, video and inputs of the fastest of the `best` races.

        Names and paths in `folder` (or figures) of what was made.
        """
        ...


class NoReport:
    """Writes nothing: the record is all."""

    def make(self, best: Sequence[Race], folder: Path, say: Callable[[str], None]) -> JsonObject:
        return {}


@dataclass
class Run:
    """The parts of one run, put together by the composition root; `train()` is the whole command.

    `facts` are shown in the banner (device, parameters, replay, ...); `next_command` ends the summary.
    `gauges` and `pace` are the meter's; `again` is what continues the run, in words.
    """

    folder: Path
    collector: Collector
    replay: ReplayBuffer
    learner: Learner
    evaluator: Evaluator
    clock: Clock
    plan: Plan
    loggers: Sequence[Logger] = ()
    report: Report = field(default_factory=NoReport)
    title: str = "btr_tm"
    facts: dict[str, str] = field(default_factory=dict)
    next_command: str = ""
    again: str = "the same command"
    device: str = "cpu"  # the kind of it
    gauges: Sequence[Gauge] = ()
    pace: Pace = Pace()
    training_races: TrainingRaces = field(default_factory=NoTrainingRaces)
    interrupts: Interrupts = field(default_factory=Interrupts)

    def __post_init__(self) -> None:
        self.folder = Path(self.folder)
        plan = self.plan
        self.console: PlainConsole | LiveConsole = console(plan.total_frames, plan.log.period, self.clock)
        self.say = self.console.say
        self.record = JsonlSink(self.folder / "record.jsonl", self.say)
        sinks = [self.record, *self.loggers, self.console]
        self.meter = Meter(sinks, self.collector.watch, self.gauges, self.pace, self.evaluator.take)
        self.evaluator.races.charge_to(self.collector.watch)
        parts: dict[str, Stateful] = {
            "learner": self.learner,
            "collector": self.collector,
            "evaluator": self.evaluator,
            "training_races": self.training_races,
            "meter": self.meter,
            "clock": self.clock,
            "plan": self.plan,
            "record": self.record,
        }
        self.checkpoint = Checkpoint(
            self.folder / "checkpoints",
            parts,
            self.replay,
            self.clock,
            say=self.say,
            healthy=lambda: self.meter.check_finite("learner"),
            settle=self.record.settle,
            device=self.device,
        )

    def train(self) -> None:
        """Banner, resume, loop, final evaluation, files, summary; a finished run only repeats its summary."""
        try:
            self._banner()
            resumed = self.checkpoint.load_newest()
            if not resumed and self._summary_path.exists():
                raise UserError(
                    f"{self.folder} holds the results of a finished run, and no checkpoint to go on from; "
                    "choose another name=, or on_existing=overwrite to drive it anew"
                )
            if self.finished:
                self.say(f"this run is finished: {self.clock.frames:,} frames were driven")
                self._show(read_json(self._summary_path))
                return
            self.checkpoint.prepare()
            self._rewind()
            if resumed:
                self._say_resumed()
            with self.interrupts.noting(), self.interrupts.closing(self.collector.close):
                self.console.start()
                self._loop()
                driven = self.clock.frames >= self.plan.total_frames and self._evaluate_last()
                if driven:
                    self._save_last()
                else:
                    self._stop()
            if driven:
                self._finish()
        finally:
            with self.interrupts.noting():
                self.close()

    def _spend(self) -> None:
        """Add time outside the loop to the clock, so that it does not look like slow driving."""
        lap = self.collector.watch.lap()
        self.clock.seconds += lap.seconds
        self.clock.cpu_seconds += lap.cpu_seconds

    def _loop(self) -> None:
        self._spend()
        train(
            self.collector,
            self.replay,
            self.learner,
            self.evaluator,
            self.meter,
            self.checkpoint,
            self.clock,
            self.plan,
            stop=lambda: self.interrupts.asked,
            races_kept=self.training_races,
        )

    @property
    def _summary_path(self) -> Path:
        return self.folder / "summary.json"

    @property
    def finished(self) -> bool:
        """All frames are driven, and the results are written."""
        if self.clock.frames < self.plan.total_frames or not self._summary_path.exists():
            return False
        return float(read_json(self._summary_path).get("frames", 0)) >= self.plan.total_frames

    def _banner(self) -> None:
        self.say(self.title)
        for name, value in (self.facts | {"frames": self._frames_text()}).items():
            self.say(f"  {name:<12} {value}")
        self.say(f"  {'folder':<12} {self.folder}")

    def _frames_text(self) -> str:
        every = self.plan.log.period
        return f"{self.plan.total_frames:,}" + (f", figures every {every:,}" if every else "")

    def _rewind(self) -> None:
        """What was logged after the checkpoint, or without any, will be driven and logged again."""
        rows = self.record.rewind()
        for logger in self.loggers:
            logger.resume(rows)

    def _say_resumed(self) -> None:
        self.say(f"continuing at {self.clock.frames:,} frames, after {clock_text(self.clock.seconds)}")

    def _stop(self) -> None:
        self._spend()
        self.console.close()
        self.checkpoint.save_last()
        self.say(f"stopped at {self.clock.frames:,} frames; {self.again} continues the run")

    def _evaluate_last(self) -> bool:
        """Evaluate the final weights, unless that is done; False if it was interrupted."""
        if self.evaluator.latest_frames != self.clock.frames:
            self.checkpoint.save()  # whatever happens from here on, nothing is driven twice
            with self.collector.watch("evaluation"):
                self.evaluator.begin(self.learner.driver, lambda: self.interrupts.asked)
            take_figures(self.evaluator, self.meter, wait=True)
        return self.evaluator.latest_frames == self.clock.frames

    def _save_last(self) -> None:
        """Last row and checkpoint."""
        if self.meter.pending(self.clock):
            self.meter.flush(self.clock)
        self.console.close()
        self.checkpoint.save_last()

    def _finish(self) -> None:
        """Files and summary; a signal ends them, for the same command makes them again."""
        self.interrupts.check()
        try:
            self._show(self._write_results())
        except OSError as error:
            raise UserError(
                f"could not write the results into {self.folder}: {error}; make room there and type the same "
                "command again: nothing is driven twice"
            ) from error

    def _write_results(self) -> JsonObject:
        """Pictures, film and inputs of the best race, then the summary, which marks the run as finished."""
        best = (self.evaluator.best, self.training_races.take())
        files = self.report.make(best, self.folder, self.say)
        for logger in self.loggers:
            logger.show(self._files_in(files))
        self._spend()
        summary = self._figures() | files
        write_json(self._summary_path, summary)
        return summary

    def _figures(self) -> JsonObject:
        clock = self.clock
        done = {"frames": clock.frames, "updates": clock.updates}
        spent = {"wall_s": round(clock.seconds, 1), "cpu_s": round(clock.cpu_seconds, 1)}
        latest = self.evaluator.latest
        return done | spent | {f"eval/{name}": v for name, v in latest.items() if math.isfinite(v)}

    def _show(self, summary: JsonObject) -> None:
        """Print a summary, its files by paths that work from here."""
        shown = summary | {name: path.as_posix() for name, path in self._files_in(summary).items()}
        for line in summary_lines(shown | ({"next": self.next_command} if self.next_command else {})):
            self.say(line)

    def _files_in(self, summary: JsonObject) -> dict[str, Path]:
        """Those that a summary names and that are there."""
        paths = {name: self.folder / each for name, each in summary.items() if isinstance(each, str)}
        return {name: path for name, path in paths.items() if path.is_file()}

    def close(self) -> None:
        """Release environments and sinks, each even if another fails; safe to call twice."""
        with ExitStack() as stack:
            for part in (self.evaluator, self.learner, self.collector, self.meter):  # the last one first
                stack.callback(part.close)
