"""What a usual line does to its resource, worked out once for all resources that stand alike.

A resource stands by what is pending, its check point, the calls in flight, and by what its timeline
ends with; a line takes it to where it stands next, by a step that says what is to be noted: a
duration, a case, nothing. Owns these tables, made as they are needed and bounded. It knows no line
numbers and no times: `audit.usual` takes the steps. Lines that are told one by one
(`audit.telling`) must come to the same: the tests compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, assert_never

from rhscheck.traces.audit.cases import ERROR_IO_PENDING, REPORT, code_of
from rhscheck.traces.audit.model import Case
from rhscheck.traces.logmap.language import MAX_NAME, Told, told_of
from rhscheck.traces.logmap.reading import Reading

PENDING: Final = ERROR_IO_PENDING
PENDING_STATES: Final = ("OnlinePending", "OfflinePending")
WITH_PENDING: Final = ("Online", "Offline")
POLLS: Final = ("IsAlive", "LooksAlive")
# Operations whose result is an error, or none.
FAILING: Final = (*WITH_PENDING, "Open")
FAILURE: Final = "FAILURENOTIFICATION"
# Notes that say nothing but what they say.
_TELLING: Final = (
    "its monitor has ended",
    "opened again in a new monitor",
    "moved to another monitor",
    "RCM recovers a monitor process",
    "RCM has made a monitor process",
    "RCM is told that a call timed out",
    "RCM handles the failure",
    "Arbitrate failed",
    "crashed or deadlocked: marked to run in a separate monitor",
    "RHS cleans up the operation and goes on",
    "a call timed out",
    "the resource DLL cannot be loaded",
    "the DLL's worker failed",
    "an error while RHS made a call",
    "an exception in an entry point",
    "the cluster service shuts down: quorum was lost (event 1177)",
    "an RHS process was terminated and will be restarted (event 1146)",
)
MAX_ROUTES: Final = 4096
MAX_STEPS: Final = 16_384
# How a usual line is told; loud ones are told one by one.
Way = Literal["loud", "silent", "shown", "call", "pends", "return", "status", "ends", "state"]
# Where it stands on the timeline: it is the next entry, or one with the last; it is not there
# because it says nothing, or because another line has just said it.
NEXT, AGAIN, UNSAID, SAID = range(4)
# What becomes of the moment since which a pending operation says nothing.
KEPT, BEGUN, OVER = range(3)

# What an event says, but for the resource: two of a resource with the same say the same.
Saying = tuple[object, ...]


@dataclass(eq=False, slots=True)
class Route:
    """What to do with a message, the same for all resources.

    `told`: what it says, without the resource.
    `case`: what it is to a spec; `other`: what else it may be (a report of a known check point, an
    end by a report). `checkpoint`, `waits`: of a report: its number, whether it says "pending".
    `hosts`: the process that writes it hosts the resource.
    """

    way: Way
    told: Told | None = None
    saying: Saying = ()
    op: str = ""
    case: Case | None = None
    other: Case | None = None
    checkpoint: int | None = None
    waits: bool = False
    inferred: bool = False
    source: str = ""
    target: str = ""
    once: bool = False
    hosts: bool = False


# Plain tuples, because those are taken apart fastest.
# What becomes of calls when a line takes a step: the call that is over, and whether it was only
# asked for; the call that begins, and whether it is only asked for; those that are not in flight
# any more, unmeasured.
Calls = tuple[str | None, bool, str | None, bool, tuple[str, ...] | None]
# What is to be noted then: whether its process hosts the resource; where it stands on the timeline;
# whether the silence of a pending operation ends; calls; what becomes of the moment since which
# that is silent (all see above); the case, and its bit among all cases.
Effects = tuple[bool, int, bool, Calls | None, int, Case | None, int]


# What makes two situations the same: the operation that is pending, the check point, the calls in
# flight and whether they were only asked for, whether silence is measured, what was said last.
_Key = tuple[str | None, int | None, tuple[tuple[str, bool], ...], bool, Saying | None]


class Situation(dict[Route, "Step"]):
    """Where a resource stands, and what a line of each route does there."""

    __slots__ = ("_ways", "checkpoint", "flight", "pending", "quiet", "said")

    def __init__(self, ways: Ways, key: _Key) -> None:
        super().__init__()
        self._ways = ways
        self.pending, self.checkpoint, self.flight, self.quiet, self.said = key

    def __missing__(self, route: Route) -> Step:
        step = self[route] = self._ways.step(self, route)
        return step


# Where a resource stands next, and what is to be noted; None: a line on the timeline, nothing else.
Step = tuple[Situation, Effects | None]


@dataclass(slots=True)
class Ways:
    """All routes and situations of one log. `knows`: whether the spec speaks of a case.

    `bit`: which bit a case is of those that a resource knows.

    `forgotten`: how often situations were forgotten, which are not to be used any more then.
    """

    knows: Callable[[Case], bool]
    bit: Callable[[Case], int]
    forgotten: int = 0
    _routes: dict[Saying, Route] = field(default_factory=dict)
    _plain: dict[Saying, Told] = field(default_factory=dict)
    _situations: dict[_Key, Situation] = field(default_factory=dict)
    _steps: int = 0

    def route(self, reading: Reading) -> Route:
        """What to do with lines that are read so."""
        told = reading.told[0]
        saying = saying_of(told)
        # What the plug-in says for information is not told at all, whatever it is.
        quiet = told.kind == "says" and reading.level in ("INFO", "DBG")
        key = (quiet or saying, told.once, reading.rcm, len(told.res or "") >= MAX_NAME)
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
                self._forget()
            route = self._routes[key] = _route(reading, told)
            route.op, route.source, route.target = told.op, told.source, told.target
            route.inferred, route.once, route.hosts = told.inferred, told.once, not reading.rcm
            route.saying, route.told = saying, self.plain(told)
            if route.case is not None and not self.knows(route.case):
                route.case = None
            if route.other is not None and not self.knows(route.other):
                route.other = None
        return route

    def plain(self, told: Told) -> Told:
        """What an event says, but for the resource: all that say the same share it."""
        saying = saying_of(told)
        found = self._plain.get(saying)
        if found is None:
            if len(self._plain) >= MAX_ROUTES:
                self._plain.clear()
            keys = tuple([one for one in told.keys if one[0] != "res"])
            found = told_of(told.kind, keys, inferred=told.inferred, once=told.once)
            self._plain[saying] = found
        return found

    def unsaid(self, now: Situation) -> Situation:
        """The same, but that nothing was said lately."""
        return self.situation((now.pending, now.checkpoint, now.flight, now.quiet, None))

    def situation(self, key: _Key) -> Situation:
        """Where a resource stands."""
        found = self._situations.get(key)
        if found is None:
            found = self._situations[key] = Situation(self, key)
        return found

    def renew(self) -> None:
        """Forget all steps if there are too many."""
        if self._steps > MAX_STEPS:
            self._forget()

    def _forget(self) -> None:
        """Let nothing be kept alive by where a resource stands."""
        for situation in self._situations.values():
            situation.clear()
        self._situations.clear()
        self._steps = 0
        self.forgotten += 1

    def step(self, now: Situation, route: Route) -> Step:
        """What a line of this route does here."""
        self._steps += 1
        change = _Change(now, route)
        if route.way == "silent":
            return now, change.effects(UNSAID)
        said = now.said == route.saying
        if said and route.way == "state" and route.once:
            # The same change, printed in another form, if that was just now.
            return now, change.effects(SAID)
        change.work()
        bit = 0 if change.case is None else self.bit(change.case)
        effects = change.effects(AGAIN if said else NEXT, bit)
        return self.situation(change.key()), None if effects == _PLAIN else effects


def saying_of(told: Told) -> Saying:
    """What an event says, but for the resource."""
    return (told.kind, told.inferred, *[one for one in told.keys if one[0] != "res"])


def _route(reading: Reading, told: Told) -> Route:
    if len(told.res or "") >= MAX_NAME:
        # Of a long name the events keep the whole.
        return Route("loud")
    match told.kind:
        case "call" | "return" if told.op == "Close" and not told.inferred:
            return Route("loud")
        case "call":
            return Route("call", case=("call", told.op, None))
        case "return" if told.op in POLLS and told.rc:
            return Route("loud")
        case "return" if told.op in FAILING and told.rc not in (0, None, PENDING):
            return Route("loud")
        case "return":
            pends = told.op in WITH_PENDING and told.rc == PENDING
            return Route(
                "pends" if pends else "return",
                case=("return", told.op, code_of(told)),
                other=("status", REPORT, "success"),
            )
        case "status" if told.target == "failure":
            return Route("loud")
        case "status":
            state: str | None = told.target or None
            point = told.get("ckpt")
            return Route(
                "status",
                case=("status", told.op, state),
                other=("status", told.op, "repeated") if state == "pending" else None,
                checkpoint=point if isinstance(point, int) else None,
                waits=state in ("pending", "repeated"),
            )
        case "ends" if not told.rc:
            return Route("ends", case=("return", told.op, 0), other=("status", REPORT, "success"))
        case "state" if not (told.once and told.inferred):
            return Route("state")
        case "notify" if told.text("what") != FAILURE:
            return Route("shown")
        case "note" if told.text("what") not in _TELLING:
            return Route("shown")
        case "says" if reading.level in ("INFO", "DBG"):
            return Route("silent")
        case _:
            return Route("loud")


def reported_op(state: str) -> str:
    """Which operation a report is about that was made in this state (`OnlinePending`)."""
    return "Offline" if state.startswith("Off") else "Online"


def overtaken(op: str, flight: tuple[str, ...]) -> tuple[str, ...]:
    """Which calls are over when `op` is: of Online and Offline the one asked for before.

    `flight`: the calls in flight, the oldest first. A call of which the end is not in the log would
    else be taken for one that lasted until the next end of its kind.
    """
    if op not in WITH_PENDING:
        return ()
    before = flight[: flight.index(op)] if op in flight else flight
    return tuple([one for one in before if one in WITH_PENDING])


_PLAIN: Final[Effects] = (False, NEXT, False, None, KEPT, None, 0)
_NO_CALLS: Final[Calls] = (None, False, None, False, None)


class _Change:
    """How a line of a route changes where a resource stands, and what is to be noted of it."""

    def __init__(self, now: Situation, route: Route) -> None:
        self._route = route
        self._pending, self._checkpoint, self._waits = now.pending, now.checkpoint, now.quiet
        self._flight = dict(now.flight)
        self.case = route.case
        self._silence = False
        self._over: str | None = None
        self._opens: str | None = None
        self._closes: list[str] = []
        self._at_most = False
        self._quiet = KEPT

    def key(self) -> _Key:
        """The situation that comes of it."""
        flight = tuple(self._flight.items())
        return self._pending, self._checkpoint, flight, self._waits, self._route.saying

    def effects(self, row: int, bit: int = 0) -> Effects:
        """What is to be noted."""
        inferred = self._opens is not None and self._route.inferred
        closes = tuple(self._closes) or None
        calls = (self._over, self._at_most, self._opens, inferred, closes)
        return (
            self._route.hosts,
            row,
            self._silence,
            None if calls == _NO_CALLS else calls,
            self._quiet,
            self.case,
            bit,
        )

    def work(self) -> None:
        """Change it."""
        route, op = self._route, self._route.op
        match route.way:
            case "call":
                # The DLL's own record of a call that RCM asked for is the same call, seen better.
                if self._flight.get(op, True) or route.inferred:
                    self._opens = op
                    self._flight.pop(op, None)
                    self._flight[op] = route.inferred
                if op == "Terminate":
                    self._settle()
            case "return" if route.inferred and op in WITH_PENDING:
                self._replied()
            case "return":
                self._back(op)
            case "pends":
                self._back(op)
                self._begin(op)
            case "status":
                self._status()
            case "ends":
                self._ends()
            case "state":
                if route.target in PENDING_STATES and self._pending is None:
                    op = route.target.removesuffix("Pending")
                    self._back(op)
                    self._begin(op)
                elif route.source in PENDING_STATES:
                    self._settle()
            case "shown" | "silent" | "loud":
                pass
            case _:
                assert_never(route.way)

    def _status(self) -> None:
        route, point = self._route, self._route.checkpoint
        if point is not None and point == self._checkpoint and route.other is not None:
            self.case = route.other
        if self._waits:
            self._silence = True
        if route.waits:
            self._begin(self._pending or reported_op(route.source))
            self._checkpoint = point
        else:
            # Whatever reports when it is done returned before, nobody saw when.
            self._close(self._pending or reported_op(route.source))
            self._settle()

    def _ends(self) -> None:
        op = self._route.op
        if self._pending is None:
            self._back(op)
        else:
            self.case = self._route.other
            if self._pending == op and self._waits:
                self._silence = True
            self._close(op)
        self._settle()

    def _replied(self) -> None:
        """RCM is told that an operation is over; when one that was pending was, is not said."""
        if self._pending is None:
            self._back(self._route.op)
        else:
            self.case = self._route.other
            self._close(self._route.op)
        self._settle()

    def _close(self, op: str) -> None:
        """A call is not in flight any more, if it was, since a moment that nobody saw."""
        for one in (*overtaken(op, tuple(self._flight)), op):
            if self._flight.pop(one, None) is not None:
                self._closes.append(one)

    def _back(self, op: str) -> None:
        """A call is over, if it was in flight."""
        for one in overtaken(op, tuple(self._flight)):
            del self._flight[one]
            self._closes.append(one)
        asked = self._flight.pop(op, None)
        if asked is not None:
            self._over, self._at_most = op, asked

    def _begin(self, op: str) -> None:
        """An operation is pending, and has just been heard of."""
        self._pending, self._waits, self._quiet = op, True, BEGUN

    def _settle(self) -> None:
        """No pending operation is waited for any more."""
        self._pending, self._checkpoint = None, None
        if self._waits:
            self._waits, self._quiet = False, OVER
