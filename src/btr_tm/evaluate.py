"""python -m btr_tm.evaluate: race a trained driver."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Race a trained driver."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.commands.evaluate import main

        main()


if __name__ == "__main__":
    main()
