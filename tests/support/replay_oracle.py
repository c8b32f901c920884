"""A brute-force replayer: every state of all instances together, step by step, nothing remembered.

The second opinion behind the scorecard of the replayer. It shares with it the definitions in
`spec` (what a step is, what a rule says of it) and not a line of `traces` but the format; it is
slow, knows exact times and complete recordings only, and stops at the first thing that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rhscheck.spec.expr import TRUE, ClockCmp, Lit, walk
from rhscheck.spec.ground import GroundTransition, ground
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import State, delay_bound, elapse, evaluate, fire, initial_states
from rhscheck.spec.system import SELF, Can, LeadsTo, Param, Rule, System, Transition, Update
from rhscheck.traces.format import (
    CallEvent,
    Event,
    NamedEvent,
    ReturnEvent,
    StatusEvent,
    TimeoutEvent,
)

FORCED = "!"
Where = tuple[State, frozenset[str]]


@dataclass(frozen=True)
class Wrong:
    """The first event (its number from 0) that is wrong, and the rules broken by it for sure."""

    at: int
    rules: frozenset[str]
    refused: bool


class Oracle:
    """Judges runs of `n` instances of `system`."""

    def __init__(self, system: System, n: int) -> None:
        refuted = {one.rule for one in system.expectations if one.verdict == "violated"}
        rules = [
            rule
            for rule in system.rules
            if not isinstance(rule.obligation, Can | LeadsTo) and rule.base not in refuted
        ]
        rules += [
            Rule(one.id, one.id, one.sentence, "never", one.params, one.obligation)
            for one in system.assumptions
        ]
        forced = []
        for entry in system.entries:
            for kind, value in (("call", 1), ("return", 0), ("expiry", 2)):
                like = [
                    t
                    for t in system.transitions
                    if (t.label.kind, t.label.name) == (kind, entry.name)
                ]
                for label in dict.fromkeys(replace(t.label, index=SELF) for t in like):
                    update = Update(f"{entry.machine}.call.{entry.name}", SELF, Lit(value))
                    mine = (Param(SELF, entry.machine),)
                    forced.append(Transition(f"{FORCED}{label}", label, "", mine, TRUE, (update,)))
        with_forced = replace(system, transitions=(*system.transitions, *forced))
        woven = weave(with_forced, rules, ())
        self.ground = ground(woven.system, n)
        self.bad = {name: self.ground.expand(bad, {}) for name, bad in woven.bad.items()}
        codes = {"success": 0, "pending": 997}
        self.results = {
            one.name: {codes[result]: result for result in one.results if result in codes}
            for one in system.entries
        }
        self.hidden = [t for t in self.ground.transitions if t.label.kind == "due"]
        self.at = {id(t): position for position, t in enumerate(self.ground.transitions)}
        exprs = [t.guard for t in self.ground.transitions] + list(self.bad.values())
        compared = [node for expr in exprs for node in walk(expr) if isinstance(node, ClockCmp)]
        clock_of = self.ground.clock_of
        self.stops = {(clock_of[(c.clock, c.index)], c.bound) for c in compared}  # type: ignore[index]
        self.stops |= {(d.clock, d.bound) for d in self.ground.deadlines if d.clock is not None}

    def judged(self, state: State, broken: frozenset[str]) -> Where:
        new = [
            n
            for n, bad in self.bad.items()
            if n not in broken and evaluate(bad, self.ground, state)
        ]
        return state, broken.union(new)

    def taken(self, where: Sequence[Where], steps: Sequence[GroundTransition]) -> list[Where]:
        return list(
            dict.fromkeys(
                self.judged(fire(self.ground, state, self.at[id(step)]), broken)
                for state, broken in where
                for step in steps
                if evaluate(step.guard, self.ground, state)
            )
        )

    def later(self, where: Sequence[Where], left: Fraction) -> list[Where]:
        """The states `left` units on; hidden steps wherever they are possible."""
        work = [(one, left, False) for one in where]
        seen, found = set(work), []
        while work:
            (state, broken), rest, between = work.pop()
            onward = [(one, rest, between) for one in self.taken([(state, broken)], self.hidden)]
            if rest == 0:
                found.append((state, broken))
            else:
                ahead = [
                    b - state.clocks[c] for c, b in self.stops if 0 < b - state.clocks[c] < rest
                ]
                pause = Fraction(min([*ahead, rest]), 1 if between else 2)
                if delay_bound(self.ground, state).allows(pause):
                    after = self.judged(elapse(self.ground, state, pause), broken)
                    onward.append((after, rest - pause, not between))
            fresh = [one for one in onward if one not in seen]
            seen.update(fresh)
            work += fresh
        return list(dict.fromkeys(found))

    def means(self, event: Event) -> list[GroundTransition]:
        """The steps, forced ones too, that the event may be."""
        wanted: tuple[tuple[str, str], ...]
        value: str | None = None
        match event:
            case CallEvent(op=op):
                wanted = (("call", op),)
            case ReturnEvent(op=op, rc=rc):
                wanted, value = (("return", op),), self.results[op].get(rc, "failure")
            case StatusEvent(op=op, state=value):
                wanted = (("callback", op),)
            case TimeoutEvent(op=op):
                wanted = (("expiry", op), ("timer", op))
            case NamedEvent(name=name):
                wanted = (("event", name),)
            case _:
                raise AssertionError(event)
        return [
            step
            for step in self.ground.transitions
            if (step.label.kind, step.label.name) in wanted
            and step.label.value == value
            and event.res in (step.label.machine, f"{step.label.machine}[{step.label.index}]")
            and (step.label.index is None) == (event.res == step.label.machine)
        ]

    def judge(self, events: Sequence[Event]) -> Wrong | None:
        """The first wrong event of a run that begins with the recording at time 0."""
        where = [self.judged(state, frozenset()) for state in initial_states(self.ground)]
        now = 0
        for at, event in enumerate(events):
            assert event.ts is not None
            waited = self.later(where, Fraction(event.ts - now, self.ground.system.unit_us))
            now = event.ts
            steps = self.means(event)
            legal = [step for step in steps if not step.template.key.startswith(FORCED)]
            where = self.taken(waited, legal)
            if not where:
                others = [step for step in steps if step not in legal]
                after = self.taken(waited, others) if others else waited
                sure = frozenset.intersection(*(b for _, b in after)) if after else frozenset()
                return Wrong(at, sure, refused=True)
            sure = frozenset.intersection(*(broken for _, broken in where))
            if sure:
                return Wrong(at, sure, refused=False)
        return None
