"""What a sweep says while other processes run its jobs, and how a job whose time is over begins again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.resource_tracker import _resource_tracker, ensure_running
from pathlib import Path

import psutil
import pytest

from btr_tm.cli.commands import launcher, train
from btr_tm.cli.configuration import composition
from btr_tm.core.interrupts import Interrupts
from btr_tm.run import status, sweep
from btr_tm.run.status import Status

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch):
    """This process as that of a job on a cluster; what submitit would do on its signal is noted."""
    interrupts, requeued = Interrupts(), []
    monkeypatch.setattr(launcher, "INTERRUPTS", interrupts)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
    signal.signal(signal.SIGUSR2, lambda number, frame: requeued.append(interrupts.asked))
    interrupts.listen()
    yield interrupts, requeued
    for number, handler in before.items():
        signal.signal(number, handler)


@posix
def test_a_job_whose_time_is_over_saves_before_it_is_queued_again(job) -> None:
    interrupts, requeued = job
    with launcher.requeueing():
        signal.raise_signal(signal.SIGUSR2)
        assert interrupts.asked and not requeued  # the run saves now, as after SIGTERM
    assert requeued == [True]


@posix
def test_a_job_that_slurm_ends_exits_with_75_and_one_that_is_done_ends_well(job) -> None:
    interrupts, requeued = job
    with launcher.requeueing():
        pass
    with pytest.raises(SystemExit) as end, launcher.requeueing():
        signal.raise_signal(signal.SIGTERM)
    assert end.value.code == 75 and not requeued


@posix
def test_where_no_scheduler_is_the_signal_keeps_its_meaning(job, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupts, requeued = job
    monkeypatch.delenv("SUBMITIT_EXECUTOR")
    with launcher.requeueing():
        signal.raise_signal(signal.SIGUSR2)
    assert requeued == [False]


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [("submitit_local", "timeout_min", 365 * 24 * 60), ("submitit_slurm", "max_num_timeout", 1000)],
)
def test_no_time_limit_ends_a_sweep_for_good(name: str, key: str, value: int) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    with composition.opened(None):
        cfg = composition.compose("config", [f"hydra/launcher={name}"], return_hydra_config=True)
    assert cfg.hydra.launcher[key] == value


def test_what_slurm_is_told_has_the_resources_and_the_signal(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    from submitit.slurm.slurm import _make_sbatch_string

    with composition.opened(None):
        words = ["hydra/launcher=submitit_slurm", *SLURM]
        cfg = composition.compose("config", words, return_hydra_config=True).hydra.launcher
    text = _make_sbatch_string(
        "run",
        tmp_path,
        partition=cfg.partition,
        time=cfg.timeout_min,
        gpus_per_node=cfg.gpus_per_node,
        signal_delay_s=cfg.signal_delay_s,
        additional_parameters=dict(cfg.additional_parameters),
    )
    for flag in ("partition=gpu", "time=240", "gpus-per-node=1", "signal=USR2@120", "requeue"):
        assert f"#SBATCH --{flag}\n" in text


SLURM = (
    "hydra.launcher.partition=gpu hydra.launcher.gpus_per_node=1 hydra.launcher.timeout_min=240 "
    "+hydra.launcher.additional_parameters.requeue=true"
).split()


def test_a_sweep_in_other_processes_is_told_of_when_it_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep.write(tmp_path, [("base", "s0"), ("base", "s1")])
    looked = threading.Semaphore(0)
    standings = sweep.standings

    def counted(folder: Path) -> list[sweep.Standing]:
        looked.release()
        return standings(folder)

    monkeypatch.setattr(launcher.sweep, "standings", counted)
    monkeypatch.setattr(launcher, "LOOK_EVERY_S", 0.001)
    with launcher._saying([tmp_path, tmp_path / "nothing"]):
        for state in ("", "done"):
            if state:
                status.write(tmp_path / "base" / "s0", Status(state))
            while looked.acquire(blocking=False):
                pass
            for _ in range(6):  # two looks at each folder, whole ones
                assert looked.acquire(timeout=60)
    assert capsys.readouterr().out.splitlines() == [
        "1 arm x 2 seeds: 2 waiting",
        "1 arm x 2 seeds: 1 done, 1 waiting",
    ]


@posix
def test_who_counts_shared_memory_is_no_job_to_wait_for() -> None:
    ensure_running()
    others = {process.pid for process in psutil.Process().children()}
    job = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = {process.pid for process in launcher._jobs()}
    job.communicate(b"\n")
    assert job.pid in found and _resource_tracker._pid in others - found


@pytest.mark.long
@posix
def test_a_job_that_submitit_stops_for_its_time_goes_on_where_it_was(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    words = (
        "-m hydra/launcher=submitit_local profile=smoke logger=none encoder=none profile.cars=8 "
        "profile.warmup_frames=64 profile.eval_every=0 profile.start_pool=8 profile.race_ms=2000 "
        "profile.total_frames=1000000 profile.log_every=64 profile.save_every=0"
    ).split()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": ""}
    pipes = {"stderr": subprocess.PIPE, "text": True}
    words = [sys.executable, "-m", "btr_tm", *words]
    with subprocess.Popen(words, cwd=tmp_path, env=environment, **pipes) as command:
        try:
            manifest = wait_for(tmp_path, "**/record.jsonl", "frames").parent / "manifest.json"
            task_of(command.pid).send_signal(signal.SIGUSR2)
            wait_for(tmp_path, "**/.submitit/*_log.out", "continuing at")
            assert len(json.loads(manifest.read_text())["sessions"]) == 2
            command.send_signal(signal.SIGTERM)
            command.communicate(timeout=300)
            assert command.returncode == 75
        finally:
            for process in (
                psutil.Process(command.pid).children(recursive=True) if command.poll() is None else []
            ):
                process.kill()
            command.kill()


def task_of(program: int) -> psutil.Process:
    """The process of the job, below submitit's controller."""
    below = psutil.Process(program).children(recursive=True)
    (task,) = [process for process in below if "submitit.core._submit" in process.cmdline()]
    return task


def wait_for(folder: Path, pattern: str, words: str) -> Path:
    until = time.monotonic() + 300
    while True:
        for path in folder.glob(pattern):
            if words in path.read_text():
                return path
        assert time.monotonic() < until, f"no {words}"
        time.sleep(0.2)


def test_a_run_of_a_sweep_that_crashes_is_counted_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from btr_tm.cli.assembly import assemble

    def build(job: composition.Composition) -> object:
        if job.cfg.seed == 0:
            raise ZeroDivisionError("no gradient")
        return Ended()

    monkeypatch.setattr(assemble, "build", build)
    words = ["-m", f"runs_dir={tmp_path.as_posix()}", "logger=none", "seed=0,1"]
    monkeypatch.setattr(sys, "argv", ["btr_tm", *words])
    monkeypatch.setattr(train, "INTERRUPTS", interrupts := Interrupts())
    interrupts.is_program = True
    monkeypatch.setattr(interrupts, "listen", lambda: None)
    with pytest.raises(SystemExit, match=r"1 of 2 runs failed: .*s0: ZeroDivisionError\('no gradient'\)"):
        train.main()
    said = capsys.readouterr()
    assert "Traceback" in said.err
    assert "1 arm x 2 seeds: 1 running, 1 waiting" in said.out
    assert "1 arm x 2 seeds: 1 done, 1 crashed" in said.out.split("| arm")[0]
    assert "left out: cannot read" in said.out  # the run that is done wrote no record


class Ended:
    """A run that has nothing left to do."""

    finished = True

    def train(self) -> None:
        pass
