"""python -m btr_tm.dashboard: the workspace of Weights & Biases for our runs."""

from btr_tm.core.program import start


def main() -> None:
    """Make the dashboard."""
    start("btr_tm.cli.commands.dashboard")


if __name__ == "__main__":
    main()
