"""Ctrl-C and SIGTERM at every stage of a command: real processes get real signals, at a known place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

SMALL = (
    "profile=smoke logger=none encoder=none profile.cars=8 profile.warmup_frames=64 profile.eval_every=0 "
    "profile.start_pool=8 profile.race_ms=2000 profile.total_frames=256"
).split()
NO_REPORT = (
    "from btr_tm.cli.assembly import assemble\n"
    "from btr_tm.run.run import NoReport\n"
    "assemble._report = lambda *known: NoReport()"
)
TWO_COLLECTORS = ["collector=processes", "collector.workers=2"]
# Python imports this at the start of every process: the first one of a kind that is about to import a module
# sends a signal to the whole group, as a terminal does.
CUSTOMIZE = """
import os, sys

class Sender:
    def find_spec(self, name, path=None, target=None):
        is_child = any("fork" in word or "loky" in word for word in sys.orig_argv)
        if name == os.environ["AT"] and is_child == (os.environ["IN"] == "child"):
            try:
                os.close(os.open("sent", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.killpg(0, int(os.environ["SEND"]))

sys.meta_path.insert(0, Sender())
"""


def command(*words: str) -> list[str]:
    return ["-m", "btr_tm", *words, *SMALL]


def patched(patch: str, *words: str) -> list[str]:
    """The command, after some lines of Python."""
    begin = "import os, signal, sys\nfrom btr_tm.__main__ import main\n"
    return ["-c", f"{begin}{patch}\nif __name__ == '__main__': main()", *words, *SMALL]


def run(folder: Path, arguments: list[str], **environment: str) -> tuple[int, str]:
    """Exit code and output of Python in a process group of its own."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "", "COLUMNS": "120"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        start_new_session=True,
    )
    return done.returncode, done.stdout


def run_and_send(
    folder: Path, arguments: list[str], number: int, at: str, place: str = "program"
) -> tuple[int, str]:
    """The same; `place` (program, or a child of it) sends `number` when it imports `at`."""
    hooks = folder / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(CUSTOMIZE)
    path = os.pathsep.join([str(hooks), *filter(None, [os.environ.get("PYTHONPATH")])])
    return run(folder, arguments, PYTHONPATH=path, SEND=str(int(number)), AT=at, IN=place)


def assert_quiet(output: str) -> None:
    for noise in ("Traceback", "Interrupted", "BufferError", "leaked", "Exception ignored"):
        assert noise not in output, output


def states(folder: Path) -> list[str]:
    return [json.loads(path.read_text())["state"] for path in sorted(folder.glob("**/status.json"))]


@pytest.mark.parametrize(
    ("number", "at", "code"),
    [(signal.SIGINT, "btr_tm.cli.commands.train", 130), (signal.SIGTERM, "omegaconf", 75)],
)
def test_a_signal_while_the_command_is_imported_ends_it_in_one_line(
    tmp_path: Path, number: int, at: str, code: int
) -> None:
    assert run_and_send(tmp_path, command(), number, at) == (
        code,
        "btr_tm: stopped; the same command continues\n",
    )


@pytest.mark.parametrize("name", ["evaluate", "watch", "export", "compare", "import_yaml", "bench"])
def test_every_other_command_ends_in_one_line_too(tmp_path: Path, name: str) -> None:
    got = run_and_send(tmp_path, ["-m", f"btr_tm.{name}"], signal.SIGINT, "btr_tm.cli.commands.common")
    assert got == (130, "btr_tm: stopped\n")


@pytest.mark.slow
def test_sigterm_while_the_parts_are_built_ends_the_command(tmp_path: Path) -> None:
    patch = (
        "from btr_tm.cli.assembly import assemble\n"
        "assemble.claim = lambda *known: os.kill(os.getpid(), signal.SIGTERM)"
    )
    got = run(tmp_path, patched(patch, *TWO_COLLECTORS))
    assert got == (75, "btr_tm: stopped; the same command continues\n")
    assert states(tmp_path) == ["stopped"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [TWO_COLLECTORS, pytest.param(["parallel=ddp", "parallel.processes=2"], marks=pytest.mark.long)],
)
def test_ctrl_c_while_other_processes_start_is_not_theirs_to_answer(tmp_path: Path, words: list[str]) -> None:
    code, output = run_and_send(tmp_path, command(*words), signal.SIGINT, "torch", "child")
    assert code == 130 and "the same command continues" in output, output
    assert_quiet(output)


@pytest.mark.slow
def test_one_ctrl_c_saves_and_ends_a_whole_sweep_which_the_same_command_continues(tmp_path: Path) -> None:
    patch = (
        "from btr_tm.run.checkpoint import Checkpoint\n"
        "save = Checkpoint.save\n"
        "def saved(self):\n"
        "    Checkpoint.save = save\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return save(self)\n"
        "Checkpoint.save = saved"
    )
    words = ["-m", "seed=0,1", "profile.save_every=64"]
    code, output = run(tmp_path, patched(patch, *words))
    assert code == 130 and "\nstopped at 64 frames; the same command continues the run\n" in output, output
    assert_quiet(output)
    assert states(tmp_path) == ["stopped"]
    code, output = run(tmp_path, patched(NO_REPORT, *words))
    assert code == 0 and "continuing at 64 frames" in output, output
    assert states(tmp_path) == ["done", "done"]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["torch", pytest.param("btr_tm.report.video", marks=pytest.mark.long)])
def test_ctrl_c_ends_the_jobs_that_a_launcher_runs_in_other_processes(tmp_path: Path, at: str) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    words = ["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1,2"]
    code, output = run_and_send(tmp_path, command(*words), signal.SIGINT, at, "child")
    assert code == 130 and output.endswith("btr_tm: stopped; the same command continues\n"), output
    assert_quiet(output)
    assert len(states(tmp_path)) < 3


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once_and_leaves_no_shared_memory(tmp_path: Path) -> None:
    patch = (
        "from btr_tm.run.run import Run\n"
        "def twice(self):\n"
        "    print([handle.chunks.name for handle in self.collector.handles], flush=True)\n"
        "    for _ in range(2): os.killpg(0, signal.SIGINT)\n"
        "Run._save_last = twice"
    )
    code, output = run(tmp_path, patched(patch, *TWO_COLLECTORS))
    *lines, last = output.splitlines()
    (names,) = [line for line in lines if line.startswith("[")]  # a slow machine says more on the way
    assert (code, last) == (130, "btr_tm: stopped at once; the same command continues"), output
    assert_quiet(output)
    assert states(tmp_path) == ["stopped"]
    assert not [name for name in json.loads(names.replace("'", '"')) if Path("/dev/shm", name).exists()]


@pytest.mark.slow
def test_ctrl_c_during_the_film_ends_the_command_and_the_same_one_makes_it(tmp_path: Path) -> None:
    words = ["-m", "seed=0,1"]
    code, output = run_and_send(tmp_path, command(*words), signal.SIGINT, "btr_tm.report.video")
    assert code == 130 and output.endswith("btr_tm: stopped; the same command continues\n"), output
    assert_quiet(output)
    assert states(tmp_path) == ["stopped"]
    code, output = run(tmp_path, command())
    assert code == 0 and "continuing at 256 frames" in output, output
    assert states(tmp_path) == ["done"]


def test_an_error_while_chunks_are_in_use_brings_no_noise_about_their_memory(tmp_path: Path) -> None:
    program = (
        "import numpy as np, sys\n"
        "from btr_tm.run.remote.arrays import Field, Layout, Shared\n"
        "shared = Shared(Layout({'a': Field((4,), np.dtype(np.int64))}))\n"
        "view = shared.records[0]['a']\n"
        "shared.close()\n"
        "sys.exit('one line')"
    )
    assert run(tmp_path, ["-c", program]) == (1, "one line\n")
