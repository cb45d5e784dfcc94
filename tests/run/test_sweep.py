"""How the runs of a sweep stand."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from btr_tm.core.errors import UserError
from btr_tm.run import status, sweep
from btr_tm.run.lock import hold
from btr_tm.run.status import Status

RUNS = [("no_noisy", "s0"), ("no_noisy", "s10"), ("no_noisy", "s2"), ("base", "s0"), ("base", "s1")]


def test_every_run_has_its_state_and_the_base_comes_first(tmp_path: Path) -> None:
    sweep.write(tmp_path, RUNS)
    status.write(tmp_path / "base" / "s0", Status("done"))
    status.write(tmp_path / "base" / "s1", Status("failed", "first line\nlr is wrong\n\n"))
    status.write(tmp_path / "no_noisy" / "s0", Status("running"))  # by a process that is gone
    status.write(tmp_path / "no_noisy" / "s2", Status("running"))
    (tmp_path / "no_noisy" / "s10").mkdir()  # by a launcher
    lock = hold(tmp_path / "no_noisy" / "s2")
    found = sweep.standings(tmp_path)
    lock.release()
    assert [(each.arm, each.seed, each.status.state) for each in found] == [
        ("base", "s0", "done"),
        ("base", "s1", "failed"),
        ("no_noisy", "s0", "ended without a word"),
        ("no_noisy", "s2", "running"),
        ("no_noisy", "s10", "waiting"),
    ]
    assert sweep.line(found) == (
        "2 arms, 5 runs: 1 done, 1 running, 1 waiting, 1 failed, 1 ended without a word"
    )
    assert sweep.line(found[:2]) == "1 arm x 2 seeds: 1 done, 1 failed"
    failed, gone = sweep.failures(found)
    assert failed == f"{(tmp_path / 'base' / 's1').as_posix()}: failed, lr is wrong"
    assert "its process is gone; the same command continues it" in gone


def test_a_sweep_typed_again_with_more_arms_keeps_what_it_had(tmp_path: Path) -> None:
    sweep.write(tmp_path, RUNS[:2])
    sweep.write(tmp_path, RUNS[1:])
    assert sorted(sweep.planned(tmp_path)) == sorted(RUNS)


def test_runs_of_single_commands_count_too(tmp_path: Path) -> None:
    status.write(tmp_path / "base" / "s3", Status("stopped"))
    status.write(tmp_path / "base" / "strange", Status("done"))
    assert sweep.line(sweep.standings(tmp_path)) == "1 arm x 1 seed: 1 stopped"


@pytest.mark.parametrize("runs", ["3", '[["a"]]', '[["../..", "s0"]]', "[", '[["a", "sx"]]', '[["a", 0]]'])
def test_a_list_of_runs_that_is_none_is_refused(tmp_path: Path, runs: str) -> None:
    (tmp_path / "sweep.json").write_text(f'{{"runs": {runs}}}')
    with pytest.raises(UserError, match=r"sweep\.json"):
        sweep.standings(tmp_path)


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match=f"{folder.name} holds no sweep; name the folder of its arms"):
            sweep.standings(folder)


@pytest.mark.parametrize("text", ["", "[]", '{"state": "flying", "reason": ""}', '{"state": "done"}'])
def test_a_status_that_says_nothing_is_unknown(tmp_path: Path, text: str) -> None:
    (tmp_path / "status.json").write_text(text)
    assert status.read(tmp_path).state == "unknown" and not status.read(tmp_path).well


def test_programs_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(number: int) -> None:
        sweep.write(tmp_path, [(f"arm{number}", f"s{seed}") for seed in range(3)])

    threads = [Thread(target=add, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sweep.planned(tmp_path)) == 18
