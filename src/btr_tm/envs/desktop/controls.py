"""`Controls` by a hand in a process of its own, which lets go even if this process is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.protocols import NO_KEYS, Button, GameLost, Keys
from btr_tm.envs.desktop.stick import check
from btr_tm.envs.desktop.window import Window
from btr_tm.race import actions

BUTTONS = ("restart", "confirm")
LONGEST_S = 10.0  # for which anything is pressed without a word
GONE_S = 5.0  # within which a hand that is told to end has ended


class Setup(NamedTuple):
    """What a hand is told first."""

    kind: str  # keyboard or pad
    names: Mapping[str, str]  # of keys or buttons
    stick: Sequence[float]  # of a pad, as `stick.position`; empty for a keyboard
    stall_s: float


class HandControls:
    """`Controls`: tells a hand what to hold; with `needs_focus` only while the window has it."""

    def __init__(self, window: Window, setup: Setup, tap_s: float, needs_focus: bool) -> None:
        for name, value in (("tap_s", tap_s), ("stall_s", setup.stall_s)):
            if not 0 < value <= LONGEST_S:
                raise UserError(
                    f"env.game.controls.{name} must be more than 0 and at most {LONGEST_S:g}, got {value}"
                )
        self._window, self._tap_s, self._needs_focus = window, tap_s, needs_focus
        self.stick = tuple(setup.stick)
        words = [sys.executable, "-m", "btr_tm.envs.desktop.hand"]
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # signals to our group are not for it
        )
        if fault := self._ask(json.dumps(setup._asdict())):
            self._end()
            raise UserError(fault)

    def reaches_game(self) -> bool:
        """As `Controls.reaches_game`."""
        return not self._needs_focus or self._window.focused()

    def hold(self, keys: Keys) -> None:
        """As `Controls.hold`."""
        self._refuse_unfocused()
        self._tell(_line(keys))

    def tap(self, button: Button) -> None:
        """As `Controls.tap`."""
        self._refuse_unfocused()
        self._tell(f"tap {button} {self._tap_s}")

    def release(self) -> None:
        """As `Controls.release`: a hand that does not answer is gone, or about to let go by itself."""
        self._ask(_line(NO_KEYS))

    def close(self) -> None:
        """As `Controls.close`."""
        self._end()

    def _refuse_unfocused(self) -> None:
        if not self.reaches_game():
            raise GameLost(
                f"the window {self._window.title!r} does not have the focus, so keys would go elsewhere; "
                "click into it"
            )

    def _tell(self, line: str) -> None:
        if fault := self._ask(line):
            raise GameLost(f"the controls failed: {fault}")

    def _ask(self, line: str) -> str:
        """The answer of the hand, empty if all is well."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except (OSError, ValueError):  # it died, or was closed
            answer = ""
        return answer.strip() if answer.endswith("\n") else "the process that presses keys has ended"

    def _end(self) -> None:
        """It lets go of everything when its input ends."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
        except OSError:  # it died with a line unread
            pass
        try:
            self._process.wait(GONE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _line(keys: Keys) -> str:
    return f"hold {' '.join(f'{key:g}' for key in keys)}"


def keyboard(window: Window, keys: Mapping[str, str], tap_s: float, stall_s: float) -> HandControls:
    """Keys of the keyboard, named in `keys`, let go of after `stall_s` without a decision."""
    names = {name: keys[name] for name in (*actions.KEYS, *BUTTONS)}
    return HandControls(window, Setup("keyboard", names, (), stall_s), tap_s, needs_focus=True)


def pad(
    window: Window, buttons: Mapping[str, str], stick: Sequence[float], tap_s: float, stall_s: float
) -> HandControls:
    """A pad of Xbox 360, as `pad.Pad`; games hear it without the focus too."""
    check(stick)
    names = {name: buttons[name] for name in BUTTONS}
    return HandControls(window, Setup("pad", names, stick, stall_s), tap_s, needs_focus=False)
