"""Recordings of the runtime under its simulator, process by process, for the brute-force replayer.

Owns the making of corpora B (the product) and E (runtimes with a planted bug) of the scorecard. A
host process is a run of its own (`rhscheck.hosted_runs`); its lines are taken as they were recorded
but for those that no spec has a word for, with the names that the spec has for what they speak of.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
from planted_bugs import CLUSTER, RUN, Bug
from trace_mutants import renumbered

from rhscheck.hosted_runs import _first_process, _own_header, _parts, _shape
from rhscheck.simulated_runs import Wanted, case_of, spec_for
from rhscheck.spec.system import System
from rhscheck.tracer.recording import header
from rhscheck.tracer.simulator import Cores, simulate
from rhscheck.traces.format import (
    CallEvent,
    Event,
    EventLine,
    Header,
    NamedEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
)

SPOKEN_OF = (CallEvent, ReturnEvent, StatusEvent, TimeoutEvent, NamedEvent)
FEWEST = 6  # lines of a process worth editing
PRODUCT = Cores()


@dataclass(frozen=True)
class Process:
    """What one host process did, from its start; `header` is that of a recording of it alone."""

    name: str
    header: Header
    events: tuple[Event, ...]

    @property
    def n(self) -> int:
        """How many resources it hosted."""
        assert isinstance(self.header.n, int)
        return self.header.n


def one_process() -> System:
    """The spec with the times of the cluster, all resources in the first process."""
    return _first_process(_system(), ("Process",))


@functools.cache
def _system() -> System:
    return spec_for(CLUSTER)._system


def product_runs(seeds: Iterable[int], longest: int) -> Iterator[Process]:
    """B: what the processes of these seeds did, at most so many lines of each."""
    for seed in seeds:
        yield from _processes(f"seed {seed}", seed, PRODUCT, longest, promises_kept=True)


def bug_runs(bugs: Iterable[Bug], seeds: dict[str, int], longest: int) -> Iterator[Process]:
    """E: the same of runtimes with a bug, each at the seed at which the kill matrix has it."""
    for bug in bugs:
        where = f"{bug.name} at seed {seeds[bug.name]}"
        yield from _processes(where, seeds[bug.name], bug.cores, longest, promises_kept=False)


def _processes(
    name: str, seed: int, cores: Cores, longest: int, *, promises_kept: bool
) -> Iterator[Process]:
    case = case_of(Wanted(CLUSTER, RUN, promises_kept=promises_kept), seed)
    events = simulate(CLUSTER, seed, case.plan, RUN, cores=cores).events
    whole = header(CLUSTER, source="sim", identity=name, tool="", seed=seed)
    shape = _shape(whole, _system())
    assert shape is not None
    for part in _parts(EventLine(at, event) for at, event in enumerate(events, 2)):
        own = _own_header(whole, shape, part)
        lines = [one.event for one in part.lines if isinstance(one.event, SPOKEN_OF)]
        if own is None or len(lines) < FEWEST:
            continue
        named = [
            msgspec.structs.replace(one, res=own.resources[one.res or ""])
            for one in lines[:longest]
        ]
        head = msgspec.structs.replace(own, resources={})
        yield Process(f"{name}, {part.mon}", head, tuple(renumbered(named, ids=True)))
