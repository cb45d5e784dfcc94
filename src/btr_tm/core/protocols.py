"""The seams between packages, where more than one implementation exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol, TypedDict

import torch
from torch import Tensor, nn

from btr_tm.core.block import Block
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Batch, Obs, Races, StateDict, States, Transition


class Stateful(Protocol):
    """Something that a checkpoint saves and restores."""

    def state_dict(self) -> StateDict: ...

    def load_state_dict(self, state: StateDict) -> None: ...


class QNet(Protocol):
    """A quantile network; deterministic apart from its own noise buffers."""

    def __call__(self, obs: Obs, taus: Tensor) -> Tensor:
        """Values (B, N', A), or (B, N', K, A), of the return: quantiles at the fractions `taus` (B, N), or
        with N' = 1 its mean.
        """
        ...


class NetPair(NamedTuple):
    """The network that learns and the slow copy that supplies targets."""

    online: QNet
    target: QNet


class TargetFn(Protocol):
    """Builds what the values of a batch are drawn to."""

    @property
    def states(self) -> States:
        """Which states of an n-step return the batches have to hold."""
        ...

    def __call__(self, nets: NetPair, batch: Batch, q_online: Tensor, taus: Tensor) -> Tensor:
        """Target quantiles (B, N), without gradient, from the prediction `q_online` (B, N', [K,] A)."""
        ...

    def measure(self, q: Tensor, action: Tensor) -> dict[str, Tensor]:
        """Scalars by name that describe this target, from action values `q` (B, [K,] A) of the online network
        and the actions taken (B,) or (B, K); may be empty.
        """
        ...


class Update(NamedTuple):
    """What an update leaves behind, on the device."""

    metrics: dict[str, Tensor]  # scalars
    priority: Tensor  # (B,) how wrong each prediction was


class Learner(Stateful, Protocol):
    """Trains the network that `policy` drives with; all that the loop, the log and checkpoints ask of it."""

    @property
    def policy(self) -> Policy:
        """Drives with the weights of the latest update."""
        ...

    @property
    def driver(self) -> Policy:
        """What is evaluated and saved: `policy`, or the same with other weights."""
        ...

    @property
    def extra_uses(self) -> int:
        """Uses of transitions that were granted so far beyond what driving pays for."""
        ...

    def update(self, batch: Batch) -> Update:
        """One gradient step on `batch`; nothing here waits for the device."""
        ...

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Metrics of a batch that is not learnt from; no later update is any different for it."""
        ...

    def take(self) -> dict[str, Tensor | float]:
        """What a row of the log says besides the metrics of updates: settings now in force, and what was
        measured since this was last asked.
        """
        ...

    def close(self) -> None:
        """Release processes that help, if any; safe to call twice."""
        ...


class Decision(NamedTuple):
    """What a policy answers."""

    action: Tensor  # (E,) int64, or (E, K)
    greedy: Tensor  # (E,) bool, action is the argmax of q, in every slot of a block
    q: Tensor  # (E, A) float32, or (E, K, A), mean over quantiles


class Actor(Protocol):
    """Chooses actions; holds its own random generator."""

    def act(self, obs: Obs, explore: bool) -> Decision:
        """One decision per car; with `explore=False` deterministic."""
        ...

    def unchanged(self) -> AbstractContextManager[None]:
        """While this lasts, nobody changes the weights: what depends on them alone is computed once."""
        ...


class Policy(Actor, Protocol):
    """An actor whose network can be copied to other processes."""

    @property
    def net(self) -> nn.Module:
        """What it chooses with; its parameters and buffers are all that another copy needs."""
        ...


class EnvironmentSpec(Protocol):
    """What a network has to know of an environment."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """C, H, W; H = W = 0 where nothing is rendered."""
        ...

    @property
    def layout(self) -> FloatLayout:
        """Names and normalisation of the floats."""
        ...

    @property
    def actions(self) -> int:
        """How many there are to choose from."""
        ...

    @property
    def block(self) -> Block:
        """Shape of a decision: () or (K,)."""
        ...


class StoredSpec(EnvironmentSpec, Protocol):
    """What a replay has to know of an environment."""

    @property
    def num_envs(self) -> int:
        """E."""
        ...

    @property
    def decision_ms(self) -> int:
        """Time from one decision to the next."""
        ...

    @property
    def stacked_frames(self) -> int:
        """How many frames an image consists of; each image shares all but the newest with the one before."""
        ...


class Spec(NamedTuple):
    """An `EnvironmentSpec` by itself, where no environment is built."""

    image_shape: tuple[int, int, int]
    layout: FloatLayout
    actions: int
    block: Block = ()


class ResetInfo(TypedDict):
    """What a reset says beside the observation."""

    potential: Tensor  # (E,) float32, Phi of the state seen


class StepInfo(TypedDict):
    """What a step says beside observation, reward and ends; leading axis E."""

    final_obs: Obs  # the true successor of every car, also of those that have begun a new race
    final_potential: Tensor  # (E,) float32, Phi(final_obs)
    potential: Tensor  # (E,) float32, Phi of the observation returned
    races: Races


class DrivingEnv(StoredSpec, Stateful, Protocol):
    """E cars that drive side by side, under SAME_STEP autoreset; `envs.contract.TensorVectorEnv` is its base.

    A gymnasium VectorEnv that takes and returns tensors on its device.
    """

    @property
    def name(self) -> str:
        """What people call the game."""
        ...

    @property
    def facts(self) -> Mapping[str, str]:
        """What a person should know about it before the start, by name."""
        ...

    @property
    def device(self) -> torch.device: ...

    @property
    def real_time(self) -> bool:
        """Whether it goes on whatever we do."""
        ...

    @property
    def patience_s(self) -> float:
        """How long a race may take to begin, however often the game fails; 0 for one that begins at once."""
        ...

    @property
    def can_shrink(self) -> bool:
        """Whether `keep` may be called."""
        ...

    def check_ready(self) -> None:
        """UserError for what the first `reset` would find missing."""
        ...

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, str] | None = None
    ) -> tuple[Obs, ResetInfo]:
        """Begin races; `options["start"]` is "training" (default), "canonical" or "evaluation".

        After the latter two a race that is over stays over.
        """
        ...

    def step(self, action: Tensor) -> tuple[Obs, Tensor, Tensor, Tensor, StepInfo]:
        """One decision (E,) or (E, K) int64: observation, reward, terminated, truncated, and the rest."""
        ...

    def pause(self) -> None:
        """Nothing is decided for a while; a game in real time is left to others, its race is lost."""
        ...

    def keep(self, rows: Tensor) -> Obs:
        """Go on with the cars `rows` (K,) alone, until the next reset; what they see."""
        ...

    def close(self) -> None: ...


class RedrivableEnv(DrivingEnv, Protocol):
    """One whose races our simulator can drive again from their actions."""

    @property
    def decision_ticks(self) -> int:
        """Ticks of the simulator from one decision to the next."""
        ...

    @property
    def action_delay_ticks(self) -> int:
        """Ticks before an action reaches the car, in races from the canonical start."""
        ...

    @property
    def longest_delay_ticks(self) -> int:
        """The same in any race."""
        ...


class ReplayBuffer(Protocol):
    """Stores what was driven and hands out batches of it."""

    @property
    def capacity(self) -> int:
        """Most transitions it ever holds."""
        ...

    @property
    def bytes_per_transition(self) -> float: ...

    def add(self, transition: Transition, cars: slice = slice(None)) -> None:
        """Store one decision of each car, or of each of those in `cars`."""
        ...

    def cut(self, cars: slice) -> None:
        """What `cars` do next does not follow what they did last."""
        ...

    def forget_open(self, cars: slice) -> None:
        """Take back what is stored of the races that `cars` are in."""
        ...

    def sample(self, batch_size: int) -> Batch: ...

    def sample_test(self, batch_size: int) -> Batch:
        """A batch of what is never trained on."""
        ...

    def update_priorities(self, index: Tensor, priority: Tensor) -> None:
        """Absolute errors `priority` (B,) of the batch that came with `index` (B,)."""
        ...

    def draw_states(self, count: int, generator: torch.Generator) -> tuple[Obs, Tensor]:
        """`count` stored observations and the actions taken there."""
        ...

    def measure(self) -> dict[str, Tensor | float]:
        """Metrics of the section `replay`."""
        ...

    def save(self, folder: str | Path) -> StateDict:
        """Write what is new to `folder`; returns the manifest by which `load` finds it."""
        ...

    def undo_save(self) -> None:
        """Remove the files of the last save, whose manifest could not be stored."""
        ...

    def load(self, folder: str | Path, manifest: StateDict) -> None: ...

    def prune(self, folder: str | Path, manifests: Iterable[StateDict]) -> None:
        """Remove files that none of the `manifests` needs."""
        ...
