"""An audit of one log as a value, and its shape in JSON (DESIGN section 8).

Owns how entries of a timeline are worded and how times are written; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_never

import msgspec

from rhscheck.traces.audit.durations import spans
from rhscheck.traces.audit.model import Entry, Incident, Resource, Span
from rhscheck.traces.clusterlog.line import About
from rhscheck.traces.logmap.language import Told
from rhscheck.traces.logmap.reading import DAY_US, Tally
from rhscheck.traces.logmap.text import Encoding
from rhscheck.traces.report import Finding, RuleVerdict, TraceVerdict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ResourceVerdict(msgspec.Struct, frozen=True):
    """What the spec says about one resource."""

    verdict: TraceVerdict
    rules: tuple[tuple[str, RuleVerdict], ...]


class Judgement(msgspec.Struct, frozen=True):
    """What a spec says about a log. `judged`: events that were held against it."""

    spec: str
    verdict: TraceVerdict
    rules: tuple[tuple[str, RuleVerdict], ...]
    judged: int
    resources: dict[str, ResourceVerdict]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogReport:
    """The audit of one log. `notes`: what must be known to read it; `advice`: how to see more."""

    file: str
    mapping: str
    encoding: Encoding
    about: About
    tally: Tally
    events: int
    resources: tuple[Resource, ...]
    incidents: tuple[Incident, ...]
    judgement: Judgement
    notes: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def node(self) -> str | None:
        """The node that wrote the log, None if it does not say."""
        return self.about.node

    def clock(self, time_us: int | None) -> str | None:
        """A time of this log as text."""
        return clock_text(time_us, dated=self.tally.dated, local=self.about.local_time)

    def as_json(
        self,
        resources: Sequence[Resource] | None = None,
        incidents: Sequence[Incident] | None = None,
        findings: Sequence[Finding] | None = None,
    ) -> dict[str, object]:
        """The report as an element of `logs` in the output of `rhscheck audit`; of these alone.

        What there may be a hundred thousand of is JSON already, which takes less memory.
        """
        judgement = self.judgement
        resources = self.resources if resources is None else resources
        incidents = self.incidents if incidents is None else incidents
        findings = judgement.findings if findings is None else findings
        return {
            "file": self.file,
            "map": self.mapping,
            "node": self.node,
            "encoding": self.encoding,
            "lines": self.tally.lines,
            "events": self.events,
            "judged": judgement.judged,
            "understood": self.tally.understood,
            "unparsed": self.tally.relevant - self.tally.understood,
            "unknown": [
                {"shape": shape, "count": count, "line": line}
                for shape, (count, line) in self.frequent_shapes()
            ],
            "verdict": judgement.verdict,
            "rules": dict(judgement.rules),
            "findings": [finding.as_json() for finding in findings],
            "incidents": [self._incident(one) for one in incidents],
            "resources": [
                msgspec.Raw(msgspec.json.encode(self._resource(one))) for one in resources
            ],
            "notes": [*self.notes, *judgement.notes],
            "advice": list(self.advice),
        }

    def frequent_shapes(self) -> list[tuple[str, tuple[int, int]]]:
        """The shapes of messages that no rule of the mapping knows, the most frequent first."""
        shapes = self.tally.unknown.items()
        return sorted(shapes, key=lambda item: (-item[1][0], item[1][1]))[:10]

    def _resource(self, resource: Resource) -> dict[str, object]:
        verdict = self.judgement.resources.get(resource.name)
        return {
            "name": resource.name,
            "monitor": resource.monitor,
            "verdict": "not-observable" if verdict is None else verdict.verdict,
            "rules": {} if verdict is None else dict(verdict.rules),
            "events": resource.events,
            "omitted": resource.omitted,
            "timeline": [self._entry(entry) for entry in resource.timeline],
            "durations": [self._span(span, count) for span, count in spans(resource).values()],
            "open": [
                {"op": op, "line": since[0], "time": self.clock(since[1])}
                for op, since, _ in resource.open
            ],
        }

    def _entry(self, entry: Entry) -> dict[str, object]:
        shown: dict[str, object] = {
            "line": entry.line,
            "time": self.clock(entry.time_us),
            "event": entry_text(entry.told),
        }
        if entry.last_line is not None:
            shown |= {"again": entry.again, "last_line": entry.last_line}
        return shown

    def _span(self, span: Span, count: int) -> dict[str, object]:
        return {
            "what": span.what,
            "used_us": span.used_us,
            "limit_us": span.limit_us,
            "at_most": span.at_most,
            "from_line": span.start.line,
            "to_line": span.end.line,
            "count": count,
        }

    def _incident(self, one: Incident) -> dict[str, object]:
        return {
            "kind": one.kind,
            "resource": one.resource,
            "monitor": one.monitor,
            "line": one.place.line,
            "time": self.clock(one.place.time_us),
            "what": one.what,
            "actor": one.blame,
            "because": one.because,
            "evidence": [{"line": line.line, "text": line.text} for line in one.lines],
            "causes": [
                {"line": saying.place.line, "level": saying.level, "text": saying.text}
                for saying in one.causes
            ],
            "collateral": list(one.collateral),
            "since": self.clock(one.since_us),
            "since_seen": one.since_seen,
        }


def clock_text(time_us: int | None, *, dated: bool, local: bool) -> str | None:
    """A time as ISO 8601, `Z` behind UTC; as a time of day where the log has no dates."""
    if time_us is None:
        return None
    if not dated:
        days, rest = divmod(time_us, DAY_US)
        moment = _EPOCH + timedelta(microseconds=rest)
        return f"{moment:%H:%M:%S}.{rest // 1000 % 1000:03}" + (f" (+{days} d)" if days else "")
    try:
        moment = _EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        return None
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}"
    return text if local else f"{text}Z"


def entry_text(told: Told) -> str:
    """What happened, in a few words."""
    match told.kind:
        case "call":
            return f"RCM asks for {told.op}" if told.inferred else f"call {told.op}"
        case "return":
            return f"return {told.op}, code {told.text('rc')}"
        case "ends":
            outcome = "failed" if told.get("rc") else "succeeded"
            return f"{told.op} {outcome}"
        case "status":
            point = told.get("ckpt")
            shown = f"{told.op}({told.text('state')})"
            return shown if point is None else f"{shown}, check point {point}"
        case "state":
            source = told.text("from")
            return f"{source} → {told.text('to')}" if source else f"now {told.text('to')}"
        case "timeout":
            return f"{told.op} timed out"
        case "notify":
            code = told.get("rc")
            shown = f"{told.text('to') or 'somebody'} is told: {told.text('what')}"
            return shown if code is None else f"{shown}, code {code}"
        case "exit":
            return f"the monitor ends: {told.text('why')}"
        case "gap":
            return f"lines are missing: {told.text('why')}"
        case "note":
            detail = told.text("detail")
            return f"{told.text('what')}: {detail}" if detail else told.text("what")
        case "says":
            return f"the DLL says: {told.text('text')}"
        case _:
            assert_never(told.kind)
