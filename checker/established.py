"""What was proved, as data: invariants and the questions that a solver answered about them.

Owns the form in which a proof outlives the engine that found it, for certificates. No Ground and no
formula is kept: variables have names, steps have keys, so a proof travels between processes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rhscheck.checker.certify import form
from rhscheck.checker.recheck import Copy
from rhscheck.checker.smt.script import Script
from rhscheck.spec.ground import Ground
from rhscheck.spec.system import Rule


@dataclass(frozen=True, slots=True)
class Established:
    """Invariants of one System that were re-checked together.

    `woven`: the rules whose observers it has. `n`: its number of instances; None: one instance and
    the environment of all others. Each of `parts` excludes the goals of some rules. `scripts` are
    the questions, `step.K` in them is the transition with the key `steps[K]`; `instances` are those
    about one instance among so many.
    """

    woven: tuple[str, ...]
    n: int | None
    parts: tuple[tuple[tuple[str, ...], form.InvariantFile], ...]
    steps: tuple[str, ...]
    scripts: tuple[Script, ...]
    instances: tuple[tuple[int, tuple[Script, ...]], ...] = ()


def established(
    woven: Sequence[Rule],
    n: int | None,
    ground: Ground,
    parts: Iterable[tuple[Sequence[Rule], Copy]],
    scripts: tuple[Script, ...],
    *,
    families: Collection[str] = (),
    instances: Iterable[tuple[int, tuple[Script, ...]]] = (),
) -> Established:
    """What `scripts` and `parts` (rules, and their invariant of `ground`) establish.

    `families`: those of which `ground` has one instance that stands for any.
    """
    return Established(
        tuple(rule.id for rule in woven),
        n,
        tuple((tuple(r.id for r in rules), _file(ground, copy, families)) for rules, copy in parts),
        tuple(transition.template.key for transition in ground.transitions),
        scripts,
        tuple(instances),
    )


def _file(ground: Ground, copy: Copy, families: Collection[str]) -> form.InvariantFile:
    diagram = copy.invariant.diagram
    family_of = {clock.name: clock.family for clock in ground.system.clocks}

    def variable(name: str, family: str | None, index: int | None) -> form.Variable:
        return form.Variable(name=name, instance="self" if family in families else index)

    slots = [ground.slots[at] for at in copy.slot_map]
    clocks = [ground.clocks[at] for at in copy.clock_map]
    return form.InvariantFile(
        variables=tuple(variable(s.variable.name, s.variable.family, s.index) for s in slots),
        clocks=tuple(variable(c.name, family_of[c.name], c.index) for c in clocks),
        nodes=tuple(
            form.Node(
                variable=node.slot,
                branches=tuple(
                    form.Branch(values=values, child=child) for values, child in node.branches
                ),
            )
            for node in diagram.nodes
        ),
        leaves=diagram.leaves,
        root=diagram.root,
    )
