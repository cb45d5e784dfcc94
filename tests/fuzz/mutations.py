"""Damages a file in the ways that files get damaged, and in those that people think of."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

TOKENS = [
    b"NaN",
    b"-1",
    b"0",
    b"1e999",
    b"9" * 400,
    b"\x00",
    b"\xff\xfe",
    b"\xd0\xcf",
    b"\xef\xbb\xbf",
    b"null",
    b"[",
    b"{",
    b"}",
    b"]" * 9,
    b"[" * 3000,
    b"- ",
    b": ",
    b"&a [*a]",
    b"*a",
    b"!!python/name:os.system ",
    b"\r\n",
    b"\t",
    b"'",
    b'"',
    b"#",
    b";",
    b"-",
    b".",
    b" " * 300,
    b"\n" * 300,
    b"1-2 press up\n",
    b"99999999999999",
    b"true",
    "é€ж".encode(),
    b"../../",
    b"../../../etc/passwd",
    b"inf",
    b"${oc.env:HOME}",
    b"_target_",
    b"os.system",
]
VALUES = [
    None,
    [],
    {},
    "",
    "x",
    "x" * 5000,
    -1,
    0,
    1,
    3,
    0.5,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    2**31,
    2**62,
    True,
    [1],
    [[0, 1]],
    {"a": 1},
    "../../x",
    "1",
    "nan",
    "${seed}",
    "???",
    [None],
    ["a"] * 50,
    10**9,
]


def damage(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to four changes of `content`; `other` is a second file of the same kind."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = rng.choice(CHANGES)(content, other, rng)
    return content


def flip(content: bytes, other: bytes, rng: random.Random) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, other: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def without_a_piece(content: bytes, other: bytes, rng: random.Random) -> bytes:
    start, size = rng.randrange(len(content) + 1), rng.choice((1, 2, 8, 64))
    return content[:start] + content[start + size :]


def a_piece_twice(content: bytes, other: bytes, rng: random.Random) -> bytes:
    start, size = rng.randrange(len(content) + 1), rng.choice((1, 16, 256))
    return (
        content[: start + size]
        + content[start : start + size] * rng.choice((1, 1, 50))
        + content[start + size :]
    )


def token(content: bytes, other: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.choice(TOKENS) + content[start + rng.choice((0, 0, 1, 4)) :]


def number(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """Another number where one stands."""
    places = [place for place, byte in enumerate(content[:100_000]) if chr(byte).isdigit()]
    if not places:
        return content
    start = rng.choice(places)
    return (
        content[:start]
        + rng.choice((b"-", b"0", b"9999999999", b"1e308", b"x", b".5"))
        + content[start + 1 :]
    )


def lines_swapped(content: bytes, other: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if len(lines) < 2:
        return content
    one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"".join(lines)


def spliced(content: bytes, other: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def a_value(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """Another value for one key, or one key less, if the content is JSON."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return token(content, other, rng)
    return json.dumps(change(tree, rng)).encode()


def change(tree: object, rng: random.Random) -> object:
    """`tree` with one of its nodes replaced or removed."""
    if not isinstance(tree, dict | list) or not tree or rng.random() < 0.1:
        return rng.choice(VALUES)
    key = rng.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    if rng.random() < 0.1:
        del copy[key]
    else:
        copy[key] = change(copy[key], rng)
    return copy


Change = Callable[[bytes, bytes, random.Random], bytes]
CHANGES: list[Change] = [
    flip,
    flip,
    cut,
    without_a_piece,
    a_piece_twice,
    token,
    token,
    number,
    number,
    lines_swapped,
    spliced,
    a_value,
    a_value,
]
