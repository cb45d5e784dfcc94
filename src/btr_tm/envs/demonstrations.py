"""Drives races again by their keys and keeps what a driver would have seen and decided in them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from btr_tm.core.protocols import Actor, DrivingEnv
from btr_tm.core.types import Obs
from btr_tm.envs.scripted import ScriptedRaces, ticks_of
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.replay.demo_file import Demonstrations
from btr_tm.sim.world import NO_KEYS


class Recorded(NamedTuple):
    """One race that was driven again."""

    demos: Demonstrations
    finished: bool
    time_ms: int
    progress_m: float


@torch.no_grad()
def record(env: SimVectorEnv, keys: list[Tensor], start: str) -> list[Recorded]:
    """Drive each car of `env` by its `keys` (T,), a row of the action table per tick.

    A race ends at the finish, when it is given up, or with its keys. `start` is that of a reset: "canonical"
    or "evaluation".
    """
    races, ticks = ScriptedRaces(env), env.decision_ticks
    padded = torch.nn.utils.rnn.pad_sequence(keys, batch_first=True, padding_value=NO_KEYS)
    decisions = torch.tensor([-(-len(each) // ticks) for each in keys])
    obs, began = env.reset(options={"start": start})
    states, potentials = [_kept(obs)], [began["potential"].clone()]
    # action, mixed, reward, terminated, done, finished, time_ms, progress_m
    columns: list[tuple[Tensor, ...]] = []
    over = torch.zeros(len(keys), dtype=torch.bool)
    while not bool((over | (len(columns) >= decisions)).all()):
        action, mixed, stepped = races.step(ticks_of(padded, len(columns), ticks, NO_KEYS))
        info = stepped[4]
        states.append(_kept(info["final_obs"]))
        potentials.append(info["final_potential"].clone())
        ends = info["races"]
        over = over | ends.done
        told = (ends.done, ends.finished, ends.time_ms, ends.progress_m)
        parts = (action, mixed, stepped[1], stepped[2], *told)
        columns.append(tuple(part.clone() for part in parts))
    driven = [torch.stack(column, 1) for column in zip(*columns, strict=True)]  # (E, D, ...)
    seen = Obs(*(torch.stack(leaves, 1) for leaves in zip(*states, strict=True)))
    potential = torch.stack(potentials, 1)
    return [_race(car, int(decisions[car]), seen, potential, driven) for car in range(len(keys))]


def _race(car: int, most: int, seen: Obs, potential: Tensor, driven: list[Tensor]) -> Recorded:
    """Of one car, up to its end."""
    columns = (column[car] for column in driven)
    action, mixed, reward, terminated, done, finished, time_ms, progress_m = columns
    ended = torch.nonzero(done[:most])
    count = int(ended[0]) + 1 if len(ended) else most
    demos = Demonstrations(
        seen.image[car, : count + 1],
        seen.floats[car, : count + 1],
        potential[car, : count + 1],
        action[:count].to(torch.uint8),
        mixed[:count],
        reward[:count],
        terminated[count - 1 : count],
        torch.tensor([count]),
    )
    last = count - 1
    return Recorded(demos, bool(finished[last]), int(time_ms[last]), float(progress_m[last]))


def _kept(obs: Obs) -> Obs:
    return Obs(obs.image.clone(), obs.floats.clone())


@torch.no_grad()
def keys_of_driver(env: DrivingEnv, policy: Actor, decision_ticks: int) -> list[Tensor]:
    """What `policy` presses in races from the canonical and the seeded starts: (T,) for each car of `env`."""
    obs, _ = env.reset(options={"start": "evaluation"})
    over = torch.zeros(env.num_envs, dtype=torch.bool)
    count, actions = torch.zeros(env.num_envs, dtype=torch.int64), []
    with policy.unchanged():
        while not bool(over.all()):
            action = policy.act(obs, explore=False).action
            actions.append(action.reshape(len(action), -1).cpu())
            obs, _, _, _, info = env.step(action)
            count += ~over
            over = over | info["races"].done.cpu()
    slots = torch.stack(actions, 1)  # (E, D, K)
    keys = slots.repeat_interleave(decision_ticks // slots.shape[2], dim=2)
    return [each[:driven].flatten() for each, driven in zip(keys, count.tolist(), strict=True)]
