"""Several engines on the same rules, one process each; the first definite answer wins.

Owns who works on what: every engine of the table gets the rules in order; a rule that someone has
decided is taken from the others, whose process is ended if it works on just that one. Knows neither
how an engine works nor the argument for every N.

What no engine decides is unknown with every engine's reason, or bounded by the deepest search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rhscheck.checker.answer import Answer, Task
from rhscheck.checker.budget import Budget
from rhscheck.checker.engines import TABLE, Engine, by_name
from rhscheck.checker.established import Established
from rhscheck.checker.fixed import Query
from rhscheck.checker.process import Child, ChildFailure, Crew, Done, Emit, Ended, Failed, Job, Sent
from rhscheck.checker.verdict import BoundedUpTo, Unknown
from rhscheck.spec.system import Assumption, Rule, System

_JOB = f"{__name__}:work"
_LATE = "another engine was first"
_ORDER = {engine.name: at for at, engine in enumerate(TABLE)}


@dataclass(frozen=True, slots=True)
class Question:
    """A rule, the numbers of instances to look at in this order, and what is known about it."""

    rule: Rule
    numbers: tuple[int, ...]
    at_least: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What one process is to do."""

    system: System
    assumptions: tuple[Assumption, ...]
    n: int | None
    depth: int
    limit: int
    left_s: float | None
    engine: str
    questions: tuple[Question, ...]
    certificate: bool


@dataclass(frozen=True, slots=True)
class _Line:
    """Progress."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to the first question that had none."""

    rule: str
    answer: Answer
    established: tuple[Established, ...]


@dataclass(slots=True)
class _Race:
    task: Task
    questions: tuple[Question, ...]
    crew: Crew
    answers: dict[str, list[Answer]]
    decided: dict[str, Answer] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    # What each process still has to do, in order.
    left: dict[int, tuple[Engine, list[Question]]] = field(default_factory=dict)

    def start(self, engine: Engine, questions: Sequence[Question]) -> None:
        """A process for `engine` on those of `questions` that are not decided."""
        open_ones = [one for one in questions if one.rule.id not in self.decided]
        if not open_ones:
            return
        task = self.task
        work = Work(
            task.system, task.assumptions, task.n, task.depth, task.limit, task.budget.left(),
            engine.name, tuple(open_ones), task.established is not None,
        )  # fmt: skip
        child = self.crew.start(engine.name, Job(_JOB, (work,)))
        self.left[id(child)] = (engine, open_ones)

    def hear(self, child: Child, answered: Answered) -> None:
        """An answer: for good if it is definite."""
        _, questions = self.left[id(child)]
        questions[:] = [one for one in questions if one.rule.id != answered.rule]
        if questions and questions[0].rule.id in self.decided:
            child.kill(_LATE)
        if answered.rule in self.decided:
            return
        self.answers[answered.rule].append(answered.answer)
        if isinstance(answered.answer.verdict, Unknown | BoundedUpTo):
            return
        self.decided[answered.rule] = answered.answer
        if self.task.established is not None:
            self.task.established.extend(answered.established)
        for other in self.crew.children:
            _, waiting = self.left.get(id(other), (None, []))
            if other is not child and waiting and waiting[0].rule.id == answered.rule:
                other.kill(_LATE)

    def end(self, child: Child, reason: str | None) -> None:
        """A process is over: what it has not answered is for a new one, but for what ended it."""
        engine, questions = self.left.pop(id(child))
        self.lines.pop(engine.name, None)
        if reason is None or not questions:
            return
        first, *rest = questions
        if first.rule.id not in self.decided:
            self.answers[first.rule.id].append(Answer(Unknown(reason), engine.name))
        self.start(engine, rest)

    def say(self, child: Child, text: str) -> None:
        """What all are doing, in one line."""
        self.lines[child.name] = text
        told = [f"{name}: {line}" for name, line in self.lines.items()]
        self.task.say(" · ".join(told))


def race(task: Task, questions: Sequence[Question], memory_mb: float | None) -> dict[str, Answer]:
    """An answer to each of `questions`, by rule id. All engines work at the same time.

    On few processors each is slower so, but the best is never kept waiting by another.
    """
    with Crew(memory_mb) as crew:
        run = _Race(task, tuple(questions), crew, {one.rule.id: [] for one in questions})
        for engine in TABLE:
            run.start(engine, questions)
        for child, message in crew.messages():
            match message:
                case Sent(_Line(text)):
                    run.say(child, text)
                case Sent(Answered() as answered):
                    run.hear(child, answered)
                case Done():
                    run.end(child, None)
                case Failed():
                    raise ChildFailure(child.name, message)
                case Ended(reason):
                    run.end(child, reason)
                case _:
                    raise AssertionError(f"{child.name} says {message!r}")
            if len(run.decided) == len(questions):
                break
        return {one.rule.id: _best(one, run) for one in questions}


def _best(question: Question, run: _Race) -> Answer:
    """The definite answer, or the deepest bounded one, or why there is none."""
    rule = question.rule.id
    if rule in run.decided:
        return run.decided[rule]
    answers = sorted(run.answers[rule], key=lambda answer: _ORDER.get(answer.engine, 0))
    deepest: Answer | None = None
    depth = -1
    reasons: list[str] = []
    for answer in answers:
        match answer.verdict:
            case BoundedUpTo(reached) if reached > depth:
                deepest, depth = answer, reached
            case Unknown(reason):
                reasons.append(f"{answer.engine}: {reason}")
            case _:
                pass
    if deepest is not None:
        return Answer(deepest.verdict, deepest.engine, deepest.rlimit, (*question.notes, *reasons))
    last = answers[-1].engine if answers else TABLE[0].name
    return Answer(Unknown("; ".join(reasons) or "no engine answered"), last, 0, question.notes)


def work(asked: Work, emit: Emit) -> None:
    """The job of a process: one engine, question after question."""
    engine = by_name(asked.engine)
    task = Task(
        asked.system,
        tuple(one.rule for one in asked.questions),
        asked.assumptions,
        asked.n,
        asked.depth,
        asked.limit,
        Budget(asked.left_s),
        lambda line: emit(_Line(line)),
        [] if asked.certificate else None,
    )
    for one in asked.questions:
        query = Query(task, task.weave([one.rule]), one.rule, 1, one.at_least, one.notes)
        answer = engine.decide(query, one.numbers)
        emit(Answered(one.rule.id, answer, tuple(task.established or ())))
