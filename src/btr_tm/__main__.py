"""python -m btr_tm: trains. The console script btr-tm is the same."""

import os

from btr_tm.core.interrupts import INTERRUPTS

# Before torch is imported: waiting OpenMP threads that spin halve the speed of a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> None:
    """Train, as the command line says."""
    with INTERRUPTS.program("; the same command continues"):  # before anything is imported that takes a while
        from btr_tm.cli.commands.train import main

        main()


if __name__ == "__main__":
    main()
