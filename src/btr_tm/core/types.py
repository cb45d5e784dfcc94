"""Data that moves between the parts: plain NamedTuples of tensors, no behaviour.

Letters in shapes: E cars, B batch, N quantiles, K actions of a block, A actions to choose from, F floats,
C H W image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from torch import Tensor

JsonObject = dict[str, Any]  # as the json module reads it
StateDict = dict[str, Any]  # what a checkpoint keeps of one object, typed as torch types its own state dicts
States = Literal["ends", "all"]  # of an n-step return that a target needs: first and last, or every one


class Obs(NamedTuple):
    """What the driver sees. A run without a camera has H = W = 0; one without floats has F = 0."""

    image: Tensor  # (B, C, H, W) uint8
    floats: Tensor  # (B, F) float32, physical units in the order of the FloatLayout, not normalised


class Transition(NamedTuple):
    """One decision of each of E cars, as a collector emits it."""

    obs: Obs
    action: Tensor  # (E,) int64, row of race.actions.TABLE; (E, K) where a decision is a block of actions
    greedy: Tensor  # (E,) bool, the action was the argmax of the acting Q, in every slot of a block
    reward: Tensor  # (E,) float32, without potential-based shaping
    potential: Tensor  # (E,) float32, Phi(obs); zeros where the reward has none
    next_obs: Obs  # the true successor, also when the environment has already reset
    next_potential: Tensor  # (E,) float32, Phi(next_obs)
    terminated: Tensor  # (E,) bool, the race ended: no bootstrap
    truncated: Tensor  # (E,) bool, we stopped watching: bootstrap from next_obs


class Step(NamedTuple):
    """A decision between the ends of an n-step return."""

    obs: Obs
    action: Tensor  # (B,) or (B, K) int64
    discount: Tensor  # (B,) float32, what its reward was multiplied with; 0 where the return had ended before


class Batch(NamedTuple):
    """What replay returns and the learner consumes."""

    obs: Obs
    action: Tensor  # (B,) int64, or (B, K)
    reward: Tensor  # (B,) float32, n-step return, shaping included
    discount: Tensor  # (B,) float32, gamma^k, 0 if terminated
    next_obs: Obs
    weight: Tensor  # (B,) float32, importance weights; ones for uniform sampling
    index: Tensor  # type: ignore[assignment]  # (B,) int64, to be handed back with the priorities
    inner: tuple[Step, ...] = ()  # decisions 1 .. n - 1 of the return, for a target with states="all"
    ended: tuple[Tensor, ...] = ()  # of a rollout, whose B = T E rows are in order of time: one (T, E) bool,
    # the next row of that car belongs to another race


class Races(NamedTuple):
    """State of each car's race after a decision; rows count as finished races only where `done`."""

    done: Tensor  # (E,) bool, terminated or truncated at this decision
    finished: Tensor  # (E,) bool, crossed the finish line
    time_ms: Tensor  # (E,) int64, race time in ms since the green light, on the tick grid
    progress_m: Tensor  # (E,) float32, furthest metres along the reference line
    from_start: Tensor  # (E,) bool, the race began at the canonical start of the track
    reward: Tensor  # (E,) float32, undiscounted sum of the race's rewards


class Chunk(NamedTuple):
    """What one call of a collector returns; `cars` are slices of the run's cars."""

    transitions: list[Transition]
    races: list[Races]
    frames: int  # decisions driven, summed over cars
    cars: slice = slice(None)  # whose transitions these are
    lost: Sequence[slice] = ()  # whose open races are void, before these transitions are stored
    cut: Sequence[slice] = ()  # whose next transitions do not follow the last ones
    metrics: Mapping[str, float] = MappingProxyType({})  # of the collector
