"""Temporary folders do not outlive who made them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from btr_tm.run.remote.scratch import Scratch

MAKER = """
import time
from btr_tm.run.remote.scratch import Scratch
scratch = Scratch("btr_test_")
(scratch.folder / "file").write_text("x")
print(scratch.folder, flush=True)
time.sleep(60)
"""


def test_a_closed_folder_is_gone() -> None:
    scratch = Scratch("btr_test_")
    (scratch.folder / "deep").mkdir()
    (scratch.folder / "deep" / "file").write_text("x", encoding="utf-8")
    scratch.close()
    assert not scratch.folder.exists()
    scratch.close()


def test_the_folder_of_a_killed_process_is_gone() -> None:
    maker = subprocess.Popen([sys.executable, "-c", MAKER], stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    folder = Path(maker.stdout.readline().strip())
    assert (folder / "file").exists()
    maker.kill()
    maker.communicate()
    until = time.monotonic() + 20
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not folder.exists()
