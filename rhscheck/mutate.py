"""The mutation score of a spec: every mutant judged, in its order, in several processes.

Owns the course of it and the score. Knows no rendering; the judging is `checker.mutation`'s.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rhscheck import api, workers
from rhscheck.checker.mutation import Baseline, Fate, Judgement, Jury, baseline
from rhscheck.judgements import Kept
from rhscheck.spec.diagnostic import SpecErrors, did_you_mean
from rhscheck.spec.load import Loaded, load_source
from rhscheck.spec.mutants import Mutant, diff, mutants, mutated
from rhscheck.spec.parse import parse
from rhscheck.spec.source import Source


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
    kept: Kept | None = None,
) -> Iterator[Judged]:
    """The chosen mutants judged, in their order. `timeout_s`: for each verification of a mutant.

    `kept`: what is known from runs before, and where to keep what becomes known. Raises what
    `api.verify` raises about the original, and OutputError where it cannot be kept.
    """
    kept = Kept() if kept is None else kept
    if kept.original is None:
        progress("verifying the original")
        kept.begin(baseline(loaded.system, min(jobs, 2)))
    known = kept.original
    assert known is not None  # `begin` has set it
    case = _Case(
        loaded.sources[0],
        tuple(settings.items()),
        tuple(known.verdicts.items()),
        tuple(known.scenarios.items()),
        timeout_s,
    )
    left = [mutant for mutant in chosen if mutant.id not in kept.judged]
    done = len(chosen) - len(left)
    progress(f"{len(left)} mutants")
    began = time.monotonic()
    answers = workers.each(partial(_one, case), left, jobs)
    for mutant in chosen:
        judgement = kept.judged.get(mutant.id)
        if judgement is None:
            judgement = next(answers)
            kept.add(mutant.id, judgement)
            done += 1
            to_come = len(chosen) - done
            spent = time.monotonic() - began
            ahead = _about(spent / (len(left) - to_come) * to_come)
            progress(f"mutant {done} of {len(chosen)}: {judgement.fate}; {ahead}")
        may_live = judgement.fate in ("alive", "undecided")
        reason = allowed.get(mutant.id) if may_live else None
        yield Judged(mutant, judgement, diff(case.source, mutant), reason)


def _about(seconds: float) -> str:
    """How long it will still take, as far as that can be said."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s to go"
    return f"about {round(seconds / 60)} min to go"


@functools.cache
def _jury(case: _Case) -> Jury:
    """One a process: what is known about the original is made once."""
    system = load_source(case.source, dict(case.settings)).system
    verdicts = dict(case.verdicts)
    return Jury(system, Baseline(verdicts, dict(case.scenarios)), case.timeout_s)  # type: ignore[arg-type]


def _one(case: _Case, mutant: Mutant) -> Judgement:
    source = mutated(case.source, mutant)
    try:
        system = load_source(source, dict(case.settings)).system
    except SpecErrors as errors:
        first = errors.diagnostics[0]
        return Judgement("refused", "", f"{first.code.number}: {first.message}")
    words = re.findall(r"\w+", " ".join(diff(case.source, mutant)))
    return _jury(case).judge(system, words)
