"""Reads a published configuration into leaves: dotted paths and their values."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from btr_tm.cli.configuration.sentences import suggest
from btr_tm.cli.importing.draft import Value
from btr_tm.core.errors import UserError

SECTIONS = (
    "environment", "neural_network", "nn", "training", "memory", "exploration", "rewards", "btr",
    "map_cycle", "performance", "inputs", "state_normalization", "ppo",
)  # fmt: skip
# Which CNN keys the published loader takes from btr: where nn.vis.cnn lacks them.
CNN_KEYS = (
    "use_impala_cnn", "impala_model_size", "use_adaptive_maxpool", "adaptive_maxpool_size",
    "use_spectral_norm",
)  # fmt: skip


class _OnceEach(yaml.SafeLoader):
    """Refuses a key that stands twice in one place, of which YAML would drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Value, Value]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                mark = key.start_mark
                raise yaml.constructor.ConstructorError(None, None, f"key '{key.value}' stands twice", mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read(path: Path) -> dict[str, Value]:
    """The leaves of a file, `nn.vis.cnn` filled from `btr`; raises UserError for what is no such file."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _OnceEach)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} ({error}); check the path") from error
    except yaml.YAMLError as error:
        place = " ".join(str(error).split())
        raise UserError(f"{path} is not valid YAML ({place}); correct it") from error
    return leaves_of(content, path.name)


def leaves_of(content: Value, name: str) -> dict[str, Value]:
    """As `read`, of parsed content."""
    if not isinstance(content, Mapping):
        raise UserError(f"{name} must hold sections with keys, got a {type(content).__name__}")
    for section, value in content.items():
        if section not in SECTIONS:
            raise UserError(
                f"unknown section '{section}' in {name}{suggest(str(section), SECTIONS)}; remove or rename it"
            )
        if value is not None and not isinstance(value, Mapping):
            raise UserError(f"section '{section}' of {name} must hold keys, got {value!r}")
    if "nn" in content and "neural_network" in content:
        raise UserError(f"{name} has both nn and neural_network; remove one")
    return dict(_leaves(_filled(content)))


def _filled(content: Mapping[str, Value]) -> dict[str, Value]:
    """With the CNN keys of `btr` moved to `nn.vis.cnn`, unless they stand there already."""
    filled: dict[str, Value] = copy.deepcopy(dict(content))
    btr, vis = filled.get("btr") or {}, (filled.get("nn") or {}).get("vis") or {}
    cnn = (vis.pop("cnn", None) or {}) if isinstance(vis, dict) else {}
    if not isinstance(cnn, Mapping):
        raise UserError(f"nn.vis.cnn must hold keys, got {cnn!r}")
    moved = {key: btr.pop(key) for key in CNN_KEYS if key in btr and key not in cnn}
    return filled | {"nn.vis.cnn": dict(cnn) | moved}  # in one place, whichever layout it was


def _leaves(node: Mapping[str, Value], path: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in node.items():
        place = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, place)
        elif path or value:  # not an empty section
            yield place, value
