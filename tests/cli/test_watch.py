"""`watch` of races as text: which files it takes for one, and where it finds the track."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm.cli.assembly.driver import read_driver
from btr_tm.cli.commands import film, watch
from btr_tm.core.errors import UserError

GAS = "0-0.05 press up # flat out\n"


@pytest.fixture
def filmed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Name of the track and ticks of each race that was filmed; a real film takes seconds."""
    races: list[tuple[str, int]] = []

    def film_race(track, race, path, q=None, fps=20):
        races.append((track.name, len(race.actions)))
        return Path(path)

    monkeypatch.setattr(film, "film_race", film_race)
    return races


@pytest.mark.parametrize("name", ["race.inputs", "race.txt", "RACE.INPUTS", "Race.Txt"])
def test_scripts_of_any_usual_name_are_watched(tmp_path, filmed, name):
    (tmp_path / name).write_text(GAS)
    watch.main([str(tmp_path / name), "--track", "oval"])
    assert filmed == [("oval", 5)]


def test_a_file_that_is_no_driver_is_named_for_what_it_is(tmp_path):
    (tmp_path / "race.inputs").write_text(GAS)
    with pytest.raises(UserError, match=r"race.inputs is no .* film key presses with python -m btr_tm.watch"):
        read_driver(tmp_path / "race.inputs")
    (tmp_path / "line.npy").write_text(GAS)
    with pytest.raises(UserError, match=r"line.npy is no run folder, checkpoint \(.pt\) or policy file"):
        read_driver(tmp_path / "line.npy")
