"""python -m btr_tm.sweep: how the runs of a sweep stand."""

from btr_tm.core.program import start


def main() -> None:
    """Show a sweep."""
    start("btr_tm.cli.commands.sweep")


if __name__ == "__main__":
    main()
