"""The named predicates of the language: `in`, `inflight`, `free`, `start`, `return`, `reset` …

Owns the meaning of each. Knows nothing of types and connectives (`spec.terms`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    Expr,
    Happens,
    Index,
    Post,
    Ref,
    StepKind,
    conj,
    disj,
    ite,
    member,
    neg,
)
from rhscheck.spec.names import Machine, find_state_parts
from rhscheck.spec.system import CALL_EXPIRED, CALL_IDLE, CALL_RUNNING
from rhscheck.spec.term_types import Context

if TYPE_CHECKING:
    from rhscheck.spec.terms import Terms


class Predicates:
    """Elaborates atoms; `terms` elaborates what stands inside them."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.symbols = terms.symbols
        self.problems = terms.problems

    def atom(self, node: s.Atom, context: Context) -> Expr:
        """The meaning of a predicate; errors are reported and yield a harmless value."""
        match node.kind:
            case "in":
                return disj([self._in(path, context) for path in node.paths])
            case "enter":
                inside = disj([self._in(path, context) for path in node.paths])
                return self._step(node, context, conj((neg(inside), Post(inside))))
            case "leave":
                inside = disj([self._in(path, context) for path in node.paths])
                return self._step(node, context, conj((inside, neg(Post(inside)))))
            case "inflight":
                return disj(
                    [self._call(p, context, (CALL_RUNNING, CALL_EXPIRED)) for p in node.paths]
                )
            case "expired":
                return disj([self._call(path, context, (CALL_EXPIRED,)) for path in node.paths])
            case "due" | "owed":
                return self._waiting(node, context)
            case "free":
                return conj([self._free(path, context) for path in node.paths])
            case "quiet":
                return self._quiet(node, context)
            case "start":
                return self._step(
                    node,
                    context,
                    disj([self._happens("call", p, (None,), context) for p in node.paths]),
                )
            case "timeout":
                return self._step(
                    node,
                    context,
                    disj([self._happens("expiry", p, (None,), context) for p in node.paths]),
                )
            case "return":
                results = self._results(node, context)
                return self._step(
                    node,
                    context,
                    disj([self._happens("return", p, results, context) for p in node.paths]),
                )
            case "callback":
                return self._step(node, context, self._callback(node, context))
            case "event" | "timer":
                return self._step(node, context, self._named(node, context))
            case "reset":
                return self._step(node, context, self._reset(node, context))
            case _:
                assert_never(node.kind)

    def _step(self, node: s.Atom, context: Context, expr: Expr) -> Expr:
        if context.steps:
            return expr
        self.problems.error(
            Code.NOT_BOOLEAN_STEP, f"`{node.kind}` speaks of a step and cannot stand here",
            node.span, "use a condition on the state, such as `in S` or `inflight(X)`",
        )  # fmt: skip
        return TRUE

    def _in(self, path: s.Path, context: Context) -> Expr:
        machine, index, rest = self.terms.subject(path, context, whole=True)
        if machine is None:
            self.terms.missing_owner(path)
            return TRUE
        scope = context.scope if machine is context.machine else None
        node = find_state_parts(self.symbols, machine, rest, path.span, scope)
        if node is None:
            return TRUE
        if len(node.leaves) == len(machine.leaves):
            return TRUE
        return member(Ref(machine.location, index), node.leaves)

    def _entry(self, path: s.Path, context: Context) -> tuple[Machine, Index, str] | None:
        machine, index, rest = self.terms.subject(path, context, whole=True)
        name = ".".join(rest)
        if machine is None:
            self.terms.missing_owner(path)
            return None
        if name not in machine.entries:
            if name in self.symbols.entries:
                self.problems.error(
                    Code.UNKNOWN_NAME, f"machine {machine.name} never calls `{name}`", path.span,
                    f"add `by ACTOR: call {name}` to {machine.name}, or leave this out",
                )  # fmt: skip
            else:
                self.problems.unknown("entry", name, self.symbols.entries, path.span)
            return None
        self.symbols.use("entry", name)
        return (machine, index, name)

    def _call(self, path: s.Path, context: Context, values: tuple[int, ...]) -> Expr:
        entry = self._entry(path, context)
        if entry is None:
            return FALSE
        machine, index, name = entry
        return member(Ref(machine.call(name), index), values)

    def _waiting(self, node: s.Atom, context: Context) -> Expr:
        """`due(X)`: an `every` of X is due; `owed(X)`: a chained call of X has not started yet."""
        parts: list[Expr] = []
        for path in node.paths:
            entry = self._entry(path, context)
            if entry is None:
                continue
            machine, index, name = entry
            flags = machine.due if node.kind == "due" else machine.owed
            if name not in flags:
                form = "every … call" if node.kind == "due" else "then call"
                self.problems.warning(
                    Code.NEVER_FIRES,
                    f"`{node.kind}({name})` never holds: machine {machine.name} has no"
                    f" `{form} {name}`",
                    node.span,
                    f"a poll is declared by `every TIME by ACTOR: call {name}`"
                    if node.kind == "due"
                    else "`owed` can be used in rules only",
                )
            parts += [Ref(flag, index) for flag in flags.get(name, ())]
        return disj(parts)

    def _free(self, path: s.Path, context: Context) -> Expr:
        machine, index, rest = self.terms.subject(path, context, whole=True)
        if machine is None:
            self.terms.missing_owner(path)
            return TRUE
        lane = machine.lanes.get(".".join(rest))
        if lane is None:
            known = machine.lanes
            where = f" in machine {machine.name}"
            self.problems.unknown("lane", ".".join(rest), known, path.span, where)
            return TRUE
        self.symbols.use("lane", f"{machine.name}.{'.'.join(rest)}")
        return self.lane_free(machine, index, lane.members, lane.decl.holds_expired)

    def lane_free(
        self, machine: Machine, index: Index, members: tuple[str, ...], holds: s.Expression | None
    ) -> Expr:
        """No member of a lane is in flight; expired calls count where the lane holds them."""
        keeps = FALSE if holds is None else self.terms.condition(holds, Context(machine, index))
        parts: list[Expr] = []
        for name in members:
            if name in machine.entries:
                call = Ref(machine.call(name), index)
                busy_while = ite(
                    keeps, member(call, (CALL_IDLE,)), neg(member(call, (CALL_RUNNING,)))
                )
                parts.append(busy_while)
        return conj(parts)

    def _quiet(self, node: s.Atom, context: Context) -> Expr:
        machine, index = context.machine, context.index
        if node.paths:
            path = node.paths[0]
            machine, index, rest = self.terms.subject(
                s.Path((*path.parts, ""), path.span), context, False
            )
            if rest != ("",):
                machine = None
        if machine is None:
            self.terms.missing_owner(s.Path(("quiet",), node.span))
            return TRUE
        return conj(
            [member(Ref(machine.call(name), index), (CALL_IDLE,)) for name in machine.entries]
        )

    def _results(self, node: s.Atom, context: Context) -> tuple[str | None, ...]:
        if node.results is None:
            return (None,)
        for path in node.paths:
            name = path.parts[-1]
            entry = self.symbols.entries.get(name)
            for result in node.results:
                if entry is not None and result not in entry.results:
                    self.problems.unknown(f"result of {name}", result, entry.results, node.span)
        return node.results

    def _happens(
        self, kind: StepKind, path: s.Path, values: tuple[str | None, ...], context: Context
    ) -> Expr:
        entry = self._entry(path, context)
        if entry is None:
            return FALSE
        _, index, name = entry
        return disj(
            [Happens(kind, name, value, self._label_index(entry[0], index)) for value in values]
        )

    def _label_index(self, machine: Machine, index: Index) -> Index:
        return index if machine.family is not None else None

    def _callback(self, node: s.Atom, context: Context) -> Expr:
        path = node.paths[0]
        machine, index, rest = self.terms.subject(path, context, whole=True)
        name = ".".join(rest)
        if machine is None:
            self.terms.missing_owner(path)
            return FALSE
        callback = machine.callbacks.get(name)
        if callback is None:
            self.problems.unknown("callback", name, self.symbols.callbacks, path.span)
            return FALSE
        self.symbols.use("callback", name)
        for value in node.results or ():
            if value not in callback.arguments:
                self.problems.unknown(f"argument of {name}", value, callback.arguments, node.span)
        values: tuple[str | None, ...] = node.results or (None,)
        label_index = self._label_index(machine, index)
        return disj([Happens("callback", name, value, label_index) for value in values])

    def _named(self, node: s.Atom, context: Context) -> Expr:
        path = node.paths[0]
        machine, index, rest = self.terms.subject(path, context, whole=True)
        name = ".".join(rest)
        if machine is None or (name not in machine.events and name not in machine.timers):
            owners = [
                m for m in self.symbols.machines.values() if name in m.events or name in m.timers
            ]
            if len(rest) == 1 and len(owners) == 1 and owners[0].family is None:
                machine, index = owners[0], None
            else:
                if machine is None and owners:
                    self.terms.missing_owner(path, owners[0])
                    return FALSE
                known = [n for m in self.symbols.machines.values() for n in (*m.events, *m.timers)]
                self.problems.unknown("event", str(path), known, path.span)
                return FALSE
        kind: StepKind = "timer" if name in machine.timers else "event"
        self.symbols.use("event", f"{machine.name}.{name}")
        return Happens(kind, name, None, self._label_index(machine, index))

    def _reset(self, node: s.Atom, context: Context) -> Expr:
        machine, index = context.machine, context.index
        if node.paths:
            bound = context.bound.get(str(node.paths[0]))
            machine, index = bound if bound is not None else (None, None)
        if machine is None:
            self.terms.missing_owner(s.Path(("reset",), node.span))
            return FALSE
        return Happens("reset", machine.name, None, index)
