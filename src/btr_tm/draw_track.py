"""python -m btr_tm.draw_track: a picture of a track."""

from btr_tm.core.program import start

if __name__ == "__main__":
    start("btr_tm.cli.commands.draw_track")
