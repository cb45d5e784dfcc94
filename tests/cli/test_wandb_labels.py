"""What a run carries in Weights & Biases."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm.cli.assembly import assemble
from btr_tm.cli.assembly.parts import Parts, checked, device_of
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.run.manifest import claim


def test_a_run_carries_its_sweep_arm_seed_and_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = ["+experiment=quickstart", "+ablation=[no_noisy,no_impala]", "seed=3"]
    words += [f"runs_dir={tmp_path.as_posix()}", "logger.wandb.entity=team", "logger.wandb.project=cars"]
    job = compose_job(words)
    parts = Parts(checked(job.values), device_of("cpu"))
    written: list[tuple] = []
    monkeypatch.setattr(assemble, "write_policy", lambda *known: written.append(known))
    manifest = claim(job.folder, assemble._recorded(parts.values), job.overrides, parts.seed, "resume")
    (sink,) = assemble._loggers(job, parts, manifest, "net")  # type: ignore[arg-type]
    said = sink._arguments
    config = said.pop("config")
    assert said == {
        "id": manifest.run_id,
        "dir": str(job.folder),
        "entity": "team",
        "project": "cars",
        "name": "quickstart/no_impala,no_noisy/s3",
        "group": "quickstart/no_impala,no_noisy",
        "job_type": "train",
        "tags": ["a01", "no_impala", "no_noisy"],
    }
    assert (config["sweep"], config["arm"], config["seed"]) == ("quickstart", "no_impala,no_noisy", 3)
    assert config["commit"] == manifest.commit and config["fingerprint"] == job.fingerprint
    sink._write_driver(tmp_path / "driver.safetensors")
    assert written == [(parts, "net", 0, tmp_path / "driver.safetensors")]
