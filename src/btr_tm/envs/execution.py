"""Three ways to run the simulator: step by step, with kernels for a CPU, or compiled by torch."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Literal, NamedTuple, Protocol, TypeVar, cast

import torch
from torch import Tensor

from btr_tm.envs.drive import (
    Advance,
    CarsAndViews,
    Drive,
    Judge,
    Observe,
    Outcome,
    Race,
    Renders,
    Rules,
    Seen,
    StagedRace,
    restart,
)
from btr_tm.envs.kernel_race import KernelRace, rules_of
from btr_tm.envs.traced import traced
from btr_tm.race.actions import check_actions
from btr_tm.race.features_kernel import KernelObserve, can_observe
from btr_tm.race.progress_kernel import KernelAdvance, can_advance
from btr_tm.race.reward.moment import NO_COEFFICIENTS
from btr_tm.sim.grey.camera import Camera
from btr_tm.sim.grey.kernel.camera import KernelCamera
from btr_tm.sim.grey.rasterizer import CompiledRasterizer
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.physics.constants import CarConstants
from btr_tm.sim.physics.dynamics import compiled_tick
from btr_tm.sim.track.ribbon import Track
from btr_tm.sim.world import World

Function = TypeVar("Function", bound=Callable)


class Wrapper(Protocol):
    """Makes a function that computes the same, run in another way."""

    def __call__(self, function: Function) -> Function: ...


Compile = Literal["auto", "eager", "kernel", "compiled"]


class MakesWorld(Protocol):
    """A kind of world."""

    def __call__(
        self, track: Track, constants: CarConstants, ticks_per_action: int, action_delay_ticks: int
    ) -> World: ...


# Equal in what they compute; each is the fastest one there. A region is compiled once for all ticks.
WORLDS: dict[Compile, MakesWorld] = {
    "eager": World,
    "kernel": KernelWorld,
    "compiled": partial(World, make_tick=compiled_tick),
}
# Likewise but for rounding in the kernel: cameras for a track and the height and width of its pictures.
CAMERAS: dict[Compile, Callable[[Track, int, int], Renders]] = {
    "eager": Camera,
    "kernel": KernelCamera,
    "compiled": lambda track, height, width: Camera(track, height, width, CompiledRasterizer()),
}


def compiled(function: Function) -> Function:
    """`torch.compile` with fixed shapes."""
    allow_many_graphs()
    return cast(Function, torch.compile(function, dynamic=False, fullgraph=True))


def allow_many_graphs() -> None:
    """Let torch compile a function for more than 8 combinations of shapes.

    All environments of a process share the limit, and a sweep of five seeds has ten; networks are asked for
    decisions, evaluations, predictions, targets and probes. Beyond it torch would run them uncompiled.
    """
    dynamo = torch._dynamo.config
    dynamo.recompile_limit = max(dynamo.recompile_limit, dynamo.accumulated_recompile_limit)


def as_it_is(function: Function) -> Function:
    """Step by step in Python."""
    return function


# Of functions that only torch computes.
HOW: dict[Compile, Wrapper] = {"eager": as_it_is, "kernel": traced, "compiled": compiled}


class Decide(Protocol):
    """`Race.decide`, run in some way."""

    def __call__(
        self, drive: Drive, action: Tensor, coefficients: Tensor = NO_COEFFICIENTS
    ) -> tuple[Drive, Seen, Outcome]: ...


class Restart(Protocol):
    """`drive.restart`, run in some way."""

    def __call__(
        self, present: CarsAndViews, done: Tensor, pool: CarsAndViews, rows: Tensor
    ) -> CarsAndViews: ...


class Moves(NamedTuple):
    """How cars move on."""

    decide: Decide
    restart: Restart
    some_done: Callable[[Tensor], bool]  # whether to restart, after a decision in which cars were done (E,)
    check: Callable[[Tensor], None]  # of actions before a decision: UserError for unknown ones


def decision(race: Race, compile: Compile, actions: int) -> Moves:
    """How to decide, among so many `actions`, and to begin anew in `race`.

    Its world and camera are those for `compile`.
    """
    known = partial(check_actions, count=actions)
    begin_anew = HOW[for_moves(compile, race.world.device)](restart)
    if compile != "kernel":
        check = known if race.world.device.type == "cpu" else _believe
        return Moves(HOW[compile](race.decide), begin_anew, _perhaps, check)
    rules = rules_of(race, actions)
    if rules is not None:
        whole = KernelRace(race, rules)
        return Moves(whole, whole.restart, whole.some_done, _believe)  # the kernel itself looks
    return Moves(_staged(race), begin_anew, _some, known)


def _perhaps(done: Tensor) -> bool:
    """Always: to look would be a host sync, or make another graph, as a restart changes strides."""
    return True


def _believe(action: Tensor) -> None:
    """Nothing is checked: to look would be a host sync."""


def _some(done: Tensor) -> bool:
    return bool(done.any())


def _staged(race: Race) -> StagedRace:
    """For parts that no kernel knows: those are recorded."""
    # A recording of the whole would hold what a kernel computed once as a constant.
    world = race.world
    instruments = world.instruments if isinstance(world, KernelWorld) else world.car
    return StagedRace(race, instruments, *stages(race, world.device))


def stages(rules: Rules, device: torch.device) -> tuple[Advance, Observe, Judge]:
    """The three parts of a decision after the car has moved: on a CPU kernels, or recorded."""
    if device.type != "cpu":
        return rules.advance, rules.observe, rules.judge
    advance: Advance = KernelAdvance(rules.line) if can_advance(rules.line) else traced(rules.advance)
    known = can_observe(rules.features)
    observe: Observe = KernelObserve(rules.features, rules.line) if known else traced(rules.observe)
    return advance, observe, traced(rules.judge)


def within_reach(wanted: Compile, device: torch.device) -> Compile:
    """`wanted`, or the nearest that works here; "auto" is "compiled" on a GPU and "kernel" on a CPU.

    A warning says so where what torch.compile needs is not found.
    """
    if wanted == "auto":
        wanted = "compiled" if device.type == "cuda" else "kernel"
    if wanted == "kernel":
        return "kernel" if device.type == "cpu" else "eager"
    if wanted == "eager":
        return wanted
    missing = what_compiling_lacks(device)
    if not missing:
        return wanted
    warnings.warn(f"no {missing} found: nothing is compiled by torch", stacklevel=3)
    return within_reach("kernel", device)


def what_compiling_lacks(device: torch.device) -> str:
    """Of what torch.compile makes code for `device` with; empty if it has all."""
    if device.type == "cuda":
        if find_spec("triton") is None:
            return "Triton"
        # Triton builds what launches its kernels.
        return "" if os.environ.get("CC") or _on_path("cc", "gcc", "clang", "cl") else "C compiler"
    return "" if _on_path("c++", "g++", "clang++", "cl") else "C++ compiler"


def _on_path(*names: str) -> bool:
    return any(shutil.which(name) for name in names)


def for_moves(compile: Compile, device: torch.device) -> Compile:
    """How to run a function that only moves rows: compiling it for a CPU takes long and gains nothing."""
    return "kernel" if compile == "compiled" and device.type == "cpu" else compile
