"""The light watch names what is wrong, and says nothing about what is right."""

from __future__ import annotations

import pytest

from rhscheck.simulated_runs import Wanted, search
from rhscheck.tracer.configuration import ClusterConfiguration, ResourceConfiguration
from rhscheck.tracer.events import Handover, SendPeer
from rhscheck.tracer.rcm_core import RcmCore
from rhscheck.tracer.rule_watch import RuleWatch
from rhscheck.tracer.simulator import Cores, Options
from rhscheck.traces.format import (
    CallEvent,
    Event,
    NamedEvent,
    NoteEvent,
    ReturnEvent,
    StateEvent,
    StatusEvent,
    TimeoutEvent,
)

CLUSTER = ClusterConfiguration(
    (ResourceConfiguration("a", "g"), ResourceConfiguration("b", "g", depends_on=("a",))),
    nodes=("n1", "n2"),
)
MINUTE = 60_000_000


def call(op: str, ts: int = 0) -> CallEvent:
    return CallEvent(ts=ts, seq=1, host="n1", mon="shared#1", res="a", op=op, cid=1)


def ret(op: str, rc: int = 0, ts: int = 0) -> ReturnEvent:
    return ReturnEvent(ts=ts, seq=1, host="n1", mon="shared#1", res="a", op=op, cid=1, rc=rc)


def status(state: str) -> StatusEvent:
    return StatusEvent(ts=0, seq=1, host="n1", mon="shared#1", res="a", op="S", state=state)


def timeout(op: str, ts: int, cid: int | None = 1) -> TimeoutEvent:
    return TimeoutEvent(ts=ts, seq=1, host="n1", mon="shared#1", res="a", op=op, cid=cid)


def named(name: str) -> NamedEvent:
    return NamedEvent(ts=0, seq=1, host="n1", mon="shared#1", res="a", name=name)


def state(res: str, target: str, host: str = "n1") -> StateEvent:
    return StateEvent(ts=0, seq=1, host=host, res=res, source="x", target=target)


def complaints(*events: Event) -> list[str]:
    watch = RuleWatch(CLUSTER)
    return [said for event in events if (said := watch(event)) is not None]


OPEN = (call("Open"), ret("Open"))
ONLINE = (*OPEN, call("Online"), ret("Online"))


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ((call("Open"), call("Open")), "R4: Open of a is called twice at once"),
        ((*OPEN, call("Open")), "R1: Open of a is not the first call"),
        ((call("Online"),), "R1strict: Online of a is called before Open has returned"),
        (
            (*OPEN, call("Close"), ret("Close"), call("Online")),
            "R2last: Online of a is called after Close",
        ),
        (
            (*OPEN, call("ResourceControl"), call("Close")),
            "R2: Close of a is called while ResourceControl runs",
        ),
        (
            (*OPEN, call("Online"), call("ResourceControl")),
            "R4: ResourceControl of a is called while Online runs",
        ),
        (
            (*OPEN, call("LooksAlive")),
            "R5: LooksAlive of a is called though it is not online, or has failed",
        ),
        (
            (*ONLINE, call("IsAlive"), ret("IsAlive", 1), call("LooksAlive")),
            "R5: LooksAlive of a is called though it is not online, or has failed",
        ),
        (
            (*ONLINE, named("handleSignaled"), call("ResourceControl")),
            "M1: a control is sent to a, which waits for Terminate",
        ),
        (
            (*OPEN, call("Online"), ret("Online", 0, 6 * MINUTE)),
            "B: Online of a ran longer than its time-out, and nobody noticed",
        ),
        (
            (*OPEN, call("Online"), timeout("Online", MINUTE)),
            "B: Online of a is given up before its time is over",
        ),
        ((*OPEN, timeout("Online", 0)), "B: Online of a times out without being in flight"),
        (
            (*OPEN, named("exit"), call("Online")),
            "P7: Online of a is called in a process that is gone",
        ),
        (
            (state("b", "OnlineCallIssued"),),
            "DependencyOrder: b comes online while a, which it needs, is Initializing",
        ),
        (
            (state("a", "Online", "n2"), state("a", "OnlineCallIssued")),
            "Ownership: a comes online on n1 while it is Online on n2",
        ),
    ],
)
def test_what_is_wrong_is_named(events: tuple[Event, ...], complaint: str) -> None:
    assert complaints(*events) == [complaint]


@pytest.mark.parametrize(
    "events",
    [
        (*ONLINE, call("LooksAlive"), ret("LooksAlive", 1), call("IsAlive"), ret("IsAlive")),
        (*OPEN, call("Online"), ret("Online", 997), status("success"), call("LooksAlive")),
        (*OPEN, call("Online"), ret("Online", 997), call("ResourceControl")),
        (*ONLINE, call("LooksAlive"), call("Terminate"), ret("LooksAlive", 1), ret("Terminate")),
        (*OPEN, call("Online"), timeout("Online", 5 * MINUTE), ret("Online", 0, 6 * MINUTE)),
        (state("a", "Online"), state("b", "OnlineCallIssued")),
        (
            state("a", "Online", "n2"),
            NoteEvent(ts=0, seq=1, host="n2", what="node down"),
            state("a", "OnlineCallIssued"),
        ),
    ],
)
def test_what_is_right_is_left_alone(events: tuple[Event, ...]) -> None:
    assert complaints(*events) == []


# ---- bugs of RCM that only the cluster shows ----------------------------------------------------
class IgnoresDependencies(RcmCore):
    def _is_wanted(self, resource):  # type: ignore[no-untyped-def]
        needs, resource.needs = resource.needs, []
        wanted = super()._is_wanted(resource)
        resource.needs = needs
        return wanted


class HandsOverWhatIsOnline(RcmCore):
    def _hand_over(self, group):  # type: ignore[no-untyped-def]
        if group.leaving is not None:
            message = Handover(group.configuration.name, group.persistent)
            self._out.append(SendPeer(group.leaving, message))
            group.owner, group.leaving = group.leaving, None


def test_a_poll_that_terminate_has_overtaken_says_nothing_of_the_offline_resource() -> None:
    """Its failure came after Terminate had returned, and the next control was held against RCM."""
    late = (call("IsAlive"), call("Terminate"), ret("Terminate"), ret("IsAlive", 1))
    assert complaints(*ONLINE, *late, call("ResourceControl")) == []
    confirmed = (call("IsAlive"), ret("IsAlive", 1), call("ResourceControl"))
    assert complaints(*ONLINE, *confirmed) == [
        "M1: a control is sent to a, which waits for Terminate"
    ]


@pytest.mark.parametrize(
    ("core", "rule"),
    [(IgnoresDependencies, "DependencyOrder"), (HandsOverWhatIsOnline, "Ownership")],
)
def test_the_watch_finds_bugs_on_which_rhs_is_silent(core: type[RcmCore], rule: str) -> None:
    wanted = Wanted(
        CLUSTER, Options(user_every_us=10_000_000), by_spec=False, cores=Cores(rcm=core)
    )
    found = search(wanted, range(200), lambda _: None)
    assert found.violation is not None
    assert found.violation.judged.rules == (rule,)
