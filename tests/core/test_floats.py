from __future__ import annotations

import pytest

from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout

# Inclusive index ranges of the published vector with 5 and with 25 previous actions.
PUBLISHED = {
    "clock": ((0, 0), (0, 0)),
    "previous_actions": ((1, 20), (1, 100)),
    "wheel_sliding": ((21, 24), (101, 104)),
    "wheel_contact": ((25, 28), (105, 108)),
    "damper_m": ((29, 32), (109, 112)),
    "gearbox_state": ((33, 33), (113, 113)),
    "gear": ((34, 34), (114, 114)),
    "rpm": ((35, 35), (115, 115)),
    "gearbox_count": ((36, 36), (116, 116)),
    "surface": ((37, 52), (117, 132)),
    "angular_velocity": ((53, 55), (133, 135)),
    "velocity": ((56, 58), (136, 138)),
    "world_up": ((59, 61), (139, 141)),
    "line_points": ((62, 181), (142, 261)),
    "remaining_m": ((182, 182), (262, 262)),
    "freewheeling": ((183, 183), (263, 263)),
}


@pytest.mark.parametrize(("column", "previous", "size"), [(0, 5, 184), (1, 25, 264)])
def test_the_full_layout_is_the_published_one(column, previous, size):
    layout = FloatLayout.full(previous)
    assert layout.names == tuple(PUBLISHED)
    assert layout.size == len(layout.mean) == len(layout.std) == size
    for name, ranges in PUBLISHED.items():
        first, last = ranges[column]
        assert layout[name] == slice(first, last + 1), name


def test_normalisation_holds_the_published_figures():
    layout = FloatLayout.full()

    def figures(name):
        return layout.mean[layout[name]], layout.std[layout[name]]

    assert figures("clock") == ((70.0,), (70.0,))
    assert figures("previous_actions") == ((0.8, 0.2, 0.3, 0.3) * 5, (0.5,) * 20)
    assert figures("wheel_sliding") == ((0.1,) * 4, (0.5,) * 4)
    assert figures("wheel_contact") == ((0.9,) * 4, (0.5,) * 4)
    assert figures("damper_m") == ((0.02,) * 4, (0.06,) * 4)
    assert figures("gearbox_state") == ((0.3,), (1.0,))
    assert figures("gear") == ((2.5,), (2.0,))
    assert figures("rpm") == ((7000.0,), (3000.0,))
    assert figures("gearbox_count") == ((0.1,), (10.0,))
    assert figures("surface") == ((0.5,) * 16, (0.5,) * 16)
    assert figures("angular_velocity") == ((0.0,) * 3, (0.5, 1.0, 0.5))
    assert figures("velocity") == ((0.0, 0.0, 55.0), (5.0, 5.0, 20.0))
    assert figures("world_up") == ((0.0, 1.0, 0.0), (0.5,) * 3)
    assert figures("remaining_m") == ((700.0,), (350.0,))
    assert figures("freewheeling") == ((0.0,), (1.0,))


@pytest.mark.parametrize(
    ("point", "mean", "std"),
    [
        (0, (0, -2.1, -0.2), (7.7, 7.7, 2.9)),
        (9, (0, -1.3, 78.9), (31.1, 31.1, 17.0)),
        (20, (0, 3.1, 143), (91.4, 91.4, 61.4)),
        (39, (0, 11.5, 197), (198, 198, 151)),
    ],
)
def test_line_points_hold_the_published_figures(point, mean, std):
    layout = FloatLayout.full()
    at = slice(62 + 3 * point, 65 + 3 * point)
    assert layout.mean[at] == mean
    assert layout.std[at] == std


def test_the_line_point_table_is_smooth():
    """A slip of a digit while entering the table would show as a jump."""
    layout = FloatLayout.full()
    forward = layout.mean[layout["line_points"]][2::3]
    sideways = layout.std[layout["line_points"]][0::3]
    lengthways = layout.std[layout["line_points"]][2::3]
    for column, largest in ((forward, 1.6), (sideways, 1.6), (lengthways, 1.6)):
        steps = [b - a for a, b in zip(column, column[1:], strict=False)]
        assert min(steps) > 0
        assert max(abs(b - a) for a, b in zip(steps, steps[1:], strict=False)) <= largest


@pytest.mark.parametrize("points", [2, 10, 40, 60])
@pytest.mark.parametrize("previous", [0, 1, 5, 25])
def test_the_size_follows_from_previous_actions_and_line_points(previous, points):
    layout = FloatLayout.full(previous, points)
    assert layout.size == 27 + 3 * points + 4 * previous + 16 + 1
    assert layout["remaining_m"].stop == layout.size - 1


def test_fewer_line_points_cut_the_table():
    assert FloatLayout.full(line_points=10).mean[62:92] == FloatLayout.full().mean[62:92]
    assert FloatLayout.full(line_points=10).std[62:92] == FloatLayout.full().std[62:92]


def test_more_line_points_prolong_the_growth_of_the_last_ten():
    longer = FloatLayout.full(line_points=42)
    assert longer.mean[:182] == FloatLayout.full().mean[:182]
    # Rows 29 and 39 of the table: means 7.8, 177 and 11.5, 197; deviations 144, 102 and 198, 151.
    assert longer.mean[182:188] == pytest.approx((0, 11.5 + 0.37, 199, 0, 11.5 + 0.74, 201))
    assert longer.std[182:188] == pytest.approx((203.4, 203.4, 155.9, 208.8, 208.8, 160.8))


@pytest.mark.parametrize("make", [FloatLayout.full, FloatLayout.camera])
def test_dampers_have_both_published_scales(make):
    linesight, published_runs = make(), make(damper_std=0.5)
    dampers = linesight["damper_m"]
    assert linesight.std[dampers] == (0.06,) * 4
    assert published_runs.std[dampers] == (0.5,) * 4
    assert published_runs.std[: dampers.start] == linesight.std[: dampers.start]
    assert published_runs.std[dampers.stop :] == linesight.std[dampers.stop :]


def test_a_damper_scale_of_nothing_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="damper_std must be larger than 0, got 0"):
        FloatLayout.full(damper_std=0)


def test_the_camera_layout_lacks_what_the_line_tells():
    full, camera = FloatLayout.full(), FloatLayout.camera()
    assert camera.size == 63
    assert set(full.names) - set(camera.names) == {"line_points", "remaining_m"}
    for name in camera.names:
        assert camera.mean[camera[name]] == full.mean[full[name]]


def test_generic_floats_are_left_as_they_are():
    layout = FloatLayout.generic(3)
    assert (layout.mean, layout.std, layout["floats"]) == ((0.0,) * 3, (1.0,) * 3, slice(0, 3))
    assert FloatLayout.generic(0).size == 0


def test_layouts_compare_by_value():
    assert FloatLayout.full(5) == FloatLayout.full(5) != FloatLayout.full(25)
    assert hash(FloatLayout.camera()) == hash(FloatLayout.camera())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: FloatLayout.full(previous_actions=-1), "previous_actions must be 0 or larger, got -1"),
        (lambda: FloatLayout.full(line_points=1), "line_points must be 2 or larger, got 1"),
        (lambda: FloatLayout.camera(-2), "previous_actions must be 0 or larger, got -2"),
        (lambda: FloatLayout.generic(-1), "size must be 0 or larger, got -1"),
    ],
)
def test_impossible_counts_are_refused_in_a_sentence(make, sentence):
    with pytest.raises(UserError, match=f"^{sentence}$"):
        make()
