"""Hand-built timed Systems with verdicts from the literature or worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rhscheck.spec.expr import (
    Add,
    ClockCmp,
    Comparison,
    Exists,
    Expr,
    IndexValue,
    Lit,
    Ref,
    conj,
    equal,
    member,
    neg,
    same,
)
from rhscheck.spec.system import (
    SELF,
    Actor,
    BoolType,
    ClockVar,
    Deadline,
    EnumType,
    Family,
    IntType,
    Label,
    Param,
    RefType,
    Reset,
    StateVar,
    System,
    Transition,
    Update,
)

OWN = (Param(SELF, "P"),)


def at(variable: str, *values: int, of: str | int | None = SELF) -> Expr:
    return member(Ref(variable, of), values)


def clock(name: str, op: Comparison, bound: int, of: str | int | None = SELF) -> ClockCmp:
    return ClockCmp(name, of, op, bound)


def event(name: str, of: str | None = SELF) -> Label:
    return Label("event", "P" if of else "Shared", name, None, of)


# ---- Fischer's mutual exclusion ------------------------------------------------------------------
IDLE, ASKING, WAITING, CRITICAL = range(4)
FISCHER_TRY, FISCHER_SET, FISCHER_ENTER, FISCHER_RETRY, FISCHER_LEAVE = range(5)


def fischer(set_within: int, enter_after: Comparison, bound: int) -> System:
    """Processes set a shared id within `set_within` and enter if it is theirs and x `op` bound.

    Mutual exclusion holds exactly if every entering time is later than every setting time.
    """
    pc = EnumType("pc", ("Idle", "Asking", "Waiting", "Critical"))
    mine = equal(Ref("id"), IndexValue(SELF))

    def step(name: str, guard: list[Expr], updates: list[Update], reset: bool) -> Transition:
        resets = (Reset("x", SELF),) if reset else ()
        return Transition(name, event(name), "Proc", OWN, conj(guard), tuple(updates), resets)

    def to(place: int) -> Update:
        return Update("pc", SELF, Lit(place))

    return System(
        name="fischer",
        title="",
        families=(Family("P", None),),
        actors=(Actor("Proc", "other"),),
        variables=(
            StateVar("pc", "P", pc, (IDLE,), "location", "P"),
            StateVar("id", None, RefType("P", True), (0,), "data"),
        ),
        clocks=(ClockVar("x", "P", at("pc", ASKING, WAITING), "raw"),),
        transitions=(
            step("try", [at("pc", IDLE), at("id", 0, of=None)], [to(ASKING)], True),
            step(
                "set",
                [at("pc", ASKING)],
                [to(WAITING), Update("id", None, IndexValue(SELF))],
                True,
            ),
            step(
                "enter",
                [at("pc", WAITING), mine, clock("x", enter_after, bound)],
                [to(CRITICAL)],
                False,
            ),
            step("retry", [at("pc", WAITING), neg(mine)], [to(IDLE)], False),
            step("leave", [at("pc", CRITICAL)], [to(IDLE), Update("id", None, Lit(0))], False),
        ),
        deadlines=(Deadline("set", "P", at("pc", ASKING), "x", set_within, "Proc"),),
    )


def both_critical() -> Expr:
    return Exists(
        "i",
        "P",
        Exists(
            "j",
            "P",
            conj((neg(same("i", "j")), at("pc", CRITICAL, of="i"), at("pc", CRITICAL, of="j"))),
        ),
    )


# ---- a pending operation with a restarted timer --------------------------------------------------
def pending(report_within: int, silence: int) -> System:
    """A worker reports while its operation is pending; the host gives up after `silence`.

    Each report restarts the host's timer and is due `report_within` after the one before. The
    worker is done 5 units or more after it began. The host can give up only if
    silence <= report_within.
    """
    own = Param(SELF, "P")
    place = EnumType("op", ("Idle", "Pending", "Done", "GivenUp"))
    running = at("op", 1)

    def step(
        name: str, actor: str, guard: list[Expr], to: int | None, resets: tuple[str, ...] = ()
    ) -> Transition:
        updates = () if to is None else (Update("op", SELF, Lit(to)),)
        return Transition(
            name,
            event(name),
            actor,
            (own,),
            conj(guard),
            updates,
            tuple(Reset(name, SELF) for name in resets),
        )

    return System(
        name="pending",
        title="",
        families=(Family("P", None),),
        actors=(Actor("Host", "host"), Actor("Worker", "plugin")),
        variables=(StateVar("op", "P", place, (0,), "location", "P"),),
        clocks=(
            ClockVar("silence", "P", running, "timer"),
            ClockVar("total", "P", running, "raw"),
            ClockVar("gap", "P", running, "raw"),
        ),
        transitions=(
            step("begin", "Host", [at("op", 0)], 1),
            step("report", "Worker", [running], None, ("silence", "gap")),
            step("finish", "Worker", [running, clock("total", ">=", 5)], 2),
            step("giveUp", "Host", [running, clock("silence", ">=", silence)], 3),
        ),
        deadlines=(
            Deadline("silence", "P", running, "silence", silence, "Host"),
            Deadline("report", "P", running, "gap", report_within, "Worker"),
        ),
    )


# ---- a shared host that dies and takes its instances with it -------------------------------------
UP, DUMPING, GONE = range(3)


def mortal_host(call_within: int = 3, dump_within: int = 2) -> System:
    """Calls of the instances time out and kill the host; `Gone` resets every instance."""
    own = Param(SELF, "P")
    host = EnumType("host", ("Up", "Dumping", "Gone"))
    up = member(Ref("host"), (UP,))
    calling = at("call", 1)
    return System(
        name="mortal",
        title="",
        families=(Family("P", None),),
        actors=(Actor("Host", "host"), Actor("Plugin", "plugin")),
        variables=(
            StateVar("call", "P", BoolType(), (0,), "call", "P"),
            StateVar("used", "P", IntType(0, 2), (0,), "data", "P"),
            StateVar("host", None, host, (UP,), "location", "Host"),
        ),
        clocks=(
            ClockVar("running", "P", conj((calling, up)), "call"),
            ClockVar("dump", None, member(Ref("host"), (DUMPING,)), "timer"),
        ),
        transitions=(
            Transition(
                "call",
                event("call"),
                "Host",
                (own,),
                conj((up, at("call", 0))),
                (
                    Update("call", SELF, Lit(1)),
                    Update("used", SELF, Add(Ref("used", SELF), Lit(1))),
                ),
            ),
            Transition(
                "return",
                event("return"),
                "Plugin",
                (own,),
                calling,
                (Update("call", SELF, Lit(0)),),
            ),
            Transition(
                "expire",
                event("expire"),
                "Host",
                (own,),
                conj((up, calling, clock("running", ">=", call_within))),
                (Update("host", None, Lit(DUMPING)),),
            ),
            Transition(
                "die",
                Label("event", "Host", "die"),
                "Host",
                (),
                member(Ref("host"), (DUMPING,)),
                (
                    Update("host", None, Lit(GONE)),
                    Update("call", "each", Lit(0), Param("each", "P")),
                    Update("used", "each", Lit(0), Param("each", "P")),
                ),
            ),
            Transition(
                "restart",
                Label("event", "Host", "restart"),
                "Host",
                (),
                member(Ref("host"), (GONE,)),
                (Update("host", None, Lit(UP)),),
            ),
        ),
        deadlines=(
            Deadline("call", "P", conj((calling, up)), "running", call_within, "Host"),
            Deadline("dump", None, member(Ref("host"), (DUMPING,)), "dump", dump_within, "Host"),
        ),
    )


# ---- one machine to show a single point ----------------------------------------------------------
def single(
    places: int,
    steps: Sequence[tuple[str, str, int, int, Expr, tuple[str, ...]]],
    clocks: Mapping[str, tuple[int, ...]],
    deadlines: Sequence[tuple[str, tuple[int, ...], str | None, int, str, bool]],
) -> System:
    """A machine without instances and places 0, 1, ...

    `steps`: (name, actor, from, to, clock guard, clocks reset); `clocks`: active in these places;
    `deadlines`: (name, active in, clock, bound, owner, strict).
    """

    def here(*values: int) -> Expr:
        return member(Ref("at"), values)

    return System(
        name="single",
        title="",
        families=(),
        actors=(Actor("Host", "host"), Actor("Plugin", "plugin")),
        variables=(
            StateVar(
                "at",
                None,
                EnumType("at", tuple(f"L{k}" for k in range(places))),
                (0,),
                "location",
                "M",
            ),
        ),
        clocks=tuple(ClockVar(name, None, here(*where), "raw") for name, where in clocks.items()),
        transitions=tuple(
            Transition(
                name,
                Label("event", "M", name),
                actor,
                (),
                conj((here(source), guard)),
                (Update("at", None, Lit(target)),) if source != target else (),
                tuple(Reset(name, None) for name in resets),
            )
            for name, actor, source, target, guard, resets in steps
        ),
        deadlines=tuple(
            Deadline(name, None, here(*where), on, bound, owner, strict)
            for name, where, on, bound, owner, strict in deadlines
        ),
    )
