"""Texts of a log that are times, as whole microseconds.

Owns which forms of a date and time, of a time of day and of a count since 1970 are read, and where
in a line such a time ends. What is no time of any day is None, never the nearest one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

# The kinds of fields that are times. A plain number is none: nobody can see its unit.
WRITTEN: Final = ("iso", "clock")
COUNTED: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
KINDS: Final = (*WRITTEN, *COUNTED)

# Times say themselves where they end. Behind a blank hours alone are no offset: they may be
# anything (`09:15:00 -12 files`).
_ISO = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T -](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    r"(?P<offset> ?(?:Z|([+-])(\d\d):?(\d\d))|([+-])(\d\d))?(?!\d)"
)
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?!\d)")
_COUNT = re.compile(r"(\d{1,18})(?:[.,](\d{1,9}))?", re.ASCII)
_EPOCH = date(1970, 1, 1).toordinal()
_END: Final = (date.max.toordinal() + 1 - _EPOCH) * 86_400_000_000  # of the year 9999


def no_time(kind: str) -> str:
    """Why a field of another kind cannot be the time of a line, and what would be right."""
    written = "{time}" if kind == "text" else f"{{time:{kind}}}"
    counted = ", ".join(f"`{{time:{one}}}`" for one in COUNTED)
    return (
        f"`{written}` says no time: write `{{time:iso}}` for a date and time, `{{time:clock}}` for "
        f"a time of day, and for a number since 1970 its unit: {counted}"
    )


def ends(kind: str, text: str, at: int) -> Iterator[int]:
    """Where a time of a WRITTEN kind may end that begins at `at`, the longest first."""
    found = (_ISO if kind == "iso" else _CLOCK).match(text, at)
    if found is None:
        return
    yield found.end()
    if kind == "iso" and found["offset"] and found["offset"][0] in "+-":
        yield found.start("offset")  # where the pattern goes on with such a sign


def micros(kind: str, text: str) -> int | None:
    """The time that a text of one of KINDS stands for; None if it is none.

    Since 1970, or of a `clock` since midnight.
    """
    if kind == "iso":
        return iso_micros(text)
    return clock_micros(text) if kind == "clock" else _counted(COUNTED[kind], text)


def iso_micros(text: str) -> int | None:
    """A date and time as microseconds since 1970, UTC unless it has an offset; None if invalid."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[part]) for part in range(1, 7))
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 60:
        return None
    sign = found[9] or found[12]
    hours, minutes = int(found[10] or found[13] or 0), int(found[11] or 0)
    if hours > 23 or minutes > 59:
        return None
    offset = (hours * 60 + minutes) * (-60 if sign == "-" else 60)
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    time_us = seconds * 1_000_000 + _fraction(found[7])
    return time_us if 0 <= time_us < _END else None


def clock_micros(text: str) -> int | None:
    """A time of day as microseconds since midnight; None if it is none."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    if hour > 23 or minute > 59 or second > 60:
        return None
    return (hour * 3600 + minute * 60 + second) * 1_000_000 + _fraction(found[4])


def _counted(unit: int, text: str) -> int | None:
    """So many units of so many microseconds since 1970; None if no calendar has that day."""
    found = _COUNT.fullmatch(text)
    if found is None:
        return None
    time_us = int(found[1]) * unit + _fraction(found[2]) * unit // 1_000_000
    return time_us if time_us < _END else None


def _fraction(digits: str | None) -> int:
    return int((digits or "0").ljust(6, "0")[:6])
