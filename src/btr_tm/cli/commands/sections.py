"""Where a race loses time against the author's: a table, and a picture if one is asked for."""

from __future__ import annotations

from pathlib import Path

from btr_tm.cli.commands.common import refuse_unwritable_file
from btr_tm.core.errors import UserError
from btr_tm.report.redrive import Redriven
from btr_tm.report.section_picture import section_picture
from btr_tm.report.section_text import section_table, verdict
from btr_tm.report.sections import author_race, compare
from btr_tm.sim.track.ribbon import Track


def refuse_sections(track: Track, picture: str) -> Redriven:
    """The author's race; raise UserError, before anything is driven, if there can be no comparison."""
    if picture:
        refuse_unwritable_file(picture, ".png")
    return author_race(track)


def show_sections(track: Track, driver: Redriven, author: Redriven, picture: str) -> None:
    """Print the table, and write the picture unless its name is empty."""
    compared = compare(track, driver, author)
    if not compared:
        raise UserError("the race did not leave the start, so there is nothing to compare")
    print(f"\n{section_table(compared)}\n\n{verdict(compared, driver, author)}")
    if picture:
        print(section_picture(track, compared, driver, author, Path(picture)))
