"""A lap that somebody drives becomes the line of a track."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.follow import follow
from btr_tm.envs.desktop.protocols import GameLost, Reading
from btr_tm.maps.line import line_of
from btr_tm.sim.track.load import load_track, make_track
from btr_tm.sim.track.source import read_source

from .standin import FakeGame, desktop

SHORT = "- start\n- straight: {length: 2}\n- finish\n- straight: {length: 4}\n"


class Driven(FakeGame):
    """Somebody drives in it: a try that is given up, and then a lap to the finish."""

    def __init__(self, folder: Path, clock: bool = True) -> None:
        (folder / "short.yaml").write_text(SHORT)
        super().__init__(str(folder / "short.yaml"), clock=clock)

    def tick(self) -> None:
        if self.ticks == 450:  # the race is 3 s old
            self.world.give_up()
        self.hold((1, 0, 0, 0))
        super().tick()

    def said(self) -> Reading:
        return super().said()._replace(map_id="its-uid" if self.clock else None)


@pytest.mark.parametrize("clock", [True, False])
def test_a_lap_is_followed_from_its_start_to_its_finish(clock: bool, tmp_path: Path) -> None:
    game, said = Driven(tmp_path, clock), []
    lap = follow(game, 60.0, said.append)
    assert said[0] == "waiting for the game, 60 s at most" and said[2:] == ["another race begins"]
    track = load_track(tmp_path / "short.yaml")
    line = line_of(lap.times_s, lap.positions, "the lap")
    assert 0.5 * (len(line) - 1) == pytest.approx(track.finish_m - track.start_m, abs=3)
    np.testing.assert_allclose(lap.positions[0], track.line()[0], atol=1.5)
    assert lap.map_id == ("its-uid" if clock else "")


class Told:
    """Telemetry without a clock, of a car that is at these metres along a straight, record by record."""

    def __init__(self, metres: list[float]) -> None:
        self.metres = metres

    def after(self, number: int, limit_s: float) -> Reading:
        at, before = self.metres[number], self.metres[max(0, number - 1)]
        finished = number + 1 == len(self.metres)
        speed = 0.0 if at == before else 20.0
        return Reading(number + 1, 0.05 * number, (0, 0, at), speed, 0.0, 1.0, 0.0, finished, 1.0, 0.0)


def test_a_car_that_comes_to_rest_on_its_way_is_still_in_its_lap() -> None:
    way = [0.0, 0.0, *range(1, 40), 40, 40, 40, *range(41, 80)]
    restarted = [0.0, 0.0, *range(1, 30), 0.0, 0.0, *range(1, 80)]
    set_elsewhere = [30.0, 30.0, *range(31, 60), 0.0, 0.0, *range(1, 80)]
    for metres in (way, restarted, set_elsewhere):
        lap = follow(Told([float(each) for each in metres]), 1.0, lambda words: None)
        assert (lap.positions[0, 2], lap.positions[-1, 2]) == (0.0, 79.0)
        begins = max(number for number, each in enumerate(metres) if each == 0.0)
        assert len(lap.positions) == len(metres) - begins


def test_a_line_is_for_the_map_it_was_recorded_on(tmp_path: Path) -> None:
    path = tmp_path / "mine.npy"
    np.save(path, load_track("oval").line())
    (tmp_path / "mine.map_id").write_text("another-uid\n")
    track = load_track(path)
    assert track.source is not None and track.source.map_id == "another-uid"
    track.source.write(tmp_path / "kept")
    assert read_source(tmp_path / "kept" / "mine.npy") == track.source
    game = Driven(tmp_path)
    env = desktop(game, track=make_track(track.source))
    with pytest.raises(
        UserError, match="the map its-uid, and the line of track= was recorded on another-uid"
    ):
        env.reset()
    assert not any(game.world.held)
    env.close()


def test_a_lap_of_a_game_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    game = Driven(tmp_path)
    game.silent = True
    with pytest.raises(GameLost, match="stalled"):
        follow(game, 0.5, lambda _: None)
