"""python -m btr_tm.play: drive a lap yourself."""

from btr_tm.core.program import start


def main() -> None:
    """Drive."""
    start("btr_tm.cli.commands.play")


if __name__ == "__main__":
    main()
