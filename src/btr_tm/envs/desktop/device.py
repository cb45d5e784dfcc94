"""What a hand presses: four driving keys and two buttons of a keyboard or a pad."""

from __future__ import annotations

from typing import Protocol

from btr_tm.envs.desktop.protocols import Button, Keys


class Device(Protocol):
    """A keyboard or a pad. It sends at once what it is told, whether or not that differs from before."""

    def drive(self, keys: Keys, before: Keys) -> None:
        """Hold `keys`, where so far `before` were held."""
        ...

    def press(self, button: Button) -> None:
        """Press it, and keep it pressed."""
        ...

    def lift(self, button: Button) -> None:
        """Let go of it."""
        ...

    def close(self) -> None:
        """Let go of everything, and of the device."""
        ...


class Recorder:
    """`Device` that notes what it is told, for tests."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def drive(self, keys: Keys, before: Keys) -> None:
        """As `Device.drive`."""
        self.events.append("drive " + "".join(f"{key:g}" for key in keys))

    def press(self, button: Button) -> None:
        """As `Device.press`."""
        self.events.append(f"press {button}")

    def lift(self, button: Button) -> None:
        """As `Device.lift`."""
        self.events.append(f"lift {button}")

    def close(self) -> None:
        """As `Device.close`."""
        self.events.append("close")
