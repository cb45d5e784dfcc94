"""Parts of a race with the values that conf/ gives them, unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from btr_tm.race.features import CameraFeatures
from btr_tm.race.progress import CutOffs
from btr_tm.race.reward.bonus import Bonus, CloseToLine, Kamikaze, Neoslide, Speedslide
from btr_tm.race.reward.linesight import LinesightReward

AnyBonus = TypeVar("AnyBonus", Speedslide, Neoslide, Kamikaze, CloseToLine)
OFF = ((0, 0.0),)


def linesight(bonuses: Mapping[str, Bonus] | None = None, **changes: float) -> LinesightReward:
    values = {
        "per_ms": -0.0012,
        "per_metre": 0.01,
        "speed_as_s": 2.0,
        "potential_per_metre": -0.1,
        "potential_ahead": 0.0,
        "nearest_m": 2.0,
        "farthest_m": 25.0,
    }
    return LinesightReward(**(values | changes), bonuses=bonuses or {})


def bonus(kind: type[AnyBonus], points: Sequence[Sequence[float]] = OFF, speed: float = 1.0) -> AnyBonus:
    return kind(points, speed)


def camera_features(
    previous_actions: int = 5, damper_std: float = 0.06, action_delay: bool = False
) -> CameraFeatures:
    return CameraFeatures(previous_actions, damper_std, action_delay)


def cut_offs(race_ms: int = 300_000, no_progress_ms: int = 2_000) -> CutOffs:
    return CutOffs(race_ms, no_progress_ms)
