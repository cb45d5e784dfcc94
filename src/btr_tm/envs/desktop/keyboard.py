"""Keys of the keyboard, pressed by pynput: XTEST on X11, SendInput on Windows."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any  # pynput has no types

from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.envs.desktop.protocols import NO_KEYS, Button, Keys


class Keyboard:
    """`Device`: `keys` names the keys of the four that drive, in their order, and of the two buttons."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        pynput = load_pynput()
        self._keyboard = controller(pynput)
        self._codes = {name: code(pynput, key, name) for name, key in keys.items()}
        self._driving = list(self._codes.values())[: len(NO_KEYS)]

    def drive(self, keys: Keys, before: Keys) -> None:
        """As `Device.drive`; keys go up before others go down, so that left and right are never both held."""
        changes = list(zip(self._driving, keys, before, strict=True))
        for key, now, earlier in changes:
            if earlier and not now:
                self._keyboard.release(key)
        for key, now, earlier in changes:
            if now and not earlier:
                self._keyboard.press(key)

    def press(self, button: Button) -> None:
        """As `Device.press`."""
        self._keyboard.press(self._codes[button])

    def lift(self, button: Button) -> None:
        """As `Device.lift`."""
        self._keyboard.release(self._codes[button])

    def close(self) -> None:
        """As `Device.close`: keys that are up are let go of once more, which no game minds."""
        for each in self._codes.values():
            self._keyboard.release(each)


def load_pynput() -> Any:
    """The module pynput.keyboard; UserError if it is missing, or there is no screen to type at."""
    try:
        from pynput import keyboard
    except ModuleNotFoundError as error:
        raise UserError("env/controls=keyboard needs pynput; pip install 'btr-tm[desktop]'") from error
    except Exception as error:  # pynput looks for a screen when it is imported, and may say anything
        raise UserError(
            f"pynput cannot press keys here ({short(error)}); start this where the game runs, or set DISPLAY"
        ) from error
    return keyboard


def controller(pynput: Any) -> Any:
    """What presses; UserError for an X server that lets nobody press keys."""
    try:
        return pynput.Controller()
    except Exception as error:  # whatever the X server answers
        raise UserError(
            f"keys cannot be pressed on this screen ({short(repr(error))}); the X server needs its extension "
            "XTEST"
        ) from error


def code(pynput: Any, key: str, what: str) -> Any:
    """What pynput presses for a `key` as one names it: up, enter, w.

    Letters as codes, since pynput would send characters otherwise, which games do not hear.
    """
    if key in pynput.Key.__members__:
        return pynput.Key[key]
    if len(key) == 1 and key.isascii() and key.isalnum():
        return pynput.KeyCode.from_vk(ord(key.upper() if sys.platform == "win32" else key.lower()))
    raise UserError(
        f"env.game.controls.keys.{what} must be a letter, a digit or the name of a key, such as up, enter or "
        f"delete, got '{short(key)}'"
    )
