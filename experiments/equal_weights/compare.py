"""Trains every shipped experiment a little in an older commit and in this tree; the weights must be equal.

    python experiments/equal_weights/compare.py            # against the commit before the restructuring
    python experiments/equal_weights/compare.py COMMIT --only quickstart a01_v2

Writes README.md's table. The older commit is checked out into a temporary git worktree.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).parent / "README.md"
BEFORE = "51117f8"  # the last commit before every variant became a group
EXPERIMENTS = (
    "quickstart", "a01_v2", "a01_v4_btr", "a01_v4_1_btr", "a01_v4_2_btr",
    "atari_btr", "lunar_lander", "car_racing",
)  # fmt: skip
PUBLISHED = ("older", "later")  # configurations in tests/cli/published, imported first
SMALL = ("profile=smoke", "profile.eval_every=0", "profile.save_every=0", "logger=none", "device=cpu")
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
PARTS = ("online", "target", "optimizer")  # what is compared of a checkpoint
BEGIN = "<!-- made by compare.py -->\n"


@dataclass(frozen=True)
class Outcome:
    """What two trees made of one experiment."""

    name: str
    updates: int
    tensors: int
    differs: str  # the first tensor that differs, or nothing

    @property
    def row(self) -> str:
        return f"| `{self.name}` | {self.updates} | {self.tensors} | {self.differs or 'equal to the bit'} |"


def main() -> None:
    arguments = parser().parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as scratch, checked_out(arguments.commit) as before:
        for name in arguments.only or (*EXPERIMENTS, *PUBLISHED):
            print(f"{name} ...", flush=True)
            runs = [trained(tree, name, Path(scratch, side)) for side, tree in (("a", before), ("b", ROOT))]
            outcomes.append(compared(name, *runs))
            print(f"  {outcomes[-1].row}", flush=True)
    if not arguments.only:
        write_page(arguments.commit, outcomes)
    if any(outcome.differs for outcome in outcomes):
        sys.exit("some weights differ")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Hold this tree against an older commit, weight for weight.")
    parser.add_argument("commit", nargs="?", default=BEFORE, help=f"default: {BEFORE}")
    parser.add_argument("--only", nargs="+", choices=(*EXPERIMENTS, *PUBLISHED), help="these, and no page")
    return parser


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A worktree of `commit`, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "before")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=ROOT, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)


def trained(tree: Path, name: str, folder: Path) -> dict[str, Any]:
    """The last checkpoint of a small run of one experiment with the code in `tree`."""
    folder.mkdir(exist_ok=True)
    typed = [f"+experiment={name}", *SMALL, f"runs_dir={folder.as_posix()}"]
    if name in PUBLISHED:
        source = ROOT / "tests" / "cli" / "published" / f"{name}.yaml"
        run(tree, folder, "btr_tm.import_yaml", str(source), "--out", f"conf/experiment/{name}.yaml")
        typed = ["--config-dir", "conf", *typed]
    run(tree, folder, "btr_tm", *typed)
    (path,) = folder.glob(f"{name}/*/s0/checkpoints/*.pt")
    return torch.load(path, weights_only=True)


def run(tree: Path, folder: Path, *command: str) -> None:
    """`python -m` with the code in `tree`."""
    environment = os.environ | QUIET | {"PYTHONPATH": str(tree / "src")}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed in {tree}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def compared(name: str, before: dict[str, Any], after: dict[str, Any]) -> Outcome:
    """Layouts of checkpoints may differ around the parts that are compared, not inside them."""
    learners = before["parts"]["learner"], after["parts"]["learner"]
    old, new = ([leaf for part in PARTS for leaf in leaves(found(part, one), part)] for one in learners)
    unequal = [name for (_, a), (name, b) in zip(old, new, strict=False) if not torch.equal(a, b)]
    if len(old) != len(new):
        unequal.append(f"{len(old)} tensors became {len(new)}")
    return Outcome(name, int(found("updates", learners[1])), len(new), unequal[0] if unequal else "")


def found(name: str, node: Any) -> Any:
    """The value of the key `name`, however deep it lies in nested dicts."""
    if isinstance(node, dict):
        if name in node:
            return node[name]
        deeper = (found(name, part) for part in node.values())
        return next((value for value in deeper if value is not None), None)
    return None


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """All tensors in order, with their names."""
    if isinstance(node, torch.Tensor):
        yield path, node
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield from leaves(value, f"{path}.{key}".strip("."))


def write_page(commit: str, outcomes: list[Outcome]) -> None:
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    machine = f"{platform.machine()} CPU, one thread, torch {torch.__version__.split('+')[0]}"
    lines = [
        f"Commit {commit} against {head.stdout.strip()}, seed 0, {machine}:\n",
        "| experiment | updates | tensors compared | result |",
        "|---|---|---|---|",
        *(outcome.row for outcome in outcomes),
    ]
    PAGE.write_text(PAGE.read_text(encoding="utf-8").split(BEGIN)[0] + BEGIN + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
