"""A chain is looked at link by link."""

from __future__ import annotations

import pytest

from btr_tm.core.errors import UserError
from btr_tm.game.doctor.diagnosis import Answer, Link, Verdict, broken, diagnose


def test_a_broken_link_stops_those_that_need_it_and_no_others() -> None:
    looked: list[str] = []

    def fine(name: str):
        return lambda place: looked.append(name) or f"{place} {name}"

    links = [
        Link("port", (), fine("port")),
        Link("plugin", (), lambda place: broken("it is old", "install it again")),
        Link("race", ("port", "plugin"), fine("race")),
        Link("picture", ("race",), fine("picture")),
        Link("map", ("port",), fine("map")),
    ]
    assert list(diagnose(links, "my")) == [
        Verdict("port", Answer.OK, "my port"),
        Verdict("plugin", Answer.BROKEN, "it is old", "install it again"),
        Verdict("race", Answer.UNKNOWN, "needs plugin"),
        Verdict("picture", Answer.UNKNOWN, "needs race"),
        Verdict("map", Answer.OK, "my map"),
    ]
    assert looked == ["port", "map"]


def test_an_error_for_users_is_a_verdict_and_any_other_is_not() -> None:
    def raises(error: Exception):
        def check(place: None) -> str:
            raise error

        return [Link("one", (), check)]

    assert next(diagnose(raises(UserError("do this")), None)) == Verdict("one", Answer.BROKEN, "do this")
    with pytest.raises(ZeroDivisionError):
        next(diagnose(raises(ZeroDivisionError()), None))
