"""The hand that presses: it sends differences only, and lets go whatever becomes of those who tell it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop import controls, keyboard, pad
from btr_tm.envs.desktop.device import Recorder
from btr_tm.envs.desktop.hand import END, serve
from btr_tm.envs.desktop.protocols import GameLost

from .xserver import Desk, needs_x, x_server

KEYS = {"accelerate": "up", "brake": "down", "left": "left", "right": "right"}
KEYS |= {"restart": "delete", "confirm": "enter"}


def told(*lines: str, device: Recorder | None = None) -> tuple[list[str], list[str]]:
    """What a device was told, and what was answered."""
    device, answers, queue = device or Recorder(), [], SimpleQueue()
    for line in (*lines, END):
        queue.put(line)
    serve(device, queue, answers.append, 60.0)
    return device.events, answers


def test_only_what_differs_is_sent_and_all_is_let_go_at_the_end() -> None:
    events, answers = told("hold 1 0 0 0", "hold 1 0 0 0", "tap restart 0.001", "hold 0 0 1 0")
    assert events == ["drive 1000", "press restart", "lift restart", "drive 0010", "close"]
    assert answers == [""] * 4


def test_it_lets_go_when_nobody_tells_it_anything() -> None:
    device, queue = Recorder(), SimpleQueue()
    let_go = threading.Event()

    class Noticed(Recorder):
        def drive(self, keys, before) -> None:
            super().drive(keys, before)
            if not any(keys):
                let_go.set()

    device = Noticed()
    queue.put("hold 1 0 0 0")
    hand = threading.Thread(target=serve, args=(device, queue, lambda _: None, 0.05))
    hand.start()
    assert let_go.wait(60)
    queue.put("hold 1 0 0 0")  # whoever it was is back
    queue.put(END)
    hand.join()
    assert device.events == ["drive 1000", "drive 0000", "drive 1000", "close"]


def test_a_device_that_fails_is_told_of_and_let_go() -> None:
    class Broken(Recorder):
        def press(self, button) -> None:
            raise OSError("the pad was\n pulled out")

    events, answers = told("hold 1 0 0 0", "tap restart 0.001", device=Broken())
    assert answers == ["", "OSError: the pad was pulled out"]
    assert events == ["drive 1000", "close"]


class Pads:
    """What stands in for vgamepad, whose numbers it would wrap around."""

    class XUSB_BUTTON:
        XUSB_GAMEPAD_A, XUSB_GAMEPAD_B = 0x1000, 0x2000

    def __init__(self) -> None:
        self.said: list[object] = []

    def VX360Gamepad(self) -> Pads:
        return self

    def __getattr__(self, name: str):
        return lambda **values: self.said.append((name, *values.values()))


@pytest.mark.parametrize(
    ("value", "least", "sent"), [(1.5, -1, 1.0), (-7, -1, -1.0), (-0.2, 0, 0.0), (0.3, 0, 0.3)]
)
def test_what_a_pad_is_told_stays_in_its_range(value: float, least: float, sent: float) -> None:
    assert pad.within(value, least) == sent


def test_a_pad_steers_with_the_stick_and_takes_the_triggers_for_pedals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pads = Pads()
    monkeypatch.setattr(pad, "load_vgamepad", lambda: pads)
    device = pad.Pad({"restart": "B", "confirm": "A"}, (0.2, 0.3, 0.45, 0.5))
    device.drive((1, 0, 1, 0), (0, 0, 0, 0))
    device.press("restart")
    assert pads.said == [
        ("left_joystick_float", -0.5, 0.0),
        ("right_trigger_float", 1.0),
        ("left_trigger_float", 0.0),
        ("update",),
        ("press_button", 0x2000),
        ("update",),
    ]
    pads.said.clear()
    device.drive((1, 0, 0, 0.5), (1, 0, 1, 0))  # half of what right stands for
    assert pads.said[0] == ("left_joystick_float", 0.3, 0.0)
    with pytest.raises(UserError, match="none"):
        pad.within(float("nan"), -1)
    with pytest.raises(UserError, match="env.game.controls.buttons.restart must be one of A, B"):
        pad.Pad({"restart": "trigger"}, (0.25, 0.5, 0.75, 1.0))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("no vgamepad"), r"pip install 'btr-tm\[desktop\]'"),
        (OSError("libevdev.so.2: cannot open"), "apt-get install libevdev2"),
        (RuntimeError("VIGEM_ERROR_BUS_NOT_FOUND"), "install ViGEmBus"),
    ],
)
def test_what_vgamepad_lacks_is_said_in_a_sentence(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses:
        def find_spec(self, name, path, target=None):
            if name == "vgamepad":
                raise error

    monkeypatch.setattr(sys, "meta_path", [Refuses(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "vgamepad", raising=False)
    with pytest.raises(UserError, match=words):
        pad.load_vgamepad()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError("/dev/uinput"), "modprobe uinput"),
        (PermissionError("/dev/uinput"), "group input"),
        (RuntimeError("the bus"), "choose env/controls=keyboard"),
    ],
)
def test_a_pad_that_cannot_be_made_is_said_in_a_sentence(error: Exception, words: str) -> None:
    class Fails:
        def VX360Gamepad(self) -> None:
            raise error

    with pytest.raises(UserError, match=words):
        pad.plugged_in(Fails())


def test_without_a_screen_pynput_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("Xlib")
    monkeypatch.delenv("DISPLAY", raising=False)
    if not has_pynput():
        pytest.skip("pynput is not installed")
    with pytest.raises(UserError, match="set DISPLAY"):
        controls.keyboard(FocusedWindow(), KEYS, tap_s=0.1, stall_s=1)


def has_pynput() -> bool:
    import importlib.util

    return importlib.util.find_spec("pynput") is not None


class FocusedWindow:
    title = "Trackmania"
    focus = True

    def focused(self) -> bool:
        return self.focus


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


class Typed:
    """A window with the focus, and what is typed into it."""

    def __init__(self, name: str) -> None:
        from Xlib import X

        self.desk = Desk(name)
        self.window = self.desk.window("Trackmania")
        self.desk.do(self.window.change_attributes(event_mask=X.KeyPressMask | X.KeyReleaseMask))
        self.desk.do(self.window.set_input_focus(X.RevertToNone, X.CurrentTime))

    def next(self) -> tuple[str, int, bool]:
        """Whether a key went down, its keysym, and whether the event was made up by a program."""
        from Xlib import X

        what = {X.KeyPress: "down", X.KeyRelease: "up"}
        while True:
            if not self.desk.display.pending_events():
                assert select.select([self.desk.display], [], [], 60)[0], "no key went down or up"
                continue
            event = self.desk.display.next_event()
            if event.type in what:  # and not news of another layout
                symbol = self.desk.display.keycode_to_keysym(event.detail, 0)
                return what[event.type], symbol, bool(event.send_event)

    def all(self, count: int) -> list[str]:
        from Xlib import XK

        names = {
            getattr(XK, f"XK_{name}"): name
            for name in ("Up", "Down", "Left", "Right", "Delete", "Return", "w")
        }
        events = [self.next() for _ in range(count)]
        assert not any(made_up for _, _, made_up in events)
        return [f"{names[symbol]} {what}" for what, symbol, _ in events]


@pytest.fixture
def typed(display: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    if not has_pynput():
        pytest.skip("pynput is not installed")
    monkeypatch.setenv("DISPLAY", display)
    typed = Typed(display)
    yield typed
    typed.desk.display.close()


@needs_x
def test_keys_go_down_and_up_as_a_person_would_press_them(typed: Typed) -> None:
    window = FocusedWindow()
    hand = controls.keyboard(window, KEYS | {"brake": "w"}, tap_s=0.01, stall_s=10)
    hand.hold((1, 0, 1, 0))
    hand.hold((1, 0, 1, 0))
    hand.hold((1, 1, 0, 1))
    hand.tap("restart")
    hand.release()
    assert typed.all(5) == ["Up down", "Left down", "Left up", "w down", "Right down"]
    assert typed.all(5) == ["Delete down", "Delete up", "Up up", "w up", "Right up"]
    window.focus = False
    with pytest.raises(GameLost, match="does not have the focus"):
        hand.hold((1, 0, 0, 0))
    with pytest.raises(GameLost, match="does not have the focus"):
        hand.tap("confirm")
    hand.release()
    hand.close()
    hand.release()  # never fails
    with pytest.raises(UserError, match="env.game.controls.keys.left must be a letter"):
        controls.keyboard(window, KEYS | {"left": "links"}, tap_s=0.01, stall_s=10)


@needs_x
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_keys_are_let_go_when_whoever_drives_is_killed_or_hangs(typed: Typed, number: int) -> None:
    stall_s = 1.0 if number == signal.SIGSTOP else 10.0
    program = f"""
        import time
        from btr_tm.envs.desktop import controls
        class Window:
            title = "Trackmania"
            def focused(self):
                return True
        hand = controls.keyboard(Window(), {KEYS!r}, tap_s=0.1, stall_s={stall_s})
        while True:
            hand.hold((1, 0, 0, 0))
            time.sleep(0.05)
    """
    driver = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    try:
        assert typed.all(1) == ["Up down"]
        os.kill(driver.pid, number)
        assert typed.all(1) == ["Up up"]
    finally:
        driver.kill()
        driver.wait()


def test_the_times_of_a_hand_are_checked() -> None:
    with pytest.raises(UserError, match="env.game.controls.stall_s must be more than 0"):
        controls.keyboard(FocusedWindow(), KEYS, tap_s=0.1, stall_s=0)
    with pytest.raises(UserError, match="env.game.controls.stick must be four rising"):
        controls.pad(FocusedWindow(), {}, stick=[float("nan")] * 4, tap_s=0.1, stall_s=1)


def test_letters_are_codes_and_not_characters() -> None:
    class Pynput:
        class Key:
            __members__ = {}

        class KeyCode:
            @staticmethod
            def from_vk(number: int) -> int:
                return number

    assert keyboard.code(Pynput, "W", "brake") == ord("w")
