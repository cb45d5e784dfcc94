"""Whatever a game does wrong: the race is void and counted, and another one is driven."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from btr_tm.core.errors import RaceLost, UserError
from btr_tm.core.protocols import Decision
from btr_tm.core.types import Obs
from btr_tm.envs.one_car import Sighting
from btr_tm.envs.tminterface.connection import Connection
from btr_tm.envs.tminterface.env import TMInterfaceVectorEnv
from btr_tm.envs.tminterface.machine import Finish, Keys, Machine, Moment, Talk
from btr_tm.envs.tminterface.messages import ProtocolError, encode
from btr_tm.envs.tminterface.plain import plain_game
from btr_tm.envs.tminterface.simstate import GameState
from btr_tm.run.collector import MOST_LOST, InlineCollector
from btr_tm.sim.track.load import load_track

from .standins import QUICK, standin
from .streams import settings

OVAL = load_track("oval")
IMPATIENT = dataclasses.replace(QUICK, answer_s=1.5, start_s=6.0)  # where a time limit is what is tested


class Gas:
    """Always accelerates."""

    def act(self, obs: Obs, explore: bool) -> Decision:
        return Decision(
            torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.bool), torch.zeros(1, 12)
        )

    def unchanged(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def game(port: int, image_size: tuple[int, int] = (0, 0), **options) -> TMInterfaceVectorEnv:
    options = {"patience": QUICK, "map": "oval", "say": lambda line: None} | options
    return plain_game(OVAL, port, image_size, **options)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("silence", "did not answer within 1.5 s on the way"),
        ("slow", "did not answer within 1.5 s on the way"),
        ("wrong_size", "100 bytes"),
        ("huge_size", "length of state is 2000000000"),
        ("cut", "broke on the way from .* closed"),
        ("unknown", "message 77 came, which is unknown, on the way"),
        ("focus", "holds no key .* window in front"),
        ("late_stop", "did not stop in time"),
        ("crash", "broke on the way"),
    ],
)
def test_a_fault_in_a_race_voids_it_and_another_is_driven(kind: str, sentence: str) -> None:
    said: list[str] = []
    with standin("oval", kind, at_ms=300, slow_s=3.0) as listening:
        patience = IMPATIENT if kind in ("silence", "slow") else QUICK
        size = (8, 8) if kind == "late_stop" else (0, 0)
        env = game(listening.port, size, patience=patience, say=said.append)
        collector = InlineCollector(env, 8)
        first = collector.collect(Gas())
        env.close()
    assert sum(line.count(sentence.split(".*")[0].strip()) for line in said) == 1, said
    assert collector.lost_races == env.lost_races == 1
    assert first.lost == [slice(None)] and first.metrics == {"lost_races": 1.0}
    # Eight decisions of the second race, from its start.
    assert [int(races.time_ms) for races in first.races] == [50 * n for n in range(1, 9)]
    assert len(first.transitions) == 8


def test_a_car_that_has_driven_and_is_stuck_is_no_game_without_focus() -> None:
    said: list[str] = []
    with standin("oval") as listening:
        env = game(listening.port, say=said.append)
        env.reset()
        gas, seen = torch.zeros(1, dtype=torch.int64), env._go_on
        for decision in range(40):  # into the wall beside the road, as far as the game says
            if decision == 10:
                env._go_on = lambda action: _standing(env, seen, action)  # type: ignore[method-assign]
            env.step(gas)
        env.close()
    assert not said


def _standing(env: TMInterfaceVectorEnv, drive: Callable[[Tensor], Sighting], action: Tensor) -> Sighting:
    """A decision after which the game shows a car that stands."""
    decide = env.racing.decide

    def stands(actions: list[Keys]) -> tuple[Moment | Finish, GameState]:
        answer, state = decide(actions)
        return answer, state._replace(display_speed_kmh=0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(env.racing, "decide", stands)
        return drive(action)


def test_a_connection_that_breaks_at_the_last_word_is_a_fault_of_the_game() -> None:
    class Broken(socket.socket):
        def sendall(self, data: bytes, *rest: int) -> None:
            raise ConnectionResetError("reset")

    def talk() -> Talk[int]:
        machine._say("SHUTDOWN")
        return 1
        yield b""

    machine = Machine(settings())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = Connection(machine, listening.getsockname()[1], 5.0)
        connection.drop()
        connection._socket = Broken()
        with pytest.raises(ProtocolError, match="broke before it said hello"):
            connection.run(talk(), 5.0)
        connection.drop()


@pytest.mark.parametrize(
    ("kind", "failures"),
    [("wrong_version", 1), ("menus", 1), ("countdown", 0), ("intro", 0)],
)
def test_a_fault_before_a_race_loses_none(kind: str, failures: int) -> None:
    with standin("oval", kind) as listening:
        patience = dataclasses.replace(QUICK, start_s=3.0) if kind == "menus" else QUICK
        env = game(listening.port, patience=patience)
        env.reset()
        assert int(env.step(torch.tensor([0]))[4]["races"].time_ms) == 50
        assert env.racing.failures == failures and env.lost_races == 0
        env.close()


def test_a_game_that_never_hears_a_key_is_noticed_by_its_standing_car() -> None:
    with standin("oval", "focus", at_ms=-2600) as listening:
        env = game(listening.port)
        env.reset()
        with pytest.raises(RaceLost, match="the car stands still at 1,000 ms"):
            for _ in range(30):
                env.step(torch.tensor([0]))
        with pytest.raises(RaceLost, match="begin another"):
            env.step(torch.tensor([0]))
        env.reset()
        env.step(torch.tensor([0]))
        env.close()


def test_a_game_that_fails_in_every_race_ends_the_run_in_a_sentence() -> None:
    with standin("oval", "wrong_size", at_ms=100, times=1000) as listening:
        env = game(listening.port)
        collector = InlineCollector(env, 8)
        with pytest.raises(UserError, match=f"{MOST_LOST} races were lost within 8 decisions: .*100 bytes"):
            collector.collect(Gas())
        env.close()


def test_races_that_had_ended_are_kept() -> None:
    limit = {"cut_offs": type(plain_game(OVAL, 1).rules.cut_offs)(race_ms=140, no_progress_ms=5000)}
    with standin("oval", "cut", at_ms=100, times=0) as listening:
        env = game(listening.port, **limit)
        collector = InlineCollector(env, 8)
        before = collector.collect(Gas())
        assert [int(races.done) for races in before.races] == [0, 0, 1, 0, 0, 1, 0, 0]
        listening.trouble.times = 1  # in the race that is open, whose third decision is due
        after = collector.collect(Gas())
        assert after.lost == [slice(None)]
        assert [int(races.done) for races in after.races] == [0, 0, 1, 0, 0, 1, 0, 0]
        env.close()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = game(port, patience=dataclasses.replace(QUICK, connect_s=0.3, tries=2))
    with pytest.raises(UserError, match=f"port {port} failed 2 times in a row, .*no game listens"):
        env.reset()
    assert env.racing.failures == 2


def test_a_race_goes_on_after_an_evaluation_has_made_the_game_wait_too_long() -> None:
    with standin("oval") as listening:
        env = game(listening.port)
        env.reset()
        listening._timeout_ms = 1  # the next times that it waits
        with pytest.raises(RaceLost):
            for _ in range(200):
                env.step(torch.tensor([0]))
        env.reset()
        env.step(torch.tensor([0]))
        env.close()


def test_trickling_bytes_do_not_help_against_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        machine = Machine(settings())
        connection = Connection(machine, server.getsockname()[1], 5.0)
        theirs, _ = server.accept()
        with theirs:
            theirs.sendall(encode("HELLO", 1, "a", "b", 32)[:5])
            with pytest.raises(ProtocolError, match="did not answer within 0.2 s while connecting"):
                connection.run(machine.connect(), 0.2)
        connection.drop()
