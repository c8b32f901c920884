"""The argument for every N: what counts as proved, how rules are grouped, what wrong sets do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hosted import ON, RULES, TRANSITIONS, TWO_ON, F, hosted, loc, rule
from hypothesis import assume, given
from hypothesis import strategies as st
from random_systems import Shape, rules, systems

from rhscheck.checker import every_n, local_time, narrow, proofs
from rhscheck.checker.answer import (
    Answer,
    Confirmed,
    Open,
    ProofMismatch,
    Task,
    TimeCheck,
    Unconfirmed,
)
from rhscheck.checker.answer import confirm as really_confirm
from rhscheck.checker.budget import Budget
from rhscheck.checker.every_n import EveryN
from rhscheck.checker.local import LocalAbstraction
from rhscheck.checker.local_time import check_local_time
from rhscheck.checker.project import Projection, project
from rhscheck.checker.recheck import Copy
from rhscheck.checker.verdict import (
    Impossible,
    ProvedFor,
    ProvedForEvery,
    Unknown,
    Violated,
    Witnessed,
)
from rhscheck.spec.expr import FALSE, Expr, Happens, Ref, conj, neg
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import (
    Deadline,
    Early,
    IntType,
    Rule,
    StateVar,
    System,
    Update,
)

EARLY = rule(
    "reopens_late",
    "early",
    Early(
        Happens("call", "Open", None, "i"), Happens("return", "Open", "success", "i"), 3
    ),
)  # fmt: skip
LATER = rule(
    "hangs_late",
    "early",
    Early(Happens("expiry", "Open", None, "i"), Happens("call", "Open", None, "i"), 5),
)
ALL = (*RULES, EARLY, LATER)


def task(system: System, n: int | None = None, **changed: object) -> Task:
    made = Task(system, system.rules, (), n, 4, 20_000, Budget(None), lambda _line: None)
    return replace(made, **changed)  # type: ignore[arg-type]


def argued(system: System, n: int | None = None, **changed: object) -> dict[str, Answer | Open]:
    argument = EveryN(task(system, n, **changed))
    argument.run()
    assert set(argument.answers) == {one.id for one in system.rules}
    return argument.answers


def verdicts(answers: Mapping[str, Answer | Open]) -> dict[str, str]:
    """The kind of each verdict, with its length where it has one."""
    found: dict[str, str] = {}
    for name, answer in answers.items():
        match answer:
            case Open():
                found[name] = "open"
            case Answer(Violated(_, length)):
                found[name] = f"violated in {length}"
            case Answer(Witnessed(_, length)):
                found[name] = f"witnessed in {length}"
            case Answer(verdict):
                found[name] = type(verdict).__name__
    return found


EXPECTED = {
    "open_while_on": "ProvedForEvery",
    "never_failed": "violated in 3",
    "can_fail": "witnessed in 3",
    "can_be_both": "Impossible",
    "opens_in_time": "ProvedForEvery",
    "opens_too_soon": "violated in 1",
    "never_gone": "open",
    "gone_with_call": "ProvedForEvery",
    "reopens_late": "violated in 5",
    "hangs_late": "ProvedForEvery",
}


# ---- what counts as proved -----------------------------------------------------------------------
@dataclass(slots=True)
class Record:
    """Every question that was put to Z3: where, about which Ground, the goals, the answer."""

    asked: list[tuple[str, Ground, frozenset[str], bool]] = field(default_factory=list)
    refuse: frozenset[int] = frozenset()  # questions about at least so many goals are not answered

    def confirm(
        self,
        where: str,
        ground: Ground,
        copies: Sequence[Copy],
        bad: Mapping[str, Expr],
        budget: Budget,
        *,
        scripts: bool = False,
    ) -> Confirmed | Unconfirmed:
        answer: Confirmed | Unconfirmed
        if len(bad) in self.refuse:
            answer = Unconfirmed("not today", 7)
        else:
            answer = really_confirm(where, ground, copies, bad, budget, scripts=scripts)
        self.asked.append((where, ground, frozenset(bad), isinstance(answer, Confirmed)))
        return answer


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    made = Record()
    monkeypatch.setattr(proofs, "confirm", made.confirm)
    return made


def test_every_rule_gets_its_answer() -> None:
    assert verdicts(argued(hosted(rules=ALL))) == EXPECTED


def test_what_is_proved_was_rechecked_together_in_the_abstraction(record: Record) -> None:
    system = hosted(rules=ALL)
    made = task(system, thorough=True)
    argument = EveryN(made)
    argument.run()
    proved = {
        name
        for name, answer in argument.answers.items()
        if isinstance(answer, Answer) and isinstance(answer.verdict, ProvedForEvery | Impossible)
    }
    rechecks = [
        (where, goals) for where, _, goals, good in record.asked if good and goals <= set(proved)
    ]
    together = {"open_while_on", "can_be_both", "opens_in_time", "gone_with_call"}
    local = "of one instance plus environment"
    assert [goals for where, goals in rechecks if where == local] == [together, {"hangs_late"}]
    for number in (1, 2):
        where = f"of instance 1 for N={number}"
        assert [goals for at, goals in rechecks if at == where] == [together, {"hangs_late"}]
    # The first of them is about the abstraction with all of the rules woven in.
    first = next(ground for where, ground, goals, _ in record.asked if goals == together)
    assert first is made.weave([one for one in ALL if one not in (EARLY, LATER)]).local


def test_without_an_answer_of_z3_nothing_is_proved(record: Record) -> None:
    record.refuse = frozenset(range(20))
    found = argued(hosted(rules=ALL))
    unknown = {name: "Unknown" for name, kind in EXPECTED.items() if kind in ("ProvedForEvery",)}
    assert verdicts(found) == {**EXPECTED, **unknown, "can_be_both": "Unknown"}
    answer = found["open_while_on"]
    assert answer == Answer(Unknown("not today"), "local", 7)


def test_too_much_at_once_is_asked_one_by_one(record: Record) -> None:
    record.refuse = frozenset({4})
    assert verdicts(argued(hosted(rules=ALL))) == EXPECTED
    local = [
        (sorted(goals), good)
        for where, _, goals, good in record.asked
        if where.startswith("of one instance") and not any("timelock" in goal for goal in goals)
    ]
    assert local == [
        (["can_be_both", "gone_with_call", "open_while_on", "opens_in_time"], False),
        (["can_be_both", "gone_with_call", "open_while_on"], True),
        (["opens_in_time"], True),
        (["hangs_late"], True),
    ]


def test_a_number_where_z3_has_no_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def confirm(
        where: str,
        ground: Ground,
        copies: Sequence[Copy],
        bad: Mapping[str, Expr],
        budget: Budget,
        *,
        scripts: bool = False,
    ) -> Confirmed | Unconfirmed:
        if where.endswith("N=2"):
            return Unconfirmed("two is hard", 1)
        return really_confirm(where, ground, copies, bad, budget, scripts=scripts)

    monkeypatch.setattr(proofs, "confirm", confirm)
    answer = argued(hosted(rules=RULES[:1]))["open_while_on"]
    assert isinstance(answer, Answer)
    assert (answer.verdict, answer.notes) == (ProvedForEvery((1,)), ("two is hard",))


def test_a_number_that_was_asked_for() -> None:
    found = argued(hosted(rules=(RULES[0], RULES[3])), 2)
    assert [a.verdict for a in found.values() if isinstance(a, Answer)] == [
        ProvedFor(2),
        Impossible(2),
    ]


# ---- sets that are wrong -------------------------------------------------------------------------
def lacking(key: str) -> object:
    """`project`, but for the transitions called `key`."""

    def made(whole: Ground, *given: object) -> Projection:
        shown = project(whole, *given)  # type: ignore[arg-type]
        steps = tuple(
            replace(step, guard=FALSE) if step.template.key.startswith(key) else step
            for step in shown.ground.transitions
        )
        return replace(shown, ground=replace(shown.ground, transitions=steps))

    return made


@pytest.mark.parametrize("which", [RULES[1], RULES[2], RULES[5], LATER])
def test_a_set_that_lacks_states_is_refuted(monkeypatch: pytest.MonkeyPatch, which: Rule) -> None:
    monkeypatch.setattr(every_n, "project", lacking("open"))
    monkeypatch.setattr(narrow, "project", lacking("open"))
    with pytest.raises(ProofMismatch, match="consecution: open"):
        argued(hosted(rules=(which,)))


def test_a_time_check_that_lacks_states_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    # No step ends this deadline; it is never met only where nobody opens.
    stuck = Deadline("stuck", F, loc(ON), None, 0, "RHS")
    frozen = tuple(t for t in TRANSITIONS if t.key != "fail")
    system = hosted(deadlines=(stuck,), transitions=frozen, rules=(RULES[4],))
    assert local_time.check_local_time(task(system)).reason is not None
    monkeypatch.setattr(narrow, "project", lacking("open"))
    with pytest.raises(ProofMismatch, match="consecution: open"):
        local_time.check_local_time(task(system))


# ---- time ----------------------------------------------------------------------------------------
def test_a_bounded_response_is_open_where_time_may_stop() -> None:
    stuck = Deadline("stuck", F, loc(ON), None, 0, "RHS")
    frozen = tuple(t for t in TRANSITIONS if t.key != "fail")
    found = argued(hosted(deadlines=(stuck,), transitions=frozen, rules=(RULES[0], RULES[4])))
    assert isinstance(found["open_while_on"], Answer)
    answer = found["opens_in_time"]
    assert isinstance(answer, Open)
    assert answer.notes[0].startswith("a bounded response means nothing where time may stop")


def test_time_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Task] = []
    check = check_local_time

    def counted(asked: Task) -> TimeCheck:
        calls.append(asked)
        return check(asked)

    monkeypatch.setattr(local_time, "check_local_time", counted)
    argued(hosted(rules=(RULES[4], replace(RULES[4], id="again", base="again"))))
    assert len(calls) == 1


# ---- groups --------------------------------------------------------------------------------------
def test_rules_that_do_not_fit_together_are_tried_in_smaller_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(every_n, "_TOGETHER", 5)
    assert verdicts(argued(hosted(rules=ALL), say=lines.append)) == EXPECTED
    assert [line for line in lines if line.endswith("without clocks")] == [
        f"one instance plus environment: {what}, without clocks"
        for what in (
            *("6 rules", "4 rules", "2 rules", "open_while_on", "never_failed"),
            *("2 rules", "can_fail", "can_be_both"),
            *("2 rules", "2 rules", "never_gone", "gone_with_call"),
        )
    ]


def test_a_rule_that_is_too_large_alone_is_open() -> None:
    found = argued(hosted(rules=(RULES[0],)), limit=3)
    answer = found["open_while_on"]
    assert isinstance(answer, Open)
    assert answer.notes == ("one instance: there are more than 3 states to visit",)
    assert answer.at_least >= 1
    found = argued(hosted(rules=(RULES[4],)), limit=3)
    answer = found["opens_in_time"]
    assert isinstance(answer, Open)
    assert answer.notes == ("one instance: there are more than 3 states to visit",)


def test_rules_about_several_instances_are_left_open_and_do_not_disturb_others() -> None:
    found = argued(hosted(rules=(TWO_ON, RULES[0])))
    assert isinstance(found["open_while_on"], Answer)
    answer = found["two_on"]
    assert isinstance(answer, Open)
    assert answer.notes == (
        "not independent: line 97: rule two_on speaks of several instances at once: `i` and `k`",
    )


def test_the_time_is_used_up() -> None:
    found = argued(hosted(rules=ALL), budget=Budget(1e-9))
    assert set(found.values()) == {Answer(Unknown("time-out after 1e-09 s"), "local")}


def test_seconds_are_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr("rhscheck.checker.every_n.time.monotonic", lambda: float(next(ticks)))
    argument = EveryN(task(hosted(rules=ALL)))
    argument.run()
    total = next(ticks)
    assert set(argument.seconds) == {one.id for one in ALL}
    assert min(argument.seconds.values()) > 0
    assert total / 2 < sum(argument.seconds.values()) <= total


def test_values_that_depend_on_what_is_left_out() -> None:
    big = StateVar("big", None, IntType(0, 200), (0,), "data")
    copy = StateVar("copy", None, IntType(0, 200), (0,), "observer")
    steps = replace(
        TRANSITIONS[0],
        updates=(*TRANSITIONS[0].updates, Update("big", None, Ref("copy"))),
    )
    system = hosted(variables=(big, copy), transitions=(steps, *TRANSITIONS[1:]), rules=RULES[:1])
    assert verdicts(argued(system)) == {"open_while_on": "ProvedForEvery"}


# ---- any System ----------------------------------------------------------------------------------
@given(systems(Shape(clocks=2, references=False)), st.data())
def test_together_as_alone(system: System, data: st.DataObject) -> None:
    several = tuple(
        replace(data.draw(rules(system)), id=name, base=name) for name in ("A", "B", "C")
    )
    whole = replace(system, rules=several)
    assume(isinstance(task(whole).weave([]).abstraction, LocalAbstraction))
    together = verdicts(argued(whole))
    for one in several:
        alone = verdicts(argued(replace(system, rules=(one,))))
        assert together[one.id] == alone[one.id]


# ---- questions that are contained in others ------------------------------------------------------
def test_one_instance_is_contained_in_the_abstraction_and_two_are_not() -> None:
    model = task(hosted()).weave(RULES)
    one = model.ground(1)
    assert proofs.contained(one, model.local)
    assert not proofs.contained(model.ground(2), model.local)
    # More steps, fewer deadlines or another start are not what was asked.
    first, *rest = one.transitions
    other = replace(first, guard=conj((first.guard, neg(Ref("host.at")))))
    assert not proofs.contained(replace(one, transitions=(other, *rest)), model.local)
    assert proofs.contained(replace(one, transitions=tuple(rest)), model.local)
    assert not proofs.contained(replace(one, deadlines=()), model.local)
    assert not proofs.contained(replace(one, initially=FALSE), model.local)
    assert not proofs.contained(replace(one, clocks=one.clocks[1:]), model.local)
    for at in range(len(one.transitions)):
        fewer = (*model.local.transitions[:at], *model.local.transitions[at + 1 :])
        twin = model.local.transitions[at]
        alike = [
            step
            for step in one.transitions
            if (step.guard, step.updates, step.resets) == (twin.guard, twin.updates, twin.resets)
        ]
        found = proofs.contained(one, replace(model.local, transitions=fewer))
        again = any(
            (step.guard, step.updates, step.resets) == (twin.guard, twin.updates, twin.resets)
            for step in fewer
        )
        assert found == (not alike or again)


@pytest.mark.parametrize("thorough", [False, True])
def test_what_is_contained_is_asked_only_by_who_wants_everything_asked(
    thorough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(where: str, *rest: object, **named: object) -> Confirmed | Unconfirmed:
        asked.append(where)
        return really_confirm(where, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(proofs, "confirm", noted)
    answers = argued(hosted(), thorough=thorough)
    proved = answers["open_while_on"]
    assert isinstance(proved, Answer)
    assert proved.verdict == ProvedForEvery((1, 2))
    assert proofs.LOCALLY in asked
    assert "of instance 1 for N=2" in asked
    assert ("of instance 1 for N=1" in asked) == thorough
