"""python -m btr_tm.doctor: find out why a real game is not driven."""

from btr_tm.core.program import start


def main() -> None:
    """Check the chain to the game link by link."""
    start("btr_tm.cli.commands.doctor")


if __name__ == "__main__":
    main()
