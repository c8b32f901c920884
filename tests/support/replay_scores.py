"""Scores of the replayer on edited recordings, the oracle being the judge of what is wrong.

Owns what is counted and how a planted edit is held against what the replayer reports; corpora are
made by whoever asks, tables by `bench/scorecard.py`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import msgspec
from repaired_runs import NotedWording, repaired
from replay_oracle import Oracle, Wrong
from trace_mutants import OPERATORS, renumbered

from rhscheck.spec.system import System
from rhscheck.traces.engine import Engine, Setting
from rhscheck.traces.format import Ending, Event, Finish, Header
from rhscheck.traces.judge import Judge, Options, setting_of
from rhscheck.traces.report import Finding, TraceReport

FIRST_LINE = 2  # the header is line 1
SHIFTS = ("late", "early", "1 ms after a limit", "1 ms before a limit")
FAR_APART = 8  # so many lines of a resource between two faults


@dataclass
class Score:
    """One row.

    `wrong`: edited runs that the oracle refuses, of which `detected` are violated for the replayer;
    `legal`: those that it accepts, of which `accused` are. `exact`, `near`: the first line reported
    is the first wrong one, or at most two lines off. `ruled`: where the oracle knows which rules
    are broken (not where a deadline was missed); `right_rules`: exactly these are named there.
    `priced`: those with a known number of edits; `same_cost`: as many edits repair it, `cheaper`:
    fewer do; `mended`: the oracle allows the run with the edits that are told, and only of such
    runs is `cheaper` counted. `one_report`: one line of one resource is reported. `cut`: runs of
    which lines were cut out, of which `contradicted` are not as the whole ones: a line before the
    first wrong one is accused, or any in a legal run, or a wrong run conforms. `other_rule`: wrong
    ones of these that are called so by a rule which is not broken in the whole run, too.
    """

    wrong: int = 0
    detected: int = 0
    legal: int = 0
    accused: int = 0
    exact: int = 0
    near: int = 0
    ruled: int = 0
    right_rules: int = 0
    priced: int = 0
    same_cost: int = 0
    cheaper: int = 0
    mended: int = 0
    one_report: int = 0
    cut: int = 0
    contradicted: int = 0
    other_rule: int = 0

    def add(self, other: Score) -> None:
        """Count another score into this one."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class Miss:
    """Something that is not as it should be, with all it takes to see it again."""

    what: str
    run: str
    operator: str
    detail: str


@dataclass
class Scorer:
    """Scores recordings of one spec with `n` instances; `names` as headers have them."""

    system: System
    n: int
    names: Mapping[str, str] = field(default_factory=dict)
    misses: list[Miss] = field(default_factory=list)
    engines: dict[Setting, Engine] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.system, self.n, self.names)
        self.alone = Engine(self.system, Setting(1))
        self.wording: NotedWording | None = None

    def report(
        self,
        header: Header,
        events: Sequence[Event],
        *,
        chunk: int = 0,
        ending: Ending = "complete",
    ) -> TraceReport:
        """What the replayer says; `chunk`: so many lines at once, 0: all of them."""
        setting = setting_of(header, Options(), self.system)
        judge = Judge(self.system, header, engine=self.engines.get(setting))
        assert judge.engine is not None
        self.engines[setting] = judge.engine
        # What a report tells of edits is text; the edits themselves are to be tried.
        self.wording = NotedWording(judge.engine, {})
        inspector = judge._all.inspector
        judge._wording = inspector._wording = inspector.repairs.wording = self.wording
        inspector.rules.wording = self.wording
        step = chunk or max(len(events), 1)
        for at in range(0, len(events), step):
            judge.feed_all(FIRST_LINE + at, events[at : at + step])
        lines = len(events) + FIRST_LINE
        return judge.finish(Finish(ending, lines, len(events), ""))

    def found(self, header: Header, events: Sequence[Event]) -> list[Finding]:
        """What the replayer is sure of."""
        report = self.report(header, events)
        return [one for one in report.findings if one.verdict == "violated"]

    def run(
        self, name: str, header: Header, events: Sequence[Event], each: int, seed: int
    ) -> dict[str, Score]:
        """A legal run, all operators on it `each` times, and lossy versions of everything."""
        chance = random.Random(seed)
        bare, full = renumbered(events), renumbered(events, ids=True)
        rows = {"none": self._legal_run(name, header, full, chance)}
        if rows["none"].wrong:
            return rows
        self.oracle.judge(bare, keep=True)
        for operator in OPERATORS:
            if operator == "wrong call id":
                self.oracle.judge(full, keep=True)
            row = rows.setdefault(operator, Score())
            for turn in range(1 if operator in SHIFTS else each):
                legal = full if operator == "wrong call id" else bare
                edited = OPERATORS[operator](list(legal), chance.randrange(len(legal)), chance)
                if edited is None:
                    continue
                edited = renumbered(edited, ids=operator == "wrong call id")
                where = f"{name} ({turn})"
                row.add(self.score(where, operator, header, legal, edited, chance))
            if operator == "wrong call id":
                self.oracle.judge(bare, keep=True)
        return rows

    def run_wrong(
        self,
        name: str,
        header: Header,
        events: Sequence[Event],
        operators: Sequence[str],
        seed: int,
    ) -> dict[str, Score]:
        """A run that may be wrong by itself, as it is and edited: all against the oracle."""
        chance = random.Random(seed)
        bare, full = renumbered(events), renumbered(events, ids=True)
        rows = {"none": self.score(name, "none", header, None, full, chance)}
        for operator in operators:
            ids = operator == "wrong call id"
            lines = list(full if ids else bare)
            edited = OPERATORS[operator](lines, chance.randrange(len(lines)), chance)
            if edited is not None:
                edited = renumbered(edited, ids=ids)
                rows[operator] = self.score(name, operator, header, None, edited, chance)
        return rows

    def _legal_run(
        self, name: str, header: Header, events: list[Event], chance: random.Random
    ) -> Score:
        wrong = self.oracle.judge(events, keep=True)
        if wrong is not None:
            self.miss("a legal run is refused by the oracle", name, "none", str(wrong))
            return Score(wrong=1)
        found = self.found(header, events)
        if found:
            self.miss("accused", name, "none", _told(found))
        score = Score(legal=1, accused=int(bool(found)))
        self._lossy(score, name, "none", header, events, None, found, chance)
        return score

    def score(
        self,
        name: str,
        operator: str,
        header: Header,
        legal: Sequence[Event] | None,
        edited: list[Event],
        chance: random.Random,
    ) -> Score:
        """One edited run, and a lossy version of it; `legal`: what it was made from, if it was."""
        wrong = self.oracle.judge(edited)
        violated = self.found(header, edited)
        if wrong is None:
            if violated:
                self.miss("accused", name, operator, _told(violated))
            score = Score(legal=1, accused=int(bool(violated)))
        else:
            score = self._against(name, operator, wrong, violated)
            planted = None if legal is None else edits_of(operator, legal, edited, self.n)
            if planted is not None and violated:
                cost = cost_of(violated)
                score.priced = 1
                shifted = operator in SHIFTS and 1 <= cost <= planted
                score.mended = self._mended(name, operator, edited, violated)
                score.same_cost = int(cost == planted or shifted)
                score.cheaper = int(1 <= cost < planted and not shifted and score.mended)
                if not 1 <= cost <= planted:
                    self.miss(f"cost {cost}, planted {planted}", name, operator, _told(violated))
        self._lossy(score, name, operator, header, edited, wrong, violated, chance)
        return score

    def _mended(
        self, name: str, operator: str, edited: list[Event], violated: Sequence[Finding]
    ) -> int:
        """Whether the oracle allows the run with the repairs that are told first."""
        assert self.wording is not None
        edits = self.wording.told(violated)
        wrong = self.oracle.judge(repaired(edited, edits, self.alone))
        if wrong is not None:
            self.miss("not mended", name, operator, f"{wrong}: {_told(violated)}: {edits}")
        return int(wrong is None)

    def _lossy(
        self,
        score: Score,
        name: str,
        operator: str,
        header: Header,
        events: Sequence[Event],
        wrong: Wrong | None,
        whole: Sequence[Finding],
        chance: random.Random,
    ) -> None:
        """What is found where lines are cut out, against what is true of the `whole` run."""
        kept = [one for one in enumerate(events) if chance.random() > 0.1]
        rules = {one.rule for one in whole}
        score.cut = 1
        # The numbers of the lines say which are missing; or the header that any may be, and nobody
        # is accused of anything then.
        to_the_end = bool(kept) and kept[-1][0] == len(events) - 1
        ending: Ending = "complete" if to_the_end else "truncated"
        lossy = msgspec.structs.replace(header, lossy=True)
        for head in (header, lossy) if wrong is None else (header,):
            report = self.report(head, [event for _, event in kept], ending=ending)
            found = [one for one in report.findings if one.verdict == "violated"]
            lines = [kept[line - FIRST_LINE][0] for one in found for line in (one.line, *one.again)]
            if wrong is None:
                contradicted = bool(found)
            else:
                contradicted = report.verdict == "conforms" or min([*lines, wrong.at]) < wrong.at
                score.other_rule |= int(any(one.rule not in (None, *rules) for one in found))
            if contradicted:
                score.contradicted = 1
                self.miss("accused when lossy", name, operator, f"{wrong}: {_told(found)}")

    def _against(
        self, name: str, operator: str, wrong: Wrong, violated: Sequence[Finding]
    ) -> Score:
        first = wrong.at + FIRST_LINE
        lines = [line for one in violated for line in (one.line, *one.again)]
        score = Score(wrong=1, detected=int(bool(violated)))
        if not violated:
            self.miss("not detected", name, operator, str(wrong))
            return score
        score.exact = int(min(lines) == first)
        score.near = int(abs(min(lines) - first) <= 2)
        if not score.exact:
            self.miss("another line", name, operator, f"{wrong}: {_told(violated)}")
        rules = frozenset(one.rule for one in violated if one.line == first and one.rule)
        owed = any("was due" in text for one in violated for text in one.unmet)
        score.ruled = int(bool(wrong.rules) or not owed)
        score.right_rules = int(bool(score.ruled) and rules == wrong.rules)
        if score.ruled and not score.right_rules:
            self.miss("other rules", name, operator, f"{wrong}: {_told(violated)}")
        score.one_report = int(len({(one.resource, one.line) for one in violated}) == 1)
        return score

    def miss(self, what: str, run: str, operator: str, detail: str) -> None:
        """Note something to look into."""
        self.misses.append(Miss(what, run, operator, detail))


def edits_of(operator: str, legal: Sequence[Event], edited: Sequence[Event], n: int) -> int | None:
    """How many edits of single resources' lines an operator has made, None if that is not known.

    Two lines that changed places are one, as an exchange is. A line of another resource is one too
    few here and one too many there; what shifts the time shifts that of every resource, and is an
    edit of those that become late or early.
    """
    match operator:
        case "lose a burst":
            return len(legal) - len(edited)
        case "repeat a block":
            return len(edited) - len(legal)
        case "wrong resource":
            return 2
        case "two names merged" | "call without return at the end":
            return None
        case _:
            return n + 1 if operator in SHIFTS else 1


def cost_of(violated: Sequence[Finding]) -> int:
    """The edits of all repairs; findings of one resource at one line have theirs in common."""
    edits: dict[object, int] = {}
    for one in violated:
        edits[one.resource, one.line] = max(edits.get((one.resource, one.line), 0), one.edits or 0)
    return sum(edits.values())


def _told(violated: Sequence[Finding]) -> str:
    return "; ".join(
        f"{one.line} {one.rule} {one.resource} {one.event} [{one.edits}: {' | '.join(one.repair)}]"
        for one in violated
    )
