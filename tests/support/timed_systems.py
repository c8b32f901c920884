"""Hand-built timed Systems with verdicts from the literature or worked out by hand."""

from __future__ import annotations

from rhscheck.spec.expr import (
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
    ClockVar,
    Deadline,
    EnumType,
    Family,
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
