"""Where the quickstart driver loses time, and whether the reward is to blame.

    OMP_NUM_THREADS=1 python experiments/driver/measure.py

Drives again the author's race, the best races kept in experiments/a01_ablation and that of the driver that
ships; lets that driver go on from states of the author. Writes measured.json, of which `make report` makes
the tables. Takes a minute.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from btr_tm.cli.assembly.driver import Driver, load_driver
from btr_tm.core.files import write_atomic
from btr_tm.core.tree import concat_rows, take_rows
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.redrive import Redriven, inputs_of, redrive_all
from btr_tm.report.sections import author_race, compare
from btr_tm.sim.track.load import author_inputs, load_track

HERE = Path(__file__).parent
RECORDS = HERE.parent / "a01_ablation" / "records"
TICKS, START_M = 5, 9.75  # of a decision; metres that the reference line has at the start
GAMMAS = (0.97, 0.99, 0.995, 0.998, 1.0)
SHOWN = {"iqn, seed 3": "iqn/s3", "six ingredients, seed 0": "base/s0"}
MARKS_S = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0)  # moments of the author's race from which the driver goes on
PLACES_M = range(200, 1400, 100)
HARD_KMH = 15.0  # a contact with the fence that costs more than this is a hit
PAUSE = 30  # ticks without contact that end one


class Rollout(NamedTuple):
    """Races side by side, T decisions of E cars."""

    rewards: Tensor  # (T, E) float64, 0 once a race is over
    metres: Tensor  # (T, E) furthest so far, after each decision
    speed: Tensor  # (T, E) m/s
    potential: Tensor  # (T, E) Phi before each decision
    q: Tensor  # (T, E) best value before each decision; 0 where nobody asked
    time_s: Tensor  # (E,) NaN without a finish


def rollout(env: SimVectorEnv, choose: Any, decisions: int) -> Rollout:
    """From where the cars stand; `choose(decision)` gives actions (E,) and best values (E,)."""
    columns: list[list[Tensor]] = [[] for _ in range(5)]
    over, time_s = torch.zeros(env.num_envs, dtype=torch.bool), torch.full((env.num_envs,), torch.nan)
    for decision in range(decisions):
        action, value = choose(decision)
        potential = env._seen.potential.clone()
        _, reward, terminated, truncated, info = env.step(action)
        car = env.drive.sim.velocity.norm(dim=1), env.drive.moment.progress.furthest_metres - START_M
        row = (torch.where(over, 0.0, reward.double()), car[1].clone(), car[0], potential, value)
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
        time_s = torch.where(terminated & ~over, info["races"].time_ms / 1000, time_s)
        over |= terminated | truncated
        if over.all():
            break
    return Rollout(*(torch.stack(column) for column in columns), time_s)


def returns(rewards: Tensor, gamma: float) -> Tensor:
    """Discounted returns (T, E) from each decision on."""
    found, after = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for decision in reversed(range(len(rewards))):
        after = rewards[decision] + gamma * after
        found[decision] = after
    return found


def recorded(races: dict[str, Tensor]) -> Rollout:
    """Actions by name, decision by decision, through the reward of quickstart."""
    longest = max(map(len, races.values()))
    actions = [torch.nn.functional.pad(each, (0, longest - len(each))) for each in races.values()]
    chosen, nothing = torch.stack(actions, 1), torch.zeros(len(races))
    env = plain_simulator(load_track("a01"), len(races), (0, 0), start_pool=1, compile="kernel")
    env.reset(options={"start": "canonical"})
    return rollout(env, lambda decision: (chosen[decision], nothing), longest)


def slopes(found: Rollout) -> dict[int, float]:
    """By how much the return from a place on grows with a m/s of speed there, over finished races."""
    after, slope = returns(found.rewards, 0.99), {}
    for place in PLACES_M:
        speeds, worths = [], []
        for car in torch.nonzero(~found.time_s.isnan()).flatten().tolist():
            there = int((found.metres[:, car] < place).sum())
            if there + 1 < len(after):
                speeds.append(float(found.speed[there, car]))
                worths.append(float(after[there + 1, car]))
        slope[place] = float(np.polyfit(speeds, worths, 1)[0])
    return slope


def closed_loop(driver: Driver, author: Tensor) -> dict[str, Any]:
    """The driver from states of the author's race, and its own values along its own race."""
    env = plain_simulator(
        load_track("a01"), len(MARKS_S), driver.parts.image_size, start_pool=1, compile="kernel"
    )
    env.reset(options={"start": "canonical"})
    marks = [round(mark / 0.05) for mark in MARKS_S]
    states, rewards, first = [], [], torch.tensor([0])
    for decision, action in enumerate(author):
        if decision in marks:
            states.append(take_rows((env._drive, env._seen), first))
        rewards.append(env.step(action.expand(len(marks)))[1][:1].double())
    author_worth = returns(torch.stack(rewards), 0.99)[marks, 0]
    env._drive, env._seen = concat_rows(states)
    chosen: list[Tensor] = []

    def choose(_: int) -> tuple[Tensor, Tensor]:
        decision = driver.policy.act(env._seen.obs, explore=False)
        chosen.append(decision.action)
        return decision.action, decision.q.amax(1)

    metres = [float(drive.moment.progress.furthest_metres[0]) - START_M for drive, _ in states]
    found = rollout(env, choose, 1200)
    after = returns(found.rewards, 0.99)
    steps = range(0, int(found.time_s[0] / 0.05), 25)
    return {
        "marks": [
            {"metres": at, "author": float(his), "driver": float(mine)}
            for at, his, mine in zip(metres, author_worth, after[0], strict=True)
        ],
        "values": [
            {
                "time_s": 0.05 * step,
                "predicted": float(found.q[step, 0]),
                "driven": float(after[step, 0] - found.potential[step, 0]),
            }
            for step in steps
        ],
        "actions": torch.stack(chosen)[: round(float(found.time_s[0]) / 0.05 + 0.499), 0],
    }


def hits(race: Redriven) -> list[tuple[float, float]]:
    """Speed in km/h before and after each contact with the fence."""
    against, speed = race.wall.numpy() != 0, race.speed_kmh.numpy()
    ticks = np.flatnonzero(against)
    firsts = ticks[np.diff(ticks, prepend=-PAUSE) >= PAUSE]
    lasts = ticks[np.diff(ticks, append=ticks[-1:] + PAUSE) >= PAUSE]
    before, after = np.maximum(firsts - 1, 0), np.minimum(lasts + 1, len(speed) - 1)
    return list(zip(speed[before].tolist(), speed[after].tolist(), strict=True))


def described(races: dict[str, Redriven], author: Redriven, shown: list[str]) -> dict[str, Any]:
    """Sections of every finished race, as means, and those of the races to show, whole."""
    track = load_track("a01")
    compared = {name: compare(track, race, author) for name, race in races.items() if race.finished}
    struck = [hit for name in compared for hit in hits(races[name])]
    hard = [hit for hit in struck if hit[0] - hit[1] > HARD_KMH]
    means = []
    for row in zip(*compared.values(), strict=True):
        drivers = [each.driver for each in row]
        means.append(
            {
                "section": row[0].section._asdict(),
                "author": row[0].author._asdict(),
                "lost_s": [each.lost_s for each in row],
                "touched": float(np.mean([each.wall_ms > 0 for each in drivers])),
                **{
                    name: float(np.mean([getattr(each, name) for each in drivers]))
                    for name in ("entry_kmh", "lowest_kmh", "exit_kmh", "braking", "steering")
                },
            }
        )
    last = [each[-1].driver for each in compared.values()]
    return {
        "races": len(compared),
        "means": means,
        "hits_per_race": len(hard) / len(compared),
        "hit_kmh": np.mean(hard, axis=0).tolist(),
        "slower_at_the_finish": sum(each.exit_kmh < each.entry_kmh for each in last),
        "shown": {name: [[part._asdict() for part in each] for each in compared[name]] for name in shown},
    }


@torch.no_grad()
def main() -> None:
    track, driver = load_track("a01"), load_driver(None, "cpu")
    author = author_inputs(track)
    assert author is not None
    loop = closed_loop(driver, author.to_actions(TICKS))
    paths = sorted(RECORDS.glob("*/*/best/race.inputs"))
    names = [path.parents[1].relative_to(RECORDS).as_posix() for path in paths]
    files = {name: InputsFile.read(path).actions for name, path in zip(names, paths, strict=True)}
    files["ships"] = loop.pop("actions").repeat_interleave(TICKS)
    driven = dict(zip(files, redrive_all(track, list(files.values())), strict=True))
    inputs_of(track, driven["ships"]).write(HERE / "ships.inputs")
    labels = {name: label for label, name in SHOWN.items()} | {"ships": "the driver that ships"}
    driven = {labels.get(name, name): race for name, race in driven.items()}
    decided = {"author": author.to_actions(TICKS)} | {name: each[::TICKS] for name, each in files.items()}
    found = recorded(decided)
    worth = {str(gamma): returns(found.rewards, gamma)[0].tolist() for gamma in GAMMAS}
    measured = described(driven, author_race(track), list(labels.values())) | loop
    measured |= {"time_s": [time for time in found.time_s.nan_to_num(0.0).tolist()], "returns": worth}
    measured |= {"slopes": slopes(found)}
    write_atomic(HERE / "measured.json", (json.dumps(measured, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
