"""Conversations with the game, by transcripts: what is said, what is found out, what is refused."""

from __future__ import annotations

import struct

import pytest
import torch

from btr_tm.envs.tminterface.frames import grey_of
from btr_tm.envs.tminterface.machine import Finish, Machine, Moment
from btr_tm.envs.tminterface.messages import BY_NAME, ProtocolError, encode, encode_fields
from btr_tm.envs.tminterface.simstate import LEAST_BYTES, car_of, decode, without_finish
from btr_tm.envs.tminterface.simstate import encode as encode_state

from .streams import CAR, KINDS, decision, names, passed, picture, play, race, settings, state, step

CONNECTING = ["SET_TIMEOUT", "SET_SPEED", "SET_ON_STEP_PERIOD", "IS_IN_MENUS", "EXECUTE_COMMAND", "5"]
STARTING = ["EXECUTE_COMMAND", "TOGGLE_INTERFACE", "1", "1", "GET_SIMULATION_STATE"]
LOOKING = ["REWIND_TO_CURRENT_STATE", "SET_INPUT_STATE", "SET_SPEED", "SET_ON_STEP_PERIOD", "RESET_CAMERA",
           "REQUEST_FRAME", "1", "SET_ON_STEP_PERIOD"]  # fmt: skip


@pytest.mark.parametrize("kind", list(KINDS))
def test_whole_race_whatever_pieces_it_arrives_in(kind: str) -> None:
    stream = race(KINDS[kind])
    whole = play(KINDS[kind], stream, piece=len(stream))
    assert [getattr(each, "time_ms", "finish") for each in whole.met] == [0, 50, 100, 150, 200, "finish", 0]
    assert decode(whole.met[5].state).race_time_ms == 230
    assert whole.met[6].state == whole.met[0].state
    for piece in (1, 3, 4097):
        assert play(KINDS[kind], stream, piece) == whole


def test_what_is_said_with_pictures() -> None:
    said = names(play(KINDS["pictures"], race(KINDS["pictures"])).said)
    driving = ["SET_INPUT_STATE", "SET_SPEED", "4"]
    one = [*driving, "GET_SIMULATION_STATE", *LOOKING]
    assert said == [
        *CONNECTING, *STARTING, *LOOKING,
        *one, *driving, "2", "GET_SIMULATION_STATE", *LOOKING, *one, *one,
        *driving, "GET_SIMULATION_STATE", "REWIND_TO_STATE",
        "SET_SPEED", "2", "REWIND_TO_STATE", *LOOKING, *driving,
    ]  # fmt: skip


def test_what_is_said_without_pictures() -> None:
    said = names(play(KINDS["floats"], race(KINDS["floats"])).said)
    driving = ["REWIND_TO_CURRENT_STATE", "SET_INPUT_STATE", "SET_SPEED", "1"]
    assert said[: len(CONNECTING) + len(STARTING)] == [*CONNECTING, *STARTING]
    assert said[len(CONNECTING) + len(STARTING) :][:10] == [
        *driving, "GET_SIMULATION_STATE", *driving, "2",
    ]  # fmt: skip


def test_timeout_is_raised_before_anything_else() -> None:
    assert play(KINDS["floats"], race(KINDS["floats"])).said.startswith(encode("SET_TIMEOUT", 600_000))


def test_plugin_without_a_handshake_is_served() -> None:
    assert play(KINDS["floats"], race(KINDS["floats"], hello=False)).met[5:6] != []


def test_other_version_says_how_to_replace_the_plugin() -> None:
    with pytest.raises(ProtocolError, match="'0.9' .* version 7 .* btr_tm.game install"):
        play(KINDS["floats"], encode("HELLO", 7, "0.9", "2.2.1", 32))


def begun(kind: str) -> bytes:
    """Everything until the first decision is due."""
    stream = race(KINDS[kind])
    return stream[: stream.index(decision(KINDS[kind], 50)[:8])]


@pytest.mark.parametrize(
    ("kind", "bytes_", "sentence"),
    [
        (
            "floats",
            step(150),
            "RUN_STEP_SYNC .150. came on the way from 0 ms to 50 ms: the race is at 150 ms",
        ),
        ("floats", step(-2600), "the race is at -2,600 ms"),
        ("floats", encode("ON_CONNECT_SYNC"), "ON_CONNECT_SYNC .* on the way from 0 ms"),
        ("floats", encode("REQUESTED_FRAME_SYNC", b""), "though nobody asked for a picture"),
        ("floats", encode("CHECKPOINT_COUNT_CHANGED_SYNC", 3, 2), "3 of 2 checkpoints"),
        ("floats", encode("SHUTDOWN"), "shut down on the way"),
        ("floats", struct.pack("<i", 99), "message 99 came, which is unknown, on the way"),
        ("floats", step(50) + struct.pack("<i", -5), "length of state is -5"),
        ("pictures", step(50) + state(50) + step(60), "did not stop in time"),
        ("pictures", step(50) + state(50) + passed(1), "waiting for the picture at 50 ms: the game did not"),
    ],
)
def test_what_does_not_belong_there_is_refused(kind: str, bytes_: bytes, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        play(KINDS[kind], begun(kind) + bytes_)


def test_countdown_without_0_ms_is_begun_anew() -> None:
    of = settings(map="")
    menus = encode_fields(BY_NAME["IS_IN_MENUS"].answer, 0)
    stream = encode("ON_CONNECT_SYNC") + menus + step(770) + step(-50) + step(50) + step(-50) + step(0)
    played = play(of, stream + state(0))
    assert names(played.said).count("GIVE_UP") == 2 and len(played.met) == 1
    again = step(-50) + step(50)
    with pytest.raises(ProtocolError, match="begun anew 3 times"):
        play(of, encode("ON_CONNECT_SYNC") + menus + step(770) + 4 * again)


def test_intro_before_the_countdown_is_waited_for() -> None:
    of = KINDS["floats"]
    intro = b"".join(map(step, (0, 50, 100)))
    stream = race(of)
    at = stream.index(step(-100))
    assert play(of, stream[:at] + intro + stream[at:]).met == play(of, stream).met


def test_each_countdown_sets_the_picture_up_as_a_map_that_is_loaded_has_its_own() -> None:
    of = KINDS["floats"]
    stream = race(of)
    at = stream.index(step(-100))
    old_race = step(-300) + step(-200) + step(-10)
    said = names(play(of, stream[:at] + old_race + stream[at:]).said)
    assert said.count("TOGGLE_INTERFACE") == 2
    begun = said.index("GET_SIMULATION_STATE")
    assert said[begun - 4 : begun] == STARTING[:4], "in the race that is driven, once"


def test_menus_without_a_map_are_said() -> None:
    with pytest.raises(ProtocolError, match="set env.map"):
        play(settings(map=""), race(settings()))


def test_endless_countdown_ends() -> None:
    of = KINDS["floats"]
    stream = race(of)
    at = stream.index(step(-50))
    with pytest.raises(ProtocolError, match="no race has begun after 20,000 messages"):
        play(of, stream[:at] + step(-50) * 20_001, piece=100_000)


def test_leaving_lets_the_game_run() -> None:
    machine = Machine(settings())
    assert names(next(machine.leave())) == ["SET_SPEED", "TOGGLE_INTERFACE", "SHUTDOWN"]


def test_state_is_read_by_its_places() -> None:
    bytes_ = bytearray(encode_state(CAR))
    assert len(bytes_) == LEAST_BYTES == 8356
    struct.pack_into("<3f", bytes_, 724, 1.0, 2.0, 3.0)
    struct.pack_into("<i", bytes_, 7892, 1230)
    struct.pack_into("<f", bytes_, 3816 + 764 + 180, 0.5)
    struct.pack_into("<I", bytes_, 3816 + 296, 0xABCD0002)
    game = decode(bytes(bytes_))
    assert game.position == (1.0, 2.0, 3.0) and game.race_time_ms == 1230
    assert game.wheels[1].damper_m == 0.5 and game.wheels[0].material == 2
    car = car_of(CAR)
    assert car.surface.tolist() == [[0, 1, 2, 3]] and car.wheel_sliding.tolist() == [[0, 1, 0, 0]]
    assert car.wheel_contact.tolist() == [[1, 1, 1, 0]] and car.gear.tolist() == [3.0]
    assert car.freewheeling.tolist() == [1.0] and car.velocity.tolist() == [[0.5, 0.0, 20.0]]


def test_finish_is_taken_back_in_the_last_checkpoint_time() -> None:
    before = encode_state(CAR, (90, 230))
    after = without_finish(before)
    assert after is not None and struct.unpack("<iiii", after[-16:]) == (90, 0, -1, 0)
    assert after[:-8] == before[:-8]
    assert without_finish(encode_state(CAR)) is None


@pytest.mark.parametrize("size", [0, 100, 8355, 8357, 1 << 21])
def test_state_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ProtocolError, match="do not belong together"):
        decode(bytes(size))


def test_state_with_numbers_that_are_none_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not finite"):
        decode(encode_state(CAR._replace(rpm=float("nan"))))


def test_pictures_become_grey_as_opencv_has_it() -> None:
    blue, green, red, white = (255, 0, 0, 9), (0, 255, 0, 9), (0, 0, 255, 9), (255, 255, 255, 9)
    pixels = bytes(sum((blue, green, red, white), ()))
    assert torch.equal(grey_of(pixels, 1, 4), torch.tensor([[[[29, 150, 76, 255]]]], dtype=torch.uint8))
    assert picture(KINDS["pictures"])[4:] == bytes(range(48))


def test_a_moment_and_a_finish_are_told_apart() -> None:
    met = play(KINDS["floats"], race(KINDS["floats"])).met
    assert [type(each) for each in met] == [Moment] * 5 + [Finish, Moment]
