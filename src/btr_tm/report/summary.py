"""The results of a run: pictures, and the best race as inputs and film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.core.types import JsonObject
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.metrics.summary_text import race_time_text
from btr_tm.race.inputs_file import InputsFile
from btr_tm.run.race import NO_RACE, Race
from btr_tm.sim.track.ribbon import Track

if TYPE_CHECKING:
    from btr_tm.report.redrive import Redriven


OF_THE_GAME = 0  # version of physics that an .inputs file names for races of the game itself


@dataclass(frozen=True)
class CurveReport:
    """The learning curve only: for tasks without a track."""

    title: str

    def make(self, best: Sequence[Race], folder: Path, say: Callable[[str], None]) -> JsonObject:
        from btr_tm.report.plots import learning_curve

        rows = read_record(folder / "record.jsonl")
        learning_curve(rows, folder / "curve.png", self.title)
        return {"curve": "curve.png"}


@dataclass(frozen=True)
class InputsReport:
    """Learning curve, and the best race from the start line as `.inputs` for the game it was driven in.

    Our simulator is another game: there it is not driven again. A decision lasts `decision_ticks` ticks.
    """

    title: str
    track: Track
    decision_ticks: int

    def make(self, best: Sequence[Race], folder: Path, say: Callable[[str], None]) -> JsonObject:
        """Write the files; their paths within `folder`, and the time of the race."""
        from btr_tm.report import plots
        from btr_tm.report.redrive import per_tick

        medals_s = {name: time_ms / 1000 for name, time_ms in self.track.medals_ms.items()}
        plots.learning_curve(read_record(folder / "record.jsonl"), folder / "curve.png", self.title, medals_s)
        race = max(best, key=Race.rank, default=NO_RACE)
        if not len(race.actions):
            return {"curve": "curve.png"}
        path = folder / "best" / "race.inputs"
        path.parent.mkdir(parents=True, exist_ok=True)
        actions = per_tick(race.actions, self.decision_ticks)
        InputsFile(self.track.name, OF_THE_GAME, race.time_ms if race.finished else 0, actions).write(path)
        time_s = race.time_ms / 1000 if race.finished else None
        figures: JsonObject = {"best_race_s": time_s, "best_race_from": race.origin}
        return figures | {"curve": "curve.png", "inputs": path.relative_to(folder).as_posix()}


@dataclass(frozen=True)
class RaceReport:
    """Learning curve, and of the best race from the start line: race line, `.inputs` and film.

    It may have been driven in an evaluation or in training. It is driven again, eagerly; should its time
    differ from the one seen before (compiled code may round otherwise), that is said, and the time driven
    again is recorded.
    A decision lasts `decision_ticks` ticks.
    """

    title: str
    track: Track
    decision_ticks: int
    action_delay_ticks: int

    def make(self, best: Sequence[Race], folder: Path, say: Callable[[str], None]) -> JsonObject:
        """Write the files; their names and paths within `folder`, and the figures of the race."""
        from btr_tm.report import plots

        rows = read_record(folder / "record.jsonl")
        medals_s = {name: time_ms / 1000 for name, time_ms in self.track.medals_ms.items()}
        plots.learning_curve(rows, folder / "curve.png", self.title, medals_s)
        files: JsonObject = {"curve": "curve.png"}
        driven = [race for race in best if len(race.actions)]
        if not driven:
            return files
        return self._race(*self._fastest(driven, say), folder / "best") | files

    def _fastest(self, best: Sequence[Race], say: Callable[[str], None]) -> tuple[Race, Redriven]:
        """The one that is the fastest when all are driven again; of equal ones the first."""
        from btr_tm.report.redrive import per_tick, redrive_all

        ticks = [per_tick(race.actions, self.decision_ticks, self.action_delay_ticks) for race in best]
        driven = list(zip(best, redrive_all(self.track, ticks), strict=True))
        for race, again in driven:
            if (again.finished, again.time_ms) != (race.finished, race.time_ms) and race.finished:
                say(f"driven again, the best race of {race_time_text(race.time_ms / 1000)} {outcome(again)}")
        return max(driven, key=lambda each: (each[1].finished, -each[1].time_ms if each[1].finished else 0))

    def _race(self, best: Race, race: Redriven, folder: Path) -> JsonObject:
        from btr_tm.report.race_picture import race_picture
        from btr_tm.report.redrive import inputs_of, redrive_author

        author = redrive_author(self.track)
        folder.mkdir(parents=True, exist_ok=True)
        inputs = folder / "race.inputs"
        inputs_of(self.track, race).write(inputs)
        if self.track.source is not None:  # without it, nobody could drive them again elsewhere
            self.track.source.write(folder)
        title = f"{self.track.name}: {outcome(race)} ({best.origin})"
        line = race_picture(self.track, race, author, folder / "race.png", title)
        film = self._film(best, race, author, folder / "race.mp4")
        figures: JsonObject = {"best_race_s": race.time_ms / 1000 if race.finished else None}
        figures["best_race_from"] = best.origin
        if race.finished and self.track.author_time_ms:
            figures["best_race_to_author"] = race.time_ms / self.track.author_time_ms
        made = {"race_line": line, "inputs": inputs, "film": film}
        return figures | {name: path.relative_to(folder.parent).as_posix() for name, path in made.items()}

    def _film(self, best: Race, race: Redriven, author: Redriven | None, path: Path) -> Path:
        """Beside the author's car, with the action values where they are known."""
        from btr_tm.report.film import FINISHED, UNFINISHED, Racer, Scene, film
        from btr_tm.report.redrive import values_per_tick

        values = values_per_tick(best.q, self.decision_ticks) if len(best.q) else best.q
        scene = Scene(self.track, [Racer(best.origin, race, values)], author)
        return film(path, [scene], FINISHED if race.finished else UNFINISHED)


def outcome(race: Redriven) -> str:
    """How a race ended, in words."""
    seconds = race_time_text(race.time_ms / 1000)
    return f"finished in {seconds}" if race.finished else f"not finished after {seconds}"
