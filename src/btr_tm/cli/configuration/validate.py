"""Checks a merged configuration before anything is built: every key and type, and which classes it names.

Hydra rejects typos on the command line but not inside an experiment file, hence the walk over the result.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from functools import cache
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from btr_tm.cli.configuration import slots
from btr_tm.cli.configuration.schema import Node, Settings
from btr_tm.cli.configuration.sentences import suggest
from btr_tm.core.errors import UserError
from btr_tm.core.files import short

INSTANTIATE_KEYS = frozenset({"_target_", "_partial_", "_convert_", "_recursive_"})


def structure(values: Mapping[str, object]) -> Node:
    """`values` with whole floats turned into the integers that were meant; imports no class.

    Raises UserError on an unknown, missing or wrongly typed key outside the nodes that name a class.
    """
    _refuse_gaps(values)
    _refuse_nameless(values.get("logger"))
    checked = _plain_node(values, Settings, "")
    _refuse_elsewhere(checked["name"])
    return checked


def signatures(node: Node, path: str = "", plugins: Sequence[str] = ()) -> Node:
    """`node` with every class it names checked against its place, and every key against the signature.

    Raises UserError with the nearest valid name. Imports the classes, and torch with them.
    """
    # The class first: what it takes is no matter if it may not stand here.
    function = slots.target_at(path, node["_target_"], plugins) if "_target_" in node else None
    if function is not None and not node.get("_partial_"):
        slots.refuse_module(function, path)
    checked = {key: _checked(value, _join(path, key), plugins) for key, value in node.items()}
    return checked if function is None else _class_node(checked, function, path)


def _checked(value: object, path: str, plugins: Sequence[str]) -> object:
    if isinstance(value, dict):
        return signatures(value, path, plugins)
    if isinstance(value, int | float) and slots.is_schedule(path):
        return {"_target_": slots.CONSTANT, "value": float(value)}
    return [_checked(item, f"{path}[]", plugins) for item in value] if isinstance(value, list) else value


def _refuse_gaps(node: object, path: str = "") -> None:
    """Raise UserError for a value that a choice leaves to the user (??? in its YAML)."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        place = _join(path, key)
        if value == "???":
            raise UserError(f"{place} has no value; type {place}=...")
        _refuse_gaps(value, place)


def _refuse_elsewhere(name: str) -> None:
    """Raise UserError for a name of runs that is no folder below runs_dir."""
    if not name.strip() or ".." in PurePath(name).parts or PurePath(name).is_absolute():
        raise UserError(f"name is the folder of the runs within runs_dir, got {name!r}; write name=my_study")


def _refuse_nameless(loggers: object) -> None:
    """Raise UserError for a logger without a class: a mistyped name in an experiment makes a new one."""
    nodes = loggers if isinstance(loggers, Mapping) else {}
    named = [name for name, node in nodes.items() if isinstance(node, Mapping) and "_target_" in node]
    _refuse_unknown(nodes, dict.fromkeys(named), "logger")


def _plain_node(node: object, schema: type, path: str) -> Node:
    if not isinstance(node, Mapping):
        raise UserError(f"{path} must hold keys and values, got {short(repr(node))}")
    hints = get_type_hints(schema)
    _refuse_unknown(node, hints, path)
    missing = sorted(set(hints) - set(node))
    if missing:
        raise UserError(f"{_join(path, missing[0])} is missing; choose or set it")
    return {key: _typed(value, hints[key], _join(path, key)) for key, value in node.items()}


def _class_node(node: Node, function: Callable[..., object], path: str) -> Node:
    hints = parameters(function)
    given = {key: value for key, value in node.items() if key not in INSTANTIATE_KEYS}
    if "**" not in hints:
        _refuse_unknown(given, hints, path, of=f" of {node['_target_'].rpartition('.')[2]}")
    typed = {key: _typed(value, hints.get(key, object), _join(path, key)) for key, value in given.items()}
    return {key: value for key, value in node.items() if key in INSTANTIATE_KEYS} | typed


@cache
def parameters(function: Callable[..., object]) -> Node:
    """Name and type of every argument; `**` stands for arbitrary ones."""
    # Of a dataclass itself: the words of inherited fields mean what they mean in the module of their class.
    written = function if is_dataclass(function) else getattr(function, "__init__", function)
    hints = get_type_hints(written if isinstance(function, type) else function)
    parameters = inspect.signature(function).parameters.values()
    names = {p.name: hints.get(p.name, object) for p in parameters if p.kind is not p.VAR_POSITIONAL}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        names["**"] = object
    return names


def _refuse_unknown(node: Mapping[str, object], valid: Mapping[str, object], path: str, of: str = "") -> None:
    for key in node:
        if key not in valid:
            raise UserError(f"unknown key '{_join(path, key)}'{of}{suggest(key, valid)}")


def _typed(value: object, hint: object, path: str) -> object:
    """`value` if it suits `hint`, whole floats as int; only plain types are looked at."""
    if is_dataclass(hint) and isinstance(hint, type) and hint.__module__.endswith("configuration.schema"):
        return _plain_node(value, hint, path)
    for option in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        fits, converted = _fits(value, option)
        if fits:
            return converted
    raise UserError(f"{path} must be {_in_words(hint)}, got {short(repr(value))}")


def _fits(value: object, hint: object) -> tuple[bool, object]:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if get_origin(hint) is Literal:
        return value in get_args(hint), value
    if hint is int:
        whole = number is not None and float(number).is_integer()
        return whole, int(number) if whole and number is not None else value
    if hint is float:
        return number is not None, value
    for kind in (str, bool, list, NoneType):
        if hint is kind or get_origin(hint) is kind:
            return isinstance(value, kind), value
    return True, value


def _in_words(hint: object) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_in_words(option) for option in get_args(hint) if option is not NoneType)
    if get_origin(hint) is list:
        return "a list"
    words = ((int, "a whole number"), (float, "a number"), (str, "text"), (bool, "true or false"))
    return next((word for kind, word in words if hint is kind), str(hint))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
