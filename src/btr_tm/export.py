"""python -m btr_tm.export: write a trained driver as one file."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Write a driver as one file."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.commands.export import main

        main()


if __name__ == "__main__":
    main()
