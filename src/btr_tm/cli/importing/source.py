"""Reads a published configuration into leaves: dotted paths and their values."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path

from btr_tm.cli.configuration.sentences import suggest
from btr_tm.cli.importing.draft import Value
from btr_tm.core.errors import UserError
from btr_tm.core.files import read_yaml, short

SECTIONS = (
    "environment", "neural_network", "nn", "training", "memory", "exploration", "rewards", "btr",
    "map_cycle", "performance", "inputs", "state_normalization", "ppo",
)  # fmt: skip
MOST_KEYS = 1_000  # the longest published file has 170
# Which CNN keys the published loader takes from btr: where nn.vis.cnn lacks them.
CNN_KEYS = (
    "use_impala_cnn", "impala_model_size", "use_adaptive_maxpool", "adaptive_maxpool_size",
    "use_spectral_norm",
)  # fmt: skip


def read(path: Path) -> dict[str, Value]:
    """The leaves of a file, `nn.vis.cnn` filled from `btr`; raises UserError for what is no such file."""
    return leaves_of(read_yaml(path), path.name)


def leaves_of(content: Value, name: str) -> dict[str, Value]:
    """As `read`, of parsed content."""
    if not isinstance(content, Mapping):
        raise UserError(f"{name} must hold sections with keys, got {short(content)}")
    if "task" in content:  # visual pretraining, which has no sections
        return _counted(dict(_leaves(content)), name)
    for section, value in content.items():
        if section not in SECTIONS:
            raise UserError(
                f"unknown section '{short(section)}' in {name}{suggest(short(section), SECTIONS)}; "
                "remove or rename it"
            )
        if value is not None and not isinstance(value, Mapping):
            raise UserError(f"section '{section}' of {name} must hold keys, got {short(repr(value))}")
    if "nn" in content and "neural_network" in content:
        raise UserError(f"{name} has both nn and neural_network; remove one")
    return _counted(dict(_leaves(_filled(content))), name)


def _counted(leaves: dict[str, Value], name: str) -> dict[str, Value]:
    if len(leaves) > MOST_KEYS:
        raise UserError(
            f"{name} has {len(leaves):,} keys, and a published configuration has at most {MOST_KEYS:,}"
        )
    return leaves


def _filled(content: Mapping[str, Value]) -> dict[str, Value]:
    """With the CNN keys of `btr` moved to `nn.vis.cnn`, unless they stand there already."""
    filled: dict[str, Value] = copy.deepcopy(dict(content))
    btr, vis = filled.get("btr") or {}, (filled.get("nn") or {}).get("vis") or {}
    cnn = (vis.pop("cnn", None) or {}) if isinstance(vis, dict) else {}
    if not isinstance(cnn, Mapping):
        raise UserError(f"nn.vis.cnn must hold keys, got {short(repr(cnn))}")
    moved = {key: btr.pop(key) for key in CNN_KEYS if key in btr and key not in cnn}
    return filled | {"nn.vis.cnn": dict(cnn) | moved}  # in one place, whichever layout it was


def _leaves(node: Mapping[str, Value], path: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in node.items():
        place = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, place)
        elif path or (value is not None and value != {}):  # not an empty section
            yield place, value
