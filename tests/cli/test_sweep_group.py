"""+sweep=NAME: the shipped sweeps, as a user types them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from btr_tm.cli.commands import train
from btr_tm.cli.configuration.composition import compose_job, compose_jobs
from btr_tm.cli.configuration.groups import choices
from btr_tm.cli.configuration.overrides import arm, jobs
from btr_tm.cli.configuration.sweep_group import spelled_out
from btr_tm.core.errors import UserError

SIX = ("impala", "layer_norm", "maxpool", "munchausen", "noisy", "spectral_norm")
LEFT_OUT = ["base", *(f"no_{name}" for name in SIX)]
ADDED = ["iqn", *(f"iqn,plus_{name}" for name in SIX)]


def arms_of(sweep: str) -> list[str]:
    return [arm(job) for job in jobs(spelled_out([f"+sweep={sweep}", "+experiment=quickstart"]), {})]


@pytest.mark.parametrize(
    ("sweep", "arms"), [("leave_one_out", LEFT_OUT), ("add_one_in", ADDED), ("all", LEFT_OUT + ADDED)]
)
def test_a_shipped_sweep_has_an_arm_for_each_of_the_six_ingredients(sweep: str, arms: list[str]) -> None:
    assert arms_of(sweep) == arms


def test_pairs_are_all_pairs() -> None:
    found = arms_of("pairs")
    assert found[0] == "base" and len(set(found)) == 16
    assert {frozenset(arm.split(",")) for arm in found[1:]} == {
        frozenset((f"no_{one}", f"no_{other}")) for one in SIX for other in SIX if one != other
    }


def test_every_shipped_sweep_is_tested_here() -> None:
    assert choices()["sweep"] == ["add_one_in", "all", "leave_one_out", "pairs"]


def test_each_seed_has_all_arms_before_the_next_one_begins() -> None:
    words = ["+sweep=leave_one_out", "+experiment=quickstart", "seed=0,1"]
    assert spelled_out(words)[:-1] == words[1:] and spelled_out(words)[-1].startswith("+ablation=none")
    assert [job[1] for job in jobs(spelled_out(words), {})] == ["seed=0"] * 7 + ["seed=1"] * 7


def test_no_two_arms_of_the_largest_sweep_are_the_same() -> None:
    assert len(compose_jobs(spelled_out(["+experiment=quickstart", "+sweep=all"]))) == 14


def test_what_names_no_sweep_stays_as_it_was_typed() -> None:
    assert spelled_out(["+experiment=quickstart", "seed=0,1"]) == ["+experiment=quickstart", "seed=0,1"]


def test_a_sweep_of_the_user_may_have_any_axes(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    params = "    params:\n      target: ddqn,max\n      +ablation: none,no_noisy\n"
    (tmp_path / "sweep" / "mine.yaml").write_text(f"# @package _global_\nhydra:\n  sweeper:\n{params}")
    found = spelled_out(["+sweep=mine", "seed=3"], str(tmp_path))
    assert found == ["seed=3", "target=ddqn,max", "+ablation=none,no_noisy"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["+sweep=leave_one_ot"], "unknown choice sweep=leave_one_ot; did you mean 'leave_one_out'"),
        (
            ["+sweep=all", "+ablation=plus_gap"],
            r"\+sweep=all chooses \+ablation itself; leave out \+ablation",
        ),
        (["+sweep=all", "+sweep=pairs"], "one sweep at a time, got all and pairs"),
        (["+sweep=all,pairs"], "one sweep at a time, got all,pairs"),
        (["+sweep="], "name a sweep"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        spelled_out(words)


def test_a_sweep_without_m_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"\+sweep=all makes several runs; put -m first"):
        compose_job(["+experiment=quickstart", "+sweep=all"])


def run_main(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> None:
    """The command, with runs that end well at once."""
    monkeypatch.setattr(train, "_run_alone", done)
    argv = ["btr_tm", f"runs_dir={folder.as_posix()}", "logger=none", *words]
    monkeypatch.setattr(sys, "argv", argv)
    train.main()


def done(job) -> str:
    train._write_status(job.folder, "done")
    (job.folder / "record.jsonl").write_text("")
    return ""


def test_every_arm_of_a_sweep_gets_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = tmp_path / "own" / "sweep" / "mine.yaml"
    mine.parent.mkdir(parents=True)
    params = "    params:\n      +ablation: none,[iqn,plus_impala]\n"
    mine.write_text(f"# @package _global_\nhydra:\n  sweeper:\n{params}")
    words = ["+sweep=mine", "+experiment=quickstart", "--config-dir", mine.parents[1].as_posix(), "-m"]
    run_main(monkeypatch, tmp_path, *words)
    found = {path.parent.relative_to(tmp_path / "quickstart") for path in tmp_path.glob("**/status.json")}
    assert found == {Path(name, "s0") for name in ("base", "iqn,plus_impala")}


def test_cfg_of_a_sweep_shows_its_first_run_and_names_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_main(monkeypatch, tmp_path, "+experiment=quickstart", "+sweep=add_one_in", "-m", "--cfg", "job")
    shown = capsys.readouterr().out
    assert "# the first of 7 runs: " in shown
    assert "iqn | iqn,plus_impala | " in shown
