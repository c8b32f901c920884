"""What the header of a recording says leaves no line in it."""

from __future__ import annotations

from rhscheck.spec.load import load
from rhscheck.traces.engine import Setting
from rhscheck.traces.format import CallEvent, Event, Header, ReturnEvent
from rhscheck.traces.judge import Judge, Options, setting_of
from rhscheck.traces.report import TraceReport
from rhscheck.traces.unseen import Unseen, unknown_labels, unseen_of

RHS = load("rhs").system
EVENTS: tuple[Event, ...] = (
    CallEvent(ts=0, seq=1, res="Disk", op="Open"),
    ReturnEvent(ts=1000, seq=2, res="Disk", op="Open", rc=0),
    CallEvent(ts=2000, seq=3, res="Disk", op="ResourceControl"),
    CallEvent(ts=3000, seq=4, res="Disk", op="Close"),
)


def judged(header: Header) -> TraceReport:
    judge = Judge(RHS, header)
    for line, event in enumerate(EVENTS, 2):
        judge.feed(line, event)
    return judge.finish()


def accused(report: TraceReport) -> list[tuple[int, str | None]]:
    return [(one.line, one.rule) for one in report.findings if one.verdict == "violated"]


def test_a_header_lacks_what_it_says_and_nothing_else() -> None:
    # Without a word about it any line might be missing, and nobody was accused.
    assert accused(judged(Header(spec="rhs", start="initial"))) == []
    report = judged(Header(spec="rhs", start="initial", unseen=("timer *", "expiry *")))
    assert accused(report) == [(5, "R2")]
    assert "events of some kinds leave no line in this recording" in report.notes
    assert accused(judged(Header(spec="rhs", start="initial", unseen=()))) == [(5, "R2")]
    # The line that is said to be missing explains it.
    gone = ("timer *", "expiry *", "return ResourceControl")
    assert accused(judged(Header(spec="rhs", start="initial", unseen=gone))) == []
    # Where any line may be missing, the labels say nothing more.
    assert accused(judged(Header(spec="rhs", start="initial", lossy=True, unseen=gone))) == []


def test_the_header_and_the_options_say_it_together() -> None:
    header = Header(spec="rhs", unseen=("timer *", "event handleSignaled"))
    options = Options(slack_us=5, unseen=(("expiry", None), ("timer", None)))
    together: Unseen = (("expiry", None), ("timer", None), ("event", "handleSignaled"))
    assert setting_of(header, options, RHS) == Setting(None, 5, together)
    lossy = Header(spec="rhs", lossy=True, unseen=("call IsAlive",))
    assert setting_of(lossy, options, RHS) == Setting(None, 5, options.unseen)


def test_a_name_that_the_spec_does_not_have_stands_for_all_of_its_kind() -> None:
    labels = ("timer *", "return ResourceContrl", "return Open")
    assert unknown_labels(labels, RHS) == ("return ResourceContrl",)
    assert unseen_of(labels, RHS) == (("timer", None), ("return", None))
    report = judged(Header(spec="rhs", start="initial", unseen=labels))
    assert accused(report) == []
    assert (
        "the header says that `return ResourceContrl` may leave no line, which rhs does not have: "
        "taken as `return *`"
    ) in report.notes
