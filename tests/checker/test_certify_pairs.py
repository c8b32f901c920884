"""Certificates of what holds for every number of instances because it holds of every two."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from crew_here import certified_here
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_systems import Shape, rules, systems

from rhscheck.checker.certificate import build
from rhscheck.checker.certify import form
from rhscheck.checker.certify.form import Argument, Branch, Certificate, InvariantFile, Node
from rhscheck.checker.certify.pairs import PairsJudge
from rhscheck.checker.certify.possible import NotExpressible, Place
from rhscheck.checker.certify.small_models import needed
from rhscheck.checker.pairs import _Complicated, enough
from rhscheck.checker.verify import Options, verify
from rhscheck.spec.fingerprint import fingerprint
from rhscheck.spec.load import Loaded, load, load_source
from rhscheck.spec.rules import weave
from rhscheck.spec.source import Source

PATH = "invariants/A2-1.json"
LOCK = """spec lock "A lock knows who has it"
actors { A }
var owner : P? = none
machine P[i in 1..N] {
  initial state Off { by A: go when owner == none -> On { owner = i } }
  state On { by A: stop -> Off { owner = none } }
}
rule Mutex "one at a time": never in i.On and in j.On for distinct i, j in P
"""


def read(spec: str) -> Loaded:
    return load_source(Source("lock.sm", LOCK)) if spec == "lock" else load(spec)


@functools.cache
def made(spec: str = "fischer", n: int | None = None) -> tuple[Certificate, Mapping[str, bytes]]:
    loaded = read(spec)
    options = Options(rules=("Mutex",), n=n, engine="pairs", findings=False, certificate=True)
    return build(loaded, {}, verify(loaded.system, options), "rhscheck under test")


def judged(
    folder: Path, certificate: Certificate, files: Mapping[str, bytes]
) -> list[tuple[str, str]]:
    """Who refuses what, all hashes being right."""
    hashes = {path: form.sha256(data) for path, data in files.items()}
    folder.mkdir()
    form.write(folder, msgspec.structs.replace(certificate, files=hashes), files)
    done = certified_here(folder)
    assert done.holds == (not done.refused)
    return [(one.by.split(" ")[0], one.query) for one in (*done.refused, *done.undecided)]


def changed(certificate: Certificate, at: int, **what: object) -> Certificate:
    arguments = list(certificate.arguments)
    arguments[at] = msgspec.structs.replace(arguments[at], **what)
    return msgspec.structs.replace(certificate, arguments=tuple(arguments))


def claiming(certificate: Certificate, *arguments: str) -> Certificate:
    (claim,) = certificate.claims
    claim = msgspec.structs.replace(claim, arguments=arguments)
    return msgspec.structs.replace(certificate, claims=(claim,))


def pairs_of(certificate: Certificate) -> Argument:
    (found,) = (one for one in certificate.arguments if one.pairs is not None)
    return found


# ---- what verify writes is accepted --------------------------------------------------------------
@pytest.mark.parametrize("spec", ["fischer", "semaphore", "two_locks", "lock"])
def test_what_holds_of_every_two_instances_is_certified_for_every_number(
    tmp_path: Path, spec: str
) -> None:
    certificate, files = made(spec)
    assert [(one.rule, one.n) for one in certificate.claims] == [("Mutex", "every")]
    assert [one.n for one in certificate.arguments] == [1, None]
    assert {one.reason for one in certificate.uncertified} <= {"it was not asked for"}
    assert judged(tmp_path / "c", certificate, files) == []


def test_it_is_certified_for_a_number_too(tmp_path: Path) -> None:
    certificate, files = made("fischer", 6)
    assert [(one.rule, one.n) for one in certificate.claims] == [("Mutex", 6)]
    assert judged(tmp_path / "c", certificate, files) == []


# ---- what is refused -----------------------------------------------------------------------------
def test_fewer_instances_than_all_cases_are_refused(tmp_path: Path) -> None:
    certificate, files = made()
    one = pairs_of(certificate)
    assert one.pairs == 4
    some = {n: one.instances[n] for n in (2, 3)}
    less = changed(certificate, 1, pairs=3, instances=some)
    kept = {query.file for query in form.queries(less)}
    files = {path: data for path, data in files.items() if path in kept or "queries" not in path}
    refused = judged(tmp_path / "c", less, files)
    assert refused == [("enumeration", f"{PATH}: safety: Mutex")]


@pytest.mark.parametrize(
    "what",
    [
        {"pairs": 5},
        {"pairs": 3},
        {"n": 4},
        {"parts": ()},
        {"parts": (form.Part(invariant=PATH, excludes=()),)},
        {"progress": True},
        {"steps": ("go",)},
    ],
)
def test_an_argument_of_pairs_is_asked_for_all_its_numbers_and_for_nothing_else(
    tmp_path: Path, what: dict[str, object]
) -> None:
    certificate, files = made()
    kept = dict(files)
    if what.get("parts") == ():
        del kept[PATH]
    ((_, query),) = judged(tmp_path / "c", changed(certificate, 1, **what), kept)
    assert query in ("argument A2", "claim Mutex")


@pytest.mark.parametrize("arguments", [("A2",), ("A2", "A2"), ("A1",)])
def test_one_alone_and_pairs_are_both_needed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    certificate, files = made()
    refused = judged(tmp_path / "c", claiming(certificate, *arguments), files)
    assert refused == [("rhscheck", "claim Mutex")]


def test_an_invariant_that_says_less_is_refused(tmp_path: Path) -> None:
    """Each node in turn loses a branch: then states are outside that are reached."""
    certificate, files = made("semaphore")
    file = msgspec.json.decode(files[PATH], type=InvariantFile)
    for number, node in enumerate(file.nodes):
        for branch in node.branches:
            rest = tuple(one for one in node.branches if one is not branch)
            nodes = list(file.nodes)
            nodes[number] = Node(variable=node.variable, branches=rest)
            forged = msgspec.structs.replace(file, nodes=tuple(nodes))
            folder = tmp_path / f"{number}.{branch.values}"
            refused = judged(folder, certificate, {**files, PATH: form.encoded(forged)})
            assert refused != []
            assert {who for who, _ in refused} == {"enumeration"}


def test_an_invariant_that_says_more_is_refused(tmp_path: Path) -> None:
    certificate, files = made("semaphore")
    file = msgspec.json.decode(files[PATH], type=InvariantFile)
    node = Node(variable=0, branches=(Branch(values=(0, 1, 2, 3), child=-1),))
    nodes = [node]
    nodes += [
        Node(variable=at, branches=(Branch(values=(0, 1, 2, 3), child=at - 1),))
        for at in range(1, len(file.variables))
    ]
    anything = msgspec.structs.replace(
        file, nodes=tuple(nodes), leaves=(((),),), root=len(nodes) - 1
    )
    refused = judged(tmp_path / "c", certificate, {**files, PATH: form.encoded(anything)})
    assert refused == [("enumeration", f"{PATH}: safety: Mutex, N=2")]


@pytest.mark.parametrize(
    "variables",
    [
        lambda those: those[:-1],
        lambda those: (*those, form.Variable(name="owner", instance=None)),
        lambda those: (*those[:-1], form.Variable(name=those[-1].name, instance=3)),
        lambda those: tuple(
            form.Variable(name=one.name, instance=None if one.instance == 2 else one.instance)
            for one in those
        ),
        lambda those: (*those[:-1], form.Variable(name="nothing", instance=2)),
    ],
    ids=["one too few", "one too many", "third", "shared", "unknown"],
)
def test_variables_that_are_not_those_of_two_instances_are_refused(variables: object) -> None:
    _, files = made()
    file = msgspec.json.decode(files[PATH], type=InvariantFile)
    forged = msgspec.structs.replace(file, variables=variables(file.variables))  # type: ignore[operator]
    with pytest.raises(form.Refusal) as refused:
        PairsJudge(PATH, load("fischer").system, 3, forged)
    assert refused.value.query == f"{PATH}: format"


def test_a_spec_that_speaks_of_all_instances_has_no_such_certificate(tmp_path: Path) -> None:
    """The text is exchanged for one with the same variables, all hashes being right."""
    certificate, files = made()
    text = files["spec/1.sm"].decode()
    assert text.count("request when owner == none ->") == 1
    forged = text.replace(
        "request when owner == none ->",
        "request when owner == none and (forall j in Proc: (not in j.Critical)) ->",
    )
    system = load_source(Source("fischer.sm", forged)).system
    spec = msgspec.structs.replace(certificate.spec, system_sha256=fingerprint(system))
    certificate = msgspec.structs.replace(certificate, spec=spec)
    refused = judged(tmp_path / "c", certificate, {**files, "spec/1.sm": forged.encode()})
    assert ("enumeration", f"{PATH}: independence") in refused


# ---- the argument --------------------------------------------------------------------------------
@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_find_the_same_systems_plain(data: st.DataObject) -> None:
    """The side condition, written twice: by the engine and by its judge."""
    system = data.draw(systems(Shape(pairs=True, references=True, transitions=4)))
    rule = data.draw(rules(system))
    woven = weave(system, (rule,), ())
    if rule.id not in woven.bad:
        return
    goal = woven.bad[rule.id]
    try:
        wanted: int | None = enough(woven.system, goal)
    except _Complicated:
        wanted = None
    try:
        found: int | None = needed(woven.system, goal)
    except NotExpressible:
        found = None
    assert found == wanted


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("spec", ["lock", "two_locks"])
def test_the_states_are_those_in_which_every_two_fit(spec: str, n: int) -> None:
    """Against a look at all combinations, of values alone: there are no clocks."""
    _, files = made(spec)
    system = read(spec).system
    file = msgspec.json.decode(files[PATH], type=InvariantFile)
    assert file.clocks == ()
    judge = PairsJudge(PATH, system, n, file)
    two = PairsJudge(PATH, system, 2, file)
    own = [one.name for one in file.variables if one.instance == 1]
    shared = [name for name, of in judge.places if of is None]
    assert judge.places == (
        *((name, None) for name in shared),
        *((name, k) for k in range(1, n + 1) for name in own),
    )
    said = {values for values, _ in two._paths(file)}
    places = [(one.name, one.instance) for one in file.variables]

    def fits(state: Mapping[Place, int], i: int, j: int) -> bool:
        meant = {0: 0, i: 1, j: 2}
        seen = []
        for name, of in places:
            value = state[name, (i, j)[of - 1] if isinstance(of, int) else None]
            seen.append(meant.get(value, 3) if name == "owner" else value)
        return tuple(seen) in said

    domains = [judge.reader.domain(name) for name, _ in judge.places]
    expected = {
        values
        for values in itertools.product(*domains)
        if all(
            fits(dict(zip(judge.places, values, strict=True)), i, j)
            for i, j in itertools.combinations(range(1, n + 1), 2)
        )
    }
    assert set(judge.inside) == expected
    assert expected != set()
