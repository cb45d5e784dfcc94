"""Races in the stand-in are those of the simulator."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from btr_tm.cli.assembly.driver import load_driver
from btr_tm.core.errors import UserError
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.tminterface.plain import plain_game
from btr_tm.race.progress import CutOffs
from btr_tm.run.evaluation_races import InlineRaces
from btr_tm.sim.track.load import load_track

from .standins import QUICK, standin

SIZES = {"cars": 1, "start_pool": 1}
OVAL = load_track("oval")


@pytest.mark.parametrize(
    ("in_menus", "image_size", "offsets"),
    [(True, (0, 0), (0,)), (False, (24, 32), (0,)), (True, (24, 32), (0, 10, 20))],
)
def test_every_decision_is_that_of_the_simulator(
    in_menus: bool, image_size: tuple[int, int], offsets: tuple[int, ...]
) -> None:
    known = {"image_size": image_size, "action_offsets_ms": offsets}
    sim = plain_simulator(OVAL, compile="kernel", **SIZES, **known)
    with standin("oval", in_menus=in_menus) as listening:
        game = plain_game(OVAL, listening.port, map="oval" if in_menus else "", patience=QUICK, **known)
        draw = torch.Generator().manual_seed(3)
        for _ in range(2):
            expected, began = sim.reset(options={"start": "canonical"})
            seen, begins = game.reset(options={"start": "canonical"})
            assert torch.equal(seen.floats, expected.floats) and torch.equal(seen.image, expected.image)
            assert torch.equal(begins["potential"], began["potential"])
            for _ in range(25):
                shape = (1, *sim.block)
                action = torch.randint(3, shape, generator=draw)  # gas, with some steering
                expected, *results, info = sim.step(action)
                seen, *same, found = game.step(action)
                assert torch.equal(seen.floats, expected.floats) and torch.equal(seen.image, expected.image)
                assert all(map(torch.equal, same, results))
                assert all(map(torch.equal, found["races"], info["races"]))
        game.close()


@pytest.mark.slow
def test_shipped_driver_makes_the_same_race_to_the_millisecond() -> None:
    driver = load_driver(None, device="cpu")
    track = driver.parts.track
    # Pictures by the kernel, as the stand-in draws them: eager ones differ by a grey level here and there.
    simulator = partial(driver.parts.env, start_pool=1, compile="kernel")
    expected = InlineRaces(simulator, 0).drive(driver.policy, 0)
    with standin("a01") as listening:
        env = plain_game(
            track,
            listening.port,
            image_size=driver.parts.image_size,
            features=simulator(1).race.features,
            map="a01",
            patience=QUICK,
        )
        found = InlineRaces(lambda cars: env, 0).drive(driver.policy, 0)
        env.close()
    assert expected.canonical.finished
    assert found.canonical.time_ms == expected.canonical.time_ms
    assert torch.equal(found.canonical.actions, expected.canonical.actions)
    assert torch.equal(found.canonical.q, expected.canonical.q)


def test_a_race_that_does_not_finish_is_followed_by_another() -> None:
    with standin("oval") as listening:
        limit = CutOffs(race_ms=300_000, no_progress_ms=500)
        env = plain_game(OVAL, listening.port, map="oval", cut_offs=limit, patience=QUICK)
        first, _ = env.reset()
        ends = []
        for _ in range(40):
            obs, _, terminated, truncated, info = env.step(torch.tensor([3]))  # no key
            assert not terminated and torch.equal(truncated, info["races"].done)
            ends.append(bool(truncated))
            if truncated:
                assert torch.equal(obs.floats, first.floats)  # of the next race already
                assert info["races"].time_ms == 550
        assert ends.count(True) == 3
        env.close()


def test_the_line_of_another_map_is_refused_at_the_first_race(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.npy"
    np.save(elsewhere, np.asarray(OVAL.line()) + np.float32(300))
    with standin("oval") as listening:
        env = plain_game(load_track(str(elsewhere)), listening.port, map="oval", patience=QUICK)
        with pytest.raises(UserError, match="stands 520 m from where the line of track elsewhere begins"):
            env.reset()
        env.close()


def test_a_game_has_one_car() -> None:
    with pytest.raises(UserError, match="drives one car"):
        env = plain_game(OVAL, 1)
        env.num_envs = 2
        env.reset()
