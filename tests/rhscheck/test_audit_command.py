"""`rhscheck audit` and `rhscheck map` as scripts and people see them."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rhscheck.audit_output import length_text
from rhscheck.cli import cli
from rhscheck.texts import json_bytes
from rhscheck.traces.format import load_trace
from rhscheck.traces.wording import clock_time

LOG = "00000df4.00000c04::2009/10/17-19:20:47.093 ERR   [RHS] {}\n"
QUIET = LOG.format("Enqueuing Arbitrate call.")
STUCK = LOG.format("RhsCall::DeadlockMonitor: Call ONLINERESOURCE timed out for resource 'T'.")
OLD = "378.32c::1999/06/09-18:00:18.874 Cluster service started\n"
CALLS = """2026-03-02 09:15:00.000 INFO [1a2c] d: enter Open
2026-03-02 09:15:00.100 INFO [1a2c] d: leave Open
2026-03-02 09:15:01.000 INFO [1a2c] d: enter ResourceControl
2026-03-02 09:15:02.000 INFO [1a2c] d: enter Close
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="\n")
    return str(path)


def test_status_3_where_nothing_is_judged(tmp_path: Path) -> None:
    done = run("audit", write(tmp_path, "a.log", QUIET), "-q")
    assert done.return_value == 3
    assert done.stdout.startswith("1 log: 1 not-observable; 0 incidents; rules: ")


# ---- logs that are refused -----------------------------------------------------------------------
OF_2003 = (
    "old.log is a cluster.log of Windows 2000 or 2003 (no level behind the time). Another program "
    "wrote those, with other states; only logs of 2008 and later can be audited"
)
MISSING = "cannot read the log no.log: No such file or directory"
SAID = f"error: {OF_2003}\nerror: {MISSING}\n"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Two logs that can be read, `calls.log` with a violation, between and beside two others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    write(tmp_path, "a.log", STUCK)
    write(tmp_path, "old.log", OLD)
    write(tmp_path, "b.log", QUIET)
    write(tmp_path, "calls.log", CALLS)
    return ("old.log", "a.log", "no.log", "b.log")


def test_a_folder_with_a_log_that_is_refused(tmp_path: Path) -> None:
    for name, text in (("b.log", QUIET), ("a.TXT", QUIET), ("old.log", OLD), ("x.csv", "")):
        write(tmp_path, name, text)
    done = run("audit", str(tmp_path), "--format", "json")
    assert done.return_value == 2
    found = json.loads(done.stdout)
    assert [Path(one["file"]).name for one in found["logs"]] == ["a.TXT", "b.log"]
    old = str(tmp_path / "old.log")
    reason = OF_2003.replace("old.log", old, 1)
    assert (found["refused"], found["exit"]) == ([{"file": old, "reason": reason}], 2)
    assert done.stderr == f"error: {reason}\n"


def test_json_names_what_was_refused(logs: tuple[str, ...]) -> None:
    done = run("audit", *logs, "--format", "json")
    assert (done.return_value, done.stderr) == (2, SAID)
    found = json.loads(done.stdout)
    assert [(one["file"], one["verdict"]) for one in found["logs"]] == [
        ("a.log", "conforms-so-far"),
        ("b.log", "not-observable"),
    ]
    assert found["refused"] == [
        {"file": "old.log", "reason": OF_2003},
        {"file": "no.log", "reason": MISSING},
    ]
    assert found["exit"] == 2
    done = run("audit", "a.log", "b.log", "--format", "json")
    assert (done.return_value, json.loads(done.stdout)["refused"]) == (0, [])


def test_text_names_what_was_refused_in_the_order_of_the_logs(logs: tuple[str, ...]) -> None:
    done = run("audit", *logs)
    assert (done.return_value, done.stderr) == (2, SAID)
    lines = done.stdout.splitlines()
    assert lines[:4] == ["old.log: refused", f"  {OF_2003}", "", "a.log: utf-8, 1 line"]
    at = lines.index("no.log: refused")
    assert lines[at - 1 : at + 4] == [
        "",
        "no.log: refused",
        f"  {MISSING}",
        "",
        "b.log: utf-8, 1 line",
    ]
    last = (
        "2 logs: 1 conforms-so-far, 1 not-observable; 1 incident; "
        "rules: 113 not-observable, 1 conforms-so-far; 2 files refused"
    )
    assert lines[-1] == last
    quiet = run("audit", *logs, "--quiet")
    assert (quiet.return_value, quiet.stdout, quiet.stderr) == (2, last + "\n", SAID)


def test_annotations_name_what_was_refused(logs: tuple[str, ...]) -> None:
    done = run("audit", *logs, "--format", "github")
    assert (done.return_value, done.stderr) == (2, SAID)
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        f"::error file=old.log,title=judged%3A refused::{OF_2003}",
        f"::error file=no.log,title=judged%3A refused::{MISSING}",
    ]
    assert lines[-1] == ("rhscheck audit logs: 2 refused, 113 skipped, 1 passed, 1 warning; exit 2")
    done = run("audit", "no.log", "calls.log", "--map", "entrypoints", "--format", "github")
    assert (done.return_value, done.stderr) == (2, f"error: {MISSING}\n")
    first, second = done.stdout.splitlines()[:2]
    assert first == f"::error file=no.log,title=judged%3A refused::{MISSING}"
    assert second.startswith("::error file=calls.log,line=4,title=R2 d%3A violated::")


@pytest.mark.parametrize("kind", ["text", "json", "junit", "sarif", "github"])
def test_what_is_refused_is_the_same_for_every_number_of_jobs(
    kind: str, logs: tuple[str, ...]
) -> None:
    one = run("audit", *logs, "--format", kind)
    three = run("audit", *logs, "--format", kind, "--jobs", "3")
    assert (one.return_value, one.stderr) == (2, SAID)
    assert (three.stdout, three.stderr, three.return_value) == (one.stdout, one.stderr, 2)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_where_no_log_can_be_read_only_formats_for_machines_have_a_report(
    jobs: str, logs: tuple[str, ...]
) -> None:
    asked = ("audit", "old.log", "no.log", "--jobs", jobs, "-o", "report", "--format")
    for kind in ("text", "json"):
        done = run(*asked, kind)
        assert (done.return_value, done.stdout, done.stderr) == (2, "", SAID)
    assert not Path("report").exists()
    done = run(*asked, "github")
    assert (done.return_value, done.stdout, done.stderr) == (2, "", SAID)
    assert Path("report").read_text(encoding="utf-8").splitlines() == [
        f"::error file=old.log,title=judged%3A refused::{OF_2003}",
        f"::error file=no.log,title=judged%3A refused::{MISSING}",
        "rhscheck audit logs: 2 refused; exit 2",
    ]


def test_a_log_that_is_refused_has_no_trace(logs: tuple[str, ...]) -> None:
    done = run("audit", "old.log", "--trace", "t.jsonl", "--format", "github")
    assert (done.return_value, done.stderr) == (2, f"error: {OF_2003}\n")
    assert done.stdout.splitlines()[-1] == "rhscheck audit logs: 1 refused; exit 2"
    assert not Path("t.jsonl").exists()


def test_a_log_that_is_refused_may_mention_the_resource(logs: tuple[str, ...]) -> None:
    done = run("audit", "old.log", "a.log", "--resource", "S", "--quiet")
    assert (done.return_value, done.stdout, done.stderr) == (
        2,
        "1 log: 1 conforms-so-far; 1 incident; "
        "rules: 56 not-observable, 1 conforms-so-far; 1 file refused\n",
        f"error: {OF_2003}\nerror: no other log mentions a resource called S; there is `T`\n",
    )
    done = run("audit", "old.log", "--resource", "S")
    assert (done.return_value, done.stdout, done.stderr) == (2, "", f"error: {OF_2003}\n")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_mistake_in_the_options_refuses_no_log(jobs: str, logs: tuple[str, ...]) -> None:
    asked = ("--jobs", jobs, "--format", "junit", "-o", "report")
    done = run("audit", *logs, *asked, "--spec", "nope")
    assert done.return_value == 2
    assert done.stderr.startswith("error: there is no shipped spec and no file called nope; ")
    assert done.stderr.count("error") == 1
    done = run("audit", "old.log", "no.log", *asked, "--set", "CallTimout=10m")
    assert done.return_value == 2
    assert done.stderr.startswith("error[SM401]: there is no parameter `CallTimout` to set\n")
    assert OF_2003 not in done.stderr
    assert not Path("report").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such pipes")
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, "a.log", QUIET)
    os.mkfifo(tmp_path / "p.log")
    done = run("audit", str(tmp_path), "--format", "json")
    assert [Path(one["file"]).name for one in json.loads(done.stdout)["logs"]] == ["a.log"]
    assert done.stderr == f"note: {tmp_path / 'p.log'} is no file, and is not read\n"
    assert run("audit", str(tmp_path), "-q").stderr == ""
    (tmp_path / "a.log").unlink()
    assert "has no file that ends in .log" in run("audit", str(tmp_path)).stderr


def test_a_line_of_dots_is_no_line_of_the_log(tmp_path: Path) -> None:
    log = write(tmp_path, "a.log", QUIET + "...\n" + STUCK)
    (found,) = json.loads(run("audit", log, "--format", "json").stdout)["logs"]
    assert (found["understood"], found["unparsed"]) == (2, 0)
    assert found["notes"] == [
        "lines were left out, first in line 2: nothing is concluded across it"
    ]


def test_a_log_of_2003_with_a_comment_on_newer_ones_is_refused(tmp_path: Path) -> None:
    log = write(tmp_path, "a.log", "note: looked for [RES] lines\n" + OLD * 20)
    assert "is a cluster.log of Windows 2000 or 2003" in run("audit", log).stderr


def test_the_number_of_jobs_makes_no_difference(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.log"):
        write(tmp_path, name, QUIET + LOG.format("Unknown message of " + name))
    write(tmp_path, "old.log", OLD)
    one = run("audit", str(tmp_path), "--format", "json")
    three = run("audit", str(tmp_path), "--format", "json", "--jobs", "3")
    assert (one.stdout, one.stderr, one.return_value) == (three.stdout, three.stderr, 2)


def test_one_log_read_by_several_processes(tmp_path: Path) -> None:
    head = "00000fe4.00001a10::2024/05/06-10:{:02}:{:02}.000 INFO  [RCM] "
    change = "Issuing Online(disk {}) to RHS.\n"
    other = "00000fe4.00001a10::2024/05/06-10:00:00.000 INFO  [GUM] nothing " + "x" * 900 + "\n"
    lines = [
        head.format(at // 60 % 60, at % 60) + change.format(at % 7) + other * 5
        for at in range(4000)
    ]
    log = write(tmp_path, "long.log", "".join(lines))  # 20 MB: three stretches
    one = run("audit", log, "--format", "json")
    three = run("audit", log, "--format", "json", "--jobs", "3")
    assert json.loads(one.stdout)["logs"][0]["events"] == 4000
    assert (one.stdout, one.return_value) == (three.stdout, three.return_value)


def test_jobs_that_change_nothing_are_said_so(tmp_path: Path) -> None:
    log = write(tmp_path, "a.log", STUCK)
    one = run("audit", log, "--trace", str(tmp_path / "one.jsonl"))
    three = run("audit", log, "--trace", str(tmp_path / "three.jsonl"), "--jobs", "3")
    assert three.stdout == one.stdout
    assert three.stderr == "note: with --trace one process reads; --jobs 3 changes nothing\n"
    assert one.stderr == ""


def test_what_a_spec_said_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RHSCHECK_CACHE_DIR", str(folder))
    log = write(tmp_path, "a.log", STUCK)
    asked = ("audit", log, "--set", "CallTimeout=10m", "--format", "json")
    first = run(*asked)
    (kept,) = folder.iterdir()
    # What is kept is what is used: no spec is compiled any more.
    with monkeypatch.context() as patched:
        patched.setattr("rhscheck.api.load", None)
        again = run(*asked)
    assert again.stdout == first.stdout
    # Another setting is another question; what is damaged is worked out again.
    run("audit", log, "--set", "CallTimeout=11m")
    assert len(list(folder.iterdir())) == 2
    kept.write_text('{"summary":1}', encoding="utf-8")
    assert run(*asked).stdout == first.stdout
    # Nothing is kept where that is asked for, or the folder is none; the answers are the same.
    monkeypatch.setenv("RHSCHECK_CACHE_DIR", "")
    assert run(*asked).stdout == first.stdout
    monkeypatch.setenv("RHSCHECK_CACHE_DIR", log)
    assert run(*asked).stdout == first.stdout
    assert len(list(folder.iterdir())) == 2


def test_the_first_audit_compiles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHSCHECK_CACHE_DIR", str(tmp_path / "cache"))
    log = write(tmp_path, "a.log", STUCK)
    # A copy of the spec is not the one whose opinions are shipped: it is compiled, and asked.
    rhs = files("rhscheck.spec.library").joinpath("rhs.sm").read_text("utf-8")
    spec = write(tmp_path, "mine.sm", rhs)
    compiled = run("audit", log, "--spec", spec, "--format", "json")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    monkeypatch.setattr("rhscheck.api.load", None)
    first = run("audit", log, "--format", "json")
    assert (first.stdout, first.return_value) == (compiled.stdout, compiled.return_value)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_an_edited_spec_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHSCHECK_CACHE_DIR", str(tmp_path / "cache"))
    rhs = files("rhscheck.spec.library").joinpath("rhs.sm").read_text("utf-8")
    spec, log = write(tmp_path, "mine.sm", rhs), write(tmp_path, "a.log", STUCK)
    known = json.loads(run("audit", log, "--spec", spec, "--format", "json").stdout)
    assert known["spec"] == "rhs"
    write(tmp_path, "mine.sm", rhs.replace("spec rhs", "spec other", 1))
    changed = json.loads(run("audit", log, "--spec", spec, "--format", "json").stdout)
    assert changed["spec"] == "other"


def test_an_event_that_the_spec_does_not_have_is_not_held_against_anybody(tmp_path: Path) -> None:
    log = write(tmp_path, "a.log", STUCK)
    done = run("audit", log, "--spec", "two_locks", "--format", "json")
    assert done.return_value == 3
    assert json.loads(done.stdout)["logs"][0]["verdict"] == "not-observable"


def test_json_formats_and_trace(tmp_path: Path) -> None:
    log, trace = write(tmp_path, "a.log", STUCK), tmp_path / "t.jsonl"
    done = run("audit", log, "--format", "json", "--trace", str(trace))
    assert done.return_value == 0
    (found,) = json.loads(done.stdout)["logs"]
    assert found["verdict"] == "conforms-so-far"
    assert found["rules"]["P5"] == "conforms-so-far"
    assert (found["understood"], found["unparsed"], found["encoding"]) == (1, 0, "utf-8")
    assert found["incidents"][0]["actor"] == "DLL"
    assert found["resources"] == [
        {
            "name": "T",
            "monitor": "3572#1",
            "verdict": "conforms-so-far",
            "rules": found["resources"][0]["rules"],
            "events": 1,
            "omitted": 0,
            "timeline": [
                {"line": 1, "time": "2009-10-17T19:20:47.093Z", "event": "Online timed out"}
            ],
            "durations": [],
            "open": [],
        }
    ]
    with trace.open("rb") as stream:
        loaded = load_trace(stream)
    assert loaded.header is not None
    assert (loaded.header.lossy, loaded.header.complete, loaded.header.start) == (
        *(True, False, "unknown"),
    )
    assert [line.event.src.l for line in loaded.events if line.event.src] == [1]


def test_a_strict_mapping_convicts(tmp_path: Path) -> None:
    log = write(tmp_path, "calls.log", CALLS)
    done = run("audit", log, "--map", "entrypoints", "--format", "github")
    assert done.return_value == 1
    first = done.stdout.splitlines()[0]
    assert first.startswith("::error file=")
    assert "line=4,title=R2 d%3A violated::call Close of d; blame: RCM" in first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("audit", "nowhere.log"), "cannot read the log nowhere.log"),
        (("audit", "{log}", "--map", "nope"), "no file and no shipped mapping called nope"),
        (("audit", "{log}", "--resource", "x"), "no log mentions a resource called x"),
        (("audit", "{log}", "{log2}", "--trace", "t"), "--trace takes the events of one log"),
        (("audit", "{log}", "{log2}", "--follow"), "--follow reads one log"),
        (("audit", "{empty}"), "has no file that ends in .log or .txt"),
        (("audit", "{log}", "--map", "{bad}"), "bad.map:1:1: no directive is called `mpa`"),
        (("audit", "{old}"), "is a cluster.log of Windows 2000 or 2003"),
        (("map", "test", "{binary}"), "is not UTF-8"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary.map").write_bytes(b"\xff\xfe")
    names = {
        "log": write(tmp_path, "a.log", QUIET),
        "log2": write(tmp_path, "b.log", QUIET),
        "old": write(tmp_path, "old.log", OLD),
        "bad": write(tmp_path, "bad.map", "mpa x\n"),
        "binary": str(tmp_path / "binary.map"),
        "empty": str(tmp_path / "empty"),
    }
    done = run(*(argument.format(**names) for argument in arguments))
    assert done.return_value == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_no_result_is_written_over_what_was_read_or_written(tmp_path: Path) -> None:
    log, result = write(tmp_path, "a.log", CALLS), str(tmp_path / "r")
    shipped = files("rhscheck.traces.logmap") / "library" / "entrypoints.map"
    logmap = write(tmp_path, "e.map", shipped.read_text(encoding="utf-8"))
    spec = write(
        tmp_path, "s.sm", (files("rhscheck.spec") / "library" / "rhs.sm").read_text("utf-8")
    )
    for path, options in ((logmap, ()), (spec, ("--spec", spec))):
        before = Path(path).read_bytes()
        for into in ("-o", "--trace"):
            done = run("audit", log, "--map", logmap, *options, into, path)
            assert done.return_value == 2
            assert "this is the input; writing the result there would destroy it" in done.stderr
        assert Path(path).read_bytes() == before
    done = run("audit", log, "--map", logmap, "--trace", result, "-o", str(tmp_path / "." / "r"))
    assert (done.return_value, Path(result).exists()) == (2, False)
    assert f"--trace and -o both write {result}: name two files" in done.stderr


NODE = "Current node: name ({}) id (1)\n{}[=== Cluster Logs ===]\n"
ASKED = "00000fe4.00001000::2022/03/01-10:{}.000 INFO  [RCM] Issuing {}(Disk A) to RHS.\n"


def test_where_a_resource_went_is_told_across_the_logs_of_nodes(tmp_path: Path) -> None:
    here = ASKED.format("00:00", "Online") + ASKED.format("20:00", "Offline")
    one = write(tmp_path, "1.log", NODE.format("A", "") + here + ASKED.format("50:00", "Online"))
    two = write(tmp_path, "2.log", NODE.format("B", "") + ASKED.format("20:03", "Online"))
    found = json.loads(run("audit", str(tmp_path), "--format", "json").stdout)["across"]
    stays = [(one["node"], one["from_line"], one["to_line"]) for one in found[0]["stays"]]
    assert (len(found), found[0]["resource"], found[0]["ordered"]) == (1, "Disk A", True)
    assert stays == [("A", 3, 4), ("B", 3, 3), ("A", 5, 5)]
    text = run("audit", str(tmp_path)).stdout
    assert (
        f"    A\n      2022-03-01T10:00:00.000Z  {one}:3  RCM asks for Online\n"
        f"      2022-03-01T10:20:00.000Z  {one}:4  RCM asks for Offline\n"
        f"    B\n      2022-03-01T10:20:03.000Z  {two}:3  RCM asks for Online\n"
    ) in text
    assert "Where resources went" not in run("audit", one).stdout
    # Two recordings of one node are no journey; local times say nothing about another node's.
    write(tmp_path, "2.log", NODE.format("A", "") + ASKED.format("20:03", "Online"))
    assert "Where resources went" not in run("audit", str(tmp_path)).stdout
    local = "The logs were generated using local time.\n"
    write(tmp_path, "2.log", NODE.format("B", local) + ASKED.format("20:03", "Online"))
    assert "  Disk A (these clocks cannot be compared: in no order)\n    A\n" in (
        run("audit", str(tmp_path)).stdout
    )


def test_a_minus_sign_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("audit", "replay"):
        done = run(command, "-")
        assert done.return_value == 2
        assert done.stderr == "error: `-` is no file; standard input is read as /dev/stdin\n"


def test_the_name_of_a_file_is_no_command_for_a_machine(tmp_path: Path) -> None:
    path = write(tmp_path, "a\n::error::b\x1b[2J", "junk")
    done = run("replay", path)
    assert done.return_value == 2
    assert "\n\\x3a:error::b\\x1b[2J is no rhs-trace/1" in done.stderr


def test_a_promise_of_every_line_is_not_followed(tmp_path: Path) -> None:
    done = run("audit", write(tmp_path, "a.log", ""), "--map", "entrypoints", "--follow")
    assert done.return_value == 2
    assert "entrypoints promises every line (`facts lossy=no`)" in done.stderr


def test_json_holds_nothing_that_a_terminal_obeys() -> None:
    odd = "a\x7f\x9b2J\u202eb\u2028\u2066ä\U0001f600"
    text = json_bytes("audit", {"name": odd})
    assert json.loads(text)["name"] == odd
    assert text.decode().count("\\u") == 5
    assert not set(text.decode()) & set("\x7f\x9b\u202e\u2028\u2066")


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (180_000_000, "00:03:00.000"),
        (99_999_999_999_999, "27777:46:39.999999"),
        (1_772_442_900_003_000, "2026-03-02 09:15:00.003"),
        (1 << 62, "1281023894:00:27.387904"),
    ],
)
def test_times_since_1970_have_a_date(micros: int, text: str) -> None:
    assert clock_time(micros) == text


def test_map_test(tmp_path: Path) -> None:
    good = 'map m "x"\nform {text:rest}\non a\nemit gap why=x\n'
    none = run("map", "test", write(tmp_path, "none.map", good))
    assert none.return_value == 3
    wrong = run("map", "test", write(tmp_path, "wrong.map", good + "log a\nis nothing\n"))
    assert wrong.return_value == 1
    assert "wrong.map:5: read differently" in wrong.stdout
    both = run("map", "test", "clusterlog", "entrypoints", "--format", "json")
    assert both.return_value == 0
    assert [one["failures"] for one in json.loads(both.stdout)["maps"]] == [[], []]


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (300_000, "300 ms"),
        (4_120_000, "4.12 s"),
        (291_000_000, "4 min 51 s"),
        (300_000_000, "5 min"),
        (3_600_000_000, "1 h"),
        (7_260_000_000, "2 h 1 min"),
    ],
)
def test_lengths_of_time(micros: int, text: str) -> None:
    assert length_text(micros) == text
