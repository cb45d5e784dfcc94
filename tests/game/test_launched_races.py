"""Races in a game that is started for them, and started again after a crash; the game is the stand-in."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from btr_tm.envs.tminterface.games import Patience, Racing
from btr_tm.envs.tminterface.messages import ProtocolError
from btr_tm.game.processes import end, is_alive
from btr_tm.game.record import Records
from tests.envs.tminterface.streams import settings
from tests.game.fakes import STAND_IN, Fakes

SETTINGS = settings(map="A")
PATIENCE = Patience(connect_s=200.0, start_s=200.0, answer_s=200.0, tries=3, pause_s=0.01)
GAS = (1, 0, 0, 0)


@pytest.mark.slow
def test_a_crash_in_a_race_loses_the_race_and_not_the_run(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    fakes, records, said = Fakes(tmp_path).write(STAND_IN), Records(tmp_path / "records"), []
    racing = Racing(SETTINGS, port, PATIENCE, fakes.program(time.time), said.append)
    try:
        racing.begin()
        _, game = racing.decide([GAS])
        assert game.race_time_ms == 50
        crashed = records.read(port).game
        end(crashed)
        with pytest.raises(ProtocolError) as error:
            racing.decide([GAS])
        racing.fail(error.value)
        assert racing.begin()[0].time_ms == 0 and racing.decide([GAS])[1].race_time_ms == 50
        assert racing.failures == len(said) == 1 and records.read(port).game != crashed
        running = records.read(port).game
        assert is_alive(running)
    finally:
        racing.close()
        if (record := records.read(port)) is not None:
            end(record.game)
    assert not is_alive(running)
