"""What specs have said about lines of logs, kept from one run of the program to the next.

Compiling a spec takes longer than reading most logs, and what it says about a case is always the
same. Owns where that is kept (the user's folder for caches) and what it depends on: the texts of
the spec, its settings, the facts of the mapping, and every line of the code that works it out. For
specs that are shipped as they are it is shipped too (`bench/ship_opinions.py`; a test works it out
again). What cannot be read, or was made by anything else, is worked out anew; nothing here fails.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from rhscheck.spec.shipped_files import shipped_files
from rhscheck.traces.audit.model import Case
from rhscheck.traces.audit.opinion import Opinion, SpecSummary
from rhscheck.traces.logmap.names import Words

if TYPE_CHECKING:
    from rhscheck.traces.audit.court import Court
    from rhscheck.traces.logmap.language import LogMap

FOLDER_VARIABLE: Final = "RHSCHECK_CACHE_DIR"
_KEPT: Final = 40  # files
_MOST_BYTES: Final = 1 << 24
_LIBRARY: Final = "rhscheck.spec.library"
_CODE: Final = ("spec", "traces")
_USES = re.compile(rb"(?m)^\s*use\b")


class Kept(msgspec.Struct):
    """What is kept of one spec under one mapping."""

    summary: SpecSummary
    known: list[tuple[Case, Opinion]]


class Shipped(msgspec.Struct):
    """The same of a shipped spec: `text` is a digest of it, `facts` those of the mapping.

    `words`: what it has words for, in any of its readings.
    """

    text: str
    facts: list[bool | str | int]
    kept: Kept
    words: Words


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where things are kept, None: nowhere (`RHSCHECK_CACHE_DIR` is set, and empty)."""
    named = environment.get(FOLDER_VARIABLE)
    if named is not None:
        return Path(named) if named else None
    if sys.platform == "win32":
        base = environment.get("LOCALAPPDATA")
        return Path(base) / "rhscheck" / "Cache" if base else None
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rhscheck"
    base = environment.get("XDG_CACHE_HOME")
    home = environment.get("HOME")
    if base:
        return Path(base) / "rhscheck"
    return Path(home) / ".cache" / "rhscheck" if home else None


def shipped(spec: str, settings: Mapping[str, str], logmap: LogMap) -> Kept | None:
    """What is shipped of a spec with no settings, None: nothing that is of use."""
    found = None if settings else _shipped(spec)
    return None if found is None or found.facts != facts_of(logmap) else found.kept


def shipped_words(spec: str) -> Words | None:
    """What is shipped of the words of a spec, None: nothing that is of use."""
    found = _shipped(spec)
    return None if found is None else found.words


@functools.lru_cache(maxsize=1)
def _shipped(spec: str) -> Shipped | None:
    if not _is_name(spec):
        return None
    try:
        library = shipped_files(_LIBRARY)
        data = (library / f"{spec}.opinions.json").read_bytes()
        found = msgspec.json.decode(data, type=Shipped)
        text = (library / f"{spec}.sm").read_bytes()
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
    return found if found.text == digest_of(text) else None


def facts_of(logmap: LogMap) -> list[bool | str | int]:
    """What of a mapping opinions depend on."""
    facts = logmap.facts
    return [facts.complete, facts.lossy, facts.start, facts.slack_ms]


def digest_of(text: bytes) -> str:
    """A digest of a spec, but for lines that are blank or a comment."""
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith(b"#")]
    return hashlib.sha256(b"\n".join(said)).hexdigest()


def place_of(
    folder: Path | None, spec: str, settings: Mapping[str, str], logmap: LogMap
) -> Path | None:
    """Where the opinions of this spec are kept; None: they are not."""
    if folder is None:
        return None
    text = _text_of(spec)
    # A spec of several files depends on all of them: such are not kept.
    if text is None or _USES.search(text):
        return None
    digest = hashlib.sha256()
    known = [sorted(settings.items()), *facts_of(logmap)]
    digest.update(json.dumps([spec, known]).encode())
    digest.update(hashlib.sha256(text).digest())
    digest.update(_code())
    return folder / f"audit-{digest.hexdigest()[:40]}.json"


def recall(place: Path | None) -> Kept | None:
    """What is kept there, None if nothing that can be used."""
    if place is None:
        return None
    try:
        with place.open("rb") as stream:
            return msgspec.json.decode(stream.read(_MOST_BYTES), type=Kept)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def keep(place: Callable[[], Path | None], court: Court) -> None:
    """Keep what the court has said, if anything is new; that may fail without harm."""
    where = place() if court.fresh else None
    if where is None:
        return
    data = msgspec.json.encode(Kept(court.summary, sorted(court.known.items(), key=repr)))
    half = where.with_name(f"{where.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        where.parent.mkdir(parents=True, exist_ok=True)
        try:
            half.write_bytes(data)
            half.replace(where)
        finally:
            half.unlink(missing_ok=True)
        kept = sorted(where.parent.glob("audit-*.json"), key=lambda one: one.stat().st_mtime)
        for old in kept[:-_KEPT]:
            old.unlink(missing_ok=True)


def _text_of(spec: str) -> bytes | None:
    """The bytes of a spec, shipped or a file; None where loading it will say what is wrong."""
    path = Path(spec)
    try:
        if _is_name(spec):
            known = shipped_files(_LIBRARY) / f"{spec}.sm"
            if known.is_file():
                return known.read_bytes()
        return path.read_bytes() if path.is_file() else None
    except (OSError, ValueError):
        return None


def _is_name(spec: str) -> bool:
    """Whether it may be the name of a shipped spec."""
    path = Path(spec)
    return path.suffix == "" and path.name == spec


def _code() -> bytes:
    """A digest of everything that opinions come from."""
    digest = hashlib.sha256(sys.version.encode())
    for package in _CODE:
        folder = Path(str(shipped_files(f"rhscheck.{package}")))
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".lark"):
                digest.update(path.relative_to(folder).as_posix().encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()
