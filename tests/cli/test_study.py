"""From a sweep to its report, as `make study` does it, with networks that learn nothing."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = shlex.split(
    "eval=inline profile=smoke encoder=none head=ln profile.total_frames=512 profile.warmup_frames=64 "
    "profile.eval_every=128 profile.log_every=128 profile.save_every=0 profile.start_pool=8 "
    "profile.race_ms=1000 profile.eval_starts=1"
)


def commands() -> list[list[str]]:
    """Those of the target `study`."""
    recipe = (ROOT / "Makefile").read_text().split("\nstudy:")[1].split("\n\n")[0]
    return [shlex.split(line)[1:] for line in re.findall(r"^\t(.*)$", recipe, flags=re.M)]


@pytest.mark.slow
def test_a_study_ends_in_its_reports(tmp_path: Path) -> None:
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    said = []
    for words in commands():
        more = [*SMALL, "target=ddqn,munchausen"] if "+experiment=quickstart" in words else []
        words = [word for word in words if not (more and word.startswith(("profile.", "+ablation=")))]
        done = subprocess.run(
            [sys.executable, *words, *more], cwd=tmp_path, env=quiet, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done.stdout)
    assert "2 arms x 2 seeds: 4 done" in said[1]
    made = {path.name for path in (tmp_path / "runs" / "study").iterdir() if path.is_file()}
    assert {
        "comparison.md",
        "comparison.png",
        "ablation.md",
        "forest.png",
        "curves.png",
        "report.html",
    } <= made
    assert "exploratory" in (tmp_path / "runs" / "study" / "ablation.md").read_text()
