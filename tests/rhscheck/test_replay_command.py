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
