"""python -m btr_tm.compare: arms of seeds against each other, as a picture and a table."""

from btr_tm.core.program import start


def main() -> None:
    """Compare arms."""
    start("btr_tm.cli.commands.compare")


if __name__ == "__main__":
    main()
