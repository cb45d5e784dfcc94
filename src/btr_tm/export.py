"""python -m btr_tm.export: write a trained driver as one file."""

from btr_tm.core.program import start


def main() -> None:
    """Write a driver as one file."""
    start("btr_tm.cli.commands.export")


if __name__ == "__main__":
    main()
