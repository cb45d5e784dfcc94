"""The update and the decisions of this source tree beside those of an older one, in turns.

    git worktree add --detach ../older COMMIT
    python experiments/learner_update/measure.py ../older [ROUNDS]

Each tree has a process of its own, and they take turns. Writes update.json; `make report` makes the table.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from btr_tm.benchmarks.machine import machine

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]
ROUNDS = 31
WORK = {
    "`quickstart`, update of 128": "quickstart update",
    "`+ablation=iqn`, update of 128": "iqn update",
    "`quickstart`, 33 cars explore": "quickstart explore 33",
    "`quickstart`, 33 cars, evaluation": "quickstart evaluate 33",
    "`quickstart`, one car, evaluation": "quickstart evaluate 1",
    "`+ablation=iqn`, 33 cars, evaluation": "iqn evaluate 33",
    "full size, update of 64 at 64 x 64 x 1": "full update",
}
CHILD = """
import sys, time, torch
torch.set_num_threads(1)
from contextlib import nullcontext
from btr_tm.benchmarks.full_size import SMALL_IMAGE, batch_of
from btr_tm.cli.measuring.bench_parts import BTR, full_learner, small_learner
from btr_tm.core.tree import tree_map

def made(name):
    if name == "full":
        learner = full_learner(SMALL_IMAGE, 64, {}, torch.device("cpu"))
        return learner, batch_of(SMALL_IMAGE, 64, torch.Generator().manual_seed(0))
    return small_learner("", BTR, {"+ablation": "iqn"} if name == "iqn" else {})[1:]

learners = {}
for line in sys.stdin:
    name, what, *cars = line.split()
    if name not in learners:
        learners[name] = made(name)
    learner, batch = learners[name]
    repetitions = 1 if name == "full" else 4
    obs = tree_map(lambda leaf: leaf[: int(cars[0])], batch.obs) if cars else None
    policy = learner.policy
    with policy.unchanged() if what == "evaluate" else nullcontext():
        decide, learn = lambda: policy.act(obs, what == "explore"), lambda: learner.update(batch)
        work = learn if obs is None else decide
        work()
        begin = time.process_time()
        for _ in range(repetitions):
            work()
        print(1000 * (time.process_time() - begin) / repetitions, flush=True)
"""


class Tree:
    """A process that runs the code of one source tree."""

    def __init__(self, root: Path) -> None:
        here = {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root,
            env={**os.environ, **here},
        )  # fmt: skip

    def milliseconds(self, work: str) -> float:
        """CPU time of one update or decision."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(work, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def main() -> None:
    older, newer = Tree(Path(sys.argv[1]).resolve()), Tree(ROOT)
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    results: dict[str, Any] = {"machine": machine()}
    for name, work in WORK.items():
        times: dict[str, list[float]] = {"before": [], "now": []}
        for turn in range(-2, rounds):  # two to warm up
            for tree, kept in ((older, times["before"]), (newer, times["now"])):
                spent = tree.milliseconds(work)
                if turn >= 0:
                    kept.append(spent)
        results[name] = times
        print(name, *(f"{way}: {statistics.median(each):.2f} ms" for way, each in times.items()), flush=True)
    (HERE / "update.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
