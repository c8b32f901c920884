"""Finding and reading specs: a path, or the bare name of a shipped one; `use` included.

The parser is loaded when there is something to parse: what was read before may be kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rhscheck.spec.diagnostic import Code, Diagnostic, SpecErrors, did_you_mean
from rhscheck.spec.kept import keep, place, recall
from rhscheck.spec.shipped_files import shipped_files
from rhscheck.spec.source import MAX_BYTES, NOWHERE, Source
from rhscheck.spec.system import System

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from rhscheck.spec import syntax as s

MAX_FILES = 100


class SpecNotFound(Exception):  # noqa: N818 - the name callers were given
    """There is no such spec; the message says what was looked for and what is close."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A System with the texts it came from (the first is the spec itself) and warnings."""

    system: System
    sources: tuple[Source, ...]
    warnings: tuple[Diagnostic, ...]


def library() -> Path | Traversable:
    """Where the shipped specs are, with what belongs to them."""
    return shipped_files("rhscheck.spec.library")


def shipped() -> tuple[str, ...]:
    """The names of the shipped specs."""
    names = (one.name for one in library().iterdir())
    return tuple(sorted(name[:-3] for name in names if name.endswith(".sm")))


def _decode(path: str, data: bytes) -> Source:
    if len(data) > MAX_BYTES:
        at = replace(NOWHERE, path=path)
        raise SpecErrors([
            Diagnostic(
                Code.TOO_LARGE, f"{path} is larger than 1 MB", at, help="split it with `use`"
            )
        ])  # fmt: skip
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = replace(NOWHERE, path=path)
        raise SpecErrors([
            Diagnostic(
                Code.ENCODING, f"{path} is not UTF-8 text (byte {error.start})", at,
                help="save the file as UTF-8",
            )
        ]) from None  # fmt: skip
    return Source(path, text)


def read_source(spec: str) -> Source:
    """The text of `spec`: a path, or the bare name of a shipped spec.

    Raises SpecNotFound (missing, a directory, unreadable) or SpecErrors (encoding, size).
    """
    if not spec:
        raise SpecNotFound("the name of the spec is empty")
    path = Path(spec)
    bare = path.suffix == "" and path.name == spec
    if bare and spec in shipped():
        data = (library() / f"{spec}.sm").read_bytes()
        return _decode(f"{spec}.sm", data)
    try:
        if path.is_dir():
            raise SpecNotFound(f"{spec} is a directory; name a .sm file or a shipped spec")
        if path.exists() and path.stat().st_size > MAX_BYTES:
            return _decode(spec, b" " * (MAX_BYTES + 1))
        return _decode(spec, path.read_bytes())
    except FileNotFoundError:
        what = "no shipped spec and no file" if bare else "no file"
        hint = did_you_mean(spec, shipped()) if bare else ""
        if spec.endswith(".sm") and spec[:-3] in shipped():
            hint = f"did you mean `{spec[:-3]}`?"
        raise SpecNotFound(
            f"there is {what} called {spec}" + (f"; {hint}" if hint else "")
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecNotFound(f"cannot read {spec}: {reason}") from None


@dataclass(slots=True)
class _Using:
    """Follows `use` lines: the texts read so far, in order, and what went wrong."""

    sources: list[Source]
    errors: list[Diagnostic] = field(default_factory=list)
    read: Callable[[str], Source] = read_source

    def flat(self, tree: s.Spec, path: str, around: tuple[str, ...]) -> s.Spec:
        """`tree` with the items of used files in place of their `use` lines, each file once.

        `path` is the file of `tree`, `around` are those that use it (itself included).
        """
        from rhscheck.spec.syntax import Use

        items: list[s.Item] = []
        for item in tree.items:
            if isinstance(item, Use):
                items.extend(self._items(item, path, around))
            else:
                items.append(item)
        return replace(tree, items=tuple(items))

    def _items(self, item: s.Use, path: str, around: tuple[str, ...]) -> tuple[s.Item, ...]:
        from rhscheck.spec.parse import parse

        name = item.path
        if name not in shipped():
            name = os.path.normpath(Path(path).parent / item.path)
        if name in around:
            return self._fail(item, f"{item.path} uses itself in a circle",
                              "move what both need into a third file")  # fmt: skip
        if len(self.sources) == MAX_FILES:
            return self._fail(item, f"a spec is made of at most {MAX_FILES} files",
                              "put several into one")  # fmt: skip
        try:
            other = self.read(name)
        except SpecNotFound as error:
            return self._fail(item, str(error), "paths are relative to the file that uses them")
        except SpecErrors as error:
            self.errors.extend(error.diagnostics)
            return ()
        if any(other.path == known.path for known in self.sources):
            return ()
        self.sources.append(other)
        try:
            inner = parse(other)
        except SpecErrors as error:
            self.errors.extend(error.diagnostics)
            return ()
        return self.flat(inner, other.path, (*around, name)).items

    def _fail(self, item: s.Use, message: str, help: str) -> tuple[s.Item, ...]:
        self.errors.append(Diagnostic(Code.USE, message, item.span, help=help))
        return ()


def load_texts(texts: Sequence[Source], settings: Mapping[str, str] | None = None) -> Loaded:
    """As `load_source` of the first text, with the others in the place of the files that it uses.

    Nothing else is read, not even a shipped spec. Raises SpecErrors.
    """
    known = {text.path.replace("\\", "/"): text for text in texts}

    def read(name: str) -> Source:
        for path in (name.replace(os.sep, "/"), f"{name}.sm"):
            if path in known:
                return known[path]
        raise SpecNotFound(f"{name} is not among the texts")

    return load_source(texts[0], settings, read)


def load_source(
    source: Source,
    settings: Mapping[str, str] | None = None,
    read: Callable[[str], Source] = read_source,
) -> Loaded:
    """Parses and elaborates `source` and all that it uses. Raises SpecErrors.

    `read` gives the text of what is used, by its path or the name of a shipped spec.
    """
    from rhscheck.spec.elaborate import elaborate
    from rhscheck.spec.parse import parse

    using = _Using([source], read=read)
    tree = using.flat(parse(source), source.path, (os.path.normpath(source.path),))
    sources = using.sources
    if using.errors:
        raise SpecErrors(using.errors, sources)
    try:
        system, warnings = elaborate(tree, source, settings)
    except SpecErrors as error:
        raise SpecErrors(error.diagnostics, sources) from None
    if len(sources) > 1:
        whole = "".join(one.sha256 for one in sources)
        system = replace(system, source_sha256=Source("", whole).sha256)
    return Loaded(system, tuple(sources), warnings)


def load(spec: str, settings: Mapping[str, str] | None = None) -> Loaded:
    """The spec called `spec` (path or shipped name). Raises SpecNotFound or SpecErrors."""
    return load_source(read_source(spec), settings)


def load_system(spec: str, settings: Mapping[str, str] | None = None) -> System:
    """The System that `load` gives, from an earlier run if that is kept; raises what it does."""
    source = read_source(spec)
    file = place("system", (source, tuple((settings or {}).items())))
    found = recall(file, System)
    if found is None:
        loaded = load_source(source, settings)
        found = loaded.system
        if len(loaded.sources) == 1:  # of what is used, the text is not part of the question
            keep(file, found)
    return found
