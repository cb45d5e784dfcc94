"""The records in experiments/ say nothing of the machine that made them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ABSOLUTE = re.compile(r'"(?:init_from=|demos=)?/[^"]*"')


def test_no_manifest_names_a_folder_of_one_machine() -> None:
    manifests = list((ROOT / "experiments").rglob("manifest.json"))
    assert len(manifests) > 100
    assert not [path for path in manifests if ABSOLUTE.search(path.read_text(encoding="utf-8"))]


def test_absolute_paths_lose_their_first_parts() -> None:
    portable = runpy.run_path(str(ROOT / "experiments" / "keep.py"))["portable"]
    kept = {
        "demos": "/a/b/driver.safetensors",
        "words": ["init_from='/a/b/clone/s3'", "track=a01", "demos=/x.pt"],
    }
    assert portable(kept) == {
        "demos": "driver.safetensors", "words": ["init_from='clone/s3'", "track=a01", "demos=x.pt"]
    }  # fmt: skip
    assert portable({"scale": 1 / 2, "share": "1/2", "none": None}) == {
        "scale": 0.5,
        "share": "1/2",
        "none": None,
    }
