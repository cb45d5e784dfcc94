"""python -m btr_tm.compare: arms of seeds against each other, as a picture and a table."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from btr_tm.cli.commands.compare import main  # noqa: E402

if __name__ == "__main__":
    main()
