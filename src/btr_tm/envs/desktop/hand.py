"""The hand on the controls: a process that holds what it is told, and lets go when nobody tells it anything.

It outlives whoever started it for as long as it takes to let go, however that one ended. One line in, one
line out: "hold 1 0 0 0.5", "tap restart 0.1"; the answer is empty, or says what went wrong.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TextIO, cast

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.device import Device
from btr_tm.envs.desktop.protocols import NO_KEYS, Button, Keys

END = ""  # a line that stands for the end of all lines


class Hand:
    """Holds keys of `device`; only what differs is sent."""

    def __init__(self, device: Device, sleep: Callable[[float], None] = time.sleep) -> None:
        self._device, self._sleep = device, sleep
        self._held = NO_KEYS

    def do(self, line: str) -> None:
        """What a line says."""
        verb, *words = line.split()
        if verb == "hold":
            self.hold(cast(Keys, tuple(float(word) for word in words)))
        else:
            assert verb == "tap", line
            self.tap(cast(Button, words[0]), float(words[1]))

    def hold(self, keys: Keys) -> None:
        """These and no others."""
        if keys != self._held:
            # Noted first: should the device fail half way, all of them are let go of again.
            before, self._held = self._held, keys
            self._device.drive(keys, before)

    def tap(self, button: Button, for_s: float) -> None:
        """Press it, and let go whatever happens meanwhile."""
        self._device.press(button)
        try:
            self._sleep(for_s)
        finally:
            self._device.lift(button)


def serve(device: Device, lines: SimpleQueue[str], answer: Callable[[str], None], stall_s: float) -> None:
    """Do what `lines` say until they end, let go when none comes in `stall_s`, and let go at the end."""
    hand = Hand(device)
    try:
        while (line := _next(lines, stall_s)) != END:
            if line is None:
                hand.hold(NO_KEYS)
                continue
            answer(_done(hand, line))
    finally:
        with suppress(Exception):  # the screen, or the pad, is gone: nothing is held any more
            device.close()


def _done(hand: Hand, line: str) -> str:
    """Empty, or what the device complains of: whoever drives must hear of it."""
    try:
        hand.do(line)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


def _next(lines: SimpleQueue[str], stall_s: float) -> str | None:
    try:
        return lines.get(timeout=stall_s)
    except Empty:
        return None


def read(source: TextIO, lines: SimpleQueue[str]) -> None:
    """Pass lines on until there are no more."""
    for line in source:
        lines.put(line)
    lines.put(END)


def device_of(kind: str, names: Mapping[str, str], stick: Sequence[float]) -> Device:
    """The keyboard, or a pad, with what its keys are called; UserError where it cannot be had."""
    if kind == "keyboard":
        from btr_tm.envs.desktop.keyboard import Keyboard

        return Keyboard(names)
    from btr_tm.envs.desktop.pad import Pad

    return Pad(names, stick)


def main() -> None:
    """Entry point of the process: its first line says which device, as JSON."""
    lines: SimpleQueue[str] = SimpleQueue()
    setup = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever drives, who ends this one in turn

    def end(number: int, frame: FrameType | None) -> None:
        lines.put(END)

    signal.signal(signal.SIGTERM, end)

    def answer(text: str) -> None:
        try:
            print(text, flush=True)
        except OSError:  # nobody listens any more; the end of lines follows
            lines.put(END)

    try:
        device = device_of(setup["kind"], setup["names"], setup["stick"])
    except UserError as error:
        return answer(str(error))
    answer("")
    threading.Thread(target=read, args=(sys.stdin, lines), daemon=True).start()
    serve(device, lines, answer, setup["stall_s"])


if __name__ == "__main__":
    main()
