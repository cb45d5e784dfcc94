"""The window as a game for others: what it says, how it ends, and each of its faults as a driver meets it."""

from __future__ import annotations

import inspect
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from btr_tm.cli.commands import play
from btr_tm.cli.commands import serving as command
from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.pictures import Pixels, grey_of
from btr_tm.envs.desktop.protocols import GameLost, Reading
from btr_tm.envs.desktop.telemetry.reader import SocketTelemetry
from btr_tm.envs.desktop.telemetry.schemas import BTR, CONNECT33, SCHEMAS, TMRL11, Schema
from btr_tm.play import serving
from btr_tm.play.faults import FAULTS, Fault
from btr_tm.play.game import COUNTDOWN_MS, Phase
from btr_tm.play.records import Records
from btr_tm.play.serving import LATE_S, CameraView, ServedGame, Serving, said
from btr_tm.play.telemetry_server import TelemetryServer
from btr_tm.race.inputs_file import InputsFile
from btr_tm.sim.track.load import load_track

TRACK = load_track("oval")
LONG_S = 30.0
AUTHOR = InputsFile.read("src/btr_tm/sim/tracks/oval.author.inputs").actions.tolist()
PICTURE_MS = 16.0
UP = 0


@pytest.fixture
def game(tmp_path) -> ServedGame:
    return ServedGame(TRACK, [], Records(TRACK, tmp_path))


class Partner:
    """A served game in a time of its own, and a reader of what it says."""

    def __init__(self, game: ServedGame, kind: str, schema: Schema = CONNECT33) -> None:
        self.game, self.now_s, self.slept = game, 0.0, []
        self.fault = Fault(kind, at_ms=100, for_s=1.0)
        ports = [0, 0]

        def listen() -> TelemetryServer:
            server = TelemetryServer(schema, ports[0], ports[1] if schema is CONNECT33 else None, "a map")
            ports[:] = server.port, server.session_port or 0
            return server

        self.serving = Serving(game, listen, self.fault, lambda: self.now_s, self.slept.append)
        session_port = self.serving.server.session_port
        self.telemetry = SocketTelemetry("auto", ports[0], session_port, "a map" if session_port else "")
        assert self.serving.server.await_client(1, LONG_S)

    def pictures(self, count: int) -> None:
        for _ in range(count):
            self.game.advance(PICTURE_MS)
            self.now_s += PICTURE_MS / 1000
            self.serving.tell()

    def until(self, happened) -> None:
        """The time of the game stands still meanwhile; records go on."""
        ends_s = time.monotonic() + LONG_S
        while not happened():
            assert time.monotonic() < ends_s
            self.serving.tell()
            time.sleep(0.001)

    def well(self) -> Reading | None:
        try:
            return self.telemetry.latest()
        except GameLost:
            return None

    def complaint(self) -> str:
        try:
            self.telemetry.latest()
        except GameLost as error:
            return str(error)
        return ""

    def close(self) -> None:
        self.telemetry.close()
        self.serving.close()


@pytest.fixture
def partner(game: ServedGame, request: pytest.FixtureRequest) -> Iterator[Partner]:
    made = Partner(game, request.param)
    made.pictures(5)
    made.until(made.well)
    yield made
    made.close()


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_it_says_what_the_real_game_would_say(schema: Schema, game: ServedGame) -> None:
    def reading() -> Reading:
        record = schema.record(said(game, schema, "a map"))
        assert not schema.fault(record)
        return schema.reading(record, 1, 0.0)

    start = reading()
    assert start.speed == 0 and not start.finished
    assert start.race_ms == {CONNECT33: 0, TMRL11: None, BTR: -COUNTDOWN_MS}[schema]
    game.keyboard.press(UP)
    game.advance(COUNTDOWN_MS)
    game.advance(2000)  # the computer was busy: the race goes on all the same
    driven = reading()
    assert driven.gas == 1 and driven.speed > 10 and driven.position != start.position
    assert driven.race_ms in (None, 2000)
    game.restart()
    for row in AUTHOR:
        game.lap.tick(row)
    end = reading()
    assert end.finished and end.checkpoints in (None, len(TRACK.checkpoints_m))
    assert end.race_ms in (None, game.lap.time_ms)


def test_a_race_goes_on_without_the_focus_and_a_finish_stays_and_is_not_kept(
    game: ServedGame, tmp_path
) -> None:
    game.keyboard.press(UP)
    game.leave()
    game.clock_ms = 0.0
    game.advance(50)
    assert game.lap.time_ms == 50 and game.lap.actions[-1] == 3  # without a key
    game.restart()
    for row in AUTHOR[:-5]:
        game.lap.tick(row)
    game.clock_ms = float(game.lap.time_ms)
    game.keyboard.press(UP)
    game.advance(100)
    assert game.phase is Phase.FINISHED and not list(tmp_path.iterdir()) and game.cars == []
    game.restart()
    assert game.phase is Phase.COUNTDOWN


SAID = {
    "refuse": "the game closed the connection",
    "close": "the game closed the connection",
    "schema": "what comes is not connect33",
    "noise": "what comes is not connect33, as steer is nan",
}


@pytest.mark.parametrize("partner", SAID, indirect=True)
def test_a_driver_is_told_what_is_wrong_and_all_is_well_again(partner: Partner) -> None:
    kind = partner.fault.kind
    partner.pictures(100)  # the countdown, and the start of the race
    assert partner.fault.active
    partner.until(lambda: SAID[kind] in partner.complaint())
    partner.pictures(100)
    assert not partner.fault.active
    partner.until(lambda: (said := partner.well()) and said.race_ms == partner.game.lap.time_ms)
    partner.game.restart()
    partner.pictures(120)
    assert not partner.fault.active  # it struck as often as it should


@pytest.mark.parametrize("partner", ["silent"], indirect=True)
def test_silence_is_a_stall(partner: Partner) -> None:
    partner.pictures(100)
    number = partner.well().number
    partner.pictures(10)
    with pytest.raises(GameLost, match="stalled"):
        partner.telemetry.after(number + 100, 0.01)
    assert partner.serving.server.clients == 1


def test_another_map_is_noticed(game: ServedGame) -> None:
    fault = Fault("map", at_ms=-1500)
    served = Serving(game, lambda: TelemetryServer(CONNECT33, 0, 0, "a map"), fault)
    served.tell()
    server = served.server
    telemetry = SocketTelemetry("auto", server.port, server.session_port, "a map")
    try:
        assert server.await_client(1, LONG_S)
        for _ in range(3):
            served.tell()
        with pytest.raises(GameLost, match="drives the map another map, and not a map"):
            telemetry.after(0, LONG_S)
    finally:
        telemetry.close()
        served.close()


def test_what_the_window_shows_and_what_keys_do_can_be_wrong(game: ServedGame) -> None:
    view = CameraView(game, (24, 32))
    for kind in ("black", "frozen", "deaf", "respawn", "late"):
        partner = Partner(game, kind, TMRL11)
        game.restart()
        game.keyboard.press(UP)
        before = partner.serving.shown(view.draw())
        partner.pictures(120)
        assert partner.fault.is_on(kind)
        image, lap = partner.serving.shown(view.draw()), game.lap
        assert bool(np.asarray(image).max() == 0) is (kind == "black")
        assert (image is before) is (kind == "frozen")
        assert (game.lap.actions[-1] == 3) is (kind == "deaf")
        assert bool(partner.slept) is (kind == "late") and set(partner.slept) <= {LATE_S}
        game.restart()
        assert (game.lap is lap) is (kind == "respawn")
        partner.close()
        game.fault = Fault()
        game.keyboard.release_all()


def test_a_shrunk_picture_is_that_of_the_simulator_to_the_bit(game: ServedGame) -> None:
    view = CameraView(game, (24, 32))
    image = view.draw()
    assert image.size == (640, 480)
    pixels = Pixels(np.asarray(image.convert("RGBA"))[..., [2, 1, 0, 3]].tobytes(), *image.size)
    grey = grey_of(pixels, 24, 32)
    assert grey.std() > 10 and np.array_equal(grey, np.asarray(image.convert("L"))[::20, ::20])


def test_the_program_serves_until_its_window_is_closed(monkeypatch, capsys, tmp_path) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ["--serve", "--track", "oval", "--camera", "24x32", "--schema", "btr", "--port", str(port)]
        words += ["--fault", "quit", "--at-ms", "-1500", "--laps", str(tmp_path / "laps")]
        with pytest.raises(SystemExit, match=rf"cannot listen on port {port} .*; choose another"):
            play.main(words)
    play.main(words)
    assert f"serves btr on port {port}, with the map oval" in capsys.readouterr().out
    assert not (tmp_path / "laps").exists()
    with pytest.raises(SystemExit):
        play.parser().parse_args(["--camera", "4x4"])
    assert "must be like 64x64" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="must have at most 32 plain letters"):
        play.main([*words, "--map-id", "x" * 33])


def test_every_fault_is_known_to_some_code() -> None:
    code = inspect.getsource(serving) + inspect.getsource(command)
    assert all(f'is_on("{kind}")' in code for kind in FAULTS)
    with pytest.raises(UserError, match="must be from 0 to 65535, got 99999"):
        TelemetryServer(TMRL11, 99_999)
