"""Numbers that nothing could work with, each refused with the range that it must lie in."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from math import inf, isfinite

from btr_tm.cli.configuration.schema import Node

MAY_BE_ZERO = ("warmup_frames", "log_every", "eval_every", "save_every", "probe_every", "eval_starts")
POSITIVE = ("n_step", "kappa", "clip_norm", "clip_value", "adam_eps", "munchausen_entropy_tau")
NOT_NEGATIVE = ("first_cosine", "weight_decay_ratio", "munchausen_alpha", "priority_alpha", "priority_beta")
PARTS = {  # of choices that have them, and whether they must be above 0
    "learner.loss.temperature": True,
    "learner.loss.td_weight": False,
    "learner.self_loss.clamp_ratio": True,
    "learner.step.clip_norm": True,
    "learner.passes.rows_at_once": True,
    "learner.reset.every_frames": True,
    "replay.sampler.epsilon": True,
    "parallel.start_s": True,
    "parallel.stall_s": True,
    "collector.decisions_per_collect": True,
    "collector.slots": True,
    "collector.ahead": True,
    "collector.publish_every": True,
    "collector.stall_s": True,
    "collector.start_s": True,
    "collector.stale_versions": False,
}
SCHEDULES = {"learning_rate": (0, inf), "gamma": (0, 1), "epsilon": (0, 1), "epsilon_boltzmann": (0, 1)}
# Infinite means "no limit" here; everywhere else it is a slip.
MAY_BE_INFINITE = ("clip_value", "reward_clip", "stop_frames")
SMALLEST_IMAGE = 16  # pixels each way; of fewer, the encoders here leave a single row
LARGEST_IMAGE = 1024  # pixels each way; more is a slip: no encoder here is made for it
LARGEST = {  # far beyond what anybody uses
    "profile.taus": 1024,
    "profile.taus_act": 1024,
    "profile.cosines": 65_536,
    "profile.probe_states": 100_000,
    "convention.n_step": 1000,
}
THREADS_PER_CORE = 4


def out_of_range(values: Node) -> Iterator[str]:
    """A sentence for each number of a resolved configuration that is out of its range."""
    # What others read comes first: the sentence should name what was typed.
    shared = {name: values[name] for name in ("profile", "convention", "schedule")}
    for path, value in _numbers(shared | values, ""):
        if math.isnan(value) or (not isfinite(value) and path.rpartition(".")[2] not in MAY_BE_INFINITE):
            yield f"{path} must be a finite number, got {value}"
    for path, (number, positive) in _least(values).items():
        if not isinstance(number, str | list) and (number < 0 or (positive and number == 0)):
            yield f"{path} must be {'larger than 0' if positive else '0 or larger'}, got {number}"
    for name in ("image_height", "image_width"):
        if not SMALLEST_IMAGE <= values["profile"][name] <= LARGEST_IMAGE:
            size = values["profile"][name]
            yield f"profile.{name} must be from {SMALLEST_IMAGE} to {LARGEST_IMAGE}, got {size}"
    for path, count in LARGEST.items():
        section, name = path.split(".")
        if values[section][name] > count:
            yield f"{path} must be at most {count}, got {values[section][name]}"
    sides = (values["profile"]["image_height"], values["profile"]["image_width"])
    if values["profile"]["pool_size"] > min(sides):
        size = values["profile"]["pool_size"]
        yield f"profile.pool_size must be at most {min(sides)}, the size of the image, got {size}"
    threads, cores = values["profile"]["threads"], os.cpu_count() or 1
    if isinstance(threads, int) and threads > THREADS_PER_CORE * cores:
        limit = THREADS_PER_CORE * cores
        yield f"profile.threads must be at most {limit} on {cores} cores, got {threads}; try auto"
    for name, (least, most) in SCHEDULES.items():
        odd = [value for value in values_of(values["schedule"][name]) if not least <= value <= most]
        if odd:
            yield f"schedule.{name} must stay from {least} to {most}, got {odd[0]}"


def values_of(schedule: Node) -> list[float]:
    """What a schedule takes, as far as it is numbers: of points, constants and decays."""
    points = [point for point in schedule.get("points", []) if isinstance(point, list) and len(point) == 2]
    found = [value for _, value in points] + [schedule.get(key) for key in ("value", "start", "end", "after")]
    return [value for value in found if isinstance(value, int | float)]


def _least(values: Node) -> dict[str, tuple[float, bool]]:
    """Numbers that have a lower bound of 0, and whether they must be above it."""
    least = {f"profile.{name}": (size, name not in MAY_BE_ZERO) for name, size in values["profile"].items()}
    for name in (*POSITIVE, *NOT_NEGATIVE):
        least[f"convention.{name}"] = (values["convention"][name], name in POSITIVE)
    least["seed"] = (values["seed"], False)
    least["schedule.speed"] = (values["schedule"]["speed"], True)
    for path, positive in PARTS.items():
        group, *keys = path.split(".")
        found: object = values[group]
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, int | float):
            least[path] = (found, positive)
    pool = values["encoder"].get("pool", {})
    if "size" in pool:
        least["encoder.pool.size"] = (pool["size"], True)
    return least


def _numbers(node: object, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _numbers(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for value in node:
            yield from _numbers(value, path)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path, node
