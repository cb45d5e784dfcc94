"""A pad of Xbox 360 that vgamepad makes up: a kernel device on Linux, the driver ViGEmBus on Windows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any  # vgamepad has no types

from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.envs.desktop.protocols import NO_KEYS, Button, Keys
from btr_tm.envs.desktop.stick import position

NAMES = ("A", "B", "X", "Y", "START", "BACK")


class Pad:
    """`Device`: the left stick steers, the right trigger is the gas, the left one the brake.

    `stick` says where it must be for the game to steer by quarters; `buttons` names those of
    restart and confirm.
    """

    def __init__(self, buttons: Mapping[str, str], stick: Sequence[float]) -> None:
        vgamepad = load_vgamepad()
        for what, button in buttons.items():
            if button not in NAMES:
                raise UserError(
                    f"env.game.controls.buttons.{what} must be one of {', '.join(NAMES)}, got "
                    f"'{short(button)}'"
                )
        masks = vgamepad.XUSB_BUTTON
        self._masks = {what: getattr(masks, f"XUSB_GAMEPAD_{name}") for what, name in buttons.items()}
        self._stick, self._pad = stick, plugged_in(vgamepad)

    def drive(self, keys: Keys, before: Keys) -> None:
        """As `Device.drive`."""
        accelerate, brake, left, right = keys
        way = position(right - left, self._stick)
        self._pad.left_joystick_float(x_value_float=within(way, -1.0), y_value_float=0.0)
        self._pad.right_trigger_float(value_float=within(accelerate, 0.0))
        self._pad.left_trigger_float(value_float=within(brake, 0.0))
        self._pad.update()

    def press(self, button: Button) -> None:
        """As `Device.press`."""
        self._pad.press_button(button=self._masks[button])
        self._pad.update()

    def lift(self, button: Button) -> None:
        """As `Device.lift`."""
        self._pad.release_button(button=self._masks[button])
        self._pad.update()

    def close(self) -> None:
        """As `Device.close`: the pad is pulled out when the process ends."""
        self._pad.reset()
        self.drive(NO_KEYS, NO_KEYS)


def within(value: float, least: float) -> float:
    """`value` from `least` to 1: outside of them vgamepad would wrap around, and steer the other way."""
    if math.isnan(value):
        raise UserError("a pad cannot steer by a number that is none (nan)")
    return min(max(float(value), least), 1.0)


def load_vgamepad() -> Any:
    """The module; UserError if it, or what it needs, is missing."""
    try:
        import vgamepad
    except ModuleNotFoundError as error:
        raise UserError("env/controls=pad needs vgamepad; pip install 'btr-tm[desktop]'") from error
    except OSError as error:
        raise UserError(
            f"vgamepad needs the library libevdev ({short(error)}); on Debian and Ubuntu: apt-get install "
            "libevdev2"
        ) from error
    except Exception as error:  # on Windows it connects to its driver when it is imported
        raise UserError(
            f"vgamepad does not find its driver ({short(error)}); install ViGEmBus, or choose "
            "env/controls=keyboard"
        ) from error
    return vgamepad


def plugged_in(vgamepad: Any) -> Any:
    """A new pad; UserError where nobody may make one."""
    try:
        return vgamepad.VX360Gamepad()
    except FileNotFoundError as error:
        raise UserError(
            "there is no /dev/uinput to make a pad with; load it with modprobe uinput (a container needs "
            "--device /dev/uinput), or choose env/controls=keyboard"
        ) from error
    except PermissionError as error:
        raise UserError(
            "you may not write to /dev/uinput, which makes pads; add yourself to the group input, or choose "
            "env/controls=keyboard"
        ) from error
    except Exception as error:  # whatever the driver says
        raise UserError(f"no pad could be made ({short(error)}); choose env/controls=keyboard") from error
