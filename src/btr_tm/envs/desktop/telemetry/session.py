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
LONGEST = 16 * 1024  # bytes of an answer
LONGEST_WORD = 64  # the game's maps have 27 characters


class Session(NamedTuple):
    """What the plugin says about the game."""

    map_id: str  # '' if no map is open
    error: str  # what the plugin complains of, '' if nothing


def ask(port: int, limit_s: float) -> Session | None:
    """What the session port says within `limit_s`; None if nothing listens there that speaks as it should."""
    try:
        answer = parse_json(_line(port, limit_s).decode("utf-8", "replace"), "the answer")
    except (OSError, UserError):
        return None
    if answer.get("status") == "ok":
        return Session(_shown(answer.get("map_uid", "")), "")
    if answer.get("status") == "error":
        return Session("", _shown(answer.get("error", "")))
    return None


def _shown(value: object) -> str:
    return "".join(filter(str.isprintable, short(value, LONGEST_WORD)))


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
