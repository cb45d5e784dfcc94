"""A chain as data: links with a name, what they need, and a check. Each kind of game has its own links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Generic, NamedTuple, NoReturn, TypeVar

from btr_tm.core.errors import UserError

Place = TypeVar("Place")  # what checks look at, and where they leave what later ones use


class Broken(UserError):
    """A link does not hold: what was found, and how to mend it."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.found, self.fix = found, fix


def broken(found: str, fix: str) -> NoReturn:
    """Say that the link does not hold."""
    raise Broken(found, fix)


class Link(NamedTuple, Generic[Place]):
    """One link. `check` returns what it has found, or raises Broken, or a UserError that says its own fix."""

    name: str
    needs: tuple[str, ...]  # names of earlier links; if one of them does not hold, this is not looked at
    check: Callable[[Place], str]


class Answer(Enum):
    """What became of a link."""

    OK = "OK"
    BROKEN = "broken"
    UNKNOWN = "not looked at"


class Verdict(NamedTuple):
    """What is said about one link."""

    name: str
    answer: Answer
    found: str
    fix: str = ""


def diagnose(links: Sequence[Link[Place]], place: Place) -> Iterator[Verdict]:
    """Check one link after the other; those that need a broken one are not looked at."""
    holds: dict[str, bool] = {}
    for link in links:
        assert link.name not in holds and all(name in holds for name in link.needs), link.name
        missing = [name for name in link.needs if not holds[name]]
        verdict = _looked_at(link, place) if not missing else _skipped(link.name, missing)
        holds[link.name] = verdict.answer is Answer.OK
        yield verdict


def _looked_at(link: Link[Place], place: Place) -> Verdict:
    try:
        return Verdict(link.name, Answer.OK, link.check(place))
    except Broken as error:
        return Verdict(link.name, Answer.BROKEN, error.found, error.fix)
    except UserError as error:
        return Verdict(link.name, Answer.BROKEN, str(error))


def _skipped(name: str, missing: Sequence[str]) -> Verdict:
    return Verdict(name, Answer.UNKNOWN, f"needs {' and '.join(missing)}")
