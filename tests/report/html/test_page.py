"""The page of a sweep as text: what it holds, what it escapes, how large it is."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from btr_tm.report.html import charts, page
from btr_tm.report.html.charts import mean_and_half, pieces, thinned
from btr_tm.report.html.page import opponents, render, style_of
from btr_tm.report.html.races import NOTHING, drive, laid_out
from btr_tm.report.html.track_map import speed_paths, track_map
from btr_tm.report.reading import read_arms
from btr_tm.sim.track.load import load_track
from tests.report.html.pages import HOSTILE, arms_of, html_of, keep_race, page_of, write_run

VOID = {"meta", "link", "input", "br"}


class Outline(HTMLParser):
    """Checks that every element is closed, and collects what is in the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(text)
    found.close()
    assert found.open == []
    return found


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    return arms_of(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def html(arms):
    return html_of(arms)


def test_every_part_is_there_and_every_element_is_closed(html: str) -> None:
    found = outline(html)
    assert "The answer." in found.texts and "A limit." in found.texts
    classes = [attrs.get("class") or "" for _, attrs in found.found]
    for name in ("whisker w0", "mean", "seed", "ghost c0 d0", "line v0", "standings", "sortable"):
        assert any(each.split()[: len(name.split())] == name.split() for each in classes), name
    axes = {attrs["data-axis"] for attrs in found.all("svg") if "data-axis" in attrs}
    assert axes == {"frames", "cpu_s", "wall_minutes"}
    assert len(found.all("caption")) == len(found.all("table")) == 3


def test_pictures_and_controls_say_what_they_are(html: str) -> None:
    found = outline(html)
    for svg in found.all("svg"):
        assert svg.get("aria-hidden") == "true" or svg.get("aria-label"), svg
    ids = [attrs["id"] for _, attrs in found.found if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in found.found:
        if "aria-labelledby" in attrs:
            assert attrs["aria-labelledby"] in ids


def test_nothing_is_fetched(html: str) -> None:
    assert "http" not in html.replace("http-equiv", "")
    found = outline(html)
    assert all((attrs.get("href") or "#").startswith(("#", "data:")) for _, attrs in found.found)
    assert not any("src" in attrs for _, attrs in found.found)
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", html)
    assert "default-src 'none'" in html


def test_the_same_runs_give_the_same_page_wherever_they_lie(arms, html: str, tmp_path: Path) -> None:
    assert html_of(arms_of(tmp_path / "elsewhere")) == html
    assert str(tmp_path.parent) not in html


def test_what_comes_from_files_cannot_break_the_page(tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "\u2215")  # a folder's name cannot hold a slash
    for i, label in enumerate((name, "plain")):
        run = write_run(tmp_path / label / "s0", seed=i)
        keep_race(run)
    first, second = read_arms([str(tmp_path / name), str(tmp_path / "plain")]).arms
    arms = [first._replace(label=HOSTILE), second]
    written = page_of(arms)._replace(title=HOSTILE, answer=HOSTILE, notes=(HOSTILE,))
    text, tame = render(written, arms), render(page_of(arms)._replace(notes=("a note",)), arms)
    found = outline(text)
    assert len(found.all("script")) == 2 and len(found.all("b")) == len(outline(tame).all("b"))
    assert "<script>document" not in text and HOSTILE in found.texts
    scripts = [body for body in re.findall(r'application/json"[^>]*>(.*?)</script>', text)]
    assert json.loads(scripts[0])["races"]


def test_runs_without_a_race_lack_the_film_and_say_so(tmp_path: Path) -> None:
    text = html_of(arms_of(tmp_path, races=False))
    assert "no run here has kept one" in text and 'id="film"' not in text and 'id="film-data"' not in text


def test_a_race_that_cannot_be_read_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    arms = arms_of(tmp_path)
    (tmp_path / "plain" / "s0" / "best" / "race.inputs").write_text("# track: nowhere\n0.00-1.00 press up\n")
    assert [each.label for each in drive(arms).kept] == ["base"]
    assert drive(arms).notes == (
        "The race of plain is not shown: its track nowhere neither ships nor lies beside it.",
    )
    (tmp_path / "plain" / "s0" / "best" / "race.inputs").write_text("nonsense")
    (note,) = drive(arms).notes
    assert note.startswith("A race of plain is not shown: ") and str(tmp_path) not in note
    (tmp_path / "base" / "s0" / "best" / "race.inputs").unlink()
    assert drive(arms).track is None and drive(arms).notes == (note, NOTHING)


def test_a_race_that_ends_otherwise_than_recorded_is_said(tmp_path: Path) -> None:
    keep_race(write_run(tmp_path / "base" / "s0"), time_ms=25_000)
    driven = drive(read_arms([str(tmp_path / "base")]).arms)
    assert driven.notes == (
        "The race of base, 25.00 s when it was recorded, does not reach the finish when driven again.",
    )


def test_the_best_race_of_an_arm_is_the_fastest_that_finished(tmp_path: Path) -> None:
    for seed, time_ms in enumerate((0, 30_000, 25_000)):
        keep_race(write_run(tmp_path / "base" / f"s{seed}", seed), time_ms=time_ms)
    assert [each.seed for each in drive(read_arms([str(tmp_path / "base")]).arms).kept] == ["s2"]


def test_samples_of_a_race_end_at_its_end(arms) -> None:
    found = laid_out(drive(arms))
    race = found.races[0]
    assert race.time_s == 1.5 and found.step_s == 0.1
    assert len(race.x) == len(race.y) == len(race.way) == len(race.speed) == 16
    driven = drive(arms).races[0]
    assert race.way[1] == round(10 * float(driven.pose.s_m[9] - drive(arms).track.start_m))
    assert race.speed[-1] == round(float(driven.speed_kmh[-1])) > 10
    coarse = laid_out(drive(arms), detail=1e-3).races[0]
    assert len(coarse.x) < 16 and coarse.way[-1] == race.way[-1]


def test_a_page_of_very_many_runs_stays_small(tmp_path: Path, monkeypatch) -> None:
    heights = tuple(np.linspace(0, 1, 300).tolist())
    arms = []
    for arm in range(4):
        for seed in range(2):
            write_run(tmp_path / f"arm{arm}" / f"s{seed}", seed, heights, (30.123,) * 300)
        arms += read_arms([str(tmp_path / f"arm{arm}")]).arms
    whole = len(html_of(arms).encode())
    monkeypatch.setattr(page, "LIMIT", int(0.6 * whole))
    assert len(html_of(arms).encode()) <= 0.6 * whole


def test_fourteen_arms_look_different() -> None:
    assert len({style_of(i) for i in range(25)}) == 25


RGB = {  # what dichromats see (Machado, Oliveira and Fernandes 2009, severity 1), linear RGB
    "usual": np.eye(3),
    "protan": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deutan": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritan": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(values: np.ndarray) -> np.ndarray:
    x, y, z = np.cbrt(XYZ @ np.clip(values, 0.001, 1) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_of_arms_stay_apart_for_every_kind_of_sight(scheme: int) -> None:
    style = (page.FOLDER / "page.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    named = dict(re.findall(r"--(\w+): (#\w{6})", block.replace("#fff;", "#ffffff;")))
    colours = [linear(named["ink"]), *(linear(named[f"c{i}"]) for i in range(1, 7))]
    paper = linear(named["paper"]) @ XYZ[1]
    for colour in colours:
        low, high = sorted([colour @ XYZ[1], paper])
        assert (high + 0.05) / (low + 0.05) >= 3.0  # WCAG 2.2, success criterion 1.4.11
    for sight in RGB.values():
        seen = [lab(np.array(sight) @ colour) for colour in colours]
        assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 20


def test_the_first_arm_races_the_fastest_of_the_others(arms) -> None:
    found = laid_out(drive(arms))
    one = found.races[0]
    times = (40.0, 30.0, 20.0, 10.0)
    entries = [one._replace(arm=i, time_s=t, finished=i < 3) for i, t in enumerate(times)]
    assert opponents(found._replace(races=tuple(entries))) == [0, 2]
    assert opponents(found._replace(races=tuple(entries[:1]))) == [0]


def test_mean_and_interval_of_curves_with_gaps() -> None:
    nan = np.nan
    heights = np.array([[1.0, nan, 1.0], [2.0, 2.0, nan], [3.0, nan, nan]])
    mean, half = mean_and_half(heights)
    assert np.array_equal(mean, [2.0, nan, nan], equal_nan=True)
    assert half[0] == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5) and np.isnan(half[1:]).all()


def test_pieces_leave_gaps_and_show_lone_points() -> None:
    xs, ys = np.arange(5) * 1000.0, np.array([0.5, np.nan, 0.25, 0.125, np.nan])
    found = list(pieces(xs, ys))
    assert found == ["0,0.5 0,0.5", "2000,0.25 3000,0.125"]
    assert [charts.lone(each) for each in found] == [True, False]


def test_thinned_curves_keep_measured_points_and_both_ends() -> None:
    xs = np.arange(1000.0)
    kept, values = thinned(xs, xs**2, 7)
    assert len(kept) == 7 and kept[0] == 0 and kept[-1] == 999 and np.array_equal(values, kept**2)
    assert len(thinned(xs[:3], xs[:3], 7)[0]) == 3


def test_the_transform_puts_values_where_the_ticks_are(arms) -> None:
    chart = charts.chart(arms, "eval/progress_mean", "frames", 1.0)
    numbers = [float(each) for each in re.findall(r"-?[\d.]+(?:e-?\d+)?", chart.frame.transform)]
    left, bottom, scale_x, scale_y, x, y = numbers
    assert left + scale_x * (2000 + x) == pytest.approx(chart.frame.x(2000), abs=0.1)
    assert bottom + scale_y * (0.5 + y) == pytest.approx(chart.frame.y(0.5), abs=0.1)
    assert ("50%" in [text for _, text in chart.y_ticks]) and chart.x_ticks[-1][1] == "3k"


def test_speed_over_the_way_never_turns_back(arms) -> None:
    race = laid_out(drive(arms)).races[0]._replace(way=(0, 5, 5, 4, 9), speed=(0, 10, 20, 30, 40))
    assert page.speeds_over_way(race) == "0,0 5,10 9,40"


def test_a_line_changes_its_colour_with_the_speed() -> None:
    paths = speed_paths([0, 1, 2, 3, 4], [0] * 5, [50, 90, 150, 160, 60], [0, 100])
    assert paths == [(0, "M0 0L1 0"), (1, "M1 0L2 0L3 0"), (0, "M3 0L4 0")]


def test_maps_lie_on_their_longer_side_and_are_not_mirrored() -> None:
    track = load_track("a01")
    plan = track_map(track)
    assert plan.box[2] > plan.box[3]
    ribbon = track.ribbon
    ahead = plan.place((ribbon.centre[:1] + ribbon.tangent[:1]).numpy()) - plan.place(
        ribbon.centre[:1].numpy()
    )
    right = plan.place((ribbon.centre[:1] + ribbon.right[:1]).numpy()) - plan.place(ribbon.centre[:1].numpy())
    assert ahead[0, 0] * right[1, 0] - ahead[1, 0] * right[0, 0] > 0  # y grows downward: right is clockwise
