"""A single Atari game driven frame by frame through the emulator's own interface: the oracle of env=atari."""

from __future__ import annotations

from collections import deque

import numpy as np

from btr_tm.envs.gymnasium import episode_seed


class Cartridge:
    """`game` with sticky actions of 0.25, from a seed."""

    def __init__(self, seed: int, game: str = "phoenix") -> None:
        import ale_py
        import ale_py.roms

        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.25)
        self.ale.setInt("random_seed", seed)
        self.ale.loadROM(ale_py.roms.get_rom_path(game))
        self.ale.reset_game()
        self.buttons = self.ale.getMinimalActionSet()

    def begin(self) -> np.ndarray:
        """The first frame (210, 160) of a new episode, without no-ops."""
        self.ale.reset_game()
        return self.ale.getScreenGrayscale()

    def decide(self, action: int) -> tuple[np.ndarray, int, bool]:
        """The brighter of the last two of four frames, points, and whether the game is over."""
        frames, points = [], 0
        for _ in range(4):
            points += self.ale.act(self.buttons[action])
            frames.append(self.ale.getScreenGrayscale())
            if self.ale.game_over():
                break
        return np.maximum(*frames[-2:]) if len(frames) > 1 else frames[0], points, self.ale.game_over()


class ByHand:
    """A car of the backend `atari` of these tests: 9 decisions an episode, 3 of them a seed, stacks of 2."""

    def __init__(self, seed: int, car: int) -> None:
        self.seed, self.car, self.episode = seed, car, 0
        self._begin()

    def _begin(self) -> None:
        if self.episode % 3 == 0:
            self.game = Cartridge(episode_seed(self.seed, self.car, self.episode // 3) >> 1)
        self.frames = deque([self.game.begin()] * 2, maxlen=2)
        self.episode, self.decisions = self.episode + 1, 0

    def decide(self, action: int) -> np.ndarray:
        """The stack (2, 210, 160) after `action`."""
        if self.decisions == 9:
            self._begin()
        frame, _, over = self.game.decide(action)
        assert not over
        self.decisions += 1
        self.frames.append(frame)
        return np.stack(self.frames)


def area_weights(size: int, of: int) -> np.ndarray:
    """(size, of) share of each source cell in each of `size` equal parts of `of` cells."""
    step = of / size
    edges = np.arange(size)[:, None] * step
    cells = np.arange(of)[None]
    overlap = np.minimum(edges + step, cells + 1) - np.maximum(edges, cells)
    return overlap.clip(0) / step
