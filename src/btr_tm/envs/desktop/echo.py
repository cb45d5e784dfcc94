"""Whether a game applies what is held: the only proof that keys reach it at all."""

from __future__ import annotations

from btr_tm.envs.desktop.protocols import NO_KEYS, GameLost, Keys, Reading
from btr_tm.race import actions

PROMPT_S = 0.3  # the longest that a game takes to apply a key
HALF = 0.5  # a pedal counts as pressed
SOME = 0.05  # a wheel counts as turned: a key turns it gradually


class Echo:
    """Compares the keys that have been held for a while with those that the game says it applies."""

    def __init__(self) -> None:
        self._held = NO_KEYS
        self._since_s = [0.0] * len(NO_KEYS)

    def hold(self, keys: Keys, now_s: float) -> None:
        """These are held from now on."""
        for number, (new, old) in enumerate(zip(keys, self._held, strict=True)):
            if new != old:
                self._since_s[number] = now_s
        self._held = keys

    def check(self, reading: Reading) -> None:
        """GameLost if `reading` contradicts a key that has been held, or let go, for long enough."""
        left, right = self._held[2:]
        applied = (
            reading.gas > HALF,
            reading.brake > HALF,
            reading.steer < -SOME and not right,
            reading.steer > SOME and not left,
        )
        for name, held, is_on, since_s in zip(actions.KEYS, self._held, applied, self._since_s, strict=True):
            both = name in ("left", "right") and left and right
            if reading.at_s - since_s > PROMPT_S and bool(held) != is_on and not both:
                raise GameLost(
                    f"the game drives with{'' if is_on else 'out'} {name} though it is "
                    f"{'held' if held else 'not held'}; is its window in front, and are its keys the "
                    "usual ones?"
                )
