"""Before whom a log is brought: a spec, and what it has said about cases before.

Owns what an audit needs of a spec: its summary, and its opinions on cases, each worked out once.
Compiling a spec costs more than reading most logs, so both may come from outside (an earlier run
of the same spec), and then nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from rhscheck.traces.audit.model import Case
from rhscheck.traces.audit.opinion import Opinion, SpecSummary, alike, speaks_of
from rhscheck.traces.logmap.language import LogMap

if TYPE_CHECKING:
    from rhscheck.spec.system import System
    from rhscheck.traces.audit.judge import StrictBench
    from rhscheck.traces.engine import Engine
    from rhscheck.traces.format import Header


class Court:
    """A spec under the facts of a mapping.

    `system` is asked for when it is first needed. `summary` and `known`: what an earlier Court
    with the same System and mapping had; `more`: where there may be more of it. `fresh`: there are
    opinions that were in neither.
    """

    def __init__(
        self,
        logmap: LogMap,
        system: Callable[[], System],
        summary: SpecSummary | None = None,
        known: dict[Case, Opinion] | None = None,
        more: Callable[[], Mapping[Case, Opinion]] | None = None,
    ) -> None:
        self.logmap = logmap
        self._make = system
        self._system: System | None = None
        self._summary = summary
        self._engine: Engine | None = None  # for opinions on single cases
        self._strict: Engine | None = None  # for whole logs
        self.known = {} if known is None else known
        self._more = more
        self.fresh = False

    @property
    def header(self) -> Header:
        """The header of a trace of such a log, whatever its spec is called."""
        from rhscheck.traces.logmap.events import log_header  # noqa: PLC0415  loads the format

        of_log = log_header(self.logmap, {"": True}, source=self.logmap.name, tool="")
        return msgspec.structs.replace(of_log, spec="")

    @property
    def system(self) -> System:
        """The spec itself."""
        if self._system is None:
            self._system = self._make()
        return self._system

    @property
    def summary(self) -> SpecSummary:
        """What is known of the spec without compiling it."""
        if self._summary is None:
            from rhscheck.traces.audit.judge import summary_of  # noqa: PLC0415  compiles specs

            self._summary = summary_of(self.system)
            self.fresh = True
        return self._summary

    def speaks_of(self, case: Case) -> bool:
        """Whether the spec has a word for it."""
        return speaks_of(case, self.summary.labels)

    def opinions(self, cases: Iterable[Case]) -> dict[Case, Opinion]:
        """What the spec says about each case, when nothing else is known."""
        wanted = list(dict.fromkeys(cases))
        missing = self._missing(wanted)
        if missing and self._more is not None:
            self.known = {**self._more(), **self.known}
            self._more = None
            missing = self._missing(wanted)
        if missing:
            from rhscheck.traces.audit.judge import opinions  # noqa: PLC0415  compiles specs

            found, self._engine = opinions(self.system, self.header, missing, self._engine)
            self.known.update(found)
            self.fresh = True
        return self.known

    def _missing(self, cases: Iterable[Case]) -> list[Case]:
        """The cases of which nothing is known, not even by one that is no different."""
        missing = []
        for case in cases:
            if case not in self.known:
                same = self.known.get(alike(case, self.summary.codes))
                # What is wrong with a case is told with its own code.
                if same is None or same.findings:
                    missing.append(case)
                else:
                    self.known[case] = same
        return missing

    def strict(self, file: str) -> StrictBench:
        """A judge for one log that lacks nothing but what the mapping declares."""
        from rhscheck.traces.audit.judge import StrictBench  # noqa: PLC0415  compiles specs

        return StrictBench(self.system, self.logmap, self.header, file, self._strict, self._keep)

    def _keep(self, engine: Engine) -> None:
        self._strict = engine
