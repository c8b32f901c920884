"""Findings in words: what was possible, what was missing, what would mend it, and who did it.

Owns the five parts of a report (DESIGN section 6) for one divergence, from the sets of states
around it. It decides no verdict; what is said here is evaluated by `spec.semantics` on states taken
from the sets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import assert_never

from rhscheck.spec.ground import GroundDeadline
from rhscheck.spec.semantics import State
from rhscheck.spec.system import Label
from rhscheck.spec.tracking import unmet_conditions
from rhscheck.traces.due import due_steps
from rhscheck.traces.edits import Alignment, Edit
from rhscheck.traces.engine import Engine
from rhscheck.traces.follow import Follower
from rhscheck.traces.possible import LONG_AGO, NOW, Item, Node
from rhscheck.traces.report import Finding
from rhscheck.traces.units import Site, Unit
from rhscheck.traces.wording import clock_time, elapsed_text, instance_name, state_texts

# How many states and unmet conditions a finding lists, and how many repairs.
MAX_LISTED = 8
MAX_REPAIRS = 4
# From so many states what is shown is chosen.
_SAMPLE = 64
_MOST_KEPT = 100
_OTHERS = "[any other]"  # for those that no line tells of


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong somewhere: who did it, what was missing, what would mend it."""

    actors: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    repair: tuple[str, ...] = ()
    edits: int | None = None


class Wording:
    """Puts what an engine found in one recording into words.

    `names` gives the name that the recording has for an instance of the spec.
    """

    def __init__(self, engine: Engine, names: dict[str, str]) -> None:
        self._engine = engine
        self._world = engine.world
        self._names = names
        self._first: dict[Node, Sequence[Item]] = {}
        self._first_instance = re.compile(
            rf"\b({re.escape(self._world.family or '')}[^\s\[\]]*)\[1\]"
        )

    # ---- states --------------------------------------------------------------------------------
    def states(self, follower: Follower) -> list[State]:
        """States that the follower may be in, at most so many as are worth showing."""
        return [self._state(item, follower) for item in self._sample(follower)]

    def _sample(self, follower: Follower) -> list[Item]:
        """The first states in an order of their own.

        The order in a node comes from what was followed before, in other recordings too.
        """
        places, lates = self._engine.places.by_number, follower.lates
        node = follower.node
        first = self._first.get(node)
        if first is None:
            if len(self._first) >= _MOST_KEPT:
                self._first.clear()
            first = node.items
            if len(first) > _SAMPLE:
                # What cannot be among them, whatever the times are, is not looked at again.
                values = sorted({places[item[0]].values for item in first})
                last = values[min(_SAMPLE, len(values)) - 1]
                first = tuple(item for item in first if places[item[0]].values <= last)
            self._first[node] = first

        def in_order(item: Item) -> tuple[tuple[int, ...], tuple[int, ...], int, int]:
            ages = tuple(one if one in (LONG_AGO, NOW) else lates[one] for one in item[1])
            return places[item[0]].values, ages, item[2], item[3]

        return nsmallest(_SAMPLE, first, key=in_order)

    def _state(self, item: Item, follower: Follower) -> State:
        number, stamps, _, _ = item
        place = self._engine.places.by_number[number]
        clocks = [0] * len(self._world.ground.clocks)
        for nth, at in enumerate(place.active):
            hi = stamps[2 * nth + 1]
            if hi == LONG_AGO:
                clocks[at] = max(self._engine.places.limits[at], 0) + 1
            elif hi != NOW:
                clocks[at] = max(follower.now - follower.lates[hi], 0)
        return State(place.values, tuple(clocks))

    def possible(self, unit: Unit, follower: Follower) -> tuple[str, ...]:
        """The possible states, one a line."""
        own = self._own(unit)
        texts = state_texts(self._world.ground, self.states(follower), own)
        hidden = max(len(follower.node.items) - _SAMPLE, 0)
        listed = shortened([self.named(unit, text) for text in texts])
        return listed if not hidden or len(listed) > MAX_LISTED else (*listed, "… and more")

    def _own(self, unit: Unit) -> str | None:
        """The instance of the Ground that stands for the unit."""
        if unit.instance is None:
            return None
        return f"{self._world.family}[1]" if self._engine.alone else unit.instance

    def named(self, unit: Unit, text: str) -> str:
        """`text` about the unit's instance, which the Ground of one instance numbers 1."""
        if not self._engine.alone:
            return text
        family = self._world.family or ""
        number = _OTHERS if unit.instance is None else unit.instance[len(family) :]
        return self._first_instance.sub(lambda found: f"{found[1]}{number}", text)

    # ---- findings ------------------------------------------------------------------------------
    def finding(
        self,
        unit: Unit,
        follower: Follower,
        site: Site,
        rule: int | None,
        fault: Fault,
        *,
        suspicion: bool = False,
        states: bool = True,
    ) -> Finding:
        """The finding about duty number `rule`; None: the spec merely does not allow it.

        `states`: with the states that are possible.
        """
        duty = None if rule is None else self._world.duties[rule]
        blamed = fault.actors if duty is None or duty.actor is None else (duty.actor,)
        return Finding(
            rule=None if duty is None else duty.id,
            verdict="inconclusive" if suspicion else "violated",
            sentence="" if duty is None else duty.sentence,
            actor=blamed[0] if len(blamed) == 1 else None,
            candidates=blamed if len(blamed) > 1 else (),
            line=site.line,
            resource=site.resource,
            time_us=site.time_us,
            event=site.text,
            possible=self.possible(unit, follower) if states else (),
            unmet=shortened(fault.unmet),
            repair=fault.repair,
            edits=fault.edits,
        )

    def unmet(self, unit: Unit, follower: Follower, positions: Sequence[int]) -> tuple[str, ...]:
        """What each of the transitions lacked, the nearest miss first."""
        states = self.states(follower)
        told = unmet_conditions(self._world.ground, states, positions, promises=False)
        return tuple(dict.fromkeys(self.named(unit, text) for text in told))

    def missed(self, unit: Unit, follower: Follower) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The steps that were due where time could not pass, and who owed them."""
        unmet: dict[str, None] = {}
        owners: dict[str, None] = {}
        node, sets = follower.node, self._engine.sets
        items = self._sample(follower)
        # Where a hidden step can still be taken the deadline may be met by it.
        waiting = [item for item in items if not sets.may_go_on(item, node)] or items
        for item in waiting:
            for deadline in sets.expired(item, node):
                owners[deadline.owner] = None
                asked = self._asked(unit, self._state(item, follower), deadline)
                at = clock_time(follower.now)
                unmet[f"{asked} was due at {at}, and nothing happened"] = None
        return tuple(unmet), tuple(owners)

    def _asked(self, unit: Unit, state: State, deadline: GroundDeadline) -> str:
        labels = due_steps(self._world.ground, self._world.steps, state, deadline)
        asked = " or ".join(f"{label.short} of {self.res(unit, label)}" for label in labels)
        name = instance_name(deadline.name, deadline.index)
        return asked or self.named(unit, f"a step of {deadline.owner} (deadline {name})")

    def res(self, unit: Unit, label: Label) -> str:
        """The name of the label's instance in the recording."""
        instance = instance_name(label.machine, label.index)
        if self._engine.alone and label.machine == self._world.family and unit.name is not None:
            return unit.name
        return self._names.get(instance, instance)

    def label(self, unit: Unit, label: Label) -> str:
        """A label with its instance, in the words of the spec."""
        if self._engine.alone and label.machine == self._world.family and unit.instance is not None:
            return f"{unit.instance}: {label.short}"
        return self.named(unit, str(label))

    # ---- repairs -------------------------------------------------------------------------------
    def ways(self, unit: Unit, found: Alignment) -> tuple[str, ...]:
        """The cheapest repairs, each in a line."""
        texts = ("; ".join(self._edit(unit, edit) for edit in way) for way in found.ways)
        return tuple(dict.fromkeys(texts))[:MAX_REPAIRS]

    def _edit(self, unit: Unit, edit: Edit) -> str:
        line = f"line {edit.line}"
        match edit.kind:
            case "drop":
                return f"drop {line}"
            case "insert":
                assert edit.label is not None
                return f"insert {_when(edit)}before {line}: {self.label(unit, edit.label)}"
            case "change":
                assert edit.label is not None
                if edit.somebody:
                    return f"{line}: {edit.label.short} of another {edit.label.machine} instead"
                name = self.label(unit, edit.label) if edit.elsewhere else edit.label.short
                return f"{line}: {name} instead"
            case "exchange":
                return f"exchange {line} and line {edit.other}"
            case "move":
                return f"move {line} before line {edit.other}"
            case "time":
                onward = f"{line} and all after it" if edit.onward else line
                which = "earlier" if edit.off < 0 else "later"
                return f"{onward} {elapsed_text(abs(edit.off))} {which}"
            case "id":
                return f"{line} with the id of the call"
            case _:
                assert_never(edit.kind)


def _when(edit: Edit) -> str:
    """How long before its line an event is to be inserted."""
    if edit.off >= 0 or edit.time is None:
        return ""
    return f"at {clock_time(edit.time)}, {elapsed_text(-edit.off)} "


def shortened(texts: Sequence[str]) -> tuple[str, ...]:
    """At most MAX_LISTED texts, and how many there are beside them."""
    if len(texts) <= MAX_LISTED:
        return tuple(texts)
    return (*texts[:MAX_LISTED], f"… and {len(texts) - MAX_LISTED} more")
