"""python -m btr_tm.dashboard: the workspace of Weights & Biases for our runs."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Make the dashboard."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.commands.dashboard import main

        main()


if __name__ == "__main__":
    main()
