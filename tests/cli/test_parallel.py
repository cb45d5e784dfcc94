"""Several processes that learn together do what one would do, and none of them is left behind."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from btr_tm.cli.assembly.assemble import processes_of
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.assembly.remote import BuildLearner
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.core.tree import tree_map
from btr_tm.core.types import Batch, Obs
from btr_tm.metrics.stopwatch import Stopwatch
from btr_tm.run.parallel import Helpers, OneProcess, refuse_impossible

SMALL = ["profile=smoke", "logger=none", "profile.cars=2", "profile.batch_size=25", "profile.micro_batch=5"]
BASE = ["name=base", "learner/self_loss=normalised"]
INGREDIENTS = [
    "+experiment=quickstart", "replay=prioritized", "learner/noise=share_with_acting",
    "learner/target_sync=hard", "convention.target_hard_every=3", "convention.target_buffers=follow",
]  # fmt: skip
PER_SAMPLE = ["+experiment=quickstart", "convention.noise_draw=sample", "convention.loss_reduction=sum"]
UPDATES = 5


@dataclass(frozen=True)
class Telling:
    """Builds a helper's learner that leaves its state in a file after each update."""

    build: BuildLearner
    folder: Path

    def __call__(self, device: torch.device, group: Any) -> Any:
        learner = self.build(device, group)
        update = learner.update

        def told(batch: Batch) -> Any:
            result = update(batch)
            torch.save(learner.state_dict(), self.folder / "new")
            os.replace(self.folder / "new", self.folder / f"{learner.updates}.pt")
            return result

        learner.update = told
        return learner


def parts_of(*words: str, device: str = "cpu") -> tuple[Parts, Any]:
    parts = Parts(checked(compose_job([*SMALL, *words]).values), torch.device(device))
    return parts, parts.env(2, start_pool=1)


def batches(env: Any, size: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(3)

    def obs() -> Obs:
        image = torch.randint(0, 256, (size, *env.image_shape), dtype=torch.uint8, generator=generator)
        return Obs(image, torch.randn(size, env.layout.size, generator=generator))

    def number() -> torch.Tensor:
        return torch.rand(size, generator=generator)

    action = torch.randint(0, env.actions, (size,), generator=generator)
    made = [
        Batch(obs(), action, number(), 0.9 * number().round(), obs(), 0.5 + number(), torch.arange(size))
        for _ in range(UPDATES)
    ]
    return [tree_map(lambda leaf: leaf.to(env.device), batch) for batch in made]


def train(learner: Any, clock: Any, env: Any, given: list[Batch]) -> list[Any]:
    """Updates with decisions in between, which draw noise that the next update may learn with."""
    obs, _ = env.reset(seed=1, options={"start": "training"})
    made = []
    for batch in given:
        learner.policy.act(obs, explore=True)
        made.append(learner.update(batch))
        clock.frames += 1000
    return made


@pytest.mark.slow
@pytest.mark.parametrize("words", [BASE, INGREDIENTS, PER_SAMPLE], ids=["base", "ingredients", "per_sample"])
def test_two_processes_learn_what_one_does(words: list[str], tmp_path: Path) -> None:
    compare(words, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_learn_what_one_does(tmp_path: Path) -> None:
    compare(INGREDIENTS, tmp_path, "cuda")


def compare(words: list[str], tmp_path: Path, device: str = "cpu") -> None:
    alone, env = parts_of(*words, device=device)
    given = batches(env, alone.profile["batch_size"])
    single = alone.learner(alone.policy(env))
    begin = copy.deepcopy(single.state_dict())
    expected = train(single, alone.clock, env, given)

    parts, env = parts_of(*words, "parallel=ddp", "seed=1", device=device)
    helpers, watch = processes_of(parts, env), Stopwatch()
    helpers.charge_to(watch)
    helpers.build = Telling(helpers.build, tmp_path)
    try:
        learner = helpers.lead(parts.learner(parts.policy(env), helpers.group))
        learner.load_state_dict(begin)  # a checkpoint is the helpers' too
        found = train(learner, parts.clock, env, given)
        state = copy.deepcopy(learner.state_dict())
        test, expected_test = (each.evaluate(given[0])["loss"] for each in (learner, single))
        helper = wait_for(tmp_path / f"{UPDATES}.pt")
    finally:
        helpers.close()

    torch.testing.assert_close(state, single.state_dict(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close([tuple(u) for u in found], [tuple(u) for u in expected], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(test, expected_test, rtol=1e-4, atol=1e-5)
    assert watch._charged > 0.0
    del state["policy"], helper["policy"]  # a helper does not act
    torch.testing.assert_close(helper, state, rtol=0, atol=0, check_device=False)


def wait_for(path: Path, seconds: float = 60.0) -> Any:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"no {path.name}"
        time.sleep(0.05)
    return torch.load(path, weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize(("blow", "said"), [("SIGKILL", "process 1 is missing"), ("SIGSTOP", "not answer")])
def test_a_helper_that_fails_ends_the_run_in_one_sentence(blow: str, said: str) -> None:
    if not hasattr(signal, blow):
        pytest.skip("needs POSIX signals")
    parts, env = parts_of("encoder=none", "parallel=ddp", "parallel.stall_s=10")
    given = batches(env, parts.profile["batch_size"])
    helpers = processes_of(parts, env)
    try:
        learner = helpers.lead(parts.learner(parts.policy(env), helpers.group))
        learner.update(given[0])
        (process,) = (process for process, _ in helpers._helpers)
        pid = process.pid
        os.kill(pid, getattr(signal, blow))
        with pytest.raises(UserError, match=said) as raised:
            learner.update(given[1])
        assert "\n" not in str(raised.value)
    finally:
        helpers.close()
    helpers.close()
    assert not psutil.pid_exists(pid)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_killed_run_leaves_no_helper(tmp_path: Path) -> None:
    words = [*SMALL, "encoder=none", "parallel=ddp", f"runs_dir={tmp_path}", "profile.total_frames=1000000"]
    run = subprocess.Popen([sys.executable, "-m", "btr_tm", *words], stdout=subprocess.DEVNULL)
    head = psutil.Process(run.pid)
    try:
        until = time.monotonic() + 120
        while not list(tmp_path.rglob("record.jsonl")):
            assert time.monotonic() < until and run.poll() is None
            time.sleep(0.2)
        children = head.children(recursive=True)
        assert any("spawn_main" in " ".join(child.cmdline()) for child in children)
    finally:
        run.kill()
        run.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def test_one_process_is_the_default_and_changes_nothing() -> None:
    parts, env = parts_of("encoder=none")
    helpers = processes_of(parts, env)
    learner = parts.learner(parts.policy(env), helpers.group)
    assert isinstance(helpers, OneProcess)
    assert helpers.lead(learner) is learner


@pytest.mark.parametrize(
    ("processes", "device", "remedy"),
    [
        (0, "cpu", "parallel.processes must be from 1 to the batch size"),
        (26, "cpu", "parallel.processes must be from 1 to the batch size"),
        (2, "mps", "use parallel=none"),
        (25, "cpu", "set parallel.processes=3"),
        (2, "cuda", "set parallel.processes=1"),
    ],
)
def test_numbers_that_cannot_work_are_refused_in_one_sentence(processes, device, remedy, monkeypatch) -> None:
    memory = psutil.virtual_memory()._replace(available=int(1.2 * 2**30))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=remedy):
        refuse_impossible(processes, torch.device(device), batch_size=25)


def test_a_helper_that_cannot_be_built_says_why() -> None:
    helpers = Helpers(_fails, torch.device("cpu"), batch_size=4, processes=2, start_s=300.0, stall_s=300.0)
    with pytest.raises(UserError, match="process 1 is missing.*no such game"):
        helpers.group(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    assert helpers._helpers == []


def _fails(device: torch.device, group: Any) -> Any:
    raise ValueError("no such game")


def test_every_row_is_someones() -> None:
    from btr_tm.agent.parallel import rows_of

    for processes in (1, 2, 3, 7):
        held = [row for rank in range(processes) for row in range(25)[rows_of(rank, processes, 25)]]
        assert held == list(range(25))
