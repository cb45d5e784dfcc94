"""python -m btr_tm.bench: measure speeds and memory."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported

from btr_tm.cli.measuring.bench import main  # noqa: E402

if __name__ == "__main__":
    main()
