"""What looks after a game is asked before every race, and a new game gets a new connection."""

from __future__ import annotations

from dataclasses import dataclass, field

from btr_tm.envs.tminterface.games import Racing
from tests.envs.tminterface.standins import QUICK, standin
from tests.envs.tminterface.streams import settings


@dataclass
class Looked:
    """Says of the second time that it has started another game."""

    ports: list[int] = field(default_factory=list)
    start_s = 0.0

    def ensure(self, port: int) -> bool:
        self.ports.append(port)
        return len(self.ports) == 2

    def failed(self, port: int) -> None:
        raise AssertionError(port)

    def close(self) -> None:
        self.ports.append(-1)


def test_a_game_that_was_started_anew_is_connected_anew() -> None:
    program = Looked()
    with standin() as game:
        racing = Racing(settings(map="A"), game.port, QUICK, program, print)
        moments = [racing.begin()[0].time_ms for _ in range(3)]
        racing.close()
    assert moments == [0, 0, 0] and racing.failures == 0
    assert program.ports == [game.port] * 3 + [-1]
