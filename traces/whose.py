"""Whose event a line tells of, and what it says in the words of the spec.

Owns the names of a recording: those of the header, those of the spec, and those that nobody
explains. What is done with an event is `traces.judge`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from rhscheck.spec.diagnostic import did_you_mean
from rhscheck.traces.apart import OTHER
from rhscheck.traces.engine import Engine
from rhscheck.traces.format import CallEvent, Event, Header, ReturnEvent
from rhscheck.traces.mapping import Gap, Ignored, Observation, Vocabulary

Role = Literal["own", "shared", "unknown"]

_MOST_LISTED: Final = 9
_DIGITS: Final = 10  # no instance has a number of so many


@dataclass(slots=True)
class Whose:
    """`count`: how many instances there are; None: as many as are mentioned."""

    engine: Engine
    header: Header
    count: int | None
    # Resources that were numbered because nobody says what they are called, with the first host.
    named: dict[str, str] = field(default_factory=dict)
    highest: int = 0  # the highest number of an instance that the header or a line tells of
    _words: Vocabulary = field(init=False)
    _readings: dict[object, Observation | Ignored | Gap] = field(default_factory=dict)
    _roles: dict[str, tuple[Role, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Of the header's names the vocabulary knows those of instances that the Ground has."""
        world = self.engine.world
        family = world.family
        names = {
            name: instance
            for name, instance in self.header.resources.items()
            if family is None or instance.partition("[")[0] != family
        }
        self._words = Vocabulary(world.ground, names)
        if family is not None:
            told = (_index_of(one, family) for one in self.header.resources.values())
            self.highest = max((one for one in told if one is not None), default=0)

    @property
    def known(self) -> int:
        """How many instances there are at least."""
        return self.highest if self.count is None else self.count

    def role(self, event: Event) -> tuple[Role, str]:
        """Whether the event is one unit's own, shared by all, or of nobody known; and whose."""
        res = event.res
        if not self.engine.alone or res is None:
            return "own", ""
        known = self._roles.get(res)
        if known is None:
            known = self._roles[res] = self._role_of(res, event.host)
        return known

    def _role_of(self, res: str, host: str) -> tuple[Role, str]:
        header, family = self.header, self.engine.world.family
        assert family is not None
        name = header.resources.get(res, res)
        index = _index_of(name, family)
        if index is not None:
            if 1 <= index <= (self.count or index):
                self.highest = max(self.highest, index)
                return "own", f"{family}[{index}]"
            return "unknown", name
        if self._words.knows(name):
            return "shared", name
        if not header.resources and (self.count is None or len(self.named) < self.count):
            # Nobody says what the resources are called: each name is one, while there are any.
            self.named[res] = host
            return "own", f"{family}[{len(self.named)}]"
        return "unknown", name

    def read(self, event: Event, role: Role, instance: str) -> Observation | Ignored | Gap:
        """What the event says in the spec's words; the same for all resources."""
        key: object
        match event:
            case CallEvent(op=op):
                key = ("call", op, role)
            case ReturnEvent(op=op, rc=rc):
                key = ("return", op, rc, role)
            case _:
                key = None
        if key is None or role != "own" or not self.engine.alone:
            return self._words.read(event, self._first(role, event))
        known = self._readings.get(key)
        if known is None:
            known = self._words.read(event, self._first(role, event))
            if not isinstance(known, Observation) or not known.unknown:
                self._readings[key] = known
        return known

    def _first(self, role: Role, event: Event) -> str | None:
        """The instance of the Ground that the event's resource is."""
        if self.engine.alone and role == "own" and event.res is not None:
            return f"{self.engine.world.family}[1]"
        return None if event.res is None else self.header.resources.get(event.res, event.res)

    def key(self, event: Event) -> tuple[str, str | None]:
        """What its unit is known by: a name that nobody explains is one resource on each host.

        All names of an instance are one resource.
        """
        if (event.res or "") in self.named:
            return event.host, event.res
        return "", self.role(event)[1]

    def unknown(self, event: Event) -> str:
        """Why nobody is called what the event says, with a name that may be meant."""
        family = self.engine.world.family
        known = [*self.header.resources, *self._words.names]
        known = [one for one in known if not one.startswith(OTHER)]
        some = range(1, min(self.count or 1, _MOST_LISTED) + 1)
        known += [f"{family}[{number}]" for number in some]
        meant = self.header.resources.get(str(event.res))
        if meant is not None:
            said = f", as the header says of {event.res}"
            return f"the spec has no instance that is called {meant}{said}"
        if self.named:
            first = list(self.named)[:_MOST_LISTED]
            more = ", …" if len(self.named) > len(first) else ""
            return f"there is no {family} besides {', '.join(first)}{more}: n is {self.count}"
        hint = did_you_mean(str(event.res), dict.fromkeys(known))
        reason = f"the spec has no instance that is called {event.res}"
        return f"{reason}; {hint}" if hint else reason


def _index_of(name: str, family: str) -> int | None:
    """The number of an instance of the family, None if that is not what the name is."""
    machine, bracket, number = name.partition("[")
    digits = number.removesuffix("]")
    if machine != family or not bracket or digits == number:
        return None
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < _DIGITS else None
