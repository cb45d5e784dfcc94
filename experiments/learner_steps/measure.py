"""What each change to the learner is worth: the update as shipped beside the update without that change.

    python experiments/learner_steps/measure.py [--compiled]

Writes steps.json, of which `make report` makes the table; all variants of a size are measured in turns in
this process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor, nn

from btr_tm.benchmarks.full_size import SMALL_IMAGE, batch_of
from btr_tm.benchmarks.machine import machine
from btr_tm.cli.measuring.bench_parts import BTR, full_learner, small_learner
from btr_tm.core.tree import tree_map
from btr_tm.nets.encoder.conv import Conv, Residual
from btr_tm.nets.encoder.max_pool import MaxPool
from btr_tm.nets.iqn import IQN
from btr_tm.nets.pixels import Centred, Unit
from btr_tm.targets.greedy import bootstrap
from btr_tm.targets.munchausen import Munchausen, soft_value

ROUNDS = 11
HERE = Path(__file__).parent
PAPER = {"convention.munchausen_log_pi_from": "target"}


@contextmanager
def replaced(owner: type, name: str, value: Any) -> Iterator[None]:
    """`owner.name` is `value` for a while."""
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def channels_first(self: Any, image: Tensor) -> Tensor:
    return image.to(torch.float32).mul_(1.0 / 255.0)


def trunk_only(kept: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, like, *formats: kept(self, like, *(f for f in formats if len(formats) > 1))


def in_strips(self: Conv, x: Tensor) -> Tensor:
    """A grey image's convolution as one matrix product; a row is what four neighbouring pixels see."""
    if x.shape[1] > 1:
        return nn.Conv2d.forward(self, x)
    seen = nn.functional.pad(x[:, 0].to(torch.get_autocast_dtype("cpu")), (1, 1, 1, 1))
    rows = seen.unfold(1, 3, 1).unfold(2, 6, 4).reshape(-1, 18)
    shifted = torch.stack([nn.functional.pad(self.weight[:, 0], (i, 3 - i)) for i in range(4)])
    assert self.bias is not None
    out = nn.functional.linear(rows, shifted.view(-1, 18), self.bias.repeat(4))
    return out.view(*x.shape[:1], *x.shape[2:], -1).permute(0, 3, 1, 2)


def in_a_new_tensor(self: Residual, x: Tensor) -> Tensor:
    return x + self.second(torch.relu_(self.first(torch.relu(x))))


def both_states_at_once(self: Munchausen, nets: Any, batch: Any, q_online: Tensor, taus: Tensor) -> Tensor:
    obs = tree_map(lambda *leaves: torch.cat(leaves), batch.obs, batch.next_obs)
    now, then = nets.target(obs, torch.cat([taus, taus])).chunk(2)
    bonus = self.bonus(now.mean(1), batch.action)
    return bonus[:, None] + bootstrap(batch, soft_value(then, self.entropy_tau))


# name: overrides of the configuration, and what is replaced while it runs
VARIANTS: dict[str, tuple[dict[str, Any], list[tuple[type, str, Any]]]] = {
    "as shipped": ({}, []),
    "float32 throughout": ({"profile.precision": "fp32"}, []),
    "bf16 in the convolutions alone": ({}, [(IQN, "_autocast", trunk_only(IQN._autocast))]),
    "Adam without its fused kernel": ({"optimizer.fused": "false"}, []),
    "grey stem as a product of strips": ({}, [(Conv, "forward", in_strips)]),
    "torch's pool, channel by channel": ({}, [(MaxPool, "forward", nn.MaxPool2d.forward)]),
    "skip connection in a new tensor": ({}, [(Residual, "forward", in_a_new_tensor)]),
    "channels first": ({}, [(Unit, "__call__", channels_first), (Centred, "__call__", channels_first)]),
    "log pi from the target network": (PAPER, []),
    "the same, s and s' in one batch": (PAPER, [(Munchausen, "__call__", both_states_at_once)]),
}
COMPILED = "networks compiled"


def full(overrides: dict[str, Any]) -> tuple[Any, Any]:
    learner = full_learner(SMALL_IMAGE, 64, {"profile.precision": "bf16"} | overrides, torch.device("cpu"))
    return learner, batch_of(SMALL_IMAGE, 64, torch.Generator().manual_seed(0))


def quickstart(overrides: dict[str, Any]) -> tuple[Any, Any]:
    _, learner, batch = small_learner("", BTR, {"profile.precision": "bf16"} | overrides)
    return learner, batch


def measure(build: Callable[[dict[str, Any]], tuple[Any, Any]], compiled: bool) -> dict[str, list[float]]:
    """CPU milliseconds of each repetition of an update, by variant."""
    variants = VARIANTS | ({COMPILED: ({}, [])} if compiled else {})
    made = {name: build(overrides) for name, (overrides, _) in variants.items()}
    if compiled:
        for net in made[COMPILED][0].nets:
            net.compile(dynamic=False)
    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(-2, ROUNDS):  # two to warm up
        for name, (learner, batch) in made.items():
            spent = timed(learner, batch, variants[name][1])
            if turn >= 0:
                times[name].append(spent)
    return times


def timed(learner: Any, batch: Any, replacements: list[tuple[type, str, Any]]) -> float:
    if replacements:
        with replaced(*replacements[0]):
            return timed(learner, batch, replacements[1:])
    begin = time.process_time()
    learner.update(batch)
    return 1000 * (time.process_time() - begin)


def main() -> None:
    results: dict[str, Any] = {"machine": machine()}
    sizes = {"64 at 64 x 64 x 1, full size": full, "128 at 40 x 40 x 1, quickstart": quickstart}
    for title, build in sizes.items():
        results[title] = measure(build, "--compiled" in sys.argv)
        print(f"{title}: measured", flush=True)
    (HERE / "steps.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
