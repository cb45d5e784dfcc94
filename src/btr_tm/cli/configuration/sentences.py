"""Turns Hydra's and OmegaConf's exceptions into one sentence that lists what is valid."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.core.errors import UserError


def suggest(name: str, valid: Iterable[str]) -> str:
    """`; did you mean X? valid: a, b, c`, without the question where nothing is near."""
    valid = sorted(valid)
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    question = f"did you mean '{near[0]}'? " if near else ""
    return f"; {question}valid: {', '.join(valid) or 'none'}"


@dataclass(frozen=True)
class Known:
    """What could have been typed: choices by group, and the composed values, interpolations as they stand.

    `asking(group)` is the override that asks for a part which the chosen `group` lacks, and what is chosen
    there; either is empty where nobody can tell.
    """

    groups: Mapping[str, Iterable[str]]
    values: Mapping[str, object]
    asking: Callable[[str], tuple[str, str]] = lambda group: ("", "")

    def node(self, parts: Iterable[str]) -> object:
        """The value at a path, None where there is none."""
        node: object = self.values
        for part in parts:
            node = node.get(part) if isinstance(node, Mapping) else None
        return node


def user_error(error: Exception, known: Known) -> UserError:
    """The sentence for `error`."""
    if isinstance(error, MissingConfigException):
        return _unknown_choice(error, known)
    if isinstance(error, OverrideParseException):
        return UserError(f"cannot read '{error.override}'; write key=value, in quotes if it holds spaces")
    if isinstance(error, ConfigCompositionException):
        return _not_composed(error, known)
    return UserError(_one_line(error))


def _unknown_choice(error: MissingConfigException, known: Known) -> UserError:
    missing = str(error.missing_cfg_file or "?")
    group, _, choice = missing.rpartition("/")
    if not group:
        return UserError(f"no configuration named '{choice}'{suggest(choice, error.options or [])}")
    valid = error.options or known.groups.get(group, [])  # Hydra names none for one of a list of choices
    return UserError(f"unknown choice {group}={choice}{suggest(choice, valid)}")


def _not_composed(error: ConfigCompositionException, known: Known) -> UserError:
    text = str(error)
    if "Ambiguous value" in text:
        first = _one_line(error).split(";")[0]
        return UserError(f"{first}; write [a,b] for a list, or add -m to sweep over both")
    if "appears more than once" in text or "Multiple values" in text:
        return UserError(f"{_one_line(error)}; a group that has a choice already is changed without the +")
    found = re.search(r"Could not (?:override|append to config|delete from config)\D*?'([^']+)'", text)
    if found is None:
        return UserError(_one_line(error))
    key = found[1].split("=")[0].lstrip("+~")
    if key in ("experiment", "ablation"):
        return UserError(f"{key} needs a + in front; type +{found[1]}=... before other choices")
    if "No match in the defaults list" in text and key in known.groups:
        return UserError(_no_such_part(key, known))
    return _unknown_key(key, known)


def _no_such_part(key: str, known: Known) -> str:
    group = key.rpartition("/")[0]
    asking, choice = known.asking(group)
    chosen = f"{group}={choice}" if choice else f"the chosen {group}"
    if asking.startswith(f"{key}="):
        return f"{asking}: {chosen} has no such part; leave it out, or choose another {group}"
    what = f"{asking} sets {key}, a part" if asking else f"{key} is a part"
    leave = f"leave {asking} out, or " if asking else ""
    return f"{what} that {chosen} does not have; {leave}choose another {group}"


def _unknown_key(key: str, known: Known) -> UserError:
    """Names the neighbours in the deepest node of the path that exists."""
    if "/" in key:
        group = key.rpartition("/")[0]
        parts = {name.removeprefix(f"{group}/") for name in known.groups if name.startswith(f"{group}/")}
        valid = {f"{group}/{part}" for part in parts} or set(known.groups)
        return UserError(f"unknown group '{key}'{suggest(key, valid)}")
    parents = key.split(".")[:-1]
    while parents and known.node(parents) is None:
        parents.pop()
    node = known.node(parents)
    if isinstance(node, str) and node.startswith("${"):
        origin = ".".join([node[2:-1], *key.split(".")[len(parents) :]])
        return UserError(f"'{'.'.join(parents)}' is taken from elsewhere; set {origin}=... instead")
    names = {*node} if isinstance(node, Mapping) else set()
    valid = {name for name in names | ({*known.groups} if not parents else set()) if name[0] != "_"}
    name = key.split(".")[len(parents)]
    kind = "key" if parents else "group or key"
    has_it = _choices_with(key, known)
    if has_it:
        has = "has" if len(has_it) == 1 else "have"
        return UserError(
            f"unknown {kind} '{key}' here; {' and '.join(has_it)} {has} it, so choose that first"
        )
    return UserError(f"unknown {kind} '{key}'{suggest(name, valid)}")


def _choices_with(key: str, known: Known) -> list[str]:
    """Choices that are not chosen and whose files have a value at `key`, such as value=hl_gauss."""
    parts = key.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        group = "/".join(parts[:depth])
        files = [(choice, conf_dir() / group / f"{choice}.yaml") for choice in known.groups.get(group, ())]
        has_it = [choice for choice, file in files if file.is_file() and _holds(file, parts[depth:])]
        if has_it:
            return [f"{group}={choice}" for choice in has_it]
    return []


def _holds(file: Path, parts: Iterable[str]) -> bool:
    node: object = OmegaConf.to_container(OmegaConf.load(file))
    for part in parts:
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


def _one_line(error: Exception) -> str:
    """The message of an exception and of its cause on one line."""
    parts = [str(error)]
    if isinstance(error, HydraException) and isinstance(error.__cause__, OmegaConfBaseException):
        parts.append(str(error.__cause__))
    lines = [line.strip() for part in parts for line in part.splitlines()]
    return "; ".join(line.rstrip(".;:") for line in lines if line and "HYDRA_FULL_ERROR" not in line)
