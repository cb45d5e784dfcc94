"""The wheel carries its configuration, tracks and commands."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_an_installed_wheel_works_in_another_folder(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="needed to build the wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    elsewhere.mkdir()
    for name in (
        "btr_tm/conf/config.yaml",
        "btr_tm/conf/ablation/none.yaml",
        "btr_tm/sim/tracks/a01.yaml",
        "btr_tm/game/plugin/BtrTm.as",
        "btr_tm/game/openplanet/main.as",
        "btr_tm/game/openplanet/info.toml",
        "btr_tm/py.typed",
        "btr_tm/report/html/page.css",
        "btr_tm/report/html/page.js",
        "btr_tm/report/html/templates/page.html",
    ):
        assert (site / name).is_file(), name
    (entry_points,) = site.glob("*.dist-info/entry_points.txt")
    assert "btr-tm = btr_tm.__main__:main" in entry_points.read_text()
    program = "import btr_tm.__main__ as m; print(m.__file__); m.main()"
    shown = subprocess.run(
        [sys.executable, "-c", program, "+experiment=a01_v4_btr", "--cfg", "job"],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(str(site)) and "a01_v4_btr" in shown.stdout
