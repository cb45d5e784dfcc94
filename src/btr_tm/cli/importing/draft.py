"""What an imported configuration comes to while its keys are read one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from btr_tm.core.errors import UserError
from btr_tm.core.files import PARSE_ERRORS, short

Value: TypeAlias = Any  # of a YAML file, for which PyYAML gives no type
Kind = Literal["unknown", "unsupported", "no effect"]


class Unmapped(NamedTuple):
    """A key that is not in the result, and why."""

    path: str
    value: Value
    kind: Kind
    reason: str

    def __str__(self) -> str:
        return f"{short(self.path)}: {short(self.value)} ({self.reason})"


@dataclass
class Draft:
    """Values by group and dotted key, flags that together name choices, and keys left over."""

    leaves: dict[str, Value]
    learner: str = "iqn"  # that of ours which the file is for
    values: dict[str, dict[str, Value]] = field(default_factory=dict)
    flags: dict[str, Value] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)
    unmapped: list[Unmapped] = field(default_factory=list)
    mapped: int = 0

    def set(self, group: str, key: str, value: Value) -> None:
        self.values.setdefault(group, {})[key] = value

    def flag(self, name: str, default: Value = False) -> Value:
        return self.flags.get(name, default)


# Says why a key is left over, if it is.
Rule = Callable[[Draft, str, Value], tuple[Kind, str] | None]


def into(group: str, key: str, convert: Callable[[Value], Value] = lambda value: value) -> Rule:
    """The value is that of `key` in `group`, after `convert`."""

    def rule(draft: Draft, path: str, value: Value) -> None:
        draft.set(group, key, converted(path, value, convert))

    return rule


def flag(name: str, convert: Callable[[Value], Value] = lambda value: value) -> Rule:
    """The value decides about choices, together with others."""

    def rule(draft: Draft, path: str, value: Value) -> None:
        draft.flags[name] = converted(path, value, convert)

    return rule


def choice(group: str, convert: Callable[[Value], str]) -> Rule:
    """The value decides which choice of `group` it is."""

    def rule(draft: Draft, path: str, value: Value) -> None:
        draft.choices[group] = converted(path, value, convert)

    return rule


def switch(name: str) -> Rule:
    """As `flag`, on or off."""
    return flag(name, on_or_off)


def on_or_off(value: Value) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def last_value(group: str, key: str) -> Rule:
    """Points [frames, value] of what stays constant here: the last value, said unless all are equal."""

    def rule(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
        values = converted(path, value, lambda rows: [float(number) for _, number in rows])
        if not values:
            raise UserError(f"{path} must hold points [frames, value], got {short(repr(value))}")
        draft.set(group, key, values[-1])
        if len(set(values)) == 1:
            return None
        return "unsupported", f"constant here, at its last value: {group}.{key}={values[-1]:g}"

    return rule


def always(*expected: Value) -> Rule:
    """There is no choice here; another value than the first of `expected` cannot be had."""

    def rule(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
        if value in expected:
            return None
        return "unsupported", f"always {expected[0]} here"

    return rule


def idle(reason: str) -> Rule:
    """The key says nothing about what is learnt here."""
    return lambda draft, path, value: ("no effect", reason)


def absent(reason: str) -> Rule:
    """Nothing here corresponds, which matters unless it is switched off."""

    def rule(draft: Draft, path: str, value: Value) -> tuple[Kind, str] | None:
        return None if value in (None, False, "", 0) or value == {} else ("unsupported", reason)

    return rule


def converted(path: str, value: Value, convert: Callable[[Value], Value]) -> Value:
    try:
        return convert(value)
    except (*PARSE_ERRORS, ZeroDivisionError) as error:
        shown = f"{path}: {short(repr(value))} ({short(error)})"
        raise UserError(f"cannot read {shown}; correct it in the file") from error
