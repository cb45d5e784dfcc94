"""`python -m btr_tm.map`: lines from every kind of race, what is wrong with them, and what maps say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from btr_tm.cli.commands import map as command
from btr_tm.cli.commands import map_sources
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.envs.desktop.follow import FollowedLap
from btr_tm.race.reference_line import ReferenceLine
from btr_tm.sim.track.load import load_track

from ..maps import gbx_files

SHORT = "- start\n- straight: {length: 2}\n- finish\n- straight: {length: 4}\n"


def driven(count: int = 200) -> np.ndarray:
    """A car in a wide curve, ten times a second."""
    angle = np.linspace(0, 2, count)
    centre = np.array([500.0, 9.0, 400.0])
    return centre + 150 * np.stack((np.cos(angle), 0 * angle, np.sin(angle)), axis=1)


def gates(line: np.ndarray, **names: str) -> list[tuple[str, int, int, int]]:
    """Blocks on the way of a line: near its beginning, its middle and its end, where it is well inside."""
    aside = np.abs(line[:, [0, 2]] % 32 - 16).max(axis=1)
    parts = (slice(0, 50), slice(70, 130), slice(150, 200))
    inside = [line[part][aside[part].argmin()] for part in parts]
    places = [(int(x // 32), 1, int(z // 32)) for x, _, z in inside]
    kinds = names or {"a": "StartLine", "b": "Checkpoint", "c": "FinishLine"}
    return [(f"StadiumRoadMain{kind}", *place) for kind, place in zip(kinds.values(), places, strict=True)]


def replay(path: Path, positions: np.ndarray, time_ms: int = 19_850, track: bytes = b"") -> Path:
    path.write_bytes(gbx_files.replay([(gbx_files.records(positions), time_ms, 0)], track))
    return path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["my race (1).npy", "it's #1.npy", "mine.npy", "a b.npy"])
def test_what_chooses_a_line_can_be_typed(name: str) -> None:
    typed = shlex.split(command.line_overrides(Path(name)))
    assert compose_job(typed).values["track"]["name_or_path"] == name


def test_a_new_line_is_not_bound_to_the_map_of_an_earlier_one(tmp_path):
    (tmp_path / "mine.map_id").write_text("another map\n")
    command.main(["make", str(replay(tmp_path / "x.Replay.Gbx", driven())), "--out", "mine.npy"])
    assert load_track("mine.npy").source.map_id == ""


def test_a_line_from_a_replay_runs_at_once(tmp_path, capsys):
    command.main(["make", str(replay(tmp_path / "my race.Replay.Gbx", driven()))])
    said = capsys.readouterr().out
    assert re.search(
        r"^my race.npy: 29\d\.\d m in \d+ points, 0.50 to 0.50 m apart, from a race of 19.85 s$",
        said,
        flags=re.M,
    )
    assert "track=line track.name_or_path='my race.npy'" in said
    line = np.load("my race.npy")
    np.testing.assert_allclose((line[-1] + line[-2]) / 2, (driven()[198] + driven()[199]) / 2, atol=0.01)
    assert ReferenceLine.load("my race.npy").total_m == pytest.approx(300, abs=15)
    track = load_track("my race.npy")
    assert track.finish_m - track.start_m == pytest.approx(298, abs=3)
    with Image.open("my race.png") as picture:
        assert picture.size[0] > 500


def test_a_line_from_a_race_of_the_simulator_is_the_way_it_drove(tmp_path, capsys):
    (tmp_path / "short.yaml").write_text(SHORT)
    (tmp_path / "race.inputs").write_text("# track: short\n0-6.00 press up\n")
    command.main(["make", "race.inputs", "--out", "mine.npy"])
    assert re.search(
        r"mine.npy: \d+.\d m in \d+ points, .* apart, from a race of \d.\d\d s on short",
        capsys.readouterr().out,
    )
    line = np.load("mine.npy")
    assert abs(line[:, 0]).max() < 0.5 and (np.diff(line[:, 2]) > 0).all(), "straight on"
    assert line[-1, 2] - line[0, 2] == pytest.approx(96, abs=2)
    (tmp_path / "race.inputs").write_text("# track: short\n0-1.00 press up\n")
    with pytest.raises(
        SystemExit, match="not finished after 1.00 s on short; a line needs a race that finishes"
    ):
        command.main(["make", "race.inputs"])


def test_a_line_from_positions_is_mended(capsys):
    positions = np.repeat(driven(150), [20] + [1] * 148 + [5], axis=0)
    np.save("recorded.npy", positions)
    with pytest.raises(SystemExit, match="recorded.npy would be written over itself; add --out"):
        command.main(["make", "recorded.npy"])
    command.main(["make", "recorded.npy", "--out", "line.npy"])
    capsys.readouterr()
    command.main(["check", "line.npy"])
    assert "nothing is wrong with it" in capsys.readouterr().out
    with pytest.raises(
        SystemExit,
        match="cannot be used: at 0.0 m points are about 2.01 m apart instead of 0.5 m; resample the line",
    ):
        command.main(["check", "recorded.npy"])
    np.save("recorded.npy", np.concatenate((driven()[:100], driven()[100:] + [0, 0, 90])))
    with pytest.raises(
        SystemExit, match=r"recorded.npy: the positions jump 9\d.\d m at 149.2 m; cut them there"
    ):
        command.main(["make", "recorded.npy", "--out", "line.npy"])


def test_the_map_of_a_replay_says_whether_the_line_belongs_to_it(tmp_path, capsys):
    line = driven()
    own = gbx_files.challenge(gates(line), name="$f00Curve")
    command.main(["make", str(replay(tmp_path / "a.Gbx", line, track=own)), "--out", "a.npy"])
    said = capsys.readouterr().out
    assert "from a race of 19.85 s on Curve" in said and "\n  at " not in said
    (tmp_path / "own.Gbx").write_bytes(own)
    (tmp_path / "turned.Gbx").write_bytes(
        gbx_files.challenge(gates(line, a="FinishLine", b="Checkpoint", c="StartLine"))
    )
    (tmp_path / "other.Gbx").write_bytes(gbx_files.challenge(gates(line - [0, 0, 160])))
    command.main(["check", "a.npy", "--map", "own.Gbx", "--out", "b.png"])
    assert "nothing is wrong with it" in capsys.readouterr().out and Path("b.png").is_file()
    with pytest.raises(
        SystemExit, match="begins at the finish of the map and ends at its start; turn it round"
    ):
        command.main(["check", "a.npy", "--map", "turned.Gbx"])
    capsys.readouterr()
    command.main(["check", "a.npy", "--map", "other.Gbx"])
    said = capsys.readouterr().out
    assert re.search(r"at 0.0 m: the line begins 1\d\d m from the map's start; is it of another map\?", said)
    assert re.search(
        r"the line passes \d\d+ m from the checkpoint in cell \d+, 1, \d+, instead of within 12 m", said
    )
    assert "it can be used" in said


def test_a_replay_whose_map_is_damaged_makes_a_line_all_the_same(tmp_path, capsys):
    command.main(["make", str(replay(tmp_path / "a.Gbx", driven(), track=b"GBX and no more"))])
    said = capsys.readouterr().out
    assert "it is not compared with its map, since the map in " in said and Path("a.npy").is_file()


def test_what_a_map_and_a_replay_say(tmp_path, capsys):
    track = gbx_files.challenge(
        gates(driven()), name="$f00A01$z-Race", uid="some_uid", author="Nadeo", laps=3
    )
    (tmp_path / "a.Challenge.Gbx").write_bytes(track)
    command.main(["info", "a.Challenge.Gbx"])
    about_map = capsys.readouterr().out
    assert about_map.splitlines() == [
        "map: A01-Race", "uid: some_uid", "author: Nadeo", "environment: Stadium", "checkpoints: 1, 3 laps",
        "author: 24.54 s", "gold: 25.87 s", "silver: 29.19 s", "bronze: 38.03 s"
    ]  # fmt: skip
    command.main(["info", str(replay(tmp_path / "r.Gbx", driven(), track=track))])
    assert capsys.readouterr().out == "race 1: 19.85 s, 200 records of 100 ms\n" + about_map


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["make", "none.Gbx"], "cannot read none.Gbx"),
        (
            ["make", "a.pdf"],
            "a line is made from a .Gbx, an .inputs, a .txt, a .csv or an .npy file, got a.pdf",
        ),
        (["make", "bad.Gbx"], "bad.Gbx is no Gbx file of the game"),
        (["make", "bad.Gbx", "--out", "x.png"], "the name must end in .npy, got x.png"),
        (["make", "bad.Gbx", "--out", "nowhere/x.npy"], "the folder nowhere does not exist"),
        (["check", "bad.npy"], "bad.npy is no valid array"),
        (["check", "good.npy", "--half-width", "90"], "half width must be from 4 to 32 m, got 90"),
        (["check", "good.npy", "--out", "x.docx"], "cannot write a picture to x.docx"),
        (["check", "good.npy", "--map", "bad.Gbx"], "bad.Gbx is no Gbx file"),
        (["info", "bad.Gbx"], "bad.Gbx is no Gbx file"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, sentence):
    for name in ("bad.Gbx", "bad.npy"):
        Path(name).write_text("hello")
    np.save("good.npy", np.stack((np.zeros(300), np.zeros(300), 0.5 * np.arange(300)), axis=1))
    with pytest.raises(SystemExit, match=re.escape(sentence)) as raised:
        command.main(arguments)
    assert "\n" not in str(raised.value)


def test_a_line_through_a_looping_is_for_the_game_only(capsys):
    angle = np.linspace(0, 2 * np.pi, 400)
    ahead = np.stack((np.zeros(50), np.zeros(50), np.linspace(-50, -1, 50)), axis=1)
    looping = np.stack((2 * angle, 40 - 40 * np.cos(angle), 40 * np.sin(angle)), axis=1)
    np.save("positions.npy", np.concatenate((ahead, looping, looping[-1] - ahead[::-1])))
    command.main(["make", "positions.npy", "--out", "looping.npy"])
    said = capsys.readouterr().out
    assert "so that the line is for the game only: the line is vertical near point" in said
    assert "drive it" not in said
    assert ReferenceLine.load("looping.npy").total_m > 300


@pytest.mark.parametrize("count", [0, 1])
def test_a_line_without_a_way_has_no_picture(count: int, capsys):
    np.save("empty.npy", np.zeros((count, 3)))
    with pytest.raises(SystemExit, match="empty.npy cannot be used: at 0.0 m the car never moves; record"):
        command.main(["check", "empty.npy", "--out", "empty.png"])
    assert not Path("empty.png").exists()


def test_a_line_that_cannot_be_made_even_is_not_sent_to_map_make_again(monkeypatch):
    np.save("recorded.npy", driven(150))
    monkeypatch.setattr(map_sources, "line_of", lambda times_s, positions, source: positions[::2])
    sentence = "about 4.03 m apart instead of 0.5 m; cut it there or record it again"
    with pytest.raises(SystemExit, match=sentence):
        command.main(["make", "recorded.npy", "--out", "line.npy"])


def test_many_faults_are_counted(capsys):
    points = np.stack((np.zeros(2000), np.zeros(2000), 0.5 * np.arange(2000)), axis=1)
    np.save("holes.npy", points[np.arange(2000) % 40 > 4])
    with pytest.raises(
        SystemExit, match=r"holes.npy cannot be used: at 17.0 m points are missing over 3 m.*\(and 48 more\)"
    ):
        command.main(["check", "holes.npy"])
    assert "  and 29 more\n" in capsys.readouterr().out


def test_the_road_along_a_line_is_driven_by_the_simulator():
    from btr_tm.sim.scripted_driver import drive
    from btr_tm.sim.starts import Starts
    from btr_tm.sim.world import World

    np.save("curve.npy", driven(600)[:300])
    world = World(load_track("curve.npy"), ticks_per_action=5)
    with torch.inference_mode():
        assert drive(world, Starts(world).canonical(1), seconds=20).finish_tick.item() > 0


def test_a_lap_in_the_game_becomes_a_line_that_is_bound_to_its_map(tmp_path, capsys, monkeypatch):
    laps = [FollowedLap(np.arange(200) / 10, driven(), map_id) for map_id in ("its-uid", "")]
    monkeypatch.setattr("btr_tm.envs.desktop.follow.follow", lambda *_: laps.pop(0))
    command.main(["record", "--out", "mine.npy", "env.game.telemetry.port=1"])
    said = capsys.readouterr().out
    assert "from a lap of 19.90 s" in said and "the line is for the map its-uid" in said
    assert "env=desktop env.game.telemetry.port=1 track=line track.name_or_path=mine.npy" in said
    assert load_track("mine.npy").source.map_id == "its-uid" and Path("mine.png").is_file()
    command.main(["record", "--out", "mine.npy", "env/telemetry=tmrl11", "env.game.telemetry.port=1"])
    assert "does not say which map is open" in capsys.readouterr().out
    assert load_track("mine.npy").source.map_id == "", "the binding of the line before is gone"
