"""Where a command's result goes: files written whole or not at all, streams, colour, progress.

Owns everything the front door knows about terminals, pipes and files for output. Knows nothing of
specs, verdicts or options: it is handed finished text or bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TextIO

import click

ColorChoice = Literal["auto", "always", "never"]
# A callback for long work: one short line saying what is being done now.
Report = Callable[[str], None]


# What may stand before a command (colours, blanks), if one follows.
_COMMAND = re.compile(r"(?:\x1b\[[0-9;]*m|\s)*(?=::|##\[)")


class OutputError(Exception):
    """The result cannot be written where the user asked for it; the message says why."""


def printable(text: str) -> str:
    """`text` without what a terminal would obey: control characters are shown by their codes."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )


def harmless(line: str) -> str:
    """A line that no machine of continuous integration takes for a command (`::error::`, `##[`).

    What a log names may begin a line of a report.
    """
    found = _COMMAND.match(line)
    if found is None:
        return line
    at = found.end()
    return f"{line[:at]}\\x{ord(line[at]):02x}{line[at + 1 :]}"


def safe(text: str) -> str:
    """A message whose lines may hold any names, so that nobody obeys or takes them for commands."""
    known = text.encode("utf-8", "replace").decode("utf-8")  # `?` for what is no text
    return "\n".join(harmless(printable(line)) for line in known.split("\n"))


def wants_color(choice: ColorChoice, path: str | None, *, error: bool = False) -> bool:
    """Whether to colour text: as asked; else on a terminal, unless NO_COLOR or TERM=dumb.

    `path` is the file the text goes to, if it is one; `error`: it goes to standard error.
    """
    if choice != "auto":
        return choice == "always"
    if path is not None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return _is_terminal(sys.stderr if error else sys.stdout)


def width(path: str | None) -> int | None:
    """Columns to keep text within: the terminal's, or those that COLUMNS asks for; else None."""
    if path is not None:
        return None
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return shutil.get_terminal_size().columns if _is_terminal(sys.stdout) else None


def encoding(path: str | None) -> str:
    """The encoding of text that goes there: files are UTF-8, standard output has its own."""
    if path is not None:
        return "utf-8"
    return "ascii" if sys.stdout is None else sys.stdout.encoding or "ascii"


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether people read the stream directly; Python has None for one that was closed."""
    return stream is not None and stream.isatty()


def same_file(path: str, other: str) -> bool:
    """Whether both names lead to one existing file."""
    try:
        return Path(path).samefile(other)
    except OSError:
        return False


def same_place(path: str, other: str) -> bool:
    """Whether both names lead to one file, be it there already or not."""
    return os.path.realpath(path) == os.path.realpath(other) or same_file(path, other)


def check_writable(path: str | None, inputs: Iterable[str] = ()) -> None:
    """Raise OutputError where `write_result` could not write to `path`: before long work.

    What only the attempt would show (a full disk) is not found.
    """
    if path is None:
        return
    _refuse_inputs(path, inputs)
    target = Path(os.path.realpath(path))
    reason = None
    if target.is_dir():
        reason = errno.EISDIR
    elif target.exists() and not target.is_file():
        reason = None if os.access(target, os.W_OK) else errno.EACCES
    elif not target.parent.is_dir():
        reason = errno.ENOTDIR if target.parent.exists() else errno.ENOENT
    elif not os.access(target.parent, os.W_OK | os.X_OK):
        reason = errno.EACCES
    if reason is not None:
        raise OutputError(f"{path}: cannot be written: {os.strerror(reason)}")


def write_result(
    content: str | bytes, path: str | None, *, color: bool = False, inputs: Iterable[str] = ()
) -> None:
    """Write a finished result to `path`, or to standard output where it is None.

    A file appears complete or not at all. `inputs` are files that were read; writing over one of
    them is refused. Styled text loses its style unless `color`. Raises OutputError. A reader that
    has closed the pipe is no error.
    """
    if isinstance(content, str) and not color:
        content = click.unstyle(content)
    if path is None:
        _write_stream(content)
        return
    _refuse_inputs(path, inputs)
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    try:
        _replace_file(Path(path), data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _refuse_inputs(path: str, inputs: Iterable[str]) -> None:
    for source in inputs:
        if same_file(path, source):
            raise OutputError(
                f"{path}: this is the input; writing the result there would destroy it"
            )


def is_interactive() -> bool:
    """Whether standard output is a terminal, so that something live may be shown there."""
    return _is_terminal(sys.stdout)


def write_line(text: str) -> None:
    """Write one line to standard output at once, for work whose result grows while it runs."""
    _write_stream(f"{text}\n")


def write_message(text: str, *, color: bool = False) -> None:
    """Write text and a line end to standard error; nobody listening is no error."""
    if sys.stderr is None:  # closed by whoever started us
        return
    try:
        click.echo(_encodable(text, sys.stderr), err=True, color=color)
    except OSError as error:
        _silence(sys.stderr, error)


def _write_stream(content: str | bytes) -> None:
    if sys.stdout is None:
        raise OutputError("standard output cannot be written: it is closed")
    try:
        if isinstance(content, str):
            content = _encodable(content, sys.stdout)
        click.echo(content, nl=False, color=True)  # colour was decided above
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout, error)


def _encodable(text: str, stream: TextIO) -> str:
    """`text` with what the stream cannot encode replaced, so that no output is lost to one sign."""
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)


def _silence(stream: TextIO, error: OSError) -> None:
    """After a broken pipe: send the rest, and Python's own flush at exit, nowhere."""
    if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL is how Windows says it
        raise OutputError(f"{stream.name}: cannot be written: {error.strerror or error}") from error
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _replace_file(path: Path, data: bytes) -> None:
    path = Path(os.path.realpath(path))  # write through a symbolic link, do not replace it
    mode = path.stat().st_mode if path.exists() else None
    if mode is not None and not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.write_bytes(data)  # a device or a pipe has no content to protect
        return
    from rhscheck.checker import leftovers  # noqa: PLC0415  most commands write no file

    leftovers.clear(path.parent, path.name)
    import tempfile  # noqa: PLC0415  loads what most runs do not need

    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=leftovers.prefix(path.name), suffix=leftovers.suffix()
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # or a crash of the system may leave the name without content
        Path(name).chmod(0o666 & ~_umask() if mode is None else stat.S_IMODE(mode))
        Path(name).replace(path)
    except BaseException:  # an interrupt, too, leaves nothing behind
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


@contextlib.contextmanager
def progress(first: str, *, quiet: bool) -> Iterator[Report]:
    """A live line on standard error, beginning with `first`, and the time that has passed.

    Nothing unless that is a terminal. The line disappears at the end; what is yielded replaces it.
    """
    if quiet or not _is_terminal(sys.stderr):
        yield lambda _line: None
        return
    from rich.console import Console  # noqa: PLC0415  a pipe or a script never needs it
    from rich.progress import (  # noqa: PLC0415
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(first)
        yield lambda line: shown.update(task, description=line)
