"""Atari 2600 games in the threads of ale-py's vector environment: frames and scores, nothing else."""

from __future__ import annotations

import difflib
import functools
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    from ale_py.vector_env import AtariVectorEnv as Rack

ActionSet = Literal["minimal", "full"]
ENDLESS = 2**31 - 1  # frames; ale-py shows a wrong last frame where it cuts an episode short itself
RACK = 4  # games that pause together, where any pause


class Played(NamedTuple):
    """What every game showed and did in one decision; the frames are good until the next one."""

    frame: NDArray[np.uint8]  # (E, H, W) grey
    score: NDArray[np.int32]  # (E,) points won, not clipped
    over: NDArray[np.bool_]  # (E,) the game ended by itself


class Emulators:
    """`cars` copies of one game. A frame is the brighter of the last two, grey, resized by area.

    An action is held for `frame_skip` frames, in each of which the emulator goes on with the one before with
    probability `sticky` (Machado et al. 2018). A game begins with 0 to `no_ops` frames without action.
    Lost lives are not reported, and no button is pressed at the beginning. At most `threads` play at a time.
    The games of a rack pause together. One rack of all games is fastest, because its threads wait for each
    other only once, while they wait after each `threads` small racks.
    """

    def __init__(
        self,
        game: str,
        cars: int,
        image_size: tuple[int, int],
        action_set: ActionSet,
        sticky: float,
        frame_skip: int,
        no_ops: int,
        threads: int,
        rack_size: int = RACK,
    ) -> None:
        ale_py, vector = _ale()
        rom = _rom(game, ale_py.roms.get_all_rom_ids())
        slices = [slice(first, min(first + rack_size, cars)) for first in range(0, cars, rack_size)]
        self._together = min(threads, len(slices))  # racks that play at the same time
        build = functools.partial(
            vector.AtariVectorEnv,
            rom,
            num_threads=min(threads // self._together, rack_size),
            max_num_frames_per_episode=ENDLESS,
            repeat_action_probability=sticky,
            full_action_space=action_set == "full",
            img_height=image_size[0],
            img_width=image_size[1],
            stack_num=1,
            frameskip=frame_skip,
            noop_max=no_ops + 1,  # ale-py draws less than this
            episodic_life=False,
            life_loss_info=False,
            reward_clipping=False,
            use_fire_reset=False,
        )
        self._racks = [(part, build(part.stop - part.start)) for part in slices]
        for _, rack in self._racks:
            rack.reset()  # after it, some of the games may begin alone
        self.actions = int(self._racks[0][1].single_action_space.n)
        self._frame = np.zeros((cars, *image_size), dtype=np.uint8)

    def begin(self, cars: NDArray[np.bool_], seeds: NDArray[np.int64] | None) -> NDArray[np.uint8]:
        """Begin anew where `cars`; the frames (E, H, W), which are new there.

        With `seeds` (E,), of which those of `cars` are looked at, all that follows depends on nothing else,
        but that takes 0.1 s a game; without, the game goes on drawing from the seed it has.
        """
        chosen = [(part, rack) for part, rack in self._racks if cars[part].any()]

        def begin(part: slice, rack: Rack) -> None:
            seed = None if seeds is None else seeds[part][cars[part]]
            self._frame[part] = rack.reset(seed=seed, options={"reset_mask": cars[part]})[0][:, 0]

        if len(chosen) == 1:
            begin(*chosen[0])
        else:
            with ThreadPoolExecutor(self._together) as pool:
                list(pool.map(begin, *zip(*chosen, strict=True)))
        return self._frame

    def step(self, action: NDArray[np.int64], wanted: NDArray[np.bool_]) -> Played:
        """One decision of every game, `action` (E,) within 0 to `actions` - 1; of all, or of those `wanted`.

        A game that was over begins anew instead, by itself and without a seed.
        """
        score, over = np.zeros(len(action), dtype=np.int32), np.zeros(len(action), dtype=bool)
        busy = [(part, rack) for part, rack in self._racks if wanted[part].any()]
        for first in range(0, len(busy), self._together):
            wave = busy[first : first + self._together]
            for part, rack in wave:
                rack.send(action[part])
            for part, rack in wave:
                frame, score[part], over[part], _, _ = rack.recv()
                self._frame[part] = frame[:, 0]
        return Played(self._frame, score, over)


def _ale() -> tuple[ModuleType, ModuleType]:
    try:
        import ale_py
        import ale_py.roms
        import ale_py.vector_env
    except ImportError as error:
        raise UserError("env=atari needs the package ale-py; pip install 'btr-tm[atari]'") from error
    return ale_py, ale_py.vector_env


def _rom(game: str, known: list[str]) -> str:
    """The name ale-py has for `game`, which may be written as in papers: MsPacman, ms_pacman."""
    plain = {rom.replace("_", ""): rom for rom in known}
    wanted = game.replace("_", "").lower()
    if wanted in plain:
        return plain[wanted]
    near = [plain[name] for name in difflib.get_close_matches(wanted, plain, n=3)]
    hint = f"did you mean {' or '.join(near)}?" if near else "choose one of ale-py's games, such as Phoenix"
    raise UserError(f"there is no Atari game {game} (env.game); {hint}")
