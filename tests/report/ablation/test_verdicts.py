"""How often verdicts are wrong or right, over many simulated families of six arms with six seeds each."""

from __future__ import annotations

import numpy as np
import pytest

from btr_tm.metrics.stats import Interval
from btr_tm.metrics.two_samples import holm, permutation_p, welch
from btr_tm.report.ablation.effects import REMOVE, verdict
from btr_tm.report.ablation.model import Effect

FAMILIES, ARMS, SEEDS = 200, 6, 6
NOTHING = Interval(0.0, 0.0, 0.0)
PLAIN = Effect(
    "no_x", "base", REMOVE, "x", -1, "area", True, (SEEDS, SEEDS), (SEEDS, SEEDS), (0.0, 0.0), NOTHING,
    1.0, True, 1.0, NOTHING, "", float("nan"),
)  # fmt: skip


@pytest.fixture(scope="module")
def noise():
    """Areas of the arms and, last, of their base: (FAMILIES, ARMS + 1, SEEDS)."""
    return np.random.default_rng(1).normal(size=(FAMILIES, ARMS + 1, SEEDS))


def verdicts(areas) -> np.ndarray:
    """Of each arm in each family."""
    arms, base = areas[:, :ARMS], np.broadcast_to(areas[:, ARMS:], areas[:, :ARMS].shape)
    p = permutation_p(arms.reshape(-1, SEEDS), base.reshape(-1, SEEDS)).reshape(-1, ARMS)
    found = [
        [
            verdict(PLAIN._replace(difference=welch(x, y), adjusted_p=adjusted))
            for x, y, adjusted in zip(*family, holm(list(each)), strict=True)
        ]
        for *family, each in zip(arms, base, p, strict=True)
    ]
    return np.array(found)


def test_families_without_any_effect_rarely_have_a_verdict(noise) -> None:
    wrong = (verdicts(noise) != "no evidence yet").any(axis=1).mean()
    assert wrong <= 0.07, "5 % of families, and chance over 200 of them"


def test_a_large_effect_is_found_in_its_direction(noise) -> None:
    moved = noise.copy()
    moved[:, 0] += 3.0  # standard deviations; without the ingredient the arm is better
    found = verdicts(moved)
    assert (found[:, 0] == "hurts").mean() >= 0.8 and "helps" not in found[:, 0]
    assert (found[:, 1:] == "no evidence yet").mean() >= 0.97
