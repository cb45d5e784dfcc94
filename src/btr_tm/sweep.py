"""python -m btr_tm.sweep: how the runs of a sweep stand."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Show a sweep."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.commands.sweep import main

        main()


if __name__ == "__main__":
    main()
