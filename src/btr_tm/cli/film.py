"""Films of what a driver did in the simulator."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from btr_tm.cli.driver import Driver
from btr_tm.core.errors import UserError
from btr_tm.core.types import Obs
from btr_tm.report.redrive import TICK_MS, Redriven, per_tick, redrive
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
    env = parts.values["env"]
    again = redrive(parts.track, per_tick(race.actions, env["ticks_per_action"], env["action_delay_ticks"]))
    return film_race(parts.track, again, path, action_values(driver, race), env["ticks_per_action"])


def film_race(
    track: Track,
    race: Redriven,
    path: str | Path,
    q: Tensor | None = None,
    ticks_per_action: int = PICTURE_TICKS,
) -> Path:
    """Film `race`; `q` (D, A) are the values of its decisions."""
    tick = torch.arange(PICTURE_TICKS - 1, len(race.actions), PICTURE_TICKS)
    values = q if q is None else q[(tick // ticks_per_action).clamp(max=len(q) - 1)]
    poses = Pose(*(field[tick] for field in race.pose))
    return race_video(path, track, poses, race.actions[tick], (tick + 1) * TICK_MS, values, title=track.name)


@torch.no_grad()
def action_values(driver: Driver, race: Race) -> Tensor:
    """Q (D, A) of `driver` at each decision of `race` from the canonical start."""
    env = driver.parts.env(1, start_pool=1)
    obs: Obs = env.reset(options={"start": "canonical"})[0]
    values = []
    for action in race.actions.to(env.device):
        values.append(driver.policy.act(obs, explore=False).q.cpu())
        obs = env.step(action.reshape(1))[0]
    env.close()
    return torch.cat(values)
