"""Collectors in processes as a user runs them: sweeps, two runs in one folder, stopping and going on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from btr_tm.cli.assembly import assemble as compose
from btr_tm.cli.assembly.parts import Parts, checked, device_of
from btr_tm.cli.assembly.remote import BuildWorker
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.core.seeding import global_states, restore_global_states
from btr_tm.run.lock import hold
from btr_tm.run.remote import processes
from btr_tm.run.remote.processes import refuse_little_shared, refuse_too_many
from btr_tm.run.remote.weights import SharedWeights

WORDS = (
    "profile=smoke logger=none encoder=none collector=processes collector.workers=2 profile.cars=8 "
    "profile.warmup_frames=64 profile.eval_every=0 profile.start_pool=8 profile.race_ms=2000"
).split()
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "", "COLUMNS": "120"}


def start(folder: Path, *words: str, workers: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "btr_tm", *words, *WORDS, f"collector.workers={workers}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, **pipes)


def wait_for_rows(folder: Path, count: int) -> None:
    until = time.monotonic() + 120
    while sum(len(path.read_text().splitlines()) for path in folder.glob("**/record.jsonl")) < count:
        assert time.monotonic() < until, "no rows"
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_sigterm_saves_exits_with_75_and_the_run_goes_on(tmp_path: Path) -> None:
    endless = ["profile.total_frames=1000000", "profile.log_every=64", "profile.save_every=0"]
    run = start(tmp_path, *endless, workers=1)
    try:
        wait_for_rows(tmp_path, 2)
        run.send_signal(signal.SIGSTOP)  # it holds the folder all the same, and leaves the second the cores
        second = start(tmp_path, *endless, workers=1)
        assert "another process is training" in second.communicate(timeout=120)[0]
        assert second.returncode == 1
        run.send_signal(signal.SIGCONT)
        begin = time.monotonic()
        run.send_signal(signal.SIGTERM)
        output = run.communicate(timeout=60)[0]
        assert run.returncode == 75, output
        assert time.monotonic() < begin + 10
    finally:
        run.kill()
    frames = int(next(tmp_path.glob("**/frames_*.pt")).stem.split("_")[1])
    again = start(tmp_path, f"profile.total_frames={frames + 64}", *endless[1:], workers=1)
    output = again.communicate(timeout=120)[0]
    assert again.returncode == 0, output
    assert f"continuing at {frames:,} frames" in output


@pytest.mark.long
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_jobs_of_a_sweep_each_bring_their_own_collectors(tmp_path: Path, launcher: str) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    words = ["-m", f"hydra/launcher={launcher}", "seed=0,1", "profile.total_frames=256"]
    sweep = start(tmp_path, *words, workers=1)
    output = sweep.communicate(timeout=280)[0]
    assert sweep.returncode == 0, output
    states = [json.loads(path.read_text())["state"] for path in tmp_path.glob("**/status.json")]
    assert states == ["done", "done"]
    assert not list(tmp_path.glob("**/*%*"))


def test_a_folder_is_free_again_once_its_run_has_ended(tmp_path: Path) -> None:
    lock = hold(tmp_path)
    with pytest.raises(UserError, match="another process is training"):
        hold(tmp_path)
    lock.release()
    hold(tmp_path).release()


def test_more_workers_than_fit_are_refused_before_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.psutil, "virtual_memory", lambda: FreeMemory)
    refuse_too_many(2, 0)
    with pytest.raises(UserError, match="collector.workers=2"):
        refuse_too_many(3, 0)


def test_shared_memory_that_is_too_small_is_refused_before_anybody_writes_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processes, "SHARED", tmp_path)
    free = processes.psutil.disk_usage(str(tmp_path)).free
    refuse_little_shared(free // 2)
    with pytest.raises(UserError, match="lower collector.slots"):
        refuse_little_shared(2 * free)


class FreeMemory:
    available = 2.5 * processes.WORKER_BYTES


def test_workers_that_cannot_share_the_cars_equally_are_refused() -> None:
    from btr_tm.cli.assembly.assemble import collector_of

    parts = Parts(checked(compose_job([*WORDS, "collector.workers=3"]).values), device_of("cpu"))
    env = parts.env(8)
    with pytest.raises(UserError, match="share 8 cars equally"):
        collector_of(parts, env, parts.policy(env).net)


def test_a_run_that_is_refused_leaves_neither_shared_memory_nor_a_claim_on_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def made_too(*known):
        made.append(collector_of(*known))
        return made[-1]

    def refuse(*known):
        raise UserError("no network")

    def job(*words: str):
        return compose_job([*WORDS, f"runs_dir={tmp_path.as_posix()}", *words])

    collector_of = compose.collector_of
    with pytest.raises(UserError, match="share 8 cars equally"):
        compose.build(job("collector.workers=3"))
    assert not list(tmp_path.glob("**/manifest.json"))
    monkeypatch.setattr(compose, "collector_of", made_too)
    monkeypatch.setattr(compose, "_loggers", refuse)
    with pytest.raises(UserError, match="no network"):
        compose.build(job())
    with pytest.raises(FileNotFoundError):
        SharedWeights(made[0].weights.size, made[0].weights.name)


def test_third_party_games_draw_from_seeds_of_their_own() -> None:
    build = BuildWorker(checked(compose_job(WORDS).values), 2)
    before = global_states()
    drawn = []
    for worker, generation in ((0, 0), (1, 0), (0, 1), (0, 0)):
        build(worker, generation)
        drawn.append((random.random(), np.random.rand(), float(torch.rand(()))))
    restore_global_states(before)
    first, *others, again = drawn
    assert first == again
    assert all(a != b for other in others for a, b in zip(first, other, strict=True))


def test_every_worker_and_every_generation_drives_from_other_starts() -> None:
    build = BuildWorker(checked(compose_job(WORDS).values), 2)
    seen = []
    for worker, generation in ((0, 0), (1, 0), (0, 1), (0, 0)):
        env = build(worker, generation).env
        seen.append(env.reset(options={"start": "training"})[0].floats)
    first, *others, again = seen
    assert first.shape[0] == 4
    assert (first == again).all()
    assert all((first != other).any() for other in others)
