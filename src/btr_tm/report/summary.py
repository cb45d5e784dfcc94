"""The results of a run: pictures, and the best race as inputs and film."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from btr_tm.core.block import by_slot
from btr_tm.core.types import JsonObject
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.metrics.summary_text import race_time_text
from btr_tm.run.race import Race
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.ribbon import Track

if TYPE_CHECKING:
    from btr_tm.report.redrive import Redriven


@dataclass(frozen=True)
class CurveReport:
    """The learning curve only: for tasks without a track."""

    title: str

    def make(self, best: Race, folder: Path, say: Callable[[str], None]) -> JsonObject:
        from btr_tm.report.plots import learning_curve

        rows = read_record(folder / "record.jsonl")
        learning_curve(rows, folder / "curve.png", self.title)
        return {"curve": "curve.png"}


@dataclass(frozen=True)
class RaceReport:
    """Learning curve, and of the best race from the canonical start: race line, `.inputs` and film.

    The race is driven again, eagerly; should its time differ from the one seen in training (compiled code may
    round otherwise), that is said, and the time driven again is recorded.
    A decision lasts `decision_ticks` ticks.
    """

    title: str
    track: Track
    decision_ticks: int
    action_delay_ticks: int
    film_size: tuple[int, int] = (360, 640)  # height, width

    def make(self, best: Race, folder: Path, say: Callable[[str], None]) -> JsonObject:
        """Write the files; their names and paths within `folder`, and the figures of the race."""
        from btr_tm.report import plots

        author_ms = self.track.author_time_ms
        rows = read_record(folder / "record.jsonl")
        author_s = author_ms / 1000 if author_ms else None
        plots.learning_curve(rows, folder / "curve.png", self.title, author_s)
        files: JsonObject = {"curve": "curve.png"}
        if len(best.actions) == 0:
            return files
        return self._race(best, folder / "best", say) | files

    def _race(self, best: Race, folder: Path, say: Callable[[str], None]) -> JsonObject:
        from btr_tm.report import plots
        from btr_tm.report.redrive import inputs_of, per_tick, redrive

        folder.mkdir(parents=True, exist_ok=True)
        race = redrive(self.track, per_tick(best.actions, self.decision_ticks, self.action_delay_ticks))
        if (race.finished, race.time_ms) != (best.finished, best.time_ms) and best.finished:
            say(f"driven again, the best race of {race_time_text(best.time_ms / 1000)} {outcome(race)}")
        inputs = folder / "race.inputs"
        inputs_of(self.track, race).write(inputs)
        if self.track.source is not None:  # without it, nobody could drive them again elsewhere
            self.track.source.write(folder)
        line = plots.race_line(
            self.track,
            race.pose.position.numpy(),
            race.speed_kmh.numpy(),
            race.times_s.numpy(),
            folder / "race.png",
            f"{self.track.name}: {outcome(race)}",
        )
        film = self._film(race, best.q, folder / "race.mp4")
        figures: JsonObject = {"best_race_s": race.time_ms / 1000 if race.finished else None}
        if race.finished and self.track.author_time_ms:
            figures["best_race_to_author"] = race.time_ms / self.track.author_time_ms
        made = {"race_line": line, "inputs": inputs, "film": film}
        return figures | {name: path.relative_to(folder.parent).as_posix() for name, path in made.items()}

    def _film(self, race: Redriven, q: Tensor, path: Path) -> Path:
        """One picture per decision, with the action values of its first slot."""
        from btr_tm.report.video import race_video

        shown = slice(0, len(q) * self.decision_ticks, self.decision_ticks)
        poses = Pose(*(leaf[shown] for leaf in race.pose))
        times_ms = (race.times_s[shown] * 1000).round()
        values = by_slot(q)[: len(times_ms), 0]
        size, title = self.film_size, f"{self.track.name}  {outcome(race)}"
        return race_video(path, self.track, poses, race.actions[shown], times_ms, values, size, title)


def outcome(race: Redriven) -> str:
    """How a race ended, in words."""
    seconds = race_time_text(race.time_ms / 1000)
    return f"finished in {seconds}" if race.finished else f"not finished after {seconds}"
