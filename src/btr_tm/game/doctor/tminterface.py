"""The links between us and TrackMania Nations Forever: first files on this computer, then the game itself."""

from __future__ import annotations

import math
import sys

from btr_tm import __version__
from btr_tm.envs.tminterface.games import StartedByHand
from btr_tm.envs.tminterface.machine import Finish, Moment
from btr_tm.envs.tminterface.messages import TABLE_VERSION, ProtocolError
from btr_tm.envs.tminterface.simstate import GameState
from btr_tm.game.doctor.bench import Bench, Driven
from btr_tm.game.doctor.diagnosis import Link, broken
from btr_tm.game.folders import game_folders
from btr_tm.game.ghosts import HiddenGhosts
from btr_tm.game.install import Copy, inspect
from btr_tm.game.launch import TMLoader

GAS, LEFT, RIGHT = (1, 0, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1)
A_SECOND, HALF = 1000, 500  # ms
MOVES_KMH = 5  # a car does more after a second of gas
SAME_PLACE_M = 0.001
BLACK = 8  # the brightest a picture may be, of 255, and still be called black
FOCUS = (
    "click into the game's window once and look again; it must not be minimised, and the keys of the game's "
    "settings must have Accelerate, Brake and Steer"
)


def check_platform(bench: Bench) -> str:
    """Windows, or Linux with what starts Windows programs."""
    if bench.computer.windows:
        return "Windows"
    if not isinstance(bench.program, TMLoader):
        return f"{sys.platform}; games are started by hand"
    wine = list(bench.program.loader.wine) or ["wine"]
    for word in wine:
        if bench.which(word) is None:
            broken(f"there is no program {word}", f"install {word}, or set env.program.loader.wine")
    return f"{sys.platform}, with {bench.which(wine[-1])}"


def check_folders(bench: Bench) -> str:
    """The Documents folder that TMInterface uses."""
    bench.folders = game_folders(bench.computer, bench.named)[0]
    if isinstance(bench.program, TMLoader) and isinstance(bench.program.ghosts, HiddenGhosts):
        bench.program.ghosts.documents = str(bench.folders.documents)
    return str(bench.folders.documents)


def check_loader(bench: Bench) -> str:
    """What starts the game."""
    if not isinstance(bench.program, TMLoader):
        return "not needed: games are started by hand (env/program=tmloader has them started)"
    return " ".join(bench.program.loader.command(bench.port, "...").words)


def check_plugin_file(bench: Bench) -> str:
    """The plugin that TMInterface would load."""
    assert bench.folders is not None
    found = inspect(bench.folders)
    if found.copy not in (Copy.CURRENT, Copy.CHANGED):
        what = f"{found.copy.value}: it is {found.version}" if found.version else found.copy.value
        broken(f"{found.path} {what}, btr_tm is {__version__}", "python -m btr_tm.game install")
    if found.others:
        broken(f"there is another copy, {found.others[0]}", "delete it, or both listen on one port")
    return f"{found.path}, {found.version}, {found.copy.value}"


def check_map_file(bench: Bench) -> str:
    """The map, where the game looks for it."""
    assert bench.folders is not None
    if not bench.settings.map:
        return "none is named: drives what is open in the game"
    path = bench.folders.maps / bench.settings.map
    if not path.is_file():
        near = sorted(p.name for p in bench.folders.maps.rglob("*.Challenge.Gbx"))[:5]
        fix = f"copy it there before the game starts; maps there: {', '.join(near) or 'none'}"
        broken(f"there is no file {path}", fix)
    return str(path)


def check_port(bench: Bench) -> str:
    """Somebody listens, after the game was started if that is ours to do."""
    try:
        bench.connect()
    except ProtocolError as error:
        fix = (
            "start the game with TMInterface; its console (F12 or ~) must say that BtrTm listens on that port"
        )
        if isinstance(bench.program, StartedByHand):
            fix += ", which is 8478 unless the command line of the game names another"
        broken(str(error), fix)
    return f"somebody listens on port {bench.port}"


def check_connection(bench: Bench) -> str:
    """It is a plugin that speaks our protocol."""
    try:
        bench.greet()
    except ProtocolError as error:
        assert bench.connection is not None
        if not bench.connection.machine.hello.plugin:
            broken(
                str(error),
                "is it the game that listens there? It must not be minimised, and not used by another run",
            )
        bench.refused = error
    return "the plugin answers"


def check_version(bench: Bench) -> str:
    """The plugin that runs in the game is ours, of this version."""
    assert bench.connection is not None
    hello = bench.connection.machine.hello
    if not hello.plugin:
        return "a plugin without a handshake, such as Python_Link; BtrTm says more about itself"
    fix = "python -m btr_tm.game install, then restart the game"
    if hello.table != TABLE_VERSION:
        broken(str(bench.refused), fix)
    if hello.plugin not in (__version__, "stand-in"):
        broken(f"the game runs BtrTm {hello.plugin}, btr_tm is {__version__}", fix)
    return f"BtrTm {hello.plugin}"


def check_login(bench: Bench) -> str:
    """The game is past the choice of an account."""
    if bench.refused is not None:
        broken(
            str(bench.refused),
            "choose an account in the game and log in; or env.program.loader.console='[set autologin NAME]'",
        )
    return "the game is past its login"


def check_race(bench: Bench) -> str:
    """The map opens and a race begins."""
    try:
        moment, bench.start = bench.begin()
    except ProtocolError as error:
        broken(
            str(error),
            "does `map PATH` in the game's console open the map, and is the game idle, without a dialogue?",
        )
    assert isinstance(moment, Moment)
    return f"a race began at {_place(bench.start.position)}"


def check_focus(bench: Bench) -> str:
    """The game hears keys: with gas the car drives off."""
    decisions = A_SECOND // bench.settings.decision_ms
    try:
        *_, (_, end) = bench.hold(GAS, decisions)
    except ProtocolError as error:
        broken(str(error), FOCUS)
    speed = end.display_speed_kmh
    if speed < MOVES_KMH:
        broken(f"after a second of gas the car does {speed} km/h", FOCUS)
    return f"after a second of gas the car does {speed} km/h"


def check_inputs(bench: Bench) -> str:
    """Left and right do what they say."""
    steps = HALF // bench.settings.decision_ms
    turned = []
    for keys in (LEFT, RIGHT):
        bench.begin()
        *_, (_, straight) = bench.hold(GAS, 2 * steps)
        *_, (_, bent) = bench.hold(keys, steps)
        turned.append(_right(bent, straight))
    left, right = turned
    if not left < 0 < right:
        fix = "set the keys of the game to their defaults, and unplug pads and wheels"
        broken(f"with left the car moved {left:+.2f} m to the right, with right {right:+.2f} m", fix)
    return f"left moves the car {-left:.2f} m to the left, right {right:.2f} m to the right"


def check_restart(bench: Bench) -> str:
    """The next race begins where the first did."""
    assert bench.start is not None
    _, again = bench.begin()
    away = math.dist(again.position, bench.start.position)
    if away > SAME_PLACE_M or again.race_time_ms != bench.start.race_time_ms:
        fix = "restart the game; if it stays, this version of TMInterface does not rewind as 2.2.1 does"
        broken(f"the next race began {away:.3f} m away, at {again.race_time_ms} ms", fix)
    return "the next race began at the same place"


def check_picture(bench: Bench) -> str:
    """A picture of the race that is not black."""
    moment, _ = bench.begin()
    pixels = moment.pixels if isinstance(moment, Moment) else b""
    colours = pixels[0::4] + pixels[1::4] + pixels[2::4]
    brightest, kinds = max(colours, default=0), len(set(colours))
    if brightest <= BLACK or kinds < 3:
        fix = "restore the window if it is minimised; under Wine, use wined3d and not DXVK"
        broken(f"the picture is of one colour, no brighter than {brightest} of 255", fix)
    return f"{bench.settings.width} x {bench.settings.height}, up to {brightest} of 255"


def check_speeds(bench: Bench) -> str:
    """The same keys end in the same place and millisecond at real time and at the speed of the run."""
    fast = bench.settings.running_speed
    ends = []
    for speed in (1.0, fast):
        with bench.elsewhere(speed, bench.drive.ticks, pictures=bench.drive.ticks > 1):
            ends.append(_driven(bench))
    (slow_end, slow), (fast_end, quick) = ends
    apart = math.dist(slow.position, quick.position)
    times = (slow.race_time_ms, quick.race_time_ms)
    if apart > 0 or times[0] != times[1] or type(slow_end) is not type(fast_end):
        broken(
            f"the same keys end {apart:.4f} m apart, at {times[0]:,} and {times[1]:,} ms, at 1 and {fast:g}x",
            "set a lower env.running_speed, and look again until they agree",
        )
    what = "finish" if isinstance(slow_end, Finish) else "lead to the same place"
    return f"the same keys {what} at {times[0]:,} ms at 1x and at {fast:g}x"


LINKS: tuple[Link[Bench], ...] = (
    Link("platform", (), check_platform),
    Link("folders", (), check_folders),
    Link("loader", ("platform",), check_loader),
    Link("plugin file", ("folders",), check_plugin_file),
    Link("map file", ("folders",), check_map_file),
    Link("port", ("loader",), check_port),
    Link("connection", ("port",), check_connection),
    Link("plugin in the game", ("connection",), check_version),
    Link("login", ("plugin in the game",), check_login),
    Link("race on the map", ("login",), check_race),
    Link("focus", ("race on the map",), check_focus),
    Link("inputs", ("focus",), check_inputs),
    Link("restart", ("race on the map",), check_restart),
    Link("picture", ("race on the map",), check_picture),
    Link("same at any speed", ("inputs", "restart", "picture"), check_speeds),
)


def _driven(bench: Bench) -> Driven:
    """What is seen at the end of the drive that compares speeds."""
    end = bench.begin()
    for keys in bench.drive.keys:
        (end,) = bench.hold(keys, 1)
        if isinstance(end[0], Finish):
            break
    return end


def _right(bent: GameState, straight: GameState) -> float:
    """Metres that `bent` lies to the right of where the car was heading; axes are right-handed, y is up."""
    forward_x, forward_z = straight.rotation[2], straight.rotation[8]
    moved_x, _, moved_z = (a - b for a, b in zip(bent.position, straight.position, strict=True))
    return moved_z * forward_x - moved_x * forward_z


def _place(position: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{metres:.1f}" for metres in position) + ") m"
