"""`draw_track`, and the page about tracks: it names every block and option, and its examples compile."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from btr_tm.cli.commands import draw_track
from btr_tm.report.track_picture import Laid, laid, pieces
from btr_tm.sim.track.blocks import KINDS, Style
from btr_tm.sim.track.compile import compile_track
from btr_tm.sim.track.load import load_track, shipped_tracks

PAGE = (Path(__file__).parents[2] / "docs" / "tracks.md").read_text(encoding="utf-8")
ROWS = {row[0].strip("` "): row[1:] for row in re.findall(r"^\| (`\w+`) \|(.*)\|(.*)\|$", PAGE, flags=re.M)}


def drawn(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


@pytest.mark.parametrize("name", shipped_tracks())
def test_shipped_tracks_are_drawn(name, tmp_path, capsys):
    draw_track.main([name, "--out", str(tmp_path / "new" / "track.png")])
    assert re.search(
        r"track.png: [12],\d{3} m of road, \d+ blocks", capsys.readouterr().out.replace("\n", "")
    )
    picture = drawn(tmp_path / "new" / "track.png")
    assert (picture == (42, 138, 87)).all(-1).any() or name == "oval"  # the start, which an oval has not
    assert (picture == (217, 114, 46)).all(-1).any()


def test_a_reference_line_is_drawn_with_its_width(tmp_path, capsys):
    np.save(tmp_path / "line.npy", np.stack((np.zeros(400), np.zeros(400), 0.5 * np.arange(400)), axis=1))
    widths = []
    for half_width in ("6", "24"):
        draw_track.main(
            [str(tmp_path / "line.npy"), "--out", str(tmp_path / "a.png"), "--half-width", half_width]
        )
        widths.append((drawn(tmp_path / "a.png") == (195, 200, 207)).all(-1).sum())
    assert widths[1] > 3 * widths[0]
    assert "blocks" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        ("- start\n- straight: {at: [0, 0, 2]}\n- finish\n", "gap before block 2 (straight)"),
        ("- start_finish\n- straight\n", "gap between block 2 (straight)"),
        (
            "- start\n- straight: {length: 6}\n" + 3 * "- curve\n" + "- straight: {length: 6}\n- finish\n",
            "runs into",
        ),
        ("- start\n- curve: {size: 2, width: 60}\n- finish\n", "turns at"),
    ],
)
def test_a_track_that_is_none_yet_is_drawn_and_its_mistake_is_named(blocks, sentence, tmp_path):
    (tmp_path / "mine.yaml").write_text(blocks)
    with pytest.raises(SystemExit, match=re.escape(sentence)):
        draw_track.main([str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "a.png")])
    assert (drawn(tmp_path / "a.png") == (195, 200, 207)).all(-1).sum() > 1000


@pytest.mark.parametrize("out", ["/proc/none/a.png", "a.docx"])
def test_a_place_or_kind_that_cannot_be_written_is_one_sentence(out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=f"cannot write a picture to {out}"):
        draw_track.main(["oval", "--out", out])


def test_blocks_lie_where_their_numbers_say():
    numbers = np.array([1, 1, 2, 2, 2, 4])
    assert laid(numbers, ["start", "straight", "crest", "finish"]) == [
        Laid(0, 1, "start"), Laid(2, 2, "straight"), Laid(5, 4, "finish")
    ]  # fmt: skip


def test_every_station_of_road_is_drawn_once():
    ribbon = load_track("dirt_and_turbo").ribbon
    covered = np.zeros(len(ribbon.road), dtype=int)
    for first, last in pieces(ribbon):
        assert len(ribbon.surface[first:last].unique()) == 1
        covered[first:last] += 1
    assert (covered == (ribbon.road.numpy() > 0.5)).all()


def test_the_page_names_every_block_with_its_options_and_defaults():
    for name, kind in KINDS.items():
        options = re.findall(r"`(\w+)` \(([^)]*)\)", ROWS[name][1])
        assert options == [(field.name, str(field.default)) for field in dataclasses.fields(kind.form)], name
        assert all(f"| `{option}`" in PAGE or f", `{option}`" in PAGE for option, _ in options)
    for field in dataclasses.fields(Style):
        default = field.default if isinstance(field.default, str) else f"{field.default:g}"
        assert ROWS[field.name][0].strip() == default, field.name
    assert "`at`" in PAGE


def test_the_examples_of_the_page_are_tracks():
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.S)
    first, second = (compile_track("my_track", yaml.safe_load(text), "my_track.yaml") for text in examples)
    assert first.checkpoints_m and not first.closed
    assert second.closed and second.laps == 3 and second.description == "An oval, flat out."
