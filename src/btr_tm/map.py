"""python -m btr_tm.map: reference lines, and what a map of the game says."""

from btr_tm.core.program import start

if __name__ == "__main__":
    start("btr_tm.cli.commands.map")
