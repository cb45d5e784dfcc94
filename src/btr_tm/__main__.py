"""python -m btr_tm: trains. The console script btr-tm is the same."""

from btr_tm.core.program import start


def main() -> None:
    """Train, as the command line says."""
    start("btr_tm.cli.commands.train", "; the same command continues")


if __name__ == "__main__":
    main()
