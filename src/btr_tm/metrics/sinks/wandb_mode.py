"""Whether Weights & Biases is online, offline or off; never waits for a network that is not there."""

from __future__ import annotations

import netrc
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    from wandb import Settings

PATIENCE_S = 4.0
NOT_IN_A_PROJECT = "/\\#?%:"  # of wandb
LONGEST_PROJECT = 128

Mode = Literal["online", "offline", "disabled"]


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


def settings_now() -> Settings:
    """Of wandb, by its files and the environment; UserError if it does not understand them."""
    import wandb

    try:
        return wandb.setup().settings
    except ValueError as error:
        raise UserError(f"wandb does not understand its settings: {' '.join(str(error).split())}") from error


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
