"""Every published excerpt of a real log: what is read from it, and that it accuses nobody wrongly.

The files in `logs/` keep their sources in comment lines, which are no part of the log: lines are
counted without them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from rhscheck.spec.load import load
from rhscheck.traces.audit.audit import audit_log
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.report import LogReport, entry_text
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LegacyFormat

LOGS = Path(__file__).parent / "logs"
SO_FAR = "conforms-so-far"


@functools.cache
def court() -> Court:
    system = load("rhs").system
    return Court(load_map("clusterlog"), lambda: system)


def log_bytes(name: str) -> bytes:
    lines = (LOGS / f"{name}.log").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("# source:", "# note:"))]
    return ("\n".join(kept) + "\n").encode("utf-8")


def audited(data: bytes) -> LogReport:
    return audit_log(BytesIO(data), file="x", number=0, court=court())


@dataclass(frozen=True)
class Case:
    """What must be read from a file. Timelines without what the DLL itself says."""

    resources: dict[str, list[tuple[int, str]]]
    # line, kind, resource, blame, lines of evidence, lines of likely causes, collateral
    incidents: list[tuple[int, str, str | None, str | None, list[int], list[int], list[str]]]
    verdict: str
    rules: dict[str, str]
    says: tuple[int, ...] = ()  # lines of warnings and errors of the DLL on timelines
    unknown: int = 0
    notes: tuple[str, ...] = ()


UNTIMED = "no time: only the order is known"
CASES = {
    "azure-ipaddress-setresourcestatusex": Case(
        {"IP Address 10.0.1.0": [(1, "SetResourceStatus(pending), check point 5")]},
        [],
        SO_FAR,
        {
            "P1[onlineSilence]": SO_FAR,
            "P1[offlineSilence]": SO_FAR,
            "P2stale": SO_FAR,
            "B2[Onlining.Pending]": SO_FAR,
            "B2[Offlining.Pending]": SO_FAR,
            # Whether the call was still running, one line cannot tell.
            "D2": "inconclusive",
        },
        notes=(UNTIMED,),
    ),
    "failoverdetector-2016-system-channel-multiline": Case(
        {},
        [
            (3, "service-gone", None, None, [3, 6], [], []),
            (8, "service-gone", None, None, [8, 10], [], []),
        ],
        "not-observable",
        {},
    ),
    # Separate snippets: between two of them anything may have happened, so nothing is a fault.
    "generic-script-entrypoints": Case(
        {
            "GenericScript Script": [
                (3, "call Open"),
                (6, "call Close"),
                (8, "call Online"),
                (10, "call LooksAlive"),
                (12, "call IsAlive"),
            ]
        },
        [],
        SO_FAR,
        {
            "R1": SO_FAR,
            "R1strict": SO_FAR,
            "R2": SO_FAR,
            "R2last": SO_FAR,
            "R2worker": "inconclusive",
            "R4": SO_FAR,
            "R4strict": "inconclusive",
            "R5": SO_FAR,
            "P6": SO_FAR,
            "P6early": SO_FAR,
            "P6earlyIsAlive": SO_FAR,
            "P6late": SO_FAR,
            "P6lateIsAlive": SO_FAR,
            "P10": SO_FAR,
            "P11": SO_FAR,
            "B1[Online]": SO_FAR,
            "B3[Open]": SO_FAR,
            "B3[Close]": SO_FAR,
            "B3[LooksAlive]": SO_FAR,
            "B3[IsAlive]": SO_FAR,
        },
        notes=(UNTIMED,),
    ),
    "ibm-2013-online-deadlock": Case(
        {
            "TSM1": [],
            "TSM-Server-TSM1": [
                (4, "Online timed out"),
                (5, "RHS cleans up the operation and goes on"),
            ],
        },
        [(4, "timed-out", "TSM-Server-TSM1", "DLL", [4, 5], [], [])],
        SO_FAR,
        {"P5": SO_FAR},
        notes=("lines were left out, first in line 2",),
    ),
    # The log says LOOKSALIVE; it may have been the IsAlive in the same call record.
    "joshthecoder-2018-12-03-fsw-looksalive-deadlock": Case(
        {
            "File Share Witness": [
                (1, "LooksAlive timed out"),
                (2, "crashed or deadlocked: marked to run in a separate monitor"),
                (6, "its monitor has ended"),
                (7, "opened again in a new monitor: Online"),
                (8, "moved to another monitor: 0"),
                (12, "Arbitrate failed"),
            ],
            "agMyDatabaseProd_12.3.4.567": [
                (4, "its monitor has ended"),
                (5, "opened again in a new monitor: Online"),
            ],
            "agMyDatabaseProd_MyListenerName": [(9, "Online succeeded")],
        },
        [
            (
                *(1, "timed-out", "File Share Witness", "DLL", [1, 2, 3, 4, 6], []),
                ["agMyDatabaseProd_12.3.4.567"],
            ),
            (12, "failed", "File Share Witness", None, [12], [10, 11], []),
        ],
        SO_FAR,
        {"P5other": SO_FAR, "B1[Online]": SO_FAR},
        says=(10, 11),
        notes=(UNTIMED,),
    ),
    # Lines 71 and 72 are one change of state in two spellings; 139 and 140 two processes.
    "joshthecoder-2020-05-21-node2-arbitrate-online": Case(
        {
            "File Share Witness": [
                (71, "Offline → OnlineCallIssued"),
                (73, "RCM asks for Arbitrate"),
                (119, "RCM asks for Online"),
            ]
        },
        [(139, "service-gone", None, None, [139, 140], [], [])],
        SO_FAR,
        {
            "R1": SO_FAR,
            "R1strict": SO_FAR,
            "R2last": SO_FAR,
            "R4": SO_FAR,
            "R4strict": "inconclusive",
            "B1[Online]": SO_FAR,
        },
        unknown=4,
        notes=("the lines have no date",),
    ),
    "kb2590305-disk-online-error123": Case(
        {
            "G:\\": [
                (7, "the DLL's worker failed: Online"),
                (9, "return ResourceControl, code 5023"),
                (10, "RCM is told: ResourceControl, code 5023"),
            ]
        },
        [(7, "failed", "G:\\", "DLL", [7], [1, 2, 5, 6], [])],
        SO_FAR,
        {"P6late": SO_FAR, "B3[ResourceControl]": SO_FAR},
        says=(1, 2, 5),
        notes=(UNTIMED,),
    ),
    "kb950805-netname-cannot-come-online-this-node": Case(
        {
            "FSCAP01": [
                (11, "Online failed"),
                (12, "return Online, code 5015"),
            ]
        },
        [(11, "failed", "FSCAP01", "DLL", [11, 12], [4, 5, 7, 10], [])],
        SO_FAR,
        {"B1[Online]": SO_FAR},
        says=(1, 4, 10),
        notes=(UNTIMED,),
    ),
    "misc-single-lines": Case(
        {"File Share Witness": [], "Cluster Disk 3": [], "ag8102017": []},
        [],
        "not-observable",
        {},
        says=(1, 2, 3, 4, 5),
        notes=(UNTIMED,),
    ),
    "ms-ag-automatic-failover-2020-online-failed": Case(
        {"AOCProd01AG": [(7, "Online failed")]},
        [(7, "failed", "AOCProd01AG", "DLL", [7], [2, 5, 6], [])],
        SO_FAR,
        {"B1[Online]": SO_FAR},
        says=(2, 5, 6),
    ),
    # Three incidents of three years on one page; `ag` and `AG` are different resources.
    "ms-ag-failover-2021-2023-isalive-failure": Case(
        {
            "ag": [(16, "return IsAlive, code 1")],
            "AG": [
                (21, "return IsAlive, code 1"),
                (22, "RCM is told: FAILURENOTIFICATION, code 1"),
            ],
        },
        [
            (8, "service-gone", None, None, [8], [], []),
            (16, "unhealthy", "ag", None, [16], [13, 14, 15], []),
            (21, "unhealthy", "AG", None, [21, 22], [17, 18, 19, 20], []),
        ],
        SO_FAR,
        {"P4": SO_FAR, "P6late": SO_FAR, "P6lateIsAlive": SO_FAR, "B3[IsAlive]": SO_FAR},
        says=(13, 14, 15, 19, 20),
        notes=("the time goes back, first in line 17",),
    ),
    # Separate moments of a table: that Offline is over in line 5 belongs to another day.
    "ms-sqldocs-2011-ag-offline-move": Case(
        {"ag": [(5, "Offline succeeded"), (7, "Online → OfflineCallIssued")]},
        [],
        SO_FAR,
        {"B1[Offline]": SO_FAR},
        says=(2,),
        notes=("the time goes back, first in line 6",),
    ),
    "pugazh-2009-resource-dll-load-failure": Case(
        {},
        [(2, "not-loaded", None, None, [2], [], [])],
        "not-observable",
        {},
    ),
    "ws2022-gpo-case-phase1": Case(
        {},
        [(16, "service-gone", None, None, [16], [], [])],
        "not-observable",
        {},
        notes=("lines were left out, first in line 9",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_read_from(name: str) -> None:
    case, report = CASES[name], audited(log_bytes(name))
    timelines = {
        one.name: [
            (entry.line, entry_text(entry.told))
            for entry in one.timeline
            if entry.told.kind != "says"
        ]
        for one in report.resources
    }
    assert timelines == case.resources
    said = [
        entry.line
        for one in report.resources
        for entry in one.timeline
        if entry.told.kind == "says"
    ]
    assert tuple(sorted(said)) == case.says
    found = [
        (
            *(one.place.line, one.kind, one.resource, one.blame),
            [line.line for line in one.lines],
            [saying.place.line for saying in one.causes],
            one.collateral,
        )
        for one in report.incidents
    ]
    assert found == case.incidents
    assert report.judgement.verdict == case.verdict
    told = {rule: one for rule, one in report.judgement.rules if one != "not-observable"}
    assert told == case.rules
    assert report.judgement.findings == ()
    assert report.tally.relevant - report.tally.understood == case.unknown
    assert len(report.notes) == len(case.notes)
    assert all(part in note for part, note in zip(case.notes, report.notes, strict=True))


def test_every_file_is_covered() -> None:
    files = {path.stem for path in LOGS.glob("*.log")}
    assert files == {*CASES, "legacy-2000-2003"}


def test_logs_of_windows_2000_and_2003_are_refused() -> None:
    with pytest.raises(LegacyFormat):
        audited(log_bytes("legacy-2000-2003"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-8-sig"])
def test_the_encoding_makes_no_difference(encoding: str) -> None:
    name = "joshthecoder-2020-05-21-node2-arbitrate-online"
    plain = audited(log_bytes(name))
    other = audited(log_bytes(name).decode("utf-8").encode(encoding))
    assert other.as_json() | {"encoding": ""} == plain.as_json() | {"encoding": ""}
    assert other.encoding == {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)


@pytest.mark.parametrize("name", ["ms-ag-failover-2021-2023-isalive-failure"])
def test_two_blanks_behind_the_level_or_one(name: str) -> None:
    data = log_bytes(name)
    wide = data.replace(b" ERR [", b" ERR   [").replace(b" WARN [", b" WARN  [")
    wide = wide.replace(b" INFO [", b" INFO  [")
    assert wide != data
    assert audited(wide).as_json() == audited(data).as_json()
