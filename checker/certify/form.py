"""The files of a certificate: what they hold, how they are read and written, what hashes cover.

A certificate is a directory:

    certificate.json       what is claimed, by which argument, and the sha256 of every other file
    certificate.sha256     the sha256 of certificate.json (in the format of `sha256sum`)
    spec/K.sm              the texts of the spec, in the order in which they were read
    invariants/I.json      one inductive invariant: a decision diagram over named variables
    rankings/R.json        why nothing stays unanswered for ever: layers of states
    queries/….smt2         SMT-LIB 2 scripts, with the answer to each of their questions

Owns these shapes and the strict reading of them: an unknown key, a missing file, a file too many, a
byte that differs, or what is no plain file is a `Refusal`. Knows no System and no solver: that the
contents are true is judged by `checker.certify.referee`, `ranking` and the solvers.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

FORMAT: Final = "rhscheck-certificate/3"
MAIN, SEAL = "certificate.json", "certificate.sha256"
FOLDERS = ("spec", "invariants", "rankings", "queries")
MAX_FILE_BYTES = 256 << 20  # a certificate is read into memory
MAX_INSTANCES = 64
_STEP: Final = re.compile(rb"\(declare-fun step\.([0-9]+) ")

T = TypeVar("T", bound=msgspec.Struct)
Place = int | Literal["self"] | None  # of a variable: its instance; None where it exists once
Name = Annotated[str, Meta(min_length=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=1, le=MAX_INSTANCES)]  # of instances


class Refusal(Exception):  # noqa: N818 - it is a result, not an error of the program
    """The certificate does not hold. `query` is what failed, `reason` says how."""

    def __init__(self, query: str, reason: str) -> None:
        super().__init__(f"{query}: {reason}")
        self.query = query
        self.reason = reason


class OtherFormatError(ValueError):
    """A certificate of another version of the format, which is not judged; the message says so."""


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class _Headed(msgspec.Struct):
    """The first of a certificate that any version has."""

    format: str


class Text(_Struct, frozen=True, kw_only=True):
    """One text of the spec: `name` is what messages call it, `file` where its copy is."""

    name: str
    file: str


class SpecId(_Struct, frozen=True, kw_only=True):
    """Which spec, read with which settings, under which assumptions.

    `system_sha256` is of the System that these texts and settings give (`spec.fingerprint`).
    """

    name: str
    texts: tuple[Text, ...]
    settings: dict[str, str]
    assumptions: tuple[str, ...]
    system_sha256: Sha256


class Ask(_Struct, frozen=True, kw_only=True, array_like=True):
    """One question of a script, and its answer."""

    question: Name
    answer: Literal["sat", "unsat"]


class Query(_Struct, frozen=True, kw_only=True):
    """An SMT-LIB script and what it asks, in order.

    First (`X, conclusion`) what would be wrong, by itself, which can be; then (`Y, premises`) what
    is known, by itself, which can be; then (`X`) both together, which cannot: `unsat`.
    """

    file: str
    asks: tuple[Ask, ...]


class Part(_Struct, frozen=True, kw_only=True):
    """An invariant (in a file), and the rules whose goal no state inside has.

    The goal of a rule is its violation; that of a permission, its use.
    """

    invariant: str
    excludes: tuple[str, ...]


class Ranking(_Struct, frozen=True, kw_only=True):
    """Layers (in `file`) of the one part of an argument, for a `leads to`.

    No run leaves what `instance` is owed by `rule` unanswered for ever.
    """

    rule: Name
    instance: Place
    file: str


class Argument(_Struct, frozen=True, kw_only=True):
    """Invariants of one System.

    `woven`: the rules whose observers the System has. `n`: its number of instances; None: one
    instance and the environment of all others. `steps`: the keys of the transitions `step.0`, … of
    `queries`, which are about all parts together. `instances`: the same questions about what the
    parts say of one instance among so many. `progress`: in the states of the parts time can always
    go on. `ranking`: the System has the observer of its rule, too. `pairs`: the one part is about
    every two instances, judged with 2 up to so many, which stand for any number from two on; then
    `n` is null and `instances` holds the questions about so many, of all pairs at once.
    """

    id: Name
    woven: tuple[str, ...]
    n: Count | None
    parts: tuple[Part, ...]
    steps: tuple[str, ...]
    queries: tuple[Query, ...]
    instances: dict[Count, tuple[Query, ...]]
    progress: bool
    ranking: Ranking | None
    pairs: Annotated[int, Meta(ge=2, le=MAX_INSTANCES)] | None


class Claim(_Struct, frozen=True, kw_only=True):
    """A verdict. `n`: every number of instances, or this one.

    `arguments`: ids; one, but for a `leads to` that is shown instance by instance, and where pairs
    of instances need an argument beside them for one alone. `time`: for a
    response, whose proof needs that time cannot stop, the argument that shows it, or `"verify"`:
    the run that wrote the certificate, which is not part of it. Null elsewhere.
    """

    rule: Name
    sentence: str
    kind: str
    verdict: Literal["proved", "impossible"]
    n: Count | Literal["every"]
    arguments: tuple[str, ...]
    time: str | None


class RunStep(_Struct, frozen=True, kw_only=True):
    """A delay (`units` of the System, as a fraction), then a transition with its instances."""

    units: Annotated[str, Meta(pattern="^[0-9]+(/[0-9]+)?$")]
    key: str | None
    binding: dict[str, int]


class Shown(_Struct, frozen=True, kw_only=True):
    """A verdict that a run shows: the run from `initial` (values by name) to the goal of `rule`."""

    rule: Name
    sentence: str
    kind: str
    verdict: Literal["violated", "witnessed"]
    n: Count
    initial: dict[str, int]
    steps: tuple[RunStep, ...]


class Uncertified(_Struct, frozen=True, kw_only=True):
    """A rule without claim, and why: what `verify` said, which nobody can check."""

    rule: Name
    verdict: Literal["proved", "bounded", "violated", "witnessed", "impossible", "unknown"]
    reason: str


class Certificate(_Struct, frozen=True, kw_only=True):
    """All of certificate.json. `files`: the sha256 of every file that it names, by path."""

    format: Literal["rhscheck-certificate/3"]
    tool: str
    solver: str
    spec: SpecId
    claims: tuple[Claim, ...]
    runs: tuple[Shown, ...]
    uncertified: tuple[Uncertified, ...]
    arguments: tuple[Argument, ...]
    files: dict[str, Sha256]


class Variable(_Struct, frozen=True, kw_only=True):
    """A state variable or clock of one instance."""

    name: Name
    instance: Place


# (i, j, bound, strict): clock i minus clock j is at most (strict: less than) bound, in the System's
# unit. Clocks count from 1; 0 is the clock that is always 0.
Constraint = tuple[int, int, int, bool]
Zone = tuple[Constraint, ...]


class Branch(_Struct, frozen=True, kw_only=True, array_like=True):
    """Where the values `values` lead: a node, or if negative the leaf -1 - `child`."""

    values: tuple[int, ...]
    child: int


class Node(_Struct, frozen=True, kw_only=True, array_like=True):
    """A choice on the variable at position `variable`; other values are outside."""

    variable: int
    branches: tuple[Branch, ...]


class InvariantFile(_Struct, frozen=True, kw_only=True):
    """The states inside: paths from `root` (None: none) to a leaf, with the leaf's clock values.

    A leaf is a union of zones over `clocks`; `((),)` is any clock values. Children come before
    their parents.
    """

    variables: tuple[Variable, ...]
    clocks: tuple[Variable, ...]
    nodes: tuple[Node, ...]
    leaves: tuple[tuple[Zone, ...], ...]
    root: int | None


# ---- rankings ------------------------------------------------------------------------------------
class FairEvent(_Struct, frozen=True, kw_only=True, tag="fair"):
    """An event of one instance that the `fair` line at position `line` of the spec names."""

    line: Annotated[int, Meta(ge=0)]
    kind: Name
    machine: Name
    name: Name
    instance: Place


class MetDeadline(_Struct, frozen=True, kw_only=True, tag="deadline"):
    """A deadline does not bind for ever unless its clock is restarted again and again."""

    deadline: Name
    instance: Place


class GrowingClock(_Struct, frozen=True, kw_only=True, tag="clock"):
    """A clock does not stay at most `bound` for ever unless it is restarted again and again."""

    clock: Name
    instance: Place
    bound: int


Debt = FairEvent | MetDeadline | GrowingClock


class Layer(_Struct, frozen=True, kw_only=True):
    """The states from `root`, which cannot be kept to for ever because of `debt`.

    `owing`, `within`: for a strong debt, those of the states that owe it, and layers of the others;
    null and none for a weak one, which all of them owe.
    """

    debt: Debt
    root: int | None
    owing: int | None
    within: tuple[Layer, ...]


class RankingFile(_Struct, frozen=True, kw_only=True):
    """Layers, in order; nodes and leaves as in an invariant, whose variables and clocks they use.

    A state belongs to the first layer that it is in; those of answered states to none.
    """

    nodes: tuple[Node, ...]
    leaves: tuple[tuple[Zone, ...], ...]
    layers: tuple[Layer, ...]


def sha256(data: bytes) -> str:
    """The checksum of bytes."""
    return hashlib.sha256(data).hexdigest()


def encoded(value: msgspec.Struct) -> bytes:
    """A file's bytes, indented where people read it, ending in a line feed."""
    data = msgspec.json.encode(value)
    return (msgspec.json.format(data, indent=1) if isinstance(value, Certificate) else data) + b"\n"


def seal(main: bytes) -> bytes:
    """The bytes of certificate.sha256 for those of certificate.json."""
    return f"{sha256(main)}  {MAIN}\n".encode("ascii")


def read(folder: Path) -> tuple[Certificate, dict[str, bytes]]:
    """The certificate in `folder` and its files by path, every hash checked.

    Raises Refusal; OtherFormatError, FileNotFoundError and the like where there is no certificate
    that this version can read at all.
    """
    main = _bytes(folder, MAIN)
    try:
        sealed = _bytes(folder, SEAL)
    except FileNotFoundError:
        raise Refusal("hash", f"{SEAL} is missing: the certificate is incomplete") from None
    if sealed != seal(main):
        raise Refusal("hash", f"{MAIN} is not what {SEAL} says")
    _require_format(main)
    certificate = decoded(main, Certificate, MAIN)
    named = {
        *(text.file for text in certificate.spec.texts),
        *(part.invariant for argument in certificate.arguments for part in argument.parts),
        *(one.ranking.file for one in certificate.arguments if one.ranking is not None),
        *(query.file for query in queries(certificate)),
    }
    if named != certificate.files.keys():
        odd = min(named ^ certificate.files.keys())
        raise Refusal("hash", f"{odd} is named without a hash, or has a hash and no use")
    odd = min(_present(folder) - {MAIN, SEAL, *named}, default="")
    if odd:
        raise Refusal("hash", f"{odd} is no file of the certificate; nothing vouches for it")
    files: dict[str, bytes] = {}
    for path, expected in sorted(certificate.files.items()):
        if not _inside(path):
            raise Refusal("hash", f"{path} is no file of the certificate's own")
        try:
            files[path] = _bytes(folder, path)
        except FileNotFoundError:
            raise Refusal("hash", f"{path} is missing: it is incomplete") from None
        if sha256(files[path]) != expected:
            raise Refusal("hash", f"{path} is not what {MAIN} says")
    for argument in certificate.arguments:
        _require_steps(argument, files)
    return certificate, files


def _require_format(main: bytes) -> None:
    """Raise OtherFormatError for a certificate of another version of the format."""
    try:
        found = msgspec.json.decode(main, type=_Headed).format
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # it is none at all, which is told otherwise
    if found != FORMAT and found.startswith(FORMAT.partition("/")[0]):
        raise OtherFormatError(
            f"{MAIN} is of format {found[:80]!r}; this version of rhscheck reads {FORMAT} only"
        )


def _require_steps(argument: Argument, files: Mapping[str, bytes]) -> None:
    """Raise Refusal unless `steps` names just the transitions that the scripts speak of."""
    texts = (files[query.file] for query in argument.queries)
    spoken = {int(number) for text in texts for number in _STEP.findall(text)}
    if spoken and spoken != set(range(len(argument.steps))):
        raise Refusal(
            f"argument {argument.id}", "its steps are not those that its scripts ask about"
        )


def _present(folder: Path) -> set[str]:
    """All that is there, as certificates name it, folders as far as they are not ours."""
    found: set[str] = set()
    for entry in folder.iterdir():
        if entry.name in FOLDERS and entry.is_dir() and not entry.is_symlink():
            found |= {f"{entry.name}/{inner.name}" for inner in entry.iterdir()}
        elif entry.name not in FOLDERS:  # what stands in the place of a folder is refused later
            found.add(entry.name)
    return found


def has_parts(folder: Path) -> bool:
    """Whether a directory has something that a certificate has beside MAIN."""
    return any((folder / part).exists() for part in (SEAL, *FOLDERS))


def settings(folder: Path) -> dict[str, str]:
    """The settings that a certificate names; none where it is no certificate (`read` says so)."""
    try:
        return dict(decoded(_bytes(folder, MAIN), Certificate, MAIN).spec.settings)
    except Refusal:
        return {}


def queries(certificate: Certificate) -> tuple[Query, ...]:
    """Every script of the certificate, in order."""
    return tuple(
        query
        for argument in certificate.arguments
        for group in (argument.queries, *argument.instances.values())
        for query in group
    )


def decoded(data: bytes, kind: type[T], path: str) -> T:
    """The contents of a file. Raises Refusal."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("format", f"{path}: {error}") from None


def write(folder: Path, certificate: Certificate, files: Mapping[str, bytes]) -> None:
    """Write everything into `folder`, which exists and is empty."""
    for path, data in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        _write(folder / path, data)
    main = encoded(certificate)
    _write(folder / MAIN, main)
    _write(folder / SEAL, seal(main))


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _inside(path: str) -> bool:
    """Whether a path is one of ours: two plain parts, whatever the operating system."""
    parts = path.split("/")
    return len(parts) == 2 and all(
        part.replace("-", "").replace(".", "").isalnum() and not part.startswith(".")
        for part in parts
    )


def _bytes(folder: Path, path: str) -> bytes:
    """A plain file of the certificate's own: no link to elsewhere, no device, no pipe."""
    directory, _, _ = path.rpartition("/")
    if directory and stat.S_ISLNK((folder / directory).lstat().st_mode):
        raise Refusal("format", f"{directory} is a link")
    file = folder / path
    if not stat.S_ISREG(file.lstat().st_mode):
        raise Refusal("format", f"{path} is no plain file")
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(file, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise Refusal("format", f"{path} is no plain file")
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise Refusal("format", f"{path} is larger than {MAX_FILE_BYTES >> 20} MB")
    return data
