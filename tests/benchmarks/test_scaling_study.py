"""The scaling study."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from btr_tm.benchmarks.scaling_plots import PANELS, plot
from btr_tm.benchmarks.scaling_study import Point, memory_points


def test_memory_is_that_of_a_million_transitions() -> None:
    class Replay:
        """A ring of 90 transitions that holds 10 slots more, which are few in one of a million."""

        bytes_per_transition, capacity = 2**30 / 1e6 * 100 / 90, 90
        ring = SimpleNamespace(slots=100)

    (point,) = memory_points({("s", 64): Replay()})
    assert point == Point("memory", "s", 64, pytest.approx(1.0), "GiB")


def test_every_study_has_a_panel_with_labelled_axes(tmp_path) -> None:
    points = [Point(study, name, x, 10.0 * x, "u") for study in PANELS for name in "ab" for x in (1, 2)]
    assert plot(points, tmp_path / "all.png", "title").stat().st_size > 10_000


@pytest.mark.long
def test_a_little_of_everything_is_measured(tmp_path) -> None:
    from btr_tm.cli.measuring.scaling_study import main

    main(["--quick", "--folder", str(tmp_path)])
    points = json.loads((tmp_path / "scaling.json").read_text(encoding="utf-8"))["points"]
    assert {point["study"] for point in points} == set(PANELS)
    assert all(point["value"] > 0 for point in points)
