"""python -m btr_tm.import_yaml: turn a published configuration into an experiment."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from btr_tm.cli.commands.import_yaml import main  # noqa: E402

if __name__ == "__main__":
    main()
