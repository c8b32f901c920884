"""Recordings under `rhs`, judged as they are read in one way or another. For tests only."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Literal

import pytest

from rhscheck.spec.load import load
from rhscheck.spec.system import System
from rhscheck.traces import compiled, inspect
from rhscheck.traces.batches import Batch, read_batches
from rhscheck.traces.engine import Engine
from rhscheck.traces.format import Finish, HeaderLine
from rhscheck.traces.judge import Judge
from rhscheck.traces.report import TraceReport

# In columns, decoded by habit; line by line everything is judged alike.
Way = Literal["paired", "usual", "lines"]
# The ways that are faster, and must come to the same. Without a C compiler there is one.
FAST: tuple[Way, ...] = ("usual",) if compiled.calls is None else ("paired", "usual")
_ENGINES: dict[str, Engine] = {}


@cache
def _rhs() -> System:
    return load("rhs").system


def judged(data: bytes, way: Way, early: int = 50) -> TraceReport:
    """The report on a recording, of which the first `early` events are remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "EARLY", early)
        return _judged(data, way)


def _judged(data: bytes, way: Way) -> TraceReport:
    parts = read_batches(BytesIO(data), usual=way != "lines", paired=way == "paired")
    first = next(parts)
    assert isinstance(first, HeaderLine)
    judge = Judge(_rhs(), first.header, file="t", engine=_ENGINES.get("rhs"))
    finish: Finish | None = None
    for part in parts:
        match part:
            case Finish():
                finish = part
            case Batch(line, events) if way == "lines":
                for at, event in enumerate(events):
                    judge.feed(line + at, event)
            case _:
                assert not isinstance(part, HeaderLine)
                judge.feed_part(part)
    assert judge.engine is not None
    _ENGINES["rhs"] = judge.engine
    return judge.finish(finish)
