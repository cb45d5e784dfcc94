"""python -m btr_tm: trains. The console script btr-tm is the same."""

import os

# Before torch is imported: waiting OpenMP threads that spin halve the speed of a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from btr_tm.cli.commands.train import main  # noqa: E402

if __name__ == "__main__":
    main()
