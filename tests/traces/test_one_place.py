"""One cause of several faults: repaired at its place, also if that is some lines before them."""

from collections.abc import Sequence

import msgspec
from short_runs import ENGINE, HEADER, OPENED, RHS, answer, call, controls, violations
from trace_mutants import renumbered

from rhscheck.spec.load import load
from rhscheck.traces.format import Event, Finish, NamedEvent, StatusEvent
from rhscheck.traces.judge import Judge


def status(ms: int, state: str) -> Event:
    return StatusEvent(ts=ms * 1000, seq=0, res="A", op="SetResourceStatus", state=state)


def told(events: Sequence[Event]) -> list[tuple[int, int | None, tuple[str, ...]]]:
    return [(one.line, one.edits, one.repair) for one in violations(events)]


ONLINE = [*OPENED, call(10, "Online")]
WORKS_ON = [status(1000, "pending"), status(2000, "pending"), status(3000, "success")]
ALSO = ("the repair of line 6 mends this line, too",)


def test_a_wrong_result_that_was_possible_is_repaired_where_it_stands() -> None:
    run = [*ONLINE, answer(20, "Online"), *WORKS_ON, *controls(4000, 4)]
    assert told(run) == [
        (6, 1, ("line 5: return Online(pending) instead",)),
        (8, 0, ALSO),
    ]


def test_also_if_that_is_many_lines_before() -> None:
    run = [*ONLINE, answer(20, "Online"), *controls(30, 9), *WORKS_ON, *controls(4000, 4)]
    assert told(run) == [
        (24, 1, ("line 5: return Online(pending) instead",)),
        (26, 0, ("the repair of line 24 mends this line, too",)),
    ]


def test_a_burst_that_was_lost_before_several_faults() -> None:
    after = [*controls(4000, 1), call(4100, "Offline"), answer(4200, "Offline")]
    way = "insert before line 4: Resource[1]: {}"
    lost = "; ".join(way.format(one) for one in ("call Online", "return Online(pending)"))
    also = ("the repair of line 4 mends this line, too",)
    found = told([*OPENED, *WORKS_ON, *after, *controls(5000, 4)])
    assert found == [(4, 2, (lost,)), (6, 0, also), (9, 0, also)]


def test_a_shift_of_everything_is_one_edit_though_it_shows_later() -> None:
    polled = [
        one
        for at in (5020, 10020, 15020, 20020)
        for one in (call(at + 2500, "LooksAlive"), answer(at + 2501, "LooksAlive"))
    ]
    checked = [call(5500, "ResourceControl"), answer(5501, "ResourceControl")]
    found = told([*ONLINE, answer(20, "Online"), *checked, *polled])
    # By then a poll was due: 5 s after line 5.
    assert found == [(8, 1, ("line 6 and all after it 2.5s earlier",))]


def test_lines_far_from_each_other_are_no_move() -> None:
    run = [*OPENED, *controls(2, 12)]
    del run[18]  # a call of which the return is there
    del run[5]  # a return, so that the next call comes too early
    assert [(line, edits) for line, edits, _ in told(run)] == [(7, 1), (19, 1)]


def test_the_repair_is_told_with_the_first_finding_that_is_not_told_already() -> None:
    """Line 31 is the same as line 6, which something else mends."""
    online = [call(0, "Open"), answer(1, "Open"), call(2, "Online"), answer(3, "Online")]
    stray = [
        status(50, "pending"),
        *controls(100, 10),
        call(1000, "Offline"),
        answer(1001, "Offline"),
    ]
    works_on = [status(2010, "pending"), status(3010, "pending"), status(4010, "success")]
    again = [call(1010, "Online"), answer(1020, "Online"), *works_on, *controls(4500, 10)]
    assert told([*online, *stray, *again]) == [
        (6, 1, ("drop line 6",)),
        (33, 1, ("line 30: return Online(pending) instead",)),
    ]


def test_a_repair_allows_the_last_lines_too() -> None:
    """Fewer than twelve after the fault; dropping a line would mend the first six of them."""
    events = [
        NamedEvent(ts=ts, seq=0, res=f"Worker[{number}]", name=name)
        for ts, number, name in (
            (1, 2, "begin"), (2, 1, "begin"), (61329, 2, "lock_first"), (7008615, 1, "lock_first"),
            (7008616, 1, "lock_second"), (7033758, 1, "unlock_second"),
            (7033759, 1, "unlock_first"), (7033759, 2, "begin"), (7639898, 2, "lock_first"),
            (7639899, 1, "begin"), (7639899, 2, "lock_second"), (7639899, 2, "unlock_second"),
        )
    ]  # fmt: skip
    locks = load("two_locks").system
    way = "insert before line 5: Worker[2]: {}"
    names = ("lock_second", "unlock_second", "unlock_first")
    judge = Judge(locks, msgspec.structs.replace(HEADER, spec="two_locks", n=2))
    judge.feed_all(2, renumbered(events))
    (found,) = judge.finish(Finish("complete", 14, 12, "")).findings
    assert (found.line, found.repair) == (5, ("; ".join(way.format(one) for one in names),))


def test_what_no_resource_does_is_mended_as_the_one_that_is_there_needs_it() -> None:
    """Its own lines say that it was opened later: `recover` cannot be that it was before."""
    gone = [
        NamedEvent(ts=at, seq=0, res="Process[1]", name=name)
        for at, name in ((0, "exit"), (1, "recover"))
    ]
    opened = [made(ms, "Open", res=res) for res in "AB" for made, ms in ((call, 10), (answer, 11))]
    way = (
        "line 2: Resource[1]: call Open instead; line 3: Resource[1]: return Open(failure) instead"
    )
    assert told([*gone, *opened, *controls(20, 10)]) == [(2, 2, (way,))]


def test_endless_refusals_take_little_and_are_not_all_told() -> None:
    judge = Judge(RHS, HEADER, engine=ENGINE)
    run = [*OPENED, *(answer(2 + at, "Offline") for at in range(2000))]
    judge.feed_all(2, renumbered(run))
    report = judge.finish(Finish("complete", len(run) + 2, len(run), ""))
    (found,) = report.findings
    assert (found.line, found.verdict, found.repeats) == (4, "violated", 12)
    assert any(one.startswith("after 12 faults of a resource in a row") for one in report.notes)
    (unit,) = judge._all.units.values()
    assert (unit.lines, unit.group) == ([], None)
