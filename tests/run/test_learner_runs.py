"""Whole runs of every learner: killed, stopped, gone wrong; and what becomes of their drivers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.assembly.driver import load_driver
from btr_tm.cli.commands import demos, evaluate, export, film, watch
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.race.inputs_file import InputsFile
from btr_tm.run import manifest
from btr_tm.run.run import NoReport, Run

from .test_resume import rows, same, states

LEARNERS = {
    "ppo": ["+experiment=ppo", "replay.steps=10", "learner.passes.minibatches=2"],
    "bc": ["+experiment=bc"],
}
SIZES = (
    "profile=smoke logger=none profile.threads=1 profile.total_frames=320 profile.save_every=128 "
    "profile.eval_every=192 profile.eval_starts=1 profile.warmup_frames=64 profile.race_ms=1000 "
    "profile.start_pool=8 profile.image_height=16 profile.image_width=16"
).split()
FIRST_SAVED, SAVED, BROKEN_AT = 128, 256, 280  # frames; the last is in the middle of races and of a rollout
BREAK = f"""
import os, sys
from btr_tm.__main__ import main
from btr_tm.run import train
store, stored = train.store, []

def watched(replay, chunk):
    store(replay, chunk)
    stored.append(chunk.frames)
    if sum(stored) == {BROKEN_AT}:
        os.kill(os.getpid(), int(os.environ["SEND"]))

train.store = watched
main()
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations: full throttle for a while."""
    folder = tmp_path_factory.mktemp("shown")
    InputsFile("a01", 1, 0, torch.zeros(150, dtype=torch.int64)).write(folder / "a.inputs")
    words = ["+experiment=bc", *(word for word in SIZES if word.startswith("profile"))]
    demos.main([folder.as_posix(), *words, "--all", "--out", (folder / "d.safetensors").as_posix()])
    return folder / "d.safetensors"


def words_of(learner: str, shown: Path, folder: Path) -> list[str]:
    of_bc = [f"demos={shown.as_posix()}"] if learner == "bc" else []
    return [*LEARNERS[learner], *SIZES, *of_bc, f"runs_dir={folder.as_posix()}"]


def begun(words: list[str], *more: str) -> Run:
    run = build(compose_job([*words, *more]))
    run.report = NoReport()
    return run


@pytest.fixture(scope="module", params=["ppo", "bc"])
def whole(request: pytest.FixtureRequest, shown: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nobody disturbed; PPO's evaluations were driven beside it."""
    words = words_of(request.param, shown, tmp_path_factory.mktemp(request.param))
    run = begun(words, *([] if request.param == "ppo" else ["eval=inline"]))
    run.train()
    run.learner_name = request.param
    return run


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGKILL if os.name != "nt" else 9, -9),
        pytest.param(signal.SIGTERM, 75, marks=pytest.mark.long),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
    ],
)
def test_a_run_that_a_signal_ended_goes_on_to_the_same_end(
    whole: Run, shown: Path, tmp_path: Path, number: int, code: int
) -> None:
    words = [*words_of(whole.learner_name, shown, tmp_path), "eval=inline"]
    done = subprocess.run(
        [sys.executable, "-c", BREAK, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "", "SEND": str(int(number))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert done.returncode == code, done.stdout
    saved_at = SAVED if number == 9 else BROKEN_AT
    assert (f"stopped at {saved_at:,} frames; the same command continues" in done.stdout) == (number != 9)
    again = begun(words)
    assert again.checkpoint.files()[0].name == f"frames_{saved_at:012d}.pt"
    again.train()
    expected, got = states(whole), states(again)
    assert expected.keys() == got.keys() and whole.clock.updates == again.clock.updates > 0
    differ = [name for name, value in expected.items() if not same(value, got[name])]
    assert [name for name in differ if not name.endswith("/file")] == []  # of a replay; its checksum is equal
    assert rows(whole) == rows(again)


def test_a_row_says_from_how_many_transitions_an_update_learns(whole: Run) -> None:
    row = next(row for row in reversed(read_record(whole.record.path)) if "settings/batch_size" in row)
    profile = manifest.read(whole.folder / "manifest.json")["config"]["profile"]
    of_ppo = whole.learner_name == "ppo"  # 10 decisions of 8 cars, in 4 passes
    batch, passes, paying = (
        (80, 4, 80) if of_ppo else (profile["batch_size"], 1, profile["frames_per_update"])
    )
    assert row["settings/batch_size"] == batch
    assert row["settings/uses_per_transition"] == passes * batch / paying
    assert row["replay/samples_used"] == passes * batch * row["updates"] > 0
    assert row["replay/samples_due"] == passes * batch / paying * row["frames"]


class Poisoned:
    """A step whose gradient has one number that is none."""

    def __init__(self, step: object) -> None:
        self.step = step

    def __getattr__(self, name: str) -> object:
        return getattr(self.step, name)

    def __call__(self, rate: float) -> torch.Tensor:
        self.step.gradient[0] = torch.nan
        return self.step(rate)


def poison(run: Run, where: str) -> None:
    """NaN in the loss or the gradient of each update after the first checkpoint."""
    sample, step = run.replay.sample, run.learner.step

    def sampled(size: int) -> object:
        batch = sample(size)
        if run.clock.frames <= FIRST_SAVED:
            return batch
        if where == "gradient":
            run.learner.step = Poisoned(step)
            return batch
        return batch._replace(reward=torch.full_like(batch.reward, torch.nan))

    run.replay.sample = sampled


@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("learner", ["ppo", "bc"])
def test_learning_that_goes_wrong_stops_before_the_last_good_checkpoint_is_replaced(
    learner: str, where: str, shown: Path, tmp_path: Path
) -> None:
    small = ["encoder=none"] if learner == "ppo" else []  # what is shown to bc has pictures
    run = begun([*words_of(learner, shown, tmp_path), "eval=inline", *small])
    poison(run, where)
    sentence = r"^learning has gone wrong: NaN or infinity \d+ times in .*learner/grad_norm.*; training "
    with pytest.raises(UserError, match=sentence):
        run.train()
    assert all(parameter.isfinite().all() for parameter in run.learner.online.parameters())
    assert [path.name for path in run.checkpoint.files()] == [f"frames_{FIRST_SAVED:012d}.pt"]


@pytest.fixture
def filmed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Ticks of each race that was filmed; a real film takes seconds."""
    ticks: list[int] = []

    def film_racers(track, racers, path, fps):
        ticks.extend(len(racer.race.actions) for racer in racers)
        return Path(path)

    monkeypatch.setattr(film, "film_racers", film_racers)
    yield ticks


def test_the_driver_is_evaluated_exported_and_watched(
    whole: Run, tmp_path: Path, filmed: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = str(whole.folder), str(tmp_path / "driver.safetensors")
    shown = []
    export.main([run, file])
    for driver in (run, file):
        capsys.readouterr()
        evaluate.main([driver, "--races", "2"])
        shown.append(capsys.readouterr().out.splitlines()[1:])
        watch.main([driver, "--out", str(tmp_path / "film.mp4")])
    assert shown[0] == shown[1] and "canonical" in shown[0][1]
    assert filmed[0] == filmed[1] > 0


def test_the_encoder_goes_into_ppo_and_the_whole_only_where_it_fits(
    whole: Run, shown: Path, tmp_path: Path
) -> None:
    words = [*words_of("ppo", shown, tmp_path), "eval=inline", f"init_from='{whole.folder.as_posix()}'"]
    driver = load_driver(str(whole.folder), "cpu").policy.net.state_dict()
    parts = ("encoder",) if whole.learner_name == "bc" else ("encoder", "whole")
    for part in parts:
        run = begun(words, f"init_part={part}", f"name={part}")
        own = run.learner.online.state_dict()
        taken = [name for name in own if part == "whole" or name.startswith("encoder.")]
        assert taken and all(torch.equal(own[name], driver[name]) for name in taken)
        run.close()
    if whole.learner_name == "bc":
        sentence = "the weights of .*actor, critic.* differ .*take the encoder alone with init_part=encoder"
        with pytest.raises(UserError, match=sentence):
            begun(words)
    with pytest.raises(UserError, match="the encoder of .* does not fit this run, for the weights of"):
        begun(words, "init_part=encoder", "profile.impala_model_size=0.5")


def test_ppo_sees_with_an_encoder_that_was_pretrained(shown: Path, tmp_path: Path) -> None:
    source = begun(["+experiment=pretrain", *SIZES, f"runs_dir={tmp_path.as_posix()}"])
    source.checkpoint.prepare()
    assert source.checkpoint.save()
    source.close()
    words = [*words_of("ppo", shown, tmp_path), "eval=inline", f"init_from='{source.folder.as_posix()}'"]
    run = begun(words, "init_part=encoder")
    own, theirs = run.learner.online.encoder.state_dict(), source.learner.online.encoder.state_dict()
    assert own.keys() == theirs.keys() and all(torch.equal(own[name], theirs[name]) for name in own)
    run.close()
    with pytest.raises(UserError, match="take the encoder alone with init_part=encoder"):
        begun(words)
