"""What a spec declares: machines with their state trees, entries, variables, parameters.

Owns the symbol tables and the lookup of names, with "did you mean". Knows nothing of transitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code, Diagnostic, Note, did_you_mean
from rhscheck.spec.source import Span
from rhscheck.spec.system import Actor, Constant, EnumType, Family, Reading, RefType, Type

# How each kind of name is declared: the last resort of a diagnostic's help.
_DECLARED = {
    "entry": "`entry {} returns {{ success }}`",
    "callback": "`callback {} by ACTOR`",
    "actor": "`actors {{ {} }}`",
    "machine": "`machine {} {{ … }}`",
    "machine with instances": "`machine {}[i in 1..N] {{ … }}`",
    "state": "`state {}`",
    "lane": "`lane {} = {{ ENTRY, … }}`",
    "variable to assign": "`var {} : TYPE = VALUE`",
    "variable, parameter or value": "`var {} : TYPE = VALUE`",
    "type": "`enum {} {{ … }}`",
    "parameter to set": "`param {} = VALUE`",
    "number of instances": "`param {} = 2`, or use N",
    "event to synchronise with": "a transition `on EVENT …` in the other machine",
}


class Problems:
    """Collects diagnostics; a pass goes on after reporting so that all errors come at once."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def error(
        self, code: Code, message: str, span: Span, help: str = "", notes: tuple[Note, ...] = ()
    ) -> None:
        """Adds an error, once."""
        diagnostic = Diagnostic(code, message, span, "error", notes, help)
        if diagnostic not in self.found:
            self.found.append(diagnostic)

    def warning(self, code: Code, message: str, span: Span, help: str = "") -> None:
        """Adds a warning, once."""
        diagnostic = Diagnostic(code, message, span, "warning", (), help)
        if diagnostic not in self.found:
            self.found.append(diagnostic)

    def unknown(
        self, kind: str, name: str, known: Iterable[str], span: Span, where: str = ""
    ) -> None:
        """A name of this kind is not declared (`where` it was looked for)."""
        hint = did_you_mean(name, known)
        if not hint and kind in _DECLARED:
            hint = f"declare it: {_DECLARED[kind].format(name)}"
        self.error(Code.UNKNOWN_NAME, f"there is no {kind} `{name}`{where}", span, hint)

    @property
    def failed(self) -> bool:
        """Whether the spec cannot be used."""
        return any(d.severity == "error" for d in self.found)


@dataclass(slots=True)
class StateNode:
    """A state of a machine's tree; the root is the machine itself (empty path)."""

    name: str
    decl: s.StateDecl | s.MachineDecl
    parent: StateNode | None
    children: list[StateNode] = field(default_factory=list)
    initial: StateNode | None = None
    final: bool = False
    leaves: tuple[int, ...] = ()

    @property
    def path(self) -> str:
        """As a spec names it: `Online.Polled`, empty for the root."""
        names = [node.name for node in self.ancestors() if node.parent is not None]
        return ".".join(reversed(names))

    def ancestors(self) -> Iterator[StateNode]:
        """This state, its parent, … up to the root."""
        node: StateNode | None = self
        while node is not None:
            yield node
            node = node.parent

    def walk(self) -> Iterator[StateNode]:
        """This state and all below it, in source order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def entry_leaf(self) -> StateNode:
        """The leaf that entering this state leads to."""
        node = self
        while node.children:
            node = node.initial or node.children[0]
        return node


@dataclass(slots=True)
class Variable:
    """A declared variable: `name` is its System name; `machine` None for a shared one."""

    name: str
    type: Type
    decl: s.VarDecl
    machine: Machine | None
    known: bool = True  # False: its type could not be made out, which was reported


@dataclass(slots=True)
class Lane:
    """A `lane`: calls of which one at a time is in flight."""

    members: tuple[str, ...]
    decl: s.LaneDecl


@dataclass(slots=True)
class Callback:
    """A `callback`: what an actor may do while `condition` holds."""

    name: str
    arguments: tuple[str, ...]
    actor: str
    condition: s.Expression | None
    span: Span


@dataclass(slots=True)
class EntryPoint:
    """An `entry`. `timeout` is in the System's unit; `actor` returns from it."""

    name: str
    results: tuple[str, ...]
    timeout: int | None
    actor: str
    span: Span


@dataclass(slots=True)
class Machine:
    """A machine. `family` is its name, or None where it exists once."""

    name: str
    decl: s.MachineDecl
    family: str | None
    size: int | None
    root: StateNode
    leaves: tuple[StateNode, ...] = ()
    variables: dict[str, Variable] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    defines: dict[str, s.DefineDecl] = field(default_factory=dict)
    due: dict[str, list[str]] = field(default_factory=dict)  # by entry: names of due variables
    owed: dict[str, list[str]] = field(
        default_factory=dict
    )  # by entry: names of chained-call flags
    clocks: dict[str, tuple[str, StateNode]] = field(default_factory=dict)
    timers: dict[str, StateNode] = field(default_factory=dict)
    entries: dict[str, EntryPoint] = field(default_factory=dict)
    callbacks: dict[str, Callback] = field(default_factory=dict)
    events: dict[str, Span] = field(default_factory=dict)

    @property
    def location(self) -> str:
        """The System name of the variable that holds the active leaf."""
        return f"{self.name}.state"

    def call(self, entry: str) -> str:
        """The System name of the variable that says whether `entry` is in flight."""
        return f"{self.name}.call.{entry}"

    def call_clock(self, entry: str) -> str:
        """The System name of the clock of a call."""
        return f"{self.name}.call.{entry}.clock"

    def states(self, parts: tuple[str, ...], scope: StateNode | None) -> list[StateNode]:
        """The states that `parts` may mean: from `scope` outwards, else by the end of the path."""
        for node in scope.ancestors() if scope is not None else (self.root,):
            found: StateNode | None = node
            for part in parts:
                assert found is not None
                found = next((c for c in found.children if c.name == part), None)
                if found is None:
                    break
            if found is not None:
                return [found]
            if node.parent is not None and parts == (node.name,):
                return [node]
        wanted = ".".join(parts)
        return [
            node
            for node in self.root.walk()
            if node.parent is not None and (f".{node.path}").endswith(f".{wanted}")
        ]


@dataclass(slots=True)
class Symbols:
    """Everything a spec declares, by name."""

    problems: Problems
    machines: dict[str, Machine] = field(default_factory=dict)
    entries: dict[str, EntryPoint] = field(default_factory=dict)
    callbacks: dict[str, Callback] = field(default_factory=dict)
    shared: dict[str, Variable] = field(default_factory=dict)
    enums: dict[str, EnumType] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)
    unit_us: int = 1_000_000

    @property
    def families(self) -> tuple[Family, ...]:
        """The machines that have instances, in source order."""
        return tuple(
            Family(m.family, m.size) for m in self.machines.values() if m.family is not None
        )

    def use(self, kind: str, name: str) -> None:
        """Notes that a declaration is referred to."""
        self.used.add((kind, name))

    def members(self, name: str) -> list[EnumType]:
        """The enumerations with a member called `name`."""
        types: dict[EnumType, None] = dict.fromkeys(
            kind for kind in self.enums.values() if name in kind.members
        )
        for machine in self.machines.values():
            for variable in machine.variables.values():
                if isinstance(variable.type, EnumType) and name in variable.type.members:
                    types[variable.type] = None
        for variable in self.shared.values():
            if isinstance(variable.type, EnumType) and name in variable.type.members:
                types[variable.type] = None
        return list(types)

    def host(self) -> str:
        """The actor that owns what the host does by itself."""
        for actor in self.actors.values():
            if actor.kind == "host":
                return actor.name
        return next(iter(self.actors), "host")

    def machine_of(self, kind: Type) -> Machine | None:
        """The machine that a variable of this type refers to."""
        return self.machines.get(kind.family) if isinstance(kind, RefType) else None


def find_state(
    symbols: Symbols, machine: Machine, path: s.Path, scope: StateNode | None
) -> StateNode | None:
    """The state that `path` means in `machine`, reported when there is none or more than one."""
    return find_state_parts(symbols, machine, path.parts, path.span, scope)


def find_state_parts(
    symbols: Symbols,
    machine: Machine,
    parts: tuple[str, ...],
    span: Span,
    scope: StateNode | None,
) -> StateNode | None:
    """As `find_state`, for a path in parts."""
    found = machine.states(parts, scope)
    if len(found) == 1:
        symbols.use("state", f"{machine.name}.{found[0].path}")
        return found[0]
    written = ".".join(parts)
    if not found:
        known = [node.path for node in machine.root.walk() if node.parent is not None]
        known += [node.name for node in machine.root.walk() if node.parent is not None]
        symbols.problems.unknown("state", written, known, span, f" in machine {machine.name}")
    else:
        options = ", ".join(f"`{node.path}`" for node in found)
        symbols.problems.error(
            Code.AMBIGUOUS_NAME, f"`{written}` fits several states", span, f"write one of {options}"
        )
    return None
