"""Reading files that may be damaged or somebody else's, and writing files that are always whole.

Every reader raises UserError, and nothing else, for a file that is not what it should be: missing, too long,
of another encoding, cut short, nested too deep, or with an array in it that the file is too short for.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import tokenize
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray

from btr_tm.core.errors import UserError

if TYPE_CHECKING:  # it imports torch, which what only reads a file does without
    from btr_tm.core.types import JsonObject

Content = TypeVar("Content")
Result = TypeVar("Result")

MIB = 2**20
TEXT_BYTES = 16 * MIB  # a manifest of ours has 20 KiB
YAML_BYTES = MIB  # a published configuration has 10 KiB
ARRAY_BYTES = 512 * MIB  # a published reference line has 200 KiB
YAML_NODES = 100_000  # after aliases are filled in; a track of 3,000 blocks has 30,000
YAML_DEPTH = 50
PIECE_BYTES = 4 * MIB  # read at a time
ECHO = 80  # characters of a bad value that are shown

# What the parsers of JSON, YAML and .npy raise for bad input, beside their own errors (all ValueErrors).
PARSE_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError,
                EOFError, SyntaxError, tokenize.TokenError, MemoryError, yaml.YAMLError)  # fmt: skip


def write_atomic(path: Path, payload: bytes) -> None:
    """Write `payload` so that `path` holds its old or its new content, even if the process is killed."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_names(path.parent)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _sync_names(folder: Path) -> None:
    """After a power cut, too, names in `folder` are those of now; Windows cannot be asked for it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(OSError):  # some file systems cannot; the content is there all the same
            os.fsync(descriptor)
        os.close(descriptor)


def write_json(path: Path, content: JsonObject) -> None:
    """As `write_atomic`, of a JSON object."""
    write_atomic(path, json.dumps(content, indent=2, default=str).encode())


def crc32(path: Path) -> int:
    """The CRC-32 of a file."""
    found = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            found = zlib.crc32(piece, found)
    return found


def short(value: object, limit: int = ECHO) -> str:
    """A value as an error shows it: one line, cut where it gets long."""
    try:
        text = " ".join(str(value).split())
    except ValueError:  # Python does not print whole numbers of more than 4,300 digits
        text = "a very long number"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def read_bytes(path: str | Path, limit: int = TEXT_BYTES) -> bytes:
    """The content of a file of at most `limit` bytes."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise UserError(f"cannot read {path}: it is no file")  # a folder, or a device that never ends
        with open(path, "rb") as file:
            payload = b""
            while len(payload) <= limit and (piece := file.read(PIECE_BYTES)):  # read(n) reserves n bytes
                payload += piece
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror or error})") from error
    except ValueError as error:  # a zero byte in the name
        raise UserError(f"cannot read {short(path)} ({error})") from error
    if len(payload) > limit:
        raise UserError(f"{path} has more than {limit / MIB:,.0f} MiB, too much for a file of this kind")
    return payload


def read_text(path: str | Path, limit: int = TEXT_BYTES) -> str:
    """A text in UTF-8, with or without a byte order mark; any line ends become \\n."""
    return parse_text(read_bytes(path, limit), path)


def parse_text(payload: bytes, source: str | Path) -> str:
    """The same of the bytes of a file."""
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = payload.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{source} is no text in UTF-8 (line {line}); open it in an editor and save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str, source: str | Path) -> JsonObject:
    """The JSON object in `text`; errors name `source`."""
    content = _parsed(partial(json.loads, parse_int=_whole), text, source, "JSON")
    if not isinstance(content, dict):
        raise UserError(f"{source} must hold a JSON object with keys, got {short(content)}")
    return content


def read_json(path: str | Path, limit: int = TEXT_BYTES) -> JsonObject:
    """The JSON object in a file."""
    return parse_json(read_text(path, limit), path)


class _OnceEach(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses a key that stands twice in one place, of which YAML would drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                mark = key.start_mark
                raise yaml.constructor.ConstructorError(None, None, f"key '{key.value}' stands twice", mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        return _whole(super().construct_yaml_int(node))


_OnceEach.add_constructor("tag:yaml.org,2002:int", _OnceEach.construct_yaml_int)


def _whole(number: str | int) -> int:
    """Refuses numbers that no other part could hold, or even print."""
    value = int(number)
    if abs(value) >= 2**63:
        raise ValueError("it holds a whole number beyond 64 bits")
    return value


def parse_yaml(text: str, source: str | Path) -> object:
    """The plain values in a YAML text, in which no key stands twice and aliases do not multiply."""

    def parse(text: str) -> object:
        _refuse_deep(text)  # the loader of libyaml would end the process
        loader = _OnceEach(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _nodes(node, {}) > YAML_NODES:
                raise ValueError(f"it holds more than {YAML_NODES:,} values")
            return loader.construct_document(node)
        finally:
            loader.dispose()

    return _parsed(parse, text, source, "YAML")


def read_yaml(path: str | Path, limit: int = YAML_BYTES) -> object:
    """The plain values in a YAML file."""
    return parse_yaml(read_text(path, limit), path)


def _refuse_deep(text: str) -> None:
    depth = 0
    for count, event in enumerate(yaml.parse(text, _OnceEach)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > YAML_DEPTH or count > YAML_NODES:
            line = event.start_mark.line + 1
            what = (
                f"more than {YAML_DEPTH} levels" if depth > YAML_DEPTH else f"more than {YAML_NODES:,} values"
            )
            raise ValueError(f"{what} at line {line}")


def _nodes(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes there are below `node` once every alias is written out; `known` by the node's id."""
    if id(node) not in known:
        known[id(node)] = YAML_NODES + 1  # a node inside itself never ends
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = (part for each in inner for part in (each if isinstance(each, tuple) else (each,)))
        known[id(node)] = 1 + sum(_nodes(part, known) for part in parts)
    return known[id(node)]


def read_npy(path: str | Path, limit: int = ARRAY_BYTES) -> NDArray[np.generic]:
    """The one array of numbers in an `.npy` file, in memory."""
    return parse_npy(read_bytes(path, limit), path)


def parse_npy(payload: bytes, source: str | Path) -> NDArray[np.generic]:
    """The same of the bytes of a file."""

    def parse(payload: bytes) -> NDArray[np.generic]:
        with warnings.catch_warnings():  # of headers by Python 2 and of shapes that overflow
            warnings.simplefilter("ignore")
            file = io.BytesIO(payload)
            version = np.lib.format.read_magic(file)
            read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
            shape, _, dtype = read_header(file)
            needed, there = math.prod(shape) * dtype.itemsize, len(payload) - file.tell()
            if dtype.kind not in "biuf":
                raise ValueError(f"it holds {dtype} values")
            if min(shape, default=0) < 0 or needed != there:
                raise ValueError(f"shape {shape} of {dtype} needs {needed:,} bytes, and {there:,} are there")
            return np.load(io.BytesIO(payload), allow_pickle=False)

    return _parsed(parse, payload, source, "array of numbers in the .npy format")


def _parsed(parse: Callable[[Content], Result], content: Content, source: str | Path, kind: str) -> Result:
    """What `parse` makes of `content`; UserError for whatever it raises on bad input."""
    try:
        return parse(content)
    except PARSE_ERRORS as error:
        raise UserError(f"{source} is no valid {kind}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What is wrong and where; for errors that only say what a parser stumbled over, that it is damaged."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return short(f"{error.problem}, line {error.problem_mark.line + 1}")
    return short(error) if isinstance(error, ValueError | yaml.YAMLError) else "it is damaged"
