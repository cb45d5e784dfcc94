"""Starting, watching and ending games; the game is a script that sleeps."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from btr_tm.core.errors import UserError
from btr_tm.game import folders
from btr_tm.game.command import Loader
from btr_tm.game.ghosts import HiddenGhosts
from btr_tm.game.processes import Process, end, is_alive, own_process
from btr_tm.game.record import Record, Records
from tests.game.fakes import Clock, Fakes

PORT = 8478


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    """Whatever a test has started is ended after it."""
    made = Fakes(tmp_path).write()
    yield made
    for record in (Records(tmp_path / "records").read(port) for port in (PORT, PORT + 1)):
        if record is not None:
            end(record.game)


def game_of(fakes: Fakes, port: int = PORT) -> Process:
    record = Records(fakes.folder / "records").read(port)
    assert record is not None
    return record.game


def test_the_command_names_port_and_token_and_goes_through_wine_on_linux(tmp_path: Path) -> None:
    path = tmp_path / "TMLoader.exe"
    path.touch()
    loader = Loader(str(path), "my mods", ["gamemoderun", "wine"], "~/prefix", ["set custom_port {port}"])
    given = ["/btr_tm_port=8480", "/btr_tm_token=ab", "/configstring=set custom_port 8480"]
    linux, windows = (loader.command(8480, "ab", on_windows) for on_windows in (False, True))
    assert linux.words == ["gamemoderun", "wine", str(path), "run", "TmForever", "my mods", *given]
    assert linux.environment == {"WINEPREFIX": str(Path("~/prefix").expanduser())}
    assert windows == ([str(path), "run", "TmForever", "my mods", *given], {})


def test_braces_in_a_command_of_the_console_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "TMLoader.exe"
    path.touch()
    command = Loader(str(path), "default", [], "", ["set x {user}", "set y {"]).command(PORT, "ab")
    assert command.words[-1] == "/configstring=set x {user}; set y {"


def test_a_game_whose_program_was_killed_while_it_started_is_found_by_its_token(fakes: Fakes) -> None:
    first = fakes.program(time.time, keep_running=True)
    first.ensure(PORT)
    game, records = game_of(fakes), Records(fakes.folder / "records")
    records.write(PORT, Record(Process(0, time.time(), game.token), Process(2**22 + 1, 0.0, "")))
    second = fakes.program(time.time)
    assert not second.ensure(PORT) and game_of(fakes) == game
    second.close()
    assert not is_alive(game)


def test_the_record_of_a_start_that_led_to_nothing_does_not_hinder_another(fakes: Fakes) -> None:
    Records(fakes.folder / "records").write(PORT, Record(Process(0, 1.0, "ab"), Process(2**22 + 1, 0.0, "")))
    program = fakes.program(time.time)
    assert program.ensure(PORT) and is_alive(game_of(fakes))
    program.close()


def test_the_plugin_looks_for_the_port_that_the_command_names() -> None:
    from btr_tm.game.command import PORT_KEY
    from btr_tm.game.plugin_file import plugin_bytes

    assert f'PORT_KEY = "{PORT_KEY}";'.encode() in plugin_bytes()


def test_a_missing_loader_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="where is TMLoader.exe.*BTR_TM_LOADER"):
        Loader("", "default", [], "", []).command(PORT, "ab")
    with pytest.raises(UserError, match="there is no loader"):
        Loader(str(tmp_path / "TMLoader.exe"), "default", [], "", []).command(PORT, "ab")


def test_it_starts_one_game_per_port_and_ends_only_those(fakes: Fakes) -> None:
    program = fakes.program(time.time)
    bystander = subprocess.Popen([sys.executable, str(fakes.folder / "TmForever.exe"), "/btr_tm_token=mine"])
    try:
        assert program.ensure(PORT) and program.ensure(PORT + 1)
        first, second = game_of(fakes), game_of(fakes, PORT + 1)
        assert not program.ensure(PORT) and game_of(fakes) == first
        arguments = " ".join(psutil.Process(second.pid).cmdline())
        assert f"/btr_tm_port={PORT + 1}" in arguments and "set autologin me" in arguments
        program.close()
        assert not is_alive(first) and not is_alive(second)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_number_that_now_belongs_to_another_program_is_left_alone(fakes: Fakes) -> None:
    fakes.program(time.time).ensure(PORT)
    game = game_of(fakes)
    for other in (game._replace(started=game.started - 100), game._replace(token="another")):
        end(other)
        assert is_alive(game) and not is_alive(other)


def test_it_starts_another_after_a_crash_and_after_twelve_hours(fakes: Fakes) -> None:
    clock = Clock(time.time())
    program = fakes.program(clock)
    program.ensure(PORT)
    first = game_of(fakes)
    end(first)  # a crash
    assert program.ensure(PORT)
    second = game_of(fakes)
    clock.now += 43_200 + 60
    assert second != first and program.ensure(PORT)
    assert not is_alive(second) and is_alive(game_of(fakes))


def test_a_game_that_goes_on_failing_is_ended_but_rare_failures_are_forgiven(fakes: Fakes) -> None:
    clock = Clock(time.time())
    program = fakes.program(clock)
    program.ensure(PORT)
    game = game_of(fakes)
    for _ in range(4):
        program.failed(PORT)
        clock.now += 100  # two in any two minutes
    assert is_alive(game)
    program.failed(PORT)
    program.failed(PORT)
    assert not is_alive(game) and program.ensure(PORT)


def test_a_game_that_ends_at_once_is_not_started_for_ever(fakes: Fakes) -> None:
    program = fakes.program(time.time)
    for _ in range(3):
        program.ensure(PORT)
        end(game_of(fakes))
    with pytest.raises(UserError, match="ended 3 times soon after its start.*TMLoader.exe run TmForever"):
        program.ensure(PORT)


def test_a_loader_that_starts_nothing_is_noticed(fakes: Fakes) -> None:
    fakes.loader.write_text("")
    clock = Clock(0.0)
    program = fakes.program(clock, start_s=30.0)
    program.wait = lambda seconds: setattr(clock, "now", clock.now + 10)
    with pytest.raises(UserError, match="no game has started within 30 s; try by hand: .*TMLoader.exe"):
        program.ensure(PORT)


def test_the_next_program_finds_a_game_that_was_left_running(fakes: Fakes) -> None:
    program = fakes.program(time.time, keep_running=True)
    program.ensure(PORT)
    game = game_of(fakes)
    program.close()
    assert is_alive(game)
    following = fakes.program(time.time)
    assert not following.ensure(PORT)
    following.close()
    assert not is_alive(game)


def test_the_game_of_a_program_that_runs_is_not_taken(fakes: Fakes) -> None:
    records = Records(fakes.folder / "records")
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        owner = Process(other.pid, psutil.Process(other.pid).create_time(), "")
        records.write(PORT, Record(Process(1, 0.0, "token"), owner))
        with pytest.raises(UserError, match=f"used by another program of btr_tm, process {other.pid}"):
            fakes.program(time.time).ensure(PORT)
    finally:
        other.kill()
        other.wait()
    assert fakes.program(time.time).ensure(PORT)  # now it is nobody's


@pytest.mark.parametrize("content", ["", "{}", '{"game": [1], "owner": 2}', '{"game": ["a", "b", "c"]}'])
def test_a_damaged_record_is_as_good_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / f"{PORT}.json").write_text(content)
    assert Records(tmp_path).read(PORT) is None
    Records(tmp_path).write(PORT, Record(Process(1, 2.0, "ab"), own_process()))
    assert Records(tmp_path).read(PORT) == Record(Process(1, 2.0, "ab"), own_process())


def test_ghosts_are_away_while_games_run(fakes: Fakes) -> None:
    tracks = fakes.folder / "Documents" / "TmForever" / "Tracks"
    autosave = tracks / "Replays" / "Autosaves" / "me.Replay.gbx"
    for path in (autosave, tracks / "Challenges" / "a.Challenge.Gbx"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b'<header><map uid="A01"/>')
    (fakes.folder / "Documents" / "TMInterface").mkdir()
    program = fakes.program(
        time.time, ghosts=HiddenGhosts(str(fakes.folder / "Documents"), "a.Challenge.Gbx")
    )
    program.ensure(PORT)
    assert not autosave.exists()
    program.close()
    assert autosave.exists()


def test_ghosts_are_looked_for_in_the_prefix_and_what_is_missing_is_told(fakes: Fakes, monkeypatch) -> None:
    documents = fakes.folder / "prefix" / "drive_c" / "users" / "me" / "Documents"
    (documents / "TMInterface").mkdir(parents=True)
    monkeypatch.setattr(folders.Path, "home", lambda: fakes.folder / "home")
    with pytest.raises(
        UserError, match="there is no file .*a.Challenge.Gbx; copy the map there, or set env.map"
    ):
        HiddenGhosts(str(fakes.folder / "prefix"), "a.Challenge.Gbx").move_away()
    monkeypatch.delenv("WINEPREFIX", raising=False)
    with pytest.raises(UserError, match="name its Documents folder with env.program.ghosts.documents="):
        HiddenGhosts("", "a.Challenge.Gbx").move_away()
