"""`python -m btr_tm.map`: makes reference lines, finds what is wrong with them, and tells what a map says."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands
from btr_tm.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from btr_tm.maps.check import Fault
    from btr_tm.maps.gbx.challenge import Course
    from btr_tm.maps.gbx.container import GbxFile

PLAIN = re.compile(r"[\w./:\\ -]+")  # what Hydra takes as it is
MOST_TOLD = 20  # faults of one line
GAME_ONLY = "the simulator has no such road, so that the line is for the game only"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.map",
        description="Make a reference line of a race, find what is wrong with one, or tell what a map says.",
    )
    tasks = parser.add_subparsers(metavar="TASK", required=True)
    make = tasks.add_parser(
        "make", help="a line from a replay, a ghost, a race of the simulator, or positions"
    )
    make.add_argument(
        "file",
        metavar="FILE",
        help="a .Replay.Gbx, .Ghost.Gbx or .inputs file, or an .npy of positions",
    )
    make.add_argument(
        "--out", metavar="LINE.npy", help="where the line goes (default: beside you, named as FILE)"
    )
    make.add_argument("--track", help="with an .inputs file: where it was driven (default: the file says)")
    make.set_defaults(task=make_line)
    record = tasks.add_parser("record", help="a line from the lap that you drive now in a game in a window")
    record.add_argument(
        "overrides",
        nargs="*",
        metavar="OVERRIDE",
        help="as for training: env/telemetry=tmrl11, env.game.telemetry.port=9000 ...",
    )
    record.add_argument("--out", metavar="LINE.npy", default="line.npy", help="where the line goes")
    record.set_defaults(task=record_line)
    check = tasks.add_parser("check", help="everything that is wrong with a line, and a picture of it")
    check.add_argument("file", metavar="LINE.npy", help="the line")
    check.add_argument("--map", metavar="MAP.Gbx", help="the map it is for: does it pass the checkpoints?")
    check.add_argument("--out", metavar="PNG", help="draw the line there, its faults marked")
    check.set_defaults(task=check_line)
    info = tasks.add_parser("info", help="name, UID, author, checkpoints and times of a map or a replay")
    info.add_argument("file", metavar="FILE.Gbx", help="a .Challenge.Gbx, .Replay.Gbx or .Ghost.Gbx")
    info.set_defaults(task=tell)
    for each in (make, record, check):
        each.add_argument(
            "--half-width", metavar="M", type=float, default=12.0, help="of the road along it (default: 12)"
        )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Do the task; errors that a user can fix are one line on stderr."""
    commands.run(lambda arguments: arguments.task(arguments), parser(), argv)


def make_line(arguments: argparse.Namespace) -> None:
    """Write the line and its picture, and say how to drive it."""
    from btr_tm.cli.commands.map_sources import line_from
    from btr_tm.sim.track.source import MAP

    out = Path(arguments.out or Path(arguments.file).name.split(".")[0] + ".npy")
    commands.refuse_unwritable_file(out, ".npy")
    line, told, course = line_from(arguments.file, arguments.track)
    if out.exists() and out.samefile(arguments.file):
        raise UserError(f"{out} would be written over itself; add --out with another name")
    drivable = keep(line, told, course, arguments.file, out, arguments.half_width)
    out.with_suffix(MAP).unlink(missing_ok=True)  # of an earlier line of this name
    if drivable:
        print(f"drive it: python -m btr_tm +experiment=quickstart {line_overrides(out)}")


def record_line(arguments: argparse.Namespace) -> None:
    """Follow a lap in the game, and write its line, its map and its picture."""
    from btr_tm.cli.commands.map_sources import line_driven
    from btr_tm.core.files import write_atomic
    from btr_tm.sim.track.source import MAP

    out = Path(arguments.out)
    commands.refuse_unwritable_file(out, ".npy")
    line, told, map_id = line_driven(arguments.overrides)
    keep(line, told, None, "the lap", out, arguments.half_width)
    bound = out.with_suffix(MAP)
    if map_id:
        write_atomic(bound, f"{map_id}\n".encode())
        print(f"{bound}: the line is for the map {map_id}")
    else:
        bound.unlink(missing_ok=True)
        print("this telemetry does not say which map is open, so see to it that it is this one")
    typed = " ".join(["env=desktop", *arguments.overrides, line_overrides(out)])
    print(f"drive it: python -m btr_tm +experiment=quickstart {typed}")


def line_overrides(out: Path) -> str:
    """What chooses that line."""
    if PLAIN.fullmatch(str(out)):
        return f"track=line track.name_or_path={shlex.quote(str(out))}"
    quoted = "'" + str(out).replace("'", "\\'") + "'"  # for Hydra, inside the quotes for the shell
    return f"track=line {shlex.quote('track.name_or_path=' + quoted)}"


def keep(
    line: np.ndarray, told: str, course: Course | None, source: str, out: Path, half_width_m: float
) -> bool:
    """Write a line and its picture, unless something is wrong with it; whether the simulator can drive it."""
    import io

    import numpy as np

    from btr_tm.core.files import write_atomic
    from btr_tm.maps.check import RECORD_AGAIN

    found = all_faults(line, course, str(out), half_width_m, RECORD_AGAIN)
    refuse(found, source)
    content = io.BytesIO()
    np.save(content, line)
    write_atomic(out, content.getvalue())
    print(f"{out}: {length_text(line)}, from {told}")
    tell_faults(found)
    picture = drawn(line, found, course, out.with_suffix(".png"), half_width_m)
    print(f"{picture}: look at it before you drive")
    return not any(fault.sentence.startswith(GAME_ONLY) for fault in found)


def check_line(arguments: argparse.Namespace) -> None:
    """Say what is wrong with the line; an error if it cannot be used."""
    from btr_tm.maps.check import RESAMPLE
    from btr_tm.maps.gbx import challenge
    from btr_tm.race.line_points import positions_in, read_points

    line = positions_in(read_points(arguments.file), arguments.file)
    course = challenge.course(challenge.read(arguments.map)) if arguments.map else None
    found = all_faults(line, course, arguments.file, arguments.half_width, RESAMPLE)
    print(f"{arguments.file}: {length_text(line)}")
    tell_faults(found)
    if arguments.out is not None and len(line) > 1:
        print(drawn(line, found, course, Path(arguments.out), arguments.half_width))
    refuse(found, arguments.file)
    print("it can be used" if found else "nothing is wrong with it")


def tell(arguments: argparse.Namespace) -> None:
    """Print what a file of the game says."""
    from btr_tm.maps.gbx import container, replay
    from btr_tm.maps.gbx.container import CHALLENGE

    file = container.read(arguments.file)
    if file.kind == CHALLENGE:
        print("\n".join(map_lines(file)))
        return
    found = replay.of_file(file)
    for number, ghost in enumerate(found.ghosts, start=1):
        period_ms = ghost.records.times_ms[1] - ghost.records.times_ms[0]
        respawns = f", {ghost.respawns} respawns" if ghost.respawns else ""
        print(f"race {number}: {time_text(ghost.time_ms)}, {len(ghost.records.times_ms):,} records "
              f"of {period_ms} ms{respawns}")  # fmt: skip
    if (track := found.map()) is not None:
        print("\n".join(map_lines(track)))


def map_lines(file: GbxFile) -> list[str]:
    """What a map says, a line for each thing."""
    from btr_tm.maps.gbx import challenge

    header, course = challenge.header(file), challenge.course(file)
    laps = f", {course.laps} laps" if course.laps > 1 else ""
    return [
        f"map: {header.name}",
        f"uid: {header.uid}",
        f"author: {header.author}",
        f"environment: {header.environment}",
        f"checkpoints: {len(course.checkpoints)}{laps}",
        *(f"{medal}: {time_text(header.times_ms[medal])}" for medal in reversed(challenge.MEDALS)),
    ]


def all_faults(
    line: np.ndarray, course: Course | None, source: str, half_width_m: float, uneven: str
) -> list[Fault]:
    """What is wrong with a line, on the map too if there is one, and what loading it says.

    `uneven` as for maps.check.faults.
    """
    from btr_tm.maps.check import Fault, faults
    from btr_tm.maps.gates import gate_faults
    from btr_tm.maps.line import SPACING_M
    from btr_tm.race.reference_line import ReferenceLine
    from btr_tm.sim.track.line import line_track, refuse_half_width

    refuse_half_width(half_width_m, source)
    found = sorted([*faults(line, SPACING_M, source, uneven), *(gate_faults(line, course) if course else [])])
    if any(fault.refused for fault in found):
        return found
    try:
        ReferenceLine.from_points(line, SPACING_M, source=source)
    except UserError as error:
        return [*found, Fault(0.0, str(error).removeprefix(f"{source}: "), refused=True)]
    try:
        line_track(line, half_width_m, source=source)
    except UserError as error:  # the game has roads that the simulator has not
        found.append(Fault(0.0, f"{GAME_ONLY}: {str(error).removeprefix(f'{source}: ')}", refused=False))
    return found


def tell_faults(found: Sequence[Fault]) -> None:
    """A line for each."""
    for fault in found[:MOST_TOLD]:
        print(f"  at {fault.metres:.1f} m: {fault.sentence}")
    if len(found) > MOST_TOLD:
        print(f"  and {len(found) - MOST_TOLD} more")


def refuse(found: Sequence[Fault], source: str) -> None:
    """UserError with the first fault that must be mended."""
    bad = [fault for fault in found if fault.refused]
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise UserError(f"{source} cannot be used: at {bad[0].metres:.1f} m {bad[0].sentence}{more}")


def drawn(
    line: np.ndarray, found: Sequence[Fault], course: Course | None, out: Path, half_width_m: float
) -> Path:
    """The picture of the line."""
    import numpy as np

    from btr_tm.report.line_picture import Mark, line_picture

    marks = [Mark(fault.metres, fault.refused) for fault in found]
    gates = np.array([gate.centre_m for gate in course.gates]) if course else None
    try:
        return line_picture(line, out, out.stem, half_width_m, marks, gates)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write a picture to {out} ({error})") from error


def length_text(line: np.ndarray) -> str:
    """How long it is, and how far its points are from each other."""
    import numpy as np

    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    apart = f", {steps.min():.2f} to {steps.max():.2f} m apart" if len(steps) else ""
    return f"{steps.sum():,.1f} m in {len(line):,} points{apart}"


def time_text(time_ms: int | None) -> str:
    """24.54 s; for a race that did not finish, or a medal that is not set, that."""
    return f"{time_ms / 1000:.2f} s" if time_ms is not None else "none"
