"""Damaged files for every reader; each must end in a UserError or a right result, soon, and in its folder.

    python -m tests.fuzz.run [--count 25000] [--reader track.yaml] [--case 123]

Prints what ended otherwise. A case is named by its reader and its number, from which it can be made again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import psutil

from btr_tm.core.errors import UserError

from .readers import READERS, Reader

LIMIT_S = 5.0  # of CPU time, so that other work does not count
LIMIT_BYTES = 512 * 2**20
LONGEST = 1500  # characters of an error; values are cut when they are echoed
WRITES = {
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
    "os.symlink",
    "os.link",
    "os.chmod",
}
FORBIDDEN = {"os.system", "subprocess.Popen", "socket.connect", "os.exec", "os.posix_spawn", "os.fork"}


class Guard:
    """Notes what is written outside of `folder` and what starts programs; audit hooks cannot be removed."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple) -> None:
        if self.folder is None:
            return
        if event in FORBIDDEN:
            self.seen.append(f"{event} {arguments}"[:200])
        if event in ("os.remove", "os.rmdir") and arguments[1] != -1:
            return  # rmtree, of a folder that is open: the name alone stands here
        writes = event in WRITES or (event == "open" and set(str(arguments[1] or "r")) & set("wax+"))
        if writes and not str(arguments[0]).startswith(self.folder):
            self.seen.append(f"{event} {arguments}"[:200])


def case(reader: Reader, files: list[bytes], number: int, folder: Path, guard: Guard) -> str:
    """What is wrong with case `number`; nothing if all is well."""
    rng = random.Random(f"{reader.name} {number}")
    path = folder / reader.name
    content, other = rng.choice(files), rng.choice(files)
    reader.write(path, content, other, rng)
    guard.folder, guard.seen = str(folder), []
    began = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, 4 * LIMIT_S)
    problem = ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("error")
            reader.read(path)
    except UserError as error:
        if len(str(error)) > LONGEST or "\n" in str(error).strip():
            problem = f"the error is no sentence: {str(error)[:300]}"
    except Exception:
        problem = "".join(traceback.format_exc().splitlines(keepends=True)[-7:])
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        guard.folder = None
    spent = time.process_time() - began
    if spent > LIMIT_S:
        problem += f" it took {spent:.1f} s"
    return problem + (f" it did {guard.seen[:3]}" if guard.seen else "")


def limit_memory() -> None:
    """512 MiB more than now: what asks for more gets a MemoryError."""
    used = psutil.Process().memory_info().vms + LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (used, resource.getrlimit(resource.RLIMIT_AS)[1]))


def too_slow(*_: object) -> None:
    raise TimeoutError("this takes four times as long as it may")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=25_000)
    parser.add_argument("--reader", choices=[reader.name for reader in READERS])
    parser.add_argument("--case", type=int)
    arguments = parser.parse_args()
    chosen = [reader for reader in READERS if arguments.reader in (None, reader.name)]
    guard = Guard()
    signal.signal(signal.SIGVTALRM, too_slow)
    wrong: Counter[str] = Counter()
    done = 0
    for reader in chosen:
        files = reader.files()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            tempfile.tempdir = str(folder)  # what works in a scratch folder does so here
            for content in files:  # a good file is read, and whatever it loads is loaded
                (folder / reader.name).write_bytes(content)
                with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(UserError):
                    reader.read(folder / reader.name)
            limit_memory()
            numbers = range(max(1, arguments.count * reader.share // 100))
            for number in numbers if arguments.case is None else [arguments.case]:
                done += 1
                if problem := case(reader, files, number, folder, guard):
                    wrong[reader.name] += 1
                    if wrong[reader.name] <= 20:
                        print(
                            json.dumps({"reader": reader.name, "case": number, "problem": problem}),
                            flush=True,
                        )
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            tempfile.tempdir = None
    print(json.dumps({"cases": done, "wrong": dict(wrong)}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
