"""Shares of wall time, on a clock that the test turns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from btr_tm.metrics import stopwatch


@pytest.fixture
def now(monkeypatch):
    """Seconds that wall and processor have counted."""
    now = SimpleNamespace(wall=100.0, cpu=50.0)
    clocks = SimpleNamespace(perf_counter=lambda: now.wall, process_time=lambda: now.cpu)
    monkeypatch.setattr(stopwatch, "time", clocks)
    return now


def test_a_lap_adds_up_what_each_activity_took_and_the_next_begins_at_nothing(now):
    watch = stopwatch.Stopwatch()
    for _ in range(2):
        with watch("simulator"):
            now.wall += 0.125
    with watch("learning"):
        now.wall += 0.0625
    watch.charge(3.0)
    watch.charge(4.0)
    now.wall, now.cpu = 100.5, 51.5
    seconds, cpu_seconds, shares = watch.lap()
    assert (seconds, cpu_seconds) == (0.5, 1.5 + 7.0)
    taken = {name: share for name, share in shares.items() if share}
    assert taken == {"simulator": 0.5, "learning": 0.125, "other": 0.375}
    now.wall += 2.0
    assert watch.lap()[:2] == (2.0, 0.0)


def test_an_activity_that_fails_is_counted(now):
    watch = stopwatch.Stopwatch()
    with pytest.raises(KeyError), watch("replay"):
        now.wall += 1.0
        raise KeyError
    now.wall += 3.0
    assert watch.lap().shares["replay"] == 0.25


def test_a_lap_without_any_time_has_finite_shares(now):
    assert stopwatch.Stopwatch().lap().shares["other"] == 1.0
