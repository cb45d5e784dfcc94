"""python -m btr_tm.import_yaml: turn a published configuration into an experiment."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Translate a published configuration."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.commands.import_yaml import main

        main()


if __name__ == "__main__":
    main()
