"""A fast evaluator of the discrete part of a `Ground`: Python source, generated and compiled once.

Owns code generation from ground expressions and the index that finds the transitions worth trying
in a state. It has no meaning of its own: it is tested equal to `spec.semantics`, and must not know
of zones, solvers or rules. Clocks stay outside: a guard is a list of alternatives, each a compiled
discrete condition with the clock comparisons that remain to be judged by whoever tracks clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, assert_never

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
    Add,
    And,
    ClockCmp,
    ClockDiff,
    Eq,
    Exists,
    Expr,
    Forall,
    Happens,
    In,
    Index,
    IndexValue,
    Ite,
    Le,
    Lit,
    Not,
    Or,
    Post,
    Ref,
    Same,
    Sub,
)
from rhscheck.spec.ground import Ground, GroundTransition
from rhscheck.spec.system import IntType

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

# The parser and the compiler of Python recurse; deeper expressions get names for their parts.
_DEEPEST = 40


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
        at = _slot(ground, ref.name, ref.index)
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
        body = _Body(self._ground, "    ")
        results = [template.format(body.condition(expr)) for expr, template in returned]
        self._lines += [f"def {name}(v):", *body.lines, f"    return {', '.join(results)}"]

    def fire_function(self, name: str, transition: GroundTransition) -> None:
        body = _Body(self._ground, "    ")
        after = body.after(transition)
        self._lines += [f"def {name}(v):", *body.lines, f"    return {after}"]

    def positions(self, name: str, conditions: list[Expr]) -> None:
        """`name(v)` returning the positions of the conditions that hold."""
        always = [at for at, condition in enumerate(conditions) if condition == TRUE]
        self._lines += [f"def {name}(v):", "    out = []"]
        for at, condition in enumerate(conditions):
            if condition == FALSE:
                continue
            body = _Body(self._ground, "    ")
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
            test = _Body(self._ground, "    ", known)
            condition = test.condition(guard)
            taken = _Body(self._ground, "        ", known)
            after = taken.after(transition)
            self._lines += [
                *test.lines,
                f"    if {condition}:",
                *taken.lines,
                f"        add(({head}, {after}))",
            ]


class _Body:
    """Expressions as source over the tuple `v`; `lines` come before the returned text.

    `known` slots have a fixed value where the code runs.
    """

    def __init__(self, ground: Ground, indent: str, known: dict[int, int] | None = None) -> None:
        self._ground = ground
        self._indent = indent
        self._known = known or {}
        self.lines: list[str] = []

    def condition(self, expr: Expr) -> str:
        """Source that is true where the formula `expr` holds."""
        return self._condition(expr)[0]

    def after(self, transition: GroundTransition) -> str:
        """Source of the values after `transition`."""
        pieces: list[str] = []
        stored: list[str] = []
        done = 0

        def close() -> None:
            if stored:
                pieces.append(f"({', '.join(stored)},)")
                stored.clear()

        for at, value in transition.updates:
            if at - done > 2:
                close()
                pieces.append(f"v[{done}:{at}]")
            else:
                stored.extend(f"v[{kept}]" for kept in range(done, at))
            stored.append(self._stored(at, value))
            done = at + 1
        rest = len(self._ground.slots)
        if 0 < rest - done <= 2:
            stored.extend(f"v[{kept}]" for kept in range(done, rest))
            done = rest
        close()
        if done < rest:
            pieces.append(f"v[{done}:]" if done else "v")
        return " + ".join(pieces) or "v"

    def _stored(self, at: int, value: Expr) -> str:
        """The value that slot `at` gets: truth values as 0 and 1, integers saturated."""
        slot = self._ground.slots[at]
        text, depth = self._number(value)
        if not isinstance(slot.variable.type, IntType):
            return text
        low, high = _bounds(value, self._ground)
        if low >= slot.low and high <= slot.high:
            return text
        name, _ = self._hoisted(text, depth, always=True)
        least, most = slot.low, slot.high
        return f"({least} if {name} < {least} else {most} if {name} > {most} else {name})"

    def _hoisted(self, text: str, depth: int, *, always: bool = False) -> tuple[str, int]:
        if depth < _DEEPEST and not always:
            return text, depth
        name = f"h{len(self.lines)}"
        self.lines.append(f"{self._indent}{name} = {text}")
        return name, 0

    def _read(self, name: str, index: Index) -> str:
        at = _slot(self._ground, name, index)
        return str(self._known[at]) if at in self._known else f"v[{at}]"

    def _condition(self, expr: Expr) -> tuple[str, int]:
        match expr:
            case Lit(value):
                return ("True" if value else "False"), 0
            case Not(In(arg, values)):
                return self._member(arg, values, positive=False)
            case Not(arg):
                text, depth = self._condition(arg)
                return self._hoisted(f"(not {text})", depth + 1)
            case And(args):
                return self._joined(args, " and ")
            case Or(args):
                return self._joined(args, " or ")
            case Ite(cond, then, other):
                return self._choice(cond, self._condition(then), self._condition(other))
            case In(arg, values):
                return self._member(arg, values, positive=True)
            case Eq(left, right):
                return self._infix(left, "==", right)
            case Le(left, right):
                return self._infix(left, "<=", right)
            case Ref() | IndexValue() | Same() | Add() | Sub():
                return self._number(expr)
            case ClockCmp() | ClockDiff() | Forall() | Exists() | Happens() | Post():
                raise ValueError(f"{type(expr).__name__} is not a discrete ground form")
            case _:
                assert_never(expr)

    def _number(self, expr: Expr) -> tuple[str, int]:
        match expr:
            case Lit(value):
                return (str(value) if value >= 0 else f"({value})"), 0
            case Ref(name, index):
                return self._read(name, index), 0
            case IndexValue(index):
                return str(index or 0), 0
            case Same(left_index, right_index):
                return str(int(left_index == right_index)), 0
            case Ite(cond, then, other):
                return self._choice(cond, self._number(then), self._number(other))
            case Add(left, right):
                return self._infix(left, "+", right)
            case Sub(left, right):
                return self._infix(left, "-", right)
            case Not() | And() | Or() | In() | Eq() | Le():
                text, depth = self._condition(expr)
                return self._hoisted(f"(1 if {text} else 0)", depth + 1)
            case ClockCmp() | ClockDiff() | Forall() | Exists() | Happens() | Post():
                raise ValueError(f"{type(expr).__name__} is not a discrete ground form")
            case _:
                assert_never(expr)

    def _joined(self, args: Iterable[Expr], joint: str) -> tuple[str, int]:
        parts = [self._condition(arg) for arg in args]
        depth = max(depth for _, depth in parts)
        return self._hoisted(f"({joint.join(text for text, _ in parts)})", depth + 1)

    def _choice(self, cond: Expr, then: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
        test, depth = self._condition(cond)
        text = f"({then[0]} if {test} else {other[0]})"
        return self._hoisted(text, max(depth, then[1], other[1]) + 1)

    def _infix(self, left: Expr, op: str, right: Expr) -> tuple[str, int]:
        one, depth_one = self._number(left)
        two, depth_two = self._number(right)
        return self._hoisted(f"({one} {op} {two})", max(depth_one, depth_two) + 1)

    def _member(self, arg: Expr, values: tuple[int, ...], *, positive: bool) -> tuple[str, int]:
        if isinstance(arg, Ref):
            at = _slot(self._ground, arg.name, arg.index)
            if at in self._known:
                return str((self._known[at] in values) == positive), 0
        text, depth = self._number(arg)
        if len(values) == 1:
            test = f"{text} {'==' if positive else '!='} {values[0]}"
        else:
            test = f"{text} {'in' if positive else 'not in'} {values}"
        return self._hoisted(f"({test})", depth + 1)


def _slot(ground: Ground, name: str, index: Index) -> int:
    if isinstance(index, str):
        raise ValueError(f"the instance {index!r} is not bound to a number")
    return ground.slot_of[(name, index)]


def _bounds(expr: Expr, ground: Ground) -> tuple[int, int]:
    """The least and the greatest value `expr` can have, roughly."""
    match expr:
        case Lit(value):
            return value, value
        case Ref(name, index):
            slot = ground.slots[_slot(ground, name, index)]
            return slot.low, slot.high
        case Add(left, right):
            (low, high), (low_two, high_two) = _bounds(left, ground), _bounds(right, ground)
            return low + low_two, high + high_two
        case Sub(left, right):
            (low, high), (low_two, high_two) = _bounds(left, ground), _bounds(right, ground)
            return low - high_two, high - low_two
        case Ite(_, then, other):
            (low, high), (low_two, high_two) = _bounds(then, ground), _bounds(other, ground)
            return min(low, low_two), max(high, high_two)
        case IndexValue(index):
            number = index if isinstance(index, int) else 0
            return number, number
        case _:
            return 0, 1
