"""State charts drawn from a System, as Mermaid and DOT text.

The nesting of states is read from the dotted names of the leaves, the arrows from the transitions:
a step leaves the leaves in which its guard can hold and goes to the leaf it assigns. Steps that
leave all leaves of a composite state become one arrow from it. Shown is the structure; guards are
shortened to their conditions on data and clocks, and what the semantics adds to every spec (calls
that are in flight, late and unhandled returns, polling bookkeeping) is left out.

Owns that reading and the two text formats with their escaping. It decides nothing about behaviour.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rhscheck.spec.describe import describe, duration
from rhscheck.spec.expr import (
    FALSE,
    TRUE,
    And,
    ClockCmp,
    Expr,
    Index,
    Lit,
    Ref,
    clocks_read,
    refs,
    transform,
)
from rhscheck.spec.ground import Ground, expand, ground
from rhscheck.spec.system import (
    EnumType,
    Label,
    Param,
    StateVar,
    System,
    Transition,
)

MAX_GUARD = 40  # characters of a guard that are shown
_SECONDS_TO_DRAW = 120


class DrawingError(Exception):
    """Graphviz could not draw; the message says why and what to do."""


class GraphvizMissing(DrawingError):  # noqa: N818 - says what is wrong
    """The program `dot` is not installed."""


@dataclass(frozen=True, slots=True)
class State:
    """A state by its dotted path ("" is the machine), with its own states in source order."""

    path: str
    children: tuple[State, ...]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    def leaves(self) -> Iterator[str]:
        """The paths of the states without sub-states."""
        if not self.children:
            yield self.path
        for child in self.children:
            yield from child.leaves()


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one state to a leaf; `target` None: the state is not left."""

    source: str
    target: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """The chart of one machine. `final`: the leaves in which nothing ever happens."""

    machine: str
    title: str
    root: State
    initial: tuple[str, ...]
    final: tuple[str, ...]
    arrows: tuple[Arrow, ...]


# ---- from the System to diagrams ----------------------------------------------------------------
def diagrams(system: System) -> tuple[Diagram, ...]:
    """One diagram for each machine, in source order."""
    world = ground(system, 2)
    return tuple(
        _diagram(system, world, variable)
        for variable in system.variables
        if variable.role == "location"
    )


def _diagram(system: System, world: Ground, variable: StateVar) -> Diagram:
    members = _members(variable)
    root = _nested(members)
    # What happens, by everything but the result, and from which leaves.
    happens: dict[tuple[Label, str, str | None], dict[str | None, dict[str, None]]] = {}
    for transition in system.transitions:
        if transition.unhandled or transition.absorbed:
            continue
        own = transition.label
        for label, index in _roles(transition, variable):
            stay, target = _target(transition, variable, index, members)
            if stay and _is_bookkeeping(system, transition, label):
                continue
            for value, rest in _open_leaves(transition, variable, index):
                key = (
                    replace(label, value=None, index=None),
                    # The guard belongs to the machine whose event leads the step.
                    _guard_text(system, world, transition, rest) if label == own else "",
                    target,
                )
                happens.setdefault(key, {}).setdefault(label.value, {})[members[value]] = None
    # Results that lead from the same state to the same state share an arrow.
    shared: dict[tuple[str, str | None, Label, str], dict[str, None]] = {}
    for (label, guard, target), results in happens.items():
        for result, leaves in results.items():
            for source in _cover(root, set(leaves), target):
                together = shared.setdefault((source, target, label, guard), {})
                if result is not None:
                    together[result] = None
    arrows = []
    for (source, target, label, guard), names in shared.items():
        text = replace(label, value="|".join(names)).short if names else _short(label)
        arrows.append(Arrow(source, target, f"{text} [{guard}]" if guard else text))
    left = {leaf for arrow in arrows for leaf in _leaves_of(root, arrow.source)}
    return Diagram(
        variable.machine,
        _title(system, variable),
        root,
        tuple(members[value] for value in variable.initial),
        tuple(leaf for leaf in members if leaf not in left) if len(members) > 1 else (),
        tuple(arrows),
    )


def _short(label: Label) -> str:
    return f"return {label.name}" if label.kind == "return" else label.short


def _members(variable: StateVar) -> tuple[str, ...]:
    if not isinstance(variable.type, EnumType):
        raise ValueError(f"the location {variable.name} is not an enumeration of leaf paths")
    return variable.type.members


def _title(system: System, variable: StateVar) -> str:
    if variable.family is None:
        return variable.machine
    size = system.family(variable.family).size
    return f"{variable.machine}[1..{'N' if size is None else size}]"


def _nested(paths: Sequence[str], prefix: str = "") -> State:
    """The tree of the states below `prefix`."""
    below: dict[str, list[str]] = {}
    for path in paths:
        if path == prefix:
            continue
        rest = path[len(prefix) + 1 :] if prefix else path
        name = rest.partition(".")[0]
        below.setdefault(f"{prefix}.{name}" if prefix else name, []).append(path)
    return State(prefix, tuple(_nested(inside, path) for path, inside in below.items()))


def _roles(transition: Transition, variable: StateVar) -> Iterator[tuple[Label, Index]]:
    """The events of this machine that the step is, with the instance they are events of."""
    for label in (transition.label, *transition.also):
        if label.machine == variable.machine:
            yield label, label.index


def _is_bookkeeping(system: System, transition: Transition, label: Label) -> bool:
    """Whether a step that leaves no state is what the semantics adds, or the late end of a call."""
    if label.kind in ("expiry", "due"):
        return True
    if label.kind not in ("return", "callback"):
        return False
    calls = {variable.name for variable in system.variables if variable.role == "call"}
    effects = [update for update in transition.updates if update.var not in calls]
    return not effects and not transition.resets and not transition.also


def _target(
    transition: Transition, variable: StateVar, index: Index, members: Sequence[str]
) -> tuple[bool, str | None]:
    """Whether the step stays where it is, and the leaf it goes to."""
    for update in transition.updates:
        if update.var == variable.name and update.index == index and update.each is None:
            if isinstance(update.value, Lit):
                return False, members[update.value.value]
            return False, None
    return True, None


def _open_leaves(
    transition: Transition, variable: StateVar, index: Index
) -> Iterator[tuple[int, Expr]]:
    """The leaves (by value) in which the guard can hold, and what is left of it there."""
    here = Ref(variable.name, index)
    for value in range(len(_members(variable))):
        there = Lit(value)

        def placed(node: Expr, there: Lit = there) -> Expr | None:
            return there if node == here else None

        rest = transform(transition.guard, placed)
        if rest != FALSE:
            yield value, rest


def _cover(node: State, leaves: set[str], target: str | None) -> Iterator[str]:
    """The fewest states that hold exactly `leaves`; none of them contains the target.

    An arrow from a state to one inside it would be drawn as leaving it, or not be drawn at all.
    """
    inside = target is not None and (target == node.path or target.startswith(f"{node.path}."))
    whole = node.path != "" and not (inside and node.children)
    if whole and all(leaf in leaves for leaf in node.leaves()):
        yield node.path
        return
    for child in node.children:
        yield from _cover(child, leaves, target)


def _leaves_of(node: State, path: str) -> tuple[str, ...]:
    if node.path == path:
        return tuple(node.leaves())
    return tuple(leaf for child in node.children for leaf in _leaves_of(child, path))


def _guard_text(system: System, world: Ground, transition: Transition, rest: Expr) -> str:
    """What is written about data and clocks in a guard, shortened."""
    told = {v.name for v in system.variables if v.role == "data"}
    delays = {clock.name for clock in system.clocks if clock.role == "within"}
    automatic = transition.label.kind in ("expiry", "timer", "due")
    binding = _binding(transition.params)
    texts = []
    for part in rest.args if isinstance(rest, And) else (rest,):
        if isinstance(part, ClockCmp) and part.clock in delays:
            if part.op == ">=":
                texts.append(f"after {duration(part.bound, system.unit_us)}")
            continue
        names = [ref.name for ref in refs(part)]
        timed = any(True for _ in clocks_read(part))
        if (names or timed) and all(name in told for name in names) and not (timed and automatic):
            bound = expand(part, binding, system, world.n)
            if bound not in (TRUE, FALSE):
                texts.append(_plain(describe(bound, world), system))
    text = " and ".join(texts)
    return text if len(text) <= MAX_GUARD else f"{text[: MAX_GUARD - 1]}…"


def _plain(text: str, system: System) -> str:
    """A formula about instance 1 in the words used inside its machine."""
    for family in system.families:
        name = re.escape(family.name)
        text = re.sub(rf"\b{name}\.(\S+?)\[1\]", r"\1", text)
        text = re.sub(rf"\b{name}\[1\]", "self", text)
    return text


def _binding(params: Iterable[Param]) -> dict[str, Index]:
    """Some instances for the parameters, the owner being the first of its family."""
    return {param.name: 1 if at == 0 else 2 for at, param in enumerate(params)}


# ---- Mermaid -----------------------------------------------------------------------------------
_MERMAID = {
    **{"#": "#35;", ";": "#59;", ":": "#58;", '"': "#quot;", "<": "#lt;", ">": "#gt;"},
    **{"{": "#123;", "}": "#125;", "%": "#37;", "\\": "#92;", "&": "#38;", "`": "#96;"},
    **{"\n": " ", "\r": " "},
}


def mermaid(system: System) -> str:
    """The System's machines as one Mermaid `stateDiagram-v2`."""
    charts = diagrams(system)
    lines = ["stateDiagram-v2"]
    for chart in charts:
        ids = _identifiers(chart)
        body = list(_mermaid_states(chart.root, ids))
        body += [f"[*] --> {ids[leaf]}" for leaf in chart.initial]
        for arrow in chart.arrows:
            if arrow.target is not None:
                text = _mermaid_text(arrow.text)
                body.append(f"{ids[arrow.source]} --> {ids[arrow.target]} : {text}")
        body += list(_mermaid_notes(chart, ids))
        body += [f"{ids[leaf]} --> [*]" for leaf in chart.final]
        if len(charts) > 1:
            head = f'state "{_mermaid_text(chart.title)}" as {ids[""]} {{'
            body = [head, *(f"    {line}" for line in body), "}"]
        lines += [f"    {line}" for line in body]
    return "\n".join(lines) + "\n"


def _mermaid_states(node: State, ids: dict[str, str]) -> Iterator[str]:
    for child in node.children:
        head = f'state "{_mermaid_text(child.name)}" as {ids[child.path]}'
        if not child.children:
            yield head
            continue
        yield f"{head} {{"
        for line in _mermaid_states(child, ids):
            yield f"    {line}"
        yield "}"


def _mermaid_notes(chart: Diagram, ids: dict[str, str]) -> Iterator[str]:
    """What happens in a state without leaving it, as a note: loops clutter the picture."""
    for source, texts in _inside(chart).items():
        yield f"note right of {ids[source]}"
        for text in texts:
            yield f"    {_mermaid_text(text)}"
        yield "end note"


def _inside(chart: Diagram) -> dict[str, dict[str, None]]:
    """What happens in each state without leaving it."""
    found: dict[str, dict[str, None]] = {}
    for arrow in chart.arrows:
        if arrow.target is None:
            found.setdefault(arrow.source, {})[arrow.text] = None
    return found


def _mermaid_text(text: str) -> str:
    return "".join(_MERMAID.get(letter, letter) for letter in text)


def _identifiers(chart: Diagram) -> dict[str, str]:
    """A unique plain word for each state of a machine; never a reserved word, for the two bars."""
    found: dict[str, str] = {}
    taken: set[str] = set()

    def visit(node: State) -> None:
        base = re.sub(r"\W", "_", f"{chart.machine}.{node.path}".replace(".", "__"), flags=re.ASCII)
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name)
        found[node.path] = name
        for child in node.children:
            visit(child)

    visit(chart.root)
    return found


# ---- DOT ---------------------------------------------------------------------------------------
def dot(system: System) -> str:
    """The System's machines as one DOT graph, one cluster each, composite states as clusters."""
    lines = [
        f"digraph {_quoted(system.name)} {{",
        "    compound=true;",
        "    rankdir=TB;",
        '    node [shape=box, style=rounded, fontname="Helvetica", fontsize=11];',
        '    edge [fontname="Helvetica", fontsize=9];',
    ]
    for chart in diagrams(system):
        ids = _identifiers(chart)
        lines.append(f"    subgraph {_quoted('cluster_' + ids[''])} {{")
        lines.append(f"        label={_quoted(chart.title)};")
        lines += [f"        {line}" for line in _dot_states(chart.root, chart, ids)]
        for number, leaf in enumerate(chart.initial):
            start = _quoted(f"{ids['']}.start{number}")
            lines.append(f'        {start} [shape=point, label="", width=0.15];')
            lines.append(f"        {start} -> {_quoted(ids[leaf])};")
        lines.append("    }")
        for arrow in chart.arrows:
            if arrow.target is not None:
                lines.append(f"    {_dot_edge(chart, ids, arrow, arrow.target)};")
    lines.append("}")
    return "\n".join(lines) + "\n"


def _dot_states(node: State, chart: Diagram, ids: dict[str, str]) -> Iterator[str]:
    inside = _inside(chart)
    for child in node.children:
        label = "\n".join((child.name, *inside.get(child.path, ())))
        if not child.children:
            final = ", peripheries=2" if child.path in chart.final else ""
            yield f"{_quoted(ids[child.path])} [label={_quoted(label)}{final}];"
            continue
        yield f"subgraph {_quoted('cluster_' + ids[child.path])} {{"
        yield f"    label={_quoted(label)};"
        for line in _dot_states(child, chart, ids):
            yield f"    {line}"
        yield "}"


def _dot_edge(chart: Diagram, ids: dict[str, str], arrow: Arrow, target: str) -> str:
    leaf = _leaves_of(chart.root, arrow.source)[0]
    tail = "" if leaf == arrow.source else f", ltail={_quoted('cluster_' + ids[arrow.source])}"
    ends = f"{_quoted(ids[leaf])} -> {_quoted(ids[target])}"
    return f"{ends} [label={_quoted(arrow.text)}{tail}]"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "")
    return '"' + escaped.replace("\n", "\\n") + '"'


def svg(dot_text: str) -> str:
    """The drawing that Graphviz makes of a DOT graph.

    Raises GraphvizMissing if the program `dot` is not found, DrawingError if it fails.
    """
    program = shutil.which("dot")
    if program is None:
        raise GraphvizMissing("Graphviz is not installed (no program `dot`); write .dot or .mmd")
    try:
        done = subprocess.run(
            [program, "-Tsvg"],
            input=dot_text.encode(),
            capture_output=True,
            timeout=_SECONDS_TO_DRAW,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DrawingError(f"Graphviz did not run: {error}") from error
    if done.returncode:
        raise DrawingError(f"Graphviz failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode("utf-8")
