"""The engines, in one table: each by itself decides a safety rule at given numbers of instances.

Owns the list, and nothing of how an engine works. Who wants to run them one after the other, side
by side or against each other (`checker.verify`, `checker.race`, `checker.paranoid`) takes them from
here; `--engine` takes their names. The argument for every number of instances (`local`) is no entry
of the table, since it decides rules together: it goes first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rhscheck.checker import fixed
from rhscheck.checker.answer import Answer
from rhscheck.checker.verdict import EngineName

Decide = Callable[[fixed.Query, Sequence[int]], Answer]


@dataclass(frozen=True, slots=True)
class Engine:
    """`decide` answers a query from numbers of instances, tried in this order.

    It obeys the task's budget as well as it can; a caller who has to be sure runs it in a process.
    `title`: what it does, for people.
    """

    name: EngineName
    title: str
    decide: Decide


def _zones(query: fixed.Query, numbers: Sequence[int]) -> Answer:
    engines = fixed.Engines(enumeration=True, bmc=False, limit=query.task.limit)
    return fixed.decide(query, numbers, engines)


def _bmc(query: fixed.Query, numbers: Sequence[int]) -> Answer:
    return fixed.decide(query, numbers, fixed.Engines(enumeration=False, bmc=True, limit=0))


def _spacer(query: fixed.Query, numbers: Sequence[int]) -> Answer:
    alone = fixed.Engines(enumeration=False, bmc=True, limit=0, prover="spacer")
    return fixed.decide(query, numbers, alone)


def _kinduction(query: fixed.Query, numbers: Sequence[int]) -> Answer:
    alone = fixed.Engines(enumeration=False, bmc=True, limit=0, prover="kinduction")
    return fixed.decide(query, numbers, alone)


TABLE: tuple[Engine, ...] = (
    Engine("zones", "enumeration with exact time", _zones),
    Engine("bmc", "incremental bounded checking", _bmc),
    Engine("spacer", "property-directed reachability", _spacer),
    Engine("kinduction", "k-induction with the invariant of one instance", _kinduction),
)


def by_name(name: str) -> Engine:
    """The engine called so; KeyError if there is none."""
    for engine in TABLE:
        if engine.name == name:
            return engine
    raise KeyError(name)
