"""python -m btr_tm.bench: measure speeds and memory."""

import os

from btr_tm.core.interrupts import INTERRUPTS

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported


def main() -> None:
    """Measure."""
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.cli.measuring.bench import main

        main()


if __name__ == "__main__":
    main()
