"""Composes configurations from conf/ and what was typed. Needs no torch, so `--cfg job` stays fast."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from btr_tm.cli.configuration import overrides as typed
from btr_tm.cli.configuration import validate
from btr_tm.cli.configuration.sentences import user_error
from btr_tm.core.errors import UserError

# What a fingerprint leaves out: labels, and the alternatives that a preset did not choose.
NOT_IN_FINGERPRINT = typed.LABELS | {"alternatives"}


@dataclass(frozen=True)
class Composition:
    """One job: its resolved values, the choice of every group and its run folder."""

    cfg: DictConfig  # without the hydra node
    choices: dict[str, str]
    overrides: list[str]
    folder: Path

    @property
    def values(self) -> dict[str, Any]:
        """The resolved configuration as plain dicts and lists."""
        return OmegaConf.to_container(self.cfg, resolve=True)  # type: ignore[return-value]

    @property
    def fingerprint(self) -> str:
        """Hash of everything that defines the arm: not the seed, not where or how it is logged."""
        return fingerprint(self.values)


def fingerprint(values: dict[str, Any]) -> str:
    """Twelve hex digits of the resolved configuration without labels."""
    kept = {key: value for key, value in values.items() if key not in NOT_IN_FINGERPRINT}
    kept["profile"] = {key: v for key, v in kept.get("profile", {}).items() if key != "threads"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def conf_dir() -> Path:
    """conf/ inside an installed package, or beside src/ in a checkout."""
    package = Path(__file__).resolve().parents[2]
    shipped = package / "conf"
    return shipped if shipped.is_dir() else package.parents[1] / "conf"


def compose_job(
    overrides: Sequence[str], config_dir: str | None = None, in_sweep: bool = False
) -> Composition:
    """Compose one job, alone or `in_sweep`, and check what can be checked without importing a class.

    Raises UserError on unknown choices and keys, unreadable overrides and undone ablations.
    """
    typed.refuse_early_ablation(overrides)
    with _hydra(config_dir), _sentences():
        cfg = compose("config", [*_search(config_dir), *overrides], return_hydra_config=True)
        place = (cfg.hydra.sweep.dir, cfg.hydra.sweep.subdir) if in_sweep else (cfg.hydra.run.dir,)
        composition = _composition(cfg, cfg.hydra, Path(*place))
        if "convention" in cfg:
            validate.convention(OmegaConf.to_container(cfg.convention, resolve=True))  # type: ignore[arg-type]
        _ = composition.values  # interpolations that cannot be resolved end here
    validate.structure(composition.values)
    _check_ablations(composition)
    return composition


def current_job(cfg: DictConfig) -> Composition:
    """The job that Hydra is running; whatever sweeper or launcher started it, it gets the same checks."""
    job = _composition(cfg, HydraConfig.get(), Path(HydraConfig.get().runtime.output_dir))
    typed.refuse_early_ablation(job.overrides)
    _check_ablations(job)
    return job


def _composition(cfg: DictConfig, hydra: Any, folder: Path) -> Composition:
    choices = {group: str(choice) for group, choice in hydra.runtime.choices.items()}
    kept = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    return Composition(kept, choices, list(hydra.overrides.task), folder)


def compose_jobs(overrides: Sequence[str], config_dir: str | None = None) -> list[Composition]:
    """Compose every job of a sweep; two arms with one fingerprint are refused before the first starts."""
    with _hydra(config_dir), _sentences():
        loader = _loader()
        master = loader.load_configuration("config", [*_search(config_dir), *overrides], RunMode.MULTIRUN)
        params = dict(master.hydra.sweeper.get("params") or {})
    jobs = [compose_job(job, config_dir, in_sweep=True) for job in typed.jobs(overrides, params)]
    refuse_twins(jobs)
    return jobs


def refuse_twins(jobs: Sequence[Composition]) -> None:
    """Raise UserError if two jobs are the same configuration, or would write into one folder."""
    arms: dict[str, str] = {}
    runs: set[tuple[str, int]] = set()
    folders: set[Path] = set()
    for job in jobs:
        print_, name = job.fingerprint, typed.arm(job.overrides)
        if arms.setdefault(print_, name) != name or (print_, job.cfg.seed) in runs:
            raise UserError(
                f"expected arms that differ, got '{arms[print_]}' and '{name}' with the same configuration "
                f"({print_}, seed {job.cfg.seed}); drop one of them"
            )
        if job.folder in folders:
            raise UserError(
                f"expected a folder for each job, got two for {job.folder}; sweep what names an arm, "
                "or give each job a name of its own"
            )
        runs.add((print_, job.cfg.seed))
        folders.add(job.folder)


def _check_ablations(job: Composition) -> None:
    """An ablation that did not take effect (overridden by what followed it) is refused."""
    for name in typed.ablations(job.overrides):
        for group, wanted in _override_lines(name):
            if job.choices.get(group) != wanted:
                raise UserError(
                    f"expected ablation={name} to end in {group}={wanted}, got {group}="
                    f"{job.choices.get(group)}; put it last and do not choose that group again"
                )


def _override_lines(ablation: str) -> list[tuple[str, str]]:
    path = conf_dir() / "ablation" / f"{ablation}.yaml"
    if not path.is_file():  # a user's own, from --config-dir
        return []
    content: Any = OmegaConf.to_container(OmegaConf.load(path)) or {}
    lines = [line for entry in content.get("defaults", []) for line in entry.items()]
    return [(key.removeprefix("override").strip().lstrip("/"), str(choice)) for key, choice in lines]


@contextmanager
def _hydra(config_dir: str | None) -> Iterator[None]:
    if config_dir is not None and not Path(config_dir).is_dir():
        raise UserError(f"expected a folder of configurations behind --config-dir, got '{config_dir}'")
    register_resolvers()
    earlier = copy.copy(GlobalHydra.instance().hydra)
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_dir()), job_name="btr_tm", version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().clear()
        if earlier is not None:
            GlobalHydra.instance().initialize(earlier)


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:  # bare ones are Hydra's
        search_path = _loader().config_search_path
        raise user_error(error, known_names(tuple(part.path for part in search_path.get_path()))) from error


@cache
def known_names(search_path: tuple[str, ...]) -> dict[str, list[str]]:
    """Keys by node and choices by `group=` (by `group` where no node has its name), for error messages."""
    loader = _loader()
    groups = {group: loader.get_group_options(group) for group in _groups(loader)}
    base: Any = OmegaConf.to_container(compose("config"), resolve=False)
    names = {"": sorted({*base, *groups} - {""})}
    names |= {node: sorted(value) for node, value in base.items() if isinstance(value, dict)}
    names |= {group: choices for group, choices in groups.items() if group not in names}
    return names | {f"{group}=": choices for group, choices in groups.items()}


def _groups(loader: ConfigLoaderImpl, parent: str = "") -> list[str]:
    found = []
    for name in loader.list_groups(parent):
        group = f"{parent}/{name}".lstrip("/")
        if group != "hydra" and loader.get_group_options(group, ObjectType.CONFIG):
            found += [group, *_groups(loader, group)]
    return found


def _loader() -> Any:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None, "inside _hydra()"
    return hydra.config_loader


def _search(config_dir: str | None) -> list[str]:
    return (
        [] if config_dir is None else [f"hydra.searchpath=[file://{Path(config_dir).resolve().as_posix()}]"]
    )


def register_resolvers() -> None:
    """`${arm:...}` names the folder of a run."""
    OmegaConf.register_new_resolver("arm", lambda overrides: typed.arm(list(overrides)), replace=True)
