"""Parts of a loop in several threads, for kernels that let other threads run meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_parts(work: Callable[[int, int], Result], count: int, least: int) -> list[Result]:
    """What `work` gives from first to end of parts of `count` rows, each of at least `least`.

    In as many threads as torch uses, this one among them. The others sleep between calls, so that torch has
    the cores.
    """
    threads = 1 if count < 2 * least else min(torch.get_num_threads(), count // least)
    if threads == 1:
        return [work(0, count)]
    ends = [count * number // threads for number in range(threads + 1)]
    waiting = [
        _pool(threads - 1).submit(work, first, end) for first, end in zip(ends[1:-1], ends[2:], strict=True)
    ]
    try:
        own = work(0, ends[1])
    finally:
        wait(waiting)
    return [own, *(each.result() for each in waiting)]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Kept, as to start threads takes as long as to draw four pictures."""
    return ThreadPoolExecutor(threads, "loops")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not come along
