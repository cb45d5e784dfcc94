"""Random tracks, one per seed: for training on many and testing on unseen ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import yaml

from btr_tm.core.errors import UserError
from btr_tm.sim.track.blocks import Style, make_block
from btr_tm.sim.track.compile import lay_shape
from btr_tm.sim.track.load import make_track
from btr_tm.sim.track.ribbon import Track
from btr_tm.sim.track.shapes import STEP_M
from btr_tm.sim.track.source import TrackSource

Entry = dict[str, dict[str, object]]  # one block as a track file writes it
Dice = Callable[[], float]  # uniform in [0, 1)

COARSE = round(4.0 / STEP_M)  # samples between the points whose distance is checked
CLEARANCE_M = 48.0  # between centrelines, at any height: random tracks do not cross themselves
LOCAL_POINTS = 30  # about 120 m: these belong to the neighbouring blocks
CHECKPOINT_EVERY_M = 400.0
TRIES = 12  # before blocks are taken back


def random_track(seed: int, length_m: float = 1400.0, difficulty: float = 0.5) -> Track:
    """An open track with a race of at least `length_m`.

    `difficulty` 0: wide curves, 1: tight ones, hills, jumps and dirt.
    """
    content = yaml.safe_dump(random_content(seed, length_m, difficulty), sort_keys=False)
    return make_track(TrackSource(f"random_{seed}", ".yaml", content.encode()))


def random_content(seed: int, length_m: float = 1400.0, difficulty: float = 0.5) -> dict[str, object]:
    """The same as a mapping that can be written as a track file."""
    if not (200 <= length_m <= 20_000 and 0 <= difficulty <= 1):
        raise UserError(
            f"length_m must be from 200 to 20000 and difficulty from 0 to 1, got {length_m} and {difficulty}"
        )
    generator = torch.Generator().manual_seed(seed)

    def dice() -> float:
        return float(torch.rand((), generator=generator))

    path, failures = _Path(), 0
    path.try_add([{"start": {}}, {"straight": {"length": 2 + _whole(dice, 3)}}])
    while True:
        if path.length_m >= length_m:
            phrase: list[Entry] = [{"straight": {}}, {"finish": {}}, {"straight": {"length": 4}}]
        else:
            phrase = [{"checkpoint": {}}] if path.checkpoint_due else _phrase(dice, difficulty)
        if not path.try_add(phrase):
            failures += 1
            if failures % TRIES == 0:  # no room: take back more and more
                path.take_back(2 + failures // TRIES)
        elif "finish" in phrase[1 % len(phrase)]:
            return {"description": f"Random track {seed}.", "blocks": path.entries}


class _Path:
    """Blocks laid so far, with coarse points to keep new ones clear of."""

    def __init__(self) -> None:
        self._phrases: list[list[Entry]] = []
        self._points: list[np.ndarray] = []
        self._ends: list[tuple[np.ndarray, int]] = [(np.zeros(3), 0)]

    @property
    def entries(self) -> list[Entry]:
        return [entry for phrase in self._phrases for entry in phrase]

    @property
    def length_m(self) -> float:
        return sum(len(points) for points in self._points) * COARSE * STEP_M

    @property
    def checkpoint_due(self) -> bool:
        since_m = 0.0
        for phrase, points in zip(reversed(self._phrases), reversed(self._points), strict=True):
            since_m += len(points) * COARSE * STEP_M
            if "checkpoint" in phrase[0]:
                return since_m > CHECKPOINT_EVERY_M
        return since_m > CHECKPOINT_EVERY_M

    def try_add(self, phrase: list[Entry]) -> bool:
        """Append the blocks of `phrase` unless they come near earlier ones."""
        place, quarters = self._ends[-1]
        parts = []
        for entry in phrase:
            ((kind, options),) = entry.items()
            shape = make_block(kind, options, Style()).shape
            points = lay_shape(shape, place, quarters)
            place, quarters = points[-1], quarters + shape.quarters
            parts.append(points[:-1:COARSE, [0, 2]])
        new = np.concatenate(parts)
        earlier = np.concatenate([np.zeros((0, 2)), *self._points])[:-LOCAL_POINTS]
        if len(earlier) and np.linalg.norm(new[:, None] - earlier[None], axis=-1).min() < CLEARANCE_M:
            return False
        self._phrases.append(phrase)
        self._points.append(new)
        self._ends.append((place, quarters))
        return True

    def take_back(self, phrases: int) -> None:
        """Remove the last phrases, but not the start."""
        keep = max(1, len(self._phrases) - phrases)
        del self._phrases[keep:], self._points[keep:], self._ends[keep + 1 :]


def _phrase(dice: Dice, difficulty: float) -> list[Entry]:
    """One to three blocks that belong together."""
    choices: list[tuple[float, Callable[[Dice, float], list[Entry]]]] = [
        (1.0, _straight),
        (2.0, _curve),
        (0.5 + 0.5 * difficulty, _chicane),
        (difficulty, _hill),
        (0.5 * difficulty, _jump),
        (0.2 + 0.2 * difficulty, lambda dice, difficulty: [{"turbo": {}}]),
    ]
    pick = dice() * sum(weight for weight, _ in choices)
    for weight, make in choices:
        pick -= weight
        if pick < 0:
            return make(dice, difficulty)
    return _straight(dice, difficulty)


def _straight(dice: Dice, difficulty: float) -> list[Entry]:
    narrow: dict[str, object] = {"width": 16} if dice() < 0.4 * difficulty else {}
    return [{"straight": {"length": 1 + _whole(dice, 4), **narrow}}]


def _curve(dice: Dice, difficulty: float) -> list[Entry]:
    size = 2 + _whole(dice, 3) if dice() < 0.3 + 0.6 * difficulty else 3 + _whole(dice, 3)
    style: dict[str, object] = {"bank": 8} if dice() < 0.3 else {}
    if dice() < 0.3 * difficulty:
        style = {"surface": "dirt", "width": 32}
    quarters = 2 if size > 2 and dice() < 0.15 else 1
    return [{"curve": {"turn": _side(dice), "size": size, "quarters": quarters, **style}}]


def _chicane(dice: Dice, difficulty: float) -> list[Entry]:
    length = 5 - _whole(dice, 1 + round(2 * difficulty))
    return [{"chicane": {"turn": _side(dice), "length": length, "shift": 1}}]


def _hill(dice: Dice, difficulty: float) -> list[Entry]:
    sign = 1 if dice() < 0.5 else -1
    if dice() < 0.5:
        return [{"crest": {"length": 4 + _whole(dice, 3), "rise": sign * 0.75}}]
    return [{"straight": {"length": 3 + _whole(dice, 2), "rise": sign * (1 + _whole(dice, 2))}}]


def _jump(dice: Dice, difficulty: float) -> list[Entry]:
    """After enough road to reach the speed it takes."""
    rise = -1 - _whole(dice, 2)
    return [{"straight": {"length": 5}}, {"jump": {"rise": rise, "landing": 3, "speed_kmh": 150}}]


def _side(dice: Dice) -> str:
    return "left" if dice() < 0.5 else "right"


def _whole(dice: Dice, choices: int) -> int:
    return int(dice() * choices)
