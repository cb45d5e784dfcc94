"""Author runs: the stored ones still take exactly their time, and the search finds a fast race."""

import pytest
import torch

from btr_tm.race.inputs_file import InputsFile
from btr_tm.sim.author.run import drive, find_author_run, main, polish, stored_run
from btr_tm.sim.author.search import NEVER, Grid
from btr_tm.sim.track.flat import straight_track
from btr_tm.sim.track.load import FOLDER, load_track, shipped_tracks
from btr_tm.sim.world import PHYSICS_VERSION, World


@pytest.mark.parametrize("name", shipped_tracks())
def test_stored_author_run_takes_exactly_the_stored_time(name):
    world = World(load_track(name))
    stored = InputsFile.read(FOLDER / f"{name}.author.inputs")
    assert (stored.track, stored.physics) == (name, PHYSICS_VERSION)
    race = drive(world, stored.to_actions(world.ticks_per_action))
    assert race.time_ms == stored.time_ms == world.track.author_time_ms


@torch.no_grad()
def test_search_on_a_straight_finds_that_full_throttle_is_fastest():
    world = World(straight_track(length_m=200))
    flat_out = drive(world, torch.zeros(400, dtype=torch.int64))
    draw = torch.Generator().manual_seed(0)
    first = find_author_run(world, Grid(cars=60), draw)
    found = polish(world, first, Grid(cars=60), (2.0,), draw)
    assert found.time_ms <= first.time_ms
    assert flat_out.time_ms - 50 <= found.time_ms <= flat_out.time_ms + 20
    assert drive(world, found.actions).time_ms == found.time_ms


def test_missing_and_foreign_runs_count_as_none(tmp_path):
    world = World(straight_track(length_m=200))
    assert stored_run(world, tmp_path / "absent.inputs").time_ms == 10 * NEVER
    (tmp_path / "short.inputs").write_text("0.00-0.50 press up\n")
    assert stored_run(world, tmp_path / "short.inputs").time_ms == 10 * NEVER


SHORT = "blocks: [start, {straight: {length: 2}}, finish, straight]\n"


def test_a_stored_race_that_cannot_be_driven_again_is_not_replaced(tmp_path):
    (tmp_path / "short.yaml").write_text(SHORT)
    stored = tmp_path / "short.author.inputs"
    stored.write_text("0.00-0.52 press up\n0.53-9.00 press up\n")  # a key changes within a decision
    before = stored.read_text()
    with pytest.raises(
        SystemExit, match="within a decision.*move .*short.author.inputs away, or name another"
    ):
        main([str(tmp_path / "short.yaml"), "--cars", "20", "--finer"])
    assert stored.read_text() == before


def test_a_race_is_stored_beside_its_track(tmp_path):
    (tmp_path / "oval.yaml").write_text(SHORT)  # a name that a shipped track has too
    main([str(tmp_path / "oval.yaml"), "--cars", "20", "--finer"])
    assert InputsFile.read(tmp_path / "oval.author.inputs").time_ms < 10_000


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nosuch"], "there is no track nosuch"),
        (["oval", "--cars", "0"], "--cars must be 1 or larger, got 0"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(words, sentence):
    with pytest.raises(SystemExit, match=f"btr_tm.sim.author: {sentence}"):
        main(words)


def test_tool_stores_a_run_and_improves_it_the_next_time(tmp_path, capsys):
    track = tmp_path / "short.yaml"
    track.write_text(SHORT)
    arguments = [str(track), "--folder", str(tmp_path), "--cars", "20", "--finer", "2"]
    main(arguments)
    stored = tmp_path / "short.author.inputs"
    before = stored.read_text()
    assert load_track(track).author_time_ms == InputsFile.read(stored).time_ms
    main([*arguments, "--seed", "1"])
    assert InputsFile.read(stored).time_ms <= int(before.split("time_ms: ")[1].split("\n")[0])
    assert "short.author.inputs: " in capsys.readouterr().out
