"""+sweep=NAME: the axes of a sweep that is kept in a file, conf/sweep/NAME.yaml.

The file is one of Hydra's, with hydra.sweeper.params. Hydra itself would put those before what is typed,
where an experiment undoes an ablation, so they are spelled out behind it before Hydra sees the command.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from btr_tm.cli.configuration.composition import opened, search_path, sentences
from btr_tm.cli.configuration.overrides import SWEEP, key_of
from btr_tm.core.errors import UserError


def spelled_out(overrides: Sequence[str], config_dir: str | None = None) -> list[str]:
    """`overrides` with the axes of +sweep=NAME at their end: each seed has all arms before the next begins.

    Raises UserError for a sweep that does not exist, and for an axis that was typed too.
    """
    names = [text.partition("=")[2] for text in overrides if key_of(text) == SWEEP]
    if not names:
        return list(overrides)
    if len(names) > 1 or "," in names[0]:
        raise UserError(f"type one sweep at a time, got {' and '.join(names)}")
    kept = [text for text in overrides if key_of(text) != SWEEP]
    axes = _axes(names[0], config_dir)
    for axis in axes:
        if key_of(axis) in map(key_of, kept):
            raise UserError(
                f"+{SWEEP}={names[0]} chooses {axis} itself; leave out {axis}=..., or leave out +{SWEEP}=... "
                "and list what to try"
            )
    return [*kept, *(f"{axis}={values}" for axis, values in axes.items())]


def _axes(name: str, config_dir: str | None) -> dict[str, str]:
    """What hydra.sweeper.params of a sweep says."""
    if not name:
        raise UserError(f"name a sweep: +{SWEEP}=leave_one_out")
    asked = [f"+{SWEEP}={name}"]
    with opened(config_dir), sentences(asked, config_dir):
        loader = GlobalHydra.instance().config_loader()
        cfg = loader.load_configuration("config", [*search_path(config_dir), *asked], RunMode.MULTIRUN)
        return dict(cfg.hydra.sweeper.params or {})
