"""What a finding is: a part of a spec that does nothing or does too much.

Owns the kinds, and the diagnostic code of each. How they are established is `checker.findings`'s
and `checker.vacuity`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rhscheck.checker.verdict import Evidence
from rhscheck.spec.codes import Code
from rhscheck.spec.source import NOWHERE, Span

FindingKind = Literal[
    "never_fired",
    "unreachable_state",
    "unhandled",
    "timelock",
    "forced_actor",
    "zeno",
    "ambiguous",
    "never_binds",
    "no_witness",
    "vacuous",
    "not_examined",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is the transition, state, assumption or rule; `evidence` a run that shows it.

    `error`: something that should not be so in any spec; else something to look at.
    """

    kind: FindingKind
    subject: str
    sentence: str
    error: bool
    span: Span = NOWHERE
    evidence: Evidence | None = None

    @property
    def code(self) -> str | None:
        """The diagnostic code that `rhscheck explain` knows, where the kind has one."""
        code = _CODES.get(self.kind)
        return None if code is None else code.number


_CODES: dict[FindingKind, Code] = {
    "unhandled": Code.UNHANDLED,
    "ambiguous": Code.AMBIGUOUS,
    "unreachable_state": Code.UNREACHABLE,
    "never_fired": Code.NEVER_FIRES,
    "timelock": Code.TIMELOCK,
    "forced_actor": Code.FORCED_ACTOR,
    "zeno": Code.ZENO,
    "never_binds": Code.VACUOUS_ASSUMPTION,
    "vacuous": Code.VACUOUS_RULE,
    "no_witness": Code.NO_WITNESS,
}
