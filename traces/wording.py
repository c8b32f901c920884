"""States and times in a few words, for findings and charts.

Owns how a state is abbreviated: the active leaf of each machine, the calls in flight, the data that
matters. It decides nothing and knows neither traces nor rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from rhscheck.spec.describe import duration
from rhscheck.spec.ground import Ground, Slot
from rhscheck.spec.semantics import State, Time
from rhscheck.spec.system import (
    CALL_EXPIRED,
    CALL_IDLE,
    BoolType,
    EnumType,
    IntType,
    RefType,
    System,
)


def instance_name(machine: str, index: object) -> str:
    """`Resource[1]`, or the machine's name for one that exists once."""
    return machine if index is None else f"{machine}[{index}]"


# Longer than any run, in seconds: what is later is a time since 1970, and until when it has a date.
_DATED: Final = 100_000_000
_LAST_DATE: Final = 253_402_300_799


def clock_time(micros: Time) -> str:
    """A time since the start as `00:03:00.000`; microseconds only where there are any.

    More than three years are a time since 1970, `2026-02-19 05:15:00.000` in UTC. A fraction of a
    microsecond is written behind it (`00:00:00.000000+1/2`).
    """
    exact = Fraction(micros)
    whole = exact.numerator // exact.denominator
    seconds, rest = divmod(whole, 1_000_000)
    hours, minutes = divmod(seconds // 60, 60)
    text = f"{hours:02}:{minutes:02}:{seconds % 60:02}."
    if _DATED <= seconds <= _LAST_DATE:
        text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}."
    text += f"{rest // 1000:03}" if rest % 1000 == 0 and exact == whole else f"{rest:06}"
    return text if exact == whole else f"{text}+{exact - whole}"


def elapsed_text(micros: Time) -> str:
    """A stretch of time: the largest unit below a second, else seconds with their decimals."""
    exact = Fraction(micros)
    if exact < 1_000_000 or exact.denominator != 1:
        return duration(exact, 1)
    seconds, rest = divmod(exact.numerator, 1_000_000)
    decimals = f".{rest:06}".rstrip("0").rstrip(".")
    return f"{seconds}{decimals}s"


def parameter_text(system: System, name: str, value: int | str) -> str:
    """A parameter as a trace's header has it (times in microseconds), with its unit."""
    is_time = any(one.name == name and one.is_time for one in system.constants)
    return duration(value, 1) if is_time and isinstance(value, int) else str(value)


def short_name(slot: Slot) -> str:
    """The variable's name without its machine, its role and the state it belongs to."""
    name = slot.variable.name
    if slot.variable.machine:
        name = name.removeprefix(f"{slot.variable.machine}.")
    if slot.variable.role in ("call", "then", "due"):
        name = name.partition(".")[2] or name
        name = name.partition("@")[0]
    return name


def value_name(slot: Slot, value: int) -> str:
    """A value of the slot in the words of the spec."""
    match slot.variable.type:
        case BoolType():
            return "true" if value else "false"
        case EnumType(_, members):
            return members[value]
        case IntType():
            return str(value)
        case RefType(family, _):
            return f"{family}[{value}]" if value else "none"


def part_text(slot: Slot, value: int) -> str | None:
    """What the slot says about a state, None where that goes without saying."""
    name = short_name(slot)
    match slot.variable.role:
        case "location":
            return f"in {value_name(slot, value)}"
        case "call":
            if value == CALL_IDLE:
                return None
            return f"{name} {'timed out' if value == CALL_EXPIRED else 'in flight'}"
        case "then":
            return f"{name} follows" if value else None
        case "due":
            return f"{name} due" if value else None
        case "data":
            if isinstance(slot.variable.type, BoolType):
                return name if value else f"not {name}"
            return f"{name} = {value_name(slot, value)}"
        case "observer":
            return None


def state_texts(ground: Ground, states: Sequence[State], instance: str | None) -> tuple[str, ...]:
    """Each state in a line, repetitions left out.

    With `instance` only that instance and what exists once are told. Data is told only where the
    states differ in it.
    """
    told = [
        at
        for at, slot in enumerate(ground.slots)
        if (
            instance is None
            or slot.index is None
            or instance_name(slot.variable.machine, slot.index) == instance
        )
        and (slot.variable.role != "data" or len({state.values[at] for state in states}) > 1)
    ]
    return tuple(dict.fromkeys(_line(ground, state, told) for state in states))


def _line(ground: Ground, state: State, told: Iterable[int]) -> str:
    parts: dict[str, list[str]] = {}
    for at in told:
        slot = ground.slots[at]
        text = part_text(slot, state.values[at])
        if text is not None:
            parts.setdefault(instance_name(slot.variable.machine, slot.index), []).append(text)
    return "; ".join(" ".join((name, ", ".join(texts))).strip() for name, texts in parts.items())
