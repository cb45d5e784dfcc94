"""python -m btr_tm.game: what belongs to a real game, such as installing its plugin."""

from btr_tm.core.program import start


def main() -> None:
    """Do what the command line says."""
    start("btr_tm.cli.commands.game")


if __name__ == "__main__":
    main()
