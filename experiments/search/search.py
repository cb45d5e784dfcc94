"""Searches values with Optuna: each trial is one command, and its result stands in summary.json.

python experiments/search/search.py --trials 20
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import optuna

FAILED_S = 300.0  # for a driver that never came home


def words_of(trial: optuna.Trial) -> list[str]:
    """What to try."""
    rate = trial.suggest_float("learning_rate", 1e-4, 3e-3, log=True)
    tau = trial.suggest_float("tau", 0.005, 0.2, log=True)
    return [f"schedule.learning_rate={rate:.3g}", f"learner.target_sync.tau={tau:.3g}"]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--storage", default="sqlite:///search.db", help="a search typed again goes on")
    parser.add_argument("more", nargs="*", help="words of python -m btr_tm for every trial")
    arguments = parser.parse_args(argv)
    study = optuna.create_study(study_name="btr_tm", storage=arguments.storage, load_if_exists=True)
    for _ in range(arguments.trials):
        trial = study.ask()
        folder = Path("runs", "search", f"trial_{trial.number}")
        words = ["+experiment=quickstart", "logger=none", f"hydra.run.dir={folder}", *arguments.more]
        done = subprocess.run([sys.executable, "-m", "btr_tm", *words, *words_of(trial)])
        if done.returncode:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        study.tell(trial, summary.get("eval/canonical_time_s", FAILED_S))
    print(study.best_value, study.best_params)


if __name__ == "__main__":
    main()
