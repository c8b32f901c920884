"""Mappings at the front door: what is refused, and what another spec makes of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rhscheck import opinions
from rhscheck.cli import cli
from rhscheck.mappings import words_of_spec
from rhscheck.traces.logmap.language import short_name

MAP = """map foo "Foo log"
form {time:iso} {text:rest}
facts complete=no lossy=no start=initial slack_ms=500
unseen expiry *, timer *, event handleSignaled
values entry Open=Open Close=Close Online=Online Terminate=Terminate
on   {res:word} > {op:entry}
emit call {op} res={res}
log  2026-03-02 09:15:01.000 disk7 > Open
is   call Open res=disk7
on   {res:word} < {op:entry} {code:int}
emit return {op} res={res} rc={code}
"""
AT = "2026-03-02 09:{} {}\n"
OPENED = AT.format("15:00.000", "d > Open") + AT.format("15:00.100", "d < Open 0")
ONLINE = AT.format("15:01.000", "d > Online") + AT.format("15:01.200", "d < Online 0")
PENDING = (
    ONLINE.replace("Online 0", "Online 997")
    + AT.format("19:00.000", "d > Terminate")
    + AT.format("19:01.000", "d < Terminate 0")
)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)


def written(folder: Path, text: str, log: str = OPENED + ONLINE) -> None:
    (folder / "m.map").write_text(text, "utf-8")
    (folder / "d.log").write_text(log, "utf-8")


def audited(*options: str) -> tuple[int, dict[str, Any]]:
    done = run("audit", "d.log", "--map", "m.map", "--format", "json", *options)
    return done.return_value, json.loads(done.stdout)["logs"][0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Open=Open", "Open=Opn", "m.map:5:14: rhs has no `call Opn` (used in line 7); did you"),
        ("timer *", "timer onlinesilence", "m.map:4:18: rhs has no `timer onlinesilence`; did"),
        ("call {op}", "call Onlin", "m.map:7:11: rhs has no `call Onlin`; did you mean `Online`"),
        ("unseen", "limits call=CallTimout\nunseen",
         "m.map:4:8: rhs has no time called `CallTimout`; did you mean `CallTimeout`?"),
        ("unseen", "spec rsh\nunseen", "m.map:4:6: `spec`: there is no shipped spec and no file "
         "called rsh; did you mean `rhs`?"),
        ("unseen", "spec\nunseen", "m.map:4:5: `spec` needs the name of a spec"),
    ],
)  # fmt: skip
def test_a_typo_in_a_mapping_accuses_nobody(at: Path, old: str, new: str, message: str) -> None:
    written(at, MAP.replace(old, new, 1), OPENED + PENDING)
    for command in (("map", "test", "m.map"), ("audit", "d.log", "--map", "m.map")):
        done = run(*command)
        assert (done.return_value, done.stdout) == (2, "")
        assert done.stderr.startswith("error: the mapping cannot be used\n" + message)


def test_the_right_mapping_acquits(at: Path) -> None:
    written(at, MAP)
    assert run("map", "test", "m.map").return_value == 0
    status, log = audited()
    assert (status, log["verdict"], log["findings"]) == (0, "conforms-so-far", [])


def test_names_are_checked_without_compiling_the_flagship(
    at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(at, MAP)
    monkeypatch.setattr("rhscheck.api.load_system", None)
    assert run("map", "test", "m.map", "clusterlog", "entrypoints").return_value == 0


def test_shipped_words_are_those_that_the_spec_has(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = opinions.shipped_words("rhs")
    assert shipped is not None, "run bench/ship_opinions.py"
    monkeypatch.setattr("rhscheck.mappings.shipped_words", lambda _spec: None)
    found = words_of_spec("rhs", all_readings=True)
    assert (found.labels, found.recorded, found.each, found.times) == (
        *(shipped.labels, shipped.recorded, shipped.each, shipped.times),
    )
    assert (found.states, found.codes) == (shipped.states, shipped.codes)
    assert ("event", "recordExpired") in found.labels  # in another reading


def test_a_shipped_mapping_asks_no_spec(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rhscheck.mappings.words_of_spec", None)
    line = "00000df4.00000c04::2009/10/17-19:20:47.093 ERR   [RHS] Enqueuing Open call.\n"
    (at / "d.log").write_text(line, "utf-8")
    assert run("audit", "d.log").return_value == 3


def test_another_spec_that_calls_it_otherwise_accuses_nobody(at: Path) -> None:
    silent = MAP.replace("timer *", "timer onlineSilence")
    written(at, silent, OPENED + PENDING)
    status, log = audited("--spec", "two_phase")
    assert (status, log["verdict"], log["findings"]) == (3, "empty", [])
    assert log["notes"][0] == (
        "foo is for rhs, and says that `timer onlineSilence`, `event handleSignaled` may leave no "
        "line, which two_phase does not have: taken as `timer *`, `event *`"
    )
    assert "6 events are none that two_phase has a word for (first `call Open`, line 1): not " in (
        " ".join(log["notes"])
    )
    # What is unseen by its own spec's names is so all the same.
    status, log = audited()
    assert [one["verdict"] for one in log["findings"] if one["verdict"] == "violated"] == []


def test_a_mapping_whose_own_spec_is_not_there_is_for_the_one_chosen(at: Path) -> None:
    written(at, MAP + "spec elsewhere.sm\n")
    assert audited("--spec", "rhs")[1]["verdict"] == "conforms-so-far"
    written(at, MAP.replace("Open=Open", "Open=Opn") + "spec elsewhere.sm\n")
    done = run("audit", "d.log", "--map", "m.map", "--spec", "rhs")
    assert done.return_value == 2
    assert "rhs has no `call Opn`" in done.stderr


def test_a_word_of_the_log_that_the_spec_does_not_have_accuses_nobody(at: Path) -> None:
    free = MAP.replace("{op:entry}", "{op:word}")
    written(at, free, OPENED.replace("Open", "open") + ONLINE)
    status, log = audited()
    assert [one for one in log["findings"] if one["verdict"] == "violated"] == []
    assert status == 3 or log["verdict"] in ("inconclusive", "conforms-so-far")
    assert (
        "2 events are none that rhs has a word for (first `call open`, line 1): the run may be in "
        "any state after it; a table of the mapping says what such a word means, and `note` what "
        "the spec does not speak of"
    ) in log["notes"]


def test_a_state_of_the_log_that_the_spec_does_not_have_accuses_nobody(at: Path) -> None:
    reports = MAP + "on {res:word} is {state:word}\n"
    reports += "emit status SetResourceStatus res={res} state={state}\n"
    log = OPENED + ONLINE.replace("Online 0", "Online 997") + AT.format("15:02.000", "d is ONLINE")
    written(at, reports, log)
    found = audited()[1]
    assert [one for one in found["findings"] if one["verdict"] == "violated"] == []
    assert (
        "1 event is none that rhs has a word for (`status SetResourceStatus(ONLINE)`, line 5)"
        in (" ".join(found["notes"]))
    )


def test_long_names_that_begin_alike_are_two_resources(at: Path) -> None:
    one, two = "n" * 600 + "A", "n" * 600 + "B"
    later = OPENED.replace("15:00", "15:01").replace("d ", two + " ")
    written(at, MAP, OPENED.replace("d ", one + " ") + later)
    status, log = audited("--resource", one)
    assert (status, log["verdict"]) == (0, "conforms-so-far")
    assert [resource["name"] for resource in log["resources"]] == [short_name(one)]


def limits(log: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(one["what"], one["limit_us"]) for one in log["resources"][0]["durations"]]


def test_limits_are_those_of_the_spec_that_the_mapping_names(at: Path) -> None:
    five, ten = 300_000_000, 600_000_000
    written(at, MAP.replace("unseen", "limits call=CallTimeout\nunseen"))
    assert limits(audited()[1]) == [("Open", five), ("Online", five)]
    assert limits(audited("--set", "CallTimeout=10m")[1]) == [("Open", ten), ("Online", ten)]
    # A spec that has no such time has no such limit.
    assert limits(audited("--spec", "two_phase")[1]) == [("Open", None), ("Online", None)]
    written(at, MAP)
    for options in ((), ("--set", "CallTimeout=10m")):
        assert limits(audited(*options)[1]) == [("Open", None), ("Online", None)]
    assert "  Open used 100 ms (lines 1 to 2)\n" in run("audit", "d.log", "--map", "m.map").stdout


def test_of_many_untested_rules_a_few_are_listed(at: Path) -> None:
    rules = "".join(f"on message {number}\nemit nothing\n" for number in range(5000))
    written(at, MAP + rules)
    done = run("map", "test", "m.map")
    assert done.stdout.endswith(
        "lines 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32 and 4,989 more\n"
    )
    found = json.loads(run("map", "test", "m.map", "--format", "json").stdout)["maps"][0]
    assert len(found["untested"]) == 5001
