"""python -m btr_tm.watch: film a race."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Film a race."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.commands.watch import main

        main()


if __name__ == "__main__":
    main()
