"""`rhscheck run --recheck`: the recorded events of a run through fresh cores."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest

from rhscheck.api import version
from rhscheck.cli import main
from rhscheck.tracer.configuration import ClusterConfiguration, ResourceConfiguration
from rhscheck.tracer.events import MonitorStarted, RcmEvent, Start
from rhscheck.tracer.rcm_core import RcmCore
from rhscheck.tracer.real.journal import NoteEntry, RcmEntry
from rhscheck.tracer.real.step_log import StepFile

CLUSTER = ClusterConfiguration((ResourceConfiguration("it", "group"),))
EVENTS: tuple[tuple[int, RcmEvent], ...] = ((10, Start()), (20, MonitorStarted("shared", 1)))


def step_log() -> bytes:
    """Two steps of RCM and a note between them, as a run writes them."""
    stream = BytesIO()
    sink = StepFile(stream, CLUSTER, "node1", tool="rhscheck of another day")
    core = RcmCore(CLUSTER, "node1")
    for at_us, event in EVENTS:
        sink(RcmEntry(at_us, event, core.step(event, at_us)))
        sink(NoteEntry(at_us, "a note"))
    return stream.getvalue()


def recheck(
    capsys: pytest.CaptureFixture[str], folder: Path, content: bytes, *words: str
) -> tuple[int, str, str]:
    (folder / "s").write_bytes(content)
    with pytest.raises(SystemExit) as exit_:
        main(["run", "--recheck", str(folder / "s"), *words])
    captured = capsys.readouterr()
    text = captured.out.replace(str(folder / "s"), "s"), captured.err.replace(str(folder), "")
    return int(str(exit_.value.code)), *text


def test_what_was_recorded_is_repeated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert recheck(capsys, tmp_path, step_log()) == (
        0,
        "s: 2 steps of RCM and 0 monitors repeated by fresh cores: the same effects\n",
        "",
    )


def test_a_cut_last_line_is_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = recheck(capsys, tmp_path, step_log()[:-3])
    assert status == 0
    assert out.startswith("s: note: the last line is cut off, and left out\ns: 2 steps of RCM")


def test_a_changed_time_is_a_difference(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, err = recheck(
        capsys, tmp_path, step_log().replace(b'"now_us":20,"event"', b'"now_us":5,"event"')
    )
    assert (status, err) == (1, "")
    assert out.startswith(
        "s:4: RCM does not do again what was recorded\n"
        '    event:     {"type":"MonitorStarted","monitor":"shared","epoch":1}\n'
    )
    assert "    now:       the core refuses it: ValueError: time goes back from 10 to 5\n" in out
    assert out.endswith(
        "    so the file was changed after it was recorded: the check sum of this line is another\n"
        "s: differs at line 4, in step 2\n"
    )


def otherwise(tool: str) -> bytes:
    """A step log with good check sums, of a program that closes what it should open."""
    stream = BytesIO()
    sink = StepFile(stream, CLUSTER, "node1", tool=tool)
    core = RcmCore(CLUSTER, "node1")
    for at_us, event in EVENTS:
        sink(RcmEntry(at_us, event, core.step(event, at_us)[:1]))
    return stream.getvalue()


def test_a_difference_with_good_check_sums_is_no_change_of_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An edited file and a bug were told in the same words, "please report it" included."""
    ours = f"rhscheck {version()}"
    _, out, _ = recheck(capsys, tmp_path, otherwise(ours))
    assert out.splitlines()[-2:] == [
        "    so the loop that wrote it has a bug, for its check sums are good: please report it, "
        "with the file",
        "s: differs at line 3, in step 2",
    ]
    _, out, _ = recheck(capsys, tmp_path, otherwise("rhscheck 0"))
    assert out.splitlines()[-2] == (
        f"    so rhscheck 0, which wrote it, decides otherwise than {ours}: its check sums are good"
    )
    edited = otherwise(ours).replace(b'"now_us":20,', b'"now_us":5,')
    _, out, _ = recheck(capsys, tmp_path, edited)
    assert "please report" not in out


def test_a_changed_effect_is_a_difference(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    changed = step_log().replace(b'"op":"Open"', b'"op":"Close"')
    status, out, _ = recheck(capsys, tmp_path, changed, "--format", "json")
    report = json.loads(out)
    assert status == report["exit"] == 1
    assert (report["command"], report["mode"], report["steps"]) == ("run", "recheck", 2)
    difference = report["difference"]
    assert (difference["line"], difference["core"], difference["refused"]) == (4, "RCM", None)
    assert difference["recorded"] == difference["repeated"].replace('"op":"Open"', '"op":"Close"')


def test_a_removed_step_is_a_difference(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = step_log().splitlines(keepends=True)
    status, out, _ = recheck(capsys, tmp_path, b"".join([lines[0], *lines[2:]]), "--quiet")
    assert (status, out) == (1, "s: differs at line 2, in step 0\n")


def changed_line(line: int, core: str) -> str:
    return (
        f"s:{line}: this line ({core}), or what stands before it, is not what was recorded: its "
        "check sum is another\n"
    )


def test_a_shift_of_all_times_is_no_recording(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The cores do the same a second later, so that nothing was noticed."""
    shifted = step_log().replace(b'"now_us":10,', b'"now_us":15,')
    shifted = shifted.replace(b'"now_us":20,', b'"now_us":25,')
    status, out, _ = recheck(capsys, tmp_path, shifted)
    assert (status, out) == (1, changed_line(2, "RCM") + "s: differs at line 2, in step 1\n")


def test_a_changed_note_or_header_is_no_recording(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, _ = recheck(capsys, tmp_path, step_log().replace(b"a note", b"another", 1))
    assert (status, out) == (1, changed_line(3, "a note") + "s: differs at line 3, in step 1\n")
    status, out, _ = recheck(capsys, tmp_path, step_log().replace(b"another day", b"today"))
    assert (status, out) == (1, changed_line(1, "the header") + "s: differs at line 1, in step 0\n")


def test_a_line_without_a_check_sum_is_no_recording(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = step_log().splitlines()[-1].partition(b',"sum":')[0] + b"}\n"
    status, out, _ = recheck(capsys, tmp_path, step_log() + line, "--format", "json")
    difference = json.loads(out)["difference"]
    assert (status, difference["line"], difference["changed"]) == (1, 6, True)


def test_an_event_of_what_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    changed = step_log().replace(
        b'"monitor":"shared","epoch":1},"eff', b'"monitor":"x","epoch":1},"eff'
    )
    status, out, _ = recheck(capsys, tmp_path, changed)
    assert status == 1
    assert "the core refuses it: ValueError: " in out


def test_a_run_without_steps_shows_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    header = step_log().splitlines(keepends=True)[0]
    assert recheck(capsys, tmp_path, header) == (3, "s: there is no step to repeat\n", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "/s:1: there is no whole line: the run wrote nothing, or the file was cut\n"),
        (b'{"rhs":1,"kind":"header"}\n', "/s:1: this is a trace: `rhscheck replay` judges it\n"),
        (b"[group.x]\n", "/s:1: no header of rhs-steps/1, which `rhscheck run --steps FILE` "),
        (step_log() + b'{"type":"rcm"}\n', "/s:6: no step: Object missing required field"),
        (step_log() + b"\xff\n", "/s:6: no step: JSON is malformed"),
        (step_log().replace(b'"node":"node1"', b'"node":"x"'), "there is no node `x`\n"),
    ],
)
def test_what_is_no_step_log_is_refused_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, message: str
) -> None:
    status, out, err = recheck(capsys, tmp_path, content)
    assert (status, out) == (2, "")
    assert message in err


def test_other_options_have_no_place_beside_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, _, err = recheck(capsys, tmp_path, step_log(), "--seed", "1")
    assert status == 2
    assert "--seed cannot be used with --recheck" in err
    with pytest.raises(SystemExit) as missing:
        main(["run"])
    assert missing.value.code == 2
    assert "Missing argument 'CLUSTER.toml'." in capsys.readouterr().err
