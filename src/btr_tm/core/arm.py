"""What the runs of an arm have in common: all but the seed, and what each has of its own by its seed."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TypeVar, cast

Config = TypeVar("Config", bound=dict)


def of_every_seed(config: Config) -> Config:
    """`config` without its seed; weights from the run of the same seed are `s<seed>` for each of them.

    So `init_from='runs/clone/base/s${seed}'` is one arm, in which each run goes on from a run of its own.
    """
    common = cast(Config, {key: value for key, value in config.items() if key != "seed"})
    begins = PurePosixPath(str(config.get("init_from") or "").replace("\\", "/"))
    if begins.name == f"s{config.get('seed')}":
        common["init_from"] = str(begins.with_name("s<seed>"))
    return common
