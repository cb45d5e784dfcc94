"""`python -m btr_tm.play --serve`: the window as a stand-in for Trackmania 2020 with a telemetry plugin."""

from __future__ import annotations

import argparse
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.telemetry.schemas import CONNECT33, SCHEMAS
from btr_tm.play.faults import FAULTS, Fault

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 1024  # pixels of a camera's side
TITLE = "Trackmania"  # of the game's window
MAP_LETTERS = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What only counts with --serve."""
    group = parser.add_argument_group(
        "a game for others to drive",
        "With --serve the window stands in for Trackmania 2020 with a telemetry plugin: train or test with "
        "env=desktop without the game. The arrow keys drive it, Backspace restarts it, no lap is kept.",
    )
    group.add_argument("--serve", action="store_true", help="send telemetry, and race alone")
    group.add_argument("--schema", choices=SCHEMAS, default=CONNECT33.name, help="of the telemetry")
    group.add_argument(
        "--port",
        type=int,
        default=9000,
        help="of the telemetry; connect33 takes the next one too (default: 9000)",
    )
    group.add_argument(
        "--pad-port",
        type=int,
        metavar="PORT",
        help="also hear a pad there, for computers that can make up none",
    )
    group.add_argument("--title", default=TITLE, help=f"of the window (default: {TITLE})")
    group.add_argument("--map-id", default="", help="what the map is called (default: the track's name)")
    group.add_argument(
        "--camera",
        type=camera_size,
        metavar="HEIGHTxWIDTH",
        help="show what the simulator's camera sees, enlarged, as drivers are trained (default: as players)",
    )
    faults = "; ".join(f"{name}: {what}" for name, what in FAULTS.items())
    group.add_argument("--fault", choices=sorted(FAULTS), default="", metavar="FAULT", help=faults)
    group.add_argument(
        "--at-ms",
        type=int,
        default=1000,
        help="race time at which the fault begins; -1500 is the countdown's",
    )
    group.add_argument("--for-s", type=float, default=2.0, help="how long it lasts (default: 2)")
    group.add_argument("--times", type=int, default=1, help="in how many races (default: 1)")


def camera_size(text: str) -> tuple[int, int]:
    """Height and width of "64x80"."""
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(8 <= side <= LARGEST for side in size):
        raise argparse.ArgumentTypeError(
            f"must be like 64x64, with sides from 8 to {LARGEST}, got '{text[:20]}'"
        )
    return size


def serve(arguments: argparse.Namespace) -> None:
    """Open the window and serve until it is closed."""
    from btr_tm.cli.commands.play import track_of
    from btr_tm.play.pad import PadPort
    from btr_tm.play.picture import Picture
    from btr_tm.play.records import Records
    from btr_tm.play.serving import CameraView, ServedGame, Serving, View
    from btr_tm.play.telemetry_server import TelemetryServer
    from btr_tm.play.window import Window, run

    schema, track = SCHEMAS[arguments.schema], track_of(arguments)
    map_id = arguments.map_id or track.name
    if len(map_id) > MAP_LETTERS or not map_id.isascii():
        raise UserError(f"--map-id must have at most {MAP_LETTERS} plain letters, got '{map_id[:40]}'")

    def listen() -> TelemetryServer:
        session_port = arguments.port + 1 if schema is CONNECT33 else None
        return TelemetryServer(schema, arguments.port, session_port, map_id)

    fault = Fault(arguments.fault, arguments.at_ms, arguments.for_s, arguments.times)
    game = ServedGame(track, [], Records(track, Path(arguments.laps) / track.name))
    size = arguments.height, arguments.height * 16 // 9
    view: View = CameraView(game, arguments.camera) if arguments.camera else Picture(game, size)
    image = view.draw()  # kernels are compiled when they are first called: better now than in a race
    with ExitStack() as undo:
        serving = Serving(game, listen, fault)
        undo.callback(serving.close)
        pads = [PadPort(port) for port in (arguments.pad_port,) if port is not None]
        for pad in pads:
            undo.callback(pad.close)
        window = Window((image.height, image.width), arguments.title, arguments.full_screen, fixed=True)
        undo.callback(window.close)

        def drawn() -> Image.Image:
            for pad in pads:
                pad.poll(game)
            serving.tell()
            window.open = window.open and not fault.is_on("quit")
            return serving.shown(view.draw())

        print(f"serves {schema.name} on port {arguments.port}, with the map {map_id}", flush=True)
        run(window, game, drawn)
