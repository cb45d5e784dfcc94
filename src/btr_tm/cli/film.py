"""Films of what a driver did in the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from btr_tm.cli.driver import Driver
from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs
from btr_tm.report.redrive import TICK_MS, Redriven, per_tick, redrive, values_per_tick
from btr_tm.report.video import race_video
from btr_tm.run.evaluate import Race
from btr_tm.sim.pose import Pose
from btr_tm.sim.ribbon import Track

PICTURE_TICKS = 5  # 20 pictures a second


def film_driver(driver: Driver, race: Race, path: str | Path) -> Path:
    """Drive the canonical `race` of `driver` again and film it with the action values it was driven by."""
    parts = driver.parts
    if not parts.simulated:
        raise UserError(
            "expected a driver of env=sim to film, got one of another environment; it has no film"
        )
    env, delay_ticks = parts.env(1, start_pool=1), parts.values["env"]["action_delay_ticks"]
    again = redrive(parts.track, per_tick(race.actions, env.decision_ticks, delay_ticks))
    q = values_per_tick(action_values(driver, race, env), env.decision_ticks)
    env.close()
    return film_race(parts.track, again, path, q)


def film_race(track: Track, race: Redriven, path: str | Path, q: Tensor | None = None) -> Path:
    """Film `race`; `q` (T, A) are action values, tick by tick."""
    tick = torch.arange(PICTURE_TICKS - 1, len(race.actions), PICTURE_TICKS)
    values = q if q is None else q[tick.clamp(max=len(q) - 1)]
    poses = Pose(*(field[tick] for field in race.pose))
    return race_video(path, track, poses, race.actions[tick], (tick + 1) * TICK_MS, values, title=track.name)


@torch.no_grad()
def action_values(driver: Driver, race: Race, env: Any) -> Tensor:
    """Q (D, A) or (D, K, A) of `driver` at each decision of `race` from the canonical start of `env`."""
    obs: Obs = env.reset(options={"start": "canonical"})[0]
    values = []
    for action in race.actions.to(env.device):
        values.append(driver.policy.act(obs, explore=False).q.cpu())
        obs = env.step(action[None])[0]
    return torch.cat(values)
