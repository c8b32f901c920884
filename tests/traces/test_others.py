"""What one instance does to what all share, as those see it that are followed by themselves."""

import msgspec

from rhscheck.spec.load import load_source
from rhscheck.spec.source import Source
from rhscheck.traces.format import (
    CallEvent,
    Clock,
    Event,
    Finish,
    Header,
    NamedEvent,
    ReturnEvent,
    TimeoutEvent,
)
from rhscheck.traces.judge import Judge
from rhscheck.traces.report import Finding, TraceReport

LAMPS = """\
spec lamps "lamps behind one fuse"
actors { host House, manager Guest, plugin Bulb }
entry Light returns { success, failure } timeout 10s

shared machine Fuse {
  initial state Whole { on blow -> Blown }
  state Blown { by House: repair -> Whole }
}

machine Lamp[i in 1..N] requires in Fuse.Whole {
  on timeout Light sync Fuse.blow
  late return Light(*)
  initial state Dark {
    by Guest: call Light -> Switched
  }
  state Switched {
    return Light(success) -> Lit
    return Light(failure) -> Dark
  }
  state Lit {
    clock burning
    deadline burning <= 60s by House
    by House: call Light when burning >= 60s -> Switched
  }
}

rules Lamp {
  rule Minute "a lamp that burns is looked after every minute":
    when return Light(success) leads to start(Light) or not in Fuse.Whole within 60s
}

trace {
  code success = 0
  code failure = other
}
"""
HEADER = Header(spec="lamps", clock={"": Clock(epoch="start")}, complete=True, start="initial", n=2)
SECOND = 1_000_000
LIT: tuple[Event, ...] = (
    CallEvent(ts=0, seq=1, res="Lamp[2]", op="Light", cid=1),
    ReturnEvent(ts=SECOND, seq=2, res="Lamp[2]", op="Light", cid=1, rc=0),
    CallEvent(ts=45 * SECOND, seq=3, res="Lamp[1]", op="Light", cid=2),
)


def found(*events: Event) -> list[Finding]:
    judge = Judge(load_source(Source("lamps.sm", LAMPS)).system, HEADER)
    judge.feed_all(2, events)
    assert judge.engine is not None
    assert judge.engine.alone
    return list(judge.finish(Finish("complete", 2, len(events), "")).findings)


def test_a_legal_step_of_another_instance_has_its_effect() -> None:
    """A line that it forbids was taken for a proof that it had none, and the next one accused."""
    blown = TimeoutEvent(ts=55 * SECOND, seq=4, res="Lamp[1]", op="Light", cid=2)
    again = CallEvent(ts=61 * SECOND, seq=5, res="Lamp[2]", op="Light", cid=3)
    late = ReturnEvent(ts=130 * SECOND, seq=6, res="Lamp[1]", op="Light", cid=2, rc=0)
    assert found(*LIT, blown) == []
    assert [(one.line, one.rule) for one in found(*LIT, blown, again, late)] == [(6, None)]


def test_a_step_of_another_instance_that_the_spec_refuses_may_have_had_none() -> None:
    early = TimeoutEvent(ts=50 * SECOND, seq=4, res="Lamp[1]", op="Light", cid=2)
    again = CallEvent(ts=61 * SECOND, seq=5, res="Lamp[2]", op="Light", cid=3)
    assert [(one.line, one.resource) for one in found(*LIT, early, again)] == [(5, "Lamp[1]")]


# ---- resources that there are none of ------------------------------------------------------------
DOORS = """\
spec doors "doors that are to be opened soon, and a bell that all hear"
actors { host House }

shared machine Bell {
  initial state Quiet { on ring -> Loud }
  state Loud { on ring -> Quiet }
}

machine Door[i in 1..N] {
  initial state Shut { by House: open -> Open sync Bell.ring }
  state Open { by House: knock sync Bell.ring }
}

rules Door {
  rule Soon "a door is opened within two seconds":
    when in Shut leads to in Open within 2s
}
"""


def doors(n: int | None, *events: tuple[int, int, str]) -> TraceReport:
    header = msgspec.structs.replace(HEADER, spec="doors", n=n)
    judge = Judge(load_source(Source("doors.sm", DOORS)).system, header)
    made = [
        NamedEvent(ts=at * SECOND, seq=seq, res=f"Door[{number}]", name=name)
        for seq, (at, number, name) in enumerate(events, 1)
    ]
    judge.feed_all(2, made)
    assert judge.engine is not None
    assert judge.engine.alone
    return judge.finish(Finish("complete", len(made) + 2, len(made), ""))


def soon(report: TraceReport) -> tuple[str, list[tuple[int, str | None]]]:
    rules = dict(report.rules)
    return rules["Soon"], [(one.line, one.resource) for one in report.findings]


LATER = ((1, 1, "open"), (9, 1, "knock"), (10, 1, "knock"))


def test_a_door_that_there_is_not_is_not_opened_too_late() -> None:
    """What the unit that stands for others does counts only if there are others."""
    assert soon(doors(1, *LATER)) == ("conforms", [])
    assert soon(doors(None, *LATER)) == ("conforms", [])
    assert soon(doors(2, *LATER)) == ("violated", [(3, None)])
    assert soon(doors(2, *LATER, (11, 2, "open"))) == ("violated", [(3, "Door[2]")])


def test_a_door_that_is_mentioned_late_was_there_from_the_beginning() -> None:
    report = doors(None, *LATER, (11, 2, "open"))
    assert soon(report) == ("violated", [(3, "Door[2]")])
    assert [(one.name, one.verdict) for one in report.resources] == [
        ("Door[1]", "conforms-so-far"),
        ("Door[2]", "violated"),
    ]


# ---- resources that there are, and no line tells of ----------------------------------------------
PLAIN_DOORS = """\
spec plain "doors that share nothing"
actors { host House }

machine Door[i in 1..N] {
  initial state Shut { by House: open -> Open }
  state Open {
    by House: knock
    by House: shut -> Shut
  }
}

rules Door {
  rule Soon "a door is opened within seven seconds":
    when in Shut leads to in Open within 7s
}
"""
OPENED_FIRST = ((0, "Door[1]", "open"), (9, "Door[1]", "knock"))


def plain(*events: tuple[float, str, str], **header: object) -> TraceReport:
    """The report on a complete recording of `PLAIN_DOORS`, times in seconds."""
    head = msgspec.structs.replace(HEADER, spec="plain", **{"n": msgspec.UNSET, **header})
    return report_on(PLAIN_DOORS, head, *events)


def report_on(text: str, header: Header, *events: tuple[float, str, str]) -> TraceReport:
    judge = Judge(load_source(Source("text.sm", text)).system, header)
    made = [
        NamedEvent(ts=int(at * SECOND), seq=seq, res=res, name=name)
        for seq, (at, res, name) in enumerate(events, 1)
    ]
    judge.feed_all(2, made)
    return judge.finish(Finish("complete", len(made) + 2, len(made), ""))


def told(report: TraceReport) -> list[tuple[int, str | None, str | None, str]]:
    return [(one.line, one.rule, one.resource, one.verdict) for one in report.findings]


def test_a_door_of_which_only_the_header_tells_is_opened_too_late() -> None:
    """It was not followed, unless something was shared: such a run was said to conform."""
    assert plain(*OPENED_FIRST).verdict == "conforms"
    by_number = plain(*OPENED_FIRST, n=2)
    assert (by_number.verdict, told(by_number)) == (
        "violated", [(3, "Soon", None, "violated")]
    )  # fmt: skip
    by_name = plain(*OPENED_FIRST, resources={"A": "Door[1]", "B": "Door[2]"})
    assert (by_name.verdict, told(by_name)) == ("violated", [(3, "Soon", None, "violated")])


def test_what_a_door_that_no_line_tells_of_owes_is_open() -> None:
    assert plain((1, "Door[1]", "open"), n=1).verdict == "conforms"
    assert plain((1, "Door[1]", "open"), n=2).verdict == "conforms-so-far"


def test_a_number_tells_that_there_are_those_below_it() -> None:
    report = plain((0, "Door[1]", "open"), (1, "Door[3]", "open"), (9, "Door[3]", "knock"))
    assert (report.verdict, told(report)) == ("violated", [(4, "Soon", None, "violated")])


def test_two_names_of_a_door_are_one_door() -> None:
    report = plain((0, "A", "open"), (1, "Door[1]", "open"), n=1, resources={"A": "Door[1]"})
    assert told(report) == [(3, None, "Door[1]", "violated")]
    assert [one.name for one in report.resources] == ["A"]
    assert told(plain((0, "Door[1]", "open"), (1, "Door[01]", "open"), n=1))[0][0] == 3


def test_a_name_with_a_digit_of_another_script_is_no_instance() -> None:
    report = plain((0, "Door[²]", "open"), n=1, resources={"A": "Door[1]"})
    assert report.findings[0].unmet == (
        "the spec has no instance that is called Door[²]; did you mean `Door[1]`?",
    )


# ---- what is not proven after all ----------------------------------------------------------------
STRICT_DOORS = """\
spec strict "doors that have to be opened"
actors { host House }

shared machine Bell {
  initial state Quiet { on ring -> Loud }
  state Loud { on ring -> Quiet }
}

machine Door[i in 1..N] {
  initial state Shut { within 2s by House: open -> Open sync Bell.ring }
  state Open {
    by House: knock sync Bell.ring
    by House: shut -> Shut
  }
}

rules Door {
  rule Fine "never both":
    never in Shut and in Open
}
"""


def test_a_door_that_was_late_is_told_by_its_own_name_at_the_line_of_another() -> None:
    report = report_on(
        STRICT_DOORS, msgspec.structs.replace(HEADER, spec="strict"),
        (0, "Door[1]", "open"), (0, "Door[2]", "open"), (1, "Door[2]", "shut"),
        (9, "Door[1]", "knock"),
    )  # fmt: skip
    assert told(report) == [(5, None, "Door[2]", "violated")]
    assert [(one.name, one.verdict) for one in report.resources] == [
        ("Door[1]", "conforms"), ("Door[2]", "violated"),
    ]  # fmt: skip


def test_what_was_found_while_nobody_was_there_is_doubted_with_the_clock() -> None:
    header = msgspec.structs.replace(HEADER, spec="strict", clock={}, n=msgspec.UNSET)
    report = report_on(
        STRICT_DOORS, header,
        (0, "Door[1]", "open"), (9, "Door[1]", "knock"), (5, "Door[1]", "knock"),
        (10, "Door[2]", "knock"),
    )  # fmt: skip
    assert (report.verdict, told(report)) == ("inconclusive", [])


def test_what_only_the_later_stamp_of_a_clock_that_goes_back_shows_is_not_proven() -> None:
    report = plain(
        (0, "Door[1]", "open"), (0, "Door[2]", "open"), (0, "Door[2]", "shut"),
        (8, "Door[1]", "knock"), (5, "Door[1]", "knock"), (6, "Door[2]", "open"), clock={},
    )  # fmt: skip
    assert (report.verdict, told(report)) == (
        "inconclusive", [(5, "Soon", "Door[2]", "inconclusive")]
    )  # fmt: skip


def test_the_same_thing_is_proven_again_after_it_was_doubted() -> None:
    """The second was counted with the first, which is doubtful: a violation without a finding."""
    report = plain(
        (0, "Door[1]", "open"), (1, "Door[1]", "open"), (0, "Door[1]", "shut"),
        (1, "Door[1]", "open"), (2, "Door[1]", "open"), clock={},
    )  # fmt: skip
    assert report.verdict == "violated"
    assert told(report) == [
        (3, None, "Door[1]", "inconclusive"), (6, None, "Door[1]", "violated"),
    ]  # fmt: skip


def test_a_line_about_nobody_is_wrong_whatever_is_missing() -> None:
    judge = Judge(
        load_source(Source("text.sm", PLAIN_DOORS)).system,
        msgspec.structs.replace(HEADER, spec="plain", n=1),
    )
    judge.feed_all(2, [NamedEvent(ts=0, seq=0, res="Door[2]", name="open")])
    report = judge.finish(Finish("mismatch", 3, 9, "9 events are said to be here"))
    assert (report.verdict, told(report)) == ("violated", [(2, None, "Door[2]", "violated")])


# ---- what an event does to all -------------------------------------------------------------------
BELL = """\
spec bell "a bell that only some doors ring"
actors { host House, manager Care }

shared machine Bell {
  initial state Quiet { on ring -> Loud }
  state Loud {
    on ring
    by Care: hush -> Quiet
  }
}

machine Door[i in 1..N] {
  initial state Shut {
    by House: open -> Open sync Bell.ring
    by House: peep -> Peeped
  }
  state Peeped { by House: open -> Open }
  state Open { by House: shut when in Bell.Quiet -> Shut }
}

rules Door {
  rule Kind "nobody peeps while the bell rings":
    never event peep while in Bell.Loud
}
"""
PEEPED = ((0, "Door[1]", "open"), (0, "Door[2]", "peep"), (0, "Door[2]", "open"))


def bell(*events: tuple[float, str, str]) -> TraceReport:
    return report_on(BELL, msgspec.structs.replace(HEADER, spec="bell"), *events)


def test_what_an_event_does_to_all_is_what_it_can_be_where_its_door_is() -> None:
    """`open` of a door that is Shut rings; to the other it might as well have been Peeped."""
    assert told(bell(*PEEPED)) == [(3, "Kind", "Door[2]", "violated")]
    report = bell(*PEEPED, (0, "Door[2]", "shut"))
    assert (report.verdict, told(report)) == ("violated", [(3, "Kind", "Door[2]", "violated")])
    quiet = bell((0, "Door[1]", "peep"), (0, "Door[1]", "open"), (0, "Door[2]", "peep"))
    assert (quiet.verdict, told(quiet)) == ("conforms", [])


def test_what_was_found_before_anybody_was_mentioned_is_told_as_what_it_is() -> None:
    """The first line of another host may change places with it: a finding stayed, no verdict."""
    clocks = {"a": Clock(epoch="start"), "b": Clock(epoch="start")}
    header = msgspec.structs.replace(HEADER, spec="bell", n=msgspec.UNSET, clock=clocks)
    judge = Judge(load_source(Source("text.sm", BELL)).system, header)
    hushed = NamedEvent(ts=9 * SECOND, seq=1, host="a", res="Bell", name="hush")
    peeped = NamedEvent(ts=SECOND, seq=1, host="b", res="Door[1]", name="peep")
    judge.feed_all(2, [hushed, peeped, msgspec.structs.replace(hushed, ts=10 * SECOND, seq=2)])
    report = judge.finish(Finish("complete", 5, 3, ""))
    assert report.verdict == "inconclusive"
    assert told(report) == [(3, "Kind", "Door[1]", "inconclusive")]


def test_what_changes_unseen_may_be_different_things_to_different_doors() -> None:
    """Door[1] opens only while the bell is quiet, Door[2] only while it is loud: at one moment."""
    text = """\
spec moods
actors { host House, manager Care }

shared machine Bell {
  initial state Quiet { by Care: test -> Loud }
  state Loud { by Care: hush -> Quiet }
}

machine Door[i in 1..N] {
  initial state Shut {
    by House: open when in Bell.Quiet -> Open
    by House: force when in Bell.Loud -> Open
  }
  state Open
}

rules Door {
  rule Fine "never both":
    never in Shut and in Open
}

trace { hide event test, event hush }
"""
    header = msgspec.structs.replace(HEADER, spec="moods")
    report = report_on(text, header, (0, "Door[1]", "open"), (0, "Door[2]", "force"))
    assert report.verdict == "conforms-so-far"
    assert report.notes[-1].startswith("what resources share may change without a line")
    alone = report_on(text, msgspec.structs.replace(header, n=1), (0, "Door[1]", "open"))
    assert alone.verdict == "conforms"
