"""What the checker may say about a rule, and how that compares with what the spec expects.

Owns the verdict values (different things are different types, so that a bound can never be printed
as a proof), the result of one rule, and the exit status of a verification. Knows neither engines
nor rendering.

Scope. `ProvedForEvery` holds for every number of instances; every other verdict names the number it
is about, or says that there is none (`Impossible.n` None: for every number).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from rhscheck.spec.expr import Expr
from rhscheck.spec.ground import Ground
from rhscheck.spec.semantics import Run
from rhscheck.spec.system import Can, Expectation, Rule

EngineName = Literal["local", "zones", "bmc", "spacer", "kinduction", "pairs", "kliveness"]
VerdictName = Literal["proved", "bounded", "violated", "witnessed", "impossible", "unknown"]

EXIT_AGREED, EXIT_VIOLATED, EXIT_UNDECIDED = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run that shows a violation or a permission, as `spec.semantics` replayed it.

    `ground` and `run` are the spec's own System; `woven` and `woven_run` are the same run over the
    System with rule observers and assumptions, in whose last state `formula` (ground) holds.
    `loop`: the run never ends; its steps from this number on (0 is the first) repeat for ever. It
    is the number of steps where nothing happens any more.
    """

    ground: Ground
    run: Run
    woven: Ground
    woven_run: Run
    formula: Expr
    loop: int | None = None


@dataclass(frozen=True, slots=True)
class ProvedForEvery:
    """No run breaks the rule, whatever the number of instances.

    `checked`: the numbers at which the invariant was re-checked in its concrete form as well.
    """

    checked: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ProvedFor:
    """No run with exactly `n` instances breaks the rule."""

    n: int


@dataclass(frozen=True, slots=True)
class BoundedUpTo:
    """No run of at most `depth` discrete steps with `n` instances breaks the rule: not a proof."""

    depth: int
    n: int


@dataclass(frozen=True, slots=True)
class Violated:
    """The rule is broken by this run of `length` discrete steps with `n` instances.

    `shortest`: no run is shorter, whatever the number of instances; else none with `n` instances.
    Of a run that never ends neither is said; its length counts the steps of the loop once.
    """

    n: int
    length: int
    evidence: Evidence
    shortest: bool


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The permission is used by this run; the members mean what they mean in `Violated`."""

    n: int
    length: int
    evidence: Evidence
    shortest: bool


@dataclass(frozen=True, slots=True)
class Impossible:
    """Proved: no run uses the permission. `n` None: for every number of instances."""

    n: int | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not decided, and why."""

    reason: str


Verdict = ProvedForEvery | ProvedFor | BoundedUpTo | Violated | Witnessed | Impossible | Unknown


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on one rule. `engine` None: no engine was asked. `seconds`: wall-clock time of
    the stages this rule took part in; `rlimit`: z3's steps in its re-checks (0: none).
    """

    rule: Rule
    verdict: Verdict
    engine: EngineName | None
    seconds: float
    rlimit: int = 0
    notes: tuple[str, ...] = ()


def name(verdict: Verdict) -> VerdictName:
    """The verdict's name in `expect` and in JSON."""
    match verdict:
        case ProvedForEvery() | ProvedFor():
            return "proved"
        case BoundedUpTo():
            return "bounded"
        case Violated():
            return "violated"
        case Witnessed():
            return "witnessed"
        case Impossible():
            return "impossible"
        case Unknown():
            return "unknown"
        case _:
            assert_never(verdict)


def scope(verdict: Verdict) -> int | Literal["every"] | None:
    """The number of instances a verdict is about; None where it is about none."""
    match verdict:
        case ProvedForEvery():
            return "every"
        case Impossible(n):
            return "every" if n is None else n
        case ProvedFor(n) | BoundedUpTo(_, n) | Violated(n) | Witnessed(n):
            return n
        case Unknown():
            return None
        case _:
            assert_never(verdict)


def sentence(verdict: Verdict) -> str:
    """The verdict in the words of the design, with its scope."""
    match verdict:
        case ProvedForEvery():
            return "proved for every N"
        case ProvedFor(n):
            return f"proved for N={n}"
        case BoundedUpTo(depth, n):
            return f"no violation up to depth {depth} for N={n}"
        case Violated(n, length, Evidence(loop=int())):
            return f"violated for N={n} for ever after {steps(length)}"
        case Violated(n, length):
            return f"violated for N={n} in {steps(length)}"
        case Witnessed(n, length):
            return f"witnessed for N={n} in {steps(length)}"
        case Impossible(n):
            return (
                "impossible (proved for every N)" if n is None else f"impossible (proved for N={n})"
            )
        case Unknown(reason):
            return f"unknown ({reason})"
        case _:
            assert_never(verdict)


def steps(length: int) -> str:
    """`length` as words."""
    return "1 step" if length == 1 else f"{length} steps"


# ---- expectations -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Comparison:
    """How the verdicts on one rule (all elements of one `base` id) compare with what is expected.

    `status` is this rule's share of the exit status; `message` says what differs ("" where nothing
    does) or, under `expect unknown`, what to watch. `expected` is None where the default applies.
    """

    base: str
    expected: Expectation | None
    status: int
    message: str


def compare(
    results: Sequence[Result],
    expectations: Sequence[Expectation],
    asked: int | None = None,
    *,
    elsewhere: bool = False,
) -> tuple[Comparison, ...]:
    """One comparison a rule, in the order of the results.

    An expectation may name a rule (all its elements together) or a single element. `asked`: the one
    number of instances that was asked about; a proof for it is then all that can be expected.
    `elsewhere`: the verdicts are not about the default parameters, readings and assumptions, of
    which alone `expect` speaks (SEMANTICS section 4). What is expected to fail there need not fail
    here; all else is asked of it here, too.
    """
    by_name = {expectation.rule: expectation for expectation in expectations}
    groups: dict[str, list[Result]] = {}
    for result in results:
        own = by_name.get(result.rule.id)
        groups.setdefault(result.rule.id if own else result.rule.base, []).append(result)
    return tuple(
        _compare(base, group, by_name.get(base), asked, elsewhere=elsewhere)
        for base, group in groups.items()
    )


def exit_status(
    results: Sequence[Result],
    expectations: Sequence[Expectation],
    asked: int | None = None,
    *,
    elsewhere: bool = False,
) -> int:
    """1 if a verdict contradicts what is expected, else 3 if one falls short of it, else 0."""
    compared = compare(results, expectations, asked, elsewhere=elsewhere)
    statuses = [comparison.status for comparison in compared]
    if EXIT_VIOLATED in statuses:
        return EXIT_VIOLATED
    return EXIT_UNDECIDED if EXIT_UNDECIDED in statuses else EXIT_AGREED


def _compare(
    base: str,
    group: Sequence[Result],
    expectation: Expectation | None,
    asked: int | None,
    *,
    elsewhere: bool,
) -> Comparison:
    default = "witnessed" if isinstance(group[0].rule.obligation, Can) else "proved"
    wanted = expectation.verdict if expectation else default
    n = asked if asked is not None or expectation is None else expectation.n
    status, message = _judge(group, wanted, n, elsewhere=elsewhere)
    return Comparison(base, expectation, status, message)


def _judge(
    group: Sequence[Result], wanted: str, n: int | None, *, elsewhere: bool
) -> tuple[int, str]:
    """The exit status of one rule's elements, and what differs from the `wanted` verdict."""
    permission = isinstance(group[0].rule.obligation, Can)
    # One broken element breaks the rule, one impossible element the permission.
    broken: VerdictName = "impossible" if permission else "violated"
    holds: VerdictName = "witnessed" if permission else "proved"
    against = [result for result in group if name(result.verdict) == broken]
    if elsewhere and wanted == broken and not against:
        wanted = holds
    if against:
        if wanted != broken:
            return EXIT_VIOLATED, f"expected {wanted}, but {_said(against[0])}"
        if any(_covers(result.verdict, n) for result in against):
            return EXIT_AGREED, ""
        return EXIT_UNDECIDED, f"expected for {_scope_text(n)}, but {_said(against[0])}"
    open_ones = [result for result in group if name(result.verdict) != holds]
    if wanted == "unknown":
        if open_ones:
            return EXIT_AGREED, f"not decided, as the spec expects: {_said(open_ones[0])}"
        return EXIT_AGREED, f"expected unknown, but it is decided now: {_said(group[0])}"
    if open_ones:
        if wanted == "bounded" and all(name(result.verdict) == "bounded" for result in open_ones):
            return EXIT_AGREED, ""
        return EXIT_UNDECIDED, f"expected {wanted}, but {_said(open_ones[0])}"
    if wanted not in (holds, "bounded"):
        return EXIT_VIOLATED, f"expected {wanted}, but {_said(group[0])}"
    narrow = [result for result in group if wanted == holds and not _covers(result.verdict, n)]
    if narrow:
        return EXIT_UNDECIDED, f"expected for {_scope_text(n)}, but {_said(narrow[0])}"
    return EXIT_AGREED, ""


def _said(result: Result) -> str:
    return f"{result.rule.id} is {sentence(result.verdict)}"


def _scope_text(n: int | None) -> str:
    return "every N" if n is None else f"N={n}"


def _covers(verdict: Verdict, n: int | None) -> bool:
    """Whether a verdict speaks of `n` instances (None: every number for proofs, any elsewhere)."""
    match verdict:
        case ProvedForEvery() | Impossible(None):
            return True
        case ProvedFor(k):
            return n == k
        case Impossible(k) | Violated(k) | Witnessed(k):
            return n is None or n == k
        case BoundedUpTo() | Unknown():
            return False
        case _:
            assert_never(verdict)
