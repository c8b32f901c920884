"""How a line of a Windows cluster.log begins: process, thread, time, channel, level, component.

Owns the grammar of one line, of 2008 and later, complete or with parts that mail programs, web
pages and redaction have removed; the section headings of 2016 and later; and the older formats,
which are recognised only. It knows nothing of what messages mean.

Sources: a published parser of the sections (process.thread::date-time, one blank, four letters of
level, two blanks, message) and the published excerpts in tests/traces/logs. Times are UTC unless
the log was made with -UseLocalTime.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from rhscheck.traces.logmap.moments import clock_micros, iso_micros

Level = Literal["INFO", "WARN", "ERR", "DBG"]
# The components whose lines tell about resources; they did not exist before Windows Server 2008.
RESOURCE_COMPONENTS: Final = ("[RHS]", "[RCM]", "[RES]")
_COMPONENTS: Final = tuple(name.strip("[]") for name in RESOURCE_COMPONENTS)
_FIRST_MODERN_US: Final = 1_167_609_600_000_000  # 2007, when it was written
# What only 2008 and later say, even where level and component were removed.
_MODERN: Final = "called SetResourceStatusEx: checkpoint"

_STAMP = r"\d{4}/\d\d/\d\d-\d\d:\d\d:\d\d\.\d{3}"
_REDACTED = r"\*{0,2}<[^<>\n]{1,40}>\*{0,2}"
_FUNCTION = r"(?:[A-Za-z_][\w:~<>]{0,199}(?: \(\))?)?"
# What mail programs, viewers and Markdown put in front: `>`, `123`, `123:`, `**`; only in front of
# something that follows.
_FRONT = re.compile(
    r"(?:(?:>|\*\*)\s*){0,4}(?:\d{1,10}(?::\s*|\s+))?(?:(?:>|\*\*)\s*){0,4}"
    r"(?=[0-9a-fA-F]{1,8}\.[0-9a-fA-F]{1,8}::|\d{4}/\d\d/\d\d-|\d\d:\d\d:\d\d\.|"
    rf"(?:INFO|WARN|ERR|DBG)\s|{_FUNCTION}\[[A-Za-z]|{_REDACTED})"
)
_HEAD = re.compile(
    # An event channel, only in front of something that follows.
    r"(?:\[(?P<channel>[A-Za-z][A-Za-z0-9/ _-]{0,99})\]\s+(?=[0-9a-fA-F]{1,8}\.))?"
    r"(?:(?P<pid>[0-9a-fA-F]{1,8})\.(?P<tid>[0-9a-fA-F]{1,8})::)?"
    rf"(?:(?P<stamp>{_STAMP})|(?P<clock>\d\d:\d\d:\d\d\.\d{{3}})|(?P<redacted>{_REDACTED}))?"
    r"\s*(?:(?P<level>INFO|WARN|ERR|DBG)(?=\s))?\s*"
)
# Without any of these no line begins a record; most that continue one have none.
_MAY_BEGIN = re.compile(r"::|:\d\d:|\[|INFO|WARN|ERR|DBG|<")
_COMPONENT = re.compile(
    rf"{_FUNCTION}"
    r"\[(?P<name>[A-Za-z][A-Za-z0-9]{1,15})(?P<detail> [^\[\]]{1,200})?\]:? ?"
)
_SECTION = re.compile(r"\[=== (?P<name>[^=\n]{1,200}?) ?===\]")
_LEGACY = re.compile(
    rf"[0-9a-fA-F]{{1,8}}\.[0-9a-fA-F]{{1,8}}::{_STAMP}\s+(?!INFO\s|WARN\s|ERR\s|DBG\s)"
)
# The section that holds the debug log, and those that repeat event channels.
DEBUG_SECTION: Final = "Cluster Logs"


class Line(msgspec.Struct, frozen=True):
    """One line that begins a message.

    `time_us`: microseconds since 1970; since midnight where the date was removed (`dated` false);
    None where there is no readable time. `message` still has its component in front.
    """

    pid: int | None
    tid: int | None
    time_us: int | None
    dated: bool
    channel: str | None
    level: Level | None
    message: str


def parse_line(text: str) -> Line | None:
    """The parts of a line; None if it does not begin a message (it continues the one before)."""
    front = _FRONT.match(text)
    found = _HEAD.match(text, 0 if front is None else front.end())
    assert found is not None, "every part of the head is optional"
    message = text[found.end() :].rstrip()
    if front is not None and "**" in front[0]:
        message = message.removesuffix("**").rstrip()
    level, pid = found["level"], found["pid"]
    begins = pid or found["stamp"] or found["clock"] or level or _COMPONENT.match(message)
    if not begins:
        return None
    dated = bool(found["stamp"])
    time_us = iso_micros(found["stamp"]) if dated else clock_micros(found["clock"] or "")
    return Line(
        None if pid is None else int(pid, 16),
        None if pid is None else int(found["tid"], 16),
        time_us,
        dated,
        found["channel"],
        LEVELS.get(level or ""),
        message,
    )


def begins_record(text: str) -> bool:
    """Whether the line begins a message, as `parse_line` finds it."""
    return _MAY_BEGIN.search(text) is not None and parse_line(text) is not None


LEVELS: Final[dict[str, Level]] = {"INFO": "INFO", "WARN": "WARN", "ERR": "ERR", "DBG": "DBG"}


def canonical(message: str) -> str:
    """The message as mappings see it: `[RCM] text`.

    A function's name in front of the component is dropped, blanks are normalised.
    """
    text = message
    if "  " in text or not text.isprintable() or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())  # any blanks, of which only one kind is printable
    if text[:5] in RESOURCE_COMPONENTS and text[5:6] == " ":
        return text
    found = _COMPONENT.match(text)
    if found is None:
        return text
    return f"[{found['name']}{found['detail'] or ''}] {text[found.end() :]}".rstrip()


def component(message: str) -> str | None:
    """`RCM` of `[RCM] text`, None for a message without component."""
    found = _COMPONENT.match(message)
    return None if found is None else found["name"]


def section(text: str) -> str | None:
    """The name of the section that a heading begins, None for another line."""
    found = _SECTION.match(text.strip())
    return None if found is None else found["name"]


def is_legacy(lines: list[str]) -> bool:
    """Whether these are lines of Windows 2000 or 2003, whose log another state machine wrote.

    They have a time stamp and no level, in no line, and none of the components of 2008. People
    write about those, too, but not in such lines.
    """
    old = False
    for text in lines:
        if _MODERN in text:
            return False
        line = parse_line(text)
        if line is not None and _is_modern(line):
            return False
        old = old or _LEGACY.match(text) is not None
    return old


def _is_modern(line: Line) -> bool:
    """Whether Windows 2003 cannot have written the line."""
    if line.level is not None or component(line.message) in _COMPONENTS:
        return True
    if line.pid is None or (line.dated and (line.time_us or 0) < _FIRST_MODERN_US):
        return False
    return any(name in line.message for name in RESOURCE_COMPONENTS)


def have_dates(lines: Iterable[str]) -> bool | None:
    """Whether these lines have dates with their times: one is enough. None: there is no time."""
    dated: bool | None = None
    for text in lines:
        line = parse_line(text)
        if line is not None and line.time_us is not None:
            if line.dated:
                return True
            dated = False
    return dated


# ---- what the log says about itself ------------------------------------------------------------
_NODE = re.compile(r"Current node: name \((?P<node>[^()]{1,255})\)")
_BUILD = re.compile(r"Build Number (?P<build>\d{1,9})")
_OFFSET = re.compile(r"time zone offset of this machine is (?P<offset>.{1,60})")
_LOCAL = re.compile(r"logs were generated using local time")


@dataclass(slots=True)
class About:
    """What the lines before the debug log say: node, build, local time, offset from UTC."""

    node: str | None = None
    build: str | None = None
    local_time: bool = False
    offset: str | None = None

    def learn(self, text: str) -> None:
        """Take in a line of the header."""
        if found := _NODE.search(text):
            self.node = found["node"]
        if found := _BUILD.search(text):
            self.build = found["build"]
        if found := _OFFSET.search(text):
            self.offset = found["offset"].strip().rstrip(".")
        if _LOCAL.search(text):
            self.local_time = True

    def add(self, other: About) -> None:
        """Take in what later lines of the log say."""
        self.node = other.node or self.node
        self.build = other.build or self.build
        self.offset = other.offset or self.offset
        self.local_time = self.local_time or other.local_time
