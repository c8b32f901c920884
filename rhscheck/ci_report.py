"""What a command judged, as continuous integration wants to know it: neutral records.

Owns the record types that `rhscheck.junit`, `rhscheck.sarif` and `rhscheck.github` render: one
`Check` for each thing judged (a rule, a scenario, a finding, a trace), the place it is about, and
the located steps of the run that shows it. Knows no verdict of the checker and no format.
"""

from __future__ import annotations

from typing import Literal

import msgspec

# passed: as it should be; failed: not so (exit status 1); undecided: not known (exit status 3);
# warning: to be looked at, counts for nothing; skipped: not judged, for a reason that is accepted;
# refused: the input cannot be judged (exit status 2).
Status = Literal["passed", "failed", "undecided", "warning", "skipped", "refused"]
Level = Literal["error", "warning", "note"]


class Place(msgspec.Struct, frozen=True):
    """A line of a file. `line` and `column` count from 1; 0 where only the file is known."""

    path: str
    line: int = 0
    column: int = 0


class FlowStep(msgspec.Struct, frozen=True):
    """One step of a run in words, and the line that allows it or records it."""

    message: str
    place: Place | None = None


class Check(msgspec.Struct, frozen=True):
    """One thing that was judged.

    `group`: what kind of thing (`rules`, `scenarios`, `findings`, or the file of a trace); `id`:
    what it is called, stable from run to run; `subject`: which of several with this id, "" for the
    only one. `sentence`: what should be so. `kind`: the verdict or the kind of finding in a word;
    `message`: what was found, for `skipped` why it was not judged. `flow`: the run that shows it.
    `seconds`: wall-clock time, None where it is not to be told.
    """

    group: str
    id: str
    status: Status
    kind: str
    message: str
    sentence: str = ""
    subject: str = ""
    place: Place | None = None
    flow: tuple[FlowStep, ...] = ()
    seconds: float | None = None

    @property
    def level(self) -> Level:
        """How serious it is where it is not as it should be."""
        if self.status in ("failed", "refused"):
            return "error"
        return "warning" if self.status in ("undecided", "warning") else "note"

    @property
    def name(self) -> str:
        """The id, with the subject where there are several."""
        return f"{self.id} {self.subject}" if self.subject else self.id


class CiReport(msgspec.Struct, frozen=True):
    """What `command` judged about `subject` (a spec, or what it was given), in order.

    `exit`: its exit status; `version`: that of rhscheck.
    """

    command: str
    subject: str
    version: str
    checks: tuple[Check, ...]
    exit: int
