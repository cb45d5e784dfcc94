"""The second port of TrackmaniaRL Connect: a line of JSON asks which map is open, a line answers."""

from __future__ import annotations

import json
import socket
import time
from typing import NamedTuple

from btr_tm.core.errors import UserError
from btr_tm.core.files import parse_json, short

HOST = "127.0.0.1"
QUESTION = {"protocol_version": "2", "command": "verify_loaded_map"}
NO_MAP = ("no_local_map_loaded", "player_not_ready")  # of what it complains where no map is driven
LONGEST = 16 * 1024  # bytes of an answer
LONGEST_NAME = 64  # the game's maps have 27 characters


class Session(NamedTuple):
    """What the plugin says about the game."""

    map_id: str | None  # '' if no map is open, None if the plugin does not say


def ask(port: int, limit_s: float) -> Session | None:
    """What the session port says within `limit_s`; None if nothing listens there that speaks as it should."""
    try:
        answer = parse_json(_line(port, limit_s).decode("utf-8", "replace"), "the answer")
    except (OSError, UserError):
        return None
    if answer.get("status") == "ok":
        return Session("".join(filter(str.isprintable, short(answer.get("map_uid", ""), LONGEST_NAME))))
    if answer.get("status") == "error":
        return Session("" if answer.get("error") in NO_MAP else None)
    return None


def _line(port: int, limit_s: float) -> bytes:
    """The answer; the limit is for the whole of it, so that trickling bytes do not help."""
    until_s = time.monotonic() + limit_s
    with socket.create_connection((HOST, port), limit_s) as link:
        # compact, as the plugin looks for parts of the text
        link.sendall(json.dumps(QUESTION, separators=(",", ":")).encode() + b"\n")
        came = b""
        while b"\n" not in came and len(came) < LONGEST:
            link.settimeout(max(1e-3, until_s - time.monotonic()))
            data = link.recv(LONGEST)
            if not data or time.monotonic() > until_s:
                break
            came += data
    return came.partition(b"\n")[0][:LONGEST]
