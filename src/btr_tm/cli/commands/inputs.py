"""`python -m btr_tm.inputs`: a race as text in another form, driven in both to see that it is the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.cli.commands import common as commands

if TYPE_CHECKING:
    from btr_tm.race.inputs_file import InputsFile
    from btr_tm.sim.track.ribbon import Track

FORMS = ("ranges", "events", "keys")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.inputs",
        description="Write a race in another form: ranges (0.50-1.25 press left), events (0.50 press left, "
        "1.25 rel left) or keys (a table with the action of each decision). If its track is known, both "
        "forms are driven in the simulator and must end in the same millisecond.",
    )
    parser.add_argument(
        "file", metavar="FILE", help="an .inputs or .txt file of TMInterface, or a table of keys"
    )
    parser.add_argument(
        "--as", dest="form", choices=FORMS, default="ranges", help="what to write (default: ranges)"
    )
    parser.add_argument("--out", metavar="FILE", help="where it goes (default: on the screen)")
    parser.add_argument(
        "--ticks",
        metavar="N",
        type=commands.at_least_one,
        default=5,
        help="with --as keys: how many ticks of 10 ms a decision lasts (default: 5)",
    )
    parser.add_argument(
        "--track", help="drive both there: a shipped track, a .yaml or a .npy file (default: the file says)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Convert; errors that a user can fix are one line on stderr."""
    commands.run(convert, parser(), argv)


def convert(arguments: argparse.Namespace) -> None:
    """Write the other form, and say on stderr how the race ends in both."""
    import dataclasses

    from btr_tm.core.errors import UserError
    from btr_tm.core.files import write_atomic
    from btr_tm.race.input_script import LONGEST_TICKS
    from btr_tm.race.inputs_file import InputsFile, parse

    if arguments.out is not None:
        commands.refuse_unwritable_file(arguments.out)
    file = InputsFile.read(arguments.file)
    track, said = known_track(file, Path(arguments.file), arguments.track)
    if track is not None:
        file = dataclasses.replace(file, track=track.name, half_width_m=track.line_half_width_m)
    if arguments.ticks > LONGEST_TICKS:
        raise UserError(f"--ticks must be at most {LONGEST_TICKS:,}, got {arguments.ticks:,}")
    text = written(file, arguments.form, arguments.ticks)
    if track is not None:
        said = compared(track, file, parse(text, f"the {arguments.form}"))
    if arguments.out is None:
        print(text, end="")
    else:
        write_atomic(Path(arguments.out), text.encode())
        said = f"{arguments.out}: {said}"
    print(said, file=sys.stderr)


def written(file: InputsFile, form: str, ticks_per_action: int) -> str:
    """The race as text in one of FORMS."""
    if form == "events":
        return file.events_text()
    return file.keys_text(ticks_per_action) if form == "keys" else file.text()


def known_track(file: InputsFile, path: Path, chosen: str | None) -> tuple[Track | None, str]:
    """The track that was chosen, else that of the file; None and why the race is not driven without one."""
    from btr_tm.cli.commands.watch import track_of
    from btr_tm.core.errors import UserError

    try:
        return track_of(file, path, chosen), ""
    except UserError as error:
        if chosen is not None:
            raise
        return None, f"not driven, since {error}"


def compared(track: Track, one: InputsFile, other: InputsFile) -> str:
    """How both end on `track`; an error if they end otherwise."""
    import torch

    from btr_tm.core.errors import UserError
    from btr_tm.report.redrive import redrive_all, told_otherwise
    from btr_tm.report.summary import outcome

    print(f"driving both forms on {track.name}", file=sys.stderr, flush=True)
    first, second = redrive_all(track, [one.actions, other.actions])
    ends = [outcome(each) for each in (first, second)]
    if ends[0] != ends[1] or not torch.equal(first.actions, second.actions):
        raise UserError(f"both forms must end alike, got {ends[0]} and {ends[1]}; please report this file")
    told = told_otherwise(one, first)
    return f"{ends[0]} on {track.name} in both forms{f'; {told}' if told else ''}"
