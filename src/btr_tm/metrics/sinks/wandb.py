"""Weights & Biases: logs a run there, and never makes training wait."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

import psutil

from btr_tm.core.types import JsonObject
from btr_tm.metrics.meter import Row
from btr_tm.metrics.panels import HIDDEN_SECTIONS, SHOWN
from btr_tm.metrics.sinks.background import Background
from btr_tm.metrics.sinks.wandb_mode import check_project, choose_mode, settings_now
from btr_tm.metrics.sinks.wandb_results import log_artifact, log_media

if TYPE_CHECKING:
    from wandb.sdk.wandb_run import Run

START_S = 120.0  # patience with its processes, or with an account or a server that does not answer
END_S = {"online": 120.0, "offline": 600.0}  # with the upload of what is left; with the disk
ON_DISK_S = 60.0  # an offline run's file is written every 15 s, and when it ends
INTERRUPTED = 1  # exit code of a run that has not ended: W&B calls one with 0 finished
SUMMARY = {"best_time_s": "eval/best_canonical_time_s", "best_race_s": "race/alltime_best_s"}


class Arguments(TypedDict):
    """Of wandb.init."""

    id: str
    dir: str
    config: JsonObject
    entity: str | None
    project: str
    name: str
    group: str
    job_type: str
    tags: list[str]


class WandbSink:
    """Logs rows under a run id that stays the same when the run is continued; W&B's own step is the frames.

    Everything is logged, and W&B makes panels of `metrics.panels` alone. Training never waits for W&B: what
    fails or hangs is said, once, and given up.

    Online, rows that the server has are not sent again. Offline nothing can be taken back from a file, so
    every start writes the whole record into a new folder, and the folders of the starts before are removed
    once that is on the disk.

    `entity` is the team or user; None is the default of the account. `mode="auto"` is online only if a key is
    configured and the host answers within seconds, else offline; what WANDB_MODE or `wandb offline` say comes
    first. `write_driver` makes a file of the trained network.
    """

    def __init__(
        self,
        run_id: str,
        folder: str | Path,
        config: JsonObject,
        entity: str | None,
        project: str,
        name: str,
        group: str,
        tags: Sequence[str],
        mode: Literal["auto", "online", "offline"],
        write_driver: Callable[[Path], None],
        job_type: str = "train",
        say: Callable[[str], None] = print,
    ) -> None:
        check_project(project)
        self._mode, self._write_driver, self._say = mode, write_driver, say
        self._thread: Background | None = None  # None: nothing is logged
        self._giving_up = threading.Lock()
        self._run: Run | None = None
        self._offline = False
        self._sent = 0  # frames up to which the server had rows at the start
        self._frames = 0.0  # of the newest row
        self._logged = -1.0  # frames of the newest row that was sent
        self._older: list[Path] = []  # folders of an offline run's earlier starts
        self._began = 0.0
        self._ended = False  # its results were shown
        self._arguments: Arguments = {
            "id": run_id,
            "dir": str(folder),
            "config": dict(config),
            "entity": entity,
            "project": project,
            "name": name,
            "group": group,
            "job_type": job_type,
            "tags": list(tags),
        }

    def resume(self, rows: Sequence[Row]) -> None:
        """Begin the run, or go on with it; raises UserError for settings that W&B does not understand."""
        mode, reason = choose_mode(self._mode, settings_now())
        self._say(f"wandb: {mode}{reason and f' ({reason})'}")
        if mode == "disabled":
            return
        self._thread = Background(self._give_up)
        if not self._thread.within(START_S, lambda: self._begin(mode)):
            self._give_up(f"it did not begin within {START_S:.0f} s")
        kept = [dict(row) for row in rows]
        self._later(lambda: self._log_all(kept))

    def _begin(self, mode: Literal["online", "offline"]) -> None:
        import wandb

        self._older = self._folders()
        self._began = time.monotonic()
        try:
            self._run = self._started(mode)
        except wandb.errors.Error as error:
            if mode == "offline":
                raise
            self._say(f"wandb: offline ({one_line(error)}); upload later with wandb sync")
            self._run = self._started("offline")
        self._sent = self._run.step
        for name in SHOWN:
            self._run.define_metric(name, step_metric="frames")
        for section in HIDDEN_SECTIONS:  # of globs that overlap, W&B takes any
            self._run.define_metric(f"{section}/*", step_metric="frames", hidden=True)

    def _folders(self) -> list[Path]:
        """Folders of this run's offline starts, without those that hold less than the fullest."""
        found = list(Path(self._arguments["dir"], "wandb").glob(f"offline-run-*-{self._arguments['id']}"))
        found.sort(key=lambda folder: sum(file.stat().st_size for file in folder.glob("*.wandb")))
        _remove(found[:-1])
        return found[-1:]

    def _started(self, mode: Literal["online", "offline"]) -> Run:
        import wandb

        online, self._offline = mode == "online", mode == "offline"
        # Without a copy of what is printed, for printing would wait for wandb.
        settings = wandb.Settings(silent=True, console="off", init_timeout=START_S)
        while any(_second_of(folder) == _now() for folder in self._older):
            time.sleep(0.1)  # the folder is named by the second in which it is made
        run = wandb.init(**self._arguments, mode=mode, resume="allow" if online else None, settings=settings)
        if online:
            self._say(f"wandb: {run.url}")
        return run

    def write(self, row: Row) -> None:
        kept = dict(row)
        self._later(lambda: self._log(kept))

    def _later(self, call: Callable[[], None]) -> None:
        if self._thread is not None and not self._thread.later(call):
            self._give_up("it takes no more rows")

    def _log_all(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._log(row)

    def _log(self, row: Row) -> None:
        """In the thread, as all that follows."""
        self._frames = row["frames"]
        if self._run is None or self._frames < self._sent:
            return
        # A step that has been sent takes no more; `frames` is in the row.
        self._run.log(row, step=None if self._frames == self._logged else int(self._frames), commit=True)
        self._logged = self._frames
        for name, metric in SUMMARY.items():
            if metric in row:
                self._run.summary[name] = row[metric]
        if time.monotonic() > self._began + ON_DISK_S:
            self._remove_older()

    def show(self, files: Mapping[str, Path]) -> None:
        """Log pictures and films as media, the best race and the driver as artifacts: the run has ended."""
        self._ended = True
        if self._thread is None:
            return
        driver = Path(self._arguments["dir"], "wandb", "driver.safetensors")
        try:
            self._write_driver(driver)
        except OSError as error:
            self._give_up(error)
        self._later(lambda: self._show(files, driver))

    def _show(self, files: Mapping[str, Path], driver: Path) -> None:
        if self._run is None:
            return
        log_media(self._run, self._frames, files)
        log_artifact(self._run, "driver", [driver])
        if "inputs" in files:  # beside them lie the picture, the film and a track of the user's own
            log_artifact(self._run, "race", sorted(files["inputs"].parent.iterdir()))

    def _give_up(self, reason: object) -> None:
        """Log nothing more; the record has every row."""
        with self._giving_up:
            if self._thread is None:
                return
            self._thread = None
            self._say(
                f"wandb has stopped ({one_line(reason)}); training goes on, and what is missing can be "
                f"uploaded with wandb sync {Path(self._arguments['dir'], 'wandb').as_posix()}/..."
            )
            end_service()

    def _remove_older(self) -> None:
        """What earlier starts wrote is part of the present file, which is on the disk."""
        _remove(self._older)
        self._older = []

    def close(self) -> None:
        patience_s = END_S["offline" if self._offline else "online"]
        if self._thread is not None and not self._thread.within(patience_s, self._finish):
            self._give_up(f"it did not end within {patience_s:.0f} s")
        with self._giving_up:  # or the program might end before the thread has ended the processes of wandb
            self._thread = None

    def _finish(self) -> None:
        import wandb

        run, self._run = self._run, None
        if run is not None:
            run.finish(exit_code=0 if self._ended else INTERRUPTED)
            wandb.teardown()  # waits for the process that writes: the file is not whole when finish returns
            self._remove_older()


def end_service() -> None:
    """End the processes of wandb, for which the program would wait at its exit."""
    import wandb

    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if child.name().startswith("wandb-"):
                child.kill()
    with suppress(Exception):  # whatever a broken connection raises
        wandb.teardown()  # forgets it, or it would be missed at exit


def one_line(text: object) -> str:
    return " ".join(str(text).split())[:300]


def _second_of(folder: Path) -> str:
    """The time in the name offline-run-20250131_235959-id."""
    return folder.name.split("-")[2]


def _now() -> str:
    return time.strftime("%Y%m%d_%H%M%S")


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # Windows refuses while another program reads a file
