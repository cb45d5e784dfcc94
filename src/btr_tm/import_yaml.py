"""python -m btr_tm.import_yaml: turn a published configuration into an experiment."""

from btr_tm.core.program import start


def main() -> None:
    """Translate a published configuration."""
    start("btr_tm.cli.commands.import_yaml")


if __name__ == "__main__":
    main()
