"""A run that is killed in one of its file operations, or whose disk fills there, ends as one that is not.

`make faults` takes every operation; `make test` a few.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = os.environ.get("BTR_TM_FAULTS") == "full"
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("logger", "every"),
    [
        ("tensorboard", 1 if FULL else 120),
        pytest.param("wandb", 10 if FULL else 200, marks=() if FULL else pytest.mark.long),
    ],
)
def test_a_fault_in_a_file_operation_changes_no_outcome(tmp_path: Path, logger: str, every: int) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.run.file_faults",
        tmp_path,
        "--logger",
        logger,
        "--every",
        f"{every}",
    ]
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
