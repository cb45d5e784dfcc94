"""Readers refuse what is damaged, too long or built to hurt, with one sentence; writes leave whole files."""

from __future__ import annotations

import io
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from btr_tm.core import files
from btr_tm.core.errors import UserError

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


LINE = npy(np.zeros((10, 3)))


@pytest.mark.parametrize(
    ("text", "message"),
    ids=itertools.count(),
    argvalues=[
        (BOMB, "more than 100,000 values"),
        ("a: &a [*a]", "more than 100,000 values"),
        ("- a\n" * 200_000, "more than 100,000 values at line 9"),
        ("[" * 900_000, "more than 50 levels at line 1"),
        ("\n".join(" " * depth + "a:" for depth in range(200)), "more than 50 levels at line 51"),
        ("a: 1\nb: 2\na: 3", "key 'a' stands twice, line 3"),
        ("a: [1, 2", r"expected .* line \d"),
        ("a: !!python/object:os.system {}", "constructor for the tag"),
        ("a: 2001-99-99", "month must be in 1..12"),
        ("0x" + "f" * 5000, "64 bits"),
        ("9" * 5000, "no valid YAML"),
        ("!!timestamp x", "it is damaged"),
        ("? [a]\n: c", "unhashable key"),
        ("a\0b", "control characters"),
    ],
)
def test_yaml_that_is_no_plain_data_of_a_sensible_size_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        files.parse_yaml(text, "x.yaml")


def test_yaml_with_aliases_and_an_empty_one_are_read() -> None:
    assert files.parse_yaml("a: &a {b: 1}\nc: [*a, *a]", "x") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}
    assert files.parse_yaml("# nothing\n", "x") is None


@pytest.mark.parametrize(
    "text",
    ids=itertools.count(),
    argvalues=[
        "[" * 900_000,
        '{"a":' * 100_000,
        '{"a": 1',
        "9" * 5000,
        "[1]",
        "null",
        "",
        '{"a": 1' + "0" * 30 + "}",
    ],
)
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"manifest\.json (is no valid JSON|must hold a JSON object)"):
        files.parse_json(text, "manifest.json")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "magic"),
        (LINE[:-1], "needs 240 bytes, and 239 are there"),
        (LINE + b"x", "needs 240 bytes, and 241 are there"),
        (LINE.replace(b"(10, 3)", b"(1000000000, 3)"), "needs 24,000,000,000 bytes"),
        (LINE.replace(b"(10, 3)", b"(-5, -2)"), "shape"),
        (LINE.replace(b"<f8", b"|O8"), "object values"),
        (npy(np.array(["word"])), "<U4 values"),
        (b"\x93NUMPY\x07\x00", "it is damaged"),
        (LINE.replace(b"'shape'", b"'shap_'"), "correct keys"),
        (LINE.replace(b"{'descr'", b"[[[[[[[["), "it is damaged"),
        (b"PK\x03\x04" + bytes(100), "magic"),
    ],
)
def test_an_array_file_that_is_damaged_or_of_another_kind_is_refused(
    tmp_path: Path, payload: bytes, message: str
) -> None:
    (tmp_path / "line.npy").write_bytes(payload)
    with pytest.raises(UserError, match=message):
        files.read_npy(tmp_path / "line.npy")


def test_an_array_file_is_read_whatever_its_order_and_type(tmp_path: Path) -> None:
    for array in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.float32(4)):
        np.save(tmp_path / "line.npy", array)
        assert np.array_equal(files.read_npy(tmp_path / "line.npy"), array)


def test_text_is_utf_8_with_any_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert files.read_text(path) == "one\ntwo\nthree\n"
    path.write_bytes("first\nпоезд".encode("cp1251"))
    with pytest.raises(UserError, match=r"no text in UTF-8 \(line 2\); open it in an editor"):
        files.read_text(path)


def test_what_is_no_file_or_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(bytes(2 * files.MIB + 1))
    for path, message in (
        (tmp_path, "it is no file"),
        (tmp_path / "none", "No such file"),
        ("a\0b", "null byte"),
        (tmp_path / "long", "more than 2 MiB"),
        (os.devnull, "it is no file"),
    ):
        with pytest.raises(UserError, match=message):
            files.read_bytes(path, limit=2 * files.MIB)


def test_values_are_echoed_in_one_short_line() -> None:
    assert files.short({"a": "b\nc"}) == "{'a': 'b\\nc'}"
    assert files.short("x" * 1000) == "x" * 77 + "..."
    assert files.short(10**5000) == "a very long number"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "status.json"
    files.write_atomic(path, json.dumps({"state": "running"}).encode())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(path, b"x" * 1000)
    assert [each.name for each in tmp_path.iterdir()] == ["status.json"]
    assert files.read_json(path) == {"state": "running"}
