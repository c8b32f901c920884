"""A brute-force replayer: every state of all instances together, step by step, exact times.

The second opinion behind the scorecard of the replayer. It shares with it the definitions in
`spec` (what a step is, what a rule says of it) and not a line of `traces` but the format; it is
slow, knows exact times and complete recordings only, and stops at the first thing that is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import msgspec

from rhscheck.spec import system as model
from rhscheck.spec.expr import TRUE, ClockCmp, Lit, walk
from rhscheck.spec.ground import GroundTransition, ground
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import State, delay_bound, elapse, evaluate, fire, initial_states
from rhscheck.traces import format as wire

FORCED = "!"
CODES = {0: "success", 997: "pending"}
RUNNING = {"call": 1, "return": 0, "expiry": 2}  # whether a call runs, after a line of this kind
Where = tuple[State, frozenset[str]]


@dataclass(frozen=True)
class Wrong:
    """The first event (its number from 0) that is wrong, and the rules broken by it for sure."""

    at: int
    rules: frozenset[str]


def forced_steps(system: model.System) -> list[model.Transition]:
    """For everything that a line may tell a step that is always possible: only calls are noted."""
    calls = {(entry.machine, entry.name) for entry in system.entries}
    labels = [one.label for one in system.transitions if one.label.kind != "due"]
    found = []
    for label in dict.fromkeys(replace(one, index=one.index and model.SELF) for one in labels):
        effect: tuple[model.Update, ...] = ()
        if (label.machine, label.name) in calls and label.kind in RUNNING:
            update = f"{label.machine}.call.{label.name}"
            effect = (model.Update(update, model.SELF, Lit(RUNNING[label.kind])),)
        mine = (model.Param(model.SELF, label.machine),) if label.index else ()
        found.append(model.Transition(f"{FORCED}{label}", label, "", mine, TRUE, effect))
    return found


class Oracle:
    """Judges runs of `n` instances of `system`; `names`: what a recording calls instances."""

    def __init__(
        self, system: model.System, n: int, names: Mapping[str, str] | None = None
    ) -> None:
        refuted = {one.rule for one in system.expectations if one.verdict == "violated"}
        rules = [one for one in system.rules if one.base not in refuted]
        rules = [one for one in rules if not isinstance(one.obligation, model.Can | model.LeadsTo)]
        rules += [
            model.Rule(one.id, one.id, one.sentence, "never", one.params, one.obligation)
            for one in system.assumptions
        ]
        self.results = {entry.name: entry.results for entry in system.entries}
        steps = (*system.transitions, *forced_steps(system))
        woven = weave(replace(system, transitions=steps), rules, ())
        self.names = names or {}
        self.ground = ground(woven.system, n)
        self.bad = {name: self.ground.expand(bad, {}) for name, bad in woven.bad.items()}
        self.hidden = [t for t in self.ground.transitions if t.label.kind == "due"]
        self.at = {id(t): position for position, t in enumerate(self.ground.transitions)}
        exprs = [t.guard for t in self.ground.transitions] + list(self.bad.values())
        compared = [node for expr in exprs for node in walk(expr) if isinstance(node, ClockCmp)]
        clock_of = self.ground.clock_of
        self.stops = {(clock_of[(c.clock, c.index)], c.bound) for c in compared}  # type: ignore[index]
        self.stops |= {(d.clock, d.bound) for d in self.ground.deadlines if d.clock is not None}
        self.walk: list[tuple[wire.Event, list[Where], int, dict[object, object]]] = []

    def judged(self, state: State, broken: frozenset[str]) -> Where:
        bad = [name for name, one in self.bad.items() if evaluate(one, self.ground, state)]
        return state, broken.union(bad)

    def taken(self, where: Sequence[Where], steps: Sequence[GroundTransition]) -> list[Where]:
        after = (
            self.judged(fire(self.ground, state, self.at[id(step)]), broken)
            for state, broken in where
            for step in steps
            if evaluate(step.guard, self.ground, state)
        )
        return list(dict.fromkeys(after))

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
                ages = ((b - state.clocks[c]) for c, b in self.stops)
                pause = Fraction(min([*(age for age in ages if 0 < age < rest), rest]), 2 - between)
                if delay_bound(self.ground, state).allows(pause):
                    after = self.judged(elapse(self.ground, state, pause), broken)
                    onward.append((after, rest - pause, not between))
            fresh = [one for one in onward if one not in seen]
            seen.update(fresh)
            work += fresh
        return list(dict.fromkeys(found))

    def means(self, event: wire.Event) -> list[GroundTransition]:
        """The steps, forced ones too, that the event may be."""
        value: str | None = None
        match event:
            case wire.CallEvent(op=op):
                wanted: tuple[tuple[str, str], ...] = (("call", op),)
            case wire.ReturnEvent(op=op, rc=rc):
                wanted, value = (("return", op),), CODES.get(rc, "")
                value = value if value in self.results.get(op, ()) else "failure"
            case wire.StatusEvent(op=op, state=value):
                wanted = (("callback", op),)
            case wire.TimeoutEvent(op=op):
                wanted = (("expiry", op), ("timer", op))
            case wire.NamedEvent(name=name):
                wanted = (("event", name),)
            case _:
                raise AssertionError(event)
        res = self.names.get(event.res or "", event.res)
        return [
            step
            for step in self.ground.transitions
            for one in (step.label,)
            if (one.kind, one.name) in wanted and one.value == value
            if res == (one.machine if one.index is None else f"{one.machine}[{one.index}]")
        ]

    def judge(self, events: Sequence[wire.Event], *, keep: bool = False) -> Wrong | None:
        """The first wrong event of a run that begins with the recording at time 0.

        `keep`: runs judged later go on from where they begin to differ from this one.
        """
        pairs = zip(self.walk, events, strict=False)
        alike = [one[0] == msgspec.structs.replace(event, seq=0) for one, event in pairs]
        walk = self.walk[: [*alike, False].index(False)]
        where = [self.judged(state, frozenset()) for state in initial_states(self.ground)]
        _, where, now, ids = walk[-1] if walk else (None, where, 0, {})
        for at, event in list(enumerate(events))[len(walk) :]:
            if event.ts is None or event.ts < now:
                return Wrong(at, frozenset())
            waited = self.later(where, Fraction(event.ts - now, self.ground.system.unit_us))
            now, steps, ids = event.ts, self.means(event), {**ids}
            call, cid = (event.res, getattr(event, "op", "")), getattr(event, "cid", None)
            known = ids.get(call) if not isinstance(event, wire.CallEvent) else None
            foreign = None not in (cid, known) and cid != known
            ids[call] = cid
            legal = [] if foreign else [one for one in steps if one.template.key[0] != FORCED]
            where = self.taken(waited, legal)
            if not where:
                others = [one for one in steps if one.template.key[0] == FORCED]
                waited = self.taken(waited, others) if others else waited
            sure = [broken for _, broken in where or waited]
            rules = frozenset.intersection(*sure) if sure else frozenset()
            if rules or not where:
                return Wrong(at, rules)
            walk.append((msgspec.structs.replace(event, seq=0), where, now, ids))
        self.walk = walk if keep else self.walk
        return None
