"""A driver that is brought back into another environment, and what its file may not do."""

from __future__ import annotations

import pytest

from btr_tm.cli.assembly.driver import shipped
from btr_tm.cli.assembly.driver_env import environment
from btr_tm.cli.commands import evaluate
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.core.errors import UserError
from tests.envs.tminterface.standins import standin

GAME = ["env=tminterface", "running_speed=1", "map=A.Challenge.Gbx"]


def stored(*overrides: str) -> dict:
    return compose_job([*overrides, "logger=none"]).values["env"]


def test_a_typed_environment_keeps_what_the_driver_was_trained_with() -> None:
    trained = stored("env.ticks_per_action=4", "env.cut_offs.no_progress_ms=3000")
    env = environment(trained, GAME)
    assert env["_target_"].endswith("TMInterfaceVectorEnv")
    assert (env["running_speed"], env["map"]) == (1, "A.Challenge.Gbx")
    assert env["ticks_per_action"] == 4 and env["cut_offs"]["no_progress_ms"] == 3000
    assert environment(trained, [*GAME, "ticks_per_action=2"])["ticks_per_action"] == 2
    assert environment(trained, []) == trained


def test_the_file_of_a_driver_starts_no_program_and_says_nothing_to_a_game() -> None:
    evil = stored("env=tminterface", "env/program=tmloader", "env.program.loader.wine=[sh,-c]")
    env = environment(evil | {"map": "A; quit", "commands": ["quit"]}, [])
    assert env["program"] == {"_target_": "btr_tm.envs.tminterface.games.StartedByHand"}
    assert env["map"] == "" and env["commands"] == []
    assert environment(evil, GAME)["program"]["_target_"].endswith("StartedByHand")


@pytest.mark.parametrize("typed", [["running_speed=1"], ["env"], ["--fast"], ["+env=sim"]])
def test_what_is_no_environment_is_one_sentence(typed: list[str]) -> None:
    with pytest.raises(UserError, match="env=tminterface"):
        environment({}, typed)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("track=hills", "write --track hills$"), (__file__, "one driver is driven at a time")],
)
def test_what_belongs_elsewhere_is_said(typed: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        environment({}, [typed])


@pytest.mark.slow
def test_a_driver_is_shown_at_both_speeds(capsys: pytest.CaptureFixture[str]) -> None:
    with standin("oval") as game:
        evaluate.main([str(shipped()), "--track", "oval", *GAME, f"port={game.port}"])
    said = capsys.readouterr().out
    assert "at 32 times real time: " in said and "at 1 times real time: " in said
    last = said.splitlines()[-1]
    assert last.startswith("the canonical race: ") and last.endswith(" at 1x")
    fast, slow = (time.split(" at ")[0] for time in last.removeprefix("the canonical race: ").split(", "))
    assert fast == slow
