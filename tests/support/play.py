"""Runs a spec by hand: what can happen, what happens then, how long time may pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from rhscheck.spec.ground import GroundTransition, ground
from rhscheck.spec.load import Loaded, load_source
from rhscheck.spec.semantics import State, delay_bound, elapse, enabled, fire, initial_states
from rhscheck.spec.source import Source
from rhscheck.spec.system import BoolType, EnumType

_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


def loaded(text: str, settings: Mapping[str, str] | None = None) -> Loaded:
    return load_source(Source("test.sm", text), settings)


class Play:
    """A spec in its first initial state (or the one with these values), and what follows."""

    def __init__(
        self,
        text: str,
        n: int = 1,
        settings: Mapping[str, str] | None = None,
        start: Mapping[str, str] | None = None,
    ) -> None:
        self.system = loaded(text, settings).system
        self.ground = ground(self.system, n)
        for state in initial_states(self.ground):
            self.state: State = state
            if all(self[name] == value for name, value in (start or {}).items()):
                return
        raise AssertionError("there is no such initial state")

    def __getitem__(self, name: str) -> str:
        """The value of a variable such as `M.state`, `M.k[2]`, as a spec writes it."""
        slot = next(slot for slot in self.ground.slots if slot.name == name)
        value = self.state.values[self.ground.slots.index(slot)]
        match slot.variable.type:
            case BoolType():
                return "true" if value else "false"
            case EnumType(_, members):
                return members[value]
            case _:
                return str(value)

    def can(self) -> list[str]:
        """The labels of the possible steps, each once, in source order."""
        return list(dict.fromkeys(_text(self.ground.transitions[at]) for at in self._enabled()))

    def _enabled(self) -> list[int]:
        return enabled(self.ground, self.state)

    def outcomes(self, label: str) -> list[GroundTransition]:
        """The possible transitions with this label."""
        found = [self.ground.transitions[at] for at in self._enabled()]
        return [transition for transition in found if _text(transition) == label]

    def do(self, *labels: str, choice: int = 0) -> Play:
        """Takes steps with these labels; with several outcomes number `choice` of the last one."""
        for label in labels:
            ways = [at for at in self._enabled() if _text(self.ground.transitions[at]) == label]
            if not ways:
                raise AssertionError(f"{label} is not possible; there is {self.can()}")
            self.state = fire(self.ground, self.state, ways[choice if label is labels[-1] else 0])
        return self

    def wait(self, time: str) -> Play:
        """Lets time such as `5m` pass; AssertionError where it cannot."""
        try:
            self.state = elapse(self.ground, self.state, self._units(time))
        except ValueError as error:
            raise AssertionError(str(error)) from None
        return self

    def _units(self, time: str) -> Fraction:
        match = re.fullmatch(r"(\d+)([a-z]+)", time)
        assert match is not None
        return Fraction(int(match[1]) * _US[match[2]], self.system.unit_us)

    def limit(self) -> str:
        """How long time may pass: seconds, `< S` where that itself is too long, or `any`."""
        bound = delay_bound(self.ground, self.state)
        if bound.limit is None:
            return "any"
        seconds = Fraction(bound.limit) * self.system.unit_us / 1_000_000
        return f"{'< ' if bound.strict else ''}{float(seconds):g}s"

    def fork(self) -> Play:
        """A second player in the same state."""
        other = object.__new__(Play)
        other.system, other.ground, other.state = self.system, self.ground, self.state
        return other


def _text(transition: GroundTransition) -> str:
    label = transition.label
    mark = (
        "!"
        if transition.template.unhandled
        else "~"
        if transition.template.absorbed and transition.label.kind != "expiry"
        else ""
    )
    return mark + (label.short if label.index is None else f"{label.index}: {label.short}")
