"""How races look: the same unless asked, then different from race to race, and plain in evaluation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from btr_tm.core.errors import UserError
from btr_tm.core.tree import flatten
from btr_tm.envs.plain import plain_simulator
from btr_tm.envs.sim import SimVectorEnv
from btr_tm.race.features import Features
from btr_tm.race.progress import CutOffs
from btr_tm.sim.appearance import Appearance
from btr_tm.sim.track.load import load_track
from tests.race.shipped import linesight
from tests.sim.varied import varied_appearance

CARS = 4


def simulator(appearance: Appearance | None = None, **options) -> SimVectorEnv:
    settings = {
        "anywhere_share": 0.0,
        "start_pool": 8,
        "cut_offs": CutOffs(race_ms=400, no_progress_ms=2_000),
    } | options
    rules = {"features": Features(line_points=8), "reward": linesight(), "appearance": appearance}
    return plain_simulator(load_track("oval"), CARS, (24, 32), **rules, **settings)


@pytest.fixture
def varied() -> SimVectorEnv:
    return simulator(varied_appearance())


def straight_on(env: SimVectorEnv, decisions: int) -> list[Tensor]:
    """Every tensor that driving shows."""
    shown = []
    for _ in range(decisions):
        obs, reward, terminated, truncated, info = env.step(torch.zeros(CARS, dtype=torch.int64))
        shown += [*obs, reward, terminated, truncated, *flatten(info["races"]), *info["final_obs"]]
    return shown


def plain_picture(env: SimVectorEnv) -> Tensor:
    return env.race.camera(env.race.world.pose(env.drive.sim))


def test_plain_races_show_what_the_camera_sees_and_carry_nothing() -> None:
    env = simulator()
    obs, _ = env.reset()
    assert env.drive.variation.shape == (CARS, 0)
    for _ in range(10):
        assert torch.equal(obs.image, plain_picture(env))
        obs = env.step(torch.zeros(CARS, dtype=torch.int64))[0]


def test_races_differ_in_their_pictures_and_in_nothing_else() -> None:
    plain = simulator(anywhere_share=0.5)
    varied = simulator(varied_appearance(), anywhere_share=0.5)
    seen, other = [*plain.reset()[0]], [*varied.reset()[0]]
    seen, other = seen + straight_on(plain, 12), other + straight_on(varied, 12)
    pictures = [(a, b) for a, b in zip(seen, other, strict=True) if a.dtype == torch.uint8]
    rest = [(a, b) for a, b in zip(seen, other, strict=True) if a.dtype != torch.uint8]
    assert all(torch.equal(a, b) for a, b in rest)
    assert not any(torch.equal(a, b) for a, b in pictures)


def test_cars_at_one_place_look_different(varied: SimVectorEnv) -> None:
    obs, _ = varied.reset()
    drawn = varied.drive.variation
    assert torch.equal(obs.floats, obs.floats[:1].expand_as(obs.floats))
    pairs = [(i, j) for i in range(CARS) for j in range(i) if not torch.equal(drawn[i], drawn[j])]
    assert pairs and not any(torch.equal(obs.image[i], obs.image[j]) for i, j in pairs)


def test_a_look_lasts_a_race_and_the_next_race_has_another(varied: SimVectorEnv) -> None:
    varied.reset()
    first = varied.drive.variation
    straight_on(varied, 8)
    assert torch.equal(varied.drive.variation, first)
    (shown, _), _, _, _, info = varied.step(torch.zeros(CARS, dtype=torch.int64))
    assert bool(info["races"].done.all())
    second = varied.drive.variation
    assert not torch.equal(second, first)
    pool = varied._pool[0].variation
    assert all(any(torch.equal(row, start) for start in pool) for row in second)
    assert len(pool.unique(dim=0)) == len(pool)
    pose, variation = varied.race.world.pose(varied.drive.sim), varied.appearance.variation(second)
    assert torch.equal(varied.race.camera(pose, variation), shown)


@pytest.mark.parametrize("start", ["canonical", "evaluation"])
def test_evaluation_is_plain_unless_asked(varied: SimVectorEnv, start: str) -> None:
    plain = simulator()
    expected = [*plain.reset(options={"start": start})[0], *straight_on(plain, 10)]
    got = [*varied.reset(options={"start": start})[0], *straight_on(varied, 10)]
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
    image = varied.reset(seed=1, options={"start": start, "appearance": "varied"})[0].image
    assert not any(torch.equal(a, b) for a, b in zip(image, expected[0], strict=True))
    assert torch.equal(image, varied.reset(seed=2, options={"start": start, "appearance": "varied"})[0].image)


def test_an_unknown_look_is_refused(varied: SimVectorEnv) -> None:
    with pytest.raises(UserError, match="rosy"):
        varied.reset(options={"start": "evaluation", "appearance": "rosy"})


def test_restored_races_look_as_the_saved_ones(varied: SimVectorEnv) -> None:
    varied.reset(seed=3)
    straight_on(varied, 11)
    other = simulator(varied_appearance(), seed=9)
    other.load_state_dict(varied.state_dict())
    assert torch.equal(other.drive.variation, varied.drive.variation)
    pairs = zip(straight_on(varied, 20), straight_on(other, 20), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.long
def test_a_decision_with_varied_looks_is_one_graph(varied: SimVectorEnv) -> None:
    eager = simulator(varied_appearance())
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    varied.decide = torch.compile(varied.race.decide, backend=backend, fullgraph=True, dynamic=False)
    varied.reset(), eager.reset()
    pairs = zip(straight_on(varied, 11), straight_on(eager, 11), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert len(graphs) == 1
