"""Lines made from where a car was, against curves whose length is known."""

from __future__ import annotations

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.maps.check import faults
from btr_tm.maps.line import line_of, until
from btr_tm.race.reference_line import ReferenceLine

PERIOD_S = 0.1


def driven(seconds: float = 30.0, wait_s: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """A car that waits, then speeds up to 50 m/s around a circle of 200 m that climbs."""
    times = np.arange(0, seconds, PERIOD_S)
    way = 2.0 * np.clip(times - wait_s, 0, 25) ** 2 / 2 + 50 * np.clip(times - wait_s - 25, 0, None)
    angle = way / 200
    return times, np.stack((200 * np.cos(angle), 0.01 * way, 200 * np.sin(angle)), axis=1)


def test_points_lie_evenly_on_the_curve_and_the_race_ends_between_the_last_two():
    times, positions = driven()
    line = line_of(times, positions, "x")
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    assert abs(steps - 0.5).max() < 0.003
    assert abs(np.hypot(line[:, 0], line[:, 2]) - 200).max() < 0.01, (
        "a straight line between records is 3 cm off"
    )
    np.testing.assert_allclose(line[0], positions[0], atol=1e-4)
    np.testing.assert_allclose((line[-1] + line[-2]) / 2, positions[-1], atol=2e-3)
    way = 25.0**2 + 50 * (times[-1] - 27)
    assert steps.sum() == pytest.approx(way + 0.25, abs=0.1)
    assert not [fault for fault in faults(line, 0.5, "x") if fault.refused]
    made = ReferenceLine.from_points(line)
    assert made.total_m - made.start_m == pytest.approx(way, abs=1.5)


def test_a_car_that_trembles_while_it_stands_does_not_bend_the_line():
    times, positions = driven(wait_s=5.0)
    rng = np.random.default_rng(0)
    positions[:45] += 0.02 * rng.standard_normal((45, 3))
    end = np.concatenate((positions, positions[-1] + 0.02 * rng.standard_normal((30, 3))))
    line = line_of(PERIOD_S * np.arange(len(end)), end, "x")
    assert not [fault for fault in faults(line, 0.5, "x") if fault.refused]
    assert len(line) == pytest.approx(len(line_of(times, driven(wait_s=5.0)[1], "x")), abs=2)


def test_the_finish_may_lie_between_two_records():
    times, positions = driven()
    cut_times, cut = until(times, positions, 25.04)
    assert cut_times[-1] == 25.04 and len(cut) == 252
    np.testing.assert_allclose(cut[-1], 0.6 * positions[250] + 0.4 * positions[251])
    assert until(times, positions, 99.0)[0] is times


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda p: p[:1], "50 to 100,000 m long, and the car drives 0.0 m"),
        (lambda p: p[:60], "50 to 100,000 m long, and the car drives 15"),
        (lambda p: p * 0, "the car drives 0.0 m"),
        (
            lambda p: p * np.where(np.arange(len(p)) < 150, 1.0, 1.2)[:, None],
            "jumps .* m at 14.90 s, as if set",
        ),
        (lambda p: np.where(np.arange(len(p))[:, None] == 9, np.nan, p), "point 9 is not finite"),
        (lambda p: p[:, :2], r"shape \(N, 3\)"),
    ],
)
def test_what_cannot_be_a_race_is_refused(spoil, sentence):
    positions = spoil(driven()[1])
    with pytest.raises(UserError, match=f"x: .*{sentence}"):
        line_of(PERIOD_S * np.arange(len(positions)), positions, "x")
