"""The page in a real browser: it draws, sorts, answers and plays, and asks for nothing elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.html.pages import HOSTILE, arms_of, html_of, opened

SCRIPT = """(() => {
  const found = {}, click = element => element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  const table = [...document.querySelectorAll("table.sortable")].at(-1);
  const names = () => [...table.tBodies[0].rows].map(row => row.cells[0].textContent);
  const heading = table.tHead.rows[0].cells[1], button = heading.querySelector("button");
  found.sorted = [names()];
  for (let i = 0; i < 2; i++) {
    click(button);
    found.sorted.push([heading.getAttribute("aria-sort"), ...names()]);
  }
  const shown = document.querySelector("svg[data-axis=frames]"), mean = shown.querySelector(".mean");
  const inside = point => {
    const place = new DOMPoint(point.x, point.y).matrixTransform(mean.getScreenCTM());
    return { clientX: place.x, clientY: place.y, bubbles: true };
  };
  found.width = mean.getBoundingClientRect().width;
  const tip = shown.closest("figure").querySelector(".tip");
  shown.dispatchEvent(new PointerEvent("pointermove", inside(mean.points[1])));
  found.hover = tip.textContent;
  shown.dispatchEvent(new PointerEvent("pointerleave"));
  found.left = tip.hidden;
  for (const key of ["ArrowRight", "ArrowRight", "ArrowDown"]) {
    shown.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  }
  found.keys = tip.textContent;
  const axis = document.querySelector("input[name=axis][value=cpu_s]");
  axis.click();
  found.axis = [...document.querySelectorAll("svg[data-axis]")].filter(each => each.getClientRects().length)
    .map(each => each.dataset.axis);
  document.querySelector("#legend input").click();
  found.arms = [...document.querySelectorAll("svg[data-axis=cpu_s] .arm")]
    .map(each => [each.dataset.name, each.getClientRects().length > 0]);
  const time = document.querySelector("#time");
  const ghosts = () => [...document.querySelectorAll("#map .ghost")]
    .map(each => each.getAttribute("transform"));
  found.before = ghosts();
  time.value = 1.2;
  time.dispatchEvent(new Event("input", { bubbles: true }));
  found.after = ghosts();
  found.clock = document.querySelector("#clock").textContent;
  found.standings = [...document.querySelectorAll(".standings tbody tr")]
    .map(row => [...row.cells].slice(3).map(cell => cell.textContent));
  found.spots = [...document.querySelectorAll("#trace .spot")].map(each => each.points[0].y);
  document.querySelector(".standings input").click();
  found.racing = [...document.querySelectorAll("#map .ghost, #near .way, #trace [data-race]")]
    .filter(each => each.getClientRects().length).map(each => each.dataset.race);
  document.querySelector("#play").click();
  found.playing = document.querySelector("#play").getAttribute("aria-label");
  document.querySelector("#play").click();
  found.title = document.title;
  return found;
})()"""


REQUESTS = """(() => {
  const observer = new ReportingObserver(() => {}, { types: ["csp-violation"], buffered: true });
  observer.observe();
  return performance.getEntriesByType("resource").map(entry => entry.name)
    .concat(observer.takeRecords().map(record => record.body.blockedURL));
})()"""


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return html_of(arms_of(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def found(html, tmp_path_factory):
    return opened(html, tmp_path_factory.mktemp("browser"), SCRIPT)


def test_a_click_on_a_heading_sorts_and_missing_values_stay_last(found) -> None:
    assert found["sorted"] == [
        ["base", "plain"],
        ["ascending", "base", "plain"],
        ["descending", "base", "plain"],
    ]


def test_curves_are_drawn_and_answer_the_pointer_and_the_keys(found) -> None:
    assert found["width"] > 100
    assert found["hover"] == "base, mean: 55.0% at 2,000 frames" and found["left"]
    assert found["keys"] == "plain: 20.0% at 2,000 frames"


def test_axes_and_arms_can_be_chosen(found) -> None:
    assert set(found["axis"]) == {"cpu_s"}
    assert set(map(tuple, found["arms"])) == {("base", False), ("plain", True)}


def test_the_film_moves_its_cars_and_says_the_gap(found) -> None:
    assert found["clock"] == "1.20 s" and found["playing"] == "Pause"
    assert min(found["spots"]) > 10 and set(found["racing"]) == {"1"} and len(found["racing"]) == 4
    assert all(a != b for a, b in zip(found["before"], found["after"], strict=True))
    first, second = found["standings"]
    assert first[:2] == ["1", ""] and second[0] == "2"
    assert second[1].startswith("+0.") and int(first[2]) > 10 and first[3].endswith(" m")


def requests(page: str, folder: Path) -> set[str]:
    return set(opened(page, folder, REQUESTS))


def test_the_page_asks_for_nothing_elsewhere(html: str, tmp_path: Path) -> None:
    assert requests(html, tmp_path / "page") == set()
    elsewhere = "http://127.0.0.1:9/picture.png"
    open_policy = html.replace("img-src data:", "img-src * data:").replace(
        "</main>", f"<img src='{elsewhere}'></main>"
    )
    assert requests(open_policy, tmp_path / "open") == {elsewhere}
    blocked = html.replace("</main>", f"<img src='{elsewhere}'></main>")
    assert requests(blocked, tmp_path / "blocked") == {elsewhere}


def test_a_phone_shows_it_without_scrolling_sideways(html: str, tmp_path: Path) -> None:
    script = "({ fits: document.documentElement.scrollWidth <= innerWidth, width: innerWidth })"
    assert opened(html, tmp_path, script, "--window-size=500,900")["fits"]


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    first, second = arms_of(tmp_path / "runs")
    text = html_of([first._replace(label=HOSTILE), second])
    seen = opened(
        text,
        tmp_path,
        "({ title: document.title, name: document.querySelector('#charts .arm').dataset.name })",
    )
    assert seen == {"title": "A sweep", "name": HOSTILE}
