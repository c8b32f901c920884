"""Diagnostics: what is wrong with a spec, where, and how to mend it.

Owns the diagnostic value and its text form with a caret; `spec.codes` has the list of codes.
Passes return diagnostics; nothing here prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from rhscheck.spec.codes import Code
from rhscheck.spec.source import Source, Span

__all__ = [
    "Code",
    "Diagnostic",
    "Note",
    "Severity",
    "SpecErrors",
    "did_you_mean",
    "render_diagnostic",
]

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


class SpecErrors(Exception):  # noqa: N818 - it holds several
    """The spec cannot be used; `diagnostics` holds everything found, in source order."""

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: Sequence[Source] = ()) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=lambda d: (d.span.path, d.span.start)))
        self.sources = tuple(sources)
        super().__init__("; ".join(d.message for d in self.diagnostics))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean `X`?` for the closest known names, or what there is, or nothing."""
    names = sorted(set(known))
    import difflib  # noqa: PLC0415  most runs misspell nothing

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
