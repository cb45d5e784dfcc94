"""Unpacking LZO against a published packer, and against data made by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lzallright import LZOCompressor

from btr_tm.maps.gbx.lzo import BadLzo, unpack

END = b"\x11\x00\x00"
TEXTS = st.lists(
    st.sampled_from([b"StadiumRoadMain", b"\0" * 9, b"abc", b"\xff", bytes(300), b"xyz" * 40]), max_size=200
)


@settings(max_examples=60, deadline=None)
@given(TEXTS.map(b"".join) | st.binary(max_size=2000))
def test_what_a_published_packer_wrote_is_unpacked(data):
    assert unpack(LZOCompressor().compress(data), len(data)) == data


def test_far_copies_are_unpacked():
    noise = random.Random(0).randbytes(40_000)
    data = noise + noise[:900] + bytes(5000) + noise[20_000:25_000] + noise[-10:] * 3
    packed = LZOCompressor().compress(data)
    assert len(packed) < 45_000
    assert unpack(packed, len(data)) == data


@pytest.mark.parametrize(
    ("packed", "data"),
    [
        (b"\x15abcd" + END, b"abcd"),  # four literals first
        (b"\x01abcd" + END, b"abcd"),  # a run of 3 + 1
        (b"\x00\x01" + bytes(19) + END, bytes(19)),  # of 3 + 15 + 1
        (b"\x15abcd\x2a\x00\x00" + END, b"abcd" + b"d" * 12),  # copies what it just wrote
        (b"\x15abcd\x4c\x00" + END, b"abcdabc"),  # three from four before
        # three from four before, then e, then two from six before
        (b"\x15abcd\x4d\x00e\x04\x01" + END, b"abcdabcecd"),
    ],
)  # fmt: skip
def test_data_made_by_hand_are_unpacked(packed, data):
    assert unpack(packed, len(data)) == data


@pytest.mark.parametrize(
    ("packed", "size", "said"),
    [
        (b"", 4, "too early"),
        (b"\x15abc", 4, "too early"),
        (b"\x15abcd", 4, "too early"),
        (b"\x15abcd" + END, 3, "more than 3 bytes"),
        (b"\x15abcd" + END, 5, "4 bytes instead of 5"),
        (b"\x15abcd" + END + b"x", 4, "1 bytes follow its end"),
        (b"\x15abcd\x4c\x01" + END, 7, "before its start"),
        (b"\x15abcd\x20" + bytes(1000) + b"\x01\x00\x00" + END, 100, "more than 100 bytes"),
    ],
)
def test_damaged_data_are_refused(packed, size, said):
    with pytest.raises(BadLzo, match=said):
        unpack(packed, size)


def test_data_that_grow_without_end_stop_at_the_size_announced():
    bomb = LZOCompressor().compress(bytes(30_000_000))
    with pytest.raises(BadLzo, match="more than 1,000 bytes"):
        unpack(bomb, 1000)
