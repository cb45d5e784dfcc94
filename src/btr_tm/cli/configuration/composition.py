"""Composes configurations from conf/ and what was typed. Needs no torch, so `--cfg job` stays fast."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from hydra import compose, initialize_config_dir
from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from btr_tm.cli.configuration import overrides as typed
from btr_tm.cli.configuration import validate
from btr_tm.cli.configuration.groups import choices, conf_dir
from btr_tm.cli.configuration.schema import Node
from btr_tm.cli.configuration.sentences import Known, user_error
from btr_tm.core.errors import UserError

A_YEAR_MIN = 365 * 24 * 60
ALWAYS = 1000
NOT_COMPOSED = (HydraException, OmegaConfBaseException, YAMLError, ValueError)  # bare ones are Hydra's


@dataclass(frozen=True)
class Composition:
    """One job: its resolved values, the choice of every group and its run folder."""

    cfg: DictConfig  # without the hydra node
    choices: dict[str, str]
    overrides: list[str]
    folder: Path

    @property
    def values(self) -> Node:
        """The resolved configuration as plain dicts and lists."""
        return OmegaConf.to_container(self.cfg, resolve=True)  # type: ignore[return-value]

    @property
    def unresolved(self) -> Node:
        """The same with interpolations as they are written."""
        return OmegaConf.to_container(self.cfg, resolve=False)  # type: ignore[return-value]

    @property
    def fingerprint(self) -> str:
        """Hash of everything that defines the arm: not the seed, not where or how it is logged."""
        return fingerprint(self.values)


def fingerprint(values: Node) -> str:
    """Twelve hex digits of the resolved configuration without labels."""
    kept = {key: value for key, value in values.items() if key not in typed.LABELS}
    if not kept.get("init_from"):  # the part of nothing
        kept = {key: value for key, value in kept.items() if not key.startswith("init_")}
    if not kept.get("demos"):
        kept.pop("demos", None)
    kept["profile"] = {key: v for key, v in kept.get("profile", {}).items() if key != "threads"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]


def compose_job(overrides: Sequence[str], config_dir: str | None = None) -> Composition:
    """Compose one job and check what can be checked without importing a class.

    Raises UserError on unknown choices and keys, unreadable overrides and undone ablations.
    """
    with opened(config_dir):
        return _composed(overrides, config_dir)


def _composed(overrides: Sequence[str], config_dir: str | None, in_sweep: bool = False) -> Composition:
    typed.refuse_sweep(overrides)
    typed.refuse_early_ablation(overrides)
    with sentences(overrides, config_dir):
        typed.refuse_values(overrides)
        cfg = compose("config", [*search_path(config_dir), *overrides], return_hydra_config=True)
        place = (cfg.hydra.sweep.dir, cfg.hydra.sweep.subdir) if in_sweep else (cfg.hydra.run.dir,)
        composition = _composition(cfg, cfg.hydra, Path(*place))
        values = composition.values  # interpolations that cannot be resolved end here
    validate.structure(values)
    _check_ablations(composition)
    return composition


def current_job(cfg: DictConfig) -> Composition:
    """The job that Hydra is running; whatever sweeper or launcher started it, it gets the same checks."""
    job = _composition(cfg, HydraConfig.get(), Path(HydraConfig.get().runtime.output_dir))
    typed.refuse_early_ablation(job.overrides)
    _check_ablations(job)
    return job


def _composition(cfg: DictConfig, hydra: DictConfig | HydraConf, folder: Path) -> Composition:
    choices = {group: str(choice) for group, choice in hydra.runtime.choices.items()}
    kept = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    return Composition(kept, choices, list(hydra.overrides.task), folder)


def compose_jobs(overrides: Sequence[str], config_dir: str | None = None) -> list[Composition]:
    """Compose every job of a sweep; two arms with one fingerprint are refused before the first starts."""
    with opened(config_dir):
        with sentences(overrides, config_dir):
            loader = GlobalHydra.instance().config_loader()
            search = [*search_path(config_dir), *overrides]
            sweeper = loader.load_configuration("config", search, RunMode.MULTIRUN).hydra.sweeper
            jobs = typed.jobs(overrides, dict(sweeper.get("params") or {}))
        composed = [_composed(job, config_dir, in_sweep=True) for job in jobs]
    refuse_twins(composed)
    return composed


def refuse_twins(jobs: Sequence[Composition]) -> None:
    """Raise UserError if two jobs are the same configuration, or would write into one folder."""
    arms: dict[str, str] = {}
    runs: set[tuple[str, int]] = set()
    folders: set[Path] = set()
    for job in jobs:
        print_, name = job.fingerprint, typed.arm(job.overrides)
        if arms.setdefault(print_, name) != name or (print_, job.cfg.seed) in runs:
            raise UserError(
                f"the arms '{arms[print_]}' and '{name}' have the same configuration "
                f"({print_}, seed {job.cfg.seed}); drop one of them"
            )
        if job.folder in folders:
            raise UserError(
                f"two jobs would write into {job.folder}; sweep what names an arm, "
                "or give each job a name of its own"
            )
        runs.add((print_, job.cfg.seed))
        folders.add(job.folder)


def _check_ablations(job: Composition) -> None:
    """An ablation that did not take effect (overridden by what followed it) is refused."""
    wanted = {
        group: (name, choice)
        for name in typed.ablations(job.overrides)
        for group, choice in _override_lines(name)  # a later ablation may change an earlier one
    }
    for group, (name, choice) in wanted.items():
        if job.choices.get(group) != choice:
            raise UserError(
                f"ablation={name} is undone: {group} is {job.choices.get(group)} and not {choice}; "
                "put the ablation last and do not choose that group again"
            )


def _override_lines(ablation: str) -> list[tuple[str, str]]:
    path = conf_dir() / "ablation" / f"{ablation}.yaml"
    if not path.is_file():  # a user's own, from --config-dir
        return []
    content = cast(Node, OmegaConf.to_container(OmegaConf.load(path)) or {})
    lines = [line for entry in content.get("defaults", []) for line in entry.items()]
    return [(key.removeprefix("override").strip().lstrip("/"), str(choice)) for key, choice in lines]


@contextmanager
def opened(config_dir: str | None) -> Iterator[None]:
    """Hydra, ready to compose from conf/."""
    if config_dir is not None and not Path(config_dir).is_dir():
        raise UserError(f"--config-dir {config_dir} is not a folder")
    register()
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
def sentences(overrides: Sequence[str], config_dir: str | None) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise about `overrides` into one sentence."""
    try:
        yield
    except NOT_COMPOSED as error:
        raise user_error(error, _known(overrides, config_dir)) from error


def _known(overrides: Sequence[str], config_dir: str | None) -> Known:
    """What could have been typed: the choices, and the values that the choices among `overrides` lead to."""
    groups = choices(*([config_dir] if config_dir else []))
    chosen = [text for text in overrides if typed.key_of(text) in groups and "," not in text]
    asking = partial(_asking, chosen, config_dir)
    for kept in (chosen, []):
        try:
            base = compose("config", [*search_path(config_dir), *kept])
        except NOT_COMPOSED:
            continue  # the choices themselves are what is wrong
        return Known(groups, OmegaConf.to_container(base, resolve=False), asking)  # type: ignore[arg-type]
    return Known(groups, {})


def _asking(chosen: Sequence[str], config_dir: str | None, group: str) -> tuple[str, str]:
    """The first of the choices, the one in `group` and the experiment before all, with which the others do
    not compose, and what is chosen in `group` without it; see `Known`.
    """
    ranks = {group: 0, "experiment": 1}
    kept, choice = search_path(config_dir), ""
    for text in ("", *sorted(chosen, key=lambda text: ranks.get(typed.key_of(text), 2))):
        more = [text] if text else []
        try:
            composed = compose("config", [*kept, *more], return_hydra_config=True)
        except NOT_COMPOSED:
            # An experiment may itself choose what lacks the part.
            told = typed.key_of(text) != "experiment" or any(typed.key_of(each) == group for each in chosen)
            return text.lstrip("+"), choice if told else ""
        choice, kept = str(composed.hydra.runtime.choices[group]), [*kept, *more]
    return "", ""


def search_path(config_dir: str | None) -> list[str]:
    return (
        [] if config_dir is None else [f"hydra.searchpath=[file://{Path(config_dir).resolve().as_posix()}]"]
    )


def register() -> None:
    """`${arm:...}` names the folder of a run; submitit, where installed, gets what fits runs that go on."""
    OmegaConf.register_new_resolver("arm", lambda overrides: typed.arm(list(overrides)), replace=True)
    Plugins.instance()  # registers what plugins bring, which the next lines replace
    try:
        from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf, SlurmQueueConf
    except ImportError:
        return
    folder = "${hydra.sweep.dir}/.submitit"  # their own ends in a literal %j
    queues = {
        "submitit_local": LocalQueueConf(folder, timeout_min=A_YEAR_MIN),  # their own hour ends runs
        "submitit_slurm": SlurmQueueConf(folder, max_num_timeout=ALWAYS),  # each goes on after its time limit
    }
    for name, node in queues.items():
        ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="btr_tm")
