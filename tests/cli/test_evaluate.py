"""What `evaluate` shows: how far the races are, then a table whose figures read as everywhere else."""

from __future__ import annotations

import math

import pytest
import torch

from btr_tm.cli.commands import evaluate
from btr_tm.metrics.summary_text import summary_lines
from btr_tm.run.evaluate import Result
from btr_tm.run.race import NO_RACE

FIGURES = {"canonical_time_s": 24.314, "finish_rate": 0.96875, "return_mean": 1.23456, "std_time_s": math.nan}


def test_progress_is_a_line_now_and_then_where_nobody_sees_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "LINE_S", 0.0)
    with evaluate.telling(33) as tell:
        tell(1000, 2)
    shown = capsys.readouterr()
    assert "1,000 decisions, 2 of 33 races over after 0s\n" in shown.err and shown.out == ""
    monkeypatch.setattr(evaluate, "LINE_S", 60.0)
    with evaluate.telling(33) as tell:
        tell(1000, 2)
    assert "after 0s" not in capsys.readouterr().err


def test_figures_read_as_in_the_summary_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    two = torch.tensor([24.31, 30.0], dtype=torch.float64)
    evaluate.show(Result(torch.tensor([True, False]), two, 10 * two, two, NO_RACE), FIGURES)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1].split() == ["0", "canonical", "24.31", "s", "243.1", "m", "24.310"]
    assert lines[2].split() == ["1", "seeded", "--", "300.0", "m", "30.000"]
    finite = {f"eval/{name}": value for name, value in FIGURES.items() if math.isfinite(value)}
    assert lines[3:] == summary_lines(finite)
    assert [line.split(maxsplit=1)[1] for line in lines[3:]] == ["24.31 s", "97%", "1.235"]
