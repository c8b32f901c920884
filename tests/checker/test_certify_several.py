"""Several certificates at once: what they share is asked once, and no one vouches for another."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from crew_here import all_certified_here
from door_certificate import SMALL, made, put

from rhscheck.checker.certify import form, solvers
from rhscheck.checker.certify.answers import Finished, Held, Of, Refused, Said, Work
from rhscheck.checker.certify.certify import Certification, certify_all
from rhscheck.checker.certify.enumeration import by_enumeration
from rhscheck.checker.certify.form import Certificate
from rhscheck.checker.certify.solvers import Script


def without_scripts(made: tuple[Certificate, Mapping[str, bytes]]) -> Work:
    return Work(made[0], made[1], None)


def about(said: list[object], at: int) -> list[Said]:
    return [one.said for one in said if isinstance(one, Of) and one.at == at]


def outcome(done: Certification) -> tuple[bool, list[str], list[int]]:
    return done.holds, [one.query for one in done.refused], [one.queries for one in done.checkers]


def test_each_is_judged_as_alone(tmp_path: Path) -> None:
    folders = [put(tmp_path / f"c{n}", *made(n), {}) for n in (None, 2)]
    together = certify_all(folders, [None, None], lambda _line: None)
    alone = [*all_certified_here(folders[:1]), *all_certified_here(folders[1:])]
    assert [outcome(one) for one in together] == [outcome(one) for one in alone]
    assert [one.holds for one in together] == [True, True]
    assert [one.certificate and one.certificate.claims[0].n for one in together] == ["every", 2]


def test_one_that_is_damaged_leaves_the_other_accepted(tmp_path: Path) -> None:
    good = put(tmp_path / "good", *made(), {})
    damaged = Path(shutil.copytree(good, tmp_path / "damaged"))
    with next((damaged / "queries").iterdir()).open("ab") as script:
        script.write(b" ")
    done = all_certified_here([damaged, good, damaged])
    assert [one.holds for one in done] == [False, True, False]
    assert [one.query for one in done[0].refused] == ["hash"]


@pytest.mark.parametrize("order", [*itertools.permutations((0, 1))])
def test_an_invariant_that_was_forged_is_not_taken_for_the_one_it_was(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    certificate, files = made()
    path = certificate.arguments[0].parts[0].invariant
    invariant = form.decoded(files[path], form.InvariantFile, path)
    forged = msgspec.structs.replace(invariant, nodes=(), leaves=(), root=None)
    both = [
        put(tmp_path / "good", certificate, files, {}),
        put(tmp_path / "forged", certificate, files, {path: msgspec.json.encode(forged)}),
    ]
    done = dict(zip(order, all_certified_here([both[at] for at in order]), strict=True))
    assert done[0].holds
    assert not done[1].holds
    assert {one.by for one in done[1].refused} == {"enumeration"}


def test_one_that_cannot_be_judged_does_not_end_the_others(tmp_path: Path) -> None:
    certificate, files = made()
    claims = (msgspec.structs.replace(certificate.claims[0], rule="K9"), *certificate.claims[1:])
    unfit = msgspec.structs.replace(certificate, claims=claims)
    done = all_certified_here(
        [put(tmp_path / "unfit", unfit, files, {}), put(tmp_path / "good", certificate, files, {})]
    )
    assert [one.query for one in done[0].refused] == ["claim K9"]
    assert done[0].checkers == ()
    assert done[1].holds


def test_what_two_have_in_common_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    real = form.decoded

    def decoded(data: bytes, kind: type, path: str) -> object:
        looked.append(path)
        return real(data, kind, path)

    monkeypatch.setattr(form, "decoded", decoded)
    said: list[object] = []
    by_enumeration([without_scripts(made()), without_scripts(made(2))], said.append)
    assert len(looked) == len(set(looked)) > 0
    assert about(said, 0) == about(said, 1)
    assert isinstance(about(said, 0)[-1], Finished)


def test_another_spec_has_its_own_world() -> None:
    other = SMALL.replace("within 3s", "within 4s").replace("tired = 3s", "tired = 4s")
    said: list[object] = []
    by_enumeration([without_scripts(made()), without_scripts(made(None, other))], said.append)
    assert [one for at in (0, 1) for one in about(said, at) if isinstance(one, Refused)] == []
    assert len([one for one in about(said, 1) if isinstance(one, Held)]) > 0


def test_a_script_with_another_answer_is_another_script() -> None:
    text = """\
(set-logic QF_FD)
(declare-fun a () Bool)
(assert (or a (not a)))
(assert a)
(check-sat)
(check-sat-assuming (a))
"""
    right = Script("A1", text, (("q, premises", "sat"), ("q", "sat")), ())
    wrong = Script("A1", text, (("q, premises", "sat"), ("q", "unsat")), ())
    said: list[object] = []
    solvers.by_z3(((right,), (wrong,), (right,)), said.append)
    assert about(said, 0) == [Held("A1: q, premises"), Held("A1: q"), Finished()]
    assert about(said, 1) == [Held("A1: q, premises"), Refused("A1: q", "sat"), Finished()]
    assert about(said, 2) == about(said, 0)
