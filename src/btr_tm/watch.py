"""python -m btr_tm.watch: film a race."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from btr_tm.cli.commands.watch import main  # noqa: E402

if __name__ == "__main__":
    main()
