"""What a run was made of (`manifest.json`); refuses to continue it with another configuration."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from btr_tm import __version__
from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json, write_json
from btr_tm.core.types import JsonObject

# May differ between two sessions of one run: budget, cadences, and what does not change the results.
MAY_CHANGE = ("total_frames", "log_every", "eval_every", "save_every", "probe_every", "device", "threads")
MAY_CHANGE_BELOW = ("logger", "hydra", "parallel", "eval") + tuple(
    f"collector.{name}" for name in ("address", "resources", "stall_s", "start_s")
)
PACKAGES = ("torch", "numpy", "gymnasium", "hydra-core", "omegaconf", "wandb", "matplotlib", "av", "rich")


@dataclass(frozen=True)
class Manifest:
    """The run folder, its stable id, and the resolved configuration as plain values."""

    folder: Path
    run_id: str
    config: JsonObject
    seed: int
    resumed: bool
    commit: str  # of the source tree, now


def claim(
    folder: str | Path,
    config: JsonObject,
    overrides: Iterable[str],
    seed: int,
    on_existing: Literal["resume", "overwrite"],
    origin: JsonObject | None = None,
    demos_crc32: int | None = None,
) -> Manifest:
    """Make `folder` that of a run with `config`, or go on with the run that is already there.

    `origin` says where the weights came from that this session begins with, if it loaded any. `demos_crc32`
    is that of the file of demonstrations, which stays the same as long as the run.

    Raises UserError naming every key that differs from the run in the folder, and where it cannot write.
    """
    folder = Path(folder)
    try:
        if on_existing == "overwrite":
            clear(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return _claim(folder, config, overrides, seed, origin, demos_crc32)
    except OSError as error:
        raise UserError(f"cannot use the run folder {folder} ({error})") from error


def _claim(
    folder: Path,
    config: JsonObject,
    overrides: Iterable[str],
    seed: int,
    origin: JsonObject | None,
    demos_crc32: int | None,
) -> Manifest:
    path = folder / "manifest.json"
    if not path.exists():
        if any((folder / "checkpoints").glob("frames_*.pt")):
            raise UserError(
                f"{folder} holds checkpoints, but not the manifest.json that says what they are of; put it "
                "back, choose another run folder, or start again there with on_existing=overwrite"
            )
        held = describe(config, seed) | ({"demos_crc32": demos_crc32} if demos_crc32 is not None else {})
    else:
        held = read(path)
        refuse_other_config(folder, held["config"], config)
        if held.get("demos_crc32", demos_crc32) != demos_crc32:
            raise UserError(
                f"{config['demos']} is not the file that the run in {folder} began with; put that back, "
                "choose another run folder, or start again there with on_existing=overwrite"
            )
        held["config"] = plain(config)
    resumed = path.exists()
    started = time.strftime("%Y-%m-%dT%H:%M:%S")
    now = commit()
    session = {"started": started, "overrides": list(overrides), "commit": now}
    held["sessions"].append(session | ({"weights": origin} if origin else {}))
    write_json(path, held)
    return Manifest(folder, held["run_id"], held["config"], seed, resumed, now)


def read(path: Path) -> JsonObject:
    """A manifest; UserError for anything else."""
    held = read_json(path)
    kinds = {"run_id": str, "seed": int, "config": dict, "sessions": list}
    wrong = [name for name, kind in kinds.items() if not isinstance(held.get(name), kind)]
    if wrong:
        raise UserError(f"{path} is no manifest of a run: {', '.join(wrong)} is missing or of another kind")
    return held


def clear(folder: Path) -> None:
    """Remove what a run wrote; other files in the folder stay. The manifest goes last: until then, the
    command that overwrites finds a run to overwrite."""
    for name in ("checkpoints", "best", "track"):
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    for name in ("record.jsonl", "summary.json", "summary.txt", "manifest.json"):
        (folder / name).unlink(missing_ok=True)


def describe(config: JsonObject, seed: int) -> JsonObject:
    """A new manifest: configuration, code, packages and hardware."""
    return {
        "run_id": uuid.uuid4().hex[:10],
        "seed": seed,
        "config": plain(config),
        "packages": {"btr_tm": __version__, "python": platform.python_version()} | versions(PACKAGES),
        "hardware": hardware(),
        "sessions": [],  # one for each time that the command was typed
    }


def plain(config: JsonObject) -> JsonObject:
    """The configuration as JSON keeps it."""
    return json.loads(json.dumps(config, default=str))


def flat(config: object, prefix: str = "") -> dict[str, object]:
    """Nested mappings as dotted keys; lists are values."""
    if not isinstance(config, Mapping):
        return {prefix: config}
    inner = [flat(value, f"{prefix}.{key}".strip(".")) for key, value in config.items()]
    return {key: value for part in inner for key, value in part.items()}


def differences(old: JsonObject, new: JsonObject) -> list[str]:
    """Lines `key: old -> new` for keys that may not change between two sessions."""
    before, after = flat(plain(old)), flat(plain(new))
    keys = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    return [f"{k}: {before.get(k, 'absent')} -> {after.get(k, 'absent')}" for k in keys if not may_change(k)]


def may_change(key: str) -> bool:
    below = any(f"{key}.".startswith(f"{name}.") for name in MAY_CHANGE_BELOW)
    return below or key.split(".")[-1] in MAY_CHANGE


def refuse_other_config(folder: Path, old: JsonObject, new: JsonObject) -> None:
    changed = differences(old, new)
    if changed:
        raise UserError(
            f"{folder} holds a run with another configuration ({'; '.join(changed)}); "
            "undo the change, choose another run folder, or start again there with on_existing=overwrite"
        )


def versions(packages: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def hardware() -> JsonObject:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"platform": platform.platform(), "cpu": cpu_name(), "cpus": os.cpu_count(), "gpus": gpus}


def cpu_name() -> str:
    """The model of the processor, where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the source tree, with + if it has local changes; unknown outside a checkout."""
    try:
        head, changed = git("rev-parse", "HEAD"), git("status", "--porcelain", "-uno")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+" if changed else "")


def git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
