"""Writes a page: templates, style and script of this folder put together into one file without links."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from btr_tm.core.types import JsonObject
from btr_tm.report.arms import AXES, Arm
from btr_tm.report.html import charts
from btr_tm.report.html.model import Legend, Page
from btr_tm.report.html.races import Driven, Race, Races, drive, laid_out
from btr_tm.report.html.track_map import speed_paths

FOLDER = Path(__file__).parent
LIMIT = 2_000_000  # bytes of a page
HUES, DASHES = 6, 4  # of the style sheet, besides the first arm
FEW = 3  # arms whose seeds and bands are drawn at once; the same in the script
BANDS = 12  # colours of speeds
CURVES_NOTE = (
    "Thick: the mean of the seeds where at least half of them have a value; band: its 95% interval "
    "(Student's t) from three seeds on; faint: single seeds. With more than three arms, seeds and bands show "
    "for the arm that is pointed at. Times leave out the slowest twentieth. Long curves are thinned."
)


def render(page: Page, arms: Sequence[Arm]) -> str:
    """The page as HTML; with so many runs that it would pass the limit, curves and races are thinned more."""
    detail, driven = 1.0, drive(arms)
    text = written(page, arms, driven, detail)
    while len(text.encode()) > LIMIT and detail > 1 / 64:
        detail /= 2
        text = written(page, arms, driven, detail)
    return text


def written(page: Page, arms: Sequence[Arm], driven: Driven, detail: float) -> str:
    """The page, with a share of the points of its lines."""
    races = laid_out(driven, detail)
    script = (FOLDER / "page.js").read_text(encoding="utf-8")
    edges = speed_edges(races)
    return (
        environment()
        .get_template("page.html")
        .render(
            page=page,
            charts=charts.charts(arms, page.metrics, detail),
            axes=[(axis, AXES[axis].unit) for axis in charts.axes(arms)],
            legend=[Legend(i, arm.label, runs_text(len(arm.seeds))) for i, arm in enumerate(arms)],
            styles=[style_of(i) for i in range(len(arms))],
            size=chart_size(),
            few=FEW,
            curves_note=CURVES_NOTE,
            races=races,
            notes=[*driven.notes, *page.notes],
            film=film_data(races),
            chosen=opponents(races),
            end=max((race.time_s for race in races.races), default=0.0) if races else 0.0,
            bands=edges,
            top_speed=top_speed(races),
            points=points,
            speeds_over_way=speeds_over_way,
            lone=charts.lone,
            trace=trace(races),
            time_text=time_text,
            lines_of=lambda race: speed_paths(race.x, race.y, race.speed, edges),
            policy=policy(script),
            style=Markup((FOLDER / "page.css").read_text(encoding="utf-8") + speed_colours()),
            script=Markup(script),
        )
    )


def environment() -> Environment:
    """Everything is escaped but style and script of this folder; a name that is missing is an error."""
    loader = FileSystemLoader(FOLDER / "templates")
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    found.policies["json.dumps_kwargs"] = {"sort_keys": True, "allow_nan": False, "separators": (",", ":")}
    return found


def policy(script: str) -> Markup:
    """Content security: this script only, no address at all."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Markup(
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    )


def runs_text(count: int) -> str:
    return f"{count} run{'s' * (count != 1)}"


def style_of(arm: int) -> str:
    """Classes of an arm: the first in the colour of the text, then hues, then hues with dashes."""
    if arm == 0:
        return "c0 d0"
    return f"c{(arm - 1) % HUES + 1} d{(arm - 1) // HUES % DASHES}"


def chart_size() -> dict[str, int]:
    """What the templates need to place axes."""
    return {
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
        "left": charts.LEFT,
        "right": charts.RIGHT,
        "top": charts.TOP,
        "inner_width": charts.WIDTH - charts.LEFT - charts.RIGHT,
        "inner_height": charts.HEIGHT - charts.TOP - charts.BOTTOM,
    }


def film_data(found: Races | None) -> JsonObject:
    """What the script plays."""
    if found is None:
        return {}
    names = ("finished", "time_s", "x", "y", "way", "speed")
    return {
        "step_s": found.step_s,
        "races": [{name: getattr(race, name) for name in names} for race in found.races],
    }


def opponents(found: Races | None) -> list[int]:
    """The two races that are shown first: that of the first arm, and the fastest of the others."""
    if found is None:
        return []
    first, *others = sorted(range(len(found.races)), key=lambda i: (i > 0, *rank(found.races[i])))
    return [first, *others[:1]]


def rank(race: Race) -> tuple[bool, float]:
    return not race.finished, race.time_s


def trace(found: Races | None) -> JsonObject:
    """Axes of speed over the way: their ends, in km/h and decimetres, and ticks in percent of them."""
    if found is None:
        return {}
    top, end = 1.05 * max(1, top_speed(found)), max(1, *(way for race in found.races for way in race.way))
    speeds, metres = charts.ticks(0, top), charts.ticks(0, end / 10)
    return {
        "top": round(top, 1),
        "end": end,
        "speeds": [(round(100 - 100 * at / top, 2), f"{at:g}") for at in speeds if at],
        "metres": [(round(1000 * at / end, 2), f"{at:g}") for at in metres if at],
    }


def points(race: Race) -> str:
    return " ".join(f"{x},{y}" for x, y in zip(race.x, race.y, strict=True))


def speeds_over_way(race: Race) -> str:
    """Without samples at which the car did not come further."""
    ahead = np.maximum.accumulate(race.way)
    keep = [0, *(np.flatnonzero(np.diff(ahead) > 0) + 1).tolist()]
    return " ".join(f"{race.way[i]},{race.speed[i]}" for i in keep)


def time_text(race: Race) -> str:
    return f"{race.time_s:.2f} s" if race.finished else "not finished"


def top_speed(found: Races | None) -> int:
    return max((max(race.speed) for race in found.races), default=0) if found else 0


def speed_edges(found: Races | None) -> list[int]:
    """Where each colour begins, in km/h; fine where cars spend their time."""
    low = int(np.quantile(np.concatenate([race.speed for race in found.races]), 0.05)) if found else 0
    return np.linspace(low, max(top_speed(found), low + BANDS), BANDS, endpoint=False).astype(int).tolist()


def speed_colours() -> str:
    """Rules of the style sheet: viridis without its darkest part."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    shades = [to_hex(colormaps["viridis"](at)) for at in np.linspace(0.25, 1.0, BANDS)]
    return "".join(
        f".v{i} {{ stroke: {shade}; }} rect.v{i} {{ fill: {shade}; }}\n" for i, shade in enumerate(shades)
    )
