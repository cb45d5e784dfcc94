"""One race at a time, whoever drives it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from btr_tm.envs.desktop.protocols import GameLost
from btr_tm.envs.desktop.turn import Turn


def test_a_turn_is_waited_for_and_given_on_after_each_race(tmp_path: Path) -> None:
    worker, evaluation = Turn(60.0, tmp_path), Turn(60.0, tmp_path)
    order: list[str] = []
    worker.take()
    worker.take()  # the same race
    waits = threading.Event()

    def evaluate() -> None:
        waits.set()
        evaluation.take()
        order.append("evaluation")
        evaluation.leave()

    other = threading.Thread(target=evaluate)
    other.start()
    waits.wait()
    order.append("worker")
    worker.leave()
    other.join()
    worker.take()
    assert order == ["worker", "evaluation"]
    with pytest.raises(GameLost, match="another program"):
        Turn(0.01, tmp_path).take()
    worker.leave()
