"""Weights & Biases, the only module that imports it; never waits for a network that is not there."""

from __future__ import annotations

import netrc
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict
from urllib.parse import urlsplit

from btr_tm.core.errors import UserError
from btr_tm.core.types import JsonObject
from btr_tm.metrics.meter import Row

if TYPE_CHECKING:
    from wandb import Settings
    from wandb.sdk.wandb_run import Run

PATIENCE_S = 4.0
ON_DISK_S = 60.0  # an offline run's file is written every 15 s, and when it ends
NOT_IN_A_PROJECT = "/\\#?%:"  # of wandb
LONGEST_PROJECT = 128

Mode = Literal["online", "offline", "disabled"]


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
    """Logs rows on the axis `frames` under a run id that stays the same when the run is continued.

    Row k of the record is step k of the W&B run. Online, rows that the server has are not sent again.
    Offline nothing can be taken back from a file, so every start writes the whole record into a new folder,
    and the folders of the starts before are removed once that is on the disk. `entity` is the team or user;
    None is the default of the account. `mode="auto"` is online only if a key is configured and the host
    answers within seconds, else offline; what WANDB_MODE or `wandb offline` say comes first.
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
        job_type: str = "train",
        say: Callable[[str], None] = print,
    ) -> None:
        check_project(project)
        self._mode, self._say = mode, say
        self._run: Run | None = None
        self._rows = self._sent = 0  # of the record, and those that the server had at the start
        self._older: list[Path] = []  # folders of an offline run's earlier starts
        self._began = 0.0
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
        """Begin the run, or go on with it; raises UserError if W&B refuses it."""
        import wandb

        try:
            settings = wandb.setup().settings
        except ValueError as error:
            raise UserError(
                f"wandb does not understand its settings: {' '.join(str(error).split())}"
            ) from error
        mode, reason = choose_mode(self._mode, settings)
        self._say(f"wandb: {mode}{reason and f' ({reason})'}")
        if mode == "disabled":
            return
        self._older = self._folders()
        self._began = time.monotonic()
        self._run = self._begin(mode)
        self._sent = self._run.step
        for row in rows:
            self.write(row)

    def _folders(self) -> list[Path]:
        """Folders of this run's offline starts, without those that hold less than the fullest."""
        found = list(Path(self._arguments["dir"], "wandb").glob(f"offline-run-*-{self._arguments['id']}"))
        found.sort(key=lambda folder: sum(file.stat().st_size for file in folder.glob("*.wandb")))
        _remove(found[:-1])
        return found[-1:]

    def _begin(self, mode: Literal["online", "offline"]) -> Run:
        import wandb

        online = mode == "online"
        settings = wandb.Settings(silent=True)
        while any(_second_of(folder) == _now() for folder in self._older):
            time.sleep(0.1)  # the folder is named by the second in which it is made
        try:
            run = wandb.init(
                **self._arguments, mode=mode, resume="allow" if online else None, settings=settings
            )
        except wandb.errors.Error as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(
                f"Weights & Biases does not take this run ({reason}); set logger.wandb.mode=offline to "
                "upload it later, or choose logger=none"
            ) from error
        run.define_metric("frames")
        run.define_metric("*", step_metric="frames")
        if online:
            self._say(f"wandb: {run.url}")
        return run

    def write(self, row: Row) -> None:
        self._rows += 1
        if self._run is None or self._rows <= self._sent:
            return
        try:
            self._run.log(dict(row))
            best = row.get("eval/best_canonical_time_s")
            if best is not None:
                self._run.summary["best_time_s"] = best
        except OSError as error:
            self._give_up(error)
        else:
            if time.monotonic() > self._began + ON_DISK_S:
                self._remove_older()

    def _give_up(self, error: OSError) -> None:
        """The process that wandb writes with is gone; the record has every row."""
        self._say(f"wandb has stopped ({error}); training goes on, the next start of this run logs all rows")
        self._run = None

    def _remove_older(self) -> None:
        """What earlier starts wrote is part of the present file, which is on the disk."""
        _remove(self._older)
        self._older = []

    def close(self) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        import wandb

        try:
            run.finish()
            wandb.teardown()  # waits for the process that writes: the file is not whole when finish returns
        except OSError as error:
            self._give_up(error)
        else:
            self._remove_older()


def check_project(project: str) -> None:
    """Raise UserError for a name that no project can have."""
    team, slash, name = project.partition("/")
    if slash and team and name and not set(name) & set(NOT_IN_A_PROJECT):
        raise UserError(
            f"logger.wandb.project must be the name alone, got {project}; "
            f"set logger.wandb.project={name} and logger.wandb.entity={team}"
        )
    if not project or len(project) > LONGEST_PROJECT or set(project) & set(NOT_IN_A_PROJECT):
        raise UserError(
            f"logger.wandb.project must have 1 to {LONGEST_PROJECT} characters and none of "
            f"{' '.join(NOT_IN_A_PROJECT)}, got {project[:LONGEST_PROJECT]!r}"
        )


def _second_of(folder: Path) -> str:
    """The time in the name offline-run-20250131_235959-id."""
    return folder.name.split("-")[2]


def _now() -> str:
    return time.strftime("%Y%m%d_%H%M%S")


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # Windows refuses while another program reads a file


def choose_mode(wanted: Literal["auto", "online", "offline"], settings: Settings) -> tuple[Mode, str]:
    """What to do, and why, if that is not what was `wanted`."""
    old = {"dryrun": "offline", "run": "online"}
    said = old.get(settings.mode, settings.mode)  # by WANDB_MODE, or by wandb offline and wandb disabled
    if said == "disabled":
        return "disabled", "WANDB_MODE or the settings of wandb say so: nothing is logged"
    if wanted != "auto":
        return wanted, ""
    if said == "offline" or "WANDB_MODE" in os.environ:
        return "online" if said == "online" else "offline", "WANDB_MODE or the settings of wandb say so"
    if not key_configured(settings):
        return "offline", "no key is configured; upload later with wandb sync"
    if not answers(settings.base_url):
        return "offline", f"{settings.base_url} does not answer; upload later with wandb sync"
    return "online", "a key is configured and the host answers"


def key_configured(settings: Settings) -> bool:
    """Whether wandb would find a key without asking."""
    if os.environ.get("WANDB_API_KEY") or getattr(settings, "api_key", None):
        return True
    try:
        return netrc.netrc().authenticators(urlsplit(settings.base_url).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def answers(address: str, patience_s: float = PATIENCE_S) -> bool:
    """Whether anything speaks HTTP at `address` within `patience_s` seconds; an error page is an answer."""
    try:
        with urllib.request.urlopen(address, timeout=patience_s):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
