"""`watch` of races as text: which files it takes for one, and where it finds the track."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm.cli.assembly.driver import read_driver
from btr_tm.cli.commands import film, watch
from btr_tm.core.errors import UserError
from btr_tm.report.film import FULL, SMALL, Look

GAS = "0-0.05 press up # flat out\n"


looks: list[Look] = []


@pytest.fixture
def filmed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Name of the track and ticks of each race that was filmed; a real film takes seconds."""
    races: list[tuple[str, int]] = []
    looks.clear()

    def film_racers(track, racers, path, look):
        looks.append(look)
        races.extend((track.name, len(racer.race.actions)) for racer in racers)
        return Path(path)

    monkeypatch.setattr(film, "film_racers", film_racers)
    return races


@pytest.mark.parametrize("name", ["race.inputs", "race.txt", "RACE.INPUTS", "Race.Txt"])
def test_scripts_of_any_usual_name_are_watched(tmp_path, filmed, name):
    (tmp_path / name).write_text(GAS)
    watch.main([str(tmp_path / name), "--track", "oval"])
    assert filmed == [("oval", 5)]


@pytest.mark.parametrize(
    ("words", "look"),
    [([], FULL), (["--small"], SMALL), (["--small", "--fps", "10"], SMALL._replace(fps=10))],
)
def test_a_small_film_has_fewer_and_smaller_pictures(tmp_path, filmed, words, look):
    (tmp_path / "race.inputs").write_text(GAS)
    watch.main([str(tmp_path / "race.inputs"), "--track", "oval", *words])
    assert looks == [look]


def test_a_file_that_is_no_driver_is_named_for_what_it_is(tmp_path):
    (tmp_path / "race.inputs").write_text(GAS)
    with pytest.raises(UserError, match=r"race.inputs is no .* film key presses with python -m btr_tm.watch"):
        read_driver(tmp_path / "race.inputs")
    (tmp_path / "line.npy").write_text(GAS)
    with pytest.raises(UserError, match=r"line.npy is no run folder, checkpoint \(.pt\) or policy file"):
        read_driver(tmp_path / "line.npy")


def test_two_races_are_watched_side_by_side_and_only_on_one_track(tmp_path, filmed):
    for name, track, until in (("a", "oval", 0.05), ("b", "oval", 0.08), ("c", "a01", 0.05)):
        (tmp_path / f"{name}.inputs").write_text(f"# track: {track}\n0-{until} press up\n")
    a, b, c = (str(tmp_path / f"{name}.inputs") for name in "abc")
    watch.main([a, b])
    assert filmed == [("oval", 5), ("oval", 8)]
    for typed, sentence in (
        ([a, c], "different tracks, oval and a01"),
        ([a, b, c], "one or two drivers, got 3"),
        ([a, "--learning"], "name its folder"),
        (["--learning"], "name its folder"),
    ):
        with pytest.raises(SystemExit, match=sentence):
            watch.main(typed)


def test_two_tracks_of_one_name_are_two_tracks(tmp_path, filmed):
    for name, metres in (("a", 4), ("b", 8), ("c", 4)):
        (tmp_path / name).mkdir()
        road = f"- start\n- finish\n- straight: {{length: {metres}}}\n"
        (tmp_path / name / "mine.yaml").write_text(road)
        (tmp_path / name / "r.inputs").write_text("# track: mine\n0-0.05 press up\n")
    a, b, c = (str(tmp_path / name / "r.inputs") for name in "abc")
    with pytest.raises(SystemExit, match="different tracks, both of them called mine; add --track NAME"):
        watch.main([a, b])
    watch.main([a, c])
    assert [track for track, _ in filmed] == ["mine", "mine"]
