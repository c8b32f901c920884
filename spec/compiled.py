"""A fast evaluator of the discrete part of a `Ground`: Python source, generated and compiled once.

Owns code generation from ground expressions and the index that finds the transitions worth trying
in a state. It has no meaning of its own: it is tested equal to `spec.semantics`, and must not know
of zones, solvers or rules. Clocks stay outside: a guard is a list of alternatives, each a compiled
discrete condition with the clock comparisons that remain to be judged by whoever tracks clocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from types import CodeType
from typing import Any, Generic, TypeVar

from rhscheck.spec.alternatives import (
    Atoms,
    ClockAtom,
    assume_atom,
    clock_atoms,
    reads_clocks,
    split_guard,
    untimed,
)
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    And,
    Expr,
    In,
    Not,
    Ref,
    disj,
)
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.pycode import Body, position

__all__ = [
    "Alternative",
    "Atoms",
    "ClockAtom",
    "Compiled",
    "Values",
    "assume_atom",
    "clock_atoms",
    "compile_ground",
    "reads_clocks",
    "split_guard",
    "untimed",
]

# One value for each of `Ground.slots`.
Values = tuple[int, ...]
T = TypeVar("T")


class Alternative:
    """One way for a guard to hold: `guard(values)`, and all of `atoms`."""

    __slots__ = ("_compiled", "_ground", "atoms", "discrete")

    def __init__(self, ground: Ground, discrete: Expr, atoms: Atoms) -> None:
        self.discrete = discrete
        self.atoms = atoms
        self._ground = ground
        self._compiled: Callable[[Values], bool] | None = None

    @property
    def guard(self) -> Callable[[Values], bool]:
        """Whether the discrete part holds."""
        if self._compiled is None:
            self._compiled = predicate(self._ground, self.discrete)
        return self._compiled


class _OnDemand(Generic[T]):
    """Functions, one a transition, each made when it is asked for the first time."""

    def __init__(self, make: Callable[[int], T], count: int) -> None:
        self._make = make
        self._made: list[T | None] = [None] * count

    def __getitem__(self, at: int) -> T:
        made = self._made[at]
        if made is None:
            made = self._made[at] = self._make(at)
        return made


class Compiled:
    """Functions over the discrete values of one `Ground`; positions are those of the Ground.

    Most users need few of them, so each is generated when it is first asked for.
    `guards[k]`: whether transition k is possible in the untimed abstraction. `fire[k]`: the values
    after it, meaningful where its guard holds. `alternatives[k]`: see `Alternative`; none if the
    guard is never true.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.alternatives: tuple[tuple[Alternative, ...], ...] = tuple(
            tuple(Alternative(ground, *parts) for parts in split_guard(transition.guard))
            for transition in ground.transitions
        )
        count = len(ground.transitions)
        self.guards: _OnDemand[Callable[[Values], bool]] = _OnDemand(self._guard, count)
        self.fire: _OnDemand[Callable[[Values], Values]] = _OnDemand(self._fire, count)

    @cached_property
    def successors_untimed(self) -> Callable[[Values], list[tuple[int, Values]]]:
        """(position, values after) of every transition that the untimed abstraction allows.

        In canonical order.
        """
        module = _Module(self.ground)
        module.successors(
            "successors",
            [
                (at, f"{at}", self._possible(at), transition)
                for at, transition in enumerate(self.ground.transitions)
            ],
        )
        return module.build("successors")  # type: ignore[no-any-return]

    @cached_property
    def moves(self) -> Callable[[Values], list[tuple[int, int, Values]]]:
        """The same for exact time: (position, number of the alternative, values after).

        For every alternative whose discrete part holds.
        """
        module = _Module(self.ground)
        module.successors(
            "moves",
            [
                (at, f"{at}, {number}", alternative.discrete, transition)
                for at, transition in enumerate(self.ground.transitions)
                for number, alternative in enumerate(self.alternatives[at])
            ],
        )
        return module.build("moves")  # type: ignore[no-any-return]

    @cached_property
    def active_clocks(self) -> Callable[[Values], tuple[int, ...]]:
        """The positions of the clocks that run, ascending."""
        return self.positions([clock.active for clock in self.ground.clocks])

    @cached_property
    def active_deadlines(self) -> Callable[[Values], tuple[int, ...]]:
        """The positions of the deadlines that bind, ascending."""
        return self.positions([deadline.active for deadline in self.ground.deadlines])

    def predicate(self, expr: Expr) -> Callable[[Values], bool]:
        """A ground state formula as a function; ValueError if it reads a clock."""
        return predicate(self.ground, expr)

    def _possible(self, at: int) -> Expr:
        return disj(alternative.discrete for alternative in self.alternatives[at])

    def _guard(self, at: int) -> Callable[[Values], bool]:
        return predicate(self.ground, self._possible(at))

    def _fire(self, at: int) -> Callable[[Values], Values]:
        module = _Module(self.ground)
        module.fire_function("fire", self.ground.transitions[at])
        return module.build("fire")  # type: ignore[no-any-return]

    def positions(self, conditions: list[Expr]) -> Callable[[Values], tuple[int, ...]]:
        """The positions of the ground conditions (without clocks) that hold, ascending."""
        module = _Module(self.ground)
        module.positions("positions", conditions)
        return module.build("positions")  # type: ignore[no-any-return]


def predicate(ground: Ground, expr: Expr) -> Callable[[Values], bool]:
    """A ground state formula as a function; ValueError if it reads a clock."""
    if reads_clocks(expr):
        raise ValueError("a predicate over discrete values cannot read a clock")
    module = _Module(ground)
    module.function("holds", [(expr, "bool({})")])
    return module.build("holds")  # type: ignore[no-any-return]


def compile_ground(ground: Ground) -> Compiled:
    """The compiled form of `ground`: nothing yet, but what is asked for."""
    return Compiled(ground)


# ---- the index -----------------------------------------------------------------------------------
def _required(guard: Expr, ground: Ground) -> dict[int, frozenset[int]]:
    """For slots that top-level conjuncts of `guard` restrict: the values they allow."""
    allowed: dict[int, frozenset[int]] = {}
    for part in guard.args if isinstance(guard, And) else (guard,):
        positive, literal = (False, part.arg) if isinstance(part, Not) else (True, part)
        match literal:
            case Ref():
                ref, wanted = literal, frozenset((1,))
            case In(Ref() as ref, values):
                wanted = frozenset(values)
            case _:
                continue
        at = position(ground, ref.name, ref.index)
        domain = frozenset(range(ground.slots[at].low, ground.slots[at].high + 1))
        chosen = wanted & domain if positive else domain - wanted
        allowed[at] = allowed.get(at, domain) & chosen
    return allowed


def _key_slot(guard: Expr, ground: Ground) -> tuple[int, frozenset[int]] | None:
    """The slot whose value excludes the most states, with the values it must have."""
    best: tuple[float, int, frozenset[int]] | None = None
    for at, allowed in _required(guard, ground).items():
        slot = ground.slots[at]
        share = len(allowed) / (slot.high - slot.low + 1)
        if best is None or share < best[0]:
            best = (share, at, allowed)
    # A slot with a huge range would need a huge table.
    if best is None or ground.slots[best[1]].high - ground.slots[best[1]].low > 1000:
        return None
    return best[1], best[2]


# ---- the code ------------------------------------------------------------------------------------
@lru_cache(maxsize=1_000)
def _code(source: str) -> CodeType:
    """The code object of `source`: many questions are about the same small part of a System."""
    return compile(source, "<compiled ground system>", "exec")


_Entry = tuple[int, str, Expr, GroundTransition]


class _Module:
    """Source under construction."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._lines: list[str] = []

    def build(self, name: str) -> Any:
        """The function called `name`."""
        source = "\n".join(self._lines)
        namespace: dict[str, Any] = {"__builtins__": {"bool": bool}}
        # The source is made of names and numbers of our own only.
        exec(_code(source), namespace)
        return namespace[name]

    def function(self, name: str, returned: list[tuple[Expr, str]]) -> None:
        """`name(v)` returning the value of the expression put into the template."""
        body = Body(self._ground, "    ")
        results = [template.format(body.condition(expr)) for expr, template in returned]
        self._lines += [f"def {name}(v):", *body.lines, f"    return {', '.join(results)}"]

    def fire_function(self, name: str, transition: GroundTransition) -> None:
        body = Body(self._ground, "    ")
        after = body.after(transition)
        self._lines += [f"def {name}(v):", *body.lines, f"    return {after}"]

    def positions(self, name: str, conditions: list[Expr]) -> None:
        """`name(v)` returning the positions of the conditions that hold."""
        always = [at for at, condition in enumerate(conditions) if condition == TRUE]
        self._lines += [f"def {name}(v):", "    out = []"]
        for at, condition in enumerate(conditions):
            if condition == FALSE:
                continue
            body = Body(self._ground, "    ")
            test = "True" if at in always else body.condition(condition)
            self._lines += [*body.lines, f"    if {test}:", f"        out.append({at})"]
        self._lines.append("    return (*out,)")

    def successors(self, name: str, entries: list[_Entry]) -> None:
        """`name(v)` listing (head, values after) of the entries whose guard holds."""
        tables: dict[int, dict[int, list[_Entry]]] = {}
        anywhere: list[_Entry] = []
        for entry in entries:
            if entry[2] == FALSE:
                continue
            key = _key_slot(entry[2], self._ground)
            if key is None:
                anywhere.append(entry)
                continue
            at, allowed = key
            for value in sorted(allowed):
                tables.setdefault(at, {}).setdefault(value, []).append(entry)
        calls = []
        self._lines += [f"def {name}_none(v, add):", "    pass"]
        for at in sorted(tables):
            for value, chosen in sorted(tables[at].items()):
                self._tries(f"{name}_{at}_{value}", chosen, {at: value})
            slot = self._ground.slots[at]
            row = ", ".join(
                f"{name}_{at}_{value}" if value in tables[at] else f"{name}_none"
                for value in range(slot.low, slot.high + 1)
            )
            self._lines.append(f"{name}_{at} = ({row},)")
            offset = f" - {slot.low}" if slot.low else ""
            calls.append(f"    {name}_{at}[v[{at}]{offset}](v, add)")
        if anywhere:
            self._tries(f"{name}_anywhere", anywhere, {})
            calls.append(f"    {name}_anywhere(v, add)")
        # Heads are distinct, so sorting never compares states.
        order = ["    out.sort()"] if len(calls) > 1 else []
        self._lines += [
            f"def {name}(v):",
            "    out = []",
            "    add = out.append",
            *calls,
            *order,
            "    return out",
        ]

    def _tries(self, name: str, entries: list[_Entry], known: dict[int, int]) -> None:
        self._lines.append(f"def {name}(v, add):")
        for _, head, guard, transition in entries:
            test = Body(self._ground, "    ", known)
            condition = test.condition(guard)
            taken = Body(self._ground, "        ", known)
            after = taken.after(transition)
            self._lines += [
                *test.lines,
                f"    if {condition}:",
                *taken.lines,
                f"        add(({head}, {after}))",
            ]
