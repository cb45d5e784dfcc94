"""The embedded simulator as a gymnasium VectorEnv whose observations are tensors on its own device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import gymnasium
import torch
from torch import Tensor

from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.protocols import ResetInfo, StepInfo
from btr_tm.core.seeding import generator as make_generator
from btr_tm.core.tree import concat_rows, flatten, take_rows, unflatten
from btr_tm.core.types import Obs, StateDict
from btr_tm.envs.contract import TensorVectorEnv, checked_options, early_step
from btr_tm.envs.drive import Coefficients, Drive, NoCamera, Race, Seen, line_along
from btr_tm.envs.execution import CAMERAS, WORLDS, Compile, decision, within_reach
from btr_tm.envs.restarts import Restarts
from btr_tm.race import actions
from btr_tm.race.features import FeatureSet
from btr_tm.race.float_lookup import FloatLookup
from btr_tm.race.gates import Gates
from btr_tm.race.progress import CutOffs
from btr_tm.race.reward.moment import Reward
from btr_tm.sim.appearance import Appearance
from btr_tm.sim.delays import delayed, delays_of
from btr_tm.sim.physics.constants import CarConstants
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.ribbon import Track

VARIATION_SEED = 0  # of what evaluation draws: the same in every run
MOST_UNDRAWN = 2**16  # numbers
START_BATCH = 64  # starts rendered at once, so that a large pool does not need a large frame


class SimVectorEnv(TensorVectorEnv):
    """E cars, each alone on the track, under SAME_STEP autoreset.

    `info["final_obs"]` holds the true successor of EVERY car, `final_potential` its Phi, `races` a Races.
    Cars that are done restart from a pool of starts drawn, and rendered, once: no host sync, no second frame.
    `restarts` may add states that the cars themselves have reached.
    After `reset(options={"start": "evaluation"})` nothing restarts: a race ends once and stays over.
    Each start of the pool draws a variation of `appearance`; evaluation is plain unless asked otherwise.
    So it does how late actions reach the car, between the two `action_delay_ticks` if they are a pair;
    races from the canonical start are compared, in evaluation and training, at the middle of the two.
    `steer_levels`: there are 12, 20 or 36 actions, which steer fully, by halves, or by quarters.
    Schedules of the reward follow the frames of `clock`.
    A decision is one action held for `ticks_per_action` ticks of 10 ms; with `action_offsets_ms` 0, 10, 20,
    ... it is a block of as many actions, one per tick. `block` is the shape of a decision, () or (K,).
    `compile`: "kernel" drives the cars, and draws what they see, in loops made for a CPU; parts of a race
    that no loop knows are recorded. The races are the same to the bit, elsewhere it is "eager".
    "compiled" fuses operations by torch.compile; "auto" is "compiled" on a GPU and "kernel" on a CPU.
    `plain_simulator` builds one without a configuration.
    """

    with_track = can_redrive = has_clock = True

    def __init__(
        self,
        track: Track,
        features: FeatureSet,
        reward: Reward,
        cars: int,
        image_size: tuple[int, int],
        ticks_per_action: int,
        action_delay_ticks: int | Sequence[int],
        action_offsets_ms: Sequence[int],
        cut_offs: CutOffs,
        gates: Callable[[Tensor, Tensor], Gates],
        float_lookup: FloatLookup,
        clock: Clock,
        anywhere_share: float,
        start_pool: int,
        device: str | torch.device,
        seed: int,
        compile: Compile,
        appearance: Appearance | None = None,
        restarts: Restarts | None = None,
        steer_levels: int = 1,
    ) -> None:
        if not 0.0 <= anywhere_share <= 1.0:
            raise UserError(f"env.anywhere_share must be from 0 to 1, got {anywhere_share}")
        counts = {"cars": cars, "start_pool": start_pool, "ticks_per_action": ticks_per_action}
        for name, count in counts.items():
            if count < 1:
                raise UserError(f"env.{name} must be 1 or larger, got {count}")
        self.name = f"the simulator on {track.name}"
        self.track, self.device = track.to(device), torch.device(device)
        compile = within_reach(compile, self.device)
        self.block = actions.block(action_offsets_ms)
        self.decision_ticks = self.block[0] if self.block else ticks_per_action
        self.delays = delays_of(action_delay_ticks)
        world = WORLDS[compile](self.track, CarConstants(), self.decision_ticks, self.delays.longest)
        camera = CAMERAS[compile](self.track, *image_size) if image_size[0] else NoCamera()
        line = line_along(self.track, gates)
        self.appearance = appearance or Appearance()
        rules = (line.to(self.device), features, reward, cut_offs, float_lookup)
        self.race = Race(*rules, world, camera, self.appearance)
        self.coefficients = Coefficients(reward, clock, self.device)
        self.can_shrink = compile != "compiled"  # fewer cars would be compiled anew
        self.starts, self.restarts = Starts(world), restarts or Restarts()
        self.anywhere_share, self.start_pool, self.seed = anywhere_share, start_pool, seed
        self.layout, self.actions = features.layout, actions.count(steer_levels)
        self.image_shape = (1, image_size[0], image_size[1])
        self.decide, self._restart, self._some_done, self._check = decision(self.race, compile, self.actions)
        # What torch compiles depends on the mode; elsewhere nothing has a gradient in any.
        self._mode = torch.no_grad if compile == "compiled" else nullcontext
        self.set_spaces(cars)
        self.refuse_too_many(start_pool, "starts in the pool", "profile.start_pool")
        self.refuse_too_many(self.restarts.room, "states to start from", "env.restarts.states")

    @torch.no_grad()
    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[Obs, ResetInfo]:
        """Put every car at a start; `options["start"]`: "training" (default), "canonical" or "evaluation".

        `options["appearance"]` of the latter two: "plain" (default), or "varied", the same in every run.
        """
        self.seed = self.seed if seed is None else seed
        fillers = {"training": self._training, "canonical": self._canonical, "evaluation": self._evaluation}
        appearances = {"plain": self._plain, "varied": self._varied}
        chosen = checked_options(options, {"start": tuple(fillers), "appearance": tuple(appearances)})
        fillers[chosen["start"]](appearances[chosen["appearance"]]())
        return self._seen.obs, {"potential": self._seen.potential}

    def _plain(self) -> Tensor:
        return self.appearance.plain(self.num_envs, self.device)

    def _varied(self) -> Tensor:
        return self.appearance.draw(self.num_envs, make_generator(VARIATION_SEED, "looks", self.device))

    def _training(self, _: Tensor) -> None:
        """A fresh pool of starts, each with a variation of its own, and every car at one of them."""
        self.generator = make_generator(self.seed, "starts", self.device)
        sim = self.starts.training(self.start_pool, self.anywhere_share, self.generator)
        # A stream of its own: starts do not depend on the pictures.
        variation = self.appearance.draw(self.start_pool, make_generator(self.seed, "looks", self.device))
        delay = self.delays.draw(self.start_pool, make_generator(self.seed, "delays")).to(self.device)
        from_start = self.starts.is_canonical(sim) & (delay == self.delays.canonical)
        pool = self._begin(delayed(sim, delay), from_start, variation)
        self._pool = self.restarts.begin(pool, self.num_envs, self.seed)
        self._restarts, self._undrawn = True, 1
        self._drive, self._seen = take_rows(self._pool, self._draw())

    def _canonical(self, variation: Tensor) -> None:
        self._place(self._canonical_starts(self.num_envs), variation)

    def _evaluation(self, variation: Tensor) -> None:
        """Car 0 at the canonical start, the others at seeded ones that are the same in every run."""
        if self.num_envs == 1:
            return self._canonical(variation)
        others = self.num_envs - 1
        delay = self.delays.draw(others, make_generator(VARIATION_SEED, "delays"))
        seeded = delayed(self.starts.evaluation(others), delay)
        self._place(concat_rows([self._canonical_starts(1), seeded]), variation)

    def _canonical_starts(self, count: int) -> SimState:
        start = self.starts.canonical(count)
        return delayed(start, torch.full((count,), self.delays.canonical))

    def _place(self, sim: SimState, variation: Tensor) -> None:
        self._restarts = False
        from_start = torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        self._drive, self._seen = self._begin(sim, from_start, variation)

    def _begin(self, sim: SimState, from_start: Tensor, variation: Tensor) -> tuple[Drive, Seen]:
        rows = torch.arange(len(from_start), device=self.device).split(START_BATCH)
        parts = [self.race.begin(take_rows(sim, part), from_start[part], variation[part]) for part in rows]
        return concat_rows([drive for drive, _ in parts]), concat_rows([seen for _, seen in parts])

    def _draw(self) -> Tensor:
        """Rows (E,) of the pool, the last ones of what is drawn in every decision.

        Others are drawn with them, as nobody needs them before: a draw takes as long as to drive a car.
        """
        shape, self._undrawn = (self._undrawn, self.num_envs), 0
        return torch.randint(self.start_pool, shape, device=self.device, generator=self.generator)[-1]

    def step(self, action: Tensor) -> tuple[Obs, Tensor, Tensor, Tensor, StepInfo]:  # type: ignore[override]
        """One decision: `action` (E,) int64, below `actions`, or (E, K) with one action per tick.

        An action out of range is a UserError on the CPU; on other devices looking would be a host sync.
        """
        if not hasattr(self, "_drive"):
            raise early_step()
        expected = (len(self._drive.over), *self.block)
        if tuple(action.shape) != expected:
            raise UserError(f"actions must have the shape {expected}, got {tuple(action.shape)}")
        self._check(action)
        with self._mode():
            drive, seen, outcome = self.decide(self._drive, action, self.coefficients())
            self._drive, self._seen = drive, seen
            if self._restarts:
                self._begin_anew(outcome.races.done)
        info = StepInfo(
            final_obs=seen.obs,
            final_potential=outcome.final_potential,
            potential=self._seen.potential,
            races=outcome.races,
        )
        return self._seen.obs, outcome.reward, outcome.terminated, outcome.truncated, info

    def _begin_anew(self, done: Tensor) -> None:
        """Put the cars that are `done` (E,) to where they go on."""
        # Drawn always: draws do not depend on who is done.
        chances = self.restarts.draw()
        self._undrawn += 1
        if self._some_done(done):
            rows = self.restarts.rows(self._draw(), chances)
            self._drive, self._seen = self._restart((self._drive, self._seen), done, self._pool, rows)
        elif self._undrawn * self.num_envs > MOST_UNDRAWN:
            self._draw()
        self.restarts.watch((self._drive, self._seen), done)

    def keep(self, rows: Tensor) -> Obs:
        """Go on with the cars `rows` (K,) alone, until the next reset; only where nothing restarts."""
        assert not self._restarts and self.can_shrink
        self._drive, self._seen = take_rows((self._drive, self._seen), rows)
        return self._seen.obs

    @property
    def action_delay_ticks(self) -> int:
        """Of races from the canonical start: ticks before an action reaches the car."""
        return self.delays.canonical

    @property
    def longest_delay_ticks(self) -> int:
        """Of any race."""
        return self.delays.longest

    @property
    def decision_ms(self) -> int:
        """Race time from one decision to the next."""
        return actions.TICK_MS * self.decision_ticks

    def decisions(self, time_ms: int) -> int:
        """How many decisions a race of `time_ms` took."""
        return -(-time_ms // self.decision_ms)

    @property
    def drive(self) -> Drive:
        """The present state of every car, for pictures and tests; the next step may change it in place."""
        if not hasattr(self, "_drive"):
            raise early_step()
        return self._drive

    def state_dict(self) -> StateDict:
        """Complete after a training reset; the drawn starts of the pool are rebuilt from the seed."""
        if not hasattr(self, "_undrawn"):
            raise gymnasium.error.ResetNeeded("call reset() for training before state_dict()")
        if self._undrawn:
            self._draw()
        state = [leaf.clone() for leaf in flatten((self._drive, self._seen))]
        generator = self.generator.get_state()
        restarts = self.restarts.state_dict()
        return {"seed": self.seed, "state": state, "generator": generator, "restarts": restarts}

    @torch.no_grad()
    def load_state_dict(self, state: StateDict) -> None:
        self.reset(seed=state["seed"], options={"start": "training"})
        leaves = [leaf.to(self.device) for leaf in state["state"]]
        self._drive, self._seen = unflatten((self._drive, self._seen), leaves)
        self.generator.set_state(state["generator"].cpu())
        self.restarts.load_state_dict(state["restarts"])
