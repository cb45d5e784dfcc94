"""python -m btr_tm.export: write a trained driver as one file."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from btr_tm.cli.commands.export import main  # noqa: E402

if __name__ == "__main__":
    main()
