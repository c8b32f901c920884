"""Diagnostics: what is wrong with a spec, where, and how to mend it.

Owns the list of codes (there is no other), the diagnostic value and its text form with a caret.
Passes return diagnostics; nothing here prints. Codes by hundreds: 0xx text, 1xx names, 2xx types
and assignments, 3xx what can happen, 4xx settings.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rhscheck.spec.source import Source, Span


class Code(enum.Enum):
    """Every diagnostic: (number, title, explanation)."""

    SYNTAX = (
        "SM001",
        "the text does not follow the grammar",
        "The parser met a word or sign that cannot stand here. The message lists what could. A rule "
        "clause or a transition ends at the end of its line; a line may be continued after `and`, "
        "`or`, a comma or an opening bracket.",
    )
    ENCODING = (
        "SM002",
        "the file is not UTF-8 text",
        "Specs are UTF-8, with or without a byte order mark. Save the file again as UTF-8.",
    )
    EMPTY = (
        "SM003",
        "the spec is empty",
        "A spec starts with `spec NAME` and declares at least one machine.",
    )
    TOO_LARGE = (
        "SM004",
        "the spec is too large",
        "Texts over 1 MB are refused, so that a wrong file cannot stop the tool. "
        "Split a large spec with `use`.",
    )
    TOO_DEEP = (
        "SM005",
        "brackets or blocks are nested too deep",
        "More than 100 levels of brackets or blocks are refused. Give parts a name or flatten them.",
    )
    USE = (
        "SM006",
        "a used file cannot be read",
        "`use \"other.sm\"` takes a path relative to the file that uses it. Files must not use each "
        "other in a circle.",
    )
    NO_MACHINE = (
        "SM007",
        "the spec declares no machine",
        "Without a machine nothing happens and nothing can be checked.",
    )
    TOO_MANY = (
        "SM008",
        "a line stands for too many cases",
        "`any`, `for … in entries`, definitions within definitions and quantifiers within quantifiers "
        "multiply. What would have to be written out in thousands of cases is refused.",
    )
    UNKNOWN_NAME = (
        "SM101",
        "this name is not declared",
        "States, entries, events, variables, parameters and actors are separate namespaces; the "
        "message says which kind was looked for.",
    )
    DUPLICATE = (
        "SM102",
        "this name is declared twice",
        "Within one namespace every name is declared once. Both places are shown.",
    )
    AMBIGUOUS_NAME = (
        "SM103",
        "this state name fits several states",
        "A state may be named by the end of its path when that is unique (`Pending` for "
        "`Onlining.Pending`). Here several states end like that; write more of the path.",
    )
    UNUSED = (
        "SM104",
        "declared but never used",
        "Nothing refers to this declaration, so changing it changes no verdict. Remove it or use it.",
    )
    MISSING_OWNER = (
        "SM105",
        "it is not clear which instance is meant",
        "Outside a machine a name like `in Online` needs an instance: write `i.Online` under "
        "`for i in Resource`, or put the rule into `rules Resource { … }`.",
    )
    TYPE = (
        "SM201",
        "this expression has the wrong type",
        "Conditions are Boolean; numbers compare with numbers, members of an enumeration with members of "
        "the same enumeration, clocks and parameters with times.",
    )
    ASSIGNED_TWICE = (
        "SM202",
        "a step assigns this variable twice",
        "The effects of a step happen at once, so a variable can get one value only.",
    )
    RANGE = (
        "SM203",
        "this value is outside the variable's range",
        "A bounded integer holds the values of its type only.",
    )
    UNIT = (
        "SM204",
        "a time needs a unit, a number none",
        "Write `5m`, `300ms`, `60s`, `2h`; plain integers are numbers, not times.",
    )
    INITIAL_STATE = (
        "SM205",
        "a machine or composite state needs exactly one initial state",
        "Mark one of the states `initial`; a single state needs no mark.",
    )
    CONSTANT_ANY = (
        "SM206",
        "a variable that is reset needs a definite initial value",
        "`resets` puts every variable that is ever assigned back to its initial value; with `any` "
        "there is no such value. Give one, or never assign the variable.",
    )
    NOT_CONSTANT = (
        "SM207",
        "this must be a constant",
        "Bounds of clocks, time-outs and integer types are fixed when the spec is read.",
    )
    NOT_BOOLEAN_STEP = (
        "SM208",
        "a step formula cannot stand here",
        "`start`, `return`, `timeout`, `event`, `enter`, `leave` and `reset` speak of a step; guards, invariants and "
        "initial conditions speak of a state.",
    )
    STATE_RULE = (
        "SM209",
        "this clause needs an event",
        "`before`, `after` and `within` speak about something that happens in a step, such as "
        "`start(Online)`.",
    )
    ASSUMPTION_ACTOR = (
        "SM210",
        "an assumption must be about its actor's own steps",
        "Only a step or a missed deadline of the named actor may falsify an assumption; otherwise "
        "verification would silently forbid what somebody else does.",
    )
    UNHANDLED = (
        "SM301",
        "a return or callback can happen where no state handles it",
        "A plug-in may return from a call with any result while the call is in flight, and call back "
        "while the callback's condition holds. Handle it (`return X(v) …`, `late return X(v)`), or, if the "
        "plug-in must not do it, say so with `assume`.",
    )
    AMBIGUOUS = (
        "SM302",
        "two transitions compete for the same event",
        "Both can be taken in a reachable state and lead to different results. If the choice is meant, write it as one "
        "transition with `-> A | B`; otherwise make the conditions exclusive.",
    )
    SHADOWED = (
        "SM303",
        "an inner transition always takes precedence over this one",
        "An enabled inner transition overrides an outer one on the same event. This one is overridden "
        "everywhere, so it is dead text.",
    )
    UNREACHABLE = (
        "SM304",
        "this state cannot be reached",
        "No run enters it, whatever the timing. A transition into it is missing or has a condition that "
        "never holds.",
    )
    NEVER_FIRES = (
        "SM305",
        "this transition can never be taken",
        "Its condition holds in no reachable state. Rules about it hold for no good reason.",
    )
    TIMELOCK = (
        "SM306",
        "time stops",
        "A state is reachable in which neither a step nor a delay is possible; everything that says "
        "`within` would hold vacuously.",
    )
    FORCED_ACTOR = (
        "SM307",
        "an actor without a deadline is forced to act",
        "No time can pass and every possible step belongs to an actor that owns no deadline here: a hung plug-in "
        "would be made to return.",
    )
    ZENO = (
        "SM308",
        "infinitely many steps in no time",
        "The host can go round in a circle without time passing and without anybody else acting.",
    )
    VACUOUS_ASSUMPTION = (
        "SM309",
        "this assumption never binds",
        "Removing it changes nothing that can happen, so no verdict relies on it.",
    )
    UNDECIDED = (
        "SM310",
        "a property is expected to stay undecided",
        "`expect …: unknown` counts as met, but the property is neither proved nor refuted.",
    )
    SETTING_NAME = (
        "SM401",
        "there is no such parameter or reading",
        "`--set NAME=VALUE` takes the parameters and readings that the spec declares.",
    )
    SETTING_VALUE = (
        "SM402",
        "this value does not fit the parameter",
        "Times need a unit, numbers none, readings take one of their options.",
    )

    @property
    def number(self) -> str:
        return self.value[0]

    @property
    def title(self) -> str:
        return self.value[1]

    @property
    def explanation(self) -> str:
        return self.value[2]


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that belongs to a diagnostic."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding in a spec. `help` is one concrete fix."""

    code: Code
    message: str
    span: Span
    severity: Severity = "error"
    notes: tuple[Note, ...] = ()
    help: str = ""


class SpecErrors(Exception):
    """The spec cannot be used; `diagnostics` holds everything found, in source order."""

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: Sequence[Source] = ()) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=lambda d: (d.span.path, d.span.start)))
        self.sources = tuple(sources)
        super().__init__("; ".join(d.message for d in self.diagnostics))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean `X`?` for the closest known names, or what there is, or nothing."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    lowered = {other.lower(): other for other in names}
    if not close and name.lower() in lowered:
        close = [lowered[name.lower()]]
    if close:
        return "did you mean " + " or ".join(f"`{other}`" for other in close) + "?"
    if names:
        shown = ", ".join(f"`{other}`" for other in names[:8])
        return f"there is {shown}" + (", …" if len(names) > 8 else "")
    return ""


def _excerpt(span: Span, sources: dict[str, Source], width: int, mark: str, note: str) -> list[str]:
    source = sources.get(span.path)
    if source is None or span.line < 1:
        return []
    text = source.line(span.line)
    shown = "".join(c if c.isprintable() else " " for c in text.expandtabs(1))
    column = span.column
    if len(shown) > 160:  # a very long line: show the part around the place
        first = max(0, column - 60)
        shown = ("…" if first else "") + shown[first : first + 120]
        column = column - first + (1 if first else 0)
    length = max(1, min(span.end - span.start, len(shown) - column + 1))
    return [
        f"{span.line:>{width}} | {shown}",
        f"{'':>{width}} | {' ' * (column - 1)}{mark * length}{' ' + note if note else ''}",
    ]


def render_diagnostic(diagnostic: Diagnostic, sources: Iterable[Source]) -> str:
    """The diagnostic as text with a caret (DESIGN section 4), no colour, no trailing newline."""
    texts = {source.path: source for source in sources}
    span = diagnostic.span
    width = max([len(str(span.line)), *(len(str(note.span.line)) for note in diagnostic.notes)])
    lines = [f"{diagnostic.severity}[{diagnostic.code.number}]: {diagnostic.message}"]
    if span.line:
        lines.append(f"{'':>{width}}--> {span.path}:{span.line}:{span.column}")
        excerpt = _excerpt(span, texts, width, "^", "")
        if excerpt:
            lines.append(f"{'':>{width}} |")
            lines.extend(excerpt)
    for note in diagnostic.notes:
        excerpt = _excerpt(note.span, texts, width, "-", note.text)
        lines.extend(excerpt or [f"{'':>{width}} = note: {note.text}"])
    if diagnostic.help:
        lines.append(f"{'':>{width}} = help: {diagnostic.help}")
    return "\n".join(lines)
