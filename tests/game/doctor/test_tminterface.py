"""The doctor for the game, against its stand-in in good and in bad health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from btr_tm.envs.tminterface.games import Patience, StartedByHand
from btr_tm.game.doctor.bench import Bench, Drive
from btr_tm.game.doctor.diagnosis import Answer, Verdict, diagnose
from btr_tm.game.doctor.tminterface import GAS, LEFT, LINKS
from btr_tm.game.folders import Machine, named_folders
from btr_tm.game.install import install
from tests.envs.tminterface.standins import standin
from tests.envs.tminterface.streams import settings

MAP = "A01-Race.Challenge.Gbx"
SETTINGS = settings(32, 24, map=MAP)
PATIENCE = Patience(connect_s=20.0, start_s=20.0, answer_s=20.0, tries=1, pause_s=0.01)
FROM_GAME = [link.name for link in LINKS[5:]]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A computer on which everything is where it should be."""
    (tmp_path / "TMInterface" / "Plugins").mkdir(parents=True)
    path = tmp_path / "TmForever" / "Tracks" / "Challenges" / MAP
    path.parent.mkdir(parents=True)
    path.touch()
    install(named_folders(tmp_path), replace=False)
    return tmp_path


def bench(documents: Path, port: int, patience: Patience = PATIENCE) -> Bench:
    computer = Machine(False, documents, {})
    drive = Drive([GAS] * 6 + [LEFT] * 6, 5)
    return Bench(SETTINGS, port, patience, StartedByHand(), computer, drive, documents)


def examined(place: Bench) -> dict[str, Verdict]:
    try:
        return {verdict.name: verdict for verdict in diagnose(LINKS, place)}
    finally:
        place.leave()


def broken(verdicts: dict[str, Verdict]) -> list[str]:
    return [name for name, verdict in verdicts.items() if verdict.answer is Answer.BROKEN]


def test_a_healthy_game_passes_every_link(documents: Path) -> None:
    with standin() as game:
        verdicts = examined(bench(documents, game.port))
    assert {name: verdict for name, verdict in verdicts.items() if verdict.answer is not Answer.OK} == {}
    assert "600 ms at 1x and at 32x" in verdicts["same at any speed"].found


@pytest.mark.parametrize(
    "fault, options, link, fix",
    [
        ("wrong_version", {}, "plugin in the game", "restart the game"),
        ("menus", {}, "race on the map", "console open the map"),
        ("focus", {"at_ms": 0}, "focus", "click into the game's window"),
        ("cut", {"at_ms": 500}, "focus", ""),
    ],
)
def test_each_fault_breaks_the_link_that_names_it(
    fault, options, link: str, fix: str, documents: Path
) -> None:
    patience = replace(PATIENCE, start_s=1.5) if fault == "menus" else PATIENCE
    with standin(kind=fault, times=10, **options) as game:
        verdicts = examined(bench(documents, game.port, patience))
    assert broken(verdicts)[0] == link and fix in verdicts[link].fix
    assert verdicts["same at any speed"].answer is Answer.UNKNOWN


def test_nobody_on_the_port_names_the_plugin_and_leaves_the_rest_alone(documents: Path) -> None:
    with standin() as game:
        port = game.port
    verdicts = examined(bench(documents, port, replace(PATIENCE, connect_s=0.2)))
    assert broken(verdicts) == ["port"] and "BtrTm listens" in verdicts["port"].fix
    assert [name for name, v in verdicts.items() if v.answer is Answer.UNKNOWN] == FROM_GAME[1:]


@pytest.mark.parametrize(
    "spoil, link, fix",
    [
        (lambda d: (d / "TMInterface/Plugins/BtrTm.as").unlink(), "plugin file", "btr_tm.game install"),
        (
            lambda d: (d / "TmForever/Tracks/Challenges" / MAP).rename(
                d / "TmForever/Tracks/Challenges/B.Challenge.Gbx"
            ),
            "map file",
            "maps there: B.Challenge.Gbx",
        ),
        (lambda d: (d / "TMInterface").rename(d / "Other"), "folders", ""),
    ],
)
def test_files_in_the_wrong_place(spoil: Callable[[Path], Any], link: str, fix: str, documents: Path) -> None:
    spoil(documents)
    verdicts = {v.name: v for v in diagnose(LINKS[:5], bench(documents, 1))}
    assert broken(verdicts) == [link] and fix in verdicts[link].fix
