"""python -m btr_tm.draw_track: a picture of a track."""

from btr_tm.cli.commands.draw_track import main

if __name__ == "__main__":
    main()
