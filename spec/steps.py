"""State charts to transitions: every way to take a step, with its condition and its changes.

Owns synchronisation, what comes first in a lane, chained calls and what is absorbed (SEMANTICS
sections 1 and 2). Knows nothing of how the chart was read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from rhscheck.spec import syntax as s
from rhscheck.spec.chart import (
    NOBODY,
    Candidate,
    Chained,
    Chart,
    Partner,
    Polling,
    context_of,
    event_text,
    params_of,
)
from rhscheck.spec.effects import (
    Effects,
    last_wins,
    wiped,
)
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    ClockCmp,
    Expr,
    Index,
    Lit,
    Ref,
    Same,
    conj,
    member,
    neg,
    rename,
)
from rhscheck.spec.names import (
    Machine,
    Symbols,
)
from rhscheck.spec.system import (
    CALL_EXPIRED,
    CALL_IDLE,
    CALL_RUNNING,
    SELF,
    Label,
    Param,
    Reset,
    Transition,
    Update,
)
from rhscheck.spec.terms import (
    Terms,
)


class Steps:
    """The transitions of all machines."""

    def __init__(self, symbols: Symbols, terms: Terms, effects: Effects) -> None:
        self.symbols = symbols
        self.problems = symbols.problems
        self.terms = terms
        self.effects = effects
        self.charts = effects.charts

    def transitions(self, chart: Chart) -> Iterator[Transition]:
        """Every transition of a machine, in source order, defaults last."""
        machine = chart.machine
        index = context_of(machine).index
        order = sorted(
            range(len(chart.candidates)),
            key=lambda at: (chart.candidates[at].rank == 2, chart.candidates[at].span.start),
        )
        for at in order:
            candidate = chart.candidates[at]
            if candidate.kind == "sync":
                continue  # taken together with the step that it synchronises with
            yield from self._outcomes(chart, candidate, chart.owed.get(at))
        for chained in chart.chained:
            updates = (
                Update(chained.flag, index, FALSE),
                Update(machine.call(chained.entry), index, Lit(CALL_RUNNING)),
            )
            yield Transition(
                f"{machine.name} then call {chained.entry} {chained.node.path}",
                Label("call", machine.name, chained.entry, None, index), self.symbols.host(),
                params_of(machine), chained.ready, updates,
                tuple(dict.fromkeys(self.effects.restarted(chart, self._as_call(chained)))),
                span=chained.span,
            )  # fmt: skip
        yield from self._absorbed(chart)

    def _as_call(self, chained: Chained) -> Candidate:
        return Candidate(
            chained.node, "call", chained.entry, None, self.symbols.host(), TRUE, TRUE, None,
            chained.span,
        )  # fmt: skip

    def _outcomes(
        self, chart: Chart, candidate: Candidate, chained: Chained | None
    ) -> Iterator[Transition]:
        """One transition for each target, value of `any` and partner in synchronisation."""
        machine = chart.machine
        index = context_of(machine).index
        guard = conj((
            candidate.exclusive, chart.requires, candidate.base, candidate.when,
            self.precedence(chart, candidate),
        ))  # fmt: skip
        updates = list(candidate.updates)
        label_kind = candidate.kind
        if candidate.kind == "expiry":
            call = Ref(machine.call(candidate.name), index)
            entry = machine.entries[candidate.name]
            assert entry.timeout is not None  # candidates exist for entries with a time-out only
            guard = conj((
                guard, member(call, (CALL_RUNNING,)),
                ClockCmp(machine.call_clock(candidate.name), index, ">=", entry.timeout),
            ))  # fmt: skip
            updates.append(Update(call.name, index, Lit(CALL_EXPIRED)))
        if chained is not None:
            updates.append(Update(chained.flag, index, TRUE))
        label = Label(label_kind, machine.name, candidate.name, candidate.value, index)  # type: ignore[arg-type]
        choices = self.effects.choices(chart, candidate)
        targets = self.effects.targets(chart, candidate)
        resets = self.effects.restarted(chart, candidate)
        wipes, machines = self.effects.wipes(chart, candidate)
        self.effects.check_once(candidate)
        outcomes = len(targets) * len(choices) * len(candidate.partners)
        for number, (target, choice, partner) in enumerate(
            itertools.product(targets, choices, candidate.partners)
        ):
            params, values = choice
            moved, entered = self.effects.move(chart, candidate.node, target, chained)
            self.effects.check_both(candidate, values, partner)
            everything = [*updates, *moved, *partner.updates, *values, *partner.written]
            yield Transition(
                f"{machine.name} {candidate.node.path} {event_text(candidate)}"
                + (f" #{number + 1}" if outcomes > 1 else ""),
                label, candidate.actor,
                (*params_of(machine), *partner.params, *params),
                conj((guard, partner.guard)),
                wiped(list(last_wins(everything)), [*wipes, *partner.wipes]),
                tuple(dict.fromkeys([*resets, *entered, *partner.resets])),
                (*machines, *partner.machines), candidate.expires,
                unhandled=candidate.unhandled,
                absorbed=candidate.kind == "expiry" and candidate.handler is None,
                also=partner.labels, span=candidate.span,
            )  # fmt: skip

    def _absorbed(self, chart: Chart) -> Iterator[Transition]:
        """Returns and callbacks while what the instance requires does not hold."""
        if chart.requires == TRUE:
            return
        machine = chart.machine
        index = context_of(machine).index
        down = neg(chart.requires)
        for entry in machine.entries.values():
            call = Ref(machine.call(entry.name), index)
            for result in entry.results:
                yield Transition(
                    f"{machine.name} absorbed return {entry.name}({result})",
                    Label("return", machine.name, entry.name, result, index), entry.actor,
                    params_of(machine), conj((down, neg(member(call, (CALL_IDLE,))))),
                    (Update(call.name, index, Lit(CALL_IDLE)),), absorbed=True, span=entry.span,
                )  # fmt: skip
        for callback in machine.callbacks.values():
            condition = self.callback_condition(machine, callback.condition)
            for argument in callback.arguments or (None,):
                yield Transition(
                    f"{machine.name} absorbed {callback.name}({argument})",
                    Label("callback", machine.name, callback.name, argument, index), callback.actor,
                    params_of(machine), conj((down, condition)), absorbed=True,
                    span=callback.span,
                )  # fmt: skip

    def callback_condition(self, machine: Machine, condition: s.Expression | None) -> Expr:
        """When a callback may come at all."""
        if condition is None:
            return TRUE
        return self.terms.condition(condition, context_of(machine))

    def precedence(self, chart: Chart, candidate: Candidate) -> Expr:
        """A chained call, then a due `every`, take a freed lane before any other caller."""
        if candidate.kind != "call":
            return TRUE
        lanes = [lane for lane in chart.machine.lanes.values() if candidate.name in lane.members]
        rivals = {name for lane in lanes for name in lane.members}
        first = [c.ready for c in chart.chained if c.entry in rivals]
        if candidate.handler is not None:
            first += [self.poll_ready(chart, p) for p in chart.polling if p.entry in rivals]
        return conj([neg(ready) for ready in first])

    def poll_ready(self, chart: Chart, polling: Polling) -> Expr:
        """A due `every` can start now."""
        lanes = [lane for lane in chart.machine.lanes.values() if polling.entry in lane.members]
        rivals = {name for lane in lanes for name in lane.members}
        return conj((
            polling.ready, *(neg(c.ready) for c in chart.chained if c.entry in rivals),
        ))  # fmt: skip

    def partners(self, chart: Chart, candidate: Candidate) -> tuple[Partner, ...]:
        """Every way to find and take the transition that a handler synchronises with."""
        path = candidate.clauses.sync
        if path is None or candidate.kind == "sync":
            return NOBODY
        context = context_of(chart.machine, candidate.node)
        machine, index, rest, bound = self.terms.partner(path, context)
        event = ".".join(rest)
        if machine is None or (machine is chart.machine and not bound):
            owners = [m for m in self.symbols.machines.values() if event in m.events]
            machine = owners[0] if len(owners) == 1 and owners[0].family is None else None
            index = None
        peer = None if machine is None else self.charts[machine.name]
        handlers = [] if peer is None else [
            (at, c) for at, c in enumerate(peer.candidates) if c.kind == "sync" and c.name == event
        ]  # fmt: skip
        if peer is None or not handlers:
            known = [
                f"{name}.{c.name}" for name, ch in self.charts.items() for c in ch.candidates
                if c.kind == "sync" and ch is not chart
            ]  # fmt: skip
            self.problems.unknown("event to synchronise with", str(path), known, path.span)
            return NOBODY
        self.symbols.use("event", f"{peer.machine.name}.{event}")
        own = peer.machine.family is not None
        binding: dict[str, Index] = {SELF: index} if own else {}
        links = [condition for _, _, condition in bound]
        if peer is chart and own:
            links.append(neg(Same(SELF, index)))  # nobody is its own partner
        params = tuple(Param(name, family) for name, family, _ in bound)
        label = Label("event", peer.machine.name, event, None, index if own else None)
        found: list[Partner] = []
        for at, handler in handlers:
            condition = conj((handler.exclusive, peer.requires, handler.base, handler.when))
            guard = conj((*links, rename(condition, binding)))
            chained = peer.owed.get(at)
            flags = () if chained is None else (Update(chained.flag, SELF if own else None, TRUE),)
            wipes, machines = self.effects.wipes(peer, handler)
            for target, choice in itertools.product(
                self.effects.targets(peer, handler), self.effects.choices(peer, handler)
            ):
                moved, entered = self.effects.move(peer, handler.node, target, chained)
                found.append(
                    Partner(
                        guard, (*params, *choice[0]),
                        tuple(_rebound(u, binding) for u in (*flags, *moved)),
                        tuple(_rebound(u, binding) for u in choice[1]),
                        tuple(replace(w, where=rename(w.where, binding)) for w in wipes),
                        tuple(Reset(r.clock, _renamed(r.index, binding))
                              for r in (*entered, *self.effects.restarted(peer, handler))),
                        tuple((name, rename(which, binding)) for name, which in machines),
                        (label,),
                    )
                )  # fmt: skip
        return tuple(found)


def _renamed(index: Index, binding: dict[str, Index]) -> Index:
    return binding.get(index, index) if isinstance(index, str) else index


def _rebound(update: Update, binding: dict[str, Index]) -> Update:
    return replace(
        update, index=_renamed(update.index, binding), value=rename(update.value, binding)
    )
