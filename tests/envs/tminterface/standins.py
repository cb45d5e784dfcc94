"""Stand-ins for the game in threads of the test, and environments that drive them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from btr_tm.envs.tminterface.games import Patience
from btr_tm.game.standin_faults import Crashed, Trouble
from btr_tm.game.standin_server import StandIn
from btr_tm.game.standin_world import StandInWorld
from btr_tm.sim.track.load import load_track

QUICK = Patience(connect_s=20.0, start_s=20.0, answer_s=20.0, tries=4, pause_s=0.01)


@contextmanager
def standin(
    track: str = "oval", kind: str = "", back: bool = True, port: int = 0, **options: Any
) -> Iterator[StandIn]:
    """A stand-in that listens while the block lasts; after a crash another one comes `back` on its port."""
    trouble = Trouble(kind, **{k: options.pop(k) for k in ("at_ms", "times", "slow_s") if k in options})
    world = StandInWorld(load_track(track))
    game = StandIn(world, port, trouble, **options)
    stop, stopper = socket.socketpair()

    def serve() -> None:
        playing = game
        while True:
            try:
                return playing.serve(stop)
            except Crashed:
                if not back:
                    return
                playing = StandIn(StandInWorld(load_track(track)), game.port, trouble, **options)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield game
    finally:
        stopper.send(b"x")
        thread.join(30)
        assert not thread.is_alive()
        for each in (stop, stopper):
            with suppress(OSError):
                each.close()
