"""The mutation score of a spec: every mutant judged, in its order, in several processes.

Owns the course of it and the score. Knows no rendering; the judging is `checker.mutation`'s.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rhscheck import api, workers
from rhscheck.checker.mutation import Baseline, Fate, Judgement, Jury, baseline
from rhscheck.spec.diagnostic import SpecErrors, did_you_mean
from rhscheck.spec.load import Loaded, load_source
from rhscheck.spec.mutants import Mutant, diff, mutants, mutated
from rhscheck.spec.parse import parse
from rhscheck.spec.source import Source

_PIECE = 4  # mutants that a process judges before the next ones are dealt out


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant, what became of it, and the lines that it changes. `allowed`: the reason why."""

    mutant: Mutant
    judgement: Judgement
    diff: tuple[str, ...]
    allowed: str | None = None

    @property
    def fate(self) -> Fate:
        """What became of it."""
        return self.judgement.fate


@dataclass(frozen=True, slots=True)
class Score:
    """All mutants that were asked for, in the order of the text."""

    judged: tuple[Judged, ...]

    def count(self, fate: Fate, *, allowed: bool | None = None) -> int:
        """How many have this fate (`allowed`: and are listed as allowed variations, or not)."""
        return sum(
            one.fate == fate and (allowed is None or (one.allowed is not None) == allowed)
            for one in self.judged
        )

    @property
    def counted(self) -> int:
        """How many a rule could have noticed: neither refused, nor equivalent, nor allowed."""
        return sum(
            one.fate in ("killed", "alive", "undecided") and one.allowed is None
            for one in self.judged
        )

    @property
    def exit(self) -> int:
        """1 where a mutant lives that is not allowed, else 3 where one is undecided, else 0."""
        fates = {one.fate for one in self.judged if one.allowed is None}
        return 1 if "alive" in fates else 3 if "undecided" in fates else 0


@dataclass(frozen=True, slots=True)
class _Case:
    """What every process has to know."""

    source: Source
    settings: tuple[tuple[str, str], ...]
    verdicts: tuple[tuple[str, str], ...]
    scenarios: tuple[tuple[str, int], ...]
    timeout_s: float | None


def select(loaded: Loaded, operators: Sequence[str], ids: Sequence[str]) -> tuple[Mutant, ...]:
    """The mutants of these operators, or with these ids; all where none is named.

    Raises InputError for names that do not exist.
    """
    source = loaded.sources[0]
    every = mutants(source, parse(source))
    known = dict.fromkeys(one.operator for one in every)
    for operator in operators:
        if operator not in known:
            raise api.InputError(
                f"there is no operator `{operator}` here; {did_you_mean(operator, known)}"
            )
    names = {one.id for one in every}
    for id_ in ids:
        if id_ not in names:
            raise api.InputError(f"there is no mutant `{id_}`; `--list` shows their names")
    if not operators and not ids:
        return every
    return tuple(one for one in every if one.operator in operators or one.id in ids)


def score(
    loaded: Loaded,
    settings: Mapping[str, str],
    chosen: Sequence[Mutant],
    allowed: Mapping[str, str],
    *,
    jobs: int,
    timeout_s: float | None,
    progress: Callable[[str], None],
) -> Iterator[Judged]:
    """The chosen mutants judged, in their order. `timeout_s`: for each verification of a mutant.

    Raises what `api.verify` raises about the original.
    """
    progress("verifying the original")
    known = baseline(loaded.system, min(jobs, 2))
    case = _Case(
        loaded.sources[0],
        tuple(settings.items()),
        tuple(known.verdicts.items()),
        tuple(known.scenarios.items()),
        timeout_s,
    )
    pieces = [tuple(chosen[at : at + _PIECE]) for at in range(0, len(chosen), _PIECE)]
    done = 0
    progress(f"{len(chosen)} mutants")
    for piece, judgements in zip(
        pieces, workers.each(partial(_judged, case), pieces, jobs), strict=True
    ):
        for mutant, judgement in zip(piece, judgements, strict=True):
            done += 1
            progress(f"mutant {done} of {len(chosen)}: {judgement.fate}")
            may_live = judgement.fate in ("alive", "undecided")
            reason = allowed.get(mutant.id) if may_live else None
            yield Judged(mutant, judgement, diff(case.source, mutant), reason)


@functools.cache
def _jury(case: _Case) -> Jury:
    """One a process: what is known about the original is made once."""
    system = load_source(case.source, dict(case.settings)).system
    verdicts = dict(case.verdicts)
    return Jury(system, Baseline(verdicts, dict(case.scenarios)), case.timeout_s)  # type: ignore[arg-type]


def _judged(case: _Case, piece: Sequence[Mutant]) -> tuple[Judgement, ...]:
    return tuple(_one(case, mutant) for mutant in piece)


def _one(case: _Case, mutant: Mutant) -> Judgement:
    source = mutated(case.source, mutant)
    try:
        system = load_source(source, dict(case.settings)).system
    except SpecErrors as errors:
        first = errors.diagnostics[0]
        return Judgement("refused", "", f"{first.code.number}: {first.message}")
    words = re.findall(r"\w+", " ".join(diff(case.source, mutant)))
    return _jury(case).judge(system, words)
