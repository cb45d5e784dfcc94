"""Everything that reads a file which a person may bring: how a good one is made, and how it is read."""

from __future__ import annotations

import functools
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from btr_tm.cli.assembly.driver import load_driver, read_driver, shipped
from btr_tm.cli.commands import import_yaml
from btr_tm.cli.importing.source import read as read_published
from btr_tm.cli.importing.translate import translate
from btr_tm.core.errors import UserError
from btr_tm.core.files import read_json
from btr_tm.envs.desktop.estimate import CarEstimate
from btr_tm.envs.desktop.telemetry.schemas import AUTO, LARGEST, SCHEMAS, Schema, told_apart
from btr_tm.envs.tminterface.messages import ProtocolError
from btr_tm.maps.gbx import challenge, container, replay
from btr_tm.maps.line import line_of
from btr_tm.metrics.sinks.jsonl import JsonlSink, read_record
from btr_tm.metrics.sinks.tensorboard import TensorboardSink
from btr_tm.race.inputs_file import InputsFile
from btr_tm.race.reference_line import ReferenceLine
from btr_tm.report import compare_text
from btr_tm.report.checkpoints import place, sections
from btr_tm.report.compare import compare
from btr_tm.report.reading import read_arms
from btr_tm.run import manifest, policy_file
from btr_tm.run.checkpoint_file import packed, read
from btr_tm.run.policy_file import PolicyFile
from btr_tm.sim.track.load import load_track, track_path

from ..envs.tminterface import streams
from ..maps import gbx_files
from ..replay.helpers import build_replay, drive
from ..report.written_runs import wandb_file
from .mutations import change, damage

PUBLISHED = Path(__file__).parents[1] / "cli" / "published"
Read = Callable[[Path], object]


class Reader(NamedTuple):
    """`files` are good ones; `read` takes one from the path `name`; `write` puts a damaged one there."""

    name: str
    files: Callable[[], list[bytes]]
    read: Read
    share: int  # of all mutations, in percent
    write: Callable[[Path, bytes, bytes, random.Random], None]


def written_damaged(path: Path, content: bytes, other: bytes, rng: random.Random) -> None:
    path.write_bytes(damage(content, other, rng))


def written_with_another_value(path: Path, content: bytes, other: bytes, rng: random.Random) -> None:
    """A driver file that is whole, and whose configuration has another value somewhere."""
    path.write_bytes(content)
    policy = policy_file.load(path)
    config = policy.config
    for _ in range(rng.choice((1, 1, 2))):
        config = change(config, rng)
    policy_file.save(path, PolicyFile(policy.weights, config, policy.frames))


def of_files(*paths: Path) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for path in paths]


def written_with_damaged_records(path: Path, content: bytes, other: bytes, rng: random.Random) -> None:
    """A ghost that is whole but for its records; those are packed with a checksum."""
    path.write_bytes(gbx_files.ghost(damage(ghost_records()[0], ghost_records()[1], rng), time_ms=20_000))


def arrays() -> list[bytes]:
    turn = np.linspace(0, 3, 400)
    line = np.stack([100 * np.sin(turn), 0 * turn, 100 * turn], 1)
    return [npy(line), npy(line[:50].astype(np.float32)), npy(np.asfortranarray(line[::2]))]


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def race_texts() -> list[bytes]:
    """A race as events and as a table of keys."""
    race = InputsFile.read(TRACKS[0].with_suffix(".author.inputs"))
    return [race.events_text().encode(), race.keys_text(1).encode()]


def map_files() -> list[bytes]:
    blocks = [
        ("StadiumRoadMainStartLine", 1, 1, 1),
        ("*StadiumRoadMainCheckpoint", 2, 1, 1),
        ("Grass", 3, 1, 1),
    ]
    return [gbx_files.challenge(blocks, packed=packed) for packed in (True, False)]


@functools.cache
def ghost_records() -> list[bytes]:
    moving = np.cumsum(np.full((120, 3), 0.5), axis=0)
    return [gbx_files.records(moving, sizes=True), gbx_files.records(moving, even=False)]


def replay_gbx_files() -> list[bytes]:
    ghosts = [(held, 11_000, 0) for held in ghost_records()]
    return [gbx_files.replay(ghosts, map_files()[1], packed=packed) for packed in (True, False)]


def map_of(path: Path) -> object:
    file = challenge.read(path)
    return challenge.header(file), challenge.course(file)


def line_of_replay(path: Path) -> object:
    found = replay.of_file(container.read(path))
    ghost = found.fastest().records
    track = found.map()
    return line_of(ghost.times_ms / 1000, ghost.positions, "x"), track and challenge.header(track)


def checkpoints() -> list[bytes]:
    weights = {"body.weight": torch.randn(20, 10), "body.bias": torch.zeros(20)}
    parts = {"learner": {"online": weights}, "clock": {"frames": 100, "seconds": 1.5}}
    random_states = {"torch": torch.get_rng_state()[:64]}
    content = {"frames": 100, "parts": parts, "replay": {}, "random": random_states}
    return [packed(content), packed(content | {"frames": 7})]


def sent_by_game(kind: str) -> Callable[[], list[bytes]]:
    of = streams.KINDS[kind]
    return lambda: [streams.race(of), streams.race(of, hello=False)]


def driven(kind: str) -> Read:
    """What drives by the bytes that a game sends: nothing but a ProtocolError may come of them."""

    def read(path: Path) -> object:
        try:
            return streams.play(streams.KINDS[kind], path.read_bytes())
        except UserError as error:
            assert isinstance(error, ProtocolError), error
            raise

    return read


def telemetry_sent() -> list[bytes]:
    """A second of records of each kind."""
    moves = {"rpm": 5000.0, "speed": 20.0, "velocity": (0.0, 0.0, 20.0)}
    return [
        b"".join(
            schema.record(moves | {"position": (1.0, 9.0, time / 50), "race_ms": time})
            for time in range(0, 1000, 20)
        )
        for schema in SCHEMAS.values()
    ]


def telemetry_of(path: Path) -> object:
    """What a reader makes of the bytes that a plugin sends, as far as the state of the car."""
    sent = path.read_bytes()
    schema = told_apart(sent[:LARGEST].ljust(LARGEST, b"\0"), AUTO, has_session=False)
    if not isinstance(schema, Schema):
        raise UserError(schema)
    estimate, size = CarEstimate(torch.tensor([0.0, 0.0, 1.0])), schema.row.size
    for number in range(len(sent) // size):
        record = sent[number * size : (number + 1) * size]
        if fault := schema.fault(record):
            raise UserError(fault)
        car = estimate(schema.reading(record, number, 0.02 * number))
        assert all(bool(part.isfinite().all()) for part in car), record
    return None


def manifests() -> list[bytes]:
    config = {"seed": 1, "profile": {"total_frames": 100, "batch_size": 4}, "track": {"name_or_path": "a01"}}
    held = manifest.describe(config, 1)
    return [json.dumps(held).encode(), json.dumps(held | {"sessions": [{"overrides": ["seed=1"]}]}).encode()]


def records() -> list[bytes]:
    rows = [
        {"frames": 100.0 * i, "wall_s": 1.0 * i, "cpu_s": 0.5 * i, "eval/finish_rate": 0.1} for i in range(20)
    ]
    return ["".join(json.dumps(row) + "\n" for row in rows[:count]).encode() for count in (20, 5)]


def driver_of(path: Path) -> object:
    return load_driver(str(path))


def run_of(path: Path) -> object:
    """The record and the manifest of one run, compared with those of another."""
    for arm in ("base", "damaged"):
        folder = path.parent / "arms" / arm / "s0"
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("record.jsonl", records()[0]), ("manifest.json", manifests()[0])):
            (folder / name).write_bytes(content)
    path.replace(folder / ("manifest.json" if path.suffix == ".json" else "record.jsonl"))
    return compared(path.parent / "arms")


def compared(path: Path) -> object:
    """What lies at `path`, as far as its table."""
    found = compare(read_arms([str(path)]), ["eval/finish_rate"], "frames")
    return compare_text.page(found, "x.png", sections(found, place(found, "frames", None), True))


def wandb_files() -> list[bytes]:
    rows = [json.loads(line) for line in records()[0].splitlines()]
    return [wandb_file(rows[:count], "x/base/s1") for count in (20, 5)]


def event_files() -> list[bytes]:
    """Two runs of TensorBoard, or none where the package is not installed."""
    import tempfile

    found = []
    for count in (20, 5):
        with tempfile.TemporaryDirectory() as folder:
            sink = TensorboardSink(folder, "a01", say=lambda line: None)
            sink.resume([])
            for line in records()[0].splitlines()[:count]:
                sink.write(json.loads(line))
            sink.close()
            found.append(next(Path(folder).iterdir()).read_bytes())
    return found


def rewound(path: Path) -> object:
    sink = JsonlSink(path)
    sink.load_state_dict({"rows": 3})
    return sink.rewind()


def imported(path: Path) -> object:
    return translate(read_published(path))


def imported_whole(path: Path) -> object:
    out = path.parent / "mine" / "experiment" / "x.yaml"
    arguments = import_yaml.parser().parse_args([str(path), "--out", str(out), "--overwrite"])
    return import_yaml.write(arguments)


def restored(path: Path) -> object:
    """A replay from one damaged file of two."""
    folder = path.parent / "replay"
    folder.mkdir(exist_ok=True)
    _, held = saved_replay()
    for name, content in held.items():
        (folder / name).write_bytes(content)
    path.replace(folder / next(name for name in held if name.endswith(path.suffix)))
    return build_replay().load(folder, saved_replay()[0])


@functools.cache
def saved_replay() -> tuple[dict, dict[str, bytes]]:
    import tempfile

    replay = build_replay()
    for step in drive(20, 3, torch.Generator().manual_seed(0)):
        replay.add(step)
    with tempfile.TemporaryDirectory() as folder:
        held = replay.save(folder)
        return held, {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def replay_files(suffix: str) -> Callable[[], list[bytes]]:
    return lambda: [content for name, content in saved_replay()[1].items() if name.endswith(suffix)]


def newest_of(path: Path) -> object:
    return read_driver(path)


TRACKS = [track_path(name) for name in ("a01", "hills", "oval", "dirt_and_turbo")]
READERS = [
    Reader("manifest.json", manifests, manifest.read, 8, written_damaged),
    Reader("record.jsonl", records, read_record, 8, written_damaged),
    Reader("rewind.jsonl", records, rewound, 6, written_damaged),
    Reader("status.json", manifests, read_json, 4, written_damaged),
    Reader("arm.json", manifests, run_of, 4, written_damaged),
    Reader("arm.jsonl", records, run_of, 4, written_damaged),
    Reader("run.wandb", wandb_files, compared, 4, written_damaged),
    Reader("events.out.tfevents.1.x", event_files, lambda path: compared(path.parent), 4, written_damaged),
    Reader("checkpoint.pt", checkpoints, read, 10, written_damaged),
    Reader("frames_000000000001.pt", checkpoints, newest_of, 4, written_damaged),
    Reader("replay.rows", replay_files(".rows"), restored, 4, written_damaged),
    Reader("replay.state", replay_files(".state"), restored, 4, written_damaged),
    Reader("line.npy", arrays, ReferenceLine.load, 8, written_damaged),
    Reader("road.npy", arrays, lambda path: load_track(str(path)), 3, written_damaged),
    Reader(
        "race.inputs",
        of_files(*(path.with_suffix(".author.inputs") for path in TRACKS)),
        InputsFile.read,
        12,
        written_damaged,
    ),
    Reader("race.txt", race_texts, InputsFile.read, 6, written_damaged),
    Reader("map.Gbx", map_files, map_of, 8, written_damaged),
    Reader("replay.Gbx", replay_gbx_files, line_of_replay, 8, written_damaged),
    Reader("ghost.Gbx", replay_gbx_files, line_of_replay, 8, written_with_damaged_records),
    Reader("track.yaml", of_files(*TRACKS), lambda path: load_track(str(path)), 3, written_damaged),
    Reader("published.yaml", of_files(*sorted(PUBLISHED.glob("*.yaml"))), imported, 12, written_damaged),
    Reader("whole.yaml", of_files(*sorted(PUBLISHED.glob("*.yaml"))), imported_whole, 1, written_damaged),
    Reader("driver.safetensors", of_files(shipped()), policy_file.load, 3, written_damaged),
    *(
        Reader(f"game.{kind}", sent_by_game(kind), driven(kind), 140, written_damaged)
        for kind in streams.KINDS
    ),
    Reader("telemetry", telemetry_sent, telemetry_of, 10, written_damaged),
    Reader("changed.safetensors", of_files(shipped()), driver_of, 2, written_with_another_value),
]
