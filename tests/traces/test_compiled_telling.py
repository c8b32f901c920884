"""What compiled code does with lines that are no lines. That it tells others rightly is tested by
comparing reports: `test_ways_of_reading`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from rhscheck.traces.audit.durations import Kinds, Limits
from rhscheck.traces.audit.model import Resource
from rhscheck.traces.audit.ways import Route
from rhscheck.traces.logmap.language import told
from rhscheck.traces.logmap.reading import Reading

_telling = pytest.importorskip(
    "rhscheck.traces.audit._telling", reason="there was no C compiler when this was installed"
)

TOLD = told("notify", {"to": "RCM", "what": "x"})
ROUTE = Route("shown", TOLD)
Noted = list[tuple[object, ...]]


def note(noted: Noted) -> Callable[..., None]:
    return lambda *what: noted.append(what)


def line_of(resource: Resource | None, effects: object) -> Reading:
    """A line of the resource, which stands where the line has these effects."""
    if resource is not None:
        resource.stood, resource.stands = 3, {ROUTE: ("next", effects)}
    return Reading((TOLD,), "INFO", "x", None, owner=resource, route=ROUTE)


def some_resource() -> Resource:
    return Resource("r", Kinds(Limits()))


def tell(reading: object, noted: Noted, *, count: int = 3, most: int = 30) -> tuple[int, int, int]:
    found: tuple[int, int, int] = _telling.tell(
        [7], [1000], [5], [reading], 0, count, most, note(noted), note(noted)
    )
    return found


def test_a_line_on_the_timeline() -> None:
    resource, noted = some_resource(), list[tuple[object, ...]]()
    assert tell(line_of(resource, None), noted) == (1, 0, 0)
    assert (resource.recent, resource.stands, noted) == ([7, 1000, TOLD], "next", [])
    assert tell(line_of(resource, None), noted, most=5) == (1, 0, 0)
    assert noted == [(resource,)]


def test_a_case_that_is_new() -> None:
    resource, noted = some_resource(), list[tuple[object, ...]]()
    case = ("call", "Online", None)
    assert tell(line_of(resource, (False, 0, False, None, 0, case, 4)), noted) == (1, 0, 1)
    assert noted == [(case, resource, 7, 1000)]
    resource.known = 6
    assert tell(line_of(resource, (False, 0, False, None, 0, case, 4)), noted) == (1, 0, 1)
    assert len(noted) == 1


def test_what_has_to_be_found_out_changes_nothing() -> None:
    resource, noted = some_resource(), list[tuple[object, ...]]()
    for effects in (
        (True, 0, False, None, 0, None, 0),  # who hosts it
        (False, 1, False, None, 0, None, 0),  # it says the same again
        (False, 0, True, None, 0, None, 0),  # a silence that has no beginning
        (False, 0, False, ("Online", False, None, False, None), 0, None, 0),  # no such call
        (False, 0, False, (None, False, None, False, "Online"), 0, None, 0),
        (False, 0, False, None, 9, None, 0),
        (False, 0),
        "nothing",
    ):
        assert tell(line_of(resource, effects), noted) == (0, 0, 0)
    resource.open = (("Online", (1, 2), False),)  # nothing of it was measured
    reading = line_of(resource, (False, 0, False, ("Online", False, None, False, None), 0, None, 0))
    assert tell(reading, noted) == (0, 0, 0)
    assert tell(line_of(resource, None), noted, count=4) == (0, 0, 0)  # where it stood
    assert tell(line_of(None, None), noted) == (0, 0, 0)
    reading = line_of(resource, None)
    resource.stands = {}
    assert tell(reading, noted) == (0, 0, 0)
    assert (resource.recent, noted) == ([], [])


def test_what_is_no_line() -> None:
    with pytest.raises(AttributeError):
        tell("nothing", [])
    with pytest.raises(TypeError, match="no slot"):
        tell(SimpleNamespaceWithProperty(), [])
    with pytest.raises(ValueError, match="same length"):
        _telling.tell([7], [1000], [5], [], 0, 3, 30, note([]), note([]))
    with pytest.raises(ValueError, match="same length"):
        _telling.tell([], [], [], [], -1, 3, 30, note([]), note([]))

    def fails(*_what: object) -> None:
        raise LookupError

    resource = some_resource()
    reading = line_of(resource, (False, 0, False, None, 0, ("call", "Online", None), 4))
    with pytest.raises(LookupError):
        _telling.tell([7], [1000], [5], [reading], 0, 3, 30, fails, fails)


class SimpleNamespaceWithProperty(SimpleNamespace):
    @property
    def owner(self) -> None:
        return None

    @property
    def route(self) -> None:
        return None
