"""Maps, ghosts and replays that our own writer makes are read; damaged ones are refused in a sentence."""

from __future__ import annotations

import re
import struct
import zlib

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.maps.gbx import challenge, container, replay
from btr_tm.maps.gbx.challenge import Challenge
from btr_tm.maps.gbx.cursor import Cursor, shown

from . import gbx_files as written

BLOCKS = [
    ("StadiumRoadMainStartLine", 5, 1, 6),
    ("*StadiumRoadMainCheckpoint", 6, 1, 6),
    ("-Unassigned1", 0, 0, 0),
    ("StadiumRoadMain", 7, 1, 6),
    ("*StadiumRoadMainCheckpointHigh", 8, 1, 6),
    ("StadiumRoadMainCheckpointLeft", 8, 3, 6),
    ("StadiumRoadMainFinishLine", 9, 2, 6),
]
POSITIONS = np.cumsum(np.random.default_rng(0).random((240, 3)), axis=0)
MAP = written.challenge(BLOCKS)


def file_of(content: bytes) -> container.GbxFile:
    return container.parse(content, "x.Gbx")


def driven(content: bytes) -> replay.Replay:
    return replay.of_file(file_of(content))


@pytest.mark.parametrize("xml", [written.XML, None])
@pytest.mark.parametrize("packed", [True, False])
def test_a_map_is_read_with_and_without_its_xml(xml, packed):
    file = file_of(written.challenge(BLOCKS, name="$f00A01$z-Race", xml=xml, packed=packed))
    times = {"bronze": 38030, "silver": 29190, "gold": 25870, "author": 24540}
    assert challenge.header(file) == Challenge("A01-Race", "uid_of_a01", "Nadeo", "Stadium", times)
    course = challenge.course(file)
    assert [block.name for block in course.blocks] == [
        block[0].strip("*") for block in BLOCKS if block[0][0] != "-"
    ]
    assert len(course.checkpoints) == 3 and course.laps == 1


def test_gates_lie_where_published_lines_place_them():
    centres = [gate.centre_m for gate in challenge.course(file_of(MAP)).gates]
    # 32 x 8 x 32 m; half a cell aside, 7/8 of a level up for high ones, 5/8 for those on the left and right
    assert centres == [(176, 8, 208), (208, 8, 208), (272, 15, 208), (272, 29, 208), (304, 16, 208)]


def test_laps_are_read():
    assert challenge.course(file_of(written.challenge(BLOCKS, laps=3))).laps == 3


def test_blocks_of_the_first_version_have_shorter_flags():
    body = written.number(0x0304301F) + written.Ids()("u", 26, "a") + written.text("n")
    ids = written.Ids()
    body = written.number(0x0304301F) + ids("u", 26, "a") + written.text("n") + ids("Day", 26, "x")
    body += (
        written.number(32, 32, 32, 0, 0, 1)
        + ids("StadiumRoadMainCheckpoint")
        + bytes([0, 1, 2, 3])
        + b"\xff\x0f"
    )
    body += written.number(written.END_OF_NODE)
    file = file_of(written.container(0x24003000, {}, body))
    assert challenge.course(file).blocks == [challenge.Block("StadiumRoadMainCheckpoint", 1, 2, 3)]


@pytest.mark.parametrize("options", [{}, {"even": False}, {"sizes": True}, {"period_ms": 50}, {"size": 12}])
def test_the_records_of_a_ghost_are_read(options):
    found = driven(written.ghost(written.records(POSITIONS, **options), time_ms=23_560, respawns=2))
    (ghost,) = found.ghosts
    np.testing.assert_allclose(ghost.records.positions, POSITIONS, atol=1e-4)
    assert ghost.records.times_ms.tolist() == [options.get("period_ms", 100) * i for i in range(240)]
    assert (ghost.time_ms, ghost.respawns, found.map()) == (23_560, 2, None)


def test_a_replay_holds_its_map_and_the_fastest_of_its_ghosts():
    held = [written.records(part) for part in (POSITIONS, POSITIONS[:200], POSITIONS[:0])]
    content = written.replay([(held[0], 24_000, 0), (held[1], 20_000, 1), (held[2], 10, 0)], MAP)
    found = driven(content)
    assert len(found.ghosts) == 2, "one has no records"
    assert found.fastest().time_ms == 20_000
    assert challenge.header(found.map()).name == "A01-Race"
    unfinished = driven(written.replay([(held[1], written.NOTHING, 0), (held[0], written.NOTHING, 0)]))
    assert len(unfinished.fastest().records.times_ms) == 240


def test_a_damaged_map_does_not_spoil_the_races_beside_it():
    found = driven(written.replay([(GOOD, 24_000, 0)], b"no map"))
    assert found.fastest().time_ms == 24_000
    with pytest.raises(UserError, match="the map in x.Gbx is no Gbx file"):
        found.map()
    with pytest.raises(UserError, match="the map in x.Gbx is a ghost"):
        driven(written.replay([(GOOD, 24_000, 0)], written.ghost(GOOD))).map()


def test_other_files_are_read_past():
    names = written.number(1, 0, 0, 0) + written.text("a.gbx") + written.number(0, 1, 0)
    plain = written.ghost(written.records(POSITIONS))
    at = plain.index(written.number(2, 0)) + 4
    assert len(driven(plain[:at] + names + plain[at + 4 :]).ghosts) == 1


def ghost_of(held: bytes, size: int | None = None) -> bytes:
    body = written.number(0x0303F005, len(held) if size is None else size) + written.text(zlib.compress(held))
    return written.container(0x03092000, {}, body + written.number(written.END_OF_NODE))


GOOD, UNEVEN = written.records(POSITIONS), written.records(POSITIONS, even=False)
BEGIN = b"GBX\x06\x00BUCR"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "x.Gbx is no Gbx file of the game"),
        (b"PNG", "no Gbx file of the game"),
        (b"GBX", "2 bytes should follow, and 0 do \\(byte 3 of its header"),
        (b"GBX\x07\x00BUCR", "its version should be 3 to 6, got 7"),
        (b"GBX\x06\x00TUCR", "its format should be BUC or BUU, got b'T' with a body b'C'"),
        (BEGIN + written.number(0x0A000000), "of class 0A000000; a map, a replay or a ghost is needed"),
        (BEGIN + written.number(0x03043000, 1 << 30), "1,073,741,824 bytes should follow, and 0 do"),
        (BEGIN + written.number(0x03043000, 4, 9), "9 entries should follow in 0 bytes"),
        (MAP, "x.Gbx is a map, in which nobody drives; name a replay or a ghost"),
        (written.replay([]), "holds no race"),
        (written.ghost(written.records(POSITIONS[:1])), "holds no race"),
        (written.ghost(written.number(written.NOTHING)), "holds no race"),
        (written.container(0x03092000, {}, b""), "and 0 do .byte 0 of its unpacked body"),
        (written.container(0x03092000, {}, written.number(0x0309200C)), "4 bytes should follow, and 0"),
        (written.container(0x03092000, {}, written.number(0x03092099, 1)), "chunk 03092099 is not known"),
        (
            written.container(0x03092000, {}, written.skippable(0x03092005, b"") + bytes(9)),
            "chunk 03092005 has 0 bytes, and what is in it needs more",
        ),
        (ghost_of(GOOD, len(GOOD) - 1), "instead of 14,6"),
        (ghost_of(GOOD, len(GOOD) + 1), "records unpack to 14,6"),
        (ghost_of(GOOD, 1 << 30), "more than 32 MiB"),
        (ghost_of(GOOD[:-4]), "4 bytes should follow, and 0 do"),
        (ghost_of(written.records(POSITIONS, period_ms=0)), "10 to 2000 ms apart, got 0"),
        (ghost_of(written.records(POSITIONS, size=12)[:-4] + written.number(4)), "at least 12 bytes, got 4"),
        (ghost_of(GOOD[:-4] + written.number(5000)), "record 240 should lie at byte 1,195,000"),
        (ghost_of(GOOD[:-12] + written.number(1 << 20, 0, 61)), "1,048,576 records, more"),
        (ghost_of(UNEVEN[:-4] + written.number(0)), "or not in their order"),
        (ghost_of(UNEVEN[: -4 * 241] + written.number(0)), "have 0 times"),
    ],
)  # fmt: skip
def test_a_file_without_a_race_is_refused_in_a_sentence_with_the_place(content, said):
    with pytest.raises(UserError, match=said) as raised:
        driven(content)
    assert "\n" not in str(raised.value) and "x.Gbx" in str(raised.value)


def test_a_body_that_unpacks_without_end_is_refused():
    plain = written.ghost(GOOD)
    at = plain.index(written.number(2, 0)) + 8
    size = struct.unpack("<I", plain[at : at + 4])[0]
    for claimed, said in (
        (1 << 30, "more than 64 MiB"),
        (size - 1, "more than"),
        (size + 1, "instead of"),
    ):
        with pytest.raises(UserError, match=said):
            driven(plain[:at] + written.number(claimed) + plain[at + 4 :])


def test_nodes_within_each_other_and_ids_of_nowhere_are_refused():
    deep = written.number(0x03093014, 10, 1, 1, 0x03092000)
    endless = b"".join(written.number(0x03043011, 2 * i, 0x0301B000) for i in range(30))
    with pytest.raises(UserError, match="more than 20 nodes within each other"):
        challenge.course(file_of(written.container(0x03043000, {}, endless)))
    with pytest.raises(UserError, match="an id refers to name 9 of 0"):
        driven(written.container(0x03093000, {}, deep + written.number(0x0309200E, 3, 0x40000009)))
    with pytest.raises(UserError, match="ids of version 3 should follow, got 4"):
        Cursor(written.number(4, 0), "x", "body").id()


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("<header", "the XML in the header of x.Gbx is damaged"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><header/>", "declares entities, which no map does"),
    ],
)
def test_bad_xml_is_refused(xml, said):
    with pytest.raises(UserError, match=said):
        challenge.header(file_of(written.challenge(BLOCKS, xml=re.sub("[{}]", "", xml))))


def test_times_that_are_no_numbers_are_left_out_and_names_stay_on_one_line():
    file = file_of(written.challenge(BLOCKS, xml='<times bronze="-1" gold="x" author="7"/>', name="a\nb"))
    assert challenge.header(file).times_ms["gold"] == 25870
    assert challenge.header(file).name == "a b"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("$f00Fast$z$$ $iwild$", "Fast$ wild"),
        ("plain", "plain"),
        ("$", ""),
        ("$l[http://x]y", "[http://x]y"),
        ("", ""),
    ],
)
def test_codes_for_colours_are_not_shown(name, plain):
    assert shown(name) == plain


def test_a_file_that_is_no_map_is_refused_where_one_is_needed():
    with pytest.raises(UserError, match=r"x.Gbx is a ghost; a map \(.Challenge.Gbx\) is needed"):
        challenge.of_kind(file_of(written.ghost(GOOD)))
    with pytest.raises(UserError, match="x.Gbx has no list of blocks"):
        challenge.course(file_of(written.container(0x03043000, {}, written.number(written.END_OF_NODE))))
