"""Rules and assumptions woven into a System: obligations about steps become state formulas.

Owns the meaning of every obligation (SEMANTICS section 4) as observers, a condition on steps and a
condition on states. Knows nothing of engines: the result is a System like any other, without
`Happens` and `Post`, and for each rule a closed formula that is to be reached (a violation, or for
`can` the permission).

How formulas are judged. A formula without `Happens` and `Post` speaks of states. In a disjunction
each part is judged by itself: state parts in every state, step parts in steps, where everything
outside `Post` reads the state before the step.

*Before, after.* `seen` is set by the milestone and cleared by a reset of the rule's instance (of
several, the one that the milestone speaks of). The step of the milestone is neither before nor
after it; the state it leads to is after it.

*Within.* `armed` is set by the trigger, and by a state part of the trigger as long as it holds; the
response switches it off, in the same step too. If a state part still holds after a step that was a
response, or with `next` the response is itself a trigger, the time starts anew. A state part of the
response answers whenever it holds. Nothing else switches it off.

*Early.* The time runs from the last trigger; while a state part of the trigger holds, it is 0.

Assumptions restrict the guards of the actor's transitions by what is assumed never to happen; a
response in time becomes the actor's deadline. A transition of another actor that could break one is
an error of the spec (AssumptionError): an assumption must not restrain those it does not name.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from rhscheck.spec.alternatives import assume_atom, clock_atoms, reads_clocks
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    And,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Forall,
    Happens,
    Index,
    Not,
    Or,
    Post,
    Ref,
    conj,
    disj,
    neg,
    rebuild,
    rename,
    same,
    transform,
    walk,
)
from rhscheck.spec.observers import Change, Laid, Moved, Observer, moves, needs_turns
from rhscheck.spec.simplify import Facts, domains, impossible
from rhscheck.spec.stepview import StepView, free_names, initially, speaks_of_steps
from rhscheck.spec.system import (
    Assumption,
    Can,
    Early,
    Label,
    LeadsTo,
    Never,
    NeverAfter,
    NeverBefore,
    Obligation,
    Param,
    Reset,
    Rule,
    System,
    Transition,
    Update,
    Within,
)

__all__ = ["AssumptionError", "Woven", "weave"]


class AssumptionError(Exception):
    """Assumption `assumption` (its id) cannot be built in.

    `transition` is the key of another actor's transition that could break it, None where the
    assumption itself is the problem; `reason` says what is wrong.
    """

    def __init__(self, assumption: str, transition: str | None, reason: str) -> None:
        super().__init__(f"assumption {assumption}: {reason}")
        self.assumption = assumption
        self.transition = transition
        self.reason = reason


class _UnweavableError(Exception):
    """There is no observer for this obligation; the message says why."""


@dataclass(frozen=True, slots=True)
class Woven:
    """`bad`: for each rule id a closed state formula over `system`, to be reached.

    `unwoven`: for rules without such a formula (other than `leads to`, which is no safety
    property) the reason. They have to be reported as unknown.
    """

    system: System
    bad: dict[str, Expr]
    unwoven: dict[str, str] = field(default_factory=dict)


def weave(system: System, rules: Sequence[Rule], assumptions: Sequence[Assumption]) -> Woven:
    """`system` under `assumptions`, with observers for `rules`.

    Transitions that are split for an observer get a suffix after `~` in their key. Raises
    AssumptionError for an assumption that cannot be built in.
    """
    for assumption in assumptions:
        system = _assume(system, assumption)
    loom = _Loom(system)
    bad: dict[str, Expr] = {}
    unwoven: dict[str, str] = {}
    for rule in rules:
        if isinstance(rule.obligation, LeadsTo):
            continue
        try:
            plans = _plans(
                rule.id, rule.id, rule.params, rule.obligation, system, distinct=rule.distinct
            )
            bad[rule.id] = disj(loom.watch(plan) for plan in plans)
        except _UnweavableError as reason:
            unwoven[rule.id] = str(reason)
    return Woven(loom.system(), bad, unwoven)


# ---- obligations as plans ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Plan:
    """One obligation: `observers`; `step` (a step formula) and `state` say when it is broken.

    Both may use the observers' bits; `distinct` says which instances are meant. All names are fresh
    and listed in `families`. `clocked`: the observer (if any) whose time limits are `within` (must
    not be on for longer than so many units) or `early` (`step` and `state` count only for less).
    """

    id: str
    name: str  # what the observers are called after
    params: tuple[Param, ...]
    families: dict[str, str]
    distinct: Expr
    observers: tuple[Observer, ...]
    step: Expr
    state: Expr
    within: int | None = None


class _Names:
    """Fresh names for the parameters and the bound names of one obligation."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.families: dict[str, str] = {}

    def param(self, param: Param) -> Param:
        return Param(self._new(param.name, param.family), param.family)

    def _new(self, name: str, family: str) -> str:
        fresh = f"{name}@{self._prefix}.{len(self.families)}"
        self.families[fresh] = family
        return fresh

    def formula(self, expr: Expr, binding: dict[str, Index]) -> Expr:
        def leaf(node: Expr) -> Expr | None:
            match node:
                case Forall(param, family, body) | Exists(param, family, body):
                    name = self._new(param, family)
                    inner = transform(rename(body, {param: name}), leaf)
                    quantifier = Forall if isinstance(node, Forall) else Exists
                    return rebuild(quantifier(name, family, body), (inner,))
                case _:
                    return None

        return transform(rename(expr, binding), leaf)


def _parts(formula: Expr) -> tuple[Expr, Expr]:
    """(what speaks of states, what speaks of steps); `formula` is their disjunction."""
    if not speaks_of_steps(formula):
        return formula, FALSE
    match formula:
        case Or(args):
            split = [_parts(arg) for arg in args]
            return disj(state for state, _ in split), disj(step for _, step in split)
        case Exists(_, _, body):
            state, step = _parts(body)
            return rebuild(formula, (state,)), rebuild(formula, (step,))
        case _:
            return FALSE, formula


def _remembered(obligation: Obligation) -> tuple[Expr, ...]:
    """The formulas whose past an observer has to remember."""
    match obligation:
        case Never() | Can() | LeadsTo():
            return ()
        case NeverBefore(_, milestone) | NeverAfter(_, milestone):
            return (milestone,)
        case Within(trigger, response, _, _):
            return (trigger, response)
        case Early(_, trigger, _):
            return (trigger,)
        case _:
            assert_never(obligation)


def _plans(
    rule: str,
    tag: str,
    params: tuple[Param, ...],
    obligation: Obligation,
    system: System,
    *,
    distinct: bool = True,
) -> list[_Plan]:
    """The plans of one obligation: one, or one for each instance of small families.

    An observer remembers for at most one instance. Where it would have to for more, parameters of
    families of fixed size are replaced by their numbers.
    """
    remembered = _remembered(obligation)
    used = {free for formula in remembered for free in free_names(formula)}
    relevant = [param for param in params if param.name in used]
    numbered: list[Param] = []
    if len(relevant) > 1:
        numbered = [p for p in relevant if system.family(p.family).size is not None]
        if len(relevant) == len(numbered):
            numbered = numbered[1:]  # one may stay a parameter
        if len(relevant) - len(numbered) > 1:
            raise _UnweavableError(
                "an observer cannot remember pairs of instances: the event to be remembered "
                f"speaks of {' and '.join(param.name for param in relevant)}"
            )
    sizes = [range(1, (system.family(p.family).size or 0) + 1) for p in numbered]
    found = []
    for choice in itertools.product(*sizes):
        names = _Names(rule)
        binding: dict[str, Index] = {
            param.name: number for param, number in zip(numbered, choice, strict=True)
        }
        kept = []
        owner: Param | None = None
        for param in params:
            if param in numbered:
                continue
            fresh = names.param(param)
            binding[param.name] = fresh.name
            kept.append(fresh)
            if len(params) == 1 or param in relevant:
                owner = fresh
        pairs = [
            neg(same(binding[one.name], binding[two.name]))
            for one, two in itertools.combinations(params, 2)
            if distinct and one.family == two.family
        ]
        numbers = "".join(f"[{number}]" for number in choice)
        plan = _Planner(tag + numbers, names, binding, owner).plan(obligation)
        found.append(replace(plan, id=rule, params=tuple(kept), distinct=conj(pairs)))
    return found


class _Planner:
    """Turns one obligation into observers and conditions. `owner`: whose history is remembered."""

    def __init__(
        self, tag: str, names: _Names, binding: dict[str, Index], owner: Param | None
    ) -> None:
        self._tag = tag
        self._names = names
        self._binding = binding
        self._owner = owner

    def plan(self, obligation: Obligation) -> _Plan:
        match obligation:
            case Never(formula) | Can(formula):
                state, step = self._parts(formula)
                return self._made((), step, state)
            case NeverBefore(what, milestone):
                return self._before(what, milestone)
            case NeverAfter(what, milestone):
                return self._after(what, milestone)
            case Within(trigger, response, bound, later):
                return self._within(trigger, response, bound, later=later)
            case Early(what, trigger, bound):
                return self._early(what, trigger, bound)
            case LeadsTo():
                raise _UnweavableError("`leads to` without a bound is no safety property")
            case _:
                assert_never(obligation)

    def _parts(self, formula: Expr) -> tuple[Expr, Expr]:
        return _parts(self._names.formula(formula, self._binding))

    def _made(
        self,
        observers: tuple[Observer, ...],
        step: Expr,
        state: Expr,
        within: int | None = None,
    ) -> _Plan:
        families = self._names.families
        return _Plan("", self._tag, (), families, TRUE, observers, step, state, within)

    def _steady(self, formula: Expr, what: str) -> Expr:
        """`formula`, which an observer can follow because only steps change it."""
        if reads_clocks(formula):
            raise _UnweavableError(f"{what} changes with time alone, which no observer can see")
        return formula

    def _reset(self) -> Expr:
        if self._owner is None:
            return FALSE
        return Happens("reset", self._owner.family, None, self._owner.name)

    def _seen(self, milestone: Expr) -> tuple[Observer, Expr, Expr]:
        """The observer of a milestone, and the milestone's state and step parts."""
        state, step = self._parts(milestone)
        self._steady(state, "the milestone")

        def change(own: Expr, parts: tuple[Expr, ...]) -> Change | None:
            happens, reset, held, holds = parts
            if happens == reset == FALSE and held == holds:
                return None  # it was seen in every state in which it holds
            return Change(disj((conj((disj((own, happens)), neg(reset))), holds)))

        parts = (step, self._reset(), state, Post(state))
        return Observer(f"{self._tag}:seen", self._owner, parts, change, state), state, step

    def _before(self, what: Expr, milestone: Expr) -> _Plan:
        seen, state, step = self._seen(milestone)
        holds, happens = self._parts(what)
        now = disj((step, Post(state)))
        return self._made(
            (seen,), conj((happens, neg(seen.bit), neg(now))), conj((holds, neg(seen.bit)))
        )

    def _after(self, what: Expr, milestone: Expr) -> _Plan:
        seen, state, step = self._seen(milestone)
        holds, happens = self._parts(what)
        if state == FALSE:
            # The state that the milestone leads to is after it, and so are all that follow.
            return self._made((seen,), conj((happens, seen.bit)), conj((holds, seen.bit)))
        self._steady(holds, "what must not hold after a state")
        earlier = conj((disj((seen.bit, step)), neg(self._reset())))
        return self._made(
            (seen,), disj((conj((happens, seen.bit)), conj((Post(holds), earlier)))), FALSE
        )

    def _within(self, trigger: Expr, response: Expr, bound: int, *, later: bool) -> _Plan:
        asks, asked = self._parts(trigger)
        answers, answered = self._parts(response)
        self._steady(asks, "the trigger")
        self._steady(answers, "the response")

        def change(own: Expr, parts: tuple[Expr, ...]) -> Change | None:
            asked, answered, asked_before, asks, answered_before, answers = parts
            if asked == answered == FALSE and (asked_before, answered_before) == (asks, answers):
                return None  # armed already says what these states say
            if later:
                armed = disj((conj((own, neg(answered))), asked))
            else:
                armed = conj((disj((own, asked)), neg(answered)))
            return Change(conj((disj((armed, asks)), neg(answers))), answered)

        armed = Observer(
            f"{self._tag}:armed",
            self._owner,
            (asked, answered, asks, Post(asks), answers, Post(answers)),
            change,
            conj((asks, neg(answers))),
            clocked=True,
        )
        return self._made((armed,), FALSE, FALSE, within=bound)

    def _early(self, what: Expr, trigger: Expr, bound: int) -> _Plan:
        holds, happens = self._parts(what)
        state, step = self._parts(trigger)
        self._steady(state, "the trigger")

        def change(own: Expr, parts: tuple[Expr, ...]) -> Change | None:
            happens, held, holds = parts
            if happens == FALSE and held == holds:
                return None
            ended = conj((held, neg(holds)))
            return Change(disj((own, happens, holds)), disj((happens, ended)))

        running = Observer(
            f"{self._tag}:running",
            self._owner,
            (step, state, Post(state)),
            change,
            state,
            clocked=True,
        )
        if bound <= 0:
            return self._made((), FALSE, FALSE)
        soon = disj((state, _soon(running, bound)))
        return self._made((running,), conj((happens, soon)), conj((holds, soon)))


def _soon(observer: Observer, bound: int) -> Expr:
    """Stands for "on for less than `bound`" until the observer's clocks are laid out."""
    return conj((observer.bit, ClockCmp(f"{observer.name}.clock", observer.index, "<", bound)))


# ---- observers on transitions --------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Variant:
    """What one copy of a transition gets for a plan."""

    suffix: str
    guard: Expr
    updates: tuple[Update, ...]
    resets: tuple[Reset, ...]


class _Loom:
    """A System whose transitions are being given observers.

    All formulas are about the System as it was given; observers are not observed.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._domains = domains(system)
        self._views = [
            StepView(system, transition, self._domains) for transition in system.transitions
        ]
        self._woven: list[list[Transition]] = [[t] for t in system.transitions]
        self._variables = list(system.variables)
        self._clocks = list(system.clocks)
        self._initially = [system.initially]
        starts = {v.name: frozenset(v.initial) for v in system.variables}
        self._start = Facts(starts, {}, set()).given(system.initially)
        nothing = Transition("", Label("event", "", ""), "", (), TRUE)
        self._stutter = StepView(system, nothing, self._domains)

    def system(self) -> System:
        """The System with everything that was added."""
        return replace(
            self._system,
            variables=tuple(self._variables),
            clocks=tuple(self._clocks),
            transitions=tuple(itertools.chain.from_iterable(self._woven)),
            initially=conj(self._initially),
        )

    def add(self, plan: _Plan) -> tuple[_Plan, tuple[Laid, ...]]:
        """Adds the plan's observers; returns the plan in terms of the variables they got."""
        laid, all_moves = [], []
        for observer in plan.observers:
            found = self._moves(observer, plan)
            laid.append(Laid(observer, needs_turns(observer, found)))
            all_moves.append(found)
        variants = []
        for at, view in enumerate(self._views):
            updates: list[Update] = []
            resets: list[Reset] = []
            for one, found in zip(laid, all_moves, strict=True):
                more_updates, more_resets = one.effects(found[at])
                updates += more_updates
                resets += more_resets
            variants.append(_by_clocks(plan.name, view, updates, tuple(resets)))
        # Nothing is changed before everything is known to be possible.
        for at, chosen in enumerate(variants):
            self._apply(at, chosen)
        for one in laid:
            self._declare(one)
        replaced = replace(plan, step=_laid_out(plan.step, laid), state=_laid_out(plan.state, laid))
        return replaced, tuple(laid)

    def watch(self, plan: _Plan) -> Expr:
        """Adds what `plan` needs as a rule; the closed formula to be reached."""
        plan, laid = self.add(plan)
        state = plan.state
        if plan.within is not None:
            (armed,) = laid
            state = armed.elapsed(armed.observer.index, ">", plan.within)
        if plan.step == FALSE:
            return _exists(plan, state)

        def change(own: Expr, parts: tuple[Expr, ...]) -> Change | None:
            return None if parts[0] == FALSE else Change(disj((own, parts[0])))

        param = plan.params[0] if len(plan.params) == 1 else None
        step = plan.step if param is not None else _exists(plan, plan.step)
        hit = Observer(f"{plan.name}:hit", param, (step,), change)
        found = self._moves(hit, plan)
        if any(
            moved.each is not None and reads_clocks(moved.change.on)
            for moved in itertools.chain.from_iterable(found)
        ):
            # A broadcast cannot split the transition for every instance; one bit for all can.
            param = None
            hit = replace(hit, param=None, parts=(_exists(plan, plan.step),))
            found = self._moves(hit, plan)
        for at, moved in enumerate(found):
            if moved:
                self._apply(at, _by_condition(plan.name, hit, moved))
        self._declare(Laid(hit))
        if param is not None:
            return _exists(plan, disj((state, hit.bit)))
        return disj((_exists(plan, state), hit.bit))

    def _moves(self, observer: Observer, plan: _Plan) -> list[tuple[Moved, ...]]:
        """For each transition, how it changes `observer`."""
        events, reads = _interest(observer.parts, self._system)
        # A transition that does nothing the observer looks at is a stutter to it.
        aloof = not moves(observer, self._stutter, plan.families)
        return [
            ()
            if aloof and not view.labels & events and not (view.writes | view.restarts) & reads
            else moves(observer, view, plan.families)
            for view in self._views
        ]

    def _declare(self, laid: Laid) -> None:
        initial, condition = laid.start(self._start)
        self._variables.append(laid.variable(initial))
        self._clocks += laid.clocks()
        self._initially.append(condition)

    def _apply(self, at: int, variants: list[_Variant]) -> None:
        if variants == [_Variant("", TRUE, (), ())]:
            return
        self._woven[at] = [
            replace(
                transition,
                key=transition.key + variant.suffix,
                guard=conj((transition.guard, variant.guard)),
                updates=(*transition.updates, *variant.updates),
                resets=(*transition.resets, *variant.resets),
            )
            for transition in self._woven[at]
            for variant in variants
        ]


def _laid_out(formula: Expr, laid: Sequence[Laid]) -> Expr:
    """`formula` with the observers' bits and clocks as they were laid out."""
    by_name = {one.observer.name: one for one in laid}
    by_clock = {f"{one.observer.name}.clock": one for one in laid}

    def leaf(node: Expr) -> Expr | None:
        match node:
            case Ref(name, index) if name in by_name:
                return by_name[name].on(index)
            case ClockCmp(clock, index, op, bound) if clock in by_clock:
                return by_clock[clock].elapsed(index, op, bound)
            case _:
                return None

    return transform(formula, leaf)


def _interest(parts: tuple[Expr, ...], system: System) -> tuple[set[tuple[str, str]], set[str]]:
    """The events that `parts` look for, and the variables that decide anything in them."""
    events: set[tuple[str, str]] = set()
    reads: set[str] = set()
    activity = {clock.name: clock.active for clock in system.clocks}
    for node in itertools.chain.from_iterable(map(walk, parts)):
        match node:
            case Happens(kind, name, _, _):
                events.add((kind, name))
            case Ref(name, _):
                reads.add(name)
            case ClockCmp(clock, _, _, _) | ClockDiff(clock, _, _, _, _, _):
                clocks = [clock] if isinstance(node, ClockCmp) else [clock, node.minus]
                reads.update(clocks)
                for each in clocks:
                    if each in activity:
                        reads |= {n.name for n in walk(activity[each]) if isinstance(n, Ref)}
            case _:
                pass
    return events, reads


def _exists(plan: _Plan, formula: Expr) -> Expr:
    """`formula` for some choice of the plan's instances."""
    if formula == FALSE:
        return FALSE
    body = conj((formula, plan.distinct))
    for param in reversed(plan.params):
        body = rebuild(Exists(param.name, param.family, body), (body,))
    return body


def _by_condition(name: str, hit: Observer, found: tuple[Moved, ...]) -> list[_Variant]:
    """The variants that set `hit`: one where no clock decides, else two for each place."""
    plain: list[Moved] = []
    split: list[Moved] = []
    for moved in found:
        (split if reads_clocks(moved.change.on) else plain).append(moved)
    updates, _ = Laid(hit).effects(tuple(plain))
    variants = [_Variant("", TRUE, tuple(updates), ())]
    for moved in split:
        ref = Ref(hit.name, moved.index)
        condition = assume_false(moved.change.on, ref)
        variants = [
            copy
            for variant in variants
            for copy in (
                replace(
                    variant,
                    suffix=f"{variant.suffix}~{name}",
                    guard=conj((variant.guard, condition)),
                    updates=(*variant.updates, Update(hit.name, moved.index, TRUE)),
                ),
                replace(
                    variant,
                    suffix=f"{variant.suffix}~not {name}",
                    guard=conj((variant.guard, neg(condition))),
                ),
            )
        ]
    return variants


def assume_false(formula: Expr, bit: Ref) -> Expr:
    """What sets `bit`, from its next value."""
    return transform(formula, lambda node: FALSE if node == bit else None)


def _by_clocks(
    name: str, view: StepView, updates: list[Update], resets: tuple[Reset, ...]
) -> list[_Variant]:
    """Variants such that no update reads a clock: one for each way the comparisons may turn out."""
    for update in updates:
        for atom in clock_atoms(update.value):
            mine = [param.name for param in view.transition.params]
            if any(isinstance(i, str) and i not in mine for i in _indices(atom)):
                raise _UnweavableError(
                    "an observer would have to read the clocks of every instance"
                )
    variants = []

    def split(guard: Expr, left: list[Update], number: int) -> int:
        atoms = [atom for update in left for atom in clock_atoms(update.value)]
        if not atoms:
            suffix = "" if guard == TRUE else f"~{name} case {number}"
            variants.append(_Variant(suffix, guard, tuple(left), resets))
            return number + 1
        atom = atoms[0]
        for holds in (True, False):
            decided = [
                replace(update, value=assume_atom(update.value, atom, holds=holds))
                for update in left
            ]
            number = split(conj((guard, atom if holds else neg(atom))), decided, number)
        return number

    split(TRUE, updates, 1)
    return variants


def _indices(atom: ClockCmp | ClockDiff) -> tuple[Index, ...]:
    return (atom.index,) if isinstance(atom, ClockCmp) else (atom.index, atom.minus_index)


# ---- assumptions ---------------------------------------------------------------------------------
def _assume(system: System, assumption: Assumption) -> System:
    """`system` in which `assumption` holds."""
    rule = assumption.id
    try:
        plans = _plans(rule, f"assume {rule}", assumption.params, assumption.obligation, system)
        for plan in plans:
            system = _restricted(system, assumption, plan)
    except _UnweavableError as reason:
        raise AssumptionError(rule, None, str(reason)) from None
    return system


def _restricted(system: System, assumption: Assumption, plan: _Plan) -> System:
    loom = _Loom(system)
    plan, laid = loom.add(plan)
    system = loom.system()
    if plan.within is not None:
        (armed,) = laid
        more = armed.deadlines(assumption.id, plan.within, assumption.actor)
        return replace(system, deadlines=(*system.deadlines, *more))
    if not _only_falls(plan.state, positive=True):
        raise AssumptionError(
            assumption.id,
            None,
            "time alone can break it; a response in time is written `when … leads to … within T`",
        )
    known = domains(system)
    transitions = []
    for transition in system.transitions:
        view = StepView(system, transition, known)
        broken = disj(
            _somewhere(view, plan, formula)
            for formula in (
                view.before(plan.step, plan.families),
                conj((neg(plan.state), view.after(plan.state, plan.families))),
            )
        )
        broken = view.simplify(broken)
        if broken == FALSE:
            transitions.append(transition)
        elif transition.actor == assumption.actor:
            guard = conj((transition.guard, neg(broken)))
            transitions.append(replace(transition, guard=guard))
        elif impossible(broken, view.facts):
            transitions.append(transition)
        else:
            raise AssumptionError(
                assumption.id,
                transition.key,
                f"a step of {transition.actor or 'nobody'} could break it ({transition.label}), "
                f"and only {assumption.actor} is assumed to keep to it",
            )
    start = neg(_exists(plan, initially(plan.state)))
    return replace(
        system, transitions=tuple(transitions), initially=conj((system.initially, start))
    )


def _somewhere(view: StepView, plan: _Plan, formula: Expr) -> Expr:
    """Whether a condition on the state before the step holds for some choice of instances."""
    if formula == FALSE:
        return FALSE
    body = conj((formula, plan.distinct))
    for param in reversed(plan.params):
        body = view.exists(param.name, param.family, view.simplify(body))
    return body


def _only_falls(formula: Expr, *, positive: bool) -> bool:
    """Whether the passing of time can make `formula` false but never true."""
    match formula:
        case ClockCmp(_, _, op, _):
            return (op in ("<", "<=")) == positive
        case ClockDiff():
            return True  # differences of running clocks do not change
        case Not(arg):
            return _only_falls(arg, positive=not positive)
        case And(args) | Or(args):
            return all(_only_falls(arg, positive=positive) for arg in args)
        case Forall(_, _, body) | Exists(_, _, body):
            return _only_falls(body, positive=positive)
        case _:
            return not reads_clocks(formula)
