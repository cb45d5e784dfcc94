"""What one update of each arm costs, measured in turns on one machine: costs.json of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, write_json
from btr_tm.report.ablation.model import Cost

NAME = "costs.json"


def read(folder: Path) -> dict[str, Cost]:
    """By arm; empty where nothing was measured, UserError for a file of another kind."""
    if not (folder / NAME).exists():
        return {}
    try:
        arms = read_json(folder / NAME)["arms"]
        return {arm: cost(each) for arm, each in arms.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{NAME} does not hold the cost of an update of each arm; measure it again"
        ) from error


def cost(held: Mapping[str, float]) -> Cost:
    found = Cost(*(float(held[name]) for name in Cost._fields))
    if not 0 < found.update_ms < float("inf"):
        raise ValueError(found)
    return found


def write(folder: Path, machine: Mapping[str, object], costs: Mapping[str, Cost]) -> Path:
    """costs.json; raises OSError."""
    arms = {arm: {name: round(ms, 3) for name, ms in each._asdict().items()} for arm, each in costs.items()}
    write_json(folder / NAME, {**machine, "unit": "milliseconds per update", "arms": arms})
    return folder / NAME
