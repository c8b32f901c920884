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
    assert soon(doors(2, *LATER, (11, 2, "open"))) == ("violated", [(3, None)])


def test_a_door_that_is_mentioned_late_was_there_from_the_beginning() -> None:
    report = doors(None, *LATER, (11, 2, "open"))
    assert soon(report) == ("violated", [(3, "Door[2]")])
    assert [(one.name, one.verdict) for one in report.resources] == [
        ("Door[1]", "conforms"),
        ("Door[2]", "violated"),
    ]
