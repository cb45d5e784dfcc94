"""What differs between two configurations, as a sentence says it."""

from __future__ import annotations

from collections.abc import Mapping

from btr_tm.cli.configuration.schema import Node
from btr_tm.core.files import short
from btr_tm.run.manifest import flat, plain

MOST_NAMED = 4

Differences = Mapping[str, tuple[object, object]]  # by key: what it is there, and what it is here


def changed(there: Node, here: Node) -> Differences:
    """All that differs."""
    before, after = flat(plain(there)), flat(plain(here))
    keys = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    return {key: (before.get(key, "absent"), after.get(key, "absent")) for key in keys}


def in_words(differences: Differences) -> str:
    """The first of them, and how many more there are."""
    lines = [
        f"{key} is {_named(there)} there and {_named(here)} here"
        for key, (there, here) in differences.items()
    ]
    more = f", and {len(lines) - MOST_NAMED} more" if len(lines) > MOST_NAMED else ""
    return ", ".join(lines[:MOST_NAMED]) + more


def _named(value: object) -> str:
    """A class by its name alone."""
    text = short(value)
    return text.rpartition(".")[2] if text.startswith("btr_tm.") else text
