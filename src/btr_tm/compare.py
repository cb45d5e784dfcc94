"""python -m btr_tm.compare: arms of seeds against each other, as a picture and a table."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Compare arms."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.commands.compare import main

        main()


if __name__ == "__main__":
    main()
