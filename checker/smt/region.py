"""Invariants as formulas: a decision diagram over the solver's variables for one state.

Owns nothing but this translation. Every node becomes one formula that its parents share.
"""

from __future__ import annotations

from collections.abc import Sequence

from rhscheck.checker.invariant import Diagram, Zone
from rhscheck.checker.smt.circuits import Bit, Number
from rhscheck.checker.smt.encode import ClockTerm, Encoding
from rhscheck.checker.smt.solve import Formula


def member(
    encoding: Encoding,
    diagram: Diagram,
    values: Sequence[Number],
    clocks: Sequence[ClockTerm | None],
    *,
    slots: Sequence[int],
    tracked: Sequence[int],
) -> Formula:
    """The state with `values` and `clocks` (one a slot or clock of the Ground) is in `diagram`.

    `slots`, `tracked`: which slot and clock of the Ground each one of the diagram is. Raises
    ValueError where a zone speaks of a clock that `encoding` does not track.
    """
    gates = encoding.gates
    met: dict[Zone, Bit] = {}  # unions share zones

    def inside(zone: Zone) -> Bit:
        if zone not in met:
            met[zone] = _zone(encoding, zone, clocks, tracked)
        return met[zone]

    leaves = [gates.disj([inside(zone) for zone in zones]) for zones in diagram.leaves]
    nodes: list[Bit] = []
    tests: dict[tuple[int, tuple[int, ...]], Bit] = {}  # many nodes ask the same of a slot
    for node in diagram.nodes:
        number = values[slots[node.slot]]
        choices: list[Bit] = []
        for named, child in node.branches:
            below = nodes[child] if child >= 0 else leaves[-1 - child]
            key = (node.slot, named)
            if key not in tests:
                tests[key] = _one_of(encoding, number, named)
            choices.append(gates.conj((tests[key], below)))
        nodes.append(gates.disj(choices))
    if diagram.root is None:
        return gates.formula(False)
    return gates.formula(nodes[diagram.root] if diagram.root >= 0 else leaves[-1 - diagram.root])


def _one_of(encoding: Encoding, number: Number, named: tuple[int, ...]) -> Bit:
    gates = encoding.gates
    low, high = number.offset, number.offset + number.top
    outside = [value for value in range(low, high + 1) if value not in named]
    if len(outside) < len(named):
        return gates.negate(gates.disj([gates.equals(number, value) for value in outside]))
    return gates.disj([gates.equals(number, value) for value in named])


def _zone(
    encoding: Encoding,
    zone: Zone,
    clocks: Sequence[ClockTerm | None],
    tracked: Sequence[int],
) -> Bit:
    gates = encoding.gates
    parts: list[Bit] = []
    for left, right, bound, strict in zone:
        place = tracked[(left or right) - 1] if left or right else 0
        if left and right:
            parts.append(
                encoding.clocks_apart(
                    clocks[place], clocks[tracked[right - 1]], "<" if strict else "<=", bound
                )
            )
        elif left:
            parts.append(encoding.clock_is(place, clocks[place], "<" if strict else "<=", bound))
        elif right:
            parts.append(encoding.clock_is(place, clocks[place], ">" if strict else ">=", -bound))
        else:
            parts.append(bound > 0 or (bound == 0 and not strict))
    return gates.conj(parts)
