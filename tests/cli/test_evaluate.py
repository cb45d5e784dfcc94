"""What `evaluate` shows: how far the races are, then a table whose figures read as everywhere else."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from btr_tm.cli.assembly.driver import shipped
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


AUTHOR = "# track: mine\n# time_ms: 5000\n0-8.00 press up\n"
BLOCKS = "- start\n- straight: {length: 1, width: 20}\n- finish\n- straight: {length: 4}\n"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A race of the user's own on his own track, which has an author's race."""
    (tmp_path / "mine.yaml").write_text(BLOCKS)
    (tmp_path / "mine.author.inputs").write_text(AUTHOR)
    path = tmp_path / "race.inputs"
    path.write_text("# track: mine\n0.20-8.00 press up\n")
    return path


def test_a_race_is_compared_with_the_authors_in_a_table_and_a_picture(inputs, capsys) -> None:
    evaluate.main([str(inputs), "--sections", str(inputs.with_name("lost.png"))])
    title, heading, _, start, *_, words, path = filter(None, capsys.readouterr().out.splitlines())
    assert title == f"{inputs}, on mine"
    assert [cell.strip() for cell in heading.split("|")[1:6]] == [
        "section",
        "ends at",
        "time s",
        "lost",
        "total",
    ]
    assert start.startswith("| 0-") and " +0.20 " in start
    assert words.startswith("The driver finishes in ") and "+0.20 s in all, the fence not touched" in words
    assert path == str(inputs.with_name("lost.png")) and Path(path).read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_compared_is_said_before_anything_is_driven(inputs, monkeypatch, capsys) -> None:
    def refused(*words: str) -> str:
        with pytest.raises(SystemExit) as exit:
            evaluate.main([str(inputs), "--sections", *words])
        return str(exit.value)

    assert "must end in .png, got lost.jpg" in refused("lost.jpg")
    assert "film key presses with python -m btr_tm.watch" in refused("--video", "film.mp4")
    inputs.with_name("mine.author.inputs").write_text("# track: mine\n0-0.10 press up\n")
    assert "the author's race on mine does not reach the finish" in refused()
    inputs.with_name("mine.author.inputs").unlink()
    assert "the track mine has no author's race to compare with" in refused()


def test_a_race_that_did_not_move_is_a_sentence(inputs) -> None:
    inputs.write_text("# track: mine\n0-0.50 press left\n")
    with pytest.raises(SystemExit, match="did not leave the start"):
        evaluate.main([str(inputs), "--sections"])


@pytest.mark.parametrize("races", ["abc", "0", "-3", "1.5", ""])
def test_a_number_of_races_that_is_none_is_a_sentence(races: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate.main(["RUN", f"--races={races}"])
    assert f"must be a whole number, 1 or larger, got {races}" in capsys.readouterr().err


def test_a_speed_without_a_game_is_a_sentence() -> None:
    driver = str(shipped())
    with pytest.raises(SystemExit, match="running_speed is of a game; write env=tminterface before it"):
        evaluate.main([driver, "env=sim", "running_speed=1", "--races", "1"])
