"""A rule that time alone breaks is told at the first line that shows it, and before a deadline."""

from collections.abc import Sequence

import msgspec
import pytest
from short_runs import HEADER, RHS, answer, call
from trace_mutants import renumbered

from rhscheck.spec.load import load, load_source
from rhscheck.spec.source import Source
from rhscheck.spec.system import System
from rhscheck.traces.format import Event, Finish, NamedEvent, StatusEvent
from rhscheck.traces.judge import Judge
from rhscheck.traces.report import Finding

QUICK = load("rhs", {"QuickCalls": "promise"}).system
SECOND = 1_000_000
TWO_LIMITS = """\
spec limits "a rule, and a deadline that comes after it"
actors { host House }

machine Door[i in 1..N] {
  initial state Shut { within 2s by House: open -> Open }
  state Open { by House: knock }
}

rules Door {
  rule Soon "a door is opened within a second":
    when in Shut leads to in Open within 1s
}
"""
OPENED = [call(0, "Open"), answer(0, "Open"), call(0, "Open", "B"), answer(0, "Open", res="B")]


def findings(system: System, events: Sequence[Event], *, one_by_one: bool = False) -> list[Finding]:
    """What is wrong with a recording; its header is line 1."""
    judge = Judge(system, msgspec.structs.replace(HEADER, spec=system.name))
    made = renumbered(events)
    if one_by_one:
        for line, event in enumerate(made, 2):
            judge.feed(line, event)
    else:
        judge.feed_all(2, made)
    return list(judge.finish(Finish("complete", len(made) + 2, len(made), "")).findings)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_promise_is_broken_at_the_first_line_after_its_time(one_by_one: bool) -> None:
    """It was told at the first line after the resource's own last one, which is innocent."""
    run = [
        *OPENED, call(0, "ResourceControl"), call(100, "ResourceControl", "B"),
        answer(200, "ResourceControl", res="B"), call(9000, "ResourceControl", "B"),
        answer(9000, "ResourceControl", res="B"),
    ]  # fmt: skip
    (finding,) = findings(QUICK, run, one_by_one=one_by_one)
    assert (finding.line, finding.rule, finding.resource, finding.actor) == (
        9, "D3[ResourceControl]", "A", "DLL"
    )  # fmt: skip
    assert findings(QUICK, run[:7], one_by_one=one_by_one) == []


def test_also_where_the_next_line_is_its_own() -> None:
    run = [
        *OPENED, call(0, "ResourceControl"), call(100, "ResourceControl", "B"),
        answer(400, "ResourceControl", res="B"), answer(500, "ResourceControl"),
    ]  # fmt: skip
    assert [(one.line, one.rule, one.resource) for one in findings(QUICK, run)] == [
        (8, "D3[ResourceControl]", "A")
    ]


def test_a_promise_that_was_broken_before_a_deadline_is_told_with_it() -> None:
    """The deadline took all the blame: the plug-in had broken its promise long before."""
    run = [*OPENED[:2], call(0, "ResourceControl"), answer(400_000, "ResourceControl")]
    told = [(one.line, one.rule, one.actor) for one in findings(QUICK, run)]
    assert told == [(5, "D3[ResourceControl]", "DLL"), (5, "B3[ResourceControl]", "RHS")]


def test_a_rule_that_was_broken_before_a_deadline_is_told_with_it() -> None:
    system = load_source(Source("limits.sm", TWO_LIMITS)).system
    run = [NamedEvent(ts=3 * SECOND, seq=0, res="Door[1]", name="open")]
    told = [(one.line, one.rule, one.time_us) for one in findings(system, run)]
    assert told == [(2, "Soon", 3 * SECOND), (2, None, 3 * SECOND)]


def test_a_line_that_is_put_before_itself_is_at_another_time() -> None:
    """`move line 8 before line 8` was told as a repair."""
    run = [
        *OPENED[:2], call(1000, "Online"), answer(1200, "Online", 997),
        StatusEvent(ts=2 * SECOND, seq=0, res="A", op="SetResourceStatus", state="pending"),
        StatusEvent(ts=4 * SECOND, seq=0, res="A", op="SetResourceStatus", state="success"),
        call(9400, "LooksAlive"), answer(9401, "LooksAlive"),
    ]  # fmt: skip
    (finding,) = findings(RHS, run)
    assert (finding.line, finding.rule, finding.repair) == (8, "P6", ("line 8 400ms earlier",))


TWO_TIMES = """\
spec times "two rules that time breaks one after the other"
actors { host House }

machine Door[i in 1..N] {
  initial state Shut {
    clock shut
    by House: open -> Open
  }
  state Open {
    by House: knock
    by House: close -> Shut
  }
}

rules Door {
  rule Two "never shut for more than two seconds":
    never in Shut and shut > 2s
  rule Odd "not shut at odd times":
    never in Shut and shut >= 3s and shut <= 4s
}
"""


def test_after_one_rule_time_breaks_the_next() -> None:
    """Nobody looked at the resource again after the first: the second was said to be kept."""
    system = load_source(Source("times.sm", TWO_TIMES)).system
    done = ((0, 2, "open"), (0, 1, "open"), (0, 2, "close"), (2.5, 1, "knock"), (9, 1, "knock"))
    run = [
        NamedEvent(ts=int(at * SECOND), seq=0, res=f"Door[{door}]", name=name)
        for at, door, name in done
    ]
    told = [(one.line, one.rule, one.resource) for one in findings(system, run)]
    assert told == [(5, "Two", "Door[2]"), (6, "Odd", "Door[2]")]


def test_what_may_have_happened_without_a_line_is_told_where_that_is_certain() -> None:
    """The line before which a call may have returned unseen, and broken nothing, was accused."""
    run = [
        *OPENED[:2], call(1000, "ResourceControl"), call(2000, "Terminate"),
        answer(2100, "Terminate"), answer(3000, "ResourceControl"),
    ]  # fmt: skip
    header = msgspec.structs.replace(
        HEADER, spec="rhs", complete=False, unseen=("return ResourceControl",)
    )
    judge = Judge(QUICK, header)
    judge.feed_all(2, renumbered(run))
    report = judge.finish(Finish("complete", len(run) + 2, len(run), ""))
    assert [(one.line, one.rule, one.verdict) for one in report.findings] == [
        (5, "M2", "violated"), (5, "D3[ResourceControl]", "inconclusive"), (7, None, "violated"),
    ]  # fmt: skip
    assert report.findings[2].unmet[-1] == "unless line 5 broke D3[ResourceControl]"
