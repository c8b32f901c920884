"""From a verification's report to the certificate of what it proved.

Owns what is claimed, and by which argument: an invariant for each proof, as data and as SMT-LIB
scripts; a run for what was shown. Everything it writes is judged by `checker.certify`, which does
not import this module. Knows no rendering.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rhscheck.checker import leftovers
from rhscheck.checker.certify import form
from rhscheck.checker.certify.progress import check_progress
from rhscheck.checker.established import Established, established
from rhscheck.checker.explore import explore
from rhscheck.checker.local import Dependence
from rhscheck.checker.model import Model
from rhscheck.checker.narrow import Excluded, cone, narrow
from rhscheck.checker.proofs import skeleton
from rhscheck.checker.recheck import Copy, identity, recheck
from rhscheck.checker.smt.script import Script
from rhscheck.checker.smt.solve import version as solver_version
from rhscheck.checker.verdict import (
    Evidence,
    Impossible,
    ProvedFor,
    ProvedForEvery,
    Result,
    Unknown,
    Violated,
    Witnessed,
    name,
    sentence,
)
from rhscheck.checker.verify import Report
from rhscheck.spec.fingerprint import fingerprint
from rhscheck.spec.load import Loaded
from rhscheck.spec.system import Assumption, LeadsTo, Rule, System, Within

_MOST_STATES = 20_000  # that show that time cannot stop, or what an engine left without invariant


@dataclass(frozen=True, slots=True)
class Written:
    """What a certificate holds: how many claims and runs, and the rules without either."""

    claims: int
    runs: int
    uncertified: tuple[form.Uncertified, ...]


def write(
    folder: Path,
    loaded: Loaded,
    settings: Mapping[str, str],
    report: Report,
    tool: str,
) -> Written:
    """Write the certificate of `report` into `folder`, which appears complete or not at all.

    A certificate that is there already is replaced; raises FileExistsError for a directory that
    holds anything else, and OSError where nothing can be written.
    """
    folder = Path(os.path.realpath(folder))
    require_ours(folder)
    certificate, files = build(loaded, settings, report, tool)
    leftovers.clear(folder.parent, folder.name)
    made = _temporary(folder)
    try:
        form.write(made, certificate, files)
        made.chmod(0o777 & ~_umask())
        _put(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Written(len(certificate.claims), len(certificate.runs), certificate.uncertified)


def build(
    loaded: Loaded, settings: Mapping[str, str], report: Report, tool: str
) -> tuple[form.Certificate, dict[str, bytes]]:
    """The certificate of `report` on `loaded` (read with `settings`), and its files by path."""
    without = set(report.options.without)
    relied = tuple(one for one in report.system.assumptions if one.id not in without)
    making = _Making(report.system, relied)
    for number, source in enumerate(loaded.sources, start=1):
        making.files[f"spec/{number}.sm"] = source.text.encode("utf-8")
    for result in report.results:
        making.add(result, report.established)
    making.leave_out({result.rule.id for result in report.results})
    spec = form.SpecId(
        name=report.system.name,
        texts=tuple(
            form.Text(name=source.path, file=f"spec/{number}.sm")
            for number, source in enumerate(loaded.sources, start=1)
        ),
        settings=dict(sorted(settings.items())),
        assumptions=tuple(one.id for one in relied),
        system_sha256=fingerprint(report.system),
    )
    certificate = form.Certificate(
        format=form.FORMAT,
        tool=tool,
        solver=f"z3 {solver_version()}",
        spec=spec,
        claims=tuple(making.claims),
        runs=tuple(making.runs),
        uncertified=tuple(making.uncertified),
        arguments=tuple(making.arguments.values()),
        files={path: form.sha256(data) for path, data in sorted(making.files.items())},
    )
    return certificate, making.files


@dataclass(slots=True)
class _Making:
    system: System
    assumptions: tuple[Assumption, ...]
    claims: list[form.Claim] = field(default_factory=list)
    runs: list[form.Shown] = field(default_factory=list)
    uncertified: list[form.Uncertified] = field(default_factory=list)
    arguments: dict[int, form.Argument] = field(default_factory=dict)  # by id() of an Established
    files: dict[str, bytes] = field(default_factory=dict)
    kept: list[Established] = field(default_factory=list)  # so that their id() stays theirs
    # For what number of instances (None: every) which argument shows that time cannot stop.
    progress: dict[int | None, str] = field(default_factory=dict)

    def add(self, result: Result, established: Sequence[Established]) -> None:
        match result.verdict:
            case ProvedForEvery() | Impossible(None):
                self._claim(result, "every", established)
            case ProvedFor(n) | Impossible(int(n)):
                self._claim(result, n, established)
            case Violated(_, _, evidence) if evidence.loop is not None:
                self._without(result, "a run that never ends is not part of a certificate")
            case Violated(n, _, evidence):
                self.runs.append(_shown(result, "violated", n, evidence))
            case Witnessed(n, _, evidence):
                self.runs.append(_shown(result, "witnessed", n, evidence))
            case Unknown(reason):
                self._without(result, reason)
            case _:
                self._without(result, f"{sentence(result.verdict)} is no proof")

    def leave_out(self, asked: Collection[str]) -> None:
        """Say of the other rules that they were not asked for: a certificate is about all."""
        self.uncertified += [
            form.Uncertified(rule=rule.id, verdict="unknown", reason="it was not asked for")
            for rule in self.system.rules
            if rule.id not in asked
        ]

    def _without(self, result: Result, reason: str) -> None:
        self.uncertified.append(
            form.Uncertified(rule=result.rule.id, verdict=name(result.verdict), reason=reason)
        )

    def _claim(self, result: Result, n: int | str, established: Sequence[Established]) -> None:
        rule = result.rule
        fitting = [one for one in established if one.n in (None, n)]
        if isinstance(rule.obligation, LeadsTo):
            chosen = _answering(rule.id, fitting)
        else:
            excluding = (one for one in fitting if any(rule.id in rules for rules, _ in one.parts))
            chosen = list(excluding)[-1:]
        if chosen and chosen[0].pairs is not None:
            alone = _alone(rule.id, established)
            chosen = [*alone, *chosen] if alone else []
        if not chosen and n != "every":
            chosen = self._reached(rule, int(n))
        if not chosen:
            why = "and its states are too many" if n != "every" else "of one instance"
            self._without(result, f"engine {result.engine} leaves no invariant {why}")
            return
        for one in chosen:
            if id(one) not in self.arguments:
                self.arguments[id(one)] = self._argument(one)
        timed = isinstance(rule.obligation, Within | LeadsTo)
        self.claims.append(
            form.Claim(
                rule=rule.id,
                sentence=rule.sentence,
                kind=rule.kind,
                verdict="impossible" if isinstance(result.verdict, Impossible) else "proved",
                n="every" if n == "every" else int(n),
                arguments=tuple(self.arguments[id(one)].id for one in chosen),
                time=self._time(chosen[0].n) if timed else None,
            )
        )

    def _reached(self, rule: Rule, n: int) -> list[Established]:
        """All that `n` instances reach, for what an engine proved without such an invariant.

        That is a proof of its own, found and checked here; none where it takes too many states.
        """
        model = Model(self.system, (rule,), self.assumptions)
        if rule.id in model.unwoven:
            return []
        at, goal = model.ground(n), model.formula(rule.id, n)
        slots, clocks = cone(at, goal)
        outcome = narrow(
            at, model.compiled(n), rule.id, goal, keep=slots | skeleton(at), tracked=clocks,
            limit=_MOST_STATES,
        )  # fmt: skip
        if not isinstance(outcome, Excluded):
            return []
        invariant = outcome.exploration.invariant()
        copy = Copy(invariant, outcome.projection.kept, invariant.tracked)
        checked = recheck(at, [copy], {rule.id: goal}, scripts=True)
        if not checked.proved:
            return []
        made = established(model.rules, n, at, [((rule,), copy)], checked.scripts)
        self.kept.append(made)
        return [made]

    def _time(self, n: int | None) -> str:
        """The argument that time cannot stop; "verify" where none can be put into a certificate."""
        if n not in self.progress:
            shown = _progress(self.system, self.assumptions, n)
            if shown is None:
                self.progress[n] = "verify"
            else:
                made = self._argument(shown, progress=True)
                self.arguments[id(shown)] = made
                self.kept.append(shown)
                self.progress[n] = made.id
        return self.progress[n]

    def _argument(self, one: Established, *, progress: bool = False) -> form.Argument:
        label = f"A{len(self.arguments) + 1}"
        parts = []
        for number, (rules, invariant) in enumerate(one.parts, start=1):
            path = f"invariants/{label}-{number}.json"
            self.files[path] = form.encoded(invariant)
            parts.append(form.Part(invariant=path, excludes=rules))
        ranking = None
        if one.answered is not None:
            path = f"rankings/{label}.json"
            self.files[path] = form.encoded(one.answered.ranking)
            ranking = form.Ranking(
                rule=one.answered.rule, instance=one.answered.instance, file=path
            )
        return form.Argument(
            id=label,
            woven=one.woven,
            n=one.n,
            parts=tuple(parts),
            steps=one.steps,
            queries=self._queries(label, one.scripts),
            instances={n: self._queries(f"{label}-N{n}", made) for n, made in one.instances},
            progress=progress,
            ranking=ranking,
            pairs=one.pairs,
        )

    def _queries(self, label: str, scripts: Sequence[Script]) -> tuple[form.Query, ...]:
        made = []
        for script in scripts:
            path = f"queries/{label}-{script.name.replace(': ', '-')}.smt2"
            self.files[path] = script.text.encode("utf-8")
            asks = tuple(form.Ask(question=one, answer=answer) for one, answer in script.asks)
            made.append(form.Query(file=path, asks=asks))
        return tuple(made)


def _answering(rule: str, fitting: Sequence[Established]) -> list[Established]:
    """The ranking of one instance that stands for any, else one for each instance."""
    found = [one for one in fitting if one.answered is not None and one.answered.rule == rule]
    for one in found:
        if one.n is None:
            return [one]
    # What is said of an instance last counts.
    by_instance = {one.answered.instance: one for one in found if one.answered is not None}
    return [one for one in found if one in by_instance.values()]


def _alone(rule: str, known: Sequence[Established]) -> Sequence[Established]:
    """What was shown of one instance alone, which has no pairs."""
    found = [one for one in known if one.n == 1 and any(rule in rules for rules, _ in one.parts)]
    return found[-1:]


def _progress(
    system: System, assumptions: tuple[Assumption, ...], n: int | None
) -> Established | None:
    """All states that can be reached whatever the timing, if they show that time cannot stop.

    Judged here by the same enumeration that will judge the certificate. None where they do not:
    what `verify` proved with clocks, or in too many states, it has to vouch for itself.
    """
    model = Model(system, (), assumptions)
    if n is None and isinstance(model.abstraction, Dependence):
        return None
    at = model.local if n is None else model.ground(n)
    compiled = model.local_compiled if n is None else model.compiled(n)
    found = explore(at, {}, limit=_MOST_STATES, compiled=compiled)
    if not found.complete:
        return None
    copy = identity(found.invariant(), at)
    checked = recheck(at, [copy], {}, scripts=True)
    if not checked.proved:
        return None
    families = system.parametric if n is None else ()
    made = established((), n, at, [((), copy)], checked.scripts, families=families)
    try:
        check_progress("time", model.system, n, made.parts[0][1])
    except form.Refusal:
        return None
    return made


def _shown(
    result: Result, verdict: Literal["violated", "witnessed"], n: int, evidence: Evidence
) -> form.Shown:
    ground, run = evidence.ground, evidence.run
    steps = []
    for step in run.steps:
        taken = None if step.transition is None else ground.transitions[step.transition]
        steps.append(
            form.RunStep(
                units=str(step.delay),
                key=None if taken is None else taken.template.key,
                binding={} if taken is None else dict(taken.binding),
            )
        )
    return form.Shown(
        rule=result.rule.id,
        sentence=result.rule.sentence,
        kind=result.rule.kind,
        verdict=verdict,
        n=n,
        initial={
            slot.name: value for slot, value in zip(ground.slots, run.initial.values, strict=True)
        },
        steps=tuple(steps),
    )


# ---- the directory -------------------------------------------------------------------------------
def require_ours(folder: Path) -> None:
    """Raise OSError unless `folder` is missing, empty, or holds a certificate."""
    if not folder.absolute().parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no directory to write it into")
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise FileExistsError(errno.EEXIST, "is a file, not a directory")
    held = {entry.name for entry in folder.iterdir()}
    ours = {form.MAIN, form.SEAL, *form.FOLDERS}
    if held and not (form.MAIN in held and held <= ours):
        raise FileExistsError(
            errno.EEXIST, "holds other files than a certificate's; name a new directory"
        )


def _put(made: Path, folder: Path) -> None:
    """Move `made` to `folder`, in the place of an older certificate."""
    if not folder.exists():
        made.rename(folder)
        return
    old = _temporary(folder)
    try:
        folder.rename(old / "replaced")
        try:
            made.rename(folder)
        except BaseException:
            with contextlib.suppress(OSError):
                (old / "replaced").rename(folder)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _temporary(folder: Path) -> Path:
    """A new directory beside `folder`."""
    prefix, suffix = leftovers.prefix(folder.name), leftovers.suffix()
    return Path(tempfile.mkdtemp(dir=folder.parent, prefix=prefix, suffix=suffix))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
