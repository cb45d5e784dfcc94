"""A game that never waits is driven by one worker in a process of its own."""

from __future__ import annotations

import pytest

from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.contradictions import refuse_to_keep_waiting
from btr_tm.core.errors import UserError


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["collector=ray", "collector.num_workers=1"], "waits between two chunks"),
        (["collector=inline"], "collector=one_process"),
        (["collector=processes", "collector.workers=2"], "got 2 workers"),
        (["collector=processes", "collector.workers=1"], ""),
        ([], ""),
    ],
)
def test_learning_must_not_keep_a_game_waiting(overrides: list[str], words: str) -> None:
    values = compose_job(["+experiment=quickstart", "env=desktop", "logger=none", *overrides]).values
    if not words:
        return refuse_to_keep_waiting(values)
    with pytest.raises(UserError, match=words):
        refuse_to_keep_waiting(values)
