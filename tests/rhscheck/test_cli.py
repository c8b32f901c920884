"""The command line: exit statuses, bad input, where results go, and that every option counts."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from rhscheck import api, cli, crash, terminal
from rhscheck.checker import verify as checker

LAMP = """spec lamp "A lamp with a button"

param Delay = 2s
param Button : { works, stuck } = works "does the button work?"

actors { plugin User }

machine Lamp[i in 1..N] {
  initial state Dark {
    by User: press when Button == works -> Lit
  }
  state Lit {
    within Delay by User: release -> Dark
  }
}

rule Dark "the lamp never burns": never in i.Lit for i in Lamp
rule Burns "the lamp can burn": can in i.Lit for i in Lamp

assume Lazy "nobody presses the button" of User: never event i.press for i in Lamp

expect Dark: proved
expect Burns: impossible
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process, in a folder that holds only lamp.sm."""
    monkeypatch.chdir(tmp_path)
    for name in ("COLUMNS", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    Path("lamp.sm").write_text(LAMP, encoding="utf-8")

    def command(*words: str) -> Done:
        with pytest.raises(SystemExit) as stopped:
            cli.main(words)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        assert isinstance(stopped.value.code, int)
        return Done(stopped.value.code, printed.out, printed.err)

    return command


def start(*words: str, **how: Any) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "rhscheck", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **how,
    )


# ---- help and start-up ---------------------------------------------------------------------------
def test_help_loads_neither_solver_nor_parser() -> None:
    script = (
        "import sys\n"
        "from rhscheck.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as stopped:\n    assert stopped.code == 0\n"
        "heavy = {'z3', 'lark', 'rich', 'msgspec'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stderr == "[]\n"
    assert done.stdout.startswith("Usage: rhscheck [OPTIONS] COMMAND [ARGS]...\n")


def test_loading_the_command_line_leaves_the_garbage_collector_as_it_was() -> None:
    script = (
        "import gc\n"
        "gc.set_threshold(701, 11, 9)\n"
        "import rhscheck.cli\n"
        "print(gc.get_threshold(), gc.isenabled(), gc.get_freeze_count())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == "(701, 11, 9) True 0\n"


@pytest.mark.parametrize("name", sorted(cli.cli.commands))
def test_every_command_has_help_with_examples(run: Run, name: str) -> None:
    done = run(name, "--help")
    assert (done.status, done.err) == (0, "")
    assert f"Usage: rhscheck {name} [OPTIONS]" in done.out
    assert f"\n  Examples:\n    rhscheck {name} " in done.out
    options = [one for one in cli.cli.commands[name].params if isinstance(one, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_limits_in_the_help_are_the_checkers() -> None:
    assert (api.ENGINES, api.MAX_INSTANCES, api.MAX_DEPTH) == (
        checker.ENGINES,
        checker.MAX_INSTANCES,
        checker.MAX_DEPTH,
    )


def test_version(run: Run) -> None:
    assert run("--version").out == f"{api.version()}\n"


# ---- usage ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verfy"], "No such command 'verfy'."),
        (["verify"], "Missing argument 'SPEC'."),
        (["verify", "rhs", "--ruel", "R1"], "No such option '--ruel'."),
        (["verify", "rhs", "-n", "0"], "0 is not in the range 1<=x<=64."),
        (["verify", "rhs", "-n", "100000000"], "100000000 is not in the range 1<=x<=64."),
        (["verify", "rhs", "-n", "two"], "'two' is not a valid integer range."),
        (["verify", "rhs", "--depth", "0"], "0 is not in the range 1<=x<=1000."),
        (["verify", "rhs", "--timeout", "0"], "0.0 is not in the range 0<x<=86400.0."),
        (["verify", "rhs", "--timeout", "nan"], "`nan` is no number"),
        (["verify", "rhs", "--set", "X"], "`X` is not of the form NAME=VALUE"),
        (["verify", "rhs", "--set", "X=1", "--set", "X=2"], "`X` is set to two different values"),
        (
            ["verify", "rhs", "--format", "xml"],
            "'xml' is not one of 'text', 'json', 'junit', 'sarif', 'github'.",
        ),
        (["verify", "rhs", "--grid", "5"], "--grid is about --what-if; ask that, or leave"),
        (["verify", "rhs", "--slack", "--witnesses"], "--slack draws no runs; leave --witnesses"),
        (["verify", "rhs", "--color", "blue"], "'blue' is not one of 'auto', 'always', 'never'."),
        (["simulate", "rhs", "--steps", "0"], "0 is not in the range 1<=x<=1000000."),
        (["states", "rhs", "--limit", "0"], "0 is not in the range 1<=x<=1000000000."),
        (["fmt", "a.sm", "b.sm", "-o", "c.sm"], "-o takes the text of exactly one file"),
        (["fmt", "a.sm", "--check", "-o", "-"], "-o takes the text of exactly one file"),
        (["replay"], "Missing argument 'TRACE...'."),
    ],
)
def test_wrong_usage(run: Run, words: list[str], message: str) -> None:
    done = run(*words)
    assert (done.status, done.out) == (2, "")
    assert message in done.err.replace("\n", " ")


def test_no_command_shows_the_help(run: Run) -> None:
    done = run()
    assert (done.status, done.out) == (2, "")
    assert "Commands:" in done.err


# ---- bad input -----------------------------------------------------------------------------------
COMMANDS_WITH_SPEC = (["verify"], ["states"], ["simulate"], ["graph"])


@pytest.mark.parametrize("words", COMMANDS_WITH_SPEC, ids=lambda words: words[0])
def test_specs_that_cannot_be_read(run: Run, words: list[str]) -> None:
    Path("folder").mkdir()
    Path("latin.sm").write_bytes("spec café\n".encode("latin-1"))
    Path("empty.sm").write_bytes(b"")
    Path("large.sm").write_bytes(b"# x\n" * 250_001)
    Path("nul.sm").write_bytes(b"\0\0\0")
    shown = {}
    for name in ("missing.sm", "folder", "fisher", "latin.sm", "empty.sm", "large.sm", "nul.sm"):
        done = run(*words, name)
        assert (done.status, done.out) == (2, "")
        shown[name] = done.err.splitlines()[0]
    assert shown["missing.sm"] == "error: there is no file called missing.sm"
    assert shown["folder"] == "error: folder is a directory; name a .sm file or a shipped spec"
    assert shown["fisher"] == (
        "error: there is no shipped spec and no file called fisher; did you mean `fischer`?"
    )
    assert shown["latin.sm"] == "error[SM002]: latin.sm is not UTF-8 text (byte 8)"
    assert shown["empty.sm"].startswith("error[SM003]: ")
    assert shown["large.sm"] == "error[SM004]: large.sm is larger than 1 MB"
    assert shown["nul.sm"].startswith("error[SM00")


def test_the_name_of_a_spec_is_mended(run: Run) -> None:
    tried = [run("verify", ""), run("verify", "rhs.sm"), run("fmt", "rhs.sm")]
    assert [done.status for done in tried] == [2, 2, 2]
    assert [done.err for done in tried] == [
        "error: the name of the spec is empty\n",
        "error: there is no file called rhs.sm; did you mean `rhs`?\n",
        "error: there is no file called rhs.sm; did you mean `rhs`?\n",
    ]


def test_a_byte_order_mark_is_no_error(run: Run) -> None:
    Path("bom.sm").write_bytes(b"\xef\xbb\xbf" + LAMP.encode())
    assert run("graph", "bom.sm").out == run("graph", "lamp.sm").out


def test_all_errors_of_a_spec_are_shown_at_once(run: Run) -> None:
    Path("lamp.sm").write_text(LAMP.replace("-> Lit", "-> Lid").replace("-> Dark", "-> Drak"))
    done = run("verify", "lamp.sm")
    assert (done.status, done.out) == (2, "")
    heads = re.findall(r"^error\[(\w+)\]", done.err, re.MULTILINE)
    assert heads == ["SM101", "SM101"]
    assert "\n2 errors; `rhscheck explain CODE` tells more about a code\n" in done.err


def test_unknown_names_are_corrected(run: Run) -> None:
    tried = {
        "rule": run("verify", "lamp.sm", "--rule", "Drak"),
        "assumption": run("verify", "lamp.sm", "--without", "Lasy"),
        "engine": run("verify", "lamp.sm", "--engine", "zone"),
        "states": run("states", "lamp.sm", "--without", "Lasy"),
        "name": run("verify", "lamp.sm", "--set", "Dealy=3s"),
        "value": run("verify", "lamp.sm", "--set", "Delay=3"),
        "reading": run("verify", "lamp.sm", "--set", "Button=stuk"),
        "code": run("explain", "SM999"),
    }
    assert {name: done.status for name, done in tried.items()} == dict.fromkeys(tried, 2)
    assert {name: done.out for name, done in tried.items()} == dict.fromkeys(tried, "")
    assert tried["rule"].err == "error: there is no rule `Drak`; did you mean `Dark`?\n"
    assert tried["assumption"].err == "error: there is no assumption `Lasy`; did you mean `Lazy`?\n"
    assert tried["states"].err == tried["assumption"].err
    assert tried["engine"].err == ("error: there is no engine `zone`; did you mean `zones`?\n")
    assert tried["name"].err.startswith("error[SM401]: ")
    assert "did you mean `Delay`?" in tried["name"].err
    assert tried["value"].err.startswith("error[SM402]: ")
    assert tried["reading"].err.startswith("error[SM402]: ")
    assert "did you mean `stuck`?" in tried["reading"].err


def test_traces_that_cannot_be_read(run: Run) -> None:
    Path("folder").mkdir()
    Path("garbage.jsonl").write_bytes(b"\xff\xfe\x00hello\n")
    for name in ("missing.jsonl", "folder"):
        done = run("replay", name)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith(f"error: cannot read the trace {name}: ")
    done = run("replay", "garbage.jsonl")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error: garbage.jsonl is no rhs-trace/1: line 1, column ")


@pytest.mark.skipif(os.name == "nt", reason="devices are called otherwise there")
@pytest.mark.parametrize("words", [["verify"], ["fmt"], ["replay"]])
def test_a_device_is_never_read(run: Run, words: list[str]) -> None:
    done = run(*words, "/dev/zero")
    assert (done.status, done.err) == (2, "error: /dev/zero is a device, not a file\n")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_the_name_of_a_file_need_not_be_text(run: Run) -> None:
    run("simulate", "fischer", "--steps", "5", "-o", os.fsdecode(b"\xff.jsonl"))
    assert os.listdir(b".").count(b"\xff.jsonl") == 1
    done = run("replay", os.fsdecode(b"\xff.jsonl"), "--format", "json")
    assert (done.status, done.json["traces"][0]["file"]) == (0, "?.jsonl")
    assert run("verify", os.fsdecode(b"\xff.sm")).err == "error: there is no file called ?.sm\n"


# ---- where results go ----------------------------------------------------------------------------
def test_a_result_goes_to_the_file_and_nothing_to_standard_output(run: Run) -> None:
    shown = run("graph", "lamp.sm").out
    assert shown.startswith("stateDiagram-v2\n")
    done = run("graph", "lamp.sm", "-o", "lamp.mmd")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert Path("lamp.mmd").read_bytes() == shown.encode()
    assert run("graph", "lamp.sm", "-o", "-").out == shown
    assert sorted(path.name for path in Path().iterdir()) == ["lamp.mmd", "lamp.sm"]


def test_results_that_cannot_be_written(run: Run) -> None:
    Path("folder").mkdir()
    before = Path("lamp.sm").read_bytes()
    overwrite = run("graph", "lamp.sm", "-o", "./lamp.sm", "--as", "dot")
    folder = run("graph", "lamp.sm", "-o", "folder")
    nowhere = run("graph", "lamp.sm", "-o", "no/such/x.dot")
    assert (overwrite.status, folder.status, nowhere.status) == (2, 2, 2)
    assert overwrite.err == (
        "error: ./lamp.sm: this is the input; writing the result there would destroy it\n"
    )
    assert folder.err == "error: folder: cannot be written: Is a directory\n"
    assert nowhere.err == "error: no/such/x.dot: cannot be written: No such file or directory\n"
    assert Path("lamp.sm").read_bytes() == before
    assert sorted(path.name for path in Path().iterdir()) == ["folder", "lamp.sm"]


def test_a_failed_write_leaves_the_old_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("old.mmd").write_bytes(b"old")

    def full(_path: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    done = run("graph", "lamp.sm", "-o", "old.mmd")
    assert done.err == "error: old.mmd: cannot be written: No space left on device\n"
    assert done.status == 2
    assert Path("old.mmd").read_bytes() == b"old"
    assert sorted(path.name for path in Path().iterdir()) == ["lamp.sm", "old.mmd"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions and links")
def test_a_file_keeps_its_permissions_and_its_link(run: Run) -> None:
    Path("real.mmd").write_bytes(b"old")
    Path("real.mmd").chmod(0o640)
    Path("link.mmd").symlink_to("real.mmd")
    assert run("graph", "lamp.sm", "-o", "link.mmd").status == 0
    assert Path("link.mmd").is_symlink()
    assert Path("real.mmd").read_bytes().startswith(b"stateDiagram-v2\n")
    assert stat.S_IMODE(Path("real.mmd").stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="/dev/null is called otherwise there")
def test_a_device_can_be_written(run: Run) -> None:
    assert run("graph", "lamp.sm", "-o", "/dev/null").status == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("words", [["graph", "fischer"], ["--help"], ["verify", "--help"]])
def test_a_closed_pipe_is_no_error(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "rhscheck", *words],
        stdout=write,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["verify", "fischer"], ["explain", "SM301"]])
def test_a_closed_output_is_told(
    monkeypatch: pytest.MonkeyPatch, run: Run, words: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # what Python has for `>&-`
    done = run(*words)
    assert done.status == 2
    assert done.err == "error: standard output cannot be written: it is closed\n"
    assert run("explain", "SM301", "-o", "there.txt").status == 0
    assert Path("there.txt").read_text(encoding="utf-8").startswith("SM301: ")
    monkeypatch.setattr(sys, "stderr", None)
    assert run(*words) == Done(2, "", "")


def test_an_output_that_cannot_encode_a_sign_loses_only_that_sign() -> None:
    with start("explain", "SM204", env={**os.environ, "PYTHONIOENCODING": "ascii"}) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.startswith("SM204: ")


@pytest.mark.parametrize("moment", ["rhscheck.api.simulate", "pathlib.Path.replace"])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, moment: str) -> None:
    """Interrupted while it works, and just before the finished file takes its name."""
    module, _, name = moment.rpartition(".")
    script = (
        "import pathlib, signal, rhscheck.api, rhscheck.cli\n"
        f"setattr({module}, {name!r}, lambda *a, **k: signal.raise_signal(signal.SIGINT))\n"
        "rhscheck.cli.main(['simulate', 'fischer', '-o', 't.jsonl'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "interrupted")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["click", "rhscheck.options"])
def test_ctrl_c_while_the_program_starts(module: str) -> None:
    script = (
        "import runpy, sys\n"
        "class Impatient:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Impatient())\n"
        "runpy.run_module('rhscheck', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


# ---- colour and progress -------------------------------------------------------------------------
def test_colour_only_where_it_is_wanted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run("explain", "SM301")
    assert "\x1b" not in plain.out
    assert run("explain", "SM301", "--color", "never").out == plain.out
    coloured = run("explain", "SM301", "--color", "always")
    assert coloured.out.startswith("\x1b[1mSM301\x1b[0m: ")
    assert run("explain", "SM301", "--color", "always", "--no-color").out == plain.out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert terminal.wants_color("auto", None)
    assert not terminal.wants_color("auto", "file.txt")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.wants_color("auto", None)
    assert terminal.wants_color("always", None)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal.wants_color("auto", None)


def test_errors_are_coloured_on_demand(run: Run) -> None:
    assert run("graph", "missing.sm").err.startswith("error: ")
    shown = run("graph", "missing.sm", "--color", "always").err
    assert shown.startswith("\x1b[31m\x1b[1merror:\x1b[0m ")


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_progress_on_a_terminal_and_only_there(options: list[str]) -> None:
    import pty  # noqa: PLC0415  there is none on Windows

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "rhscheck", "verify", "fischer", *options]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while more := os.read(ours, 65536):
                shown += more
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    if options:
        assert shown == b""
    else:
        assert b"verify fischer: reading" in shown


# ---- bugs ----------------------------------------------------------------------------------------
class SurpriseError(Exception):
    """Stands for a bug; carries what would help to find it."""

    def __init__(self) -> None:
        super().__init__("the impossible\nhappened")
        self.script = "(check-sat)"


def test_a_bug_becomes_a_report_and_a_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def surprise(*_words: object) -> None:
        raise SurpriseError

    monkeypatch.setattr(api, "load", surprise)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = run("graph", "lamp.sm", "--as", "dot")
    assert (done.status, done.out) == (70, "")
    lines = done.err.splitlines()
    assert lines[:4] == [
        "rhscheck has a bug. Nothing was decided; please report it.",
        "  what:      SurpriseError: the impossible",
        f"  version:   {crash.version_line()}",
        "  arguments: graph lamp.sm --as dot",
    ]
    named = re.fullmatch(
        r"  send this: (\S+) \(it holds the stack trace and the input files\)", lines[4]
    )
    assert named is not None
    report = Path(named[1]).read_text(encoding="utf-8")
    assert "arguments: ['graph', 'lamp.sm', '--as', 'dot']\n" in report
    assert "SurpriseError: the impossible\nhappened\n" in report
    assert "script:\n(check-sat)\n" in report
    assert f"file lamp.sm:\n{LAMP}" in report


def test_out_of_memory_is_undecided(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_words: object) -> None:
        raise MemoryError

    monkeypatch.setattr(api, "load", full)
    done = run("graph", "lamp.sm")
    assert (done.status, done.err) == (3, "error: out of memory; nothing was decided\n")


# ---- verify --------------------------------------------------------------------------------------
def verdicts(done: Done) -> dict[str, tuple[str, object]]:
    return {one["id"]: (one["verdict"], one["n"]) for one in done.json["results"]}


def test_verify_as_expected(run: Run) -> None:
    done = run("verify", "lamp.sm", "--format", "json", "--no-times")
    assert done.status == 0
    assert list(done.json) == [
        *("version", "command", "spec", "title", "results", "expectations"),
        *("scenarios", "findings", "exit"),
    ]
    assert (done.json["version"], done.json["command"], done.json["spec"]) == (1, "verify", "lamp")
    assert verdicts(done) == {"Dark": ("proved", "every"), "Burns": ("impossible", "every")}
    result = done.json["results"][0]
    assert {key: result[key] for key in list(result)[:13]} == {
        "id": "Dark",
        "base": "Dark",
        "sentence": "the lamp never burns",
        "kind": "never",
        "verdict": "proved",
        "n": "every",
        "depth": None,
        "length": None,
        "shortest": None,
        "engine": "local",
        "seconds": None,
        "rlimit": None,
        "trace": None,
    }
    assert result["reason"] is None
    assert run("verify", "lamp.sm", "--format", "json", "--no-times").out == done.out


def test_verify_against_the_expectation(run: Run) -> None:
    done = run("verify", "lamp.sm", "--without", "Lazy", "--format", "json")
    assert (done.status, done.json["exit"]) == (1, 1)
    assert verdicts(done) == {"Dark": ("violated", 1), "Burns": ("witnessed", 1)}
    dark = done.json["results"][0]
    assert (dark["length"], dark["shortest"], dark["seconds"] >= 0) == (1, True, True)
    assert [event["name"] for event in dark["trace"]] == ["press"]


def test_verify_text(run: Run) -> None:
    done = run("verify", "lamp.sm", "--without", "Lazy", "--no-times")
    assert done.status == 1
    assert done.out.startswith(
        "lamp: A lamp with a button\n"
        "\n"
        "Dark   violated for N=1 in 1 step   local  the lamp never burns\n"
        "Burns  witnessed for N=1 in 1 step  local  the lamp can burn\n"
        "    run: press\n"
        "Dark: expected proved, but Dark is violated for N=1 in 1 step\n"
        "\n"
        "Dark: violated for N=1 in 1 step (no shorter run)\n"
    )
    assert "\nBurns: witnessed" not in done.out
    assert done.out.endswith(
        "\nLazy protects Dark (violated for N=1 in 1 step)\n"
        "\nlamp: 1 violated, 1 witnessed; 0 findings; 1 rule not as expected\n"
    )


def test_the_options_of_verify_change_something(run: Run) -> None:
    def rest(*words: str) -> Done:
        return run("verify", "lamp.sm", "--no-times", *words)

    plain = rest()
    assert plain.status == 0
    assert "1 proved for N=3" in rest("-n", "3").out
    assert "Burns" not in rest("--rule", "Dark").out
    stuck = rest("--set", "Button=stuck", "--without", "Lazy", "--format", "json")
    assert verdicts(stuck) == {"Dark": ("proved", "every"), "Burns": ("impossible", "every")}
    assert rest("--quiet").out == plain.out.splitlines()[-1] + "\n"
    bounded = rest("--engine", "bmc", "--depth", "3", "-n", "1", "--rule", "Dark")
    assert bounded.status == 3
    assert "no violation up to depth 3 for N=1" in bounded.out
    deeper = rest("--engine", "bmc", "--depth", "4", "-n", "1", "--rule", "Dark")
    assert "no violation up to depth 4 for N=1" in deeper.out
    late = rest("--timeout", "0.000001")
    assert late.status == 3
    assert "unknown" in late.out
    assert "\nBurns: witnessed" in rest("--without", "Lazy", "--witnesses").out
    assert re.search(r"\d\.\d\d s", run("verify", "lamp.sm").out)
    assert "\x1b[32m" in rest("--color", "always").out
    assert rest("-o", "report.txt").out == ""
    assert Path("report.txt").read_text(encoding="utf-8") == plain.out


def test_verify_fits_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    late = ("verify", "fischer", "--set", "CheckAfter=1s", "--no-times")
    monkeypatch.setenv("COLUMNS", "90")
    narrow = run(*late).out.splitlines()
    assert max(len(line) for line in narrow[:-1]) <= 90
    assert narrow[2].endswith("  at most one process is in its critical…")
    monkeypatch.setenv("COLUMNS", "60")
    beneath = run(*late).out.splitlines()
    assert max(len(line) for line in beneath[:-1]) <= 60
    assert beneath[2].startswith("Mutex  ")
    assert beneath[3] == "    at most one process is in its critical section"


def test_long_lines_are_wrapped_where_there_is_a_width(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    narrow = run("verify", "lamp.sm", "--without", "Lazy", "--no-times", "--rule", "Dark").out
    assert narrow.splitlines()[2:8] == [
        "Dark  violated for N=1 in 1 step  local",
        "    the lamp never burns",
        "Dark: expected proved, but Dark is",
        "    violated for N=1 in 1 step",
        "",
        "Dark: violated for N=1 in 1 step (no",
    ]
    colour = run("verify", "lamp.sm", "--without", "Lazy", "--no-times", "--color", "always").out
    monkeypatch.delenv("COLUMNS")
    assert max(len(click.unstyle(line)) for line in colour.splitlines()[:-1]) <= 40
    wide = run("verify", "lamp.sm", "--without", "Lazy", "--no-times", "--rule", "Burns").out
    assert wide.splitlines()[2] == "Burns  witnessed for N=1 in 1 step  local  the lamp can burn"


def test_messages_of_the_spec_are_wrapped_and_its_lines_are_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("lamp.sm").write_text(LAMP.replace("param Delay", "param Unused = 3s\nparam Delay"))
    monkeypatch.setenv("COLUMNS", "40")
    found = run("verify", "lamp.sm", "--no-times").out
    start = found.index("warning[")
    assert found[start : found.index("\n\n", start)].splitlines() == [
        "warning[SM104]: parameter `Unused` is",
        "    never used",
        " --> lamp.sm:3:7",
        "  |",
        "3 | param Unused = 3s",
        "  |       ^^^^^^",
        "  = help: use it or remove it",
    ]


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_a_terminal_gets_box_characters() -> None:
    """Also while the live line is on standard error, which is the same terminal."""
    import pty  # noqa: PLC0415  there is none on Windows

    ours, theirs = pty.openpty()
    options = ["--set", "CheckAfter=1s", "--rule", "Mutex"]
    words = [sys.executable, "-m", "rhscheck", "verify", "fischer", *options]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "TERM": "xterm"}
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while more := os.read(ours, 65536):
                shown += more
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(ours)
    assert process.returncode == 1
    assert "─▶" in shown.decode("utf-8")


def test_an_ascii_terminal_gets_an_ascii_chart() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = ("verify", "fischer", "--set", "CheckAfter=1s", "--rule", "Mutex")
    with start(*words, env=environment) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (1, "")
    assert out.isascii()
    assert "Mutex: violated for N=2 in 6 steps" in out


# ---- states, simulate, replay, explain -----------------------------------------------------------
def test_the_options_of_states_change_something(run: Run) -> None:
    def count(*words: str) -> dict[str, Any]:
        done = run("states", "lamp.sm", "--without", "Lazy", "--format", "json", *words)
        assert done.status == 0
        return {key: done.json[key] for key in ("n", "states", "transitions", "orbits", "tick_us")}

    one = {"n": 1, "states": 2, "transitions": 2, "orbits": None, "tick_us": None}
    assert count("--untimed") == one
    assert count("--untimed", "-n", "2") == {
        **one,
        "n": 2,
        "states": 4,
        "transitions": 8,
        "orbits": 3,
    }
    assert count("--untimed", "-n", "2", "--no-symmetry")["orbits"] is None
    assert count("--untimed", "--symmetry")["orbits"] == 2
    assert count()["tick_us"] == 2_000_000
    assert count("--untimed", "--set", "Button=stuck")["states"] == 1
    assert run("states", "lamp.sm", "--untimed").out == (
        "lamp, N=1: 1 states, 0 transitions (untimed)\n"
    )
    few = run("states", "lamp.sm", "--untimed", "--without", "Lazy", "-n", "4", "--limit", "1")
    assert few.status == 3
    assert few.out.startswith("lamp, N=4: undecided after ")


def test_simulate_and_replay(run: Run) -> None:
    words = ("simulate", "fischer", "--seed", "1", "--steps", "40", "-n", "2")
    done = run(*words, "-o", "t.jsonl")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("t.jsonl: 40 steps of fischer with seed 1, 40 events in ")
    data = Path("t.jsonl").read_bytes()
    assert len(data.splitlines()) == 42
    assert run(*words).out.encode() == data
    assert run(*words, "--quiet", "-o", "t.jsonl").out == ""
    assert (
        run("simulate", "fischer", "--seed", "2", "--steps", "40", "-n", "2").out.encode() != data
    )
    summary = run(*words, "--format", "json").json
    assert summary["events"] == len(summary["trace"]) == 40
    assert run(*words, "--format", "json", "-o", "t.jsonl").json == {
        "version": 1,
        "command": "simulate",
        "spec": "fischer",
        "n": 2,
        "seed": 1,
        "steps": 40,
        "events": 40,
        "stopped": None,
        "file": "t.jsonl",
        "exit": 0,
    }
    judged = run("replay", "t.jsonl", "--format", "json")
    assert (judged.status, judged.json["exit"]) == (0, 0)
    report = judged.json["traces"][0]
    assert (report["file"], report["events"], report["verdict"]) == ("t.jsonl", 40, "conforms")
    assert report["rules"]["Mutex"] == "conforms"
    assert run("replay", "t.jsonl", "--spec", "fischer").out == run("replay", "t.jsonl").out
    assert run("replay", "t.jsonl", "--quiet").out == "1 trace: 1 conforms; rules: " + (
        "1 conforms, 1 not-observable\n"
    )
    assert run("replay", "t.jsonl", "--require", "all").status == 3


def test_replay_uses_the_parameters_of_the_recording(run: Run) -> None:
    run("simulate", "fischer", "--steps", "40", "--set", "CheckAfter=7s", "-o", "t.jsonl")
    done = run("replay", "t.jsonl", "--format", "json")
    assert done.status == 0
    assert done.json["traces"][0]["notes"] == [
        "judged with CheckAfter = 7000000us, as the header says"
    ]
    assert run("replay", "t.jsonl", "--set", "CheckAfter=8s").status == 1


def test_replay_refuses_an_edited_run(run: Run) -> None:
    run("simulate", "fischer", "--seed", "1", "--steps", "40", "-o", "t.jsonl")
    lines = Path("t.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    # As it stands a line is missing, which is nobody's fault.
    Path("t.jsonl").write_text("".join(lines[:3] + lines[4:]), encoding="utf-8")
    assert run("replay", "t.jsonl").status == 3
    later = [re.sub('"seq":([0-9]+)', lambda one: f'"seq":{int(one[1]) - 1}', one) for one in lines]
    Path("t.jsonl").write_text("".join(lines[:3] + later[4:]), encoding="utf-8")
    done = run("replay", "t.jsonl")
    assert done.status == 1
    assert "t.jsonl:4: violated: not allowed\n" in done.out
    assert done.out.splitlines()[-1].startswith("1 trace: 1 violated; rules: ")


def test_an_empty_trace_is_never_green(run: Run) -> None:
    Path("t.jsonl").write_bytes(b"")
    done = run("replay", "t.jsonl", "--spec", "fischer")
    assert done.status == 3
    assert done.out.splitlines()[-1].startswith("1 trace: 1 empty; rules: ")


def test_a_trace_of_an_unknown_spec(run: Run) -> None:
    run("simulate", "lamp.sm", "--steps", "3", "-o", "t.jsonl")
    done = run("replay", "t.jsonl")
    assert (done.status, done.err) == (
        2,
        "error: t.jsonl was made for lamp, which is not shipped: name it with --spec\n",
    )


def test_explain(run: Run) -> None:
    code = run("explain", "sm301")
    assert code.out.startswith(
        "SM301: a return or callback can happen where no state handles it\n\n"
    )
    assert run("explain", "UNHANDLED").out == code.out
    assert run("explain", "SM301", "--quiet").out == code.out.splitlines()[0] + "\n"
    rule = run("explain", "Dark", "--spec", "lamp.sm", "--format", "json").json
    assert (rule["kind"], rule["name"], rule["title"]) == ("rule", "Dark", "the lamp never burns")
    assert rule["where"] == {"path": "lamp.sm", "line": 17, "column": 1}
    assert "Expected verdict: proved." in rule["text"]
    assert run("explain", "Lazy", "--spec", "lamp.sm").out.startswith("Lazy: nobody presses")
    assert "Readings: works, stuck." in run("explain", "Button", "--spec", "lamp.sm").out


def test_explain_parameters_and_scenarios(run: Run) -> None:
    delay = run("explain", "Delay", "--spec", "lamp.sm")
    assert delay.out == (
        "Delay: a parameter, 2s\n"
        "lamp.sm:3\n"
        "\n"
        "param Delay = 2s\n"
        "Value: 2s. `--set Delay=…` gives another.\n"
    )
    timeout = run("explain", "CallTimeout", "--format", "json").json
    assert timeout["kind"] == "parameter"
    assert timeout["title"].startswith("If Online call does not return in 5 minutes then RHS")
    assert (timeout["where"]["path"], "\nValue: 5m. " in timeout["text"]) == ("rhs.sm", True)
    story = run("explain", "S1").out.splitlines()
    assert story[0].startswith("S1: Scenario 1: the Resource DLL handles the online")
    assert re.fullmatch(r"rhs\.sm:\d+", story[1])
    assert story[3].startswith("scenario S1 ")
    assert story[-1] == "This run must be allowed (N=1); `verify --rule S1` plays it."
    assert "\nThis run is forbidden: its last step must fail (N=1); " in run("explain", "F1").out


# ---- fmt and graph -------------------------------------------------------------------------------
UGLY = LAMP.replace("  initial state", "initial   state")


def test_fmt_in_place(run: Run) -> None:
    Path("ugly.sm").write_text(UGLY, encoding="utf-8")
    done = run("fmt", "lamp.sm", "ugly.sm")
    assert (done.status, done.out) == (0, "ugly.sm: reformatted\n1 file reformatted, 1 unchanged\n")
    assert Path("ugly.sm").read_text(encoding="utf-8") == LAMP
    assert run("fmt", "lamp.sm", "ugly.sm").out == "0 files reformatted, 2 unchanged\n"


def test_fmt_check_changes_nothing(run: Run) -> None:
    Path("ugly.sm").write_text(UGLY, encoding="utf-8")
    done = run("fmt", "--check", "ugly.sm", "lamp.sm")
    assert done.status == 1
    assert done.out == "ugly.sm: would be reformatted\n1 file would be reformatted, 1 unchanged\n"
    assert run("fmt", "--check", "ugly.sm", "--quiet").out == (
        "1 file would be reformatted, 0 unchanged\n"
    )
    assert run("fmt", "--check", "ugly.sm", "--format", "json").json == {
        "version": 1,
        "command": "fmt",
        "files": [{"file": "ugly.sm", "changed": True, "written": False}],
        "file": None,
        "exit": 1,
    }
    assert Path("ugly.sm").read_text(encoding="utf-8") == UGLY
    assert run("fmt", "--check", "lamp.sm").status == 0


def test_fmt_elsewhere(run: Run) -> None:
    Path("ugly.sm").write_text(UGLY, encoding="utf-8")
    assert run("fmt", "ugly.sm", "-o", "-").out == LAMP
    done = run("fmt", "ugly.sm", "-o", "new.sm")
    assert (done.status, done.out) == (0, "")
    assert run("fmt", "ugly.sm", "-o", "-", "--format", "json").json["text"] == LAMP
    assert Path("new.sm").read_text(encoding="utf-8") == LAMP
    assert Path("ugly.sm").read_text(encoding="utf-8") == UGLY
    shipped = run("fmt", "fischer")
    assert shipped.err == "error: fischer is a shipped spec; use --check, or -o FILE\n"
    assert shipped.status == 2


def test_fmt_writes_nothing_if_one_file_is_wrong(run: Run) -> None:
    Path("ugly.sm").write_text(UGLY, encoding="utf-8")
    Path("wrong.sm").write_text("spec\n", encoding="utf-8")
    done = run("fmt", "ugly.sm", "wrong.sm")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("error[SM001]: ")
    assert "--> wrong.sm:1:" in done.err
    assert Path("ugly.sm").read_text(encoding="utf-8") == UGLY


@pytest.mark.parametrize("name", ["fischer", "rhs", "semaphore", "two_locks", "two_phase"])
def test_shipped_specs_are_formatted(run: Run, name: str) -> None:
    assert run("fmt", "--check", name).status == 0


def test_the_options_of_graph_change_something(run: Run) -> None:
    mermaid = run("graph", "lamp.sm").out
    dot = run("graph", "lamp.sm", "--as", "dot").out
    assert dot.startswith('digraph "lamp" {\n')
    run("graph", "lamp.sm", "-o", "lamp.dot")
    assert Path("lamp.dot").read_text(encoding="utf-8") == dot
    assert run("graph", "lamp.sm", "-o", "x.png").status == 2
    assert run("graph", "lamp.sm", "--set", "Delay=5s").out == mermaid.replace("2s", "5s")
    fields = {"version": 1, "command": "graph", "spec": "lamp"}
    assert run("graph", "lamp.sm", "--format", "json").json == {
        **fields,
        "as": "mermaid",
        "file": None,
        "drawing": mermaid,
        "exit": 0,
    }
    assert run("graph", "lamp.sm", "--format", "json", "-o", "x.dot").json == {
        **fields,
        "as": "dot",
        "file": "x.dot",
        "exit": 0,
    }


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_svg(run: Run) -> None:
    assert run("graph", "lamp.sm", "-o", "lamp.svg").status == 0
    assert "<svg" in Path("lamp.svg").read_text(encoding="utf-8")


def test_svg_without_graphviz(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = run("graph", "lamp.sm", "-o", "lamp.svg")
    assert (done.status, done.out) == (2, "")
    assert done.err == "error: Graphviz is not installed (no program `dot`); write .dot or .mmd\n"
