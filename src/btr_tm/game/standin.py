"""`python -m btr_tm.game.standin`: a game to rehearse with: our simulator behind the real protocol."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from btr_tm.core.errors import UserError
from btr_tm.game.standin_faults import FAULTS, Crashed, Trouble

CRASHED = 1  # exit code


def parser() -> argparse.ArgumentParser:
    faults = "; ".join(f"{name}: {what}" for name, what in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.game.standin",
        description="Listens like the game with its plugin, stands still like it, and drives the simulator: "
        "train with env=tminterface without the game. End it with Ctrl-C.",
    )
    parser.add_argument("--port", type=int, default=8478, help="port to listen on (default: 8478)")
    parser.add_argument("--track", default="a01", help="a shipped track, or a .yaml or .npy file")
    parser.add_argument("--fault", choices=sorted(FAULTS), default="", metavar="FAULT", help=faults)
    parser.add_argument("--at-ms", type=int, default=1000, help="race time at which the fault strikes")
    parser.add_argument("--times", type=int, default=1, help="how often it strikes (default: 1)")
    parser.add_argument("--slow-s", type=float, default=5.0, help="how slow a slow message is")
    parser.add_argument(
        "--no-hello", action="store_true", help="as a Python_Link plugin, which does not say who it is"
    )
    parser.add_argument("--in-race", action="store_true", help="begin in a race and not in the menus")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; the exit code."""
    arguments = parser().parse_args(argv)
    from btr_tm.game.standin_server import StandIn
    from btr_tm.game.standin_world import StandInWorld
    from btr_tm.sim.track.load import load_track

    trouble = Trouble(arguments.fault, arguments.at_ms, arguments.times, arguments.slow_s)
    try:
        world = StandInWorld(load_track(arguments.track))
        game = StandIn(world, arguments.port, trouble, not arguments.no_hello, not arguments.in_race)
    except (UserError, OSError, OverflowError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"the stand-in for the game listens on port {game.port}, with {arguments.track}", flush=True)
    try:
        game.serve()
    except KeyboardInterrupt:
        return 0
    except Crashed:
        return CRASHED
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
