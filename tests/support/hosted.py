"""A small host/plug-in System, built by hand: instances with one call, a shared process that dies.

`hosted()` is legal and independent; the arguments plant one thing each that a test is about.
Line numbers of the spans stand for the lines of a text, so that tests can see which one is named.
"""

from __future__ import annotations

from collections.abc import Iterable

from rhscheck.spec.expr import (
    TRUE,
    ClockCmp,
    Exists,
    Expr,
    Happens,
    Lit,
    Post,
    Ref,
    conj,
    member,
    neg,
)
from rhscheck.spec.source import Span
from rhscheck.spec.system import (
    CALL_TYPE,
    SELF,
    Actor,
    BoolType,
    Can,
    ClockVar,
    Deadline,
    EnumType,
    Family,
    Label,
    Never,
    Obligation,
    Param,
    Rule,
    RuleKind,
    StateVar,
    System,
    Transition,
    Update,
    Within,
)

F = "Resource"
ME = Param(SELF, F)
IDLE, BUSY, ON, FAILED = range(4)
UP, DUMPING, GONE = range(3)
LOC = EnumType("Resource", ("Idle", "Busy", "On", "Failed"))
PROC = EnumType("Process", ("Up", "Dumping", "Gone"))


def line(number: int) -> Span:
    return Span("hosted.sm", number * 10, number * 10 + 5, number, 1)


def loc(*values: int, at: str | int = SELF) -> Expr:
    return member(Ref("loc", at), values)


def calling(at: str | int = SELF) -> Expr:
    return member(Ref("call", at), (1,))


def proc(*values: int) -> Expr:
    return member(Ref("proc"), values)


def put(name: str, value: int | Expr, each: Param | None = None) -> Update:
    made = Lit(value) if isinstance(value, int) else value
    return Update(name, each.name if each else SELF, made, each)


def share(name: str, value: int | Expr) -> Update:
    return Update(name, None, Lit(value) if isinstance(value, int) else value)


def step(
    number: int,
    key: str,
    guard: Expr,
    updates: Iterable[Update],
    *,
    kind: str = "event",
    params: tuple[Param, ...] = (ME,),
    actor: str = "RCM",
    expires: str | None = None,
    unhandled: bool = False,
) -> Transition:
    owner = params[0].name if params and params[0].name == SELF else None
    value = None
    name = key
    if kind in ("call", "return", "expiry"):
        name = "Open"
        value = "success" if kind == "return" else None
    label = Label(kind, F if owner else "Process", name, value, owner)  # type: ignore[arg-type]
    return Transition(
        key,
        label,
        actor,
        params,
        guard,
        tuple(updates),
        expires=expires,
        unhandled=unhandled,
        span=line(number),
    )


J = Param("j", F)

TRANSITIONS = (
    step(
        1,
        "open",
        conj((proc(UP), loc(IDLE))),
        (put("loc", BUSY), put("call", 1)),
        kind="call",
    ),
    step(
        2,
        "opened",
        conj((proc(UP), loc(BUSY), calling())),
        (put("loc", ON), put("call", 0)),
        kind="return",
        actor="DLL",
    ),
    step(
        3,
        "hang",
        conj((proc(UP), calling(), ClockCmp("callclock", SELF, ">=", 5))),
        (share("proc", DUMPING),),
        kind="expiry",
        actor="time",
        expires="call",
    ),
    step(4, "fail", conj((proc(UP), loc(ON))), (put("loc", FAILED),), actor="DLL"),
    step(5, "stop", conj((proc(UP), loc(FAILED))), (put("loc", IDLE),)),
    step(
        6,
        "gone",
        proc(DUMPING),
        (share("proc", GONE), put("loc", IDLE, J), put("call", 0, J)),
        params=(),
        actor="RHS",
        expires="dump",
    ),
    step(7, "restart", proc(GONE), (share("proc", UP),), params=()),
)


def rule(
    name: str,
    kind: RuleKind,
    obligation: Obligation,
    *,
    params: tuple[Param, ...] = (Param("i", F),),
    number: int = 90,
) -> Rule:
    return Rule(name, name, f"sentence of {name}", kind, params, obligation, span=line(number))


RULES = (
    rule("open_while_on", "never", Never(conj((loc(ON, at="i"), calling("i"))))),
    rule("never_failed", "never", Never(loc(FAILED, at="i"))),
    rule("can_fail", "can", Can(loc(FAILED, at="i"))),
    rule("can_be_both", "can", Can(conj((loc(ON, at="i"), calling("i"))))),
    rule(
        "opens_in_time",
        "within",
        Within(Happens("call", "Open", None, "i"), Post(neg(conj((calling("i"), proc(UP))))), 5),
    ),
    rule(
        "opens_too_soon",
        "within",
        Within(Happens("call", "Open", None, "i"), Post(neg(conj((calling("i"), proc(UP))))), 4),
    ),
    rule("never_gone", "never", Never(proc(GONE)), params=()),
    rule("gone_with_call", "never", Never(conj((proc(GONE), calling("i"))))),
)
TWO_ON = rule(
    "two_on",
    "never",
    Never(conj((loc(ON, at="i"), loc(ON, at="k")))),
    params=(Param("i", F), Param("k", F)),
    number=97,
)
SOME_ON = Exists("k", F, loc(ON, at="k"))


def hosted(
    *,
    transitions: tuple[Transition, ...] = TRANSITIONS,
    variables: tuple[StateVar, ...] = (),
    clocks: tuple[ClockVar, ...] = (),
    deadlines: tuple[Deadline, ...] = (),
    rules: tuple[Rule, ...] = RULES,
    families: tuple[Family, ...] = (),
    initially: Expr = TRUE,
) -> System:
    """The legal System, with more transitions, variables and so on as given."""
    return System(
        "hosted",
        "a hosted resource",
        (Family(F, None), *families),
        (Actor("RHS", "host"), Actor("RCM", "manager"), Actor("DLL", "plugin")),
        (
            StateVar("proc", None, PROC, (UP,), "location", "Process"),
            StateVar("loc", F, LOC, (IDLE,), "location", "Resource"),
            StateVar("call", F, CALL_TYPE, (0,), "call", "Resource"),
            *variables,
        ),
        (
            ClockVar("callclock", F, calling(), "call"),
            ClockVar("dumpclock", None, proc(DUMPING), "timer"),
            *clocks,
        ),
        transitions,
        (
            Deadline("call", F, conj((calling(), proc(UP))), "callclock", 5, "RHS", span=line(50)),
            Deadline("dump", None, proc(DUMPING), "dumpclock", 60, "RHS", span=line(51)),
            *deadlines,
        ),
        rules,
        initially=initially,
    )


def flag(name: str, *, family: str | None = None, number: int = 60) -> StateVar:
    return StateVar(name, family, BoolType(), (0,), "data", span=line(number))
