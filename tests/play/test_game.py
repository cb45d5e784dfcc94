"""The game without its window: keys to inputs, the clock, laps and records."""

from __future__ import annotations

import pytest
import torch

from btr_tm.play.game import COUNTDOWN_MS, LAG_MS, Game, Phase
from btr_tm.play.keyboard import Keyboard
from btr_tm.play.lap import Rival
from btr_tm.play.records import Records
from btr_tm.race.actions import KEYS, TABLE
from btr_tm.race.actions import keys as ways
from btr_tm.race.inputs_file import InputsFile
from btr_tm.report.redrive import redrive, redrive_author
from btr_tm.sim.track.flat import straight_track
from btr_tm.sim.track.load import load_track

UP, DOWN, LEFT, RIGHT = range(4)
TRACK = load_track("a01")


def new_game(folder, track=TRACK, rivals=()) -> Game:
    return Game(track, rivals, Records(track, folder / track.name))


def held(row: int) -> set[str]:
    return {key for key, down in zip(KEYS, TABLE[row].tolist(), strict=True) if down}


def left_way(row: int) -> float:
    return float(ways(torch.tensor([row]))[0, LEFT])


def test_keys_become_rows_of_the_action_table_and_the_last_of_left_and_right_counts():
    keyboard = Keyboard()
    assert held(keyboard.take()) == set()
    for key, then in ((UP, {"accelerate"}), (LEFT, {"accelerate", "left"}), (RIGHT, {"accelerate", "right"})):
        keyboard.press(key)
        assert held(keyboard.take()) == then
    keyboard.release(RIGHT)
    assert held(keyboard.take()) == {"accelerate", "left"}
    keyboard.press(DOWN)
    assert held(keyboard.take()) == {"accelerate", "brake", "left"}
    keyboard.press(UP, by="pad")
    keyboard.release_all()
    assert held(keyboard.take()) == {"accelerate"}, "the pad still holds it"
    keyboard.release_all(by="pad")
    assert held(keyboard.take()) == set()


def test_a_key_is_up_when_the_last_of_its_holders_has_let_go():
    keyboard = Keyboard()
    keyboard.press(LEFT)
    keyboard.press(LEFT, 0.5, by="pad")
    assert left_way(keyboard.take()) == 0.5
    keyboard.release(LEFT, by="pad")
    assert left_way(keyboard.take()) == 1.0, "the key is still held"
    keyboard.release(LEFT, by="pad")
    assert held(keyboard.take()) == {"left"}
    keyboard.release(LEFT)
    assert held(keyboard.take()) == set()
    keyboard.press(LEFT, 0.25, by="pad")
    keyboard.release(LEFT, by="pad")
    assert left_way(keyboard.take()) == 0.25 and held(keyboard.take()) == set()


def test_a_tap_between_two_ticks_lasts_one_tick():
    keyboard = Keyboard()
    keyboard.press(UP)
    keyboard.press(LEFT)
    keyboard.release(LEFT)
    assert held(keyboard.take()) == {"accelerate", "left"}
    assert held(keyboard.take()) == {"accelerate"}


def test_the_race_begins_after_the_countdown_with_the_keys_held_then(tmp_path):
    game = new_game(tmp_path)
    game.keyboard.press(UP)
    for _ in range(int(COUNTDOWN_MS / 50)):
        assert game.phase is Phase.COUNTDOWN and not game.lap.actions
        game.advance(50)
    assert game.phase is Phase.RACING
    game.advance(10)
    assert [held(row) for row in game.lap.actions] == [{"accelerate"}]


@pytest.mark.parametrize("pictures_per_s", [23, 60, 144])
def test_the_rate_of_pictures_does_not_change_the_race(tmp_path, pictures_per_s):
    game = new_game(tmp_path)
    game.keyboard.press(UP)
    game.clock_ms = 0.0
    for _ in range(pictures_per_s):
        game.advance(1000 / pictures_per_s)
    assert len(game.lap.actions) in (99, 100)  # a second, but for what floats lose
    again = redrive(TRACK, torch.zeros(99, dtype=torch.int64))
    assert torch.equal(game.lap.race().pose.position[:99], again.pose.position)


def test_a_computer_that_falls_behind_slows_the_clock_and_not_the_physics(tmp_path):
    game = new_game(tmp_path)
    game.clock_ms = 0.0
    game.advance(5000)
    assert game.lap.time_ms == LAG_MS


def test_a_pause_stops_the_clock_and_a_lost_window_pauses_with_no_key_held(tmp_path):
    game = new_game(tmp_path)
    game.clock_ms = 0.0
    game.keyboard.press(UP)
    game.advance(50)
    game.leave()
    game.advance(50)
    assert game.paused and game.lap.time_ms == 50
    game.toggle_pause()
    game.advance(10)
    assert held(game.lap.actions[-1]) == set()


def drive(game: Game, actions: list[int]) -> None:
    """Drive rows of the table, tick by tick, until the finish."""
    game.clock_ms = 0.0
    for row in actions:
        game.keyboard.release_all()
        for key in torch.nonzero(TABLE[row]).flatten().tolist():
            game.keyboard.press(key)
        game.advance(10)


def test_a_finished_lap_is_kept_and_drives_again_to_the_same_time(tmp_path):
    author = redrive_author(TRACK)
    game = new_game(tmp_path, rivals=[Rival("author", author, (1, 2, 3))])
    drive(game, author.actions.tolist())
    assert game.phase is Phase.FINISHED and game.lap.time_ms == author.time_ms
    file = InputsFile.read(game.saved)
    again = redrive(load_track(file.track), file.actions)
    assert again.finished and again.time_ms == file.time_ms == game.lap.time_ms
    assert [split.gap_ms for split in game.splits()] == [0] * len(TRACK.checkpoints_m)
    assert game.is_record and game.beaten_ms is None


def test_the_record_is_the_fastest_lap_that_still_drives_to_its_time(tmp_path):
    track = straight_track()
    first = new_game(tmp_path, track)
    drive(first, [3] * 50 + [0] * 2000)
    drive_again = new_game(tmp_path, track)
    assert drive_again.best.time_ms == first.lap.time_ms
    assert [car.name for car in drive_again.cars] == ["your best"]
    drive(drive_again, [0] * 2000)
    assert drive_again.is_record and drive_again.beaten_ms == first.lap.time_ms
    false = InputsFile(track.name, 1, 10, torch.tensor([0]))  # that is not what it says
    false.write(tmp_path / track.name / "0000.01s.inputs")
    (tmp_path / track.name / "0000.00s.inputs").write_text("no keys")
    assert new_game(tmp_path, track).best.time_ms == drive_again.lap.time_ms


def test_a_restart_begins_a_lap_and_a_slower_lap_is_no_record(tmp_path):
    track = straight_track()
    game = new_game(tmp_path, track)
    drive(game, [0] * 2000)
    best = game.best
    game.restart()
    assert game.phase is Phase.COUNTDOWN and not game.lap.actions and game.cars[-1].name == "your best"
    drive(game, [3] * 20 + [0] * 2000)
    assert game.phase is Phase.FINISHED and not game.is_record and game.best is best
    assert len(game.records.paths()) == 2


def test_pictures_lie_between_ticks_and_rivals_are_where_they_were_at_that_time(tmp_path):
    author = redrive_author(TRACK)
    game = new_game(tmp_path)
    drive(game, author.actions[:50].tolist())
    rival, start = Rival("author", author, (1, 2, 3)), game.lap.poses[0]
    for time_ms in (0.0, 4.0, 255.0, 499.9):
        mine, theirs = game.lap.pose_at(time_ms), rival.pose_at(time_ms, start)
        assert torch.allclose(mine.position, theirs.position, atol=1e-4), time_ms
    assert torch.equal(rival.pose_at(1e9, start).position, author.pose.position[-1:])
