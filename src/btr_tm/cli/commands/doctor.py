"""`python -m btr_tm.doctor`: the chain between us and a real game, link by link, and how to mend it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    from btr_tm.cli.configuration.schema import Node
    from btr_tm.envs.desktop.env import DesktopVectorEnv
    from btr_tm.game.doctor.bench import Drive
    from btr_tm.game.doctor.diagnosis import Verdict

PICTURE = (160, 120)  # width and height, as published runs had at most
A_DRIVE_MS = 5000


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.doctor",
        description="Check the chain to the game link by link; for each it prints OK, or what is wrong and "
        "how to mend it. The exit code is 1 if a link is broken.",
    )
    parser.add_argument(
        "overrides",
        nargs="+",
        metavar="OVERRIDE",
        help="as for training: env=tminterface ..., or env=desktop ...",
    )
    parser.add_argument(
        "--inputs", metavar="FILE", help="compare speeds with these inputs, best up to the finish"
    )
    parser.add_argument("--game-folder", type=Path, metavar="FOLDER", help="as for python -m btr_tm.game")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Look at every link; errors that a user can fix are one line on stderr."""
    commands.run(examine, parser(), argv, mixed=True)


def examine(arguments: argparse.Namespace) -> None:
    """Print one line per link, with the fix of what is broken."""
    from btr_tm.cli.assembly.parts import checked
    from btr_tm.cli.configuration.composition import compose_job
    from btr_tm.game.doctor.diagnosis import Answer

    values = checked(compose_job(arguments.overrides).values)
    game = values["env"]["_target_"]
    doctor = DOCTORS.get(game)
    if doctor is None:
        raise UserError(f"the doctor looks at real games, got {game}; add env=tminterface, or env=desktop")
    broken = []
    for verdict in doctor(values, arguments):
        print(_line(verdict), flush=True)
        if verdict.answer is Answer.BROKEN:
            broken.append(verdict.name)
    if broken:
        sys.exit(1)
    print("all is well: train with the same overrides")


def _line(verdict: Verdict) -> str:
    fix = f"\n{'':>22}fix: {verdict.fix}" if verdict.fix else ""
    return f"{verdict.name:<20}  {verdict.answer.value}: {verdict.found}{fix}"


def _tminterface(values: Node, arguments: argparse.Namespace) -> Iterator[Verdict]:
    from btr_tm.cli.assembly.build import make
    from btr_tm.envs.tminterface.machine import TICK_MS, Settings
    from btr_tm.game.doctor.bench import Bench
    from btr_tm.game.doctor.diagnosis import diagnose
    from btr_tm.game.doctor.tminterface import LINKS
    from btr_tm.game.folders import this_machine

    env, (width, height) = values["env"], PICTURE
    settings = Settings(
        map=env["map"],
        running_speed=env["running_speed"],
        decision_ticks=env["ticks_per_action"],
        period_ms=TICK_MS * env["ticks_per_action"],
        width=width,
        height=height,
        camera=env["camera"],
        idle_s=env["idle_s"],
        commands=tuple(env["commands"]),
    )
    bench = Bench(
        settings,
        env["port"],
        make(env["patience"]),
        make(env["program"]),
        this_machine(),
        _drive(arguments.inputs, settings.decision_ms),
        arguments.game_folder,
    )
    try:
        yield from diagnose(LINKS, bench)
    finally:
        bench.leave()
        bench.program.close()


def _desktop(values: Node, arguments: argparse.Namespace) -> Iterator[Verdict]:
    import torch

    from btr_tm.cli.assembly.parts import Parts
    from btr_tm.envs.desktop.protocols import REAL_TIME
    from btr_tm.game.doctor.desktop import LINKS, Bench
    from btr_tm.game.doctor.diagnosis import diagnose

    width, height = PICTURE
    parts = Parts(values, torch.device("cpu"))
    size = parts.image_size if any(parts.image_size) else (height, width)
    env = cast("DesktopVectorEnv", parts.env(1, image_size=size))
    try:
        yield from diagnose(LINKS, Bench(env.racing, REAL_TIME))
    finally:
        env.racing.close()


def _drive(path: str | None, decision_ms: int) -> Drive:
    """The keys of a file tick by tick, or else gas with some steering."""
    from btr_tm.game.doctor.bench import Drive
    from btr_tm.game.doctor.tminterface import GAS, LEFT, RIGHT
    from btr_tm.race import actions
    from btr_tm.race.inputs_file import InputsFile

    if path is not None:
        return Drive(actions.keys(InputsFile.read(path).actions).int().tolist(), ticks=1)
    steps = A_DRIVE_MS // decision_ms
    order = [GAS, GAS, LEFT, RIGHT, GAS]
    return Drive([order[5 * step // steps] for step in range(steps)], decision_ms // 10)


DOCTORS: dict[str, Callable[[Node, argparse.Namespace], Iterator[Verdict]]] = {
    "btr_tm.envs.desktop.env.DesktopVectorEnv": _desktop,
    "btr_tm.envs.tminterface.env.TMInterfaceVectorEnv": _tminterface,
}
