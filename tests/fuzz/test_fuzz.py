"""Damaged files end in a sentence. `make fuzz` takes 25,000 of them, `make test` a few hundred."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs limits of the memory of a process")
def test_damaged_files_end_in_a_sentence_soon_and_write_nowhere_else() -> None:
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "tests.fuzz.run", "--count", "200"]
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
