"""Worlds: clock, keys, gates, ground, flight, walls and surfaces; the same race to the bit in any company."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from btr_tm.core.tree import concat_rows, take_rows
from btr_tm.sim.physics.constants import KMH
from btr_tm.sim.physics.dynamics import compiled_tick
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.scripted_driver import Driver, drive
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.flat import oval_track, straight_track
from btr_tm.sim.track.load import load_track, shipped_tracks
from btr_tm.sim.track.ribbon import DIRT, FINISH_GATE, START_GATE, TURBO, Profile, Track, assemble
from btr_tm.sim.world import NO_KEYS, World

GAS, GAS_LEFT, GAS_RIGHT, BRAKE = 0, 1, 2, 6


def rolling(world: World, kmh: float, s_m: float = 100.0, d_m: float = 0.0, yaw_deg: float = 0.0) -> SimState:
    numbers = (s_m, d_m, np.radians(yaw_deg), kmh * KMH)
    values = (torch.tensor([number], dtype=torch.float32) for number in numbers)
    return world.start(*values, torch.zeros(1, dtype=torch.int64))


def hold(world: World, state: SimState, action: int, ticks: int) -> list[SimState]:
    """States after 1, 2, ... ticks."""
    states = []
    for _ in range(ticks):
        state = world.step(state, torch.full((len(state.floats), 1), action))
        states.append(state)
    return states


def column(states: list[SimState], name: str) -> Tensor:
    return torch.stack([getattr(state.body, name)[..., 0] for state in states])


def road_with(**changes: np.ndarray) -> Track:
    """A straight road of 600 m; arrays of the Profile may be replaced."""
    stations = 1201
    centre = np.zeros((stations, 3))
    centre[:, 2] = 0.5 * np.arange(stations)
    ones, nothing = np.ones(stations), np.zeros(stations, dtype=np.int64)
    profile = Profile(centre, 0 * ones, 12 * ones, 18 * ones, nothing, ones, nothing.copy())
    profile.gate[[40, 1080]] = START_GATE, FINISH_GATE
    profile = profile._replace(**changes)
    return Track("made", assemble(profile, closed=False), 20.0, 540.0, checkpoints_m=(200.0, 400.0))


def hill(height_m: float) -> np.ndarray:
    """A centreline over one cosine hill between 200 and 400 m."""
    z = 0.5 * np.arange(1201)
    bump = np.where((z > 200) & (z < 400), 0.5 - 0.5 * np.cos((z - 200) / 200 * 2 * np.pi), 0)
    return np.stack([0 * z, height_m * bump, z], 1)


# clock, keys, gates


def test_the_finish_is_dated_to_the_tick() -> None:
    track = straight_track(300.0)
    by_five, by_one = World(track), World(track, ticks_per_action=1)
    a, b = Starts(by_five).canonical(1), Starts(by_one).canonical(1)
    along = torch.stack([state.s_m[0] for state in hold(by_one, b, GAS, 800)])
    ticks = 1 + int((along >= track.finish_m).nonzero()[0])
    while int(a.finish_tick) < 0:
        a = by_five.step(a, torch.tensor([GAS]))
    assert int(a.finish_tick) == ticks and ticks % 5 != 0
    frozen = by_five.step(a, torch.tensor([GAS]))
    assert int(frozen.finish_tick) == ticks and int(frozen.tick) == int(a.tick) + 5


def test_gates_count_in_order() -> None:
    world = World(road_with())
    state, seen = rolling(world, 200.0, s_m=150.0), []
    for _ in range(200):
        state = world.step(state, torch.tensor([GAS]))
        seen.append(int(state.next_gate))
    assert sorted(set(seen)) == [0, 1, 2, 3] and seen == sorted(seen)
    assert int(state.finish_tick) > 0


def test_laps_end_after_the_last() -> None:
    track = oval_track(straight_m=40.0, radius_m=40.0, laps=2)
    world = World(track)
    home = drive(world, Starts(world).canonical(1), 90.0)
    assert int(home.finish_tick) > 0
    assert float(home.s_m) > track.start_m + 2 * track.length_m - 1
    lap_one = drive(world, Starts(world).canonical(1), 0.9 * int(home.finish_tick) / 200)
    assert int(lap_one.finish_tick) == -1


def test_a_car_may_roll_back_over_the_beginning_of_a_closed_track() -> None:
    world = World(oval_track())
    back = hold(world, rolling(world, 0.0, s_m=2.0), BRAKE, 300)[-1]
    assert float(back.s_m) < -10 and int(back.next_gate) == 0
    expected = world.track.at(back.s_m).centre
    assert float((back.position - expected).norm()) == pytest.approx(abs(float(back.d_m)), abs=0.01)


def test_keys_arrive_late_by_the_delay() -> None:
    track = road_with()
    late, prompt = World(track, action_delay_ticks=7), World(track)
    actions = torch.tensor([GAS_RIGHT, GAS, GAS_LEFT, BRAKE, GAS_RIGHT, GAS, GAS])
    per_tick = torch.cat([torch.full((7,), NO_KEYS), actions.repeat_interleave(5)])
    a, b = rolling(late, 150.0), rolling(prompt, 150.0)
    for action in actions:
        a = late.step(a, action.view(1))
    b = prompt.step(b, per_tick[:35].view(1, -1))
    assert torch.equal(a.floats, b.floats) and torch.equal(a.queue[0], per_tick[35:])


def test_a_block_of_actions_is_driven_tick_by_tick() -> None:
    world, single = World(road_with()), World(road_with(), ticks_per_action=1)
    block = torch.randint(0, 12, (3, 8), generator=torch.Generator().manual_seed(0))
    start = Starts(world).evaluation(3, seed=1)
    state = start
    for actions in block.unbind(1):
        state = single.step(state, actions)
    assert all(torch.equal(a, b) for a, b in zip(world.step(start, block), state, strict=True))


def test_a_delayed_start_stands_still_until_the_keys_reach_the_car() -> None:
    world = World(road_with(), ticks_per_action=1)
    zero = torch.zeros(2)
    state = world.start(zero + 50, zero, zero, zero, torch.tensor([0, 3]))
    speed = torch.stack([s.velocity.norm(dim=1) for s in hold(world, state, GAS, 6)])
    assert bool((speed[:3, 1] == 0).all()) and torch.equal(speed[3:, 1], speed[:3, 0])


def test_arc_length_goes_straight_on_beyond_the_ends_of_an_open_road() -> None:
    world = World(straight_track(300.0))
    beyond = hold(world, rolling(world, 300.0, s_m=250.0), GAS, 200)[-1]
    assert float(beyond.s_m) > 400
    assert float(beyond.s_m) == pytest.approx(float(beyond.position[0, 2]), abs=0.01)
    before = hold(world, rolling(world, 0.0, s_m=10.0), BRAKE, 300)[-1]
    assert float(before.s_m) < -10
    assert float(before.s_m) == pytest.approx(float(before.position[0, 2]), abs=0.01)


# determinism


@pytest.mark.parametrize("name", ["flat", "hills"])
def test_a_race_is_the_same_to_the_bit_in_any_company_and_slot(name: str) -> None:
    world = World(straight_track(2000.0) if name == "flat" else load_track("hills"))
    generator = torch.Generator().manual_seed(3)
    start = Starts(world).training(37, 0.8, generator)
    actions = torch.randint(0, 12, (60, 37), generator=generator)
    alone = take_rows(start, torch.tensor([5]))
    shuffled = torch.randperm(37, generator=generator)
    together, mixed = start, take_rows(start, shuffled)
    for action in actions:
        together = world.step(together, action)
        alone = world.step(alone, action[5:6])
        mixed = world.step(mixed, action[shuffled])
    assert torch.equal(take_rows(together, torch.tensor([5])).floats, alone.floats)
    assert torch.equal(take_rows(together, shuffled).floats, mixed.floats)


def test_copied_cars_stay_copies() -> None:
    world = World(load_track("a01"))
    start = Starts(world).canonical(1)
    state = concat_rows([start] * 5)
    driver = Driver(world)
    for _ in range(80):
        state = world.step(state, driver(state))
    assert bool((state.floats == state.floats[0]).all())


# ground and flight


def test_the_car_follows_dips_and_crests_while_gravity_can_hold_it() -> None:
    world = World(road_with(centre=hill(6.0)))
    states = hold(world, rolling(world, 90.0, s_m=150.0), GAS, 600)
    assert float(column(states, "contact").min()) == 1
    assert float(column(states, "height_m").abs().max()) < 0.02


def test_too_fast_over_a_crest_the_car_flies_and_lands_with_its_dampers_pressed() -> None:
    world = World(road_with(centre=hill(12.0)))
    states = hold(world, rolling(world, 290.0, s_m=150.0), GAS, 320)
    height, contact = column(states, "height_m"), column(states, "contact")
    assert float(height.max()) > 0.5
    flying = (contact == 0).nonzero().flatten()
    landing = int(flying[-1]) + 1
    assert len(flying) > 20 and float(contact[-1]) == 1
    assert float(column(states, "damper_m")[landing : landing + 15].max()) > 0.04
    assert float(column(states, "damper_m")[flying[20]]) < 0.005
    car = world.car(states[int(flying[len(flying) // 2])])
    assert car.wheel_contact.sum() == 0 and bool((car.surface == 4).all())


def test_flight_is_a_ballistic_curve() -> None:
    z = 0.5 * np.arange(1201)
    road = np.where((z > 250) & (z < 420), 0.0, 1.0)
    world = World(road_with(road=road))
    states = hold(world, rolling(world, 250.0, s_m=251.0), GAS, 15)
    t = 0.01 * torch.arange(1, 16)
    assert torch.allclose(column(states, "height_m"), -0.5 * 2.5 * 9.81 * t * (t + 0.01), atol=2e-2)
    assert float(states[-1].velocity[0, 2]) == pytest.approx(250 * KMH * (1 - 0.03 * 0.15), rel=1e-3)


def test_a_car_that_falls_into_a_gap_does_not_race_on_below_the_road() -> None:
    z = 0.5 * np.arange(1201)
    road = np.where((z > 250) & (z < 300), 0.0, 1.0)
    world = World(road_with(road=road))
    states = hold(world, rolling(world, 60.0, s_m=240.0), GAS, 800)
    assert float(states[-1].height_m) == pytest.approx(-8.0, abs=0.5)
    assert float(states[-1].s_m) < 300 and float(states[-1].velocity[0, 2]) < 0.1
    assert int(states[-1].finish_tick) == -1


def test_a_fast_car_clears_the_gap_that_a_slow_one_falls_into() -> None:
    z = 0.5 * np.arange(1201)
    centre = hill(0.0)
    centre[:, 1] = np.interp(z, [200, 250, 251, 600], [0, 6, 3, 3])
    world = World(road_with(centre=centre, road=np.where((z > 250) & (z < 275), 0.0, 1.0)))
    fast = hold(world, rolling(world, 200.0, s_m=150.0), GAS, 620)[-1]
    assert int(fast.finish_tick) > 0 and float(fast.body.contact) == 1


@pytest.mark.parametrize("kmh, gravity, contact", [(90.0, 29.43, 1.0), (330.0, 24.525, 0.0)])
def test_coasting_never_gains_energy(kmh: float, gravity: float, contact: float) -> None:
    """On the ground and in flight, each with its own gravity; steps from one to the other do not count."""
    world = World(road_with(centre=hill(14.0)))
    states = hold(world, rolling(world, kmh, s_m=190.0), NO_KEYS, 250)
    velocity = torch.stack([state.velocity[0] for state in states])
    height = torch.stack([state.position[0, 1] for state in states])
    energy = 0.5 * velocity.square().sum(1) + gravity * height
    here = column(states, "contact") == contact
    gains = (energy[1:] - energy[:-1])[here[1:] & here[:-1]]
    assert len(gains) > 20 and float(gains.max()) < 0.3 and float(gains.sum()) < 0


def test_banked_roads_roll_the_car() -> None:
    world = World(road_with(bank_rad=np.full(1201, np.radians(10.0))))
    state = hold(world, rolling(world, 150.0), GAS, 30)[-1]
    up = world.car(state).rotation[0, :, 1]
    assert float(up[1]) == pytest.approx(np.cos(np.radians(10)), abs=1e-3)
    assert float(world.car(state).rotation[0, 1, 0]) > 0.15  # the left side is higher
    assert abs(float(state.d_m)) < 0.05


# walls


@pytest.mark.parametrize("kmh", [100.0, 300.0, 500.0, 900.0])
@pytest.mark.parametrize("yaw_deg", [-80.0, -30.0, 10.0, 60.0, 90.0])
def test_no_speed_carries_a_car_through_the_wall(kmh: float, yaw_deg: float) -> None:
    world = World(straight_track(2000.0))
    states = hold(world, rolling(world, kmh, s_m=300.0, yaw_deg=yaw_deg), GAS, 120)
    assert float(column(states, "d_m").abs().max()) <= 18.0 - 0.9
    assert bool(torch.isfinite(states[-1].floats).all())


def test_no_speed_carries_a_car_through_the_wall_of_a_tight_curve() -> None:
    world = World(load_track("s_bends"))
    zero = torch.zeros(200)
    s_m = torch.linspace(60, 1500, 200)
    state = world.start(s_m, zero, zero, zero + 500 * KMH, zero.long())
    for tick in range(100):
        state = world.step(state, torch.full((200, 1), tick % 3))
        assert bool((state.d_m.abs() < world.track.at(state.s_m).wall_m).all())
    assert bool(torch.isfinite(state.floats).all())


def test_a_glancing_hit_costs_speed_but_the_car_drives_on() -> None:
    world = World(straight_track(2000.0, half_width_m=20.0))
    states = hold(world, rolling(world, 250.0, d_m=10.0, yaw_deg=15.0), GAS, 300)
    speed = [float(state.velocity.norm()) / KMH for state in states]
    assert 150 < min(speed) < 240 and speed[-1] > min(speed) + 20
    assert abs(float((states[-1].forward * world.track.at(states[-1].s_m).right).sum())) < 0.1


@pytest.mark.parametrize("yaw_deg", [12.0, -12.0])
def test_the_wall_that_is_met_is_where_a_car_without_walls_would_have_gone_beyond(yaw_deg: float) -> None:
    near, far = (World(straight_track(600.0, wall_m=wall_m), ticks_per_action=1) for wall_m in (18.0, 500.0))
    state = free = rolling(near, 150.0, yaw_deg=yaw_deg)
    gas = torch.tensor([[GAS]])
    for _ in range(200):
        side = float((free.forward * far.track.at(free.s_m).right).sum().abs())
        room = 18.0 - 0.95 * (1 - side**2) ** 0.5 - 2.0 * side
        met, free, state = near.wall_ahead(state), far.step(free, gas), near.step(state, gas)
        if abs(float(free.d_m)) > room:
            assert float(met) == np.sign(yaw_deg) and float(state.d_m.abs()) == pytest.approx(room)
            return
        assert float(met) == 0.0 and torch.equal(state.floats, free.floats)
    pytest.fail("the car never came to the wall")


def test_a_car_facing_the_wall_stops_and_gets_free_in_reverse() -> None:
    world = World(straight_track(2000.0, half_width_m=20.0))
    stuck = hold(world, rolling(world, 120.0, d_m=5.0, yaw_deg=90.0), GAS, 200)[-1]
    assert float(stuck.velocity.norm()) < 1
    free = hold(world, stuck, BRAKE, 120)[-1]
    assert float(free.d_m) < float(stuck.d_m) - 5
    gone = hold(world, hold(world, free, GAS_LEFT, 200)[-1], GAS, 150)[-1]
    assert float(gone.s_m) > 115 and float(gone.velocity[0, 2]) > 10


# surfaces


def surface_world(group: int, half_width_m: float = 12.0) -> World:
    return World(road_with(surface=np.full(1201, group), half_width_m=np.full(1201, half_width_m)))


def test_grass_is_slow_and_slippery() -> None:
    grass, asphalt = surface_world(0, half_width_m=2.0), surface_world(0)
    on_grass = hold(grass, rolling(grass, 200.0, d_m=8.0), GAS, 250)[-1]
    on_road = hold(asphalt, rolling(asphalt, 200.0, d_m=8.0), GAS, 250)[-1]
    assert float(on_grass.velocity.norm()) < 0.75 * float(on_road.velocity.norm())
    assert bool((grass.car(on_grass).surface == 1).all())
    slides = hold(grass, rolling(grass, 150.0, d_m=8.0), GAS_LEFT, 30)[-1]
    holds = hold(asphalt, rolling(asphalt, 150.0, d_m=8.0), GAS_LEFT, 30)[-1]
    assert float(slides.body.slip) > 0.5 and float(holds.body.slip) == 0


def test_a_car_halfway_off_the_road_has_wheels_on_both() -> None:
    world = surface_world(0, half_width_m=6.0)
    surface = world.car(rolling(world, 50.0, d_m=6.0)).surface[0]
    assert surface.tolist() == [0, 1, 0, 1]


def test_dirt_slides_where_asphalt_holds() -> None:
    dirt = surface_world(DIRT)
    state = hold(dirt, rolling(dirt, 200.0, d_m=-5.0), GAS_RIGHT, 25)[-1]
    assert float(state.body.slip) > 0.5
    assert bool((dirt.car(state).surface == 2).all())


def test_turbo_pushes_even_without_gas() -> None:
    surface = np.zeros(1201, dtype=np.int64)
    surface[300:364] = TURBO
    world = World(road_with(surface=surface))
    states = hold(world, rolling(world, 180.0, s_m=140.0), NO_KEYS, 120)
    assert float(states[-1].velocity.norm()) / KMH == pytest.approx(180 + 42, abs=8)


# drivability


@pytest.mark.parametrize("name", shipped_tracks())
def test_random_keys_never_break_a_race(name: str) -> None:
    world = World(load_track(name))
    generator = torch.Generator().manual_seed(7)
    state = Starts(world).training(64, 0.9, generator)
    for _ in range(160):
        action = torch.randint(0, 12, (64,), generator=generator)
        state = world.step(state, torch.where(torch.rand(64, generator=generator) < 0.5, 0, action))
        assert bool((state.d_m.abs() < world.track.at(state.s_m).wall_m).all())
    assert bool(torch.isfinite(state.floats).all())
    assert float(state.velocity.norm(dim=1).max()) < 200


@pytest.mark.parametrize("name, seconds", [("a01", 36.0), pytest.param("oval", 60.0, marks=pytest.mark.slow)])
def test_a_scripted_driver_finishes_from_every_evaluation_start(name: str, seconds: float) -> None:
    world = World(load_track(name))
    home = drive(world, Starts(world).evaluation(8), seconds)
    assert bool((home.finish_tick >= 0).all())
    assert bool((home.next_gate == len(world.track.checkpoints_m) + 1).all())


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_decision_compiles_without_graph_breaks_and_drives_alike() -> None:
    world, regional = World(load_track("hills")), World(load_track("hills"), make_tick=compiled_tick)
    state = Starts(world).training(16, 0.5, torch.Generator().manual_seed(0))
    action = torch.randint(0, 12, (16,), generator=torch.Generator().manual_seed(1))
    compiled = torch.compile(regional.step, fullgraph=True)
    for a, b in zip(compiled(state, action), world.step(state, action), strict=True):
        assert torch.allclose(a, b, atol=1e-3)
