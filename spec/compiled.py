"""A fast evaluator of the discrete part of a `Ground`: Python source, generated and compiled once.

Owns code generation from ground expressions and the index that finds the transitions worth trying
in a state. It has no meaning of its own: it is tested equal to `spec.semantics`, and must not know
of zones, solvers or rules. Clocks stay outside: a guard is a list of alternatives, each a compiled
discrete condition with the clock comparisons that remain to be judged by whoever tracks clocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way for a guard to hold: `guard(values)`, and all of `atoms`."""

    discrete: Expr
    guard: Callable[[Values], bool]
    atoms: Atoms


@dataclass(frozen=True, slots=True)
class Compiled:
    """Functions over the discrete values of one `Ground`; positions are those of the Ground.

    `guards[k]`: whether transition k is possible in the untimed abstraction. `fire[k]`: the values
    after it, meaningful where its guard holds. `alternatives[k]`: see `Alternative`; none if the
    guard is never true. `successors_untimed(values)`: (position, values after) of every transition
    that the untimed abstraction allows, in canonical order. `moves(values)`: the same for exact
    time: (position, number of the alternative, values after) for every alternative whose discrete
    part holds. `active_clocks(values)`, `active_deadlines(values)`: positions, ascending.
    """

    ground: Ground
    guards: tuple[Callable[[Values], bool], ...]
    fire: tuple[Callable[[Values], Values], ...]
    alternatives: tuple[tuple[Alternative, ...], ...]
    successors_untimed: Callable[[Values], list[tuple[int, Values]]]
    moves: Callable[[Values], list[tuple[int, int, Values]]]
    active_clocks: Callable[[Values], tuple[int, ...]]
    active_deadlines: Callable[[Values], tuple[int, ...]]

    def predicate(self, expr: Expr) -> Callable[[Values], bool]:
        """A ground state formula as a function; ValueError if it reads a clock."""
        return predicate(self.ground, expr)


def predicate(ground: Ground, expr: Expr) -> Callable[[Values], bool]:
    """A ground state formula as a function; ValueError if it reads a clock."""
    if reads_clocks(expr):
        raise ValueError("a predicate over discrete values cannot read a clock")
    module = _Module(ground)
    module.function("holds", [(expr, "bool({})")])
    return module.build()["holds"]  # type: ignore[no-any-return]


def compile_ground(ground: Ground) -> Compiled:
    """The compiled form of `ground`. Takes milliseconds a hundred transitions."""
    splits = [split_guard(transition.guard) for transition in ground.transitions]
    module = _Module(ground)
    for at, transition in enumerate(ground.transitions):
        module.function(f"guard_{at}", [(untimed(transition.guard), "bool({})")])
        module.fire_function(f"fire_{at}", transition)
        for number, (discrete, _) in enumerate(splits[at]):
            module.function(f"guard_{at}_{number}", [(discrete, "bool({})")])
    module.successors(
        "successors",
        [
            (at, f"{at}", untimed(transition.guard), transition)
            for at, transition in enumerate(ground.transitions)
        ],
    )
    module.successors(
        "moves",
        [
            (at, f"{at}, {number}", discrete, transition)
            for at, transition in enumerate(ground.transitions)
            for number, (discrete, _) in enumerate(splits[at])
        ],
    )
    module.positions("active_clocks", [clock.active for clock in ground.clocks])
    module.positions("active_deadlines", [deadline.active for deadline in ground.deadlines])
    names = module.build()
    count = range(len(ground.transitions))
    return Compiled(
        ground,
        tuple(names[f"guard_{at}"] for at in count),
        tuple(names[f"fire_{at}"] for at in count),
        tuple(
            tuple(
                Alternative(discrete, names[f"guard_{at}_{number}"], atoms)
                for number, (discrete, atoms) in enumerate(splits[at])
            )
            for at in count
        ),
        names["successors"],
        names["moves"],
        names["active_clocks"],
        names["active_deadlines"],
    )


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
_Entry = tuple[int, str, Expr, GroundTransition]


class _Module:
    """Source under construction."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._lines: list[str] = []

    def build(self) -> dict[str, Any]:
        source = "\n".join(self._lines)
        namespace: dict[str, Any] = {"__builtins__": {"bool": bool}}
        # The source is made of names and numbers of our own only.
        exec(compile(source, "<compiled ground system>", "exec"), namespace)
        return namespace

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
