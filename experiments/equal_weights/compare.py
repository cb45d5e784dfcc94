"""Trains every shipped experiment a little in an older commit and in this tree; the weights must be equal.

    python experiments/equal_weights/compare.py            # against the commit before the restructuring
    python experiments/equal_weights/compare.py COMMIT --only quickstart a01_v2 --keep FOLDER

Writes README.md's table. The older commit is checked out into a temporary git worktree. What it trained can
be kept in a folder, so that only this tree trains the next time.
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
LEAST_UPDATES = 20  # fewer would say little
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
    with tempfile.TemporaryDirectory() as scratch, checked_out(arguments.commit) as older:
        kept = arguments.keep or Path(scratch, "kept")
        for name in arguments.only or (*EXPERIMENTS, *PUBLISHED):
            print(f"{name} ...", flush=True)
            before = trained_once(
                older, name, Path(scratch, "before"), kept / git("rev-parse", arguments.commit)
            )
            outcomes.append(compared(name, before, trained(ROOT, name, Path(scratch, "after"))))
            print(f"  {outcomes[-1].row}", flush=True)
    if not arguments.only:
        write_page(arguments.commit, outcomes)
    if any(outcome.differs for outcome in outcomes):
        sys.exit("not everything is equal")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Hold this tree against an older commit, weight for weight.")
    parser.add_argument("commit", nargs="?", default=BEFORE, help=f"default: {BEFORE}")
    parser.add_argument("--only", nargs="+", choices=(*EXPERIMENTS, *PUBLISHED), help="these, and no page")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep there what the older commit trained"
    )
    return parser


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A worktree of `commit`, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "before")
        git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*words: str) -> str:
    """What git answers."""
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def trained_once(tree: Path, name: str, folder: Path, kept: Path) -> dict[str, Any]:
    """The same from the folder `kept`, if an earlier call left it there."""
    path = kept / f"{name}.pt"
    if not path.exists():
        kept.mkdir(parents=True, exist_ok=True)
        torch.save(trained(tree, name, folder), path)
    return torch.load(path, weights_only=True)


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
    old, new = ([leaf for part in PARTS for leaf in tensors(part, learner)] for learner in learners)
    updates = [int(found("updates", learner)) for learner in learners]
    faults = [path for (_, a), (path, b) in zip(old, new, strict=False) if not same(a, b)]
    if len(old) != len(new):
        faults.append(f"{len(old)} tensors became {len(new)}")
    if updates[0] != updates[1] or updates[1] < LEAST_UPDATES:
        faults.append(f"{updates[0]} updates became {updates[1]}; at least {LEAST_UPDATES} are asked for")
    return Outcome(name, updates[1], len(new), faults[0] if faults else "")


def tensors(part: str, learner: Any) -> list[tuple[str, torch.Tensor]]:
    """All tensors of one part, of which there must be some."""
    listed = list(leaves(found(part, learner), part))
    if not listed:
        sys.exit(f"a checkpoint holds no tensor of {part}")
    return listed


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Every bit: NaN equals NaN, and 0 is not -0."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(*(each.reshape(-1).view(torch.uint8) for each in (one, other)))


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
    machine = f"{platform.machine()} CPU, one thread, torch {torch.__version__.split('+')[0]}"
    lines = [
        f"Commit {commit} against {git('rev-parse', '--short', 'HEAD')}, seed 0, {machine}:\n",
        "| experiment | updates | tensors compared | result |",
        "|---|---|---|---|",
        *(outcome.row for outcome in outcomes),
    ]
    PAGE.write_text(PAGE.read_text(encoding="utf-8").split(BEGIN)[0] + BEGIN + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
