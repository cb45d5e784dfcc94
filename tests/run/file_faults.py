"""Kills a small run in each of its file operations, or fills the disk there; then it is resumed and compared.

    python -m tests.run.file_faults FOLDER --logger tensorboard --every 1 [--kind kill]

Prints one JSON line for each fault that ended otherwise than it should, and at last how many there were. The
process forks for every run, so that torch is imported once.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import dataclasses
import errno
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from btr_tm.cli.assembly.parts import checked
from btr_tm.cli.commands.train import _refuse_failed, _run_alone
from btr_tm.cli.configuration.composition import Composition, compose_job
from btr_tm.core.errors import UserError
from btr_tm.core.files import short
from btr_tm.metrics.sinks.jsonl import read_record
from btr_tm.metrics.sinks.wandb_file import read as logged
from btr_tm.report.summary import RaceReport
from btr_tm.run.checkpoint_file import read

SMALL = [
    "+experiment=quickstart",
    "eval=inline",
    "profile=smoke",
    "encoder=none",
    "head=ln",
    "profile.threads=1",
    "profile.replay_steps=[[0,2000,64]]",
]
SMALL += [
    "profile.total_frames=192",
    "profile.save_every=64",
    "profile.log_every=64",
    "profile.eval_every=128",
]
SMALL += ["profile.eval_starts=1", "logger.wandb.mode=offline"]
DONE, FAILED, TRACEBACK, KILLED = 0, 1, 2, 9
TIMES = ("wall_s", "cpu_s", "speed/", "time/", "_")
KINDS = ("kill", "full")


class Fault:
    """Counts the operations of this process on the files below `folder`; number `at` fails, in its `kind`."""

    def __init__(self, folder: Path, kind: str, at: int) -> None:
        self.folder, self.kind, self.at = str(folder), kind, at
        self.names: list[str] = []

    def concerns(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self.folder)

    def operation(self, name: str, grows: bool = False, half: Callable[[], None] = lambda: None) -> None:
        """Called before an operation; `half` does a part of it, `grows` if it needs room on the disk."""
        number = len(self.names)
        self.names.append(name)
        if self.kind == "kill" and number == self.at:
            half()
            os._exit(KILLED)
        if self.kind == "full" and number >= self.at and grows:
            half()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def install(self) -> None:
        """Watch `open`, and what is written to what it opens, and the functions of `os` that change files."""
        opened = io.open

        def watched_open(file, mode="r", *args, **kwargs):
            if not self.concerns(file) or not set(mode) & set("wax+"):
                return opened(file, mode, *args, **kwargs)
            self.operation(f"open {Path(file).name}", grows=True)
            return Watched(opened(file, mode, *args, **kwargs), self)

        builtins.open = io.open = watched_open
        for name in ("replace", "rename", "unlink", "remove", "truncate", "mkdir", "rmdir"):
            self._watch(name, grows=name == "mkdir")
        synced = os.fsync

        def fsync(descriptor: int) -> None:
            self.operation("fsync", grows=True)
            synced(descriptor)

        os.fsync = fsync

    def _watch(self, name: str, grows: bool) -> None:
        real = getattr(os, name)

        def watched(path, *args, **kwargs):
            if self.concerns(path):
                self.operation(f"{name} {Path(path).name}", grows)
            return real(path, *args, **kwargs)

        setattr(os, name, watched)


class Watched:
    """A file whose writes may fail or be cut short."""

    def __init__(self, file, fault: Fault) -> None:
        self._file, self._fault = file, fault

    def write(self, content):
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        self._fault.operation("write", grows=True, half=half)
        return self._file.write(content)

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __enter__(self):
        self._file.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._file.__exit__(*error)


def forked(run: Callable[[], int], log: Path) -> int:
    """The exit code of `run` in a process of its own, whose output goes to `log`."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    code = TRACEBACK
    with contextlib.suppress(BaseException):
        code = run()
    sys.stdout.flush()
    os._exit(code)


def train(job: Composition, fault: Fault) -> int:
    """The whole command in this process: DONE, FAILED with a sentence, or TRACEBACK."""
    RaceReport.make = lambda *_: {}  # its pictures are no part of what is resumed
    fault.install()
    try:
        _run_alone(job)
        _refuse_failed([job])
    except UserError as error:
        print(f"btr_tm: {error}")
        return FAILED
    except BaseException:
        traceback.print_exc()
        return TRACEBACK
    finally:
        with contextlib.suppress(OSError):
            (job.folder.parent / "operations.json").write_text(json.dumps(fault.names))
    return DONE


def leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Every number, word and tensor of a checkpoint by its place, but not what a clock on the wall says."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not str(key).endswith(("seconds", "_s", "crc32", "file")):
                yield from leaves(inner, f"{place}/{key}")
    elif isinstance(value, list | tuple):
        yield from leaves(dict(enumerate(value)), place)
    else:
        yield place, value.tolist() if isinstance(value, torch.Tensor) else value


def without_times(row: dict) -> dict:
    return {name: value for name, value in row.items() if not name.startswith(TIMES)}


def outcome(folder: Path) -> dict[str, object]:
    """What a finished run leaves that a fault must not change."""
    newest = max((folder / "checkpoints").glob("frames_*.pt"))
    content = read(newest)
    assert content is not None, f"{newest} is damaged"
    replay = content["replay"]
    needed = {part["file"] for part in (replay["state"], *replay["segments"])}
    rows = read_record(folder / "record.jsonl")
    parts = {name: part for name, part in content["parts"].items() if name not in ("meter", "clock")}
    there = {path.name for path in (folder / "checkpoints" / "replay").iterdir()}
    return {
        **{f"part{place}": value for place, value in leaves(parts)},
        "frames": content["frames"],
        "record": [without_times(row) for row in rows],
        **tensorboard(folder, rows),
        "wandb": [
            [{name: value for name, value in without_times(row).items()} for row in logged(path).rows]
            for path in sorted(folder.rglob("*.wandb"))
        ],
        "status": json.loads((folder / "status.json").read_text()),
        "left over": sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.suffix == ".tmp"),
        "reserve": (folder / "checkpoints" / "reserve").exists(),
        "replay files missing": sorted(needed - there),
    }


def tensorboard(folder: Path, rows: list[dict]) -> dict[str, list[tuple[int, float | None]]]:
    """Steps and values of each tag; under the published names, which hold times too, the steps alone."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    own = {name for row in rows for name in row}
    files = {path.parent for path in folder.rglob("events.out.tfevents.*")}
    found = {}
    for place in files:
        events = EventAccumulator(str(place), size_guidance={"scalars": 0}).Reload()
        for tag in events.Tags()["scalars"]:
            timed = tag not in own or tag.startswith(TIMES)
            found[tag] = [(event.step, None if timed else event.value) for event in events.Scalars(tag)]
    return found


def compared(job: Composition, kind: str, at: int, expected: dict[str, object]) -> str:
    """What is wrong after fault number `at` and a resume; nothing if all is well."""
    shutil.rmtree(job.folder, ignore_errors=True)
    log = job.folder.parent / "log.txt"
    log.write_text("")
    code = forked(lambda: train(job, Fault(job.folder, kind, at)), log)
    if code not in ((KILLED, DONE) if kind == "kill" else (DONE, FAILED)):
        return f"it ended with code {code}: {log.read_text()[-1500:]}"
    if code == DONE and not (job.folder / "summary.json").exists():
        return f"it says that it is done, and is not: {log.read_text()[-1500:]}"
    again = forked(lambda: train(job, Fault(job.folder, "none", 0)), log)
    if again != DONE:
        return f"the resume ended with code {again}: {log.read_text()[-1500:]}"
    found = outcome(job.folder)
    names = sorted(expected.keys() | found.keys())
    wrong = [name for name in names if not same(found.get(name), expected.get(name))]
    return "; ".join(
        f"{name} is {short(found.get(name))}, not {short(expected.get(name))}" for name in wrong[:9]
    )


def same(one: object, other: object) -> bool:
    return one == other or repr(one) == repr(other)  # NaN is NaN here


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--logger", choices=["none", "tensorboard", "wandb"], default="tensorboard")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=KINDS)
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve() / "run"
    small = [word for word in SMALL if arguments.logger == "wandb" or "wandb" not in word]
    job = dataclasses.replace(compose_job([*small, f"logger={arguments.logger}"]), folder=folder)
    checked(job.values)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    code = forked(lambda: train(job, Fault(folder, "none", 0)), folder.parent / "log.txt")
    assert code == DONE, (folder.parent / "log.txt").read_text()
    expected = outcome(folder)
    names = json.loads((folder.parent / "operations.json").read_text())
    wrong = done = 0
    for kind in arguments.kind:
        for at in range(0, len(names), arguments.every):
            done += 1
            if problem := compared(job, kind, at, expected):
                wrong += 1
                print(
                    json.dumps({"kind": kind, "at": at, "operation": names[at], "problem": problem}),
                    flush=True,
                )
    print(json.dumps({"operations": len(names), "faults": done, "wrong": wrong}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
