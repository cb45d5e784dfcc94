"""python -m btr_tm.watch: film a race."""

from btr_tm.core.program import start


def main() -> None:
    """Film a race."""
    start("btr_tm.cli.commands.watch")


if __name__ == "__main__":
    main()
