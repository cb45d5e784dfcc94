"""python -m btr_tm.evaluate: race a trained driver."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from btr_tm.cli.commands.evaluate import main  # noqa: E402

if __name__ == "__main__":
    main()
