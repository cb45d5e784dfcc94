"""Three ways to run the simulator's functions: step by step, recorded and replayed, or compiled."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar, cast

import torch

from btr_tm.envs.traced import traced
from btr_tm.sim.grey.rasterizer import CompiledRasterizer, EagerRasterizer, Rasterizer
from btr_tm.sim.physics.dynamics import compiled_tick, eager_tick

Function = TypeVar("Function", bound=Callable)


class Wrapper(Protocol):
    """Makes a function that computes the same, run in another way."""

    def __call__(self, function: Function) -> Function: ...


Compile = Literal["eager", "traced", "compiled"]
# Equal in what they compute; each is the faster one there.
RASTERIZERS: dict[Compile, Callable[[], Rasterizer]] = {
    "eager": EagerRasterizer,
    "traced": EagerRasterizer,
    "compiled": CompiledRasterizer,
}
# Likewise; a region is compiled once for all ticks.
TICKS = {"eager": eager_tick, "traced": eager_tick, "compiled": compiled_tick}


def compiled(function: Function) -> Function:
    """`torch.compile` with fixed shapes."""
    # All environments of a process share one limit, 8 graphs; a sweep of five seeds has ten environments.
    dynamo = torch._dynamo.config
    dynamo.recompile_limit = max(dynamo.recompile_limit, dynamo.accumulated_recompile_limit)
    return cast(Function, torch.compile(function, dynamic=False, fullgraph=True))


def as_it_is(function: Function) -> Function:
    """Step by step in Python."""
    return function


HOW: dict[Compile, Wrapper] = {"eager": as_it_is, "traced": traced, "compiled": compiled}


def within_reach(wanted: Compile, device: torch.device) -> Compile:
    """`wanted`, or the nearest that works here; a warning says so where no C++ compiler is found."""
    if wanted == "traced":
        return "traced" if device.type == "cpu" else "eager"
    found = torch.cuda.is_available() or any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl"))
    if wanted == "eager" or found:
        return wanted
    warnings.warn("no C++ compiler found: the simulator is replayed, which is slower", stacklevel=3)
    return within_reach("traced", device)


def for_moves(compile: Compile, device: torch.device) -> Compile:
    """How to run a function that only moves rows: compiling it for a CPU takes long and gains nothing."""
    return "traced" if compile == "compiled" and device.type == "cpu" else compile
