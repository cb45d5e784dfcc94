"""Track files: what ships compiles, and each mistake is one sentence with file, block and remedy."""

import time

import pytest
import torch
import yaml

from btr_tm.core.errors import UserError
from btr_tm.sim.track.compile import compile_track
from btr_tm.sim.track.generator import random_content, random_track
from btr_tm.sim.track.load import load_track, shipped_tracks
from btr_tm.sim.track.ribbon import DIRT, TURBO


def compiled(*blocks, **keys):
    return compile_track("t", {"blocks": list(blocks), **keys}, "t.yaml")


def test_the_five_tracks_ship():
    assert shipped_tracks() == ["a01", "dirt_and_turbo", "hills", "oval", "s_bends"]


@pytest.mark.parametrize("name", shipped_tracks())
def test_shipped_track_has_description_start_checkpoints_and_road_beyond_the_finish(name):
    track = load_track(name)
    assert len(track.description) > 20 and track.name == name
    assert track.start_m < min(track.checkpoints_m) and max(track.checkpoints_m) < track.finish_m
    assert track.closed or track.finish_m < track.length_m - 100
    gates = track.ribbon.gate
    assert (gates[round(track.finish_m / 0.5) % len(gates)]) == 3


def test_a01_climbs_jumps_and_takes_about_24_seconds_of_road():
    track = load_track("a01")
    assert 1200 < track.finish_m - track.start_m < 1600
    assert track.ribbon.centre[:, 1].max() > 16 and (track.ribbon.road == 0).sum() > 40


def test_surfaces_lie_where_the_file_puts_them():
    surface = load_track("dirt_and_turbo").ribbon.surface
    assert (surface == DIRT).sum() > 400
    assert (surface == TURBO).sum() == pytest.approx(3 * 32, abs=4)  # three pads of 16 m


def test_laps_repeat_line_and_checkpoints():
    track = load_track("oval")
    lap = track.length_m
    assert track.finish_m == pytest.approx(track.start_m + 2 * lap)
    first = track.checkpoints_m[0]
    assert track.checkpoints_m == pytest.approx((first, track.start_m + lap, first + lap))


def test_width_changes_gradually():
    narrow = compiled(
        "start", {"straight": {"length": 2}}, {"straight": {"length": 3, "width": 12}}, "finish"
    )
    width = narrow.ribbon.half_width_m
    assert width.min() == pytest.approx(6) and width.max() == pytest.approx(12)
    assert width.diff().abs().max() < 0.5


def test_track_may_cross_above_itself_but_not_at_the_same_height():
    turns = [{"curve": {"turn": "left", "size": 3}}] * 3
    finish = [{"straight": {"length": 6}}, "finish"]
    level = ["start", {"straight": {"length": 6}}, *turns, *finish]
    with pytest.raises(UserError, match=r"t.yaml: block 6 runs into block \d at the same height; .*raise"):
        compiled(*level)
    above = [
        "start",
        {"straight": {"length": 6}},
        {"curve": {"turn": "left", "rise": 2}},
        *turns[1:],
        *finish,
    ]
    assert compiled(*above).length_m > 500


@pytest.mark.parametrize(
    "blocks,sentence",
    [
        (
            ["start", "looping", "finish"],
            r"t.yaml: block 2 \(looping\): a block must be one of start, .* got looping",
        ),
        (
            ["start", {"curve": {"size": 9}}, "finish"],
            r"t.yaml: block 2 \(curve\): size must be one of 2, 3, 4, 5, 6, got 9",
        ),
        (["start", {"curve": [1]}, "finish"], r"t.yaml: block 2 \(curve\): options must be written as"),
        (["start", 5, "finish"], r"t.yaml: block 2 must be `name`"),
        (["straight", "finish"], "t.yaml has no block `start`.*add one"),
        (["start", "straight"], "t.yaml has no block `finish`.*add one"),
        (["start", "start", "finish"], r"t.yaml: block 2 \(start\) is a second start or finish; remove"),
        (["start", "finish", "start_finish"], "t.yaml: block . .* is a second start or finish; remove"),
        (["finish", "straight", "start"], r"t.yaml: block 1 \(finish\) comes before the start; swap"),
        (
            ["start", {"straight": {"at": [0, 0, 3]}}, "finish"],
            r"gap before block 2 \(straight\).*\[0.0, 0.0, 1.0\]",
        ),
        (
            ["start_finish", "straight"],
            r"t.yaml: gap between block 2 \(straight\).*change blocks until they meet",
        ),
        (
            ["start", {"curve": {"size": 2, "width": 60}}, "finish"],
            "t.yaml: block 2 turns at .*make the curve larger",
        ),
        ([], "t.yaml must be a list of blocks, such as `- start`, or have a key `blocks`"),
        (["start", {"curve": {"turn": 3}}, "finish"], "turn must be left or right, got 3"),
        (["start", {"straight": {"surface": ["ice"]}}, "finish"], "surface must be one of asphalt, grass"),
        (["start", {"straight": {"length": 101}}, "finish"], "length must be from 0.5 to 100 cells, got 101"),
        (["start", {"straight": {"rise": -3}}, "finish"], "rise must be from -2 to 2 levels at this length"),
        (["start", {"chicane": {"length": 1e-9}}, "finish"], "length must be from 1 to 100 cells, got 1e-09"),
        (["start", {"jump": {"gap": 1e9}}, "finish"], r"must be a number, got 1000000000.0"),
        (["start", {"straight": {"length": float("nan")}}, "finish"], "length must be a number, got nan"),
        (["start", *["straight"] * 1000], "t.yaml: a track has at most 1,000 blocks, got 1,001"),
        (
            ["start", *[{"straight": {"length": 100}}] * 10],
            "t.yaml: at block 11 the track is longer than 30 ",
        ),
    ],
)
def test_mistakes_name_file_block_and_remedy(blocks, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        compiled(*blocks)
    assert "\n" not in str(caught.value)


def test_a_list_of_blocks_is_a_track():
    blocks = ["start", {"curve": {"turn": "left", "size": 4, "quarters": 2.0}}, "finish"]
    track = compile_track("t", blocks, "t.yaml")
    assert torch.equal(track.ribbon.centre, compiled(*blocks).ribbon.centre)


@pytest.mark.parametrize("content", [None, 3, "start", {"block": ["start"]}, {"blocks": "start"}, {1: 2}])
def test_what_is_no_list_of_blocks_is_refused(content):
    with pytest.raises(UserError, match="t.yaml must be a list of blocks, such as `- start`, or have a key"):
        compile_track("t", content, "t.yaml")


def test_laps_end_somewhere():
    with pytest.raises(UserError, match="laps must be 1, or up to 100 on a closed track, got 101"):
        oval(laps=101)
    with pytest.raises(UserError, match="t.yaml: 100 laps are 178 km, and at most 100 km"):
        oval(length=16, laps=100)
    assert oval(laps=100).laps == 100


def oval(length=1, laps=1):
    half = [{"straight": {"length": length}}, {"curve": {"size": 3, "quarters": 2}}]
    return compiled("start_finish", *half, "straight", *half, laps=laps)


def test_the_largest_track_that_is_allowed_compiles_in_seconds():
    turns = [{"curve": {"turn": side, "size": 2}} for side in ("left", "right")] * 110
    chicanes = [{"chicane": {"length": 1 + number / 1000, "shift": 0.1}} for number in range(150)]
    straights = [{"straight": {"length": 0.5, "width": 20}}] * 340
    began = time.process_time()
    track = compiled("start", *turns, *chicanes, *straights, "finish")
    assert track.length_m > 24_000
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "keys",
    [
        {"laps": 2},
        {"laps": True},
        {"laps": "x"},
        {"surface": []},
        {"with": 3},
        {"width": "wide"},
        {"width": 900},
    ],
)
def test_bad_top_level_keys_are_refused(keys):
    with pytest.raises(UserError, match="t.yaml: "):
        compiled("start", "finish", **keys)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(UserError, match="no track nowhere; name a shipped one .a01, "):
        load_track("nowhere")
    broken = tmp_path / "broken.yaml"
    broken.write_text("blocks:\n  - start\n - finish: {\n")
    with pytest.raises(UserError, match="broken.yaml is no valid YAML: .* line 3"):
        load_track(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="broken.yaml"):
        load_track(str(broken))


def test_two_hundred_thousand_blocks_are_refused_at_once(tmp_path):
    (tmp_path / "long.yaml").write_text("- start\n" + "- straight\n" * 80_000)
    with pytest.raises(UserError, match="long.yaml: a track has at most 1,000 blocks, got 80,001"):
        load_track(tmp_path / "long.yaml")
    (tmp_path / "long.yaml").write_text("- start\n" + "- straight\n" * 200_000)
    with pytest.raises(UserError, match="long.yaml has more than 1 MiB"):
        load_track(tmp_path / "long.yaml")


def test_track_file_on_disk_compiles(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(random_content(5)))
    track = load_track(path)
    assert track.name == "mine"
    assert torch.equal(track.ribbon.centre, random_track(5).ribbon.centre)


def test_random_tracks_are_reproducible_valid_and_of_the_length_asked_for():
    for seed in range(8):
        track = random_track(seed, length_m=1000, difficulty=seed / 7)
        assert 950 < track.finish_m - track.start_m < 1600
        assert torch.equal(track.ribbon.centre, random_track(seed, 1000, seed / 7).ribbon.centre)
    assert random_content(1) != random_content(2)
    with pytest.raises(UserError, match="length_m must be from 200 to 20000"):
        random_track(0, length_m=5)
