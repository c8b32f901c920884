"""Expressions of the syntax tree to typed `Expr`.

Owns names, connectives, comparisons and the typing of expressions; `spec.predicates` has the named
predicates. Knows nothing of transitions; `Context` says whose names an expression sees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code, did_you_mean
from rhscheck.spec.expr import (
    TRUE,
    Add,
    ClockCmp,
    ClockDiff,
    Exists,
    Expr,
    Forall,
    Index,
    IndexValue,
    Le,
    Lit,
    Ref,
    Sub,
    conj,
    disj,
    equal,
    implies,
    neg,
    rebuild,
)
from rhscheck.spec.names import Machine, Symbols
from rhscheck.spec.predicates import Predicates
from rhscheck.spec.source import Span
from rhscheck.spec.system import (
    BoolType,
    EnumType,
    IntType,
    RefType,
    Type,
)
from rhscheck.spec.term_types import (
    CONDITION,
    ClockType,
    Context,
    ErrorType,
    MemberType,
    NoneType,
    TermType,
    TimeType,
    Typed,
    Wrapper,
    fix,
    type_text,
)

__all__ = ["Context", "Terms"]


# Levels of an expression with its definitions put in: every pass that recurses fits Python's stack.
MAX_LEVELS = 150
MAX_QUANTIFIERS = 6  # within each other; each multiplies a formula by the number of instances
MAX_EXPANSIONS = 10_000  # of definitions, in one spec


class Terms:
    """Elaborates expressions; errors go to `symbols.problems` and yield harmless values."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.problems = symbols.problems
        self.predicates = Predicates(self)
        self._wrappers: list[Wrapper] = []
        self._open: list[str] = []  # definitions being expanded
        self._fresh = 0
        self._reported: Span | None = None  # a name whose owner was asked for
        self._levels = 0
        self._quantifiers = 0
        self._expansions = 0

    # -- entry points ------------------------------------------------------------------------------
    def condition(self, node: s.Expression, context: Context) -> Expr:
        """A Boolean expression; reported and replaced by `true` if it is none."""
        depth = len(self._wrappers)
        expr, kind = self._term(node, context)
        expr = self._wrap(expr, depth)
        if isinstance(kind, BoolType | ErrorType):
            return expr
        self._mismatch(CONDITION, kind, node.span)
        return TRUE

    def constant_time(self, node: s.Expression) -> int:
        """A constant duration in the System's unit."""
        expr, kind = self._term(node, Context())
        if isinstance(kind, ErrorType):
            return 1
        if isinstance(kind, TimeType) and isinstance(expr, Lit):
            if expr.value < 0:
                self.problems.error(
                    Code.RANGE, "a time cannot be negative", node.span, "subtract less"
                )
                return 1
            return expr.value
        if isinstance(kind, IntType):
            self.problems.error(
                Code.UNIT, "a time is needed here", node.span, "add a unit, such as `5m` or `300ms`"
            )
        else:
            self._mismatch("a constant time", kind, node.span)
        return 1

    def constant_int(self, node: s.Expression) -> int:
        """A constant number; 0 (reported) for anything else."""
        expr, kind = self._term(node, Context())
        if isinstance(kind, IntType) and isinstance(expr, Lit):
            return expr.value
        if isinstance(kind, TimeType):
            self.problems.error(
                Code.UNIT, "a number without a unit is needed here", node.span, "drop the unit"
            )
        elif not isinstance(kind, ErrorType):
            self._mismatch("a constant number", kind, node.span)
        return 0

    def constant(self, node: s.Expression) -> tuple[int, bool] | None:
        """A constant number or time: (value, is a time); None if it is neither (reported)."""
        expr, kind = self._term(node, Context())
        if isinstance(expr, Lit) and isinstance(kind, TimeType | IntType):
            return (expr.value, isinstance(kind, TimeType))
        if not isinstance(kind, ErrorType):
            self.problems.error(
                Code.NOT_CONSTANT, "a constant is needed here", node.span,
                "write a number or a time, or options: `param P : { a, b } = a`",
            )  # fmt: skip
        return None

    def value(self, node: s.Expression, wanted: Type, context: Context) -> Expr:
        """A value of type `wanted`."""
        depth = len(self._wrappers)
        expr, kind = self._term(node, context)
        if len(self._wrappers) > depth:
            del self._wrappers[depth:]
            self.problems.error(
                Code.TYPE, "a value of a referenced instance cannot be assigned", node.span,
                "bind the instance in the condition instead",
            )  # fmt: skip
            return Lit(0)
        fitted = self._fit(expr, kind, wanted, node.span)
        return Lit(0) if fitted is None else fitted

    def instance(self, name: str, context: Context) -> tuple[Machine, Index] | None:
        """The machine and index that a bound instance name means."""
        return context.bound.get(name)

    # -- terms -------------------------------------------------------------------------------------
    def _term(self, node: s.Expression, context: Context) -> Typed:
        if self._levels == MAX_LEVELS:
            self.problems.error(
                Code.TOO_DEEP, f"with its definitions put in, this has over {MAX_LEVELS} levels",
                node.span, "write one chain of `and` or `or`, or leave a definition out",
            )  # fmt: skip
            return TRUE, ErrorType()
        self._levels += 1
        typed = self._typed(node, context)
        self._levels -= 1
        return typed

    def _typed(self, node: s.Expression, context: Context) -> Typed:
        match node:
            case s.Number(value):
                return Lit(value), IntType(value, value)
            case s.Duration(us):
                return Lit(us // self.symbols.unit_us), TimeType()
            case s.Truth(value):
                return Lit(int(value)), BoolType()
            case s.NoneValue():
                return Lit(0), NoneType()
            case s.Path():
                return self._path(node, context)
            case s.Unary(_, arg):
                return neg(self.condition(arg, context)), BoolType()
            case s.Nary(op, args):
                return self._nary(op, args, node, context)
            case s.Binary("implies", left, right):
                both = (self.condition(left, context), self.condition(right, context))
                return implies(*both), BoolType()
            case s.Binary():
                return self._wrapped(node, context), BoolType()
            case s.Quantified():
                return self._quantified(node, context), BoolType()
            case s.Atom():
                depth = len(self._wrappers)
                return self._wrap(self.predicates.atom(node, context), depth), BoolType()
            case _:
                assert_never(node)

    def _wrap(self, expr: Expr, depth: int) -> Expr:
        """Binds the references met since `depth`: `exists p: host = p and …`."""
        while len(self._wrappers) > depth:
            name, family, condition = self._wrappers.pop()
            expr = Exists(name, family, conj((condition, expr)))
        return expr

    def _wrapped(self, node: s.Binary, context: Context) -> Expr:
        depth = len(self._wrappers)
        return self._wrap(self._compare(node, context), depth)

    def _nary(
        self, op: str, args: tuple[s.Expression, ...], node: s.Nary, context: Context
    ) -> Typed:
        if op in ("and", "or"):
            parts = [self.condition(arg, context) for arg in args]
            return (conj(parts) if op == "and" else disj(parts)), BoolType()
        terms = [self._term(arg, context) for arg in args]
        if any(isinstance(kind, ErrorType) for _, kind in terms):
            return Lit(0), ErrorType()
        times = [isinstance(kind, TimeType) for _, kind in terms]
        numbers = [isinstance(kind, IntType) for _, kind in terms]
        if op == "*":
            constants = [expr.value for expr, _ in terms if isinstance(expr, Lit)]
            if (
                len(constants) != len(terms)
                or sum(times) > 1
                or not all(t or n for t, n in zip(times, numbers, strict=True))
            ):
                self.problems.error(
                    Code.NOT_CONSTANT, "a product needs constants, at most one of them a time",
                    node.span, "multiply parameters and numbers; add variables instead",
                )  # fmt: skip
                return Lit(0), ErrorType()
            product = 1
            for value in constants:
                product *= value
            return Lit(product), TimeType() if any(times) else IntType(product, product)
        (left, left_kind), (right, right_kind) = terms
        if all(times):
            return rebuild(Add(left, right) if op == "+" else Sub(left, right), (left, right)), (
                TimeType()
            )
        if op == "-" and isinstance(left_kind, ClockType) and isinstance(right_kind, ClockType):
            return Lit(0), ErrorType()  # only legal in a comparison, handled there
        if isinstance(left_kind, IntType) and isinstance(right_kind, IntType):
            if op == "+":
                bounds = (left_kind.low + right_kind.low, left_kind.high + right_kind.high)
                return rebuild(Add(left, right), (left, right)), IntType(*bounds)
            bounds = (left_kind.low - right_kind.high, left_kind.high - right_kind.low)
            return rebuild(Sub(left, right), (left, right)), IntType(*bounds)
        if any(times) and any(numbers):
            self.problems.error(Code.UNIT, "a time and a number cannot be added", node.span,
                                "give the number a unit, such as `5s`")  # fmt: skip
        else:
            self._mismatch("a number or a time", left_kind, node.span)
        return Lit(0), ErrorType()

    def _compare(self, node: s.Binary, context: Context) -> Expr:
        op = node.op
        diagonal = self._diagonal(node, context)
        if diagonal is not None:
            return diagonal
        left, left_kind = self._term(node.left, context)
        right, right_kind = self._term(node.right, context)
        if isinstance(left_kind, ErrorType) or isinstance(right_kind, ErrorType):
            return TRUE
        if isinstance(right_kind, ClockType) and not isinstance(left_kind, ClockType):
            left, left_kind, right, right_kind = right, right_kind, left, left_kind
            op = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
        if isinstance(left_kind, ClockType):
            if not isinstance(right_kind, TimeType) or not isinstance(right, Lit):
                if isinstance(right_kind, IntType) and isinstance(right, Lit):
                    self.problems.error(
                        Code.UNIT, "a clock is compared with a time, this is a number", node.span,
                        "add a unit, such as `5m` or `300ms`",
                    )  # fmt: skip
                else:
                    self._mismatch("a constant time", right_kind, node.span)
                return TRUE
            return _clock_compare(op, left_kind.clock, left_kind.index, right.value)
        if isinstance(left_kind, TimeType) and isinstance(right_kind, TimeType):
            assert isinstance(left, Lit)  # times are constants
            assert isinstance(right, Lit)
            return Lit(int(_compare_ints(op, left.value, right.value)))
        if isinstance(left_kind, TimeType) or isinstance(right_kind, TimeType):
            self.problems.error(
                Code.UNIT, "a time can be compared with a clock or a time only", node.span,
                "give the number a unit, such as `5s`, or compare a clock",
            )  # fmt: skip
            return TRUE
        if op in ("==", "!="):
            both = self._unify(left, left_kind, right, right_kind, node)
            if both is None:
                return TRUE
            result = equal(*both)
            return result if op == "==" else neg(result)
        ordered = (isinstance(left_kind, IntType) and isinstance(right_kind, IntType)) or (
            isinstance(left_kind, RefType)
            and isinstance(right_kind, RefType)
            and left_kind.family == right_kind.family
        )
        if ordered:
            if op in (">", ">="):
                left, right = right, left
            pair = (left, right)
            if op in ("<=", ">="):
                return rebuild(Le(*pair), pair)
            return neg(rebuild(Le(right, left), (right, left)))
        wrong = left_kind if not isinstance(left_kind, IntType | RefType) else right_kind
        self._mismatch("a number on both sides", wrong, node.span)
        return TRUE

    def _diagonal(self, node: s.Binary, context: Context) -> Expr | None:
        left = node.left
        if not (isinstance(left, s.Nary) and left.op == "-" and len(left.args) == 2):
            return None
        first, second = (self._clock(arg, context) for arg in left.args)
        if first is None or second is None:
            return None
        right, kind = self._term(node.right, context)
        if not isinstance(kind, TimeType) or not isinstance(right, Lit):
            self._mismatch("a constant time", kind, node.span)
            return TRUE
        pair = (first.clock, first.index, second.clock, second.index)
        bound = right.value
        result: Expr
        match node.op:
            case "==" | "!=":
                result = conj((ClockDiff(*pair, ">=", bound), ClockDiff(*pair, "<=", bound)))
            case "<" | "<=" | ">" | ">=":
                result = ClockDiff(*pair, node.op, bound)
            case _:
                raise ValueError(node.op)
        return neg(result) if node.op == "!=" else result

    def _clock(self, node: s.Expression, context: Context) -> ClockType | None:
        if not isinstance(node, s.Path) or len(node.parts) != 1 or context.machine is None:
            return None
        name = node.parts[0]
        known = context.machine.clocks.get(name)
        if known is None:
            return None
        self.symbols.use("clock", f"{context.machine.name}.{name}")
        return ClockType(known[0], context.index)

    def _quantified(self, node: s.Quantified, context: Context) -> Expr:
        machine = self.symbols.machines.get(node.family.text)
        if machine is None or machine.family is None:
            families = [m.name for m in self.symbols.machines.values() if m.family is not None]
            self.problems.unknown("machine with instances", node.family.text, families,
                                  node.family.span)  # fmt: skip
            return TRUE
        if self._quantifiers == MAX_QUANTIFIERS:
            self.problems.error(
                Code.TOO_MANY, f"more than {MAX_QUANTIFIERS} quantifiers within each other",
                node.span, "split the condition into several that need fewer",
            )  # fmt: skip
            return TRUE
        name = self.fresh(node.variable.text)
        inner = replace(context, bound={**context.bound, node.variable.text: (machine, name)})
        self._quantifiers += 1
        body = self.condition(node.body, inner)
        self._quantifiers -= 1
        kind = Forall if node.kind == "forall" else Exists
        return rebuild(kind(name, machine.family, body), (body,))

    def fresh(self, stem: str) -> str:
        """A bound name that no spec text can clash with."""
        self._fresh += 1
        return f"{stem}'{self._fresh}"

    # -- names -------------------------------------------------------------------------------------
    def _path(self, node: s.Path, context: Context) -> Typed:
        subject = self.subject(node, context, whole=False)
        machine, index, rest = subject
        if len(rest) == 0:
            assert machine is not None  # a name alone is a bound instance
            assert machine.family is not None
            return IndexValue(index), RefType(machine.family, False)
        name = rest[0]
        if len(rest) == 1 and machine is not None:
            clock = machine.clocks.get(name)
            if clock is not None:
                self.symbols.use("clock", f"{machine.name}.{name}")
                return Lit(0), ClockType(clock[0], index)
            variable = machine.variables.get(name)
            if variable is not None:
                self.symbols.use("variable", variable.name)
                if not variable.known:
                    return Lit(0), ErrorType()
                return Ref(variable.name, index), variable.type
            define = machine.defines.get(name)
            if define is not None:
                return self._defined(machine, index, define), BoolType()
        if len(node.parts) == 1:
            return self._global(node, context)
        if machine is not None and len(rest) < len(node.parts):
            known = [*machine.variables, *machine.clocks, *machine.defines]
            hint = did_you_mean(name, known)
            if machine.states(rest, None):
                hint = f"write `in {node}` for a state"
            self.problems.error(
                Code.UNKNOWN_NAME, f"machine {machine.name} has no variable `{'.'.join(rest)}`",
                node.span, hint,
            )  # fmt: skip
        else:
            self._unknown_variable(node, context)
        return Lit(0), ErrorType()

    def _defined(self, machine: Machine, index: Index, define: s.DefineDecl) -> Expr:
        key = f"{machine.name}.{define.name.text}"
        if key in self._open:
            self.problems.error(
                Code.TYPE, f"definition `{define.name.text}` refers to itself", define.span,
                "a definition stands for a condition; it can only use others",
            )  # fmt: skip
            return TRUE
        self._expansions += 1
        if self._expansions > MAX_EXPANSIONS:
            self.problems.error(
                Code.TOO_MANY, "definitions use each other too often to be put in", define.span,
                "let a variable hold what they compute",
            )  # fmt: skip
            return TRUE
        self.symbols.use("define", key)
        bound: dict[str, tuple[Machine, Index]] = {}
        if machine.decl.index is not None:
            bound[machine.decl.index.text] = (machine, index)
        self._open.append(key)
        expr = self.condition(define.value, Context(machine, index, bound))
        self._open.pop()
        return expr

    def _global(self, node: s.Path, context: Context) -> Typed:
        name = node.parts[0]
        symbols = self.symbols
        shared = symbols.shared.get(name)
        if shared is not None:
            symbols.use("variable", shared.name)
            return Ref(shared.name), shared.type if shared.known else ErrorType()
        constant = symbols.constants.get(name)
        if constant is not None:
            symbols.use("param", name)
            kind: TermType = (
                TimeType() if constant.is_time else IntType(constant.value, constant.value)
            )
            return Lit(constant.value), kind
        reading = symbols.readings.get(name)
        if reading is not None:
            symbols.use("param", name)
            options = EnumType(name, reading.options)
            return Lit(reading.options.index(reading.chosen)), options
        types = symbols.members(name)
        readings = [
            EnumType(r.name, r.options) for r in symbols.readings.values() if name in r.options
        ]
        types += [t for t in readings if t not in types]
        if len(types) == 1:
            return Lit(types[0].members.index(name)), types[0]
        if types:
            return Lit(0), MemberType(name)
        self._unknown_variable(node, context)
        return Lit(0), ErrorType()

    def _unknown_variable(self, node: s.Path, context: Context) -> None:
        symbols = self.symbols
        if node.span == self._reported:
            return
        known = [*symbols.shared, *symbols.constants, *symbols.readings, *context.bound]
        if context.machine is not None:
            known += [*context.machine.variables, *context.machine.clocks]
            if context.machine.states(node.parts, context.scope):
                self.problems.error(
                    Code.TYPE, f"`{node}` is a state, not a variable", node.span,
                    f"write `in {node}`",
                )  # fmt: skip
                return
        for machine in symbols.machines.values():
            names = {**machine.variables, **machine.clocks, **machine.defines}
            if machine is not context.machine and str(node) in names:
                self.missing_owner(node, machine)
                return
        for kind in symbols.enums.values():
            known += kind.members
        self.problems.unknown("variable, parameter or value", str(node), known, node.span)

    def partner(
        self, path: s.Path, context: Context
    ) -> tuple[Machine | None, Index, tuple[str, ...], tuple[Wrapper, ...]]:
        """As `subject` for the event a transition synchronises with, and the instances to bind."""
        depth = len(self._wrappers)
        machine, index, rest = self.subject(path, context, whole=True)
        bound = tuple(self._wrappers[depth:])
        del self._wrappers[depth:]
        return machine, index, rest, bound

    def subject(
        self, path: s.Path, context: Context, whole: bool
    ) -> tuple[Machine | None, Index, tuple[str, ...]]:
        """Whose name `path` is: machine, instance, and what is left of the path.

        The first part may be a bound instance (`j.Critical`), a machine that exists once, or a
        variable that refers to an instance (`host.Up`, bound by `exists` around the atom). With
        `whole` the first part is a subject only if more follows.
        """
        first, rest = path.parts[0], path.parts[1:]
        bound = context.bound.get(first)
        if bound is not None and (rest or not whole):
            return (bound[0], bound[1], rest)
        if rest:
            machine = self.symbols.machines.get(first)
            if machine is not None and machine.family is None:
                return (machine, None, rest)
            variable = None
            index: Index = None
            if context.machine is not None:
                variable = context.machine.variables.get(first)
                index = context.index
            if variable is None:
                variable, index = self.symbols.shared.get(first), None
            target = None if variable is None else self.symbols.machine_of(variable.type)
            if variable is not None and target is not None and target.family is not None:
                self.symbols.use("variable", variable.name)
                name = self.fresh(first)
                condition = equal(Ref(variable.name, index), IndexValue(name))
                self._wrappers.append((name, target.family, condition))
                return (target, name, rest)
            if machine is not None and self.symbols.machines.get(first) is not context.machine:
                self.problems.error(
                    Code.MISSING_OWNER, f"machine {first} has instances; which one is meant?",
                    path.span, f"bind one: `exists x in {first}: (… x.{'.'.join(rest)} …)`",
                )  # fmt: skip
                self._reported = path.span
                return (None, None, path.parts)
        return (context.machine, context.index, path.parts)

    def missing_owner(self, path: s.Path, machine: Machine | None = None) -> None:
        """Reports a name that belongs to an instance (of `machine`) where none is given."""
        if path.span == self._reported:
            return
        name = "MACHINE" if machine is None else machine.name
        if machine is not None and machine.family is None:
            help = f"write `{name}.{path}`"
        else:
            help = f"put it into `rules {name} {{ … }}`, or write `i.{path}` and `for i in {name}`"
        self.problems.error(Code.MISSING_OWNER, f"whose `{path}` is meant?", path.span, help)

    # -- types -------------------------------------------------------------------------------------
    def _unify(
        self, left: Expr, left_kind: TermType, right: Expr, right_kind: TermType, node: s.Binary
    ) -> tuple[Expr, Expr] | None:
        """Both sides of an equation as values of one type."""
        if isinstance(left_kind, MemberType | NoneType):
            if isinstance(right_kind, MemberType | NoneType):
                self.problems.error(
                    Code.TYPE, "two constants are compared; what they belong to is not clear",
                    node.span, "compare a variable",
                )  # fmt: skip
                return None
            both = self._unify(right, right_kind, left, left_kind, node)
            return None if both is None else (both[1], both[0])
        if not isinstance(left_kind, BoolType | EnumType | IntType | RefType):
            self._mismatch("a value that can be compared", left_kind, node.span)
            return None
        fitted = self._fit(right, right_kind, left_kind, node.right.span, compare=True)
        return None if fitted is None else (left, fitted)

    def _fit(
        self, expr: Expr, kind: TermType, wanted: Type, span: Span, compare: bool = False
    ) -> Expr | None:
        match kind, wanted:
            case ErrorType(), _:
                return None
            case BoolType(), BoolType():
                return expr
            case IntType(low, high), IntType(want_low, want_high):
                if (
                    not compare
                    and isinstance(expr, Lit)
                    and not want_low <= expr.value <= want_high
                ):
                    self.problems.error(
                        Code.RANGE, f"{expr.value} is outside {want_low}..{want_high}", span,
                        f"write a value from {want_low} to {want_high}, or widen the type",
                    )  # fmt: skip
                del low, high
                return expr
            case EnumType(), EnumType():
                if kind.members == wanted.members:
                    return expr
                if isinstance(expr, Lit) and kind.members[expr.value] in wanted.members:
                    return Lit(wanted.members.index(kind.members[expr.value]))
            case MemberType(name), EnumType():
                if name in wanted.members:
                    return Lit(wanted.members.index(name))
                self.problems.unknown(f"value of {wanted.name}", name, wanted.members, span)
                return None
            case NoneType(), RefType(_, optional):
                if optional or compare:
                    return expr
                self.problems.error(
                    Code.TYPE, "this reference always means an instance, never `none`", span,
                    f"declare it as `{wanted.family}?`",
                )  # fmt: skip
                return None
            case IntType(), RefType() if compare and isinstance(expr, Lit):
                return expr  # instances are numbered from 1
            case RefType(family, optional), RefType(want_family, want_optional):
                if family == want_family and (compare or want_optional or not optional):
                    return expr
            case _:
                pass
        self._mismatch(type_text(wanted), kind, span)
        return None

    def _mismatch(self, needed: str, kind: TermType, span: Span) -> None:
        if not isinstance(kind, ErrorType):
            message = f"{needed} is needed here, this is {type_text(kind)}"
            self.problems.error(Code.TYPE, message, span, fix(needed, kind))


def _compare_ints(op: str, left: int, right: int) -> bool:
    return {
        "==": left == right, "!=": left != right, "<": left < right, "<=": left <= right,
        ">": left > right, ">=": left >= right,
    }[op]  # fmt: skip


def _clock_compare(op: str, clock: str, index: Index, bound: int) -> Expr:
    match op:
        case "==":
            return conj((ClockCmp(clock, index, ">=", bound), ClockCmp(clock, index, "<=", bound)))
        case "!=":
            return disj((ClockCmp(clock, index, ">", bound), ClockCmp(clock, index, "<", bound)))
        case "<" | "<=" | ">" | ">=":
            return ClockCmp(clock, index, op, bound)
        case _:
            raise ValueError(op)
