"""What was typed behind `python -m btr_tm`: arm names, the order of ablations, the jobs of a sweep."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from btr_tm.cli.configuration.groups import DECIDES
from btr_tm.core.errors import UserError
from btr_tm.core.files import short

SWEEP = "sweep"
# They say where, how often and on what a configuration runs, not what it is.
LABELS = frozenset(
    {"experiment", SWEEP, "seed", "name", "device", "runs_dir", "on_existing", "logger", "plugins", "eval"}
)
TAKE_SEVERAL = frozenset({"logger", "ablation"})  # groups that take a list of choices
# A run may be continued with others of these (run.manifest.MAY_CHANGE and MAY_CHANGE_BELOW), so they do not
# name its folder.
BUDGET = frozenset(
    f"profile.{key}"
    for key in ("total_frames", "log_every", "eval_every", "save_every", "probe_every", "threads")
) | frozenset(f"collector.{key}" for key in ("address", "resources", "stall_s", "start_s"))
HELPERS = "parallel."  # of learner processes: how many, and how long to wait for them


def arm(task_overrides: Sequence[str]) -> str:
    """Folder name of an arm: its overrides without labels and budget, sorted; `base` where nothing is left.

    >>> arm(["+experiment=quickstart", "seed=3", "target=ddqn"])
    'target=ddqn'
    """
    named = []
    for override in task_overrides:
        key, _, value = override.lstrip("+~").partition("=")
        words = key.split(".")  # also logger.wandb.entity=... and collector.resources.CPU=...
        if words[0] in LABELS or ".".join(words[:2]) in BUDGET or key.startswith(HELPERS):
            continue
        if key == "ablation":
            named += [name for name in _names(value) if name != "none"]
        else:
            named.append(f"{key}={value}")
    return _folder_name(",".join(sorted(named))) or "base"


def key_of(override: str) -> str:
    """The group or value that an override sets.

    >>> key_of("+ablation=none")
    'ablation'
    """
    return override.lstrip("+~").partition("=")[0]


def refuse_sweep(task_overrides: Sequence[str]) -> None:
    """Raise UserError for a sweep where one run was asked for."""
    for override in task_overrides:
        if key_of(override) == SWEEP:
            raise UserError(
                f"{override} makes several runs; put -m first: python -m btr_tm -m +experiment=... {override}"
            )


def refuse_early_ablation(task_overrides: Sequence[str]) -> None:
    """Raise UserError if an ablation stands before the experiment, whose presets would silently undo it."""
    keys = [key_of(override) for override in task_overrides]
    if "ablation" in keys and "experiment" in keys[keys.index("ablation") :]:
        ablation = next(o for o in task_overrides if o.lstrip("+").startswith("ablation="))
        experiment = next(o for o in task_overrides if o.lstrip("+").startswith("experiment="))
        raise UserError(
            f"the ablation must follow its experiment, which would undo it; type {experiment} {ablation}"
        )


def refuse_values(task_overrides: Sequence[str]) -> None:
    """Raise UserError for values where a group takes one name; of a list Hydra takes the last."""
    for override in OverridesParser.create().parse_overrides(list(task_overrides)):
        key, value = override.key_or_group, override.value()
        if isinstance(value, dict) and key in DECIDES:
            raise UserError(
                f"{key} takes the name of a choice, got {short(override.get_value_element_as_str())}; "
                f"set what stands below it with {key}.NAME=VALUE"
            )
        if isinstance(value, list) and key in DECIDES and key not in TAKE_SEVERAL:
            names = ",".join(map(str, value))
            raise UserError(
                f"{key} takes one choice, got [{names}]; to sweep, add -m and write {key}={names}"
            )
        group = _group_at(key)
        if group and isinstance(value, str) and not value.startswith("${"):
            raise UserError(f"{key} is a choice of the group {group}; type {group}={value}")
        if key == "logger" and isinstance(value, list) and "none" in value and len(value) > 1:
            raise UserError("logger=none goes with no other; leave it out of the list")


def _group_at(key: str) -> str | None:
    """The group that chooses what stands at `key`, a path with dots such as env.gates or head.linear."""
    found = (key.replace(".", "/"), key.rpartition(".")[2]) if "." in key else ()
    return next((group for group in found if group in DECIDES), None)


def ablations(task_overrides: Sequence[str]) -> list[str]:
    """Names of the ablations asked for."""
    values = [o.partition("=")[2] for o in task_overrides if o.lstrip("+").startswith("ablation=")]
    return [name for value in values for name in _names(value)]


def jobs(overrides: Sequence[str], sweeper_params: dict[str, str]) -> list[list[str]]:
    """The overrides of every job of a sweep, in the order in which Hydra's basic sweeper starts them."""
    typed = [f"{key}={value}" for key, value in sweeper_params.items()] + list(overrides)
    axes: dict[str, list[str]] = {}
    for override in OverridesParser.create().parse_overrides(typed):
        axes[override.get_key_element()] = _values(override)
    return [
        [f"{key}={value}" for key, value in zip(axes, combination, strict=True)]
        for combination in itertools.product(*axes.values())
    ]


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if not override.is_discrete_sweep():
        raise UserError(f"cannot sweep over '{override.input_line}'; write a list of values: a,b,c")
    return [str(value) for value in override.sweep_string_iterator()]


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.strip("[]'\"").split(",") if name.strip()]


def _folder_name(text: str) -> str:
    """`text` without what Windows or a shell trips over; long names end in a hash instead."""
    name = re.sub(r"[^\w.,=+-]+", "-", text.replace("/", ".")).strip("-.")
    if len(name) <= 100:
        return name
    return name[:88] + "-" + hashlib.sha256(text.encode()).hexdigest()[:10]
