"""What happened in a run, step by step and in words.

Owns the choice of what is worth telling: which instances take part, what a step changed beyond what
its label says, which initial values were a choice. Knows neither files nor drawings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.semantics import Run, State, Time, replay_run
from rhscheck.spec.system import CALL_EXPIRED, CALL_RUNNING
from rhscheck.traces.wording import instance_name, part_text, short_name, value_name


@dataclass(frozen=True, slots=True)
class Row:
    """One step: when, what, and the states around it. `transition` None: only time passed."""

    time: Time
    delay: Time
    transition: GroundTransition | None
    before: State
    after: State


def rows_of(ground: Ground, run: Run) -> list[Row]:
    """The steps of `run` with their times. Raises IllegalRun if the semantics does not allow it."""
    states = replay_run(ground, run)
    rows = []
    now: Time = 0
    for step, before, after in zip(run.steps, states, states[1:], strict=False):
        now += step.delay
        transition = None if step.transition is None else ground.transitions[step.transition]
        rows.append(Row(now, step.delay, transition, before, after))
    return rows


def home(transition: GroundTransition) -> str:
    """The instance whose event the step is."""
    return instance_name(transition.label.machine, transition.label.index)


def changed(ground: Ground, row: Row) -> list[int]:
    """The positions of the visible variables that the step changed."""
    return [
        at
        for at, slot in enumerate(ground.slots)
        if slot.variable.role != "observer" and row.before.values[at] != row.after.values[at]
    ]


def involved(ground: Ground, rows: Sequence[Row]) -> list[str]:
    """The instances that do something or change, in the order of the System."""
    acting: dict[str, None] = {}
    for row in rows:
        if row.transition is not None:
            for label in (row.transition.label, *row.transition.also):
                acting[instance_name(label.machine, label.index)] = None
        for at in changed(ground, row):
            slot = ground.slots[at]
            if slot.variable.machine:
                acting[instance_name(slot.variable.machine, slot.index)] = None
    order = dict.fromkeys(
        instance_name(slot.variable.machine, slot.index)
        for slot in ground.slots
        if slot.variable.machine
    )
    return [
        name for name in (*order, *(one for one in acting if one not in order)) if name in acting
    ]


def changes(ground: Ground, row: Row) -> list[str]:
    """What the step changed, in words; what its label says already is left out."""
    own = None if row.transition is None else row.transition.label
    found: dict[str, list[str]] = {}
    for at in changed(ground, row):
        slot = ground.slots[at]
        value = row.after.values[at]
        name = instance_name(slot.variable.machine, slot.index) if slot.variable.machine else ""
        place = "" if own is not None and name == instance_name(own.machine, own.index) else name
        words: str | None
        match slot.variable.role:
            case "call":
                entry = short_name(slot)
                said = own is not None and place == "" and own.name == entry
                if value == CALL_RUNNING:
                    words = None if said else f"{entry} starts"
                elif value == CALL_EXPIRED:
                    words = f"{entry} timed out, still in flight"
                else:
                    words = None if said else f"{entry} is cleared"
            case "due" if own is not None and own.kind == "due":
                words = None
            case "then" | "due":
                words = part_text(slot, value)
            case "location":
                words = f"in {value_name(slot, value)}"
            case "data":
                words = f"{short_name(slot)} = {value_name(slot, value)}"
            case "observer":
                words = None
        if words is not None:
            found.setdefault(place, []).append(words)
    return [
        f"{place + ' ' if place else ''}{', '.join(words)}"
        for place, words in sorted(found.items())
    ]


def chosen(ground: Ground, initial: State, instances: Sequence[str]) -> list[str]:
    """The initial values that were a choice, of what is involved or shared."""
    texts = []
    for at, slot in enumerate(ground.slots):
        machine = slot.variable.machine
        name = instance_name(machine, slot.index) if machine else ""
        free = len(slot.variable.initial) > 1 and slot.variable.role in ("data", "location")
        if free and (not name or name in instances):
            value = value_name(slot, initial.values[at])
            texts.append(f"{name + '.' if name else ''}{short_name(slot)} = {value}")
    return texts
