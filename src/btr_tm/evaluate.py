"""python -m btr_tm.evaluate: race a trained driver."""

from btr_tm.core.program import start


def main() -> None:
    """Race a trained driver."""
    start("btr_tm.cli.commands.evaluate")


if __name__ == "__main__":
    main()
