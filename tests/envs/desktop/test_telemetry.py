"""Telemetry over TCP: what records mean, and every way in which a peer can fail or lie."""

from __future__ import annotations

import math
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from btr_tm.core.errors import UserError
from btr_tm.envs.desktop.protocols import GameLost, Reading
from btr_tm.envs.desktop.telemetry.reader import SocketTelemetry
from btr_tm.envs.desktop.telemetry.schemas import BTR, CONNECT33, LARGEST, SCHEMAS, TMRL11, Schema
from btr_tm.envs.desktop.telemetry.session import ask
from btr_tm.play.telemetry_server import TelemetryServer

LONG_S = 30.0  # for what must come: an event, never waited out
SHORT_S = 0.05  # for what must not come
DRIVING = {"position": (512.0, 10.0, 700.0), "speed": 30.0, "rpm": 6000.0, "gear": 2.0, "gas": 1.0}
DRIVING |= {"velocity": (0.0, 0.0, 30.0), "up": (0.0, 1.0, 0.0), "race_ms": 1500, "checkpoints": 1}
NAMES = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


@contextmanager
def serving(schema: Schema, map_id: str = "a map") -> Iterator[TelemetryServer]:
    server = TelemetryServer(schema, 0, 0 if schema is CONNECT33 else None, map_id)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def reading(
    server: TelemetryServer,
    schema: str = "auto",
    map_id: str = "",
    now: Callable[[], float] = time.perf_counter,
) -> Iterator[SocketTelemetry]:
    telemetry = SocketTelemetry(schema, server.port, server.session_port, map_id, now)
    try:
        assert server.await_client(1, LONG_S)
        until(lambda: telemetry.connections == 1)
        yield telemetry
    finally:
        telemetry.close()
        assert not telemetry._thread.is_alive()


def until(happened: Callable[[], bool]) -> None:
    """Wait for what nobody announces."""
    ends_s = time.monotonic() + LONG_S
    while not happened():
        assert time.monotonic() < ends_s
        time.sleep(0.001)


def head(schema: Schema, **values: object) -> bytes:
    """As many records as it takes to tell kinds apart."""
    return schema.record(DRIVING | values) * -(-LARGEST // schema.row.size)


def first(server: TelemetryServer, telemetry: SocketTelemetry, **values: object) -> Reading:
    server.send_bytes(head(server.schema, **values))
    return telemetry.after(0, LONG_S)


def test_the_bytes_of_the_two_plugins_mean_what_was_measured() -> None:
    """Index by index, as their own scripts write them."""
    floats = [27.5, 900.0, 1, 2, 3, -0.5, 1, 0, 1, 3, 9000]
    read = TMRL11.reading(struct.pack("<11f", *floats), 7, 2.5)
    assert read[:10] == (7, 2.5, (1, 2, 3), 27.5, -0.5, 1, 0, True, 3, 9000) and set(read[10:]) == {None}
    floats = [2, 1, 0, 12_345, 1, 2, 3, 4, 5, 6, 1, 0, 0, 0, 1, 0, 8.5, 7000, 3]
    floats += [0.1, 0.2, 0.3, 0.4, 16, 16, 6, 6, 2, 40, 1, 0.25, 1, 0]
    assert (len(floats), CONNECT33.row.size, TMRL11.row.size) == (33, 132, 44)
    read = CONNECT33.reading(struct.pack("<33f", *floats), 1, 0.0, "a map")
    assert (read.checkpoints, read.finished, read.race_ms) == (2, False, 12_345)
    assert read.position + read.velocity + read.forward + read.up == (1, 2, 3, 4, 5, 6, 1, 0, 0, 0, 1, 0)
    assert (read.speed, read.rpm, read.gear, read.steer, read.gas, read.brake) == (8.5, 7000, 3, 0.25, 1, 0)
    assert read.slip == pytest.approx((0.1, 0.2, 0.3, 0.4)) and (read.flying_ms, read.map_id) == (40, "a map")


@NAMES
def test_a_record_that_is_written_is_read_again(schema: Schema) -> None:
    read = schema.reading(schema.record(DRIVING | {"map_id": b"a map"}), 1, 0.0)
    assert read.position == DRIVING["position"] and not schema.fault(schema.record(DRIVING))
    if schema is BTR:
        assert read.map_id == "a map" and (read.race_ms, read.forward) == (1500, (0, 0, 1))


IMPOSSIBLE: dict[str, object] = {
    "steer": 1.5, "gas": -1.0, "brake": math.inf, "speed": math.nan, "finished": 0.5, "rpm": -1e6,
    "position": (math.nan, 0, 0), "gear": 99, "forward": (0, 0, 0), "up": (9, 9, 9), "race_ms": math.nan,
    "checkpoints": -1, "velocity": (0, 1e30, 0), "slip": (0, 0, 0, math.nan), "map_id": b"\x01\xff",
}  # fmt: skip


@NAMES
def test_each_value_has_limits(schema: Schema) -> None:
    columns = {column.name: column for column in schema.columns}
    looked_at = [name for name in IMPOSSIBLE if name in columns and columns[name].form not in ("i", "I")]
    assert len(looked_at) >= 8
    for name in looked_at:
        fault = schema.fault(schema.record(DRIVING | {name: IMPOSSIBLE[name]}))
        assert fault.startswith(f"{name} "), name
    if "up" in columns:
        assert "right angles" in schema.fault(schema.record(DRIVING | {"up": (0, 0, 1)}))
    assert schema.reading(schema.record(DRIVING | {"speed": -3.0}), 1, 0.0).speed == 3.0  # rolls backwards


@NAMES
def test_the_kind_of_record_is_found_by_itself(schema: Schema) -> None:
    with serving(schema) as server, reading(server) as telemetry:
        read = first(server, telemetry)
        assert read.speed == 30 and read.race_ms == (1500 if schema.tells("race_ms") else None)
        server.send(DRIVING | {"speed": 31.0})
        later = telemetry.after(read.number, LONG_S)
        assert later.speed == 31 and later.number == read.number + 1 and later.at_s >= read.at_s
        assert telemetry.latest() == later


@pytest.mark.parametrize("chunk", [1, 43, 500])
def test_records_come_whole_however_they_are_cut(chunk: int) -> None:
    with serving(TMRL11) as server, reading(server, "tmrl11") as telemetry:
        sent = b"".join(TMRL11.record(DRIVING | {"rpm": float(number)}) for number in range(20))
        for at in range(0, len(sent), chunk):
            server.send_bytes(sent[at : at + chunk])
        read = telemetry.after(19, LONG_S)
        assert (read.number, read.rpm) == (20, 19)


def refused() -> GameLost:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    return lost(SocketTelemetry("auto", port, None, ""), SHORT_S)


def lost(telemetry: SocketTelemetry, limit_s: float, number: int = 0) -> GameLost:
    try:
        with pytest.raises(GameLost) as caught:
            telemetry.after(number, limit_s)
    finally:
        telemetry.close()
    return caught.value


def silent() -> GameLost:
    with serving(TMRL11) as server, reading(server) as telemetry:
        server.send_bytes(b"\0" * 10)  # less than a record is nothing
        return lost(telemetry, SHORT_S)


def stalled() -> GameLost:
    with serving(TMRL11) as server, reading(server) as telemetry:
        number = first(server, telemetry).number
        assert telemetry.latest().number == number  # how old it may be is for others to say
        return lost(telemetry, SHORT_S, number)


def closed() -> GameLost:
    with serving(TMRL11) as server, reading(server) as telemetry:
        number = first(server, telemetry).number
        server.send_bytes(b"half of a record")
        server.hang_up()
        assert server.await_client(2, LONG_S)  # it has come again, but nothing has been said since
        with pytest.raises(GameLost, match="closed the connection"):
            telemetry.latest()
        return lost(telemetry, SHORT_S, number)


def other_schema() -> GameLost:
    with serving(CONNECT33) as server, reading(server, "tmrl11") as telemetry:
        server.send_bytes(head(CONNECT33))
        return lost(telemetry, LONG_S)


def other_map() -> GameLost:
    with serving(CONNECT33, "their map") as server, reading(server, map_id="our map") as telemetry:
        server.send_bytes(head(CONNECT33))
        return lost(telemetry, LONG_S)


TROUBLES: dict[str, tuple[Callable[[], GameLost], str]] = {
    "refused": (refused, "no game listens on port"),
    "silent": (silent, "but says nothing"),
    "stalled": (stalled, "the telemetry stalled, no record came for"),
    "closed": (closed, "the game closed the connection on port"),
    "other schema": (other_schema, "not tmrl11, as steer is 10; it would fit connect33; choose"),
    "other map": (other_map, "drives the map their map, and not our map"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_has_a_sentence_of_its_own(trouble: str) -> None:
    happens, words = TROUBLES[trouble]
    said = str(happens())
    assert [name for name, (_, each) in TROUBLES.items() if each in said] == [trouble], said
    assert len(said) < 250 and "\n" not in said and words in said


def test_a_game_that_comes_later_and_comes_again_is_heard() -> None:
    with serving(TMRL11) as server:
        port = server.port
    telemetry = SocketTelemetry("tmrl11", port, None, "")
    try:
        with pytest.raises(GameLost, match="no game listens"):
            telemetry.after(0, SHORT_S)
        server = TelemetryServer(TMRL11, port)
        assert server.await_client(1, LONG_S)
        number = first(server, telemetry).number
        server.send_bytes(TMRL11.record(DRIVING)[:30])  # what is cut off is forgotten
        server.hang_up()
        assert server.await_client(2, LONG_S)
        server.send_bytes(head(TMRL11, speed=12.0))
        assert telemetry.after(number, LONG_S).speed == 12 and telemetry.connections == 2
        server.close()
    finally:
        telemetry.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the processor time of a thread is asked for")
def test_the_processor_rests_after_the_peer_has_gone() -> None:
    with serving(TMRL11) as server:
        telemetry = SocketTelemetry("tmrl11", server.port, None, "")
        server.await_client(1, LONG_S)
        first(server, telemetry)
        clock = time.pthread_getcpuclockid(telemetry._thread.ident)
    try:
        before_s = time.clock_gettime(clock)
        time.sleep(0.4)
        assert time.clock_gettime(clock) - before_s < 0.1  # a loop without a pause takes all of it
    finally:
        telemetry.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the processor time of a thread is asked for")
def test_a_peer_that_floods_is_read_now_and_then_and_little_is_kept() -> None:
    with serving(TMRL11) as server, reading(server) as telemetry:
        first(server, telemetry)
        clock, began_s = time.pthread_getcpuclockid(telemetry._thread.ident), time.perf_counter()
        before_s, flood = time.clock_gettime(clock), TMRL11.record(DRIVING) * 10_000
        while time.perf_counter() - began_s < 0.3:
            server.send_bytes(flood)
        took_s = time.perf_counter() - began_s
        assert time.clock_gettime(clock) - before_s < 0.5 * took_s
        assert telemetry.after(10_000, LONG_S).speed == 30


def test_another_plugin_needs_another_reader() -> None:
    """A race that counts on a clock would fail without one."""
    with serving(CONNECT33) as server, reading(server) as telemetry:
        first(server, telemetry)
        server.hang_up()
        assert server.await_client(2, LONG_S)
        server.send_bytes(head(TMRL11))
        until(telemetry._is_hopeless)
        with pytest.raises(GameLost, match="what comes is not connect33.* it would fit tmrl11"):
            telemetry.latest()


def test_a_second_program_hears_nothing_until_the_first_leaves() -> None:
    with serving(TMRL11) as server, reading(server) as telemetry:
        number = first(server, telemetry).number
        second = SocketTelemetry("auto", server.port, None, "")
        until(lambda: second.connections == 1)
        server.send(DRIVING)
        assert telemetry.after(number, LONG_S).speed == 30
        with pytest.raises(GameLost, match="says nothing; start to drive, and end other programs that read"):
            second.after(0, SHORT_S)
        telemetry.close()
        assert server.await_client(2, LONG_S)
        assert first(server, second).speed == 30
        second.close()


def test_noise_is_of_no_schema_and_what_turns_into_noise_ends_the_connection() -> None:
    with serving(TMRL11) as server, reading(server) as telemetry:
        server.send_bytes(b"\xff" * 1000)
        with pytest.raises(GameLost, match=r"is of no known schema: as tmrl11 speed is nan"):
            telemetry.after(0, LONG_S)
        assert server.await_client(2, LONG_S)
        server.send_bytes(head(TMRL11))
        until(lambda: telemetry._trouble is None)  # said until a record comes
        number = telemetry.latest().number
        server.send(DRIVING | {"steer": math.nan})
        with pytest.raises(GameLost, match="what comes is not tmrl11, as steer is nan"):
            telemetry.after(number, LONG_S)


def test_the_map_is_asked_for_again_after_a_pause() -> None:
    time_s = [1.0]
    with serving(CONNECT33) as server, reading(server, "connect33", "a map", lambda: time_s[0]) as telemetry:
        number = first(server, telemetry).number
        server.map_id = "another"
        server.send(DRIVING)
        assert telemetry.after(number, LONG_S).map_id == "a map"
        time_s[0] += 10
        server.send(DRIVING)
        with pytest.raises(GameLost, match="drives the map another, and not a map"):
            telemetry.after(number + 1, LONG_S)


def test_a_map_that_telemetry_does_not_tell_cannot_be_asked_for() -> None:
    with pytest.raises(UserError, match="schema tmrl11 does not say which map is open"):
        SocketTelemetry("tmrl11", 9000, None, "a map")
    with serving(TMRL11) as server, reading(server, map_id="a map") as telemetry:
        server.send_bytes(head(TMRL11))
        with pytest.raises(GameLost, match="does not say which map is open; leave"):
            telemetry.after(0, LONG_S)
    for schema, port, words in (("btr2", 9000, "must be auto, tmrl11"), ("auto", 0, "port must be from 1")):
        with pytest.raises(UserError, match=words):
            SocketTelemetry(schema, port, None, "")


ANSWERS = {
    b'{"status":"ok","map_uid":"abc"}\n': "abc",
    b'{"status":"ok","map_uid":"' + b"x" * 1000 + b'"}\n': "x" * 61 + "...",
    b'{"status":"error","error":"no_local_map_loaded"}\n': "",
    b'{"status":"error","error":"player_not_ready"}\n': "",
    b'{"status":"error","error":"unsupported_protocol"}\n': None,
    b"HTTP/1.1 200 OK\n": None,
    b"[" * 100_000: None,
    b'{"status":' + b"1" * 20_000 + b"}\n": None,
    b"": None,
}


@pytest.mark.parametrize("number", range(len(ANSWERS)))
def test_whatever_a_session_port_answers_is_bounded(number: int) -> None:
    answer, map_id = list(ANSWERS.items())[number]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            link, _ = listener.accept()
            with link, suppress(OSError):  # who has read enough leaves
                link.recv(1000)
                link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        said = ask(listener.getsockname()[1], LONG_S)
        thread.join()
    assert (said.map_id if said else None) == map_id


def test_the_session_port_complains_of_what_it_does_not_know() -> None:
    with serving(CONNECT33, "") as server:
        assert ask(server.session_port, LONG_S) == ("",)
        for question, error in ((b"{}\n", "unsupported_protocol"), (b"x" * 20_000, "invalid_or_too_large")):
            with socket.create_connection(("127.0.0.1", server.session_port)) as link:
                link.sendall(question)
                assert error.encode() in link.recv(1000)
