"""`python -m btr_tm.draw_track`: a track from above, its blocks numbered, before anyone drives it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from btr_tm.cli.commands import common as commands


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.draw_track",
        description="Draw a track from above with its blocks numbered, and its height along the road. A "
        "track whose blocks do not meet, or run into each other, is drawn too, and the mistake is named.",
    )
    parser.add_argument(
        "track", metavar="TRACK", help="a shipped track, a track file (.yaml) or a line (.npy)"
    )
    parser.add_argument(
        "--out", metavar="FILE", default="track.png", help="where the picture goes (default: track.png)"
    )
    parser.add_argument(
        "--half-width", metavar="M", type=float, default=12.0, help="of the road along a line (default: 12)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Draw; errors that a user can fix are one line on stderr."""
    commands.run(draw, parser(), argv)


def draw(arguments: argparse.Namespace) -> None:
    """Write the picture and say how long the road is; raise the first mistake of the track."""
    from btr_tm.core.errors import UserError
    from btr_tm.core.files import read_yaml
    from btr_tm.report.track_picture import laid, track_picture
    from btr_tm.sim.track.compile import draft
    from btr_tm.sim.track.file import parse_content
    from btr_tm.sim.track.load import load_track, track_path
    from btr_tm.sim.track.ribbon import SPACING_M

    path = track_path(arguments.track)
    if path.suffix == ".npy":
        ribbon, blocks, fault = load_track(path, arguments.half_width).ribbon, [], None
    else:
        file = parse_content(read_yaml(path), path.name)
        ribbon, numbers, fault = draft(file, path.name)
        blocks = laid(numbers, [block.kind for block in file.blocks])
    try:
        out = track_picture(ribbon, blocks, arguments.out, path.stem)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write a picture to {arguments.out} ({error})") from error
    length_m = SPACING_M * (len(ribbon.centre) - 1)
    print(f"{out}: {length_m:,.0f} m of road" + (f", {len(blocks)} blocks" if blocks else ""))
    if fault is not None:
        raise fault
