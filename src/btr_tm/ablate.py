"""python -m btr_tm.ablate: which ingredient of a sweep helps, which hurts."""

from btr_tm.core.program import start


def main() -> None:
    """Report on a sweep."""
    start("btr_tm.cli.commands.ablate")


if __name__ == "__main__":
    main()
