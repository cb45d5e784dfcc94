"""python -m btr_tm.ablate: which ingredient of a sweep helps, which hurts."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Report on a sweep."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.commands.ablate import main

        main()


if __name__ == "__main__":
    main()
