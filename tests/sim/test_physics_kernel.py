"""The kernel drives every race as the reference does, to the bit, signs of zeros included."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from btr_tm.core.tree import concat_rows, flatten, take_rows
from btr_tm.race.inputs_file import InputsFile
from btr_tm.sim.author.run import drive as drive_actions
from btr_tm.sim.delays import delayed
from btr_tm.sim.kernel_world import KernelWorld
from btr_tm.sim.physics import constants, dynamics, kernel, road, state
from btr_tm.sim.physics.state import SimState
from btr_tm.sim.starts import Starts
from btr_tm.sim.track.load import FOLDER, load_track, shipped_tracks
from btr_tm.sim.track.ribbon import DIRT, FINISH_GATE, GRASS, START_GATE, TURBO, Profile, Track, assemble
from btr_tm.sim.world import World


def made_road() -> Track:
    """600 m with bends, banks, crests, a gap, turbo, dirt and grass, wide and narrow places."""
    s = 0.5 * np.arange(1201)
    heading, ones = 0.6 * np.sin(s / 40), np.ones(1201)
    rise = 12 * np.exp(-(((s - 200) / 40) ** 2)) + np.interp(s, [400, 430, 431], [0, 5, 2])
    centre = np.stack([np.cumsum(np.sin(heading)) / 2, rise, np.cumsum(np.cos(heading)) / 2], 1)
    surface = np.zeros(1201, dtype=np.int64)
    surface[300:360], surface[500:600], surface[900:960] = TURBO, DIRT, GRASS
    gate = np.zeros(1201, dtype=np.int64)
    gate[[40, 1080]] = START_GATE, FINISH_GATE
    gap = np.where((s > 430) & (s < 460), 0.0, 1.0)
    width = 8 + 3 * np.sin(s / 25)
    profile = Profile(centre, 0.2 * np.sin(s / 60), width, width + 3 + 2 * ones, surface, gap, gate)
    return Track("made", assemble(profile, closed=False), 20.0, 540.0, checkpoints_m=(200.0, 400.0))


def wild(world: World, cars: int, generator: torch.Generator) -> SimState:
    """Cars anywhere, before and beyond the ends too, in any direction, at up to 250 m/s, above and below."""
    where, aside, yaw, speed, lift = torch.rand(5, cars, generator=generator)
    length_m = float(world.track.length_m)
    delay = torch.randint(9, (cars,), generator=generator)
    s_m = where * 1.2 * length_m - 0.1 * length_m
    start = world.start(s_m, aside * 40 - 20, yaw * 6.3, speed.square() * 250, delay)
    start.floats[:, 1] += 4 * lift - 1
    return start


def keys(cars: int, block: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Any key combination in one decision of two, gas in the others."""
    action = torch.randint(12, (cars, *block), generator=generator)
    return torch.where(torch.rand(cars, generator=generator).reshape(-1, *(1,) * len(block)) < 0.5, 0, action)


def bits(sim: SimState) -> list[torch.Tensor]:
    return [sim.floats.view(torch.int32), sim.counters, sim.queue]


def equal(a: SimState, b: SimState) -> bool:
    return all(torch.equal(x, y) for x, y in zip(bits(a), bits(b), strict=True))


TRACKS = {**{name: lambda name=name: load_track(name) for name in shipped_tracks()}, "made": made_road}


def driven(world: World, sim: SimState, actions: list[torch.Tensor]) -> list[SimState]:
    """The states before, between and after the actions."""
    states = [sim]
    for action in actions:
        states.append(world.step(states[-1], action))
    return states


def starts(world: World, cars: int, generator: torch.Generator) -> SimState:
    """Half of them as training draws them."""
    usual = Starts(world).training((cars + 1) // 2, 0.7, generator)
    return concat_rows([usual, wild(world, cars // 2, generator)])


DECISIONS = [(1, (), 0), (2, (7,), 3), (7, (1,), 1), (33, (), 12), (256, (5,), 0)]


@pytest.mark.parametrize("cars, block, delay", DECISIONS)
@pytest.mark.parametrize("name", ["hills", "oval", "made"])  # an open road, a closed one, all at once
def test_any_number_of_cars_drives_as_in_the_reference(
    name: str, cars: int, block: tuple[int, ...], delay: int
) -> None:
    track, generator = TRACKS[name](), torch.Generator().manual_seed(cars)
    reference, world = (kind(track, action_delay_ticks=delay) for kind in (World, KernelWorld))
    actions = [keys(cars, block, generator) for _ in range(25)]
    start = starts(reference, cars, generator)
    ours, theirs = (driven(each, start, actions) for each in (world, reference))
    assert all(map(equal, ours, theirs))


@pytest.mark.parametrize("block", [(), (2,), (9,)])
def test_cars_with_delays_of_their_own_drive_as_each_would_in_its_own_world(block: tuple[int, ...]) -> None:
    track, generator = made_road(), torch.Generator().manual_seed(4)
    delays = torch.arange(36) % 6
    actions = [keys(36, block, generator) for _ in range(12)]
    worlds = [kind(track, action_delay_ticks=5) for kind in (World, KernelWorld)]
    start = starts(worlds[0], 36, generator)
    reference, ours = (driven(world, delayed(start, delays), actions)[-1] for world in worlds)
    assert equal(reference, ours)
    for delay in range(6):
        rows = torch.nonzero(delays == delay)[:, 0]
        alone = take_rows(start, rows)
        alone = alone._replace(queue=alone.queue[:, :delay])
        own = World(track, action_delay_ticks=delay)
        expected = driven(own, alone, [action[rows] for action in actions])[-1]
        late = take_rows(ours, rows)
        assert bool((late.queue[:, delay:] == state.NO_ACTION).all())
        assert equal(late._replace(queue=late.queue[:, :delay]), expected)


@pytest.mark.parametrize("name", TRACKS)
def test_hundreds_of_decisions_are_those_of_the_reference(name: str) -> None:
    """Each from where the one before led: the reference does all at once."""
    world, generator = KernelWorld(TRACKS[name](), action_delay_ticks=2), torch.Generator().manual_seed(0)
    actions = [keys(40, (), generator) for _ in range(400)]
    states = driven(world, starts(world, 40, generator), actions)
    expected = World(world.track, action_delay_ticks=2).step(concat_rows(states[:-1]), torch.cat(actions))
    assert equal(concat_rows(states[1:]), expected)
    assert bool(torch.isfinite(expected.floats).all())


def test_the_tests_see_flights_falls_walls_slides_and_finishes() -> None:
    world, generator = KernelWorld(made_road()), torch.Generator().manual_seed(0)
    actions = [keys(256, (), generator) for _ in range(60)]
    seen = driven(world, wild(world, 256, generator), actions)
    sim = seen[-1]
    after = concat_rows(seen)
    assert int((after.body.contact == 0).sum()) > 100 and float(after.height_m.min()) < -7
    assert int((after.body.slip > 0.5).sum()) > 100 and int((sim.finish_tick >= 0).sum()) > 5
    room = world.track.at(after.s_m).wall_m - after.d_m.abs()
    assert int((room < 2.1).sum()) > 100 and int((sim.next_gate == 1).sum()) > 5


def same(ours: tuple[torch.Tensor, ...], theirs: tuple[torch.Tensor, ...]) -> list[bool]:
    """Field by field, to the bit."""
    return [
        a.shape == b.shape and a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes()
        for a, b in zip(ours, theirs, strict=True)
    ]


@pytest.mark.parametrize("cars", [1, 2, 7, 33, 256])
@pytest.mark.parametrize("name", ["hills", "oval", "made"])
def test_what_a_car_reports_is_that_of_the_reference(name: str, cars: int) -> None:
    world, generator = KernelWorld(TRACKS[name]()), torch.Generator().manual_seed(cars)
    reference = World(world.track)
    actions = [keys(cars, (), generator) for _ in range(25)]
    for sim in driven(world, starts(world, cars, generator), actions):
        ours, theirs = world.instruments(sim), reference.car(sim)
        assert dict(zip(ours._fields, same(ours, theirs), strict=True)) == dict.fromkeys(ours._fields, True)


@pytest.mark.parametrize("name", shipped_tracks())
def test_author_inputs_drive_the_same_race(name: str) -> None:
    world, stored = KernelWorld(load_track(name)), InputsFile.read(FOLDER / f"{name}.author.inputs")
    race = drive_actions(world, stored.to_actions(5))
    assert race.time_ms == stored.time_ms == world.track.author_time_ms
    states = driven(world, Starts(world).canonical(1), list(race.actions.split(1)))
    expected = World(world.track).step(concat_rows(states[:-1]), race.actions)
    assert equal(concat_rows(states[1:]), expected)


def test_a_race_is_the_same_in_any_company_and_row() -> None:
    world, generator = KernelWorld(load_track("hills")), torch.Generator().manual_seed(3)
    together = start = wild(world, 37, generator)
    order = torch.randperm(37, generator=generator)
    alone, mixed = take_rows(start, torch.tensor([5])), take_rows(start, order)
    for _ in range(40):
        action = keys(37, (), generator)
        together, mixed = world.step(together, action), world.step(mixed, action[order])
        alone = world.step(alone, action[5:6])
    assert equal(take_rows(together, order), mixed) and equal(take_rows(together, torch.tensor([5])), alone)


def test_a_step_leaves_what_it_was_given_as_it_was() -> None:
    world = KernelWorld(load_track("hills"), action_delay_ticks=2)
    start, action = Starts(world).canonical(3), torch.tensor([[1, 2, 3]] * 2).t()[:, 0]  # not contiguous
    before = [part.clone() for part in start]
    after = world.step(start, action)
    assert all(torch.equal(a, b) for a, b in zip(start, before, strict=True))
    assert not set(map(torch.Tensor.data_ptr, flatten(after))) & set(
        map(torch.Tensor.data_ptr, flatten(start))
    )
    assert equal(after, World(world.track, action_delay_ticks=2).step(start, action.contiguous()))


def test_several_threads_may_drive_at_once() -> None:
    world, generator = KernelWorld(load_track("hills")), torch.Generator().manual_seed(1)
    parts = [wild(world, 64, generator) for _ in range(4)]
    actions = [keys(64, (), generator) for _ in range(20)]

    def race(sim: SimState) -> SimState:
        return driven(world, sim, actions)[-1]

    with ThreadPoolExecutor(4) as pool:
        assert all(equal(a, b) for a, b in zip(pool.map(race, parts), map(race, parts), strict=True))


def test_columns_have_the_order_of_the_reference() -> None:
    vectors = {
        "position": kernel.POSITION,
        "velocity": kernel.VELOCITY,
        "forward": kernel.FORWARD,
        "up": kernel.UP,
    }
    assert vectors == {name: 3 * number for number, name in enumerate(dynamics.Body._fields[:4])}
    scalars = {
        "s_m": kernel.S, "d_m": kernel.D, "height_m": kernel.HEIGHT, "s_rate": kernel.S_RATE,
        "steer": kernel.STEER, "yaw_rate": kernel.YAW_RATE, "gear": kernel.GEAR, "shift_s": kernel.SHIFT,
        "damper_m": kernel.DAMPER, "damper_mps": kernel.DAMPER_SPEED, "slip": kernel.SLIP,
        "contact": kernel.CONTACT, "brake": kernel.BRAKE,
    }  # fmt: skip
    assert scalars == {name: 12 + number for number, name in enumerate(dynamics.Body._fields[4:])}
    curves = {
        "thrust": kernel.THRUST, "reverse_thrust": kernel.REVERSE_THRUST, "brake": kernel.CURVE_BRAKE,
        "grip": kernel.GRIP, "brake_loss": kernel.BRAKE_LOSS, "bend": kernel.LOCK,
        "gear_up": kernel.GEAR_UP, "gear_down": kernel.GEAR_DOWN,
    }  # fmt: skip
    assert curves == {name: number for number, name in enumerate(constants.Curves._fields)}
    counters = (kernel.TICK, kernel.FINISH, kernel.GATE, kernel.HOLD)
    assert counters == (state.TICK, state.FINISH, state.GATE, state.HOLD)
    assert (kernel.COLUMNS, kernel.TYRE) == (road._COLUMNS, road._TYRE)
