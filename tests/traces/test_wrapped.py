"""Records that are wrapped, or have several lines: nothing is made up, no text is lost."""

from __future__ import annotations

import functools
import random
from io import BytesIO

import pytest
from cluster_logs import log_lines

from rhscheck.spec.load import load
from rhscheck.traces.audit.audit import Audit
from rhscheck.traces.audit.court import Court
from rhscheck.traces.audit.report import entry_text
from rhscheck.traces.logmap import compiled
from rhscheck.traces.logmap.load import load_map
from rhscheck.traces.logmap.read import LogReader
from rhscheck.traces.logmap.wrapped import MAX_JOINED, Part, part_of

HEAD = "00000fe4.00001a10::2024/05/06-10:00:0{}.000 INFO  "
RESTART = "[RCM] rcm::RcmMonitor::RestartResources: Monitor restart for resource {}\n"
NEXT = HEAD.format(9) + "[GUM] the next record\n"


@functools.cache
def court() -> Court:
    system = load("rhs").system
    return Court(load_map("clusterlog"), lambda: system)


def audited(text: str) -> Audit:
    reader, audit = LogReader(court().logmap), Audit("x.log", court())
    stream = BytesIO(text.encode())
    reader.begin(stream)
    for batch in reader.batches(stream):
        audit.take(batch)
    audit.story.finish()
    return audit


def shown(text: str) -> dict[str, list[tuple[int, str]]]:
    """The timelines of all resources."""
    return {
        one.name: [(entry.line, entry_text(entry.told)) for entry in one.timeline]
        for one in audited(text).story.resources.values()
    }


ENDED, OPENED = "its monitor has ended", "RCM asks for Online"


@pytest.fixture(autouse=True, params=["compiled", "not compiled"])
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "not compiled":
        monkeypatch.setattr(compiled, "usual", None)


def test_a_name_that_is_known_is_found_in_two_lines() -> None:
    known = HEAD.format(1) + "[RCM] Issuing Online(SQL Server (MSSQL)) to RHS.\n"
    for broken in ("SQL\n Server (MSSQL)", "SQL \nServer (MSSQL)", "SQL Ser\nver (MS\n    SQL)"):
        found = shown(known + HEAD.format(2) + RESTART.format(broken) + NEXT)
        assert found == {"SQL Server (MSSQL)": [(1, OPENED), (2, ENDED)]}


def test_the_known_name_is_that_of_which_all_stands_there() -> None:
    known = "".join(
        HEAD.format(1) + f"[RCM] Issuing Online({name}) to RHS.\n" for name in ("SQL", "SQL Server")
    )
    found = shown(known + HEAD.format(2) + RESTART.format("SQL\nServer") + NEXT)
    assert found == {"SQL": [(1, OPENED)], "SQL Server": [(2, OPENED), (3, ENDED)]}
    found = shown(known + HEAD.format(2) + RESTART.format("SQL\n(a comment)") + NEXT)
    assert found == {"SQL": [(1, OPENED), (3, ENDED)], "SQL Server": [(2, OPENED)]}


def test_no_name_is_made_up() -> None:
    for text in (
        RESTART.format("SQL\n Server (MSSQL)"),
        RESTART.format("a\ncontinuation text with [RHS] inside"),
        "[RHS] Error 5 from ResourceControl for resource a\nsome more text.\n",
        "[RCM] Issuing Online(Da\nten) to RHS.\n",
    ):
        audit = audited(HEAD.format(1) + text + NEXT)
        assert audit.story.resources == {}
        assert (audit.tally.relevant, audit.tally.understood) == (1, 0)
        assert audit.tally.unknown


def test_a_blank_at_the_break_is_one_of_the_name() -> None:
    for broken in ("Da \nten", "Da\n ten"):
        found = shown(HEAD.format(1) + f"[RCM] Issuing Online({broken}) to RHS.\n" + NEXT)
        assert found == {"Da ten": [(1, OPENED)]}


def test_a_state_that_goes_on() -> None:
    change = "[RCM] TransitionToState(d) OnlineCallIssued-->{}\n"
    found = shown(HEAD.format(1) + change.format("Online\nPending.") + NEXT)
    assert found == {"d": [(1, "OnlineCallIssued → OnlinePending")]}
    # What follows cannot be part of a state.
    found = shown(HEAD.format(1) + change.format("Online\nas it should be") + NEXT)
    assert found == {"d": [(1, "OnlineCallIssued → Online")]}
    # It may be, or not.
    assert shown(HEAD.format(1) + change.format("Online\nPending") + NEXT) == {}


def test_what_is_complete_does_not_go_on() -> None:
    for text in (
        "[RHS] Error 5 from ResourceControl for resource a.\nSome more text.\n",
        "[RCM] Issuing Online(a) to RHS.\nsee above\n\nand below\n",
        "[RHS] Resource a has come online. RHS is about to report status change to RCM\njunk.\n",
    ):
        audit = audited(HEAD.format(1) + text + NEXT)
        assert list(audit.story.resources) == ["a"]
        assert (audit.tally.relevant, audit.tally.understood) == (1, 1)


def test_a_rule_that_knows_the_whole_comes_first() -> None:
    deadlock = "[RHS] Resource d handling deadlock. Cleaning current operation\n"
    found = shown(HEAD.format(1) + deadlock + "and terminating RHS process.\n" + NEXT)
    assert found == {"d": [(1, "the monitor ends: deadlock")]}
    loading = "[RHS] RhsCall::Perform_NativeEH: ERROR_MOD_NOT_FOUND(126)' because of 'Unable to\n"
    audit = audited(HEAD.format(1) + loading + "load resource DLL mqclus.dll.\n" + NEXT)
    assert [one.kind for one in audit.story.incidents] == ["not-loaded"]


def test_a_record_of_its_own_ends_another() -> None:
    stuck = "[RHS] RhsCall::DeadlockMonitor: Call ISALIVE timed out for resource 'w'."
    for begins, ends in (("**", "**"), ("> ", ""), ("12: ", ""), ("12 ", ""), ("", "")):
        head = HEAD.format(1) + "[RCM] rcm::RcmMonitor::RestartResources: Monitor\n"
        text = f"{head}restart for resource SQL\n{begins}{HEAD.format(2)}{stuck}{ends}\n"
        assert shown(text) == {"SQL": [(1, ENDED)], "w": [(3, "IsAlive timed out")]}
    assert shown(HEAD.format(1) + RESTART.format("a") + "[=== System ===]\nx\n") == {
        "a": [(1, ENDED)]
    }


def test_what_a_dll_says_has_all_its_lines() -> None:
    says = HEAD.format(1).replace("INFO", "ERR ") + "[RES] T <a>: bad things:\n"
    found = shown(says + "  second line: path not found\nthird\n" + NEXT)
    assert found == {"a": [(1, "the DLL says: bad things: second line: path not found third")]}
    # Of a rule with more to say.
    text = "[RES] Disk <a>: OnlineThread: Error 123 bringing\nresource online.\n"
    assert shown(HEAD.format(1) + text) == {"a": [(1, "the DLL's worker failed: Online")]}
    found = shown(says + "line\n" * 20 + NEXT)
    assert found == {"a": [(1, "the DLL says: bad things:" + " line" * (MAX_JOINED - 1))]}


def test_a_line_that_was_joined_is_not_read_again() -> None:
    name = (
        "Resource d called SetResourceStatusEx: checkpoint 5. Old state OnlinePending, new state "
    )
    text = HEAD.format(1) + "[RHS]\n" + name + "OnlinePending, AppSpErrorCode 0, Flags 0\n" + NEXT
    audit = audited(text)
    assert audit.story.events == 1
    assert (audit.tally.relevant, audit.tally.untimed) == (1, 0)


def test_a_line_about_resources_that_cannot_be_read_is_counted() -> None:
    audit = audited(HEAD.format(1) + "[GUM] x\n?? 123 INFO [RHS] a line\n" + NEXT)
    assert audit.tally.unknown == {"?? … INFO [RHS] a line": (1, 2)}
    assert (audit.tally.relevant, audit.tally.understood) == (1, 0)


def test_what_may_stand_before_a_line_that_continues_another() -> None:
    assert part_of("SQL", "Server") == Part("Server", (" ", ""))
    assert part_of("SQL ", "Server  ") == Part("Server", (" ",))
    assert part_of("SQL", " Server") == Part("Server", (" ",))
    assert part_of("SQL", "    Server") == Part("Server", (" ", ""))


@pytest.mark.parametrize("seed", range(25))
def test_no_break_adds_a_resource_or_a_state(seed: int) -> None:
    rng = random.Random(seed)
    lines = log_lines(rng, 40)
    whole = audited("\n".join([*lines, ""]))
    states = {entry.told for one in whole.story.resources.values() for entry in one.timeline}
    for _ in range(10):
        at = rng.randrange(len(lines))
        cut = rng.randrange(52, len(lines[at]))
        broken = lines[at][:cut] + rng.choice(("\n", "\n  ")) + lines[at][cut:]
        found = audited("\n".join([*lines[:at], broken, *lines[at + 1 :], ""])).story
        assert set(found.resources) <= set(whole.story.resources)
        for one in found.resources.values():
            # Where a process ends is told of those that are known to be in it.
            loose = ("says", "exit")
            told = {entry.told for entry in one.timeline if entry.told.kind not in loose}
            assert told <= states
