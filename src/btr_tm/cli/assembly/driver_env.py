"""Where a driver drives that is brought back: as it is stored with it, or in another environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.errors import UserError

# What the driver was trained with goes with it into another environment.
OF_THE_DRIVER = ("ticks_per_action", "action_offsets_ms", "cut_offs", "gates", "float_lookup")
BY_HAND: Node = {"_target_": "btr_tm.envs.tminterface.games.StartedByHand"}


def harmless(env: Node) -> Node:
    """The environment in a driver's file, which may be somebody else's: it starts no program, says nothing
    to the console of a game, and presses the usual keys in the usual window. Only what is typed does more.
    """
    if "game" in env:  # keys of somebody else's choice in a window of his choice could type anything
        return env | {"game": compose_job(["env=desktop", "logger=none"]).values["env"]["game"]}
    return env | {"program": BY_HAND, "commands": [], "map": ""} if "program" in env else env


def environment(stored: Node, typed: Sequence[str]) -> Node:
    """What `typed` names, such as env=tminterface running_speed=1, where a key alone is one of env."""
    if not typed:
        return harmless(stored)
    overrides = [_full(override) for override in typed]
    if not any(override.startswith("env=") for override in overrides):
        raise UserError(f"name the environment before {typed[0]}: env=tminterface {' '.join(typed)}")
    composed: Node = compose_job([*overrides, "logger=none"]).values["env"]
    said = {override.removeprefix("env.").split("=")[0].split(".")[0] for override in overrides}
    kept = {key: stored[key] for key in OF_THE_DRIVER if key in stored and key in composed}
    return composed | {key: value for key, value in kept.items() if key not in said}


def _full(override: str) -> str:
    if Path(override).exists():
        raise UserError(f"one driver is driven at a time, got {override} too; leave it out")
    key, equals, value = override.partition("=")
    if key == "track":
        raise UserError(f"for another track write --track {value}")
    if not equals or key.startswith(("+", "~", "-")):
        raise UserError(f"what follows the driver must be KEY=VALUE, such as env=tminterface, got {override}")
    if key == "env" or key.startswith(("env.", "env/")):
        return override
    return f"env.{override}"
