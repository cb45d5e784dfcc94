"""Brings a trained driver back: network and environment rebuilt from the configuration stored with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from btr_tm.agent.trained import TrainedPolicy
from btr_tm.cli.assembly.driver_env import environment
from btr_tm.cli.assembly.parts import KEPT_TRACK, Parts, checked, device_of
from btr_tm.cli.configuration.schema import Node
from btr_tm.core.clock import Clock
from btr_tm.core.errors import UserError
from btr_tm.core.files import PARSE_ERRORS, short
from btr_tm.core.tensor_file import SUFFIX
from btr_tm.run import manifest as manifest_of_run
from btr_tm.run import policy_file
from btr_tm.run.checkpoint import load_part
from btr_tm.run.checkpoint_file import read
from btr_tm.run.policy_file import PolicyFile
from btr_tm.sim.track.source import from_json, source_in

SHIPPED = Path(__file__).resolve().parents[2] / "data"
# What building a world from a configuration may raise that somebody has written into a file by hand.
MISFITS = (RuntimeError, OmegaConfBaseException, HydraException, *PARSE_ERRORS)
NOT_KEPT = "not kept"  # the file of the demonstrations of a driver, which drives without them
# Parts of a configuration that a driver does not depend on: its file, or a manifest, may leave them out.
LABELS: Node = {"name": "driver", "runs_dir": "runs", "on_existing": "resume", "plugins": [], "logger": {}}
LABELS |= {"init_from": "", "init_part": "whole", "demos": ""}
LABELS |= {
    "eval": {"_target_": "btr_tm.run.evaluation_races.InlineRaces", "_partial_": True},
    "policy": {"_target_": "btr_tm.agent.driver_weights.OnlineWeights", "_partial_": True},
}


@dataclass(frozen=True)
class Driver:
    """A policy that does not explore, and what builds the world it knows."""

    parts: Parts
    policy: TrainedPolicy
    source: Path
    frames: int

    @property
    def name(self) -> str:
        return f"{self.source} after {self.frames:,} frames"


def load_driver(
    where: str | None,
    device: str = "auto",
    track: str | None = None,
    plugins: Sequence[str] = (),
    typed: Sequence[str] = (),
) -> Driver:
    """The driver in a run folder, a checkpoint or a policy file; None is the one that ships.

    `track` puts it on another track than the one it was trained on; `plugins` are modules of the user's own
    whose classes its configuration may name; `typed` puts it into another environment. Raises UserError.
    """
    source = shipped() if where is None else Path(where)
    saved = read_driver(source)
    values = LABELS | saved.config | {"logger": {}, "plugins": list(plugins)}
    try:
        values["env"] = environment(values["env"], typed)
        if values["replay"].get("demo_share", 0.0) > 0:
            values["demos"] = values["demos"] or NOT_KEPT
        kept = None
        if track is not None:
            values = values | {"track": values["track"] | {"name_or_path": track}}
        elif saved.track is not None:
            kept = from_json(saved.track, str(source))
        parts = Parts(checked(values), device_of(device), Clock(frames=saved.frames), kept)
        # One car is enough to know what the network looks at.
        policy = parts.policy(parts.env(1, start_pool=1))
    except MISFITS as error:
        raise UserError(
            f"the configuration stored in {source} is not one that this version makes "
            f"({type(error).__name__}: {short(error)})"
        ) from error
    load_part("network", policy.net, saved.weights, source)
    return Driver(parts, policy, source, saved.frames)


def read_driver(source: Path) -> PolicyFile:
    """Weights and configuration behind a path of any of the three kinds."""
    if source.suffix == SUFFIX:
        return policy_file.load(source)
    if not source.exists():
        raise UserError(f"{source} does not exist; name a run folder, a checkpoint or a policy file")
    if source.is_file() and source.suffix != ".pt":
        watch = "; film key presses with python -m btr_tm.watch" if source.suffix.lower() == ".inputs" else ""
        raise UserError(f"{source} is no run folder, checkpoint (.pt) or policy file ({SUFFIX}){watch}")
    path, content = newest(source) if source.is_dir() else (source, read(source))
    if content is None:
        raise UserError(f"{path} is damaged; name the checkpoint before it")
    learner = content["parts"].get("learner", {})
    weights = learner.get("driver", {}).get("net", learner.get("online"))
    if weights is None:
        raise UserError(f"{path} holds no network; name a checkpoint that a run of this program saved")
    folder = path.parent.parent
    track = source_in(folder / KEPT_TRACK)
    config = _config_beside(path)
    return PolicyFile(weights, config, content["frames"], track.as_json() if track else None)


def newest(folder: Path) -> tuple[Path, Node | None]:
    """The newest readable checkpoint of a run folder."""
    paths = sorted((folder / "checkpoints").glob("frames_*.pt"), reverse=True)
    if not paths:
        raise UserError(f"{folder} holds no checkpoints; name a run folder, below runs/")
    read_ones = ((path, read(path)) for path in paths)
    return next(((path, content) for path, content in read_ones if content is not None), (paths[0], None))


def _config_beside(checkpoint: Path) -> Node:
    manifest = checkpoint.parent.parent / "manifest.json"
    if not manifest.is_file():
        raise UserError(
            f"{manifest} is missing, the configuration of the run; leave checkpoints in their run folder"
        )
    return manifest_of_run.read(manifest)["config"]


def shipped() -> Path:
    """The trained driver that comes with the package."""
    found = sorted(SHIPPED.glob(f"*{SUFFIX}"))
    if not found:
        raise UserError(
            "this installation ships no trained driver; "
            "train one with python -m btr_tm +experiment=quickstart and name its run folder"
        )
    return found[0]


def export(driver: Driver, path: str | Path) -> None:
    """Write `driver` as one policy file."""
    write_policy(driver.parts, driver.policy.net, driver.frames, path)


def write_policy(parts: Parts, net: nn.Module, frames: int, path: str | Path) -> None:
    """Write a network with what rebuilds it as one policy file."""
    config = {key: value for key, value in parts.values.items() if key not in LABELS}
    track = parts.own_track
    policy_file.save(path, PolicyFile(net.state_dict(), config, frames, track.as_json() if track else None))
