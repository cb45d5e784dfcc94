"""`python -m btr_tm.doctor`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm.cli.commands.doctor import _drive, main
from btr_tm.game.doctor.tminterface import LINKS
from btr_tm.game.folders import named_folders
from btr_tm.game.install import install
from tests.envs.tminterface.standins import standin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "TMInterface" / "Plugins").mkdir(parents=True)
    maps = tmp_path / "TmForever" / "Tracks" / "Challenges"
    maps.mkdir(parents=True)
    (maps / "A.Challenge.Gbx").touch()
    install(named_folders(tmp_path), replace=False)
    return tmp_path


def typed(folder: Path, port: int) -> list[str]:
    words = ["env=tminterface", "--game-folder", str(folder), "env.map=A.Challenge.Gbx", f"env.port={port}"]
    return [*words, "env.patience.connect_s=0.5"]


@pytest.mark.slow
def test_a_line_for_each_link(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with standin() as game:
        main([*typed(folder, game.port), "env.patience.connect_s=20"])
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line[:20].strip() for line in lines] == [link.name for link in LINKS]
    assert all(line[22:].startswith("OK: ") for line in lines) and last.startswith("all is well")


def test_a_broken_link_shows_its_fix_and_is_an_exit_code(folder, capsys) -> None:
    with standin() as game:
        port = game.port
    with pytest.raises(SystemExit) as exit:
        main(typed(folder, port))
    assert exit.value.code == 1
    said = capsys.readouterr().out
    assert f"no game listens on port {port}" in said and "\n                      fix: start the game" in said
    assert "needs port" in said and "all is well" not in said


def test_only_games_have_a_doctor() -> None:
    with pytest.raises(SystemExit, match="looks at real games, got btr_tm.envs.sim.SimVectorEnv"):
        main(["env=sim"])


def test_speeds_are_compared_with_the_keys_of_a_file_tick_by_tick(tmp_path: Path) -> None:
    path = tmp_path / "race.inputs"
    path.write_text("0-0.03 press up\n0.01-0.03 press left\n")
    keys, ticks = _drive(str(path), decision_ms=50)
    assert (keys[:3], ticks) == ([[1, 0, 0, 0], [1, 0, 1, 0], [1, 0, 1, 0]], 1)
    keys, ticks = _drive(None, decision_ms=50)
    assert (len(keys), ticks) == (100, 5) and {tuple(each) for each in keys} > {(1, 0, 1, 0), (1, 0, 0, 1)}
