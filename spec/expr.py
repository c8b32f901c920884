"""Expressions: what guards, updates, activity conditions and rules are made of.

Owns the expression forms, their simplifying constructors and the generic walks over them. Knows
nothing of machines, time-outs or text. Every form is total: evaluating a well-typed expression
never fails. Values are plain integers (booleans 0 and 1, enumeration members their position,
references the number of the instance with 0 for "none").

Three forms (`Happens`, `Post`, and quantifiers) do not survive to the interpreters: `spec.rules`
removes the first two when it weaves observers into a System, `spec.ground` expands the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, Literal, assert_never

# An instance: a number after grounding, the name of a bound parameter before, None for a variable
# that exists once.
Index = int | str | None

Comparison = Literal["<", "<=", ">=", ">"]
StepKind = Literal["call", "return", "callback", "event", "expiry", "timer", "due", "reset"]


class _Compound:
    """Remembers its hash: tables of expressions ask for it time and again, at every level."""

    __slots__ = ("_hash",)

    def remembered_hash(self: Any) -> int:
        """The hash of the fields, computed once."""
        try:
            return self._hash  # type: ignore[no-any-return]
        except AttributeError:
            made = hash(tuple([getattr(self, name) for name in self.__match_args__]))
            object.__setattr__(self, "_hash", made)  # no field: it is neither compared nor pickled
            return made


@dataclass(frozen=True, slots=True)
class Lit:
    """A constant."""

    value: int


@dataclass(frozen=True, slots=True)
class Ref:
    """The value of state variable `name` of instance `index`."""

    name: str
    index: Index = None


@dataclass(frozen=True, slots=True)
class IndexValue:
    """The number of a bound instance, as a value (what `owner = i` stores)."""

    index: Index


@dataclass(frozen=True, slots=True)
class Same:
    """Whether two bound instances are the same one."""

    left: Index
    right: Index


@dataclass(frozen=True, slots=True)
class Not(_Compound):
    """Negation."""

    arg: Expr
    __hash__ = _Compound.remembered_hash


@dataclass(frozen=True, slots=True)
class And(_Compound):
    """Conjunction of two or more formulas."""

    args: tuple[Expr, ...]
    __hash__ = _Compound.remembered_hash


@dataclass(frozen=True, slots=True)
class Or(_Compound):
    """Disjunction of two or more formulas."""

    args: tuple[Expr, ...]
    __hash__ = _Compound.remembered_hash


@dataclass(frozen=True, slots=True)
class Ite(_Compound):
    """`then` where `cond` holds, `other` elsewhere; both branches have the same type."""

    cond: Expr
    then: Expr
    other: Expr
    __hash__ = _Compound.remembered_hash


@dataclass(frozen=True, slots=True)
class In(_Compound):
    """Whether `arg` has one of `values` (sorted, non-empty)."""

    arg: Expr
    values: tuple[int, ...]
    __hash__ = _Compound.remembered_hash


@dataclass(frozen=True, slots=True)
class Eq(_Compound):
    """Whether two values of one type are equal."""

    left: Expr
    right: Expr
    __hash__ = _Compound.remembered_hash


@dataclass(frozen=True, slots=True)
class Le:
    """Whether `left` is at most `right` (numbers, or instance numbers)."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Add:
    """A sum; assignments, not sums, keep to the range of a type."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Sub:
    """A difference; it may be negative."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Forall(_Compound):
    """`body` for every instance of `family`, bound to the name `param`."""

    param: str
    family: str
    body: Expr
    __hash__ = _Compound.remembered_hash


@dataclass(frozen=True, slots=True)
class Exists(_Compound):
    """`body` for some instance of `family`, bound to the name `param`."""

    param: str
    family: str
    body: Expr
    __hash__ = _Compound.remembered_hash


@dataclass(frozen=True, slots=True)
class ClockCmp:
    """Clock `clock` of `index` against a constant in the System's time unit."""

    clock: str
    index: Index
    op: Comparison
    bound: int


@dataclass(frozen=True, slots=True)
class ClockDiff:
    """A diagonal constraint: `clock[index] - minus[minus_index] op bound`."""

    clock: str
    index: Index
    minus: str
    minus_index: Index
    op: Comparison
    bound: int


@dataclass(frozen=True, slots=True)
class Happens:
    """True in a step with this label (rules and assumptions only).

    `name` is the entry, callback, event or timer; for `reset` the machine. `value` is the result or
    argument, None for any. `index` is the instance whose event it is.
    """

    kind: StepKind
    name: str
    value: str | None
    index: Index


@dataclass(frozen=True, slots=True)
class Post:
    """The value of a state formula after the step (rules and assumptions only)."""

    body: Expr


Expr = (
    Lit
    | Ref
    | IndexValue
    | Same
    | Not
    | And
    | Or
    | Ite
    | In
    | Eq
    | Le
    | Add
    | Sub
    | Forall
    | Exists
    | ClockCmp
    | ClockDiff
    | Happens
    | Post
)

TRUE = Lit(1)
FALSE = Lit(0)

_NEGATED: dict[Comparison, Comparison] = {"<": ">=", "<=": ">", ">=": "<", ">": "<="}


def conjuncts(formula: Expr) -> tuple[Expr, ...]:
    """The parts of a conjunction; of any other formula itself."""
    return formula.args if isinstance(formula, And) else (formula,)


def conj(args: Iterable[Expr]) -> Expr:
    """The conjunction, flattened, without repetitions, folded where it is constant."""
    seen: dict[Expr, None] = {}
    for arg in args:
        for part in arg.args if type(arg) is And else (arg,):
            if type(part) is Lit:  # most parts are none: comparing each would cost more than this
                if part == FALSE:
                    return FALSE
                if part == TRUE:
                    continue
            seen[part] = None
    parts = tuple(seen)
    return TRUE if not parts else parts[0] if len(parts) == 1 else And(parts)


def disj(args: Iterable[Expr]) -> Expr:
    """The disjunction, flattened, without repetitions, folded where it is constant."""
    seen: dict[Expr, None] = {}
    for arg in args:
        for part in arg.args if type(arg) is Or else (arg,):
            if type(part) is Lit:
                if part == TRUE:
                    return TRUE
                if part == FALSE:
                    continue
            seen[part] = None
    parts = tuple(seen)
    return FALSE if not parts else parts[0] if len(parts) == 1 else Or(parts)


def neg(arg: Expr) -> Expr:
    """The negation; constants, double negations and clock comparisons are folded."""
    match arg:
        case Lit(value):
            return Lit(0 if value else 1)
        case Not(inner):
            return inner
        case ClockCmp(clock, index, op, bound):
            return ClockCmp(clock, index, _NEGATED[op], bound)
        case ClockDiff(clock, index, minus, minus_index, op, bound):
            return ClockDiff(clock, index, minus, minus_index, _NEGATED[op], bound)
        case _:
            return Not(arg)


def implies(premise: Expr, conclusion: Expr) -> Expr:
    """The implication."""
    return disj((neg(premise), conclusion))


def ite(cond: Expr, then: Expr, other: Expr) -> Expr:
    """`then` where `cond` holds, `other` elsewhere; folded where that is known."""
    if isinstance(cond, Lit):
        return then if cond.value else other
    return then if then == other else Ite(cond, then, other)


def equal(left: Expr, right: Expr) -> Expr:
    """Whether two values are equal; against a constant it is membership."""
    if isinstance(left, Lit) and isinstance(right, Lit):
        return Lit(int(left.value == right.value))
    if isinstance(left, Lit):
        left, right = right, left
    if isinstance(right, Lit):
        return member(left, (right.value,))
    return TRUE if left == right else Eq(left, right)


def member(arg: Expr, values: Iterable[int]) -> Expr:
    """Whether `arg` has one of `values`."""
    wanted = tuple(sorted(set(values)))
    if not wanted:
        return FALSE
    if isinstance(arg, Lit):
        return Lit(int(arg.value in wanted))
    return In(arg, wanted)


def same(left: Index, right: Index) -> Expr:
    """Whether two instances are the same one; folded where that is known."""
    if left == right:
        return TRUE
    if isinstance(left, int) and isinstance(right, int):
        return FALSE
    return Same(left, right)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The direct sub-expressions, in order."""
    # The most frequent forms first, and without a pattern: this is where walks spend their time.
    kind = type(expr)
    if kind is Ref or kind is Lit:
        return ()
    if kind is And or kind is Or:
        return expr.args  # type: ignore[union-attr]
    if kind is In or kind is Not:
        return (expr.arg,)  # type: ignore[union-attr]
    match expr:
        case Lit() | Ref():
            return ()
        case And(args) | Or(args):
            return args
        case Not(arg) | In(arg, _) | Post(arg):
            return (arg,)
        case IndexValue() | Same() | ClockCmp() | ClockDiff() | Happens():
            return ()
        case Ite(cond, then, other):
            return (cond, then, other)
        case Eq(left, right) | Le(left, right) | Add(left, right) | Sub(left, right):
            return (left, right)
        case Forall(_, _, body) | Exists(_, _, body):
            return (body,)
        case _:
            assert_never(expr)


def rebuild(expr: Expr, parts: tuple[Expr, ...]) -> Expr:
    """`expr` with its direct sub-expressions replaced by `parts`, simplified."""
    match expr:
        case And():
            return conj(parts)
        case Or():
            return disj(parts)
        case Not():
            return neg(parts[0])
        case In(_, values):
            return member(parts[0], values)
        case Lit() | Ref() | IndexValue() | Same() | ClockCmp() | ClockDiff() | Happens():
            return expr
        case Post():
            return Post(parts[0])
        case Ite():
            return ite(parts[0], parts[1], parts[2])
        case Eq():
            return equal(parts[0], parts[1])
        case Le():
            left, right = parts
            if isinstance(left, Lit) and isinstance(right, Lit):
                return Lit(int(left.value <= right.value))
            return Le(left, right)
        case Add():
            left, right = parts
            if isinstance(left, Lit) and isinstance(right, Lit):
                return Lit(left.value + right.value)
            return Add(left, right)
        case Sub():
            left, right = parts
            if isinstance(left, Lit) and isinstance(right, Lit):
                return Lit(left.value - right.value)
            return Sub(left, right)
        case Forall(param, family, _):
            return parts[0] if isinstance(parts[0], Lit) else Forall(param, family, parts[0])
        case Exists(param, family, _):
            return parts[0] if isinstance(parts[0], Lit) else Exists(param, family, parts[0])
        case _:
            assert_never(expr)


def transform(expr: Expr, leaf: Callable[[Expr], Expr | None]) -> Expr:
    """Bottom-up rewriting: `leaf` may answer for a whole sub-expression, None means "go in"."""
    replaced = leaf(expr)
    if replaced is not None:
        return replaced
    parts = children(expr)
    if not parts:
        return expr
    moved = tuple([transform(part, leaf) for part in parts])
    if all(map(is_, moved, parts)):
        return expr
    return rebuild(expr, moved)


def walk(expr: Expr) -> Iterator[Expr]:
    """`expr` and all its sub-expressions, outermost first."""
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        kind = type(node)
        if kind is not Ref and kind is not Lit:  # most nodes are: not to ask them is the speed
            stack.extend(children(node)[::-1])


def rename(expr: Expr, binding: dict[str, Index]) -> Expr:
    """`expr` with bound instance names replaced (by other names, or by numbers)."""
    return Renaming(binding).of(expr)


class Renaming:
    """`rename` of any number of expressions: what was met before is not looked at again.

    The guards of a System share most of their parts.
    """

    def __init__(self, binding: Mapping[str, Index]) -> None:
        self._binding = dict(binding)
        self._known: dict[Expr, Expr] = {}

    def of(self, expr: Expr) -> Expr:
        """`expr` renamed."""
        kind = type(expr)
        if kind is Lit:
            return expr
        if kind is Ref:
            index = expr.index  # type: ignore[union-attr]
            moved = self._binding.get(index, index) if isinstance(index, str) else index
            return expr if moved is index else Ref(expr.name, moved)  # type: ignore[union-attr]
        found = self._known.get(expr)
        if found is None:
            found = self._known[expr] = self._made(expr)
        return found

    def _swap(self, index: Index) -> Index:
        return self._binding.get(index, index) if isinstance(index, str) else index

    def _made(self, expr: Expr) -> Expr:
        swap = self._swap
        match expr:
            case IndexValue(index):
                moved = swap(index)
                return Lit(moved) if isinstance(moved, int) else IndexValue(moved)
            case Same(left, right):
                return same(swap(left), swap(right))
            case ClockCmp(clock, index, op, bound):
                return ClockCmp(clock, swap(index), op, bound)
            case ClockDiff(clock, index, minus, minus_index, op, bound):
                return ClockDiff(clock, swap(index), minus, swap(minus_index), op, bound)
            case Happens(kind, name, value, index):
                return Happens(kind, name, value, swap(index))
            case Forall(param, _, body) | Exists(param, _, body) if param in self._binding:
                inner = {k: v for k, v in self._binding.items() if k != param}
                return rebuild(expr, (rename(body, inner),))
            case Forall(_, _, body) | Exists(_, _, body):
                return rebuild(expr, (self.of(body),))
            case _:
                parts = children(expr)
                changed = tuple([self.of(part) for part in parts])
                return expr if all(map(is_, changed, parts)) else rebuild(expr, changed)


def refs(expr: Expr) -> Iterator[Ref]:
    """Every state variable read by `expr` (with its index as written)."""
    stack = [expr]
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is Ref:
            yield node  # type: ignore[misc]
        elif kind is not Lit:
            stack.extend(children(node)[::-1])


def clocks_read(expr: Expr) -> Iterator[tuple[str, Index]]:
    """Every clock compared in `expr`."""
    for node in walk(expr):
        if isinstance(node, ClockCmp):
            yield (node.clock, node.index)
        elif isinstance(node, ClockDiff):
            yield (node.clock, node.index)
            yield (node.minus, node.minus_index)
