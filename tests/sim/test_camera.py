"""The grey training camera against a pinhole oracle, and what a driver must be able to tell."""

from __future__ import annotations

import pytest
import torch
from torch.utils._pytree import tree_map

from btr_tm.sim import scene
from btr_tm.sim.appearance import Appearance
from btr_tm.sim.grey.camera import Camera, top_of_ground
from btr_tm.sim.grey.rasterizer import CompiledRasterizer, EagerRasterizer
from btr_tm.sim.track.flat import oval_track, straight_track
from btr_tm.sim.track.load import load_track
from btr_tm.sim.track.ribbon import CHECKPOINT_GATE, FINISH_GATE
from tests.sim.varied import varied_appearance

FLAT = (400, 0.0, 0.0, 0, 1)
HORIZON_ROW = int(64 * scene.HORIZON)


@pytest.fixture(scope="module")
def straight():
    return straight_track()


@pytest.fixture(scope="module")
def camera(straight):
    return Camera(straight, 64, 64)


def class_of(side_m: float, half_width_m: float = 12.0, line_m: float = 1.1) -> str:
    if abs(side_m) > half_width_m:
        return "grass"
    return "line" if abs(side_m) > half_width_m - line_m else "road"


def pinhole_side(row: int, column: int, d_m: float, size: int = 64) -> float:
    """Lateral place where the ray of a pixel meets flat ground, from the definition of the scene."""
    across = (column + 0.5 - size / 2) * 2 * scene.HALF_VIEW / size
    down = (row + 0.5 - size * scene.HORIZON) * 2 * scene.HALF_VIEW / (size * 4 / 3)
    return d_m + across * scene.EYE_UP_M / down


@pytest.mark.parametrize("d_m", [0.0, 5.0, -9.5])
def test_the_ground_is_where_a_pinhole_camera_sees_it(camera, straight, d_m, park):
    picture = camera(park(straight, [150.0], d_m))[0, 0]
    wrong = compared = 0
    for row in range(HORIZON_ROW + 3, 64):
        for column in range(64):
            if 17 <= column <= 46 and row > 30:  # the own car
                continue
            corners = [pinhole_side(row, column + dx, d_m) for dx in (-0.7, 0.0, 0.7)]
            kinds = {class_of(side) for side in corners}
            if len(kinds) > 1 or max(abs(side) for side in corners) > 17.5 or abs(corners[1]) < 1.5:
                continue  # the edge of something, the fence, or the dashes
            grey = int(picture[row, column])
            seen = "line" if grey > 195 else "grass" if grey < 72 else "road"
            compared += 1
            wrong += seen != kinds.pop() and row > HORIZON_ROW + 8  # farther away the fog blends
    assert compared > 700
    assert wrong <= 0.01 * compared


def test_each_picture_depends_on_its_own_car_alone(camera, straight, park):
    poses = park(straight, torch.linspace(5, 590, 13), torch.linspace(-16, 16, 13), torch.linspace(-3, 3, 13))
    together = camera(poses)
    for car in range(13):
        alone = camera(type(poses)(*(field[car : car + 1] for field in poses)))
        assert torch.equal(alone[0], together[car])
    reversed_ = camera(type(poses)(*(field.flip(0) for field in poses)))
    assert torch.equal(reversed_.flip(0), together)


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (120, 160), (17, 23)])
def test_all_sizes_frame_the_same_scene(straight, size, park):
    poses = park(straight, [100.0, 300.0], [0.0, 6.0])
    picture = Camera(straight, *size)(poses)
    assert picture.shape == (2, 1, *size) and picture.dtype == torch.uint8
    wanted = Camera(straight, 120, 160)(poses).float()
    coarse = torch.nn.functional.adaptive_avg_pool2d(wanted, 8)
    difference = torch.nn.functional.adaptive_avg_pool2d(picture.float(), 8) - coarse
    assert difference.abs().mean() < 8


def test_a_crest_hides_what_lies_behind_it(lay, park):
    def hill(behind: int):
        return lay([(150, 0, 0, 0, 1), (30, 0, 0.25, 0, 1), (20, 0, -0.25, 0, 1), (120, 0, -0.25, behind, 1)])

    below, atop = [100.0], [205.0]
    pictures = {
        (s_m[0], group): Camera(hill(group))(park(hill(group), s_m))
        for s_m in (below, atop)
        for group in (0, 2)
    }
    assert torch.equal(pictures[below[0], 0], pictures[below[0], 2])
    assert not torch.equal(pictures[atop[0], 0], pictures[atop[0], 2])


def test_a_bend_to_the_left_mirrors_a_bend_to_the_right(lay, park):
    left, right = (lay([(100, 0, 0, 0, 1), (80, bend, 0, 0, 1), FLAT]) for bend in (-0.02, 0.02))
    seen_left, seen_right = (Camera(track)(park(track, [80.0])).float() for track in (left, right))
    assert (seen_left - seen_right.flip(3)).abs().mean() < 1.0
    assert (seen_left - seen_right)[:, :, 18:36].abs().mean() > 5.0


def test_road_grass_dirt_turbo_and_gap_look_different(lay, park):
    means = {}
    for name, surface, road in (
        ("asphalt", 0, 1),
        ("grass", 1, 1),
        ("dirt", 2, 1),
        ("turbo", 3, 1),
        ("gap", 0, 0),
    ):
        track = lay([(100, 0, 0, 0, 1), (60, 0, 0, surface, road), FLAT])
        band = Camera(track)(park(track, [100.0]))[0, 0, 28:34, 8:56].float()
        means[name] = band.mean().item(), band.std().item()
    levels = sorted(mean for mean, _ in means.values())
    assert min(high - low for low, high in zip(levels, levels[1:], strict=False)) > 15, means
    assert means["turbo"][1] > 2 * means["asphalt"][1], means


@pytest.mark.parametrize("distance_m", [25.0, 60.0, 150.0])
def test_gates_are_seen_near_and_far_and_the_finish_is_chequered(distance_m, lay, park):
    plain = lay([FLAT])
    empty = Camera(plain)(park(plain, [100.0]))[0, 0].float()
    beams = {}
    for kind in (CHECKPOINT_GATE, FINISH_GATE):
        track = lay([FLAT], {100.0 + distance_m: kind})
        beams[kind] = (Camera(track)(park(track, [100.0]))[0, 0].float() - empty)[: HORIZON_ROW + 1]
    assert (beams[CHECKPOINT_GATE] > 25).sum() >= 6
    assert (beams[FINISH_GATE] < -25).any() and (beams[FINISH_GATE] > 10).any()


def test_a_gate_behind_the_car_is_not_drawn(lay, park):
    plain, gated = lay([FLAT]), lay([FLAT], {100.0: CHECKPOINT_GATE})
    poses = park(plain, [140.0])
    assert torch.equal(Camera(plain)(poses), Camera(gated)(poses))


def test_the_fence_stands_nearer_on_the_side_of_the_car(camera, straight, park):
    for d_m, near, far in ((14.0, 62, 1), (-14.0, 1, 62)):
        picture = camera(park(straight, [150.0], d_m))[0, 0]
        assert torch.unique(picture[36:, near]).numel() > torch.unique(picture[36:, far]).numel()
    across = camera(park(straight, [150.0], 10.0, torch.pi / 2))[0, 0].float()
    fence = across[26:33, 4:60]
    assert fence.std(1).max() < 70 and (fence > 88).all()  # it fills the width of the picture


def test_looking_back_along_the_road_shows_road_again(camera, straight, park):
    def mean_picture(yaw_rad: float):  # over a period of the patterns on road and fence
        return camera(park(straight, 292.0 + torch.arange(16), 0.0, yaw_rad)).float().mean(0)

    assert (mean_picture(0.0) - mean_picture(torch.pi)).abs().mean() < 3
    assert (mean_picture(0.0) - mean_picture(1.5)).abs().mean() > 7


def test_the_own_car_shows_roll_height_steering_and_brake(camera, straight, park):
    still = camera(park(straight, [150.0]))
    for change in ({"roll_rad": 0.3}, {"height_m": 1.0}, {"steer": 1.0}, {"brake": 1.0}):
        changed = camera(park(straight, [150.0], **change))
        assert ((changed.int() - still.int()).abs() > 30).sum() >= 2, change
    level, rolled = still[0, 0].float(), camera(park(straight, [150.0], roll_rad=0.4))[0, 0].float()
    body = slice(34, 60), slice(20, 44)
    assert (level[body] - level[body].flip(1)).abs().mean() < 1
    assert (rolled[body] - rolled[body].flip(1)).abs().mean() > 10


def test_a_slide_turns_the_car_against_the_picture(camera, straight, park):
    poses = park(straight, [150.0], 0.0, 0.4)
    sliding = poses._replace(velocity=torch.tensor([[0.0, 0.0, 50.0]]))
    assert (camera(poses).int() - camera(sliding).int()).abs().float().mean() > 5


def test_any_pose_gives_a_picture(lay, park):
    track = lay([(100, 0.02, 0.2, 0, 1), (60, -0.04, -0.2, 2, 1), (30, 0, 0.1, 0, 0), (100, 0.03, 0, 3, 1)])
    generator = torch.Generator().manual_seed(0)
    count = 200
    s_m = torch.rand(count, generator=generator) * 400 - 60
    d_m, yaw, height = (torch.rand(3, count, generator=generator) * 2 - 1).unbind(0)
    poses = park(track, s_m, 25 * d_m, 4 * yaw, 20 * height.clamp(min=0))
    upended = poses._replace(forward=poses.up, up=-poses.forward)
    for pose in (poses, upended):
        picture = Camera(track, 32, 32)(pose)
        assert (picture.float().std((1, 2, 3)) > 1).all()


def test_a_car_that_fell_into_the_gap_of_a_jump_still_gets_a_picture(park):
    track = load_track("a01")
    gap_m = float((track.ribbon.road == 0).nonzero()[0]) * track.spacing_m
    camera = Camera(track, 32, 32)
    for sunk_m in torch.linspace(-8.0, 0.0, 17):  # one by one: the first car of a batch has no row before it
        assert camera(park(track, [gap_m + 10.0], 15.0, 0.1, float(sunk_m))).shape == (1, 1, 32, 32)


def test_a_lap_later_the_picture_is_the_same(park):
    track = oval_track()
    camera = Camera(track)
    once = park(track, torch.arange(8) * track.length_m / 8)
    later = once._replace(s_m=once.s_m + 2 * track.length_m)
    difference = (camera(once).int() - camera(later).int()).abs()
    assert (difference > 20).float().mean() < 0.02


def test_the_road_goes_on_over_the_seam_of_a_lap(park):
    track = oval_track()
    pictures = Camera(track)(park(track, [track.length_m - 20.0, 20.0, track.length_m / 2 - 10])).float()
    straight_ahead = pictures[:, 0, 26:34, 8:56].mean((1, 2))
    assert straight_ahead.std() < 12


def test_looks_vary_only_when_asked(camera, straight, park):
    poses, generator = park(straight, [100.0, 200.0]), torch.Generator().manual_seed(1)
    plain, varied = Appearance(), varied_appearance()
    before = generator.get_state()
    assert torch.equal(camera(poses, plain.variation(plain.draw(2, generator))), camera(poses))
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(camera(poses, varied.variation(varied.plain(2, generator.device))), camera(poses))
    assert not torch.equal(camera(poses, varied.variation(varied.draw(2, generator))), camera(poses))


@pytest.mark.parametrize("name", ["contrast", "brightness", "grain", "camera_up_m", "camera_yaw_rad"])
def test_everything_a_look_can_vary_has_an_effect(camera, straight, park, name):
    still = dict.fromkeys(("contrast", "brightness", "grain", "camera_up_m", "camera_yaw_rad"), 0.0)
    appearance = varied_appearance(**still | {name: getattr(varied_appearance(), name)})
    drawn = torch.tensor([1.0, -1.0])[:, None] * torch.ones(2, appearance.size)
    one, other = camera(park(straight, [100.0, 100.0]), appearance.variation(drawn)).int()
    assert ((one - other).abs() > 2).float().mean() > 0.02


def test_the_grain_lies_still_on_the_ground_and_differs_between_races(camera, straight, park):
    def bare(offset: float, pattern: float):
        variation = appearance.variation(torch.tensor([[0.0, 0.0, 0.0, 0.0, 1.0, pattern]]))
        pose = park(straight, [100.0 + offset])
        return camera(pose, variation).int() - camera(pose).int()

    appearance = varied_appearance()
    here = bare(0.0, 0.3)
    moved = (bare(0.05, 0.3) - here).abs().float().mean()
    other = (bare(0.0, 0.4) - here).abs().float().mean()
    assert (here != 0).float().mean() > 0.3 and moved < 0.3 * other
    assert (here[..., :HORIZON_ROW, :] == 0).all()  # only the ground has it


def test_a_picture_never_reads_a_value(straight, park):
    """Tensors of the meta device have shapes but no values: reading one raises."""
    camera, poses = Camera(straight, 32, 32), park(straight, [50.0, 100.0, 150.0])
    shapes = camera(poses).shape
    meta = object.__new__(Camera)
    meta.__dict__ = {name: moved(value) for name, value in camera.__dict__.items()}
    assert meta(tree_map(lambda field: field.to("meta"), poses)).shape == shapes


def moved(value):
    """`value`, or the tensors within its attributes, on the meta device."""
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    if hasattr(value, "__dict__") and not isinstance(value, scene.Framing):
        copy = object.__new__(type(value))
        copy.__dict__ = {name: moved(inner) for name, inner in value.__dict__.items()}
        return copy
    return value


def test_a_picture_is_one_graph(camera, straight, park):
    poses = park(straight, [50.0, 100.0])
    for appearance in (Appearance(), varied_appearance()):
        drawn = appearance.draw(2, torch.Generator().manual_seed(1))

        def shown(drawn, appearance=appearance):
            return camera(poses, appearance.variation(drawn))

        compiled = torch.compile(shown, fullgraph=True, backend="eager")
        assert torch.equal(compiled(drawn), shown(drawn))


def test_both_ways_to_find_what_is_seen_paint_the_same_picture(park):
    track = load_track("hills")
    poses = park(track, torch.linspace(0, 900, 24), torch.linspace(-15, 15, 24), torch.linspace(-3, 3, 24))
    for size in ((64, 64), (17, 23)):
        assert torch.equal(Camera(track, *size)(poses), Camera(track, *size, CompiledRasterizer())(poses))


@pytest.mark.parametrize("rasterizer", [EagerRasterizer(), CompiledRasterizer()])
def test_no_ground_is_looked_for_above_the_horizon_of_a_flat_track_and_none_is_there(rasterizer, park):
    track = load_track("s_bends")
    poses = park(track, torch.linspace(0, 900, 24), torch.linspace(-15, 15, 24), torch.linspace(-3, 3, 24))
    for size in ((64, 64), (17, 23)):
        camera, whole = Camera(track, *size, rasterizer), Camera(track, *size, rasterizer)
        assert camera.top == max(row for row in range(size[0]) if row + 0.5 <= size[0] * scene.HORIZON) + 1
        whole.top = 0
        assert torch.equal(camera(poses), whole(poses))


@pytest.mark.parametrize("name", ["a01", "oval", "hills", "dirt_and_turbo"])
def test_ground_may_be_anywhere_on_a_track_with_banks_or_slopes(name):
    assert top_of_ground(load_track(name), scene.Framing(64, 64)) == 0
