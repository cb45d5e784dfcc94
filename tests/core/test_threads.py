"""Parts of a loop in threads cover it once, and what goes wrong in one of them is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from btr_tm.core.threads import in_parts


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("count", "least", "parts"), [(0, 4, 1), (7, 4, 1), (8, 4, 2), (13, 4, 3), (100, 4, 3)]
)
def test_parts_cover_all_rows_once(count: int, least: int, parts: int) -> None:
    found = in_parts(lambda first, end: list(range(first, end)), count, least)
    assert len(found) == parts
    assert sum(found, []) == list(range(count))


def test_parts_run_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=60)  # which nobody passes alone
    assert len(in_parts(lambda first, end: together.wait(), 30, 10)) == 3


def test_an_error_in_any_part_is_raised() -> None:
    def fail(first: int, end: int) -> None:
        if first == wrong:
            raise ValueError(str(first))

    for wrong in (0, 10, 20):
        with pytest.raises(ValueError, match=str(wrong)):
            in_parts(fail, 30, 10)
