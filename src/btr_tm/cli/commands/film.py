"""Films of what a driver did in the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from btr_tm.cli.assembly.driver import Driver
from btr_tm.cli.commands.common import refuse_unwritable_file
from btr_tm.core.errors import UserError
from btr_tm.core.interrupts import INTERRUPTS
from btr_tm.core.protocols import RedrivableEnv
from btr_tm.report.redrive import TICK_MS, Redriven, per_tick, redrive, values_per_tick
from btr_tm.report.video import SUFFIXES, race_video
from btr_tm.run.race import Race
from btr_tm.sim.pose import Pose
from btr_tm.sim.track.ribbon import Track

FPS = 20  # pictures a second
RATES = (1, 2, 4, 5, 10, 20, 25, 50, 100)


def refuse_film(path: str | Path, fps: int = FPS) -> None:
    """Raise UserError, before anything is driven, if there can be no such film."""
    refuse_unwritable_file(path, *SUFFIXES)
    if fps not in RATES:
        raise UserError(f"fps must be one of {RATES}, got {fps}: a picture is taken at the end of a tick")


def refuse_elsewhere(driver: Driver) -> None:
    """Raise UserError, before anything is driven, if the races of `driver` cannot be driven again."""
    if not driver.parts.env_class.can_redrive:
        raise UserError(
            "only races in the simulator can be filmed or compared with the author's; this driver drives "
            "elsewhere"
        )


def film_driver(driver: Driver, race: Race, path: str | Path, fps: int = FPS) -> Path:
    """Drive the canonical `race` of `driver` again and film it with the action values it was driven by."""
    env = world_of(driver)
    again = driven_again(driver, race)
    return film_race(driver.parts.track, again, path, values_per_tick(race.q, env.decision_ticks), fps)


def driven_again(driver: Driver, race: Race) -> Redriven:
    """The canonical `race` of `driver`, tick by tick."""
    env = world_of(driver)
    return redrive(driver.parts.track, per_tick(race.actions, env.decision_ticks, env.action_delay_ticks))


def world_of(driver: Driver) -> RedrivableEnv:
    """What the decisions of `driver` mean in ticks; closed already."""
    env = cast(RedrivableEnv, driver.parts.env(1, start_pool=1))
    env.close()
    return env


def film_race(
    track: Track, race: Redriven, path: str | Path, q: Tensor | None = None, fps: int = FPS
) -> Path:
    """Film `race` at `fps` pictures a second out of RATES; `q` (T, A) are action values, tick by tick."""
    ticks = 1000 // TICK_MS // fps
    tick = torch.arange(ticks - 1, len(race.actions), ticks)
    values = q if q is None else q[tick.clamp(max=len(q) - 1)]
    poses = Pose(*(field[tick] for field in race.pose))
    with INTERRUPTS.unwinding():  # half a film is removed
        return race_video(
            path, track, poses, race.actions[tick], (tick + 1) * TICK_MS, values, title=track.name
        )
