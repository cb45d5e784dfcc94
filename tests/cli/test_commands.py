"""The commands as a user types them: speed, exit codes, one line of error, and a whole small run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from btr_tm.cli.configuration.composition import compose_job

TINY = [
    "profile=smoke",
    "logger=none",
    "encoder=none",
    "profile.total_frames=256",
    "profile.warmup_frames=64",
    "profile.eval_every=0",
    "profile.save_every=0",
    "profile.start_pool=8",
    "profile.race_ms=2000",
]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "", "COLUMNS": "120"}


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT, timeout=300)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--cfg", "job"],
        ["+experiment=a01_v4_btr", "--cfg", "job", "--resolve"],
        ["--info", "defaults"],
    ],
)
def test_what_is_only_shown_needs_no_torch(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys, atexit\n"
        "heavy = {'torch', 'wandb', 'gymnasium', 'matplotlib'}\n"
        "atexit.register(lambda: print('heavy:', sorted(heavy & set(sys.modules))))\n"
        f"sys.argv = ['btr_tm', *{arguments!r}]\n"
        "from btr_tm.cli.commands.train import main\n"
        "main()\n"
    )
    done = python("-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("heavy: []")
    assert not list(tmp_path.iterdir()), "looking leaves no files"


def test_help_names_experiments_and_groups(tmp_path: Path) -> None:
    shown = python("-m", "btr_tm", "--help", cwd=tmp_path).stdout
    for text in (
        "+experiment=quickstart",
        "encoder: the image branch",
        "      cnn, cnn_gap",
        "ablation:",
        "      ddqn, max, munchausen",
    ):
        assert text in shown


@pytest.mark.parametrize(
    "command",
    [
        "ablate",
        "dashboard",
        "evaluate",
        "watch",
        "export",
        "compare",
        "bench",
        "import_yaml",
        "draw_track",
        "inputs",
        "map",
    ],
)
def test_the_small_commands_explain_themselves(command: str, tmp_path: Path) -> None:
    done = python("-X", "importtime", "-m", f"btr_tm.{command}", "--help", cwd=tmp_path)
    assert done.returncode == 0 and "usage: python -m btr_tm." in done.stdout
    assert not {"torch", "scipy"} & {line.split("|")[-1].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-m", "btr_tm", "encoder=impla"], "unknown choice encoder=impla; did you mean 'impala'?"),
        (
            ["-m", "btr_tm", "--cfg", "job", "profile.cas=3"],
            "unknown key 'profile.cas'; did you mean 'cars'?",
        ),
        (["-m", "btr_tm", "exploration=noisy"], "exploration=noisy needs noise in the head"),
        (
            ["-m", "btr_tm", "-m", "+experiment=a01_v2", "+ablation=none,no_noisy"],
            "have the same configuration",
        ),
        (
            ["-m", "btr_tm", "+ablation=no_noisy", "+experiment=a01_v2"],
            "the ablation must follow its experiment",
        ),
        (["-m", "btr_tm.watch", "nothing.pt"], "does not exist"),
        (["-m", "btr_tm.watch", "nothing.inputs"], "nothing.inputs"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    done = python(*arguments, cwd=tmp_path)
    assert done.returncode not in (0, None)
    assert done.stderr.startswith("btr_tm: ") and sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir()), "nothing is written before everything is checked"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the tiny run has been trained."""
    folder = tmp_path_factory.mktemp("work")
    done = python("-m", "btr_tm", "+experiment=quickstart", "eval=inline", *TINY, "runs_dir=r", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run_of(workplace: Path) -> Path:
    (found,) = workplace.glob("r/quickstart/*/s0")
    return found


@pytest.mark.slow
def test_training_leaves_a_complete_run_folder(workplace: Path) -> None:
    run = run_of(workplace)
    for name in ("manifest.json", "record.jsonl", "summary.json", "status.json", "checkpoints"):
        assert (run / name).exists(), name
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["config"]["target"]["_target_"].endswith("Munchausen")


@pytest.mark.slow
def test_the_same_command_says_that_the_run_is_finished(workplace: Path) -> None:
    done = python("-m", "btr_tm", "+experiment=quickstart", "eval=inline", *TINY, "runs_dir=r", cwd=workplace)
    assert done.returncode == 0 and "finished" in done.stdout


@pytest.mark.slow
def test_evaluate_and_export_bring_the_driver_back(workplace: Path) -> None:
    run = str(run_of(workplace))
    done = python("-m", "btr_tm.evaluate", run, "--races", "3", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert "canonical" in done.stdout and "return_mean" in done.stdout
    assert python("-m", "btr_tm.export", run, "driver.safetensors", cwd=workplace).returncode == 0
    again = python("-m", "btr_tm.evaluate", "driver.safetensors", "--races", "3", cwd=workplace)
    assert again.stdout.splitlines()[1:] == done.stdout.splitlines()[1:]


@pytest.mark.slow
def test_a_failed_arm_does_not_end_a_sweep(tmp_path: Path) -> None:
    # A run of another configuration waits in the folder of the first arm.
    folder = tmp_path / compose_job([*TINY, "runs_dir=r"]).folder
    folder.mkdir(parents=True)
    held = {"run_id": "1", "seed": 0, "sessions": [], "config": {"convention": {"kappa": 0.005}}}
    (folder / "manifest.json").write_text(json.dumps(held))
    done = python("-m", "btr_tm", "-m", *TINY, "runs_dir=r", "seed=0,1", cwd=tmp_path)
    assert done.returncode != 0
    assert "1 of 2 runs failed" in done.stderr and "convention.kappa: 0.005 -> 1.0" in done.stderr
    states = [
        json.loads((folder.parent / f"s{seed}" / "status.json").read_text())["state"] for seed in (0, 1)
    ]
    assert states == ["failed", "done"]
    assert "1 arm x 2 seeds: 1 done, 1 failed" in done.stdout
    assert f"next: python -m btr_tm.compare {folder.parents[1].relative_to(tmp_path)}" in done.stdout
