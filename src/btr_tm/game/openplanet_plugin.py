"""The telemetry plugin for Openplanet that travels with the package. It has not run in the real game yet."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from btr_tm import __version__
from btr_tm.core.errors import UserError
from btr_tm.core.files import short, write_atomic

NAME = "BtrTelemetry"
FILES = ("info.toml", "main.as")


def plugin_bytes(name: str) -> bytes:
    """One of FILES."""
    return resources.files("btr_tm.game").joinpath("openplanet", name).read_bytes()


def install(openplanet: Path) -> str:
    """Write the plugin below `openplanet`, Openplanet's folder; returns what the user should know."""
    openplanet = openplanet.expanduser()
    if not openplanet.is_dir():
        raise UserError(
            f"there is no folder {short(openplanet)}; start the game once with Openplanet, or name its "
            "OpenplanetNext folder with --openplanet"
        )
    folder = openplanet / "Plugins" / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            write_atomic(folder / name, plugin_bytes(name))
    except OSError as error:
        raise UserError(
            f"cannot write {short(folder)} ({error.strerror}); close the game and try again"
        ) from error
    return (
        f"installed {NAME} {__version__} as {folder}; it is not signed, so set Openplanet's signature "
        "mode to Developer, then load it"
    )
