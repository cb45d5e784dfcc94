"""Weights & Biases, the only module that imports it; never waits for a network that is not there."""

from __future__ import annotations

import netrc
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict
from urllib.parse import urlsplit

from btr_tm.core.types import JsonObject
from btr_tm.metrics.meter import Row

if TYPE_CHECKING:
    from wandb import Settings
    from wandb.sdk.wandb_run import Run

PATIENCE_S = 4.0


class Arguments(TypedDict):
    """Of wandb.init."""

    id: str
    dir: str
    config: JsonObject
    project: str
    name: str
    group: str
    job_type: str
    tags: list[str]


class WandbSink:
    """Logs rows on the axis `frames` under a run id that stays the same when the run is continued.

    `mode="auto"` is online only if a key is configured and the host answers within seconds, else offline.
    """

    def __init__(
        self,
        run_id: str,
        folder: str | Path,
        config: JsonObject,
        project: str,
        name: str,
        group: str,
        tags: Sequence[str],
        mode: Literal["auto", "online", "offline"],
        job_type: str = "train",
        say: Callable[[str], None] = print,
    ) -> None:
        self._mode, self._say = mode, say
        self._run: Run | None = None
        self._arguments: Arguments = {
            "id": run_id,
            "dir": str(folder),
            "config": dict(config),
            "project": project,
            "name": name,
            "group": group,
            "job_type": job_type,
            "tags": list(tags),
        }

    def write(self, row: Row) -> None:
        self._run = self._run or self._begin()  # a finished run that is started again logs nothing
        self._run.log(dict(row))
        best = row.get("eval/best_canonical_time_s")
        if best is not None:
            self._run.summary["best_time_s"] = best

    def _begin(self) -> Run:
        import wandb

        mode = self._mode
        if mode == "auto":
            mode, reason = choose_mode(wandb.setup().settings)
            self._say(f"wandb: {mode} ({reason})")
        settings = wandb.Settings(silent=True)
        run = wandb.init(**self._arguments, mode=mode, resume="allow", settings=settings)
        run.define_metric("frames")
        run.define_metric("*", step_metric="frames")
        if mode == "online":
            self._say(f"wandb: {run.url}")
        return run

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()
            self._run = None


def choose_mode(settings: Settings) -> tuple[Literal["online", "offline"], str]:
    """Online or offline, and why."""
    if os.environ.get("WANDB_MODE") in ("online", "offline"):
        return os.environ["WANDB_MODE"], "WANDB_MODE says so"  # type: ignore[return-value]
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
