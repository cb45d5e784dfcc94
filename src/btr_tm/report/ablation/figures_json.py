"""ablation.json: every figure of the study, for other programs."""

from __future__ import annotations

import json
import math

from btr_tm.core.types import JsonObject
from btr_tm.report.ablation.model import Arm, Effect, Study
from btr_tm.report.ablation.words import answer

DIGITS = 7  # significant ones; the last bits of a sum depend on the machine


def text(study: Study) -> str:
    """The study without the records of its runs; what never happened is null."""
    held = {
        "title": study.title,
        "metric": study.metric,
        "window_frames": study.window,
        "answer": answer(study),
        "measures": [measure._asdict() for measure in study.measures],
        "arms": [arm_json(arm) for arm in study.arms],
        "effects": [effect_json(effect) for effect in study.effects],
        "costs": {arm: cost._asdict() for arm, cost in study.costs.items()},
        "notes": study.notes,
    }
    return json.dumps(plain(held), indent=1, allow_nan=False) + "\n"


def arm_json(arm: Arm) -> JsonObject:
    return {
        "name": arm.name,
        "reference": arm.reference,
        "changes": [change._asdict() for change in arm.changes],
        "runs": [outcome._asdict() for outcome in arm.outcomes],
        "summaries": {name: summary._asdict() for name, summary in arm.summaries.items()},
    }


def effect_json(effect: Effect) -> JsonObject:
    return effect._asdict() | {"helps_by": effect.helps_by}


def plain(value: object) -> object:
    """Lists, dictionaries and finite numbers."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
