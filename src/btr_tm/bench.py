"""python -m btr_tm.bench: measure speeds and memory."""

from btr_tm.core.program import start


def main() -> None:
    """Measure."""
    start("btr_tm.cli.measuring.bench")


if __name__ == "__main__":
    main()
