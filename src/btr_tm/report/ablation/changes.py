"""What the configuration of an arm adds to that of another, or takes away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from btr_tm.core.types import JsonObject
from btr_tm.report.ablation.model import Change
from btr_tm.run.manifest import flat, may_change


class Ingredient(NamedTuple):
    """One of the six, by the classes that a configuration names with it and without it."""

    name: str
    key: str  # of the node
    present: str
    absent: str
    below: tuple[str, ...] = ()  # other nodes that go with it


INGREDIENTS = (
    Ingredient("Munchausen", "target", "Munchausen", "DoubleDqn"),
    Ingredient("IMPALA", "encoder.body", "ImpalaBody", "CnnBody"),
    Ingredient("adaptive max-pool", "encoder.pool", "AdaptiveMaxPool", "NoPool"),
    Ingredient("spectral norm", "encoder.norm", "SpectralNorm", "NoKernelNorm"),
    Ingredient("LayerNorm", "head.norm", "LayerNorm", "NoNorm", ("net.float_norm",)),
    Ingredient("NoisyLinear", "head.linear", "Noisy", "Plain"),
)
SOURCES = ("convention.", "profile.", "schedule.")  # whose values are repeated in other nodes
ABSENT = "absent"
Flat = Mapping[str, object]


def held(config: JsonObject) -> frozenset[str]:
    """The ingredients of a configuration."""
    values = flat(config)
    return frozenset(each.name for each in INGREDIENTS if class_at(values, each.key) == each.present)


def changes(old: JsonObject, new: JsonObject) -> tuple[Change, ...]:
    """From `old` to `new`: ingredients first, then each other setting once."""
    before, after = comparable(old), comparable(new)
    keys = [key for key in sorted({**before, **after}) if before.get(key) != after.get(key)]
    found = []
    for each in INGREDIENTS:
        sign = sign_of(each, before, after)
        if sign:
            text = f"{'with' if sign > 0 else 'without'} {each.name}"
            found.append(Change(text, each.name, sign))
            keys = [key for key in keys if not is_below(key, (each.key, *each.below))]
    return (*found, *(Change(text, "", 0) for text in settings(keys, before, after)))


def comparable(config: JsonObject) -> dict[str, object]:
    """The values that make an arm."""
    return {key: value for key, value in flat(config).items() if key != "seed" and not may_change(key)}


def sign_of(ingredient: Ingredient, before: Flat, after: Flat) -> int:
    pair = class_at(before, ingredient.key), class_at(after, ingredient.key)
    return {(ingredient.absent, ingredient.present): 1, (ingredient.present, ingredient.absent): -1}.get(
        pair, 0
    )


def class_at(values: Flat, key: str) -> str:
    """The last part of the class that a node names."""
    return str(values.get(f"{key}._target_", "")).rpartition(".")[2]


def is_below(key: str, nodes: tuple[str, ...]) -> bool:
    return any(key.startswith(f"{node}.") for node in nodes)


def settings(keys: list[str], before: Flat, after: Flat) -> list[str]:
    """`key: old -> new` once for each value; the values of a class that came or went say nothing more."""
    swapped = tuple(key.removesuffix("._target_") for key in keys if key.endswith("._target_"))
    lines, seen = [], set()
    for key in sorted(keys, key=lambda key: (not key.startswith(SOURCES), key.count("."))):
        node = key.removesuffix("._target_")
        values = shown(before, key), shown(after, key)
        if is_below(key, tuple(other for other in swapped if other != node)):
            continue
        if values not in seen:
            lines.append(f"{node}: {values[0]} -> {values[1]}")
        if node != key or key.startswith(SOURCES):  # other equal values may be a coincidence
            seen.add(values)
    return lines


def shown(values: Flat, key: str) -> str:
    """A value, or the name of a class without the modules that it lies in."""
    value = str(values.get(key, ABSENT))
    return value.rpartition(".")[2] if key.endswith("._target_") else value
