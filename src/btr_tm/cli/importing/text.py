"""Writes a draft as files of conf/: an experiment of choices, and a file per group that differs from ours.

So the composition rules hold: `profile=smoke` or `target=ddqn` behind an imported experiment wins.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from btr_tm.cli.importing.draft import Draft, Kind, Value

# What the published runs have in common; imported values are deltas from it.
RACES = {
    "profile": "a01",
    "env": "sim_from_start",
    "obs": "full",
    "reward": "linesight",
    "optimizer": "radam",
    "schedule": "linesight",
}
BASES = {
    "iqn": RACES
    | {
        "preset": "btr_seed",
        "exploration": "auto",
        "horizon": "mini_race",
        "learner/self_loss": "normalised",
    },
    "ppo": RACES
    | {
        "preset": "default",
        "net": "actor_critic",
        "learner": "ppo",
        "horizon": "discounted",
        "replay": "rollout",
        "credit": "rollout",
    },
    "pretraining": {
        "preset": "default",
        "profile": "full",
        "env": "sim_varied",
        "net": "pretraining",
        "learner": "pretraining",
        "horizon": "discounted",
        "optimizer": "adam",
        "schedule": "constant",
    },
}
OF_PARTS = ("fusion", "net/objective", "learner/reset")  # whose values are deltas from what is chosen there
GLOBAL = "preset"  # the group whose files hold more than their own node
LABEL: dict[Kind, str] = {"unknown": "unknown", "unsupported": "unsupported", "no effect": "no effect"}


def bases_of(draft: Draft) -> dict[str, str]:
    """The choice by group that the values of a draft are deltas from."""
    parts = {group: draft.choices[group] for group in OF_PARTS if group in draft.choices}
    return BASES[draft.learner] | parts


def files(draft: Draft, name: str, source: str, base: Mapping[str, Value]) -> dict[str, str]:
    """Text by group, the experiment first; `base` are the resolved values of `bases_of(draft)`."""
    deltas = {group: _delta(group, values, base) for group, values in draft.values.items()}
    bases = bases_of(draft)
    own = {group for group in bases if deltas.get(group)}
    chosen = BASES[draft.learner] | draft.choices | dict.fromkeys(own, name)
    lines = ["# @package _global_", f"# Imported from {source}. {heading(draft)}"]
    lines += [f"#   {left.kind}: {left}" for left in draft.unmapped]
    lines += ["defaults:", *(f"  - override /{group}: {choice}" for group, choice in chosen.items()), ""]
    texts = {"experiment": "\n".join(lines) + f"\nname: {name}\n"}
    for group in sorted(own):
        package = "# @package _global_\n" if group == GLOBAL else ""
        head = f"{package}# Imported from {source}.\ndefaults:\n  - {bases[group]}\n  - _self_\n\n"
        texts[group] = head + _dumped(deltas[group])
    return texts


def heading(draft: Draft) -> str:
    """How many keys went where."""
    counts = {kind: sum(left.kind == kind for left in draft.unmapped) for kind in LABEL}
    return (
        f"{draft.mapped} keys taken over, {counts['no effect']} without effect here, "
        f"{counts['unsupported']} unsupported, {counts['unknown']} unknown"
    )


def _delta(group: str, values: Mapping[str, Value], base: Mapping[str, Value]) -> dict[str, Value]:
    """Nested values that differ from `base`."""
    nested: dict[str, Value] = {}
    for key, value in values.items():
        *parents, last = key.split(".")
        if _present(base, [*([] if group == GLOBAL else group.split("/")), *parents], last) == value:
            continue
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return nested


def _present(node: Value, parents: list[str], key: str) -> Value:
    """The value in a configuration."""
    for parent in parents:
        node = node[parent]
    return node.get(key)


class _Dumper(yaml.SafeDumper):
    """Lists on one line."""


_Dumper.add_representer(
    list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)
)


def _dumped(values: Mapping[str, Value]) -> str:
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, width=200) if values else ""
