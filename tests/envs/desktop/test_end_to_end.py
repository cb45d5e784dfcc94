"""A real window on an X server without a screen, driven through pixels, telemetry and keys."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.commands import doctor
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.envs.desktop.env import DesktopVectorEnv
from btr_tm.game.doctor.desktop import LINKS

from .xserver import needs_x, x_server

PARTS = ("Xlib", "mss", "pygame", "pynput")
missing = [name for name in PARTS if importlib.util.find_spec(name) is None]
pytestmark = [needs_x, pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")]
GAS, LEFT = torch.tensor([0]), torch.tensor([1])
# A machine that tests are run on may be busy with others.
PATIENT = [
    f"env.limits.{name}_s=60" for name in ("connect", "restart", "countdown", "stall", "late", "frozen")
]
RACES, ENOUGH = 10, 8


def free_ports() -> int:
    """The first of two."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@contextmanager
def served(track: str) -> Iterator[int]:
    """A stand-in for the game on DISPLAY, as it is started by hand; the port of its telemetry."""
    port = free_ports()
    words = ["-m", "btr_tm.play", "--serve", "--camera", "40x40", "--track", track, "--port", str(port)]
    game = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True)
    assert game.stdout is not None
    try:
        assert "serves connect33" in game.stdout.readline()
        yield port
    finally:
        game.terminate()
        game.wait()
        game.stdout.close()


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with x_server() as name:
        monkeypatch.setenv("DISPLAY", name)
        monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
        monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
        monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
        monkeypatch.setenv("TMPDIR", str(tmp_path))  # its turns are not those of other programs
        yield


def typed(port: int) -> list[str]:
    ports = [f"env.game.telemetry.port={port}", f"env.game.telemetry.session_port={port + 1}"]
    return ["env=desktop", *ports, "logger=none"]


def built(port: int, track: str) -> DesktopVectorEnv:
    values = checked(compose_job(["+experiment=quickstart", f"track={track}", *typed(port), *PATIENT]).values)
    env = Parts(values, torch.device("cpu")).env(1)
    assert isinstance(env, DesktopVectorEnv)
    return env


@pytest.mark.slow
def test_a_window_is_driven_by_what_it_shows_and_says(
    display: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with served("oval") as port:
        env = built(port, "oval")
        env.check_ready()
        for _ in range(2):
            first, _ = env.reset()
            for action in [GAS] * 10 + [LEFT] * 5:
                obs, *_, info = env.step(action)
            assert float(info["races"].progress_m) > 1 and not info["races"].done
            assert (obs.image != first.image).float().mean() > 0.05
            reading = env.racing.open().telemetry.latest()
            assert (reading.gas, reading.steer, reading.map_id) == (1, -1, "oval")
        env.racing.rest()
        telemetry = env.racing.open().telemetry  # another connection
        reading = telemetry.after(0, 60)
        while reading.gas:
            reading = telemetry.after(reading.number, 60)  # the keys are up, the game will say so
        env.close()
    assert "void" not in capfd.readouterr().err


@pytest.mark.long
def test_every_link_to_a_window_holds(display: None, capsys: pytest.CaptureFixture[str]) -> None:
    with served("oval") as port:
        doctor.main([*typed(port), "track=oval"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(LINKS) + 1 and all("OK: " in line for line in lines[:-1]), lines


@pytest.mark.long
def test_a_driver_of_the_simulator_with_a_delay_drives_a_window_in_real_time(
    display: None, tmp_path: Path
) -> None:
    """On an idle machine of two cores this takes a quarter of an hour."""
    delay = ["obs=full_delay", "env.action_delay_ticks=[0,4]"]
    program(["+experiment=quickstart", *delay, f"runs_dir={tmp_path}", "name=delayed", "logger=none"])
    run = next(path.parent for path in tmp_path.rglob("summary.json"))
    finished = 0
    with served("a01") as port:
        for _ in range(RACES):
            said = program([str(run), *typed(port)[:-1]], "btr_tm.evaluate")
            finished += "finish_rate            100%" in said
    assert finished >= ENOUGH


@pytest.mark.long
def test_a_run_trains_in_a_window_without_a_missed_restart(display: None, tmp_path: Path) -> None:
    """Some minutes of the real time of the game."""
    with served("a01") as port:
        sizes = ["profile.total_frames=4000", "profile.warmup_frames=500", "profile.eval_every=1500"]
        words = ["+experiment=quickstart", *typed(port), *sizes, f"runs_dir={tmp_path}"]
        said = program(words)
    assert "did not begin anew" not in said and "100%" in said


def program(words: list[str], module: str = "btr_tm") -> str:
    """What it says, on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout
