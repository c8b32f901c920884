"""Every rule under every reading: one reading at a time, the others as they are.

Owns which variants of a spec are verified and what is kept of each answer. Knows no rendering.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from rhscheck import api, workers
from rhscheck.checker import verdict as v
from rhscheck.checker.verify import Options
from rhscheck.spec.load import Loaded
from rhscheck.spec.system import Can, System


@dataclass(frozen=True, slots=True)
class Limit:
    """When the time for several verifications is up, by a clock that processes can agree on.

    `until`: by `time.time`, None: never. `timeout_s`: how long it was, for messages.
    """

    until: float | None
    timeout_s: float

    @staticmethod
    def of(timeout_s: float | None, began: float | None) -> Limit:
        """`timeout_s` seconds from `began` on (`time.time`; None: from now)."""
        if timeout_s is None:
            return Limit(None, 0.0)
        return Limit((time.time() if began is None else began) + timeout_s, timeout_s)

    def left(self) -> float | None:
        """Seconds left, at least a moment; None where there is no limit."""
        return None if self.until is None else max(0.001, self.until - time.time())

    def over(self) -> bool:
        """Whether nothing can be verified any more."""
        return self.until is not None and time.time() >= self.until

    def cells(self, rules: Sequence[str]) -> tuple[Cell, ...]:
        """What there is to say of `rules` when the time is up."""
        reason = f"time-out after {self.timeout_s:g} s"
        return tuple(Cell(rule, "unknown", None, None, None, reason, False) for rule in rules)


@dataclass(frozen=True, slots=True)
class Cell:
    """The verdict on one rule under one variant; the members as in the JSON of `verify`."""

    rule: str
    verdict: v.VerdictName
    n: int | Literal["every"] | None
    length: int | None
    depth: int | None
    reason: str | None
    permission: bool

    @property
    def holds(self) -> bool | None:
        """Whether the rule is kept (the permission can be used); None: not decided."""
        if self.verdict in ("proved", "witnessed"):
            return True
        return False if self.verdict in ("violated", "impossible") else None

    @property
    def words(self) -> str:
        """The verdict as `verify` says it, without the reason."""
        n = "every N" if self.n == "every" else f"N={self.n}"
        match self.verdict:
            case "proved":
                return f"proved for {n}"
            case "impossible":
                return f"impossible (proved for {n})"
            case "bounded":
                return f"no violation up to depth {self.depth} for {n}"
            case "unknown":
                return "unknown"
            case _:
                return f"{self.verdict} for {n} in {v.steps(self.length or 0)}"


@dataclass(frozen=True, slots=True)
class Variant:
    """A spec under one choice of readings: `reading` with `option`, None: as it was loaded."""

    reading: str | None
    option: str
    sentence: str
    cells: tuple[Cell, ...]
    exit: int

    @property
    def name(self) -> str:
        """As `--set` takes it."""
        return f"{self.reading}={self.option}" if self.reading else "as it is"


@dataclass(frozen=True, slots=True)
class Readings:
    """The variants, the first as it was loaded. `rules`: (id, sentence) in the order of the spec.

    A rule may be missing under a reading that does away with it.
    """

    system: System
    rules: tuple[tuple[str, str], ...]
    variants: tuple[Variant, ...]

    @property
    def exit(self) -> int:
        """That of the spec as it was loaded: the other readings are asked about, not asserted."""
        return self.variants[0].exit


def all_readings(
    loaded: Loaded,
    spec: str,
    settings: Mapping[str, str],
    options: Options,
    jobs: int,
    progress: Callable[[str], None],
    *,
    began: float | None = None,
) -> Readings:
    """Verify `loaded` (the spec called `spec` under `settings`) and each other reading of it.

    `options.timeout_s` is for all variants together, from `began` on (`time.time`): what is open
    then is not decided. Raises what `api.load` and `api.verify` raise.
    """
    system = loaded.system
    limit = Limit.of(options.timeout_s, began)
    wanted = replace(options, rules=_rules(system, options.rules), findings=False)
    choices: list[tuple[str, str] | None] = [None]
    choices += [
        (reading.name, option)
        for reading in system.readings
        for option in reading.options
        if option != reading.chosen
    ]
    variants: list[Variant] = []
    for reading, option in filter(None, choices):  # what is wrong with one is told at once
        if not limit.over():
            api.load(spec, {**settings, reading: option})
    asked = set(wanted.rules)
    ids = tuple(one.id for one in system.rules if one.base in asked or one.id in asked)
    work = partial(_variant, spec, dict(settings), wanted, limit, ids)
    progress(f"verifying {len(choices)} readings")
    for variant in workers.each(work, choices, jobs):
        if isinstance(variant, str):
            raise api.InputError(variant)
        variants.append(variant)
        progress(f"{len(variants)} of {len(choices)} readings: {variant.name} is done")
    named = dict.fromkeys(cell.rule for variant in variants for cell in variant.cells)
    sentences = {rule.id: rule.sentence for rule in system.rules}
    rules = tuple((rule, sentences.get(rule, "")) for rule in named)
    return Readings(system, rules, tuple(variants))


def _rules(system: System, asked: Sequence[str]) -> tuple[str, ...]:
    """The rules asked for, by their base ids; without scenarios."""
    known = dict.fromkeys(rule.base for rule in system.rules)
    return tuple(asked) if asked else tuple(known)


def _variant(
    spec: str,
    settings: dict[str, str],
    options: Options,
    limit: Limit,
    ids: Sequence[str],
    choice: tuple[str, str] | None,
) -> Variant | str:
    """One verification, in whatever process; or why the options do not fit.

    `ids`: the rules that are not decided if there is no time for it.
    """
    if limit.over():
        late, value = choice or (None, "")
        return Variant(late, value, "", limit.cells(ids), v.EXIT_UNDECIDED)
    chosen = settings if choice is None else {**settings, choice[0]: choice[1]}
    system = api.load(spec, chosen).system
    sentence = next((r.sentence for r in system.readings if choice and r.name == choice[0]), "")
    there = {name for rule in system.rules for name in (rule.id, rule.base)}
    known = {one.id for one in system.assumptions}
    reading, option = choice or (None, "")
    rules = [rule for rule in options.rules if choice is None or rule in there]
    if not rules:
        return Variant(reading, option, sentence, (), v.EXIT_AGREED)
    try:
        report = api.verify(
            system,
            rules=rules,
            without=[one for one in options.without if choice is None or one in known],
            n=options.n,
            depth=options.depth,
            timeout_s=limit.left(),
            engine=options.engine,
            findings=False,
        )
    except api.InputError as error:
        return f"{reading}={option}: {error}" if choice else str(error)
    return Variant(reading, option, sentence, tuple(cells(report.results)), report.exit)


def cells(results: Sequence[v.Result]) -> Iterator[Cell]:
    """What is kept of verdicts: what pickles in a moment."""
    for one in results:
        verdict = one.verdict
        yield Cell(
            one.rule.id,
            v.name(verdict),
            v.scope(verdict),
            verdict.length if isinstance(verdict, v.Violated | v.Witnessed) else None,
            verdict.depth if isinstance(verdict, v.BoundedUpTo) else None,
            verdict.reason if isinstance(verdict, v.Unknown) else None,
            isinstance(one.rule.obligation, Can),
        )
