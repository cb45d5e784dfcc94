"""The shape of the project: who imports whom, what conf/ may say, how long is long."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "btr_tm"
CONF = ROOT / "conf"
FILES = sorted(SOURCE.rglob("*.py"))
YAMLS = sorted(CONF.rglob("*.yaml"))

# Imports point down this list; packages on one line do not know each other unless named in BESIDE.
LAYERS = (
    {"core"},
    {"race", "nets", "losses", "targets", "exploration", "replay", "metrics"},
    {"sim", "agent", "maps"},
    {"envs"},
    {"run", "report", "game"},
    {"benchmarks", "play"},
    {"cli"},
)
BESIDE = {("run", "report"), ("report", "run")}
KNOW_TMINTERFACE = ("envs/tminterface/", "game/", "benchmarks/", "cli/")
NEVER = {("agent", "envs"), ("envs", "agent"), ("replay", "race"), ("sim", "nets"), ("run", "sim")}

# design table: which packages the classes of a group come from
# Where anything may be raised, and something is done about it.
SWALLOWS = {
    "metrics/sinks/background.py": "a library that must not stop training; what it raised is said",
    "envs/desktop/hand.py": "a process that must let go of keys in the end; what a device raised is said",
}
GROUPS = {
    "env": ("btr_tm.envs.", "btr_tm.race.", "btr_tm.sim.", "btr_tm.game."),
    "track": ("btr_tm.sim.", "btr_tm.race."),
    "obs": ("btr_tm.race.",),
    "reward": ("btr_tm.race.",),
    "gates": ("btr_tm.race.",),
    "float_lookup": ("btr_tm.race.",),
    "net": ("btr_tm.nets.",),
    "fusion": ("btr_tm.nets.",),
    "value": ("btr_tm.nets.", "btr_tm.losses.", "btr_tm.core."),
    "pixels": ("btr_tm.nets.",),
    "activation": ("btr_tm.nets.",),
    "weight_init": ("btr_tm.nets.",),
    "policy": ("btr_tm.agent.",),
    "learner": ("btr_tm.agent.", "btr_tm.losses."),
    "importance": ("btr_tm.core.",),
    "credit": ("btr_tm.core.",),
    "encoder": ("btr_tm.nets.",),
    "head": ("btr_tm.nets.",),
    "target": ("btr_tm.targets.",),
    "exploration": ("btr_tm.exploration.",),
    "horizon": ("btr_tm.replay.",),
    "replay": ("btr_tm.replay.", "btr_tm.core."),
    "optimizer": ("torch.optim.",),
    "schedule": ("btr_tm.core.",),
    "collector": ("btr_tm.run.",),
    "eval": ("btr_tm.run.",),
    "parallel": ("btr_tm.run.",),
    "logger": ("btr_tm.metrics.",),
    "preset": (),
    "profile": (),
    "experiment": (),
    "ablation": (),
    "sweep": (),
}
LONG_FUNCTIONS: dict[str, str] = {}  # "package/file.py:function": why it may pass 60 lines
LONG_FILES: dict[str, str] = {}  # "package/file.py": why it may pass 400 lines
UNTYPED = {  # files that may say Any, and the library that gives no type there
    "agent/parallel.py": "the arguments of DistributedDataParallel, which change with torch",
    "cli/assembly/build.py": "Hydra: what a node builds",
    "cli/assembly/parts.py": "Hydra: values that replace those of a node",
    "cli/configuration/schema.py": "OmegaConf: the values of a node",
    "cli/importing/draft.py": "PyYAML: the values of a file",
    "core/types.py": "json, and torch's state dicts",
    "envs/arrays.py": "the options of gymnasium.make",
    "envs/desktop/dxcam.py": "dxcam: everything",
    "envs/desktop/keyboard.py": "pynput: everything",
    "envs/desktop/pad.py": "vgamepad: everything",
    "envs/desktop/win32.py": "ctypes: the functions of a DLL",
    "envs/desktop/x11.py": "python-xlib: everything",
    "envs/many.py": "the options of gymnasium.make_vec",
    "envs/single.py": "the options of gymnasium.make",
    "envs/stable_baselines.py": "Stable-Baselines3: attributes and infos",
    "metrics/sinks/wandb_file.py": "wandb: its records, classes that are made at run time",
    "run/remote/ray.py": "ray: an actor and its remote methods",
}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def package_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0] if path.parent != SOURCE else ""


def imported(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_imports_point_down() -> None:
    for path in FILES:
        own = package_of(path)
        if not own:
            continue
        rank = {package: i for i, layer in enumerate(LAYERS) for package in layer}
        assert own in rank, f"{own} has no place in LAYERS"
        for name in imported(parsed(path)):
            if not name.startswith("btr_tm."):
                continue
            other = name.split(".")[1]
            if other not in rank or other == own:
                continue
            allowed = rank[other] < rank[own] or (own, other) in BESIDE
            if rank[other] == rank[own] == 1:  # targets use losses and so on, but no cycles: see NEVER
                allowed = True
            assert allowed and (own, other) not in NEVER, f"{name_of(path)} imports {name}"


def test_the_real_game_is_known_in_few_places() -> None:
    for path in FILES:
        if package_of(path) and not name_of(path).startswith(KNOW_TMINTERFACE):
            for name in imported(parsed(path)):
                assert not name.startswith(("btr_tm.game.", "btr_tm.envs.tminterface.")), name_of(path)


def test_packages_of_one_layer_do_not_import_each_other_in_a_circle() -> None:
    edges: dict[str, set[str]] = {}
    for path in FILES:
        own = package_of(path)
        others = {name.split(".")[1] for name in imported(parsed(path)) if name.startswith("btr_tm.")}
        edges.setdefault(own, set()).update(others - {own})
    for first, others in edges.items():
        for second in others:
            circle = first in edges.get(second, set()) and (first, second) not in BESIDE
            assert not circle, f"{first} and {second} import each other"


def test_hydra_stays_in_cli_and_wandb_in_sinks() -> None:
    for path in FILES:
        for name in imported(parsed(path)):
            top = name.split(".")[0]
            if top in ("hydra", "omegaconf"):
                assert package_of(path) == "cli", f"{name_of(path)} imports {name}"
            if top == "wandb":
                assert name_of(path).startswith("metrics/sinks/"), f"{name_of(path)} imports {name}"


def test_packages_import_nothing_heavy() -> None:
    for path in [p for p in FILES if p.name == "__init__.py"]:
        names = {name.split(".")[0] for name in imported(parsed(path))}
        assert names <= {"__future__", "gymnasium"}, f"{name_of(path)} imports {names}"


def test_every_module_says_what_it_is_and_stays_short() -> None:
    for path in FILES:
        tree = parsed(path)
        assert ast.get_docstring(tree), f"{name_of(path)} has no docstring"
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 400 or name_of(path) in LONG_FILES, f"{name_of(path)} has {lines} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                known = f"{name_of(path)}:{node.name}" in LONG_FUNCTIONS
                assert length <= 60 or known, f"{name_of(path)}: {node.name} has {length} lines"


def test_any_stands_only_where_a_library_gives_no_type() -> None:
    names = {path: [n.id for n in ast.walk(parsed(path)) if isinstance(n, ast.Name)] for path in FILES}
    assert {name_of(path) for path, found in names.items() if "Any" in found} == set(UNTYPED)


def test_no_broad_except_swallows() -> None:
    for path in FILES:
        broad = {"Exception", "BaseException"}
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            named = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
            if node.type is None or named & broad:
                raises = any(isinstance(child, ast.Raise) for child in ast.walk(node))
                known = name_of(path) in SWALLOWS
                assert raises or known, f"{name_of(path)}:{node.lineno} catches everything and goes on"


def targets(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["_target_"]] if "_target_" in node else []
        return own + [found for value in node.values() for found in targets(value)]
    if isinstance(node, list):
        return [found for value in node for found in targets(value)]
    return []


def test_conf_mirrors_src() -> None:
    for path in YAMLS:
        group = path.relative_to(CONF).parts[0]
        for target in targets(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert target.startswith(GROUPS.get(group) or ("nothing",)), f"{path.name}: {target}"
            module, _, name = target.removeprefix("btr_tm.").rpartition(".")
            if target.startswith("btr_tm."):
                file = SOURCE / (module.replace(".", "/") + ".py")
                defined = {node.name for node in parsed(file).body if hasattr(node, "name")}
                assert name in defined, f"{path.name}: no {name} in {module}"


def test_every_group_folder_is_known() -> None:
    assert {p.name for p in CONF.iterdir() if p.is_dir()} == set(GROUPS)


@pytest.mark.parametrize("path", sorted((CONF / "ablation").glob("*.yaml")), ids=lambda path: path.stem)
def test_ablations_hold_nothing_but_overrides(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    assert path.read_text(encoding="utf-8").startswith("# @package _global_\n")
    assert set(content) <= {"defaults"}
    for entry in content.get("defaults", []):
        assert all(key.startswith("override /") for key in entry), entry


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_experiments_are_deltas_that_override_presets_only(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(content) == {"defaults", "name"}, "values belong to a group, sizes to profile/"
    assert content["name"] == path.stem
    for entry in content["defaults"]:
        if isinstance(entry, dict):
            ((key, _),) = entry.items()
            assert key.startswith("override /") and key.count("/") == 1, f"{key} is a leaf"


def sizes_of(profile: str) -> set[str]:
    """The keys of a profile, inherited ones too."""
    content = yaml.safe_load((CONF / "profile" / f"{profile}.yaml").read_text(encoding="utf-8"))
    parents = [name for name in content.pop("defaults", []) if name != "_self_"]
    return set(content).union(*(sizes_of(parent) for parent in parents))


def test_sizes_live_in_profiles_only() -> None:
    sizes = sizes_of("full")
    for path in (CONF / "profile").glob("*.yaml"):
        assert sizes_of(path.stem) == sizes, path.name
    for path in YAMLS:
        if path.parent.name == "profile":
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            key, _, value = (part.strip() for part in line.partition(":"))
            assert key not in sizes or not value or "${" in value, f"{path.name} sets {key}"


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_a_machine_or_a_registry() -> None:
    forbidden = re.compile(
        "|".join(
            [
                "/" + "home/",
                "/" + "work/",
                "/" + "opt/",
                r"[\w.]*pypi[\w.]*\." + "(org|io)",
                r"\+" + "cpu",
                "file:" + "///",
            ]
        )
    )
    for path in tracked():
        if path.suffix in (".png", ".mp4", ".npy", ".pt", ".safetensors", ".gif"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not forbidden.search(line), f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"


def test_constraints_pin_exact_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    assert any(pin.startswith("torch==") for pin in pins)
