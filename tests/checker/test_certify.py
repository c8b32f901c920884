"""Certificates: what verify writes is accepted, and nothing else is."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from crew_here import certified_here
from door_certificate import SMALL, made, put, read
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from poll_spec import POLL
from random_systems import Shape, rules, systems

from rhscheck.checker.answer import Task
from rhscheck.checker.budget import Budget
from rhscheck.checker.certificate import build, write
from rhscheck.checker.certify import cvc5_script, form
from rhscheck.checker.certify.certify import Certification, certify
from rhscheck.checker.certify.form import Branch, Certificate, InvariantFile, Node, Refusal
from rhscheck.checker.certify.progress import check_progress
from rhscheck.checker.certify.referee import check
from rhscheck.checker.certify.solvers import foreign
from rhscheck.checker.established import established
from rhscheck.checker.every_n import EveryN
from rhscheck.checker.explore import explore
from rhscheck.checker.local import LocalAbstraction
from rhscheck.checker.model import Model
from rhscheck.checker.realise import instance_maps
from rhscheck.checker.recheck import Copy, identity, recheck
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.expr import TRUE
from rhscheck.spec.fingerprint import fingerprint
from rhscheck.spec.ground import ground
from rhscheck.spec.load import Loaded, load
from rhscheck.spec.rules import weave

SOLVERS = ("z3", "cvc5") if cvc5_script.installed() else ("z3",)


def judged(folder: Path, expected: Loaded | None = None) -> Certification:
    return certified_here(folder, None if expected is None else fingerprint(expected.system))


def refusals(done: Certification) -> list[tuple[str, str]]:
    return [(one.by.split(" ", maxsplit=1)[0], one.query) for one in done.refused]


# ---- what verify writes is accepted --------------------------------------------------------------
@pytest.mark.parametrize("n", [None, 2])
def test_everything_that_was_shown_is_accepted(tmp_path: Path, n: int | None) -> None:
    certificate, files = made(n)
    folder = put(tmp_path / "c", certificate, files, {})
    done = certify(folder, fingerprint(read().system), lambda _line: None)
    assert done.holds
    assert [one.name.split(" ")[0] for one in done.checkers] == ["enumeration", *SOLVERS]
    scope = "every" if n is None else n
    assert [(c.rule, c.verdict, c.n, c.time) for c in certificate.claims] == [
        ("K1", "proved", scope, None),
        ("K2", "proved", scope, "A2"),
        ("K3", "proved", scope, None),
    ]
    assert [(r.rule, r.verdict) for r in certificate.runs] == [
        ("K4", "witnessed"),
        ("K5", "violated"),
    ]
    assert not [note for note in done.notes if "time cannot stop" in note]


def test_without_a_second_solver_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, files = made()
    monkeypatch.setattr("rhscheck.checker.certify.cvc5_script.installed", lambda: False)
    done = judged(put(tmp_path / "c", certificate, files, {}))
    assert done.holds
    assert "only one solver checked" in done.notes[0]
    assert [one.name.split(" ")[0] for one in done.checkers] == ["enumeration", "z3"]


def test_calls_time_outs_and_assumptions(tmp_path: Path) -> None:
    loaded = read(POLL, "poll.sm")
    report = verify(loaded.system, Options(findings=False, certificate=True))
    written = write(tmp_path / "c", loaded, {}, report, "rhscheck under test")
    assert (written.claims, written.runs) == (2, 1)
    assert [one.rule for one in written.uncertified] == ["L1"]
    done = judged(tmp_path / "c", loaded)
    assert done.holds
    assert done.certificate is not None
    assert done.certificate.spec.assumptions == ("D1",)


TASKS = Shape(pairs=True, references=False, transitions=6)


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_enumeration_accepts_what_the_engines_prove(data: st.DataObject) -> None:
    system = data.draw(systems(TASKS))
    asked = tuple(
        replace(data.draw(rules(system, timed=True)), id=name, base=name) for name in ("A", "B")
    )
    system = replace(system, rules=asked)
    task = Task(
        system, system.rules, (), None, 4, 5_000, Budget(None), lambda _line: None, []
    )  # fmt: skip
    EveryN(task).run()
    assert task.established is not None
    by_id = {rule.id: rule for rule in system.rules}
    for one in task.established:
        world = weave(system, [by_id[rule] for rule in one.woven], ())
        for excluded, invariant in one.parts:
            bad = {rule: world.bad[rule] for rule in excluded}
            assert check("I", world.system, one.n, invariant, bad) > 0


@given(st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_enumeration_refuses_what_a_solver_refutes(data: st.DataObject) -> None:
    """An invariant of one System, judged for another that differs in one transition."""
    system = data.draw(systems(TASKS))
    model = Model(system, (), ())
    assume(isinstance(model.abstraction, LocalAbstraction))
    local = model.local
    tracked = (
        data.draw(st.lists(st.sampled_from(range(len(local.clocks))), unique=True))
        if local.clocks
        else []
    )
    exploration = explore(local, {}, tracked=tuple(sorted(tracked)), limit=2_000)
    assume(exploration.complete)
    invariant = exploration.invariant()
    at = data.draw(st.integers(0, len(system.transitions) - 1))
    changed = list(system.transitions)
    kind = data.draw(st.sampled_from(("guard", "updates", "resets")))
    changed[at] = replace(changed[at], **({"guard": TRUE} if kind == "guard" else {kind: ()}))
    other = replace(system, transitions=tuple(changed))
    concrete = ground(other, 2)
    slots, clocks = next(instance_maps(local, concrete, invariant.tracked))
    refuted = recheck(concrete, [Copy(invariant, slots, clocks)], {}).failed
    file = established((), None, local, [((), identity(invariant, local))], (), families=("Task",))
    try:
        check("I", other, None, file.parts[0][1], {})
    except Refusal:
        return
    assert not refuted


# ---- nothing else is -----------------------------------------------------------------------------
@functools.cache
def written() -> Path:
    """A certificate on disk, to be copied and spoilt."""
    certificate, files = made()
    return put(Path(tempfile.mkdtemp()) / "c", certificate, files, {})


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_changed_byte_is_refused(data: st.DataObject) -> None:
    """In certificate.json, its seal, the spec, any invariant and any script."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(written(), Path(scratch) / "c"))
        names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        name = data.draw(st.sampled_from(names))
        old = (folder / name).read_bytes()
        at = data.draw(st.integers(0, len(old) - 1))
        flip = data.draw(st.integers(1, 255))
        (folder / name).write_bytes(old[:at] + bytes((old[at] ^ flip,)) + old[at + 1 :])
        with pytest.raises(Refusal) as refused:
            form.read(folder)
        assert refused.value.query == "hash"


@pytest.mark.parametrize("change", ["cut", "longer", "missing"])
def test_a_cut_longer_or_missing_file_is_refused(tmp_path: Path, change: str) -> None:
    folder = Path(shutil.copytree(written(), tmp_path / "c"))
    file = sorted((folder / "invariants").iterdir())[0]
    if change == "missing":
        file.unlink()
    else:
        data = file.read_bytes()
        file.write_bytes(data[:-1] if change == "cut" else data + b"\n")
    done = judged(folder)
    assert [one.query for one in done.refused] == ["hash"]
    assert done.certificate is None


def first_invariant(files: Mapping[str, bytes]) -> tuple[str, InvariantFile]:
    path = "invariants/A1-1.json"
    return path, form.decoded(files[path], InvariantFile, path)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_an_invariant_that_lacks_a_reachable_state_is_refused(data: st.DataObject) -> None:
    """The invariants are all that is reachable, so no state can be left out."""
    certificate, files = made()
    argument = certificate.arguments[0]
    part = data.draw(st.sampled_from(argument.parts))
    invariant = form.decoded(files[part.invariant], InvariantFile, part.invariant)
    at = data.draw(st.integers(0, len(invariant.nodes) - 1))
    node = invariant.nodes[at]
    gone = data.draw(st.sampled_from([v for branch in node.branches for v in branch.values]))
    branches = [
        Branch(values=tuple(v for v in branch.values if v != gone), child=branch.child)
        for branch in node.branches
    ]
    nodes = list(invariant.nodes)
    nodes[at] = Node(
        variable=node.variable, branches=tuple(branch for branch in branches if branch.values)
    )
    system = read().system
    by_id = {rule.id: rule for rule in system.rules}
    world = weave(system, [by_id[rule] for rule in argument.woven], system.assumptions)
    with pytest.raises(Refusal) as refused:
        check(
            "I",
            world.system,
            argument.n,
            msgspec.structs.replace(invariant, nodes=tuple(nodes)),
            {rule: world.bad[rule] for rule in part.excludes},
        )
    assert refused.value.query.startswith(("I: initiation", "I: consecution"))


def wider(invariant: InvariantFile) -> InvariantFile:
    """All states there are: inductive, and safe only where nothing is to be excluded."""
    chain: list[Node] = []
    for at in range(len(invariant.variables)):
        branch = Branch(values=(0, 1, 2), child=at - 1 if at else -1)
        chain.append(Node(variable=at, branches=(branch,)))
    return msgspec.structs.replace(
        invariant, clocks=(), nodes=tuple(chain), leaves=(((),),), root=len(chain) - 1
    )


def empty(invariant: InvariantFile) -> InvariantFile:
    return msgspec.structs.replace(invariant, nodes=(), leaves=(), root=None)


@pytest.mark.parametrize(
    ("change", "query"),
    [(wider, "invariants/A1-1.json: safety: K1"), (empty, "invariants/A1-1.json: initiation")],
)
def test_a_wrong_invariant_with_its_hash_is_refused(
    tmp_path: Path, change: Callable[[InvariantFile], InvariantFile], query: str
) -> None:
    certificate, files = made()
    path, invariant = first_invariant(files)
    changed = {path: form.encoded(change(invariant))}
    done = judged(put(tmp_path / "c", certificate, files, changed))
    assert refusals(done) == [("enumeration", query)]


def premises(text: bytes, new: str) -> bytes:
    """A script that says something else of what is known."""
    head, *assertions = text.decode().split("\n(assert")
    _, _, asked = assertions[-1].partition("\n(check-sat)")
    return "\n(assert".join((head, *assertions[:-1], f" {new})\n(check-sat){asked}")).encode()


def conclusion(text: bytes, new: str) -> bytes:
    """A script that says something else would be wrong."""
    head, first, *assertions = text.decode().split("\n(assert")
    stated, check, asked = first.partition("\n(check-sat-assuming")
    literal = re.search(r"literal\.[0-9]+", stated)
    assert literal is not None
    changed = f" (=> {literal[0]} {new})){check}{asked}"
    return "\n(assert".join((head, changed, *assertions)).encode()


def test_a_script_that_is_not_unsatisfiable_is_refused_with_the_step(tmp_path: Path) -> None:
    certificate, files = made()
    path = "queries/A1-consecution.smt2"
    # Nothing in particular would be wrong: any step will do.
    weaker = conclusion(files[path], "true")
    done = judged(put(tmp_path / "c", certificate, files, {path: weaker}))
    keys = certificate.arguments[0].steps
    assert tuple(solver for solver, _ in refusals(done)) == SOLVERS
    assert {query for _, query in refusals(done)} <= {f"A1: consecution: {key}" for key in keys}


@pytest.mark.parametrize("half", [premises, conclusion])
@pytest.mark.parametrize(
    "query", ["initiation", "consecution", "consecution-delay", "N2-consecution", "safety"]
)
def test_a_question_about_nothing_is_refused(
    tmp_path: Path, half: Callable[[bytes, str], bytes], query: str
) -> None:
    """One half of it can never be, so the answer is what it should be, whatever is asked."""
    certificate, files = made()
    path = f"queries/A1-{query}.smt2"
    silly = half(files[path], "false")
    done = judged(put(tmp_path / "c", certificate, files, {path: silly}))
    assert tuple(solver for solver, _ in refusals(done)) == SOLVERS
    name = "A1 N=2" if query.startswith("N2") else "A1"
    asked = query.removeprefix("N2-").replace("-", ": ")
    if half is conclusion and query == "safety":
        asked = "safety: K1"
    assert {one.query for one in done.refused} == {f"{name}: {asked}, {half.__name__}"}


def test_an_answer_that_says_a_question_is_about_nothing_is_refused(tmp_path: Path) -> None:
    """As before, but the certificate admits that the question is about nothing."""
    certificate, files = made()
    path = "queries/A1-consecution.smt2"
    silly = conclusion(files[path], "false")
    forged = msgspec.structs.replace(
        certificate,
        arguments=tuple(
            msgspec.structs.replace(
                argument,
                queries=tuple(
                    msgspec.structs.replace(
                        query,
                        asks=tuple(
                            msgspec.structs.replace(ask, answer="unsat") for ask in query.asks
                        )
                        if query.file == path and "conclusion" in query.asks[0].question
                        else query.asks,
                    )
                    for query in argument.queries
                ),
            )
            for argument in certificate.arguments
        ),
    )
    done = judged(put(tmp_path / "c", forged, files, {path: silly}))
    assert ("enumeration", "A1: consecution, conclusion") in refusals(done)


def test_a_script_is_not_what_a_claim_rests_on_alone(tmp_path: Path) -> None:
    """Solvers answer what they are asked; that it is the right question the enumeration knows."""
    certificate, files = made()
    path, invariant = first_invariant(files)
    silly = (
        b"(set-logic QF_LRA)\n(declare-fun a () Bool)\n(declare-fun b () Bool)\n"
        b"(assert (=> a b))\n(check-sat-assuming (a))\n"
        b"(assert (not b))\n(check-sat)\n(check-sat-assuming (a))\n"
    )
    changed = {query: silly for query in files if query.endswith("A1-consecution.smt2")}
    changed[path] = form.encoded(empty(invariant))
    done = judged(put(tmp_path / "c", certificate, files, changed))
    assert refusals(done) == [("enumeration", f"{path}: initiation")]


@pytest.mark.parametrize("silly", [b"", b"(get-info :name)\n(check-sat)\n", b"\xff(check-sat"])
def test_a_script_that_is_none_is_refused(tmp_path: Path, silly: bytes) -> None:
    certificate, files = made()
    folder = put(tmp_path / "c", certificate, files, {"queries/A1-initiation.smt2": silly})
    done = certify(folder, None, lambda _line: None)
    assert refusals(done) == [(solver, "A1: initiation") for solver in SOLVERS]


ASKS = "(check-sat)(check-sat-assuming (x))"
FOREIGN = "`{}` has no place in a script"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"(set-logic QF_LRA)\n(declare-fun |a (b| () Bool)\n(assert |a (b|)\n{ASKS}", None),
        (f'; (echo "unsat")\n(set-info :status "a ) ""b")(assert x){ASKS}', None),
        (f"(assert (and x\n|)|\ny ;)\n))(assert y)\n{ASKS}", None),
        ('(set-option :regular-output-channel "/tmp/x")(check-sat)', "set-option"),
        (f'(assert x){ASKS}(echo "unsat")', "echo"),
        (f"(assert x){ASKS}(exit)", "exit"),
        ("(assert (and x\ny))(reset)(check-sat)", "reset"),
        ("(assert x)(push 1)(check-sat)", "push"),
        ("(define-fun x () Bool true)(check-sat)", "define-fun"),
        ("((check-sat))", "("),
        ("()", ")"),
        ("(check-sat", "("),
        ("check-sat", "check-sat"),
        ("(assert |never ends)", "|never ends)"),
        ("(|check-sat|)", "|check-sat|"),
        ("(assert x)\n)(check-sat)", ")"),
        ("(assert " + "(\n" * 200_000, "(" * 40),
    ],
)
def test_a_script_asks_and_does_nothing_else(text: str, why: str | None) -> None:
    found = foreign(text, 2)
    assert found == (None if why is None else FOREIGN.format(why))


@pytest.mark.parametrize(
    "text",
    [
        "(check-sat)",
        f"(assert x){ASKS}(assert false){ASKS}",
        "(assert x)(check-sat)(assert false)(check-sat-assuming (x))",
        "(assert x)(check-sat-assuming (y))(assert z)(check-sat)(check-sat-assuming (x))",
        f"(assert x){ASKS}(check-sat-assuming (y))",
    ],
)
def test_a_script_states_first_and_asks_then(text: str) -> None:
    assert foreign(text, 2) is not None


def test_a_script_that_prints_its_own_answers_is_refused(tmp_path: Path) -> None:
    certificate, files = made()
    forged = {"queries/A1-initiation.smt2": b'(set-logic QF_LRA)\n(echo "unsat")\n'}
    done = certify(put(tmp_path / "c", certificate, files, forged), None, lambda _line: None)
    assert refusals(done) == [(solver, "A1: initiation") for solver in SOLVERS]
    assert {one.reason for one in done.refused} == {"`echo` has no place in a script"}


def test_another_specs_certificate_is_refused(tmp_path: Path) -> None:
    certificate, files = made()
    folder = put(tmp_path / "c", certificate, files, {})
    other = read(SMALL.replace("tired = 3s", "tired = 4s"))
    assert refusals(judged(folder, other)) == [("rhscheck", "spec")]
    # The other spec's text under this certificate's invariants: the System is another one.
    text = SMALL.replace("when in Power.On ", "").encode()
    done = judged(put(tmp_path / "d", certificate, files, {"spec/1.sm": text}))
    assert refusals(done) == [("rhscheck", "spec")]


def test_the_enumeration_reads_the_spec_not_the_scripts(tmp_path: Path) -> None:
    """A spec that lets doors open in the dark, with the System's hash put right."""
    certificate, files = made()
    text = SMALL.replace("when in Power.On ", "")
    spec = msgspec.structs.replace(certificate.spec, system_sha256=fingerprint(read(text).system))
    forged = msgspec.structs.replace(certificate, spec=spec)
    done = judged(put(tmp_path / "c", forged, files, {"spec/1.sm": text.encode()}))
    assert [one.by for one in done.refused] == ["enumeration"]
    assert done.refused[0].query.startswith("invariants/A1-1.json: ")


def claim(certificate: Certificate, **changed: object) -> Certificate:
    first, *rest = certificate.claims
    return msgspec.structs.replace(
        certificate, claims=(msgspec.structs.replace(first, **changed), *rest)
    )


@pytest.mark.parametrize(
    ("changed", "query"),
    [
        ({"rule": "K4"}, "claim K4"),
        ({"rule": "K9"}, "claim K9"),
        ({"rule": "K5"}, "claim K5"),
        ({"sentence": "all is well"}, "claim K1"),
        ({"verdict": "impossible"}, "claim K1"),
        ({"n": 0}, "format"),
        ({"n": 10**30}, "format"),
        ({"arguments": ("A9",)}, "claim K1"),
        ({"arguments": ()}, "claim K1"),
        ({"arguments": ("A1", "A1")}, "claim K1"),
        ({"time": "verify"}, "claim K1"),
        ({"time": "A2"}, "claim K1"),
    ],
)
def test_a_claim_that_says_more_than_was_shown_is_refused(
    tmp_path: Path, changed: dict[str, object], query: str
) -> None:
    certificate, files = made()
    done = judged(put(tmp_path / "c", claim(certificate, **changed), files, {}))
    assert refusals(done) == [("rhscheck", query)]


@pytest.mark.parametrize(
    ("time", "query"), [(None, "claim K2"), ("A1", "claim K2"), ("A9", "claim K2")]
)
def test_a_bounded_response_needs_that_time_goes_on(
    tmp_path: Path, time: str | None, query: str
) -> None:
    certificate, files = made()
    claims = [
        msgspec.structs.replace(one, time=time) if one.rule == "K2" else one
        for one in certificate.claims
    ]
    forged = msgspec.structs.replace(certificate, claims=tuple(claims))
    done = judged(put(tmp_path / "c", forged, files, {}))
    assert refusals(done) == [("rhscheck", query)]


def test_what_does_not_show_that_time_goes_on_is_refused(tmp_path: Path) -> None:
    """The invariant of K1 does not speak of the power, nor of what the deadline depends on."""
    certificate, files = made()
    first, second = certificate.arguments
    assert (first.progress, second.progress) == (False, True)
    arguments = (
        msgspec.structs.replace(first, progress=True),
        msgspec.structs.replace(second, progress=False),
    )
    claims = [
        msgspec.structs.replace(one, time="A1") if one.rule == "K2" else one
        for one in certificate.claims
    ]
    forged = msgspec.structs.replace(certificate, arguments=arguments, claims=tuple(claims))
    done = judged(put(tmp_path / "c", forged, files, {}))
    assert all(query.endswith(("time: Door.timer.tired", "time")) for _, query in refusals(done))


STOPS = """\
spec stops "A deadline that nobody can keep"

actors { host H, plugin P }

machine M[i in 1..N] {
  initial state A { by P: go -> B }
  state B { within 3s by H: quit -> A }
}
"""


def test_time_that_stops_is_refused() -> None:
    """All states, which are an invariant whatever the steps; and without the one that is due."""
    whole = read(STOPS, "stops.sm").system
    steps = tuple(one for one in whole.transitions if one.label.name != "quit")
    system = replace(whole, transitions=steps)
    model = Model(system, (), ())
    local = model.local
    invariant = explore(local, {}).invariant()
    file = established((), None, local, [((), identity(invariant, local))], (), families=("M",))
    assert check("I", model.system, None, file.parts[0][1], {}) == 2
    check_progress("I", whole, None, file.parts[0][1])
    with pytest.raises(Refusal) as refused:
        check_progress("I", model.system, None, file.parts[0][1])
    assert refused.value.query.startswith("I: time: M.within.B")


TURNS = """\
spec turns "Two deadlines that end each other"

actors { host H, plugin P }

machine M[i in 1..N] {
  var up : bool = false
  initial state A {
    within 5s by P: rise when not up { up = true }
    within 5s by P: sink when up { up = false }
  }
}
"""


def test_deadlines_that_end_each_other_for_ever_are_refused() -> None:
    system = read(TURNS, "turns.sm").system
    local = Model(system, (), ()).local
    invariant = explore(local, {}).invariant()
    file = established((), None, local, [((), identity(invariant, local))], (), families=("M",))
    assert check("I", system, None, file.parts[0][1], {}) == 2
    with pytest.raises(Refusal) as refused:
        check_progress("I", system, None, file.parts[0][1])
    assert refused.value.query == "I: time: M.within.A#1"


CHASE = """\
spec chase "Two calls that chase each other"

actors { host H, plugin P }

entry One, Two returns { ok } timeout 9s

machine M[i in 1..N] {
  initial state A {
    by H: call One
    return One(ok) then call Two
    return Two(ok) then call One
  }
}
"""


def test_urgent_steps_that_wait_for_nobody_end(tmp_path: Path) -> None:
    """A chained call is urgent; its return is the plug-in's business, so time goes on."""
    system = read(CHASE, "chase.sm").system
    model = Model(system, (), ())
    local = model.local
    invariant = explore(local, {}).invariant()
    file = established((), None, local, [((), identity(invariant, local))], (), families=("M",))
    check_progress("I", model.system, None, file.parts[0][1])
    assert list(tmp_path.iterdir()) == []


def test_a_fixed_number_proves_no_other() -> None:
    """An argument about N=2 carries no claim about N=3, and none about every N."""
    certificate, files = made()
    fixed = tuple(msgspec.structs.replace(one, n=2) for one in certificate.arguments)
    with tempfile.TemporaryDirectory() as scratch:
        forged = msgspec.structs.replace(certificate, arguments=fixed)
        done = judged(put(Path(scratch) / "c", forged, files, {}))
    assert refusals(done) == [("rhscheck", "claim K1")]


def test_a_run_that_is_none_is_refused(tmp_path: Path) -> None:
    certificate, files = made()
    witness, violation = certificate.runs
    short = msgspec.structs.replace(witness, steps=())
    step = msgspec.structs.replace(violation.steps[0], binding={"self": 2})
    other = msgspec.structs.replace(violation, steps=(step,))
    forged = msgspec.structs.replace(certificate, runs=(short, other))
    done = judged(put(tmp_path / "c", forged, files, {}))
    assert refusals(done) == [("enumeration", "run: K4"), ("enumeration", "run: K5")]


def test_a_missing_question_is_refused(tmp_path: Path) -> None:
    certificate, files = made()
    argument, *rest = certificate.arguments
    fewer = msgspec.structs.replace(
        argument,
        queries=tuple(q for q in argument.queries if not q.file.endswith("-consecution.smt2")),
    )
    gone = {q.file for q in argument.queries} - {q.file for q in fewer.queries}
    forged = msgspec.structs.replace(certificate, arguments=(fewer, *rest))
    left = {path: data for path, data in files.items() if path not in gone}
    done = judged(put(tmp_path / "c", forged, left, {}))
    assert refusals(done) == [("enumeration", "A1: consecution")]


def test_the_enumeration_loads_neither_solver_nor_encoder() -> None:
    asked = "import sys, rhscheck.checker.certify.enumeration; print(*sys.modules, sep=chr(10))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, encoding="utf-8", check=True
    )
    loaded = done.stdout.split()
    assert "rhscheck.checker.certify.referee" in loaded
    assert not [name for name in loaded if name.split(".")[0] in ("z3", "cvc5")]
    assert not [name for name in loaded if name.startswith("rhscheck.checker.smt")]


# ---- the directory -------------------------------------------------------------------------------
def test_a_certificate_is_replaced_whole_and_nothing_else_is_touched(tmp_path: Path) -> None:
    loaded = read()
    report = verify(loaded.system, Options(rules=("K1",), findings=False, certificate=True))
    write(tmp_path / "c", loaded, {}, report, "one")
    (tmp_path / "c" / "queries" / "left.smt2").write_text("old", encoding="utf-8")
    write(tmp_path / "c", loaded, {}, report, "two")
    assert form.read(tmp_path / "c")[0].tool == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(FileExistsError, match="other files"):
        write(tmp_path / "mine", loaded, {}, report, "three")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_failure_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = read()
    report = verify(loaded.system, Options(rules=("K1",), findings=False, certificate=True))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(form, "seal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "c", loaded, {}, report, "one")
    assert list(tmp_path.iterdir()) == []


# ---- engines -------------------------------------------------------------------------------------
@pytest.mark.parametrize(("engine", "n"), [("spacer", 2), ("kinduction", 2), ("pairs", 3)])
def test_what_any_engine_proves_for_a_number_is_certified(
    tmp_path: Path, engine: str, n: int
) -> None:
    """Engines that leave no such invariant: the certificate rests on all that is reached."""
    loaded = load("fischer")
    options = Options(rules=("Mutex",), n=n, engine=engine, findings=False, certificate=True)
    report = verify(loaded.system, options)
    assert report.results[0].engine == engine
    certificate, files = build(loaded, {}, report, "rhscheck under test")
    assert [(one.rule, one.n) for one in certificate.claims] == [("Mutex", n)]
    done = judged(put(tmp_path / "c", certificate, files, {}))
    assert refusals(done) == []
    assert done.holds
