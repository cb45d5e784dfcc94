"""Films of what a driver did in the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from btr_tm.cli.assembly.driver import Driver, newest
from btr_tm.cli.commands.common import refuse_unwritable_file
from btr_tm.core.errors import UserError
from btr_tm.core.interrupts import INTERRUPTS
from btr_tm.core.protocols import RedrivableEnv
from btr_tm.report.film import FULL, RATES, Look, Racer, Scene, film
from btr_tm.report.redrive import Redriven, per_tick, redrive, redrive_all, redrive_author, values_per_tick
from btr_tm.report.video import SUFFIXES
from btr_tm.run.race import Race
from btr_tm.sim.track.ribbon import Track


def refuse_film(path: str | Path, fps: int = FULL.fps) -> None:
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


def film_driver(driver: Driver, race: Race, path: str | Path) -> Path:
    """Drive the canonical `race` of `driver` again and film it with the action values it was driven by."""
    return film_racers(driver.parts.track, [racer_of(driver, race)], path)


def racer_of(driver: Driver, race: Race) -> Racer:
    """The canonical `race` of `driver`, driven again, with its action values."""
    values = values_per_tick(race.q, world_of(driver).decision_ticks)
    file = bool(driver.source.suffix)
    name = driver.source.name if file else "/".join(driver.source.absolute().parts[-2:])
    return Racer(f"{name} after {driver.frames:,} frames", driven_again(driver, race), values)


def driven_again(driver: Driver, race: Race) -> Redriven:
    """The canonical `race` of `driver`, tick by tick."""
    env = world_of(driver)
    return redrive(driver.parts.track, per_tick(race.actions, env.decision_ticks, env.action_delay_ticks))


def world_of(driver: Driver) -> RedrivableEnv:
    """What the decisions of `driver` mean in ticks; closed already."""
    env = cast(RedrivableEnv, driver.parts.env(1, start_pool=1))
    env.close()
    return env


def film_racers(track: Track, racers: Sequence[Racer], path: str | Path, look: Look = FULL) -> Path:
    """Film racers that start together, beside the author's car; the picture follows the first."""
    return film_scenes([Scene(track, racers, redrive_author(track))], path, look)


def film_scenes(scenes: Sequence[Scene], path: str | Path, look: Look = FULL) -> Path:
    """Film one scene after the other."""
    with INTERRUPTS.unwinding():  # half a film is removed
        return film(path, scenes, look)


def learning_scenes(folder: Path, driver: Driver) -> list[Scene]:
    """The canonical races of the first, the middle and the last evaluation of the run in `folder`."""
    _, content = newest(folder)
    kept = content["parts"]["evaluator"]["history"] if content is not None else []
    if not kept:
        raise UserError(f"the run in {folder} has not evaluated its driver yet")
    track, env = driver.parts.track, world_of(driver)
    races = first_middle_last([Race(**each) for each in kept])
    ticks = [per_tick(race.actions.long(), env.decision_ticks, env.action_delay_ticks) for race in races]
    author = redrive_author(track)
    names = [f"after {race.frames:,} frames" for race in races]
    return [
        Scene(track, [Racer(name, driven)], author)
        for name, driven in zip(names, redrive_all(track, ticks), strict=True)
    ]


def first_middle_last(races: Sequence[Race]) -> list[Race]:
    """Three of `races`, or as many as there are: the middle one was driven after half of the frames."""
    half = (races[0].frames + races[-1].frames) / 2
    middle = min(range(len(races)), key=lambda at: abs(races[at].frames - half))
    return [races[at] for at in sorted({0, middle, len(races) - 1})]
