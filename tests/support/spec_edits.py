"""Mutants of a spec that say too much or too little: a transition more, a guard that is stronger.

`rhscheck.spec.mutants` takes away and changes; what it makes weaker and wrong is its own. Here are
the two operators of the scorecard that it has not. An edit may give a text that is no spec.
"""

from __future__ import annotations

from collections.abc import Iterator

from rhscheck.spec import syntax as s
from rhscheck.spec.mutants import Edit, Mutant
from rhscheck.spec.source import Source

CONDITIONS = ("not worker", "quiet")  # of a resource: its worker is over; no call runs
Path = tuple[str, ...]


def added_transitions(source: Source, tree: s.Spec) -> list[Mutant]:
    """Each line of a state written into each other state that has not inherited it."""
    found = []
    for machine in _machines(tree):
        states = list(_states(machine.body, (machine.name.text,)))
        for home, state in states:
            for item in state.body:
                if not isinstance(item, s.Handler | s.EveryDecl):
                    continue
                line = source.text[item.span.start : item.span.end]
                for place, other in states:
                    if place[: len(home)] != home:
                        name = f"{'.'.join(home)}: {' '.join(line.split())} into {place[-1]}"
                        edit = _written_into(source, other, line)
                        found.append(_mutant(source, "add-transition", name, edit))
    return found


def stronger_guards(source: Source, tree: s.Spec) -> list[Mutant]:
    """Each line of a state with one condition more."""
    found = []
    for machine in _machines(tree):
        for home, state in _states(machine.body, (machine.name.text,)):
            for item in state.body:
                match item:
                    case s.Handler(events=events, clauses=clauses):
                        when = clauses.when
                        end = events[-1].span.end
                    case s.EveryDecl(when=when):
                        end = item.span.end
                    case _:
                        continue
                line = " ".join(source.text[item.span.start : item.span.end].split())
                for more in CONDITIONS:
                    edit = Edit(end, end, f" when {more}")
                    if when is not None:
                        old = source.text[when.span.start : when.span.end]
                        edit = Edit(when.span.start, when.span.end, f"({old}) and {more}")
                    name = f"{'.'.join(home)}: {line} [{more}]"
                    found.append(_mutant(source, "strengthen-guard", name, edit))
    return found


def _machines(tree: s.Spec) -> Iterator[s.MachineDecl]:
    """Those whose instances have calls and a worker."""
    return (one for one in tree.items if isinstance(one, s.MachineDecl) and not one.shared)


def _states(body: tuple[s.BodyItem, ...], path: Path) -> Iterator[tuple[Path, s.StateDecl]]:
    for item in body:
        if isinstance(item, s.StateDecl):
            here = (*path, item.name.text)
            yield here, item
            yield from _states(item.body, here)


def _written_into(source: Source, state: s.StateDecl, line: str) -> Edit:
    """`line` as the first of what `state` says."""
    if not state.body:
        return Edit(state.span.end, state.span.end, f" {{ {line} }}")
    at = source.text.index("{", state.name.span.end) + 1
    return Edit(at, at, f"\n{line}\n")


def _mutant(source: Source, operator: str, name: str, edit: Edit) -> Mutant:
    line = source.text.count("\n", 0, edit.start) + 1
    return Mutant(f"{operator} {name}", operator, (edit,), line)
