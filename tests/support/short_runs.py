"""Runs of `rhs` written by hand, in milliseconds, and what is surely wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from trace_mutants import renumbered

from rhscheck.spec.load import load
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import CallEvent, Clock, Event, Finish, Header, ReturnEvent
from rhscheck.traces.judge import Judge
from rhscheck.traces.report import Finding

RHS = load("rhs").system
ENGINE = Engine(RHS, Setting())
HEADER = Header(spec="rhs", clock={"": Clock(epoch="start")}, complete=True, start="initial")


def call(ms: int, op: str, res: str = "A") -> Event:
    return CallEvent(ts=ms * 1000, seq=0, res=res, op=op)


def answer(ms: int, op: str, rc: int = 0, res: str = "A") -> Event:
    return ReturnEvent(ts=ms * 1000, seq=0, res=res, op=op, rc=rc)


def controls(begin: int, count: int) -> list[Event]:
    """Calls of ResourceControl that return, one every 10 ms."""
    return [
        made(begin + 10 * number + after, "ResourceControl")
        for number in range(count)
        for made, after in ((call, 0), (answer, 5))
    ]


OPENED = [call(0, "Open"), answer(1, "Open")]


def violations(
    events: Sequence[Event], *, count: int | msgspec.UnsetType = msgspec.UNSET
) -> list[Finding]:
    """What is surely wrong; the header, which tells the `count` of resources, is line 1."""
    judge = Judge(RHS, msgspec.structs.replace(HEADER, n=count), engine=ENGINE)
    judge.feed_all(2, renumbered(events))
    report = judge.finish(Finish("complete", len(events) + 2, len(events), ""))
    return [one for one in report.findings if one.verdict == "violated"]
