"""What an audit keeps of each resource: little, and with nothing lost by the ways it is kept."""

from __future__ import annotations

import functools
import gc
import random
import tracemalloc
from array import array
from collections.abc import Iterator
from io import BytesIO

import pytest
from cluster_logs import log_lines

from rhscheck.spec.load import load
from rhscheck.traces.audit import durations, incidents, story
from rhscheck.traces.audit.audit import audit_log
from rhscheck.traces.audit.cases import noted
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.durations import Kinds, Limits, measure, spans
from rhscheck.traces.audit.model import Place, Resource, Saying
from rhscheck.traces.audit.report import LogReport
from rhscheck.traces.audit.story import Story
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LogReader

RCM = "00000fe4.00001a10::2024/05/06-10:00:{:02}.{:03} {}\n"
RHS = "00001a00.00001b10::2024/05/06-10:00:{:02}.{:03} {}\n"
LIFE = (
    (RCM, "INFO  [RCM] TransitionToState(d{n}) Offline-->OnlineCallIssued."),
    (RCM, "INFO  [RCM] Issuing Online(d{n}) to RHS."),
    (RCM, "INFO  [RCM] HandleMonitorReply: ONLINERESOURCE for 'd{n}', gen(0) result 997/0."),
    (RCM, "INFO  [RCM] TransitionToState(d{n}) OnlineCallIssued-->OnlinePending."),
    (RHS, "INFO  [RHS] Resource d{n} called SetResourceStatusEx: checkpoint 2. Old state "
          "OnlinePending, new state OnlinePending, AppSpErrorCode 0, Flags 0, nores=false"),
    (RHS, "INFO  [RHS] Resource d{n} has come online. RHS is about to report status change to RCM"),
    (RCM, "INFO  [RCM] TransitionToState(d{n}) OnlinePending-->Online."),
    (RCM, "INFO  [RCM] Issuing Offline(d{n}) to RHS."),
    (RHS, "INFO  [RHS] Resource d{n} has come offline. RHS is about to report resource status to "
          "RCM."),
    (RCM, "INFO  [RCM] TransitionToState(d{n}) OfflineCallIssued-->Offline."),
)  # fmt: skip


@functools.cache
def court() -> Court:
    system = load("rhs").system
    return Court(load_map("clusterlog"), lambda: system)


def audited(data: bytes, *, one_by_one: bool = False) -> LogReport:
    keep = (lambda _event: None) if one_by_one else None
    return audit_log(BytesIO(data), file="x", number=0, court=court(), keep=keep)


def lives(resources: int) -> Iterator[bytes]:
    for second, (form, text) in enumerate(LIFE):
        for number in range(resources):
            said = text.format(n=number)
            yield form.format(5 * second + number // 1000, number % 1000, said).encode()


def story_of(log: BytesIO) -> Story:
    reader, told = LogReader(load_map("clusterlog")), Story()
    reader.begin(log)
    for batch in reader.batches(log):
        told.take_batch(batch)
    return told


def kept(resources: int) -> int:
    """Bytes that the story of so many lives takes, without what its reader remembers."""
    log = BytesIO(b"".join(lives(resources)))
    tracemalloc.start()
    told = story_of(log)
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(told.resources) == resources
    assert all(len(spans(one)) == 3 for one in told.resources.values())
    return used


def test_a_resource_takes_less_than_two_kib(monkeypatch: pytest.MonkeyPatch) -> None:
    # As where there are many: it is the number of them that makes timelines short.
    monkeypatch.setattr(story, "LONG", story.SHORT)
    few, many = 500, 2500
    assert (kept(many) - kept(few)) / (many - few) < 2048


def test_timelines_are_shorter_where_there_are_tens_of_thousands() -> None:
    told, one = Story(), Resource("d", Kinds(Limits()))
    lengths = []
    for count in (1, 1000, 2500, 60_000, 100_000):
        told.resources = dict.fromkeys(map(str, range(count)), one)
        lengths.append(told.length)
    assert lengths == [200, 20, 8, 8, 5]


def test_the_longest_of_each_kind_is_kept_and_all_are_counted() -> None:
    root = Kinds(Limits(call_us=50, silence_us=70))
    one, two = Resource("d", root), Resource("e", root)
    measure(one, "Online", (1, 0), (2, 10), at_most=True)
    measure(one, "silence", (2, 10), (3, 40), at_most=False)
    measure(one, "Online", (4, 50), (5, 90), at_most=False)
    measure(one, "Online", (6, 100), (7, 140), at_most=True)  # no longer than the last
    measure(one, "Online", (8, None), (9, 200), at_most=False)
    measure(one, "Online", (9, 200), (10, 199), at_most=False)
    measure(two, "Online", (1, 7), (2, 7), at_most=False)
    measure(two, "silence", (2, 7), (3, 8), at_most=False)
    shown = {
        what: (count, span.start.line, span.end.line, span.used_us, span.limit_us, span.at_most)
        for what, (span, count) in spans(one).items()
    }
    assert shown == {"Online": (3, 4, 5, 40, 50, False), "silence": (1, 2, 3, 30, 70, False)}
    assert one.silence_us == 30
    assert one.kinds is two.kinds
    assert one.measured == array("q", (3, 4, 50, 5, 90, 0, 1, 2, 10, 3, 40, 0))
    assert spans(Resource("f", root)) == {}


def test_more_kinds_than_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "_SHARED", 2)
    root = Kinds(Limits())
    one, two = Resource("d", root), Resource("e", root)
    for at, what in enumerate("abcde"):
        measure(one, what, (at, at), (at + 1, 2 * at), at_most=False)
    for at, what in enumerate("abxyz"):
        measure(two, what, (at, at), (at + 1, 3 * at), at_most=False)
    assert [(what, span.used_us) for what, (span, _) in spans(one).items()] == [
        ("a", 0), ("b", 1), ("c", 2), ("d", 3), ("e", 4),
    ]  # fmt: skip
    assert [(what, span.used_us) for what, (span, _) in spans(two).items()] == [
        ("a", 0), ("b", 2), ("x", 4), ("y", 6), ("z", 8),
    ]  # fmt: skip


def test_more_cases_than_have_a_bit() -> None:
    failed = "ERR   [RHS] Error {} from ResourceControl for resource d."
    codes = [*range(1, 200), *range(1, 200)]
    data = "".join(RHS.format(0, 0, failed.format(code)) for code in codes).encode()
    told = story_of(BytesIO(data))
    found = noted(told.resources["d"], list(told.cases))
    assert [(case[2], at[0]) for case, at in found.items()] == [(one, one) for one in range(1, 200)]
    assert told.judged == 398
    assert audited(data).as_json() == audited(data, one_by_one=True).as_json()


def test_a_case_has_the_line_and_the_time_of_the_first() -> None:
    told = Story()
    one = told.resources["d"] = Resource("d", Kinds(Limits()))
    told.note_case(("call", "Online", None), one, 3, None)
    told.note_case(("call", "Online", None), one, 4, 5)
    told.note_case(("call", "Offline", None), one, 6, 7)
    # Whatever a mapping takes for a time.
    told.note_case(("call", "Close", None), one, 8, 0xFFFF_FFFF_FFFF_FFFF)
    assert noted(one, list(told.cases)) == {
        ("call", "Online", None): (3, None),
        ("call", "Offline", None): (6, 7),
        ("call", "Close", None): (8, (1 << 63) - 1),
    }


def test_what_was_said_long_ago_is_forgotten_where_it_explains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs = []
    for seed in range(8):
        lines = log_lines(random.Random(seed), 1500, resources=40, loud=0.8)
        lines.sort(key=lambda line: line.partition("::")[2][:23])  # one recording: time goes on
        logs.append(("\n".join(lines) + "\n").encode())
    known = [audited(data) for data in logs]
    assert all(any(one.causes for one in report.incidents) for report in known)
    forgotten = []
    counts = incidents._counts

    def counted(saying: Saying, here: Place) -> bool:
        forgotten.append(not counts(saying, here))
        return not forgotten[-1]

    monkeypatch.setattr(incidents, "SWEEP", 1)
    monkeypatch.setattr(incidents, "_counts", counted)
    assert [audited(data).as_json() for data in logs] == [one.as_json() for one in known]
    assert sum(forgotten) > 100
