"""Lines of a cluster.log of 2024-05-06 about what went wrong, and what is told of them.

For tests only.
"""

from __future__ import annotations

from io import BytesIO

from rhscheck.traces.audit.durations import Limits
from rhscheck.traces.audit.story import Story
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LogReader

RCM = "00000fe4.00001a10::2024/05/06-10:{} INFO  [RCM] {}\n"
RHS = "{}.00001b10::2024/05/06-10:{} ERR   [RHS] {}\n"
ONE, TWO = "00001a00", "00001b00"
TIMED_OUT = "RhsCall::DeadlockMonitor: Call {} timed out by 16 milliseconds for resource '{}'."
GIVEN_UP = "Resource {} handling deadlock. Cleaning current operation."
DUMPED = "WER report is submitted. Result : WerReportQueued."
RESTART = "rcm::RcmMonitor::RestartResources: Monitor restart for resource {}"
ONLINE = "Resource {} has come online. RHS is about to report status change to RCM."

USUAL = Limits(call_us=300_000_000, silence_us=180_000_000)


def story_of(*lines: str) -> Story:
    reader, story = LogReader(load_map("clusterlog")), Story(USUAL)
    for sighting in reader.read(BytesIO("".join(lines).encode())):
        story.take(sighting)
    story.finish()
    return story


Found = list[tuple[str, str | None, list[int], list[str]]]


def incidents(*lines: str) -> Found:
    return [
        (one.kind, one.resource, [line.line for line in one.lines], one.collateral)
        for one in story_of(*lines).incidents
    ]
