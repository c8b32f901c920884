"""Finding and reading specs: a path, or the bare name of a shipped one; `use` included."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from rhscheck.spec import syntax as s
from rhscheck.spec.diagnostic import Code, Diagnostic, SpecErrors, did_you_mean
from rhscheck.spec.elaborate import elaborate
from rhscheck.spec.parse import MAX_BYTES, parse
from rhscheck.spec.source import NOWHERE, Source
from rhscheck.spec.system import System


MAX_FILES = 100


class SpecNotFound(Exception):
    """There is no such spec; the message says what was looked for and what is close."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A System with the texts it came from (the first is the spec itself) and warnings."""

    system: System
    sources: tuple[Source, ...]
    warnings: tuple[Diagnostic, ...]


def shipped() -> tuple[str, ...]:
    """The names of the shipped specs."""
    folder = resources.files("rhscheck.spec.library")
    return tuple(sorted(f.name[:-3] for f in folder.iterdir() if f.name.endswith(".sm")))


def _decode(path: str, data: bytes) -> Source:
    if len(data) > MAX_BYTES:
        at = replace(NOWHERE, path=path)
        raise SpecErrors([
            Diagnostic(Code.TOO_LARGE, f"{path} is larger than 1 MB", at, help="split it with `use`")
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
    path = Path(spec)
    bare = path.suffix == "" and path.name == spec
    if bare and spec in shipped():
        data = (resources.files("rhscheck.spec.library") / f"{spec}.sm").read_bytes()
        return _decode(f"{spec}.sm", data)
    try:
        if path.is_dir():
            raise SpecNotFound(f"{spec} is a directory; name a .sm file or a shipped spec")
        if path.exists() and path.stat().st_size > MAX_BYTES:
            return _decode(spec, b" " * (MAX_BYTES + 1))
        return _decode(spec, path.read_bytes())
    except FileNotFoundError:
        hint = did_you_mean(spec, shipped())
        what = "no shipped spec and no file" if bare else "no file"
        raise SpecNotFound(f"there is {what} called {spec}" + (f"; {hint}" if bare else "")) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SpecNotFound(f"cannot read {spec}: {reason}") from None


def _with_used(tree: s.Spec, source: Source, seen: tuple[str, ...], sources: list[Source]) -> s.Spec:
    """`tree` with the items of used files in place of their `use` lines, each file once."""
    items: list[s.Item] = []
    for item in tree.items:
        if not isinstance(item, s.Use):
            items.append(item)
            continue
        base = Path(source.path).parent
        name = item.path if item.path in shipped() else os.path.normpath(base / item.path)
        if name in seen:
            raise SpecErrors([
                Diagnostic(Code.USE, f"{item.path} uses itself in a circle", item.span,
                           help="move what both need into a third file")
            ], sources)  # fmt: skip
        if len(sources) == MAX_FILES:
            raise SpecErrors([
                Diagnostic(Code.USE, f"a spec is made of at most {MAX_FILES} files", item.span,
                           help="put several into one")
            ], sources)  # fmt: skip
        try:
            other = read_source(name)
        except SpecNotFound as error:
            raise SpecErrors([
                Diagnostic(Code.USE, str(error), item.span,
                           help="paths are relative to the file that uses them")
            ], sources) from None  # fmt: skip
        if any(other.path == known.path for known in sources):
            continue
        sources.append(other)
        try:
            inner = parse(other)
        except SpecErrors as error:
            raise SpecErrors(error.diagnostics, sources) from None
        items.extend(_with_used(inner, other, (*seen, name), sources).items)
    return replace(tree, items=tuple(items))


def load_source(source: Source, settings: Mapping[str, str] | None = None) -> Loaded:
    """Parses and elaborates `source` and all that it uses. Raises SpecErrors."""
    sources = [source]
    tree = _with_used(parse(source), source, (os.path.normpath(source.path),), sources)
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
