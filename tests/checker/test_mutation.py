"""Mutants: what is changed, what becomes of it, and that "equivalent" is true."""

from __future__ import annotations

import pytest

from rhscheck.checker.equivalence import Alike, NotShown, alike
from rhscheck.checker.model import Model
from rhscheck.checker.mutation import Judgement, Jury, baseline
from rhscheck.spec.compiled import compile_ground
from rhscheck.spec.diagnostic import SpecErrors
from rhscheck.spec.ground import ground
from rhscheck.spec.load import load_source, read_source
from rhscheck.spec.mutants import Mutant, diff, mutants, mutated
from rhscheck.spec.parse import parse
from rhscheck.spec.rules import weave
from rhscheck.spec.semantics import initial_states
from rhscheck.spec.source import Source
from rhscheck.spec.system import System

GATE = """spec gate "A gate with a guard"
actors { host H, plugin D }
param Patience = 3s
param Mode : { old, new } = old "which mode?"
entry Ask returns { yes, no } timeout 5s
machine Gate[i in 1..N] {
  var asked : bool = false
  var mood : { calm, cross } = calm
  lane one = { Ask }
  initial state Shut {
    by H: call Ask when free(one) and (mood == calm or Mode == new) -> Waiting { asked = true }
    by D: shout when not asked { mood = cross }
  }
  state Waiting {
    return Ask(yes) -> Open
    return Ask(no) -> Shut { asked = false, mood = calm }
    on timeout Ask -> Shut
  }
  state Open {
    within Patience by H: close -> Shut { asked = false }
    by D: rust when mood == cross -> Shut
  }
  late return Ask(*)
}
rules Gate {
  assume A "no shouting while it waits" of D: never event shout while in Waiting
  rule Asked "it opens only when asked": never in Open and not asked
  rule Opens "it opens": can in Open
  rule Soon "it shuts": when enter Open leads to in Shut within 3s
}
scenario Story "in and out" allowed { call Ask; return Ask(no); call Ask; return Ask(yes); close }
"""


def made(text: str = GATE) -> tuple[Source, dict[str, Mutant]]:
    source = Source("gate.sm", text)
    return source, {one.id: one for one in mutants(source, parse(source))}


@pytest.fixture(scope="module")
def jury() -> Jury:
    system = load_source(Source("gate.sm", GATE)).system
    return Jury(system, baseline(system), None)


def fate(jury: Jury, id_: str) -> Judgement:
    source, every = made()
    return jury.judge(load_source(mutated(source, every[id_])).system, ("Open",))


# ---- which mutants there are ---------------------------------------------------------------------
def test_the_mutants_of_a_line() -> None:
    source, every = made()
    here = [(id_, diff(source, one)) for id_, one in every.items() if one.line == 11]
    name = "Gate.Shut: by H: call Ask"
    before = GATE.splitlines()[10]
    condition = "free(one) and (mood == calm or Mode == new)"
    expected = {
        f"drop-transition {name}": None,
        f"swap-actor {name} [D]": before.replace("by H", "by D"),
        f"drop-guard {name} [when]": before.replace(f" when {condition}", ""),
        f"drop-operand {name} [and free(one)]": before.replace("free(one) and ", ""),
        f"drop-operand {name} [and mood == calm or Mode == new]": before.replace(
            " and (mood == calm or Mode == new)", ""
        ),
        f"drop-operand {name} [or mood == calm]": before.replace("mood == calm or ", ""),
        f"invert {name} [mood == calm]": before.replace("mood == calm", "mood != calm"),
        f"drop-operand {name} [or Mode == new]": before.replace(" or Mode == new", ""),
        f"invert {name} [Mode == new]": before.replace("Mode == new", "Mode != new"),
        f"drop-target {name}": before.replace(" -> Waiting", ""),
        f"retarget {name} [Waiting to Open]": before.replace("-> Waiting", "-> Open"),
        f"retarget {name} [Waiting to Shut]": before.replace("-> Waiting", "-> Shut"),
        f"drop-effect {name} [asked = true]": before.replace(" { asked = true }", ""),
        f"change-effect {name} [asked = true] [false]": before.replace("asked = true",
                                                                       "asked = false"),
    }  # fmt: skip
    minus = "-" + before
    assert dict(here) == {
        id_: (minus,) if after is None else (minus, "+" + after) for id_, after in expected.items()
    }


def test_operators_of_declarations() -> None:
    ids = {id_ for id_, one in made()[1].items() if one.line in (3, 5, 6, 7, 8, 10, 26)}
    assert ids == {
        "double-time param Patience", "halve-time param Patience",
        "drop-timeout entry Ask", "double-time entry Ask", "halve-time entry Ask",
        "change-initial Gate: var asked [true]", "change-initial Gate: var mood [cross]",
        "move-initial Gate [Shut to Waiting]", "move-initial Gate [Shut to Open]",
        "drop-assume assume A", "swap-actor assume A [H]",
    }  # fmt: skip


def test_rules_expectations_and_scenarios_are_left_alone() -> None:
    assert max(one.line for one in made()[1].values()) == 26


@pytest.mark.parametrize("name", ["rhs", "fischer", "two_locks", "two_phase"])
def test_mutants_of_shipped_specs_change_lines_and_have_names(name: str) -> None:
    source = read_source(name)
    every = mutants(source, parse(source))
    assert len({one.id for one in every}) == len(every)
    assert len({mutated(source, one).text for one in every}) > 0.98 * len(every)
    assert all(diff(source, one) for one in every)
    assert all(mutated(source, one).text != source.text for one in every)


@pytest.mark.parametrize("name", ["fischer", "two_locks", "two_phase"])
def test_a_mutant_has_no_syntax_error(name: str) -> None:
    source = read_source(name)
    broken = []
    for one in mutants(source, parse(source)):
        try:
            parse(mutated(source, one))
        except SpecErrors:
            broken.append(one.id)
    assert broken == []


def test_names_do_not_move_with_the_lines() -> None:
    below = Source("gate.sm", "# a remark\n\n" + GATE)
    assert [one.id for one in mutants(below, parse(below))] == list(made()[1])


# ---- what becomes of them ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("id_", "fate_", "by"),
    [
        ("drop-effect Gate.Shut: by H: call Ask [asked = true]", "killed", "Asked"),
        ("retarget Gate.Waiting: return Ask(yes) [Open to Shut]", "killed", "Story"),
        ("double-time Gate.Open: within Patience by H: close", "killed", "Soon"),
        ("drop-effect Gate.Open: within Patience by H: close [asked = false]", "alive", ""),
        ("drop-operand Gate.Shut: by H: call Ask [or Mode == new]", "equivalent", ""),
        ("swap-actor Gate.Open: by D: rust [H]", "equivalent", ""),
        ("drop-assume assume A", "equivalent", ""),
        ("swap-actor Gate.Open: within Patience by H: close [D]", "alive", ""),
        ("drop-transition Gate.Waiting: return Ask(no)", "killed", "Story"),
        ("move-initial Gate [Shut to Open]", "killed", "Story"),
    ],
)
def test_fates(jury: Jury, id_: str, fate_: str, by: str) -> None:
    judged = fate(jury, id_)
    assert (judged.fate, judged.by) == (fate_, by), judged.reason


def test_a_return_that_is_not_handled_any_more_is_refused() -> None:
    text = GATE.replace("  late return Ask(*)\n", "")
    source, every = made(text.replace("    on timeout Ask -> Shut\n", ""))
    system = load_source(source).system
    jury = Jury(system, baseline(system), None)
    judged = jury.judge(
        load_source(mutated(source, every["drop-transition Gate.Waiting: return Ask(no)"])).system
    )
    assert judged.fate == "refused"
    assert "which does not handle it" in judged.reason


def test_what_cannot_be_decided_is_no_survivor() -> None:
    source, every = made()
    system = load_source(source).system
    jury = Jury(system, baseline(system), 1e-9)
    slower = every["drop-effect Gate.Open: within Patience by H: close [asked = false]"]
    judged = jury.judge(load_source(mutated(source, slower)).system)
    assert (judged.fate, judged.by) == ("undecided", "")
    assert "time-out" in judged.reason


# ---- equivalence ---------------------------------------------------------------------------------
def steps(system: System, n: int) -> set[tuple[object, ...]]:
    """Every untimed step that `n` instances can reach, as (before, who, what, after)."""
    world = ground(weave(system, (), system.assumptions).system, n)
    compiled = compile_ground(world)
    todo = [state.values for state in initial_states(world)]
    seen, found = set(todo), set[tuple[object, ...]]()
    while todo:
        values = todo.pop()
        for at, after in compiled.successors_untimed(values):
            transition = world.transitions[at]
            found.add((values, transition.actor, transition.label, after))
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return found


@pytest.mark.parametrize(("name", "number"), [("gate", 10), ("two_locks", 2)])
def test_equivalent_mutants_take_the_same_steps(name: str, number: int) -> None:
    source = Source("gate.sm", GATE) if name == "gate" else read_source(name)
    system = load_source(source).system
    original = Model(system, (), system.assumptions)
    alike_ones = 0
    for one in mutants(source, parse(source)):
        try:
            other = load_source(mutated(source, one)).system
        except SpecErrors:
            continue
        if isinstance(alike(original, Model(other, (), other.assumptions)), Alike):
            alike_ones += 1
            for n in (1, 2):
                assert steps(other, n) == steps(system, n), one.id
    assert alike_ones == number


def test_a_difference_that_time_excludes() -> None:
    text = """spec t
actors { host H }
machine M {
  var past : bool = false
  initial state A {
    clock x
    by H: go when x <= 5s -> B
    deadline x <= 5s by H
  }
  state B {
    clock y
    by H: slow when y >= 3s and not past -> A
    by H: odd when y > 9s -> A { past = true }
    deadline y <= 4s by H
  }
}
rules M { rule R "r": can in B }
"""
    one = load_source(Source("t.sm", text)).system
    other = load_source(Source("t.sm", text.replace("A { past = true }", "B { past = true }")))
    found = alike(Model(one, (), ()), Model(other.system, (), ()))
    assert isinstance(found, Alike)
    assert "given the times" in found.argument
    wrong = load_source(Source("t.sm", text.replace("y > 9s -> A {", "y > 3s -> B {"))).system
    assert isinstance(alike(Model(one, (), ()), Model(wrong, (), ())), NotShown)


def test_another_actor_is_another_behaviour() -> None:
    source, every = made()
    one, other = (
        Model(system, (), system.assumptions)
        for system in (
            load_source(source).system,
            load_source(
                mutated(source, every["swap-actor Gate.Open: within Patience by H: close [D]"])
            ).system,
        )
    )
    assert isinstance(alike(one, one), Alike)
    assert isinstance(alike(one, other), NotShown)
