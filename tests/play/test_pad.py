"""Pads: events of SDL, and lines over a port, which stand in for a pad that nobody can make up."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace

import pytest

from btr_tm.envs.desktop import pad as driven
from btr_tm.envs.desktop.protocols import NO_KEYS
from btr_tm.envs.desktop.telemetry.schemas import CONNECT33
from btr_tm.play.game import Game
from btr_tm.play.pad import LONGEST, PadPort
from btr_tm.play.records import Records
from btr_tm.play.serving import ServedGame, said
from btr_tm.play.window import Window
from btr_tm.race.actions import KEYS
from btr_tm.sim.track.load import load_track

LONG_S = 30.0
TRACK = load_track("oval")


@pytest.fixture
def game(tmp_path) -> Game:
    return Game(TRACK, [], Records(TRACK, tmp_path))


def held(game: Game) -> set[str]:
    return {KEYS[key] for key in game.keyboard._held}


def until(port: PadPort, game: Game, happened) -> None:
    ends_s = time.monotonic() + LONG_S
    while not happened():
        assert time.monotonic() < ends_s
        port.poll(game)
        time.sleep(0.001)


class WiredPad:
    """As the pad of vgamepad, with a wire to a port."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire, self._lines = wire, []

    def left_joystick_float(self, x_value_float: float, y_value_float: float) -> None:
        self._lines.append(f"steer {x_value_float}")

    def right_trigger_float(self, value_float: float) -> None:
        self._lines.append(f"gas {value_float}")

    def left_trigger_float(self, value_float: float) -> None:
        self._lines.append(f"brake {value_float}")

    def press_button(self, button: str) -> None:
        self._lines.append(f"{button} 1")

    def release_button(self, button: str) -> None:
        self._lines.append(f"{button} 0")

    def reset(self) -> None: ...

    def update(self) -> None:
        self._wire.sendall("".join(f"{line}\n" for line in self._lines).encode())
        self._lines.clear()


def test_the_pad_that_drives_a_game_drives_ours_over_a_port(game: Game, monkeypatch) -> None:
    port = PadPort(0)
    with socket.create_connection(("127.0.0.1", port.port)) as wire:
        module = SimpleNamespace(
            VX360Gamepad=lambda: WiredPad(wire),
            XUSB_BUTTON=SimpleNamespace(XUSB_GAMEPAD_B="restart", XUSB_GAMEPAD_A="confirm"),
        )
        monkeypatch.setattr(driven, "load_vgamepad", lambda: module)
        pad = driven.Pad({"restart": "B", "confirm": "A"}, (0.25, 0.5, 0.75, 1.0))
        pad.drive((1, 0, 1, 0), NO_KEYS)
        until(port, game, lambda: held(game) == {"accelerate", "left"})
        pad.drive((0, 1, 0, 1), (1, 0, 1, 0))
        until(port, game, lambda: held(game) == {"brake", "right"})
        laps = game.laps
        pad.press("confirm")  # means nothing before the finish
        pad.press("restart")
        pad.lift("restart")
        until(port, game, lambda: game.laps > laps)
        assert game.laps == laps + 1
    until(port, game, lambda: not held(game))  # it was pulled out
    port.close()


def test_a_stick_steers_by_quarters_and_the_telemetry_says_so(tmp_path) -> None:
    game, port = ServedGame(TRACK, [], Records(TRACK, tmp_path)), PadPort(0)
    game.clock_ms = 0.0
    with socket.create_connection(("127.0.0.1", port.port)) as wire:
        for sent, applied in (
            (-0.1, 0),
            (-0.5, -0.5),
            (-1, -1),
            (0.7, 0.75),
            (1, 1),
            (0.5, 0.5),
            (0.2, 0.25),
            (0.1, 0),
        ):
            wire.sendall(f"steer {sent}\n".encode())
            time.sleep(0.05)
            port.poll(game)
            until(port, game, lambda applied=applied: steer_of(game) == applied)
    port.close()


def steer_of(game: Game) -> object:
    game.advance(10.0)
    return said(game, CONNECT33, "")["steer"]


@pytest.mark.parametrize("sent", [b"steer nan\n", b"GET / HTTP/1.1\n", b"gas 1e999\n", b"x" * LONGEST])
def test_whoever_sends_something_else_is_left(sent: bytes, game: Game) -> None:
    port = PadPort(0)
    with socket.create_connection(("127.0.0.1", port.port)) as wire:
        wire.sendall(b"brake 1\n")
        until(port, game, lambda: held(game) == {"brake"})
        wire.sendall(sent)
        until(port, game, lambda: not held(game))
        wire.settimeout(LONG_S)
        try:
            assert wire.recv(1) == b""
        except ConnectionResetError:
            pass
    port.close()


def test_events_of_a_pad_hold_keys_beside_the_keyboard(game: Game, monkeypatch) -> None:
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    window = Window((36, 64), "test")

    def happens(kind: int, **what: int) -> set[str]:
        pygame.event.post(pygame.event.Event(kind, **what))
        window.answer(game)
        return held(game)

    axis, stick = pygame.CONTROLLERAXISMOTION, pygame.CONTROLLER_AXIS_LEFTX
    try:
        assert happens(axis, axis=pygame.CONTROLLER_AXIS_TRIGGERRIGHT, value=32767) == {"accelerate"}
        assert happens(axis, axis=stick, value=-30000) == {"accelerate", "left"}
        assert happens(axis, axis=stick, value=30000) == {"accelerate", "right"}
        assert happens(axis, axis=pygame.CONTROLLER_AXIS_TRIGGERRIGHT, value=0) == {"right"}
        assert happens(pygame.KEYDOWN, key=pygame.K_LEFT) == {"left", "right"}
        assert happens(axis, axis=stick, value=100) == {"left"}
        assert happens(axis, axis=stick, value=200) == {"left"}  # a stick trembles
        laps = game.laps
        happens(pygame.CONTROLLERBUTTONDOWN, button=pygame.CONTROLLER_BUTTON_B)
        assert game.laps == laps + 1
    finally:
        window.close()
