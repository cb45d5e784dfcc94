"""Each section of a benchmark in a process of its own, which is ended when its time is up."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection, get_context
from typing import NamedTuple

import torch

from btr_tm.benchmarks.row import Row
from btr_tm.run.remote.child_process import die_with_parent


class Section(NamedTuple):
    """`measure(*arguments)` yields rows; both must be picklable. A slow one is stopped after `seconds`."""

    name: str
    seconds: float
    measure: Callable[..., Iterable[Row]]
    arguments: tuple[object, ...] = ()


def measured(sections: Iterable[Section], total_seconds: float) -> Iterator[Row]:
    """The rows of all sections, as they come; what was left out is a row that says why.

    No section begins or goes on after `total_seconds`, so that the last ones may be missing.
    """
    end = time.monotonic() + total_seconds
    for section in sections:
        left = end - time.monotonic()
        if left <= 0:
            yield _left_out(section, "left out: no time left")
        else:
            yield from _isolated(section, min(section.seconds, left))


def _isolated(section: Section, seconds: float) -> Iterator[Row]:
    print(f"measuring: {section.name} (at most {seconds:.0f} s)", file=sys.stderr, flush=True)
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(theirs, torch.get_num_threads(), section))
    process.start()
    theirs.close()  # so that its end is an end of file here
    deadline = time.monotonic() + seconds
    try:
        while ours.poll(max(0.0, deadline - time.monotonic())):
            row = ours.recv()
            if row is None:
                return
            yield row
        yield _left_out(section, f"the rest was left out after {seconds:.0f} s")
    except EOFError:
        yield _left_out(section, "failed; its error is on stderr")
    finally:
        process.kill()
        process.join()


def _measure(pipe: connection.Connection, threads: int, section: Section) -> None:
    die_with_parent()
    torch.set_num_threads(threads)
    for row in section.measure(*section.arguments):
        pipe.send(row)
    pipe.send(None)


def _left_out(section: Section, why: str) -> Row:
    return Row(section.name, "", math.nan, note=why)
