"""Which classes each node of a configuration may name.

A configuration can come from somebody else: inside a driver file, a manifest, a published YAML. So a node may
name what the files of conf/ name for it or for its kind, and besides that only classes of modules that the
user has admitted (`plugins`), if they fit what the program will ask of them.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

import yaml

from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.core.errors import UserError
from btr_tm.core.files import short

# Kinds of nodes: where they stand, and the protocol or base class of what they build.
KINDS: dict[str, str] = {
    "env": "btr_tm.envs.contract.TensorVectorEnv",
    "env.appearance": "",  # "" : no class of the user's own fits
    "env.restarts": "",
    "env.cut_offs": "",
    "env.patience": "",
    "env.game": "btr_tm.envs.desktop.racing.Game",
    "env.game.crop": "",
    "env.game.screen": "btr_tm.envs.desktop.screen.Grabber",
    "env.game.telemetry": "btr_tm.envs.desktop.protocols.Telemetry",
    "env.game.controls": "btr_tm.envs.desktop.protocols.Controls",
    "env.pace": "btr_tm.envs.desktop.pace.Pace",
    "env.limits": "",
    "env.turn": "",
    "env.program": "",
    "env.program.*": "",
    "track": "",
    "obs": "btr_tm.race.features.FeatureSet",
    "reward": "btr_tm.race.reward.moment.Reward",
    "reward.bonuses.*": "btr_tm.race.reward.bonus.Bonus",
    "gates": "btr_tm.race.gates.Gates",
    "float_lookup": "btr_tm.race.float_lookup.FloatLookup",
    "net": "torch.nn.Module",
    "net.backbone": "",
    "fusion": "btr_tm.nets.state_fusion.StateFusion",
    "net.objective": "btr_tm.nets.objectives.Objective",
    "net.objective.*": "",
    "value.bins": "",
    "value.net": "btr_tm.nets.values.Values",
    "value.loss": "btr_tm.losses.value_loss.ValueLoss",
    "encoder": "btr_tm.nets.encoder.encoder.ImageEncoder",
    "encoder.body": "btr_tm.nets.builders.BuildBody",
    "encoder.norm": "btr_tm.nets.builders.BuildKernelNorm",
    "encoder.pool": "btr_tm.nets.builders.BuildPool",
    "pixels": "btr_tm.nets.builders.Pixels",
    "activation": "btr_tm.nets.builders.BuildActivation",
    "weight_init": "btr_tm.nets.builders.DrawWeights",
    "head": "btr_tm.nets.heads.Head",
    "head.linear": "btr_tm.nets.builders.BuildLinear",
    "head.norm": "btr_tm.nets.builders.BuildNorm",
    "target": "btr_tm.core.protocols.TargetFn",
    "exploration": "btr_tm.agent.policy.Exploration",
    "policy": "btr_tm.agent.driver_weights.DriverWeights",
    "learner": "btr_tm.agent.learner_class.LearnerClass",
    "learner.*": "",
    "learner.target_sync": "btr_tm.agent.target_sync.TargetSync",
    "learner.noise": "btr_tm.agent.noise.RedrawNoise",
    "learner.self_loss": "btr_tm.losses.self_loss.SelfLoss",
    "learner.reset": "btr_tm.agent.reset.Reset",
    "learner.moments": "btr_tm.agent.moments.Moments",
    "learner.priority_error": "btr_tm.agent.priority.PriorityError",
    "optimizer": "torch.optim.Optimizer",
    "schedule.*": "btr_tm.core.schedule.Schedule",
    "importance": "btr_tm.core.schedule.Schedule",
    "horizon": "btr_tm.replay.horizon.segment.Horizon",
    "replay": "",
    "replay.capacity": "",
    "replay.sampler": "btr_tm.replay.sampler.sampler.Sampler",
    "replay.split": "btr_tm.replay.split.Split",
    "replay.finish": "btr_tm.replay.n_step.Finish",
    "replay.gamma_at": "btr_tm.replay.n_step.GammaAt",
    "replay.exponent": "btr_tm.replay.n_step.BootstrapExponent",
    "credit": "btr_tm.run.plan.Account",
    "collector": "btr_tm.run.protocols.Collector",
    "eval": "btr_tm.run.evaluate.EvaluationRaces",
    "parallel": "",
    "logger.*": "btr_tm.metrics.meter.Logger",
}
CONSTANT = "btr_tm.core.schedule.Constant"  # what a plain number means where a schedule stands
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class Shipped:
    """What the files of conf/ say: classes by node, and nodes that stand for another node."""

    classes: Mapping[str, frozenset[str]]
    references: Mapping[str, str]  # encoder.pixels: pixels
    plain: frozenset[str]  # places where some file has a value of its own

    def origin(self, path: str) -> str:
        """Where the node at `path` is written."""
        parts = path.split(".")
        for count in range(len(parts), 0, -1):
            written = self.references.get(".".join(parts[:count]))
            if written is not None:
                return self.origin(".".join([written, *parts[count:]]))
        return path


def target_at(path: str, target: str, plugins: Sequence[str] = ()) -> Callable[..., object]:
    """The class or function that the node at `path` names, if it may; else raises UserError."""
    kind = kind_of(path)
    if kind is None:
        raise UserError(f"{path} cannot name a class, got _target_ '{short(target)}'; take it out")
    shipped_ones = allowed(kind)
    if not isinstance(target, str):
        raise UserError(f"{path} must name a class in words, got _target_ '{short(target)}'")
    if target in shipped_ones:
        return load(target)
    if kind == "optimizer" and re.fullmatch(r"torch\.optim\.\w+", target):
        found = load(target)
        refuse_misfit(found, kind, path, target)
        return found
    if not any(target.startswith(f"{module}.") for module in plugins):
        raise UserError(
            f"{path} cannot be '{short(target)}'; it can be {', '.join(sorted(shipped_ones))}, "
            f"or a class of your own module, which plugins=[module] admits{_admitted(plugins)}"
        )
    found = load(target)
    refuse_misfit(found, kind, path, target)
    return found


def _admitted(plugins: Sequence[str]) -> str:
    return f" (it admits {', '.join(plugins)} now)" if plugins else ""


def kind_of(path: str) -> str | None:
    """The key of KINDS that the node at `path` belongs to."""
    place = shipped().origin(path)
    return place if place in KINDS else next((kind for kind in KINDS if fnmatchcase(place, kind)), None)


def is_schedule(path: str) -> bool:
    """Whether a schedule stands at `path`."""
    found = path not in shipped().plain and shipped().origin(path) in shipped().classes
    return found and kind_of(path) in ("schedule.*", "importance")


def allowed(kind: str) -> frozenset[str]:
    """All that conf/ names for nodes of this kind."""
    named = shipped().classes.items()
    return frozenset().union(*(classes for path, classes in named if kind_of(path) == kind))


@cache
def shipped() -> Shipped:
    """Read every file of conf/ once."""
    classes: dict[str, frozenset[str]] = {}
    references: dict[str, str] = {}
    plain: set[str] = set()
    for path in sorted(conf_dir().rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        header = re.search(r"^# @package (\S+)$", text, re.MULTILINE)
        group = path.parent.relative_to(conf_dir()).as_posix().replace("/", ".").strip(".")
        package = header[1].replace("_global_", "") if header else group
        for place, value in _leaves(yaml.load(text, _LOADER), package):
            reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if place.endswith("._target_"):
                node = place.removesuffix("._target_")
                classes[node] = classes.get(node, frozenset()) | {str(value)}
            elif reference:
                references[place] = reference[1]
            else:
                plain.add(place)
    return Shipped(classes, references, frozenset(plain))


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _leaves(node: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, node


def load(target: str) -> Callable[..., object]:
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a module of the user's may raise anything
        why = str(error) if isinstance(error, ImportError | AttributeError) else repr(error)
        raise UserError(f"cannot load '{target}' ({why}); correct it or install what it needs") from error


def refuse_misfit(found: Callable[..., object], kind: str, path: str, target: str) -> None:
    """Raise UserError if `found` lacks what the protocol or base class of `kind` asks for."""
    if not KINDS[kind]:
        raise UserError(f"{path} cannot be a class of your own ('{target}'); choose one that is shipped")
    wanted = load(KINDS[kind])
    assert isinstance(wanted, type), wanted
    if not getattr(wanted, "_is_protocol", False):
        if not (isinstance(found, type) and issubclass(found, wanted)):
            raise UserError(f"{path}: {target} must be a subclass of {wanted.__name__}")
        return
    if not callable(found):
        raise UserError(f"{path}: {target} must be a class or a function")
    if isinstance(found, type):
        _refuse_lacking(found, wanted, f"{path}: {target}")
    for name, member in inspect.getmembers(wanted, inspect.isfunction):
        missing = isinstance(found, type) and not _answers(found, name, member)
        if missing and (not name.startswith("_") or name == "__call__"):
            raise UserError(
                f"{path}: {target} needs {name}{_shown(member)}, as in {wanted.__module__}.{wanted.__name__}"
            )


def refuse_module(found: Callable[..., object], path: str) -> None:
    """Raise UserError for a module of layers where something is asked for that builds one."""
    wanted = KINDS[kind_of(path) or ""]
    is_module = isinstance(found, type) and any(
        base.__module__.startswith("torch.nn") for base in found.__mro__
    )
    if is_module and wanted.startswith("btr_tm.nets.builders."):
        raise UserError(
            f"{path} must name what builds a module ({wanted}), and {found.__name__} is one; write a class "
            "that returns it when it is called, or add _partial_: true"
        )


def _refuse_lacking(found: type, wanted: type, called: str) -> None:
    """Raise UserError if `found` never gives its objects an attribute that the protocol asks for."""
    properties = [name for name, _ in inspect.getmembers(wanted, lambda each: isinstance(each, property))]
    for name in [*inspect.get_annotations(wanted), *properties]:
        bases = [base for base in found.__mro__ if base not in (object, wanted)]
        annotated = any(name in inspect.get_annotations(base) for base in bases)
        methods = [each for base in bases for each in vars(base).values() if inspect.isfunction(each)]
        named = any(name in method.__code__.co_names for method in methods)  # self.name = ...
        if not (annotated or named or any(name in vars(base) for base in bases)):
            raise UserError(f"{called} needs {name}, as in {wanted.__module__}.{wanted.__name__}")


def _answers(found: type, name: str, wanted: Callable[..., object]) -> bool:
    """`found` has a method `name` that takes as many arguments as `wanted`."""
    if any(name in getattr(base, "__annotations__", {}) for base in found.__mro__):
        return True  # an attribute of each object
    method = inspect.getattr_static(found, name, None)
    if method is None or (name == "__call__" and "__call__" not in dir(found)):
        return False
    if not inspect.isfunction(method):
        return True
    parameters = inspect.signature(wanted).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return True  # it is given what it names
    required = [p for p in parameters if p.default is p.empty]
    try:
        inspect.signature(method).bind(*required)
    except TypeError:
        return False
    return True


def _shown(method: Callable[..., object]) -> str:
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    return f"({', '.join(names)})"
