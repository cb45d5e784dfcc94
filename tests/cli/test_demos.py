"""Races of others become demonstrations, which runs learn from alone or beside what they drive."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.assemble import build
from btr_tm.cli.commands.demos import main
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from btr_tm.race.inputs_file import InputsFile
from btr_tm.replay import demo_file
from btr_tm.sim.track.load import author_inputs, load_track

SMALL = ["+experiment=bc", "profile=smoke", "encoder=none", "profile.cars=4", "profile.start_pool=2"]
LAP = torch.tensor([0] * 100 + [1] * 3 + [0] * 97)  # rows per tick; left is held for 30 ms


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two laps that end in the middle of nowhere, with a key that changes within a decision."""
    folder = tmp_path_factory.mktemp("laps")
    for name, actions in (("a", LAP), ("b", LAP[:150])):
        InputsFile("a01", 1, 0, actions).write(folder / f"{name}.inputs")
    main([folder.as_posix(), *SMALL, "--all", "--out", (folder / "d.safetensors").as_posix()])
    return folder / "d.safetensors"


def test_decisions_are_those_held_longest_and_mixed_ones_are_marked(file: Path) -> None:
    demos, about = demo_file.load(file)
    assert demos.length.tolist() == [40, 30] and len(demos.floats) == 72
    assert demos.action[:40].tolist() == [0] * 20 + [1] + [0] * 19
    assert torch.nonzero(demos.mixed).flatten().tolist() == [20, 60]
    assert [Path(race["source"]).name for race in about["races"]] == ["a.inputs", "b.inputs"]
    first = demos.floats[:31], demos.floats[41:]  # both drove the same until the shorter one ended
    assert torch.equal(*first) and not demos.terminated.any()


@pytest.mark.parametrize("words", [["+experiment=quickstart"], ["obs=camera"]])
def test_any_run_has_its_demonstrations_and_the_author_drives_on_its_track(words, tmp_path, capsys) -> None:
    made = tmp_path / "d.safetensors"
    small = [word for word in SMALL[1:] if "obs=camera" not in words or word != "encoder=none"]
    main(["author", *words, *small, "track=hills", "--all", "profile.race_ms=500", "--out", made.as_posix()])
    assert " on hills" in capsys.readouterr().out
    demos, about = demo_file.load(made)
    assert len(demos.action) and about["races"][0]["track"] == "hills"


def test_a_fall_is_no_finish(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track = load_track("a01")
    author, brake = author_inputs(track).actions, torch.full((150,), 6)
    keys = torch.cat([author[:1300], brake, torch.zeros(300, dtype=torch.int64)])  # too slow for the jump
    InputsFile("a01", 1, 0, keys).write(tmp_path / "fall.inputs")
    made = (tmp_path / "d.safetensors").as_posix()
    words = [(tmp_path / "fall.inputs").as_posix(), *SMALL, "profile.race_ms=30000", "--out", made]
    with pytest.raises(SystemExit, match="none of the races finishes"):
        main(words)
    assert "no finish" in capsys.readouterr().out
    main([*words, "--all"])
    demos, about = demo_file.load(Path(made))
    assert demos.terminated.tolist() == [True] and not about["races"][0]["finished"]


def test_steering_by_parts_needs_a_driver_that_can(tmp_path: Path) -> None:
    InputsFile("a01", 1, 0, torch.full((100,), 13)).write(tmp_path / "half.inputs")
    made = (tmp_path / "d.safetensors").as_posix()
    words = [(tmp_path / "half.inputs").as_posix(), *SMALL, "--all", "--out", made]
    with pytest.raises(SystemExit, match="which none of 12 actions does; choose env.steer_levels=2"):
        main(words)
    main([*words, "env.steer_levels=2"])
    run = [*SMALL, f"demos={made}", f"runs_dir={tmp_path.as_posix()}", "logger=none", "eval=inline"]
    with pytest.raises(UserError, match="chooses among 12 actions, none of which does"):
        build(compose_job(run))
    build(compose_job([*run, "env.steer_levels=4"])).close()


def test_a_file_that_was_changed_is_refused(file: Path, tmp_path: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    (tmp_path / "d.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="is damaged; make it with python -m btr_tm.demos again"):
        demo_file.load(tmp_path / "d.safetensors")


def test_a_run_clones_what_the_file_shows_and_goes_on_where_it_was(file: Path, tmp_path: Path) -> None:
    words = [*SMALL, f"demos={file.as_posix()}", f"runs_dir={tmp_path.as_posix()}", "logger=none"]
    run = build(compose_job([*words, "eval=inline", "profile.eval_starts=0"]))
    for _ in range(4):
        update = run.learner.update(run.replay.sample(16))
    assert 0.0 <= float(update.metrics["agreement"]) <= 1.0 and torch.isfinite(update.metrics["loss"])
    assert run.collector.collect(run.learner.policy).frames == 4
    run.checkpoint.prepare()
    assert run.checkpoint.save()
    following = run.replay.sample(16)
    assert run.checkpoint.load_newest()
    again = run.replay.sample(16)
    assert torch.equal(following.index, again.index) and torch.equal(following.obs.floats, again.obs.floats)
    run.close()


def test_a_run_does_not_go_on_with_other_demonstrations(file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "d.safetensors"
    mine.write_bytes(file.read_bytes())
    words = [*SMALL, f"demos={mine.as_posix()}", f"runs_dir={tmp_path.as_posix()}", "logger=none"]
    build(compose_job([*words, "eval=inline"])).close()
    build(compose_job([*words, "eval=inline"])).close()
    main([(file.parent / "a.inputs").as_posix(), *SMALL, "--all", "--out", mine.as_posix()])
    with pytest.raises(UserError, match="is not the file that the run in .* began with; put that back"):
        build(compose_job([*words, "eval=inline"]))


def test_a_share_of_each_batch_is_demonstrated(file: Path, tmp_path: Path) -> None:
    words = [*SMALL[1:], "+experiment=quickstart", f"demos={file.as_posix()}", "replay.demo_share=0.25"]
    run = build(compose_job([*words, f"runs_dir={tmp_path.as_posix()}", "logger=none", "eval=inline"]))
    for _ in range(8):
        for transition in run.collector.collect(run.learner.policy).transitions:
            run.replay.add(transition._replace(reward=torch.full_like(transition.reward, 1e3)))
    batch = run.replay.sample(16)
    assert (batch.reward < 900).tolist() == [False] * 12 + [True] * 4
    run.learner.update(batch)
    run.close()


def test_demonstrations_that_do_not_suit_a_run_are_refused_in_one_sentence(
    file: Path, tmp_path: Path
) -> None:
    place = [f"runs_dir={tmp_path.as_posix()}", "logger=none", "eval=inline"]
    for words, sentence in (
        (
            [*SMALL, f"demos={file.as_posix()}", "obs.previous_actions=3"],
            "obs.previous_actions is 5 there and 3",
        ),
        (SMALL, "there are no demonstrations to learn from"),
        ([*SMALL[1:], f"demos={file.as_posix()}"], "nothing learns from demos; set replay.demo_share"),
        ([*SMALL, f"demos={file.as_posix()}", "replay.demo_share=0.5"], "would clone what it drives itself"),
        (
            [*SMALL[1:], "+experiment=quickstart", f"demos={file.as_posix()}", "replay.demo_share=0.001"],
            "is 0 when rounded",
        ),
        ([*SMALL, "demos=nowhere"], "nowhere does not exist; make demonstrations"),
    ):
        with pytest.raises(UserError, match=sentence):
            build(compose_job([*words, *place]))
