"""Writes folders of sweeps whose outcomes are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

NODES = {
    "munchausen": ("target", "targets.munchausen.Munchausen", "targets.greedy.DoubleDqn"),
    "impala": ("encoder.body", "nets.encoder.impala.ImpalaBody", "nets.encoder.cnn.CnnBody"),
    "maxpool": ("encoder.pool", "nets.encoder.pool.AdaptiveMaxPool", "nets.encoder.pool.NoPool"),
    "spectral_norm": ("encoder.norm", "nets.encoder.norm.SpectralNorm", "nets.encoder.norm.NoKernelNorm"),
    "layer_norm": ("head.norm", "nets.layers.LayerNorm", "nets.layers.NoNorm"),
    "noisy": ("head.linear", "nets.linear.Noisy", "nets.linear.Plain"),
}
EVERY = 20_000  # frames between two evaluations, and 300 updates


def config_of(ingredients: Sequence[str], **more: object) -> dict:
    """The part of a configuration that says which of the six are in."""
    config: dict = {"track": {"name_or_path": "a01"}, "seed": 0, **more}
    for name, (node, present, absent) in NODES.items():
        *outer, last = node.split(".")
        inner = config
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = {"_target_": f"btr_tm.{present if name in ingredients else absent}"}
    return config


def write_run(
    folder: Path,
    heights: Sequence[float],
    times: Sequence[float | None] = (),
    config: Mapping[str, object] | None = None,
    ended: bool = True,
    cpu_s: float = 10.0,
) -> Path:
    """A run with one evaluation for each height; a race was finished where `times` has one."""
    folder.mkdir(parents=True)
    seed, rows = int(folder.name[1:]), []
    for i, height in enumerate(heights, 1):
        time_s = times[i - 1] if i <= len(times) else None
        row = {"frames": i * EVERY, "updates": i * 300, "cpu_s": i * cpu_s, "wall_s": i * 20.0}
        row |= {"eval/progress_mean": height, "eval/finish_rate": float(time_s is not None)}
        times_s = {} if time_s is None else {"eval/canonical_time_s": time_s, "eval/mean_time_s": time_s + 1}
        rows.append(row | times_s)
    (folder / "record.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config = {**(config_of(()) if config is None else config), "seed": seed}
    manifest = {"run_id": "r", "seed": seed, "config": config, "sessions": [{"commit": "abc"}]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    if ended:
        (folder / "summary.json").write_text("{}", encoding="utf-8")
    return folder


def write_sweep(folder: Path, arms: Mapping[str, float], seeds: int = 6) -> Path:
    """Arms, named as those of the study, whose curves lie at these heights, seed by seed 0.004 higher."""
    for arm, height in arms.items():
        for seed in range(seeds):
            top = height + 0.004 * seed
            times = (None, None, 30.0 - top)
            write_run(folder / arm / f"s{seed}", (top / 2, top, top), times, config_of(ingredients_of(arm)))
    return folder


def ingredients_of(arm: str) -> list[str]:
    """`no_noisy`: all but one; `iqn,plus_noisy`: only that one."""
    words = arm.split(",")
    if words[0] == "iqn":
        return [word.removeprefix("plus_") for word in words[1:]]
    return [name for name in NODES if f"no_{name}" not in words]
