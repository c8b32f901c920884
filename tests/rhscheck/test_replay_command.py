"""`rhscheck replay`: many files, growing files, hostile files; its output and exit status."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from trace_mutants import renumbered

from rhscheck import api
from rhscheck.cli import main
from rhscheck.following import Followed, follow_trace
from rhscheck.spec.load import load
from rhscheck.stopping import asked_to_stop
from rhscheck.traces.format import CallEvent, Clock, Header, ReturnEvent, Trace
from rhscheck.traces.simulate import simulate

Run = Callable[..., tuple[int, str]]
FISCHER = load("fischer").system
HEADER = Header(
    src="test", spec="two_locks", clock={"": Clock(epoch="start")}, complete=True, start="initial"
)


@pytest.fixture
def recorded(tmp_path: Path) -> list[str]:
    """Three legal recordings of a small spec, and one with a line too many."""
    paths = []
    for seed in range(4):
        trace = simulate(FISCHER, 2, seed, 30).trace
        if seed == 2:
            events = (*trace.events[:9], *trace.events[8:])
            trace = Trace(trace.header, tuple(renumbered(events, ids=True)))
        path = tmp_path / f"{seed}.jsonl"
        path.write_bytes(trace.encode())
        paths.append(str(path))
    return paths


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def command(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            main(("replay", *arguments))
        printed = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, printed.out + printed.err

    return command


def test_the_output_is_the_same_for_every_number_of_jobs(recorded: list[str], run: Run) -> None:
    one = run(*recorded, "--format", "json")
    assert one[0] == 1
    assert run(*recorded, "--format", "json", "--jobs", "3") == one
    verdicts = [trace["verdict"] for trace in msgspec.json.decode(one[1])["traces"]]
    assert verdicts == ["conforms", "conforms", "violated", "conforms"]


def test_slack_is_a_time(recorded: list[str], run: Run) -> None:
    assert run(recorded[0], "--slack", "100ms")[0] == 0
    for text in ("100", "ms", "-1s", "1.5s", "1h"):
        status, said = run(recorded[0], "--slack", text)
        assert status == 2
        assert f"`{text}` is no time; write it as 100ms, 2s or 500us" in said


def test_strict_refuses_the_first_line_that_cannot_be_read(
    recorded: list[str], tmp_path: Path, run: Run
) -> None:
    assert run(recorded[0], "--strict")[0] == 0
    lines = Path(recorded[0]).read_bytes().splitlines(keepends=True)
    for junk, said in (
        (b"junk\n", "line 4, column 1: not JSON: invalid character"),
        (b'{"ts":1,"seq":1,"ev":"telepathy"}\n', "an event of the unknown kind `telepathy`"),
    ):
        path = tmp_path / "bad.jsonl"
        path.write_bytes(b"".join([*lines[:3], junk, *lines[3:]]))
        assert run(str(path))[0] in (0, 3)
        status, output = run(str(path), "--strict")
        assert status == 2
        assert said in output


def test_nothing_in_a_trace_reaches_the_terminal_as_a_command(tmp_path: Path, run: Run) -> None:
    evil = "\x1b]0;owned\x07\x1b[31m\r[bold]"
    events = (
        CallEvent(ts=1, seq=1, res=evil, op=evil),
        ReturnEvent(ts=2, seq=2, res=evil, op=evil, rc=0),
    )
    path = tmp_path / "evil.jsonl"
    path.write_bytes(Trace(HEADER, events).encode())
    for options in ((), ("--format", "json")):
        status, said = run(str(path), *options)
        assert status == 1
        assert "\x1b" not in said
        assert "\x07" not in said
        assert "\r" not in said


def test_a_long_file_does_not_fill_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    header = b'{"rhs":1,"kind":"header","spec":"fischer","complete":true}\n'
    with path.open("wb") as file:
        file.write(header)
        for _ in range(40):
            file.write(b"x" * (1 << 20))  # one line of 40 MB
        file.write(b'\n{"ts":1,"seq":1,"ev":"note","what":"after it"}\n')
    report = api.replay(str(path))
    assert [(one.line, one.column) for one in report.problems] == [(2, 1)]
    assert (report.events, report.ignored, report.verdict) == (1, (("note", 1),), "inconclusive")


# ---- growing files -----------------------------------------------------------------------------
def test_a_growing_trace_is_judged_to_its_end_line(tmp_path: Path) -> None:
    data = simulate(FISCHER, 2, 1, 40).trace.encode()
    path = tmp_path / "live.jsonl"
    path.write_bytes(data[:700])

    def grow() -> None:
        for at in range(700, len(data), 900):
            with path.open("ab") as file:
                file.write(data[at : at + 900])
            time.sleep(0.01)

    writer = threading.Thread(target=grow)
    writer.start()
    (report,) = follow_trace(api.Replayer(), str(path), quiet=True)
    writer.join()
    assert (report.verdict, report.judged) == ("conforms", report.events)


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be renamed on Windows")
def test_a_rotated_trace_is_read_on(tmp_path: Path) -> None:
    lines = simulate(FISCHER, 2, 1, 40).trace.encode().splitlines(keepends=True)
    path = tmp_path / "live.jsonl"
    path.write_bytes(b"".join(lines[:10]))
    looks = 0

    def stop() -> bool:
        nonlocal looks
        looks += 1
        if looks == 1:
            path.rename(tmp_path / "live.jsonl.1")
            path.write_bytes(b"".join(lines[10:]))
        return looks > 5

    first, second = follow_trace(api.Replayer(), str(path), quiet=True, stop=stop)
    # Its first line is no header, and no less an event; its end line counts those before it, too.
    assert (first.events, second.events) == (9, len(lines) - 11)
    assert (first.verdict, second.verdict) == ("conforms-so-far", "conforms-so-far")
    assert (first.findings, second.findings) == ((), ())
    assert (first.problems, second.problems) == ((), ())
    assert "the end line counts the lines of the file before this, too" in second.notes[-1]


def test_a_trace_that_is_written_anew_between_two_looks(tmp_path: Path) -> None:
    """It is longer than before: that what was read is not there any more tells it."""
    old = simulate(FISCHER, 2, 1, 40).trace.encode().splitlines(keepends=True)
    new = simulate(FISCHER, 2, 2, 40).trace.encode()
    path = tmp_path / "live.jsonl"
    path.write_bytes(b"".join(old[:10]))
    looks = 0

    def stop() -> bool:
        nonlocal looks
        looks += 1
        if looks == 1:
            path.write_bytes(new)
        return looks > 5

    first, second = follow_trace(api.Replayer(), str(path), quiet=True, stop=stop)
    assert (first.events, first.verdict) == (9, "conforms-so-far")
    assert (second.events, second.verdict) == (new.count(b"\n") - 2, "conforms")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_ends_following_with_a_report(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_seconds: float) -> None:
        signal.raise_signal(signal.Signals[name])

    monkeypatch.setattr("rhscheck.following.time.sleep", interrupted)
    path = tmp_path / "live.jsonl"
    lines = simulate(FISCHER, 2, 1, 40).trace.encode().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with asked_to_stop() as stop:
        (report,) = follow_trace(api.Replayer(), str(path), quiet=True, stop=stop)
    assert (report.verdict, report.events) == ("conforms-so-far", len(lines) - 2)


def test_an_interrupt_while_lines_are_judged_loses_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "live.jsonl"
    lines = simulate(FISCHER, 2, 1, 4000).trace.encode().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    read, reads = Followed.read, 0

    def interrupted(self: Followed, size: int = -1) -> bytes:
        nonlocal reads
        reads += 1
        if reads == 2:
            signal.raise_signal(signal.SIGINT)
        return read(self, size)

    monkeypatch.setattr(Followed, "read", interrupted)
    with asked_to_stop() as stop:
        (report,) = follow_trace(api.Replayer(), str(path), quiet=True, stop=stop)
    assert reads > 3
    assert report.events == len(lines) - 2


def test_a_trace_that_is_written_faster_than_it_is_judged_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "live.jsonl"
    lines = simulate(FISCHER, 2, 1, 40).trace.encode().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))
    read, written = Followed.read, 5

    def growing(self: Followed, size: int = -1) -> bytes:
        nonlocal written
        found = read(self, size)
        with path.open("ab") as file:
            file.write(lines[written])
        written += 1
        return found

    monkeypatch.setattr(Followed, "read", growing)
    monkeypatch.setattr("rhscheck.following.ASK_S", -1.0)
    stops = lambda: written >= 8  # noqa: E731
    (report,) = follow_trace(api.Replayer(), str(path), quiet=True, stop=stops)
    assert report.events == 7


def test_what_is_written_between_the_last_look_and_the_request_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    lines = simulate(FISCHER, 2, 1, 40).trace.encode().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))

    def stop() -> bool:
        with path.open("ab") as file:
            file.write(lines[5])
        return True

    (report,) = follow_trace(api.Replayer(), str(path), quiet=True, stop=stop)
    assert report.events == 5


def test_an_end_line_without_a_line_feed_ends_following(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_bytes(simulate(FISCHER, 2, 1, 40).trace.encode().rstrip(b"\n"))
    (report,) = follow_trace(api.Replayer(), str(path), quiet=True)
    assert (report.verdict, report.judged) == ("conforms", report.events)


def test_only_the_second_request_interrupts() -> None:
    with asked_to_stop() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with asked_to_stop() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal on Windows")
def test_a_request_to_end_is_answered_by_a_report(recorded: list[str]) -> None:
    path = Path(recorded[2])
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    command = (sys.executable, "-m", "rhscheck", "replay", "--follow", str(path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        killer = threading.Timer(60, process.kill)
        killer.start()
        assert process.stderr is not None
        assert b"violated" in process.stderr.readline()  # it is said at once: it has begun
        process.terminate()
        said, _ = process.communicate()
        killer.cancel()
    assert (process.returncode, said.splitlines()[-1][:19]) == (1, b"1 trace: 1 violated")


# ---- files that cannot be judged ---------------------------------------------------------------
HEAD = b'{"rhs":1,"kind":"header","spec":'
UNJUDGED: dict[str, tuple[bytes, str]] = {
    "garbage": (
        b"garbage\n",
        "{} is no rhs-trace/1: line 1, column 1: not JSON: invalid character",
    ),
    "cut": (
        HEAD[:20],
        "{} is no rhs-trace/1: line 1, column 21: not JSON: the line ends too early",
    ),
    "utf16": (
        '{"rhs":1}\n'.encode("utf-16"),
        "{} is no rhs-trace/1: line 1, column 1: UTF-16, where rhs-trace/1 is UTF-8: "
        "write it by -o FILE",
    ),
    "lamp": (
        HEAD + b'"lamp"}\n',
        "{} was made for lamp, which is not shipped: name it with --spec",
    ),
    "params": (
        HEAD + b'"fischer","params":{"CheckAfter":-5}}\n',
        "{}: its header says CheckAfter = -5us, and fischer does not take that: "
        "`-5us` is neither a time nor a number",
    ),
    "missing": (b"", "cannot read the trace {}: No such file or directory"),
    "folder": (b"", "cannot read the trace {}: Is a directory"),
}


@pytest.fixture
def unjudged(tmp_path: Path) -> dict[str, str]:
    """Files that cannot be judged, and why."""
    reasons = {}
    for name, (data, reason) in UNJUDGED.items():
        path = tmp_path / (name if name == "folder" else f"{name}.jsonl")
        if name == "folder":
            path.mkdir()
        elif name != "missing":
            path.write_bytes(data)
        reasons[str(path)] = reason.format(path)
    return reasons


@pytest.mark.skipif(os.name == "nt", reason="the system gives other reasons there")
def test_what_cannot_be_judged_hides_nothing_of_the_other_traces(
    recorded: list[str], unjudged: dict[str, str], tmp_path: Path, run: Run
) -> None:
    files = [recorded[2], *unjudged, recorded[0]]
    written = tmp_path / "report.json"
    said = "".join(f"error: {reason}\n" for reason in unjudged.values())
    assert run(*files, "--format", "json", "-o", str(written)) == (2, said)
    report = msgspec.json.decode(written.read_bytes())
    assert [(one["file"], one["verdict"]) for one in report["traces"]] == [
        (recorded[2], "violated"),
        (recorded[0], "conforms"),
    ]
    assert report["refused"] == [
        {"file": file, "reason": reason} for file, reason in unjudged.items()
    ]
    assert report["exit"] == 2
    alone = written.read_bytes()
    assert run(*files, "--format", "json", "-o", str(written), "--jobs", "3") == (2, said)
    assert written.read_bytes() == alone
    status, text = run(*files)
    assert status == 2
    assert text.splitlines()[-len(unjudged) - 1 - len(files) :] == [
        f"{recorded[2]}: violated (30 of 31 events judged)",
        *(f"{file}: refused" for file in unjudged),
        f"{recorded[0]}: conforms (30 of 30 events judged)",
        "2 traces: 1 violated, 1 conforms; "
        "rules: 1 conforms-so-far, 2 not-observable, 1 conforms; 7 files refused",
        *said.splitlines(),
    ]


def test_nothing_is_refused_where_all_can_be_judged(recorded: list[str], run: Run) -> None:
    status, text = run(*recorded[:2], "--format", "json")
    assert (status, msgspec.json.decode(text)["refused"]) == (0, [])


def test_where_no_trace_can_be_read_there_is_no_report(
    unjudged: dict[str, str], tmp_path: Path, run: Run
) -> None:
    files = dict(list(unjudged.items())[:2])
    said = "".join(f"error: {reason}\n" for reason in files.values())
    for kind in ("text", "json"):
        for jobs in ("1", "2"):
            options = ("--format", kind, "--jobs", jobs, "-o", str(tmp_path / "report"))
            assert run(*files, *options) == (2, said)
    assert not (tmp_path / "report").exists()


def test_formats_for_machines_tell_also_that_no_trace_can_be_read(
    unjudged: dict[str, str], tmp_path: Path, run: Run
) -> None:
    file, reason = next(iter(unjudged.items()))
    written = tmp_path / "report"
    assert run(file, "--format", "github", "-o", str(written)) == (2, f"error: {reason}\n")
    assert written.read_text(encoding="utf-8").splitlines()[-1] == (
        "rhscheck replay traces: 1 refused; exit 2"
    )


def test_strict_judges_the_files_of_which_every_line_can_be_read(
    recorded: list[str], tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"".join([*Path(recorded[0]).read_bytes().splitlines(True)[:3], b"junk\n"]))
    status, text = run(str(path), recorded[2], "--strict", "--quiet")
    assert (status, text.splitlines()) == (
        2,
        [
            "1 trace: 1 violated; rules: 1 conforms-so-far, 1 not-observable; 1 file refused",
            f"error: {path}, line 4, column 1: not JSON: invalid character "
            "(refused because of --strict)",
        ],
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_mistake_in_the_options_is_no_matter_of_a_file(
    jobs: str, recorded: list[str], unjudged: dict[str, str], tmp_path: Path, run: Run
) -> None:
    written = tmp_path / "report"
    options = ("--jobs", jobs, "--format", "junit", "-o", str(written))
    status, said = run(*recorded[:2], *options, "--set", "CheckAftr=7s")
    assert status == 2
    assert said.splitlines()[:2] == [
        "error[SM401]: there is no parameter `CheckAftr` to set",
        "  = help: did you mean `CheckAfter`?",
    ]
    assert said.count("error[") == 1
    named = ("--spec", "fischer", "--set", "CheckAftr=7s")
    assert run(recorded[0], *unjudged, *options, *named) == (2, said)
    status, said = run(recorded[0], *unjudged, *options, "--spec", "fisher")
    assert status == 2
    assert said.startswith("error: there is no shipped spec and no file called fisher; ")
    assert said.count("error") == 1
    assert not written.exists()


def test_a_setting_that_the_spec_of_another_trace_has_refuses_one_file(
    recorded: list[str], tmp_path: Path, run: Run
) -> None:
    other = tmp_path / "locks.jsonl"
    other.write_bytes(simulate(load("two_locks").system, 2, 1, 20).trace.encode())
    options = ("--set", "CheckAfter=8s", "--slack", "1m", "--format", "json")
    status, text = run(recorded[0], str(other), *options)
    assert status == 2
    report, _, said = text.partition("\n}\n")
    reason = f"{other}: there is no parameter `CheckAfter` to set (there is `Order`)"
    assert said == f"error: {reason}\n"
    found = msgspec.json.decode(report + "}")
    assert [one["file"] for one in found["traces"]] == [recorded[0]]
    assert found["refused"] == [{"file": str(other), "reason": reason}]
    assert run(recorded[0], str(other), *options, "--jobs", "2") == (status, text)


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be renamed on Windows")
def test_a_followed_trace_is_reported_whatever_it_is_rotated_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    path = tmp_path / "live.jsonl"
    path.write_bytes(b"".join(simulate(FISCHER, 2, 1, 40).trace.encode().splitlines(True)[:10]))
    pauses = 0

    def rotated(_seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 1:
            path.rename(tmp_path / "live.jsonl.1")
            path.write_bytes(HEAD + b'"lamp"}\n')
        elif pauses > 3:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("rhscheck.following.time.sleep", rotated)
    status, text = run(str(path), "--follow", "--format", "json")
    assert status == 2
    report, _, said = text.partition("\n}\n")
    reason = f"{path} was made for lamp, which is not shipped: name it with --spec"
    assert said == f"error: {reason}\n"
    found = msgspec.json.decode(report + "}")
    assert [(one["file"], one["events"]) for one in found["traces"]] == [(str(path), 9)]
    assert found["refused"] == [{"file": f"{path} (rotated)", "reason": reason}]


DAMAGE: dict[str, Callable[[bytes, int], bytes]] = {
    "cut inside a character": lambda text, at: text[:at] + b'{"ts":1,"seq":1,"res":"Ger\xc3',
    "bytes that are no text": lambda text, at: text[:at] + b"\xff\xfe" + text[at:],
    "a block of zeros": lambda text, at: text[:at] + b"\0" * 5000 + b"\n" + text[at:],
    "zeros to the end": lambda text, at: text[:at] + b"\0" * 70_000,
    "a zero in a line": lambda text, at: text[: at + 40] + b"\0" + text[at + 40 :],
    "the beginning is gone": lambda text, at: text[at:],
    "old Mac line ends": lambda text, _: text.replace(b"\n", b"\r"),
    "a mark of byte order": lambda text, at: text[:at] + b"\xef\xbb\xbf" + text[at:],
    "a second header": lambda text, at: text[:at] + text[:300] + text[at:],
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_file_is_judged_alike_by_any_number_of_workers(
    what: str, tmp_path: Path, run: Run
) -> None:
    """Nothing that was written over, cut or put together in a file is more than unreadable."""
    head = b'{"rhs":1,"kind":"header","spec":"rhs","complete":true,"start":"initial"}\n'
    lines = [
        b'{"ts":%d,"seq":%d,"host":"N","res":"Disk","ev":"call","op":"Open"}\n' % (at, at)
        if at == 1
        else b'{"ts":%d,"seq":%d,"host":"N","res":"Disk","ev":"note","what":"%s"}\n'
        % (at, at, b"x" * 5000)
        for at in range(1, 1200)
    ]
    whole = head + b"".join(lines)
    at = len(head) + sum(map(len, lines[:700]))
    file = tmp_path / "t.jsonl"
    file.write_bytes(DAMAGE[what](whole, at))
    status, text = run(str(file), "--format", "json")
    assert run(str(file), "--format", "json", "--jobs", "2") == (status, text)
    assert status in (0, 2, 3)
    assert '"violated"' not in text
