"""Certificates made to deceive or to hurt: refused, in bounded time, naming what failed."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from crew_here import certified_here

from rhscheck import api
from rhscheck.checker.certificate import build, write
from rhscheck.checker.certify import cvc5_script, form
from rhscheck.checker.certify.answers import Of, Refused, Unfit, Work
from rhscheck.checker.certify.certify import Certification
from rhscheck.checker.certify.enumeration import by_enumeration
from rhscheck.checker.certify.form import Branch, Certificate, InvariantFile, Node, Refusal
from rhscheck.checker.established import established
from rhscheck.checker.invariant import Invariant
from rhscheck.checker.model import Model
from rhscheck.checker.recheck import identity, recheck
from rhscheck.checker.smt.encode import Encoding
from rhscheck.checker.smt.solve import Formula
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.load import Loaded, load_source
from rhscheck.spec.semantics import initial_states
from rhscheck.spec.source import Source

SOLVERS = ("z3", "cvc5") if cvc5_script.installed() else ("z3",)
# Safety, a bounded response, a permission and a promise.
WHOLE = """spec whole "A door that somebody shuts"

actors { manager M, plugin P }

shared machine Power {
  initial state On  { by M: cut -> Off }
  state Off { by M: mend -> On }
}

machine Door[i in 1..N] {
  initial state Shut { by P: open when in Power.On -> Open }
  state Open {
    timer tired = 3s
    on tired -> Shut
    by P: slam -> Shut
  }
}

rules Door {
  fair P: slam
  rule Twice "no door is opened twice": only in Shut: event open
  rule Dark  "no door is opened in the dark": never event open and in Power.Off
  rule Soon  "an open door is shut in time": when event open leads to in Shut within 3s
  rule Ends  "an open door is shut": when in Open leads to in Shut
  rule Opens "a door can be opened": can in Open
}
"""


def read(text: str = WHOLE) -> Loaded:
    return load_source(Source("whole.sm", text))


@functools.cache
def made(n: int | None = None) -> tuple[Certificate, Mapping[str, bytes]]:
    """The certificate; nobody changes it."""
    loaded = read()
    report = verify(loaded.system, Options(n=n, findings=False, certificate=True))
    certificate, files = build(loaded, {}, report, "rhscheck under test")
    assert [one.rule for one in certificate.claims] == ["Twice", "Dark", "Soon", "Ends"]
    assert [one.rule for one in certificate.runs] == ["Opens"]
    return certificate, files


@functools.cache
def on_disk() -> Path:
    """A certificate in a directory, to be copied and spoilt."""
    folder = Path(tempfile.mkdtemp()) / "c"
    loaded = read()
    report = verify(loaded.system, Options(findings=False, certificate=True))
    write(folder, loaded, {}, report, "rhscheck under test")
    return folder


def put(folder: Path, certificate: Certificate, files: Mapping[str, bytes]) -> Path:
    """Write a certificate with all hashes as they have to be."""
    folder.mkdir()
    hashes = {path: form.sha256(data) for path, data in files.items()}
    form.write(folder, msgspec.structs.replace(certificate, files=hashes), files)
    return folder


def judged(folder: Path) -> Certification:
    return certified_here(folder)


def refusals(done: Certification) -> list[tuple[str, str]]:
    return [(one.by.split(" ")[0], one.query) for one in (*done.refused, *done.undecided)]


def enumerated(certificate: Certificate, files: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """What the enumeration alone refuses."""
    said: list[object] = []
    by_enumeration([Work(certificate, files, None)], said.append)
    each = [one.said for one in said if isinstance(one, Of)]
    return [(type(one).__name__, one.query) for one in each if isinstance(one, Refused | Unfit)]


# ---- bytes ---------------------------------------------------------------------------------------
def places(size: int) -> list[int]:
    """The first and last bytes of a file, and some spread over it."""
    return sorted({*range(min(4, size)), size - 1, *range(0, size, max(1, size // 12))})


def test_every_file_is_covered_byte_by_byte(tmp_path: Path) -> None:
    """Each bit pattern differs somewhere: a changed bit, a changed digit, a changed case."""
    names = sorted(p.relative_to(on_disk()).as_posix() for p in on_disk().rglob("*") if p.is_file())
    assert {name.split("/")[0] for name in names} == {form.MAIN, form.SEAL, *form.FOLDERS}
    folder = Path(shutil.copytree(on_disk(), tmp_path / "c"))
    tried = 0
    for name in names:
        whole = (folder / name).read_bytes()
        for at in places(len(whole)):
            for flip in (1, 32, 128):
                (folder / name).write_bytes(
                    whole[:at] + bytes((whole[at] ^ flip,)) + whole[at + 1 :]
                )
                with pytest.raises(Refusal) as refused:
                    form.read(folder)
                assert refused.value.query == "hash"
                tried += 1
        (folder / name).write_bytes(whole)
    assert tried > 1_000
    form.read(folder)


# ---- files ---------------------------------------------------------------------------------------
POSIX = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")


@POSIX
@pytest.mark.parametrize("name", ["certificate.json", "invariants/A1-1.json", "invariants"])
def test_links_are_refused(tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(on_disk(), tmp_path / "c"))
    elsewhere = (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(elsewhere)
    assert refusals(judged(folder)) == [("rhscheck", "format")]


@POSIX
@pytest.mark.parametrize("name", ["certificate.json", "certificate.sha256", "spec/1.sm"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(on_disk(), tmp_path / "c"))
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert refusals(judged(folder)) == [("rhscheck", "format")]


@POSIX
def test_a_device_is_not_read(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(on_disk(), tmp_path / "c"))
    (folder / "spec" / "1.sm").unlink()
    (folder / "spec" / "1.sm").symlink_to("/dev/zero")
    assert refusals(judged(folder)) == [("rhscheck", "format")]


@pytest.mark.parametrize(
    "path", ["../c.json", "invariants/../../x", "/etc/passwd", "a/b/c", "a/.b"]
)
def test_a_path_to_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    certificate, files = made()
    (old,) = (one.parts[0].invariant for one in certificate.arguments[:1])
    text = form.encoded(certificate).decode().replace(f'"{old}"', f'"{path}"')
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / form.MAIN).write_text(text, encoding="utf-8")
    (folder / form.SEAL).write_bytes(form.seal(text.encode()))
    (tmp_path / "c.json").write_bytes(files[old])
    done = judged(folder)
    assert refusals(done) == [("rhscheck", "hash")]
    assert "no file of the certificate's own" in done.refused[0].reason


@pytest.mark.parametrize("missing", ["certificate.sha256", "queries/A1-safety.smt2", "queries"])
def test_a_half_full_directory_is_incomplete(tmp_path: Path, missing: str) -> None:
    folder = Path(shutil.copytree(on_disk(), tmp_path / "c"))
    if missing == "queries":
        shutil.rmtree(folder / missing)
    else:
        (folder / missing).unlink()
    done = judged(folder)
    assert refusals(done) == [("rhscheck", "hash")]
    assert "incomplete" in done.refused[0].reason


@pytest.mark.parametrize("extra", ["queries/more.smt2", "notes.txt", "more"])
def test_a_file_that_no_hash_covers_is_refused(tmp_path: Path, extra: str) -> None:
    folder = Path(shutil.copytree(on_disk(), tmp_path / "c"))
    (folder / extra).write_bytes(b"")
    with pytest.raises(Refusal) as refused:
        form.read(folder)
    assert (refused.value.query, refused.value.reason) == (
        "hash",
        f"{extra} is no file of the certificate; nothing vouches for it",
    )


@pytest.mark.parametrize("change", ["dropped", "added"])
def test_steps_that_are_not_those_of_the_scripts_are_refused(tmp_path: Path, change: str) -> None:
    certificate, files = made()
    steps = certificate.arguments[0].steps
    forged = argument(certificate, steps=steps[:-1] if change == "dropped" else (*steps, "more"))
    folder = tmp_path / "c"
    folder.mkdir()
    form.write(folder, forged, files)
    with pytest.raises(Refusal) as refused:
        form.read(folder)
    assert (refused.value.query, refused.value.reason) == (
        "argument A1",
        "its steps are not those that its scripts ask about",
    )


def test_a_directory_without_its_main_file_is_incomplete(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(on_disk(), tmp_path / "c"))
    (folder / form.MAIN).unlink()
    with pytest.raises(api.InputError, match="holds an incomplete certificate"):
        api.certify(str(folder))
    with pytest.raises(api.InputError, match="other files than a certificate's"):
        api.require_certificate_folder(str(folder))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        "[" * 100_000,
        '{"format":' + '{"a":' * 100_000,
        '{"format": "rhscheck-certificate/3", "tool": "' + "x" * 1_000_000,
        "9" * 100_000,
        "\ufeff{}",
        '{"format": "rhscheck-certificate/3"}',
    ],
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / form.MAIN).write_text(text, encoding="utf-8")
    (folder / form.SEAL).write_bytes(form.seal(text.encode()))
    assert refusals(judged(folder)) == [("rhscheck", "format")]


def test_a_certificate_of_another_version_cannot_be_read(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(on_disk(), tmp_path / "c"))
    text = (folder / form.MAIN).read_text("utf-8").replace(form.FORMAT, "rhscheck-certificate/1")
    (folder / form.MAIN).write_text(text, encoding="utf-8")
    (folder / form.SEAL).write_bytes(form.seal(text.encode()))
    with pytest.raises(api.InputError) as error:
        api.certify(str(folder))
    assert str(error.value) == (
        f"cannot read the certificate in {folder}: certificate.json is of format "
        f"'rhscheck-certificate/1'; this version of rhscheck reads {form.FORMAT} only"
    )


# ---- what is left out ----------------------------------------------------------------------------
def test_a_certificate_without_claims_is_refused() -> None:
    certificate, files = made()
    left = tuple(
        form.Uncertified(rule=rule.id, verdict="unknown", reason="why not")
        for rule in read().system.rules
    )
    empty = msgspec.structs.replace(certificate, claims=(), runs=(), uncertified=left)
    assert enumerated(empty, files) == [("Unfit", "claims")]


@pytest.mark.parametrize("claim", ["Twice", "Ends"])
def test_a_claim_that_is_left_out_in_silence_is_refused(claim: str) -> None:
    certificate, files = made()
    kept = tuple(one for one in certificate.claims if one.rule != claim)
    less = msgspec.structs.replace(certificate, claims=kept)
    assert enumerated(less, files) == [("Unfit", f"claim {claim}")]
    said = form.Uncertified(rule=claim, verdict="unknown", reason="it was too hard")
    assert enumerated(msgspec.structs.replace(less, uncertified=(said,)), files) == []


def test_what_is_left_out_has_no_claim_and_is_a_rule() -> None:
    certificate, files = made()
    for rule in ("Twice", "Opens", "Elsewhere"):
        said = form.Uncertified(rule=rule, verdict="proved", reason="see there")
        more = msgspec.structs.replace(certificate, uncertified=(said,))
        assert enumerated(more, files) == [("Unfit", f"claim {rule}")]


def test_rules_that_were_not_asked_for_are_said_to_be_left_out() -> None:
    loaded = read()
    options = Options(rules=("Dark",), findings=False, certificate=True)
    certificate, files = build(loaded, {}, verify(loaded.system, options), "under test")
    assert [one.rule for one in certificate.claims] == ["Dark"]
    assert [one.rule for one in certificate.uncertified] == ["Twice", "Soon", "Ends", "Opens"]
    assert enumerated(certificate, files) == []


# ---- numbers and shapes --------------------------------------------------------------------------
HUGE = 10**18


def invariant(change: Callable[[InvariantFile], InvariantFile]) -> list[tuple[str, str]]:
    """What the enumeration says of a certificate with another first invariant."""
    certificate, files = made()
    path = certificate.arguments[0].parts[0].invariant
    found = form.decoded(files[path], InvariantFile, path)
    return enumerated(certificate, {**files, path: form.encoded(change(found))})


def doubling(file: InvariantFile) -> InvariantFile:
    """Two branches to one child at each node: more paths than anybody can walk, and no state."""
    nodes = [Node(variable=0, branches=())]
    nodes += [
        Node(variable=0, branches=(Branch(values=(0,), child=at), Branch(values=(1,), child=at)))
        for at in range(100)
    ]
    return msgspec.structs.replace(file, nodes=tuple(nodes), root=100)


def wide(file: InvariantFile) -> InvariantFile:
    """One node with more values than there is memory for states."""
    chain = [
        Node(variable=at, branches=(Branch(values=tuple(range(300)), child=at - 1 if at else -1),))
        for at in range(len(file.variables))
    ]
    return msgspec.structs.replace(
        file, nodes=tuple(chain), leaves=(((),),), clocks=(), root=len(chain) - 1
    )


def elsewhere(file: InvariantFile) -> InvariantFile:
    return msgspec.structs.replace(file, root=HUGE)


def circle(file: InvariantFile) -> InvariantFile:
    branch = Branch(values=(0,), child=0)
    return msgspec.structs.replace(file, nodes=(Node(variable=0, branches=(branch,)),), root=0)


def no_leaf(file: InvariantFile) -> InvariantFile:
    return msgspec.structs.replace(file, root=-HUGE)


def no_variable(file: InvariantFile) -> InvariantFile:
    branch = Branch(values=(0,), child=-1)
    return msgspec.structs.replace(file, nodes=(Node(variable=HUGE, branches=(branch,)),), root=0)


def no_instance(file: InvariantFile) -> InvariantFile:
    first, *rest = file.variables
    return msgspec.structs.replace(
        file, variables=(msgspec.structs.replace(first, instance=HUGE), *rest)
    )


def twice(file: InvariantFile) -> InvariantFile:
    return msgspec.structs.replace(file, variables=(*file.variables, file.variables[0]))


def no_clock(file: InvariantFile) -> InvariantFile:
    return msgspec.structs.replace(file, leaves=((((HUGE, 0, 0, False),),),) * len(file.leaves))


@pytest.mark.parametrize(
    "change",
    [doubling, wide, elsewhere, circle, no_leaf, no_variable, no_instance, twice, no_clock],
)
def test_a_diagram_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[InvariantFile], InvariantFile],
) -> None:
    # Two millions as shipped, which takes 14 s; what is counted is the same.
    monkeypatch.setattr("rhscheck.checker.certify.members.MOST_STATES", 50_000)
    assert invariant(change) == [("Refused", "invariants/A1-1.json: format")]


def argument(certificate: Certificate, **changed: object) -> Certificate:
    first, *rest = certificate.arguments
    return msgspec.structs.replace(
        certificate, arguments=(msgspec.structs.replace(first, **changed), *rest)
    )


@pytest.mark.parametrize("n", [0, -1, 65, HUGE, 10**30])
def test_a_number_of_instances_that_is_none_is_refused(tmp_path: Path, n: int) -> None:
    certificate, files = made()
    (tmp_path / "d").mkdir()
    for number, forged in enumerate(
        (
            argument(certificate, n=n),
            argument(certificate, instances={n: ()}),
            msgspec.structs.replace(
                certificate, runs=(msgspec.structs.replace(certificate.runs[0], n=n),)
            ),
        )
    ):
        folder = put(tmp_path / f"c{number}", forged, files)
        assert refusals(judged(folder)) == [("rhscheck", "format")]


@pytest.mark.parametrize("units", ["9" * 5_000, "1/0", "9" * 4_000 + "/" + "7" * 4_000])
def test_a_run_with_times_that_are_none_is_refused(units: str) -> None:
    certificate, files = made()
    (run,) = certificate.runs
    steps = tuple(msgspec.structs.replace(one, units=units) for one in run.steps)
    forged = msgspec.structs.replace(
        certificate, runs=(msgspec.structs.replace(run, steps=steps, initial={}),)
    )
    # The last one is a time that may be waited: nothing has to happen while the door is shut.
    wanted = [] if units.count("9") == 4_000 else [("Refused", "run: Opens")]
    assert enumerated(forged, files) == wanted


@pytest.mark.parametrize("question", ["safety: Nobody, conclusion", "safety: , conclusion"])
def test_a_question_about_no_rule_is_about_nothing(question: str) -> None:
    certificate, files = made()
    first = certificate.arguments[0]
    nothing = (
        form.Ask(question=question, answer="unsat"),
        form.Ask(question="safety, premises", answer="sat"),
        form.Ask(question=question.removesuffix(", conclusion"), answer="unsat"),
    )
    query = msgspec.structs.replace(first.queries[0], asks=nothing)
    forged = argument(certificate, queries=(*first.queries, query))
    assert enumerated(forged, files) == [("Refused", f"A1: {question}")]


# ---- meaning -------------------------------------------------------------------------------------
def test_rules_that_change_places_are_refused() -> None:
    """The claims are about each other's rule, with the words of the spec put right."""
    certificate, files = made()
    twice_, dark, soon, ends = certificate.claims
    for one, other in ((soon, ends), (twice_, soon)):
        swap = {one.rule: other, other.rule: one}
        claims = tuple(
            msgspec.structs.replace(claim, rule=swap[claim.rule].rule)
            if claim.rule in swap
            else claim
            for claim in (twice_, dark, soon, ends)
        )
        forged = msgspec.structs.replace(certificate, claims=claims)
        assert enumerated(forged, files)[0][0] == "Unfit"


def test_what_is_excluded_cannot_be_claimed_of_another_rule() -> None:
    """A part says that it excludes the goal of the permission, which is reached."""
    certificate, files = made()
    first = certificate.arguments[0]
    part = first.parts[0]
    woven = (*first.woven, "Opens") if "Opens" not in first.woven else first.woven
    forged = argument(
        certificate,
        woven=woven,
        parts=(msgspec.structs.replace(part, excludes=(*part.excludes, "Opens")), *first.parts[1:]),
    )
    assert enumerated(forged, files) == [("Refused", "invariants/A1-1.json: safety: Opens")]


def test_a_certificate_for_one_number_is_none_for_another(tmp_path: Path) -> None:
    """Of N=2, claimed for every N and for N=3; its arguments are about every N, so these hold."""
    certificate, files = made(2)
    assert {claim.n for claim in certificate.claims} == {2}
    assert {one.n for one in certificate.arguments} == {None}
    fixed = msgspec.structs.replace(
        certificate,
        arguments=tuple(msgspec.structs.replace(one, n=2) for one in certificate.arguments),
    )
    assert enumerated(fixed, files) != []
    for n in ("every", 3):
        claims = tuple(msgspec.structs.replace(one, n=n) for one in certificate.claims)
        forged = msgspec.structs.replace(fixed, claims=claims)
        assert enumerated(forged, files) == [("Unfit", "claim Twice")]


def test_an_assumption_that_is_none_is_refused(tmp_path: Path) -> None:
    certificate, files = made()
    spec = msgspec.structs.replace(certificate.spec, assumptions=("D9",))
    forged = msgspec.structs.replace(certificate, spec=spec)
    assert refusals(judged(put(tmp_path / "c", forged, files))) == [("rhscheck", "spec")]


# ---- the encoder ---------------------------------------------------------------------------------
def test_an_error_of_the_encoder_cannot_certify_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder whose steps change nothing finds the initial states inductive; so do solvers."""
    loaded = read()
    (rule,) = (one for one in loaded.system.rules if one.id == "Twice")
    real = Encoding.step

    def standing(encoding: Encoding) -> Formula:
        gates = encoding.gates
        pairs = zip(encoding.now.values, encoding.then.values, strict=True)
        still = [gates.same(now, then) for now, then in pairs]
        return gates.formula(gates.conj([real(encoding), *still]))

    monkeypatch.setattr(Encoding, "step", standing)
    model = Model(loaded.system, [rule], ())
    local = model.local
    cells = tuple((state.values, ((),)) for state in initial_states(local))
    copy = identity(Invariant((), cells), local)
    checked = recheck(local, [copy], {"Twice": model.local_formula("Twice")}, scripts=True)
    assert checked.proved
    wrong = established([rule], None, local, [([rule], copy)], checked.scripts, families=("Door",))
    report = verify(loaded.system, Options(rules=("Twice",), findings=False))
    report = replace(report, established=(wrong,))
    certificate, files = build(loaded, {}, report, "rhscheck under test")
    done = judged(put(tmp_path / "c", certificate, files))
    assert {by for by, _ in refusals(done)} == {"enumeration"}
    assert done.refused[0].query.startswith("invariants/A1-1.json: consecution: ")
    assert [one.name.split(" ")[0] for one in done.checkers] == ["enumeration", *SOLVERS]
