"""What the runs of an arm have in common: all but the seed, and what each has of its own by its seed."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TypeVar, cast

Config = TypeVar("Config", bound=dict)


def of_every_seed(config: Config) -> Config:
    """`config` without its seed, and beginning with the run of every seed if it does with that of its own.

    So `init_from='runs/clone/base/s${seed}'` is one arm, in which each run goes on from a run of its own.
    """
    common = cast(Config, {key: value for key, value in config.items() if key != "seed"})
    if config.get("init_from"):
        common["init_from"] = run_of_every_seed(config["init_from"], config.get("seed", ""))
    return common


def run_of_every_seed(folder: str, seed: int | str) -> str:
    """The last part of a path is `seed` for everyone where it is `s3` for seed 3.

    >>> run_of_every_seed("runs/clone/base/s3", 3)
    'runs/clone/base/seed'
    """
    path = PurePosixPath(folder.replace("\\", "/"))
    return str(path.with_name("seed")) if path.name == f"s{seed}" else folder
