"""`rhscheck run` as users run it: signals, exit status, what is left behind, what can be read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_cluster import is_gone

from rhscheck import api, cli
from rhscheck.tracer.application import identify, read_record

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
SLEEPER = """
[resource.sleeper]
plugin = "GenericApplication"
[resource.sleeper.parameters]
command = ["sleep", "1000"]
"""
STUBBORN = """
import time
from rhscheck.tracer.resources.generic_application import GenericApplication

class Stubborn(GenericApplication):
    def offline(self):
        self.host.log("now it hangs")
        time.sleep(1000)
"""


def command(folder: Path, *options: str) -> list[str]:
    cluster = str(folder / "cluster.toml")
    return [sys.executable, "-m", "rhscheck", "run", cluster, "--time-scale", "20", *options]


def begin(folder: Path, text: str, *options: str) -> subprocess.Popen[str]:
    """Start a run and wait until its resource is online."""
    (folder / "cluster.toml").write_text(text, encoding="utf-8")
    run = subprocess.Popen(
        command(folder, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    for line in run.stdout:
        if "sleeper: Online (" in line:
            return run
    raise AssertionError(run.communicate())


def pid_in(folder: Path) -> int:
    record = read_record(folder / "cluster.state/resources/sleeper/application.process")
    assert record is not None
    return record.pid


def monitors_of(pid: int) -> list[int]:
    """The child processes of a process (Linux)."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(one) for one in text.split()]


@POSIX
def test_ctrl_c_takes_everything_offline_in_order(tmp_path: Path) -> None:
    trace = str(tmp_path / "t.jsonl")
    run = begin(tmp_path, SLEEPER, "--trace", trace)
    os.kill(pid_in(tmp_path), signal.SIGKILL)
    assert run.stdout is not None
    assert any("sleeper: Online (" in line for line in run.stdout)
    application = pid_in(tmp_path)
    run.send_signal(signal.SIGINT)
    out, errors = run.communicate(timeout=60)
    assert run.returncode == 0
    assert out.splitlines()[-1].endswith(f"1 failure, 0 monitors died, the trace {trace} conforms")
    assert errors == "taking every group offline; once more: end everything now\n"
    assert is_gone(application)


SLOW = """
import time
from rhscheck.tracer.resources.generic_application import GenericApplication

class Slow(GenericApplication):
    def looks_alive(self):
        time.sleep(0.3)  # an interval and more
        return super().looks_alive()
"""
SLOW_NEEDS_BASE = """
[timeouts]
call = "100s"
is_alive = "10s"
[resource.base]
plugin = "GenericApplication"
parameters = { command = ["sleep", "1000"] }
[resource.sleeper]
plugin = "./slow.py:Slow"
depends_on = ["base"]
parameters = { command = ["sleep", "1000"], watch = false }
"""


@POSIX
def test_health_checks_that_leave_offline_no_room_do_not_need_a_second_ctrl_c(
    tmp_path: Path,
) -> None:
    """The first one did nothing that could be seen, for ever."""
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    trace = str(tmp_path / "t.jsonl")
    run = begin(tmp_path, SLOW_NEEDS_BASE, "--time-scale", "50", "--trace", trace)
    application = pid_in(tmp_path)
    time.sleep(0.5)  # now one check is always due behind the other
    run.send_signal(signal.SIGINT)
    out, errors = run.communicate(timeout=60)
    assert run.returncode == 0
    assert errors == "taking every group offline; once more: end everything now\n"
    changes = [line.partition("  ")[2] for line in out.splitlines() if " (" in line]
    assert [line for line in changes if line.startswith("sleeper: ")] == [
        "sleeper: OfflineCallIssued (Offline)",
        "sleeper: Terminating (no answer to Offline in 5.5 s; health checks that take longer than "
        "their interval leave it no room)",
        "sleeper: Offline (Terminate: 0)",
        "sleeper: Closing (Close)",
        "sleeper: Closed (Close: 0)",
    ]
    ended = changes.index("sleeper: Offline (Terminate: 0)")
    assert changes.index("base: OfflineCallIssued (Offline)") > ended
    assert out.splitlines()[-1].endswith(f"0 failures, 0 monitors died, the trace {trace} conforms")
    assert is_gone(application)


@POSIX
def test_a_second_ctrl_c_ends_everything_now(tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN, encoding="utf-8")
    text = SLEEPER.replace("GenericApplication", "./stubborn.py:Stubborn")
    run = begin(tmp_path, text, "--trace", str(tmp_path / "t.jsonl"), "--judge", "none")
    application = pid_in(tmp_path)
    run.send_signal(signal.SIGINT)
    assert run.stdout is not None
    assert any("[sleeper] now it hangs" in line for line in run.stdout)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    # It said "killed by SIGKILL", as if somebody else had done it, and counted it as a death.
    gone = [line.partition("  ")[2] for line in out.splitlines() if "is gone" in line]
    assert gone == [
        "monitor shared is gone: the run was broken off; RCM ended it (during Offline of sleeper)"
    ]
    assert out.splitlines()[-1].endswith("1 resource, 0 failures, 0 monitors died, broken off")
    assert is_gone(application)
    assert api.replay(str(tmp_path / "t.jsonl")).verdict in ("conforms", "conforms-so-far")


@POSIX
def test_ctrl_c_ends_a_run_whose_plug_in_hangs_while_it_is_imported(tmp_path: Path) -> None:
    """Nothing is hosted yet, so there is nothing to wait for; it took 5 minutes."""
    (tmp_path / "stubborn.py").write_text("import time\ntime.sleep(1000)\n", encoding="utf-8")
    (tmp_path / "cluster.toml").write_text(
        SLEEPER.replace("GenericApplication", "./stubborn.py:Stubborn"), encoding="utf-8"
    )
    words = command(tmp_path, "--time-scale", "1")
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert "monitor shared started" in run.stdout.readline()
    time.sleep(1.5)  # it has begun to import
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert "it had not started when the run was to end; RCM ended it at stubborn.py line 2" in out
    assert out.splitlines()[-1].endswith("1 resource, 0 failures, 1 monitor died")
    assert run.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="children are listed by Linux's /proc")
def test_nothing_of_rhs_outlives_a_killed_rcm_and_the_next_run_takes_over(tmp_path: Path) -> None:
    trace = str(tmp_path / "t.jsonl")
    run = begin(tmp_path, SLEEPER, "--trace", trace)
    application = pid_in(tmp_path)
    (monitor,) = monitors_of(run.pid)
    os.kill(monitor, signal.SIGSTOP)  # it cannot even notice that its pipe is closed
    run.kill()
    run.communicate()
    assert is_gone(monitor)
    assert identify(application) is not None
    # What was written before the kill can be read, and is known to be cut.
    report = api.replay(trace)
    assert report.verdict == "conforms-so-far"

    again = begin(tmp_path, SLEEPER, "--judge", "none")
    assert is_gone(application)  # it belonged to nobody: killed, and started anew
    successor = pid_in(tmp_path)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert is_gone(successor)


@POSIX
def test_two_runs_do_not_write_one_trace(tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    run = begin(tmp_path, SLEEPER, "--trace", str(trace))
    other = [*command(tmp_path, "--state", str(tmp_path / "other")), "--trace", str(trace)]
    before = trace.read_bytes()
    second = subprocess.run(other, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert second.stderr == f"error: {trace} is being written by another run: name another file\n"
    assert trace.read_bytes().startswith(before)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert out.splitlines()[-1].endswith("conforms")


FAILS = """
from rhscheck.tracer.plugin import Resource, ResourceError

class Fails(Resource):
    def online(self):
        if self.name == "offline": return
        raise ResourceError("first\\nsecond", 5)
    def offline(self): raise ResourceError("it cannot", 6)
    def terminate(self): pass
    def is_alive(self): return True
"""


def failing(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of one resource that fails at what it is named after."""
    (folder / "fails.py").write_text(FAILS, encoding="utf-8")
    (folder / "cluster.toml").write_text(
        f'[resource.{name}]\nplugin = "./fails.py:Fails"\nrestart = {{ threshold = 1 }}\n',
        encoding="utf-8",
    )
    words = command(folder, "--seconds", "4", "--trace", str(folder / "t.jsonl"), *options)
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_resource_that_has_failed_is_told_by_the_exit_status(tmp_path: Path) -> None:
    done = failing(tmp_path, "online")
    assert done.returncode == 1
    *lines, why, last = done.stdout.splitlines()
    assert why == (
        "online: not in order: it had failed: Online returned 5; "
        "the last it said: Online failed: first"
    )
    assert ", 2 failures, 0 monitors died, 1 resource not in order, the trace " in last
    assert last.endswith(" conforms")
    # Every line of a message of many lines says when, and of whom.
    assert all(line[2] == line[5] == ":" and line[8] == "." for line in lines)
    assert any(line.endswith("  [online] second") for line in lines)
    assert any(line.endswith("  [online] Online failed: first") for line in lines)
    assert any(line.endswith("  online: Closed (Close: 0)") for line in lines)
    assert not any("online: Initializing" in line for line in lines)


def test_a_quiet_run_names_what_had_failed_and_why(tmp_path: Path) -> None:
    """It said "1 resource not in order", neither which nor why."""
    done = failing(tmp_path, "online", "--quiet")
    assert done.returncode == 1
    (last,) = done.stdout.splitlines()
    assert (
        ", 1 resource not in order (online: not in order: it had failed: Online returned 5; "
        "the last it said: Online failed: first), the trace "
    ) in last


def test_an_offline_that_fails_at_the_end_is_told_by_the_exit_status(tmp_path: Path) -> None:
    done = failing(tmp_path, "offline")
    assert done.returncode == 1
    *_, why, last = done.stdout.splitlines()
    assert why == (
        "offline: not in order: Offline returned 6; the last it said: Offline failed: it cannot"
    )
    assert ", 1 failure, 0 monitors died, 1 resource not in order, the trace " in last


def test_a_refused_plug_in_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("import nothing_like_it\n", encoding="utf-8")
    (tmp_path / "cluster.toml").write_text(
        '[resource.it]\nplugin = "./fails.py:Fails"\n', encoding="utf-8"
    )
    trace, steps = tmp_path / "t.jsonl", tmp_path / "s.jsonl"
    words = command(tmp_path, "--trace", str(trace), "--steps", str(steps))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        f"nothing was hosted: {trace} is not written",
        f"nothing was hosted: {steps} is not written",
    ]
    assert not trace.exists()
    assert not steps.exists()


@pytest.mark.parametrize(("scale", "status"), [("2.5", 0), ("0.5", 0), ("0", 2), ("nan", 2)])
def test_the_time_scale_is_any_number_above_0(tmp_path: Path, scale: str, status: int) -> None:
    (tmp_path / "cluster.toml").write_text(SLEEPER, encoding="utf-8")
    trace = tmp_path / "t.jsonl"
    words = [sys.executable, "-m", "rhscheck", "run", str(tmp_path / "cluster.toml"), "--quiet"]
    options = ["--time-scale", scale, "--seconds", "0.8", "--judge", "none"]
    options += ["--trace", str(trace)]
    done = subprocess.run([*words, *options], capture_output=True, text=True, check=False)
    assert done.returncode == status
    if status == 0:
        times = json.loads(trace.read_bytes().partition(b"\n")[0])["params"]
        assert times["CallTimeout"] == 300_000_000 / float(scale)


@POSIX
def test_two_runs_do_not_share_a_state_directory(tmp_path: Path) -> None:
    run = begin(tmp_path, SLEEPER)
    second = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "cluster.state is in use by another run of this cluster" in second.stderr
    run.terminate()
    run.communicate(timeout=60)


def test_a_run_for_some_seconds_reports_as_json(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(SLEEPER, encoding="utf-8")
    done = subprocess.run(
        command(tmp_path, "--seconds", "0.8", "--format", "json"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report.pop("seconds") >= 0.8
    assert report == {
        "version": 1,
        "command": "run",
        "cluster": str(tmp_path / "cluster.toml"),
        "outcome": "orderly",
        "resources": [
            {
                "name": "sleeper",
                "group": "group",
                "monitor": "shared",
                "state": "Closed",
                "failures": 0,
                "unclean": None,
            }
        ],
        "monitor_deaths": 0,
        "trace": None,
        "verdict": None,
        "findings": [],
        "exit": 0,
    }


def test_a_wrong_file_is_refused_with_every_line(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text(
        '[timeouts]\ncall = 300\n\n[resource.web]\nplugn = "x"\ndepends_on = ["db"]\n',
        encoding="utf-8",
    )
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f'error: {path}:2: `call` has to be a time with its unit, as `"5m"` (us, ms, s, m, h), '
        "of 10 years at most, not 300",
        f'{path}:4: resource `web` has no plug-in: add `plugin = "GenericApplication"`, '
        '`"package.module:Class"` or `"./file.py:Class"`',
        f"{path}:5: there is no `plugn` in `[resource.web]`; did you mean `plugin`?",
        f"{path}:6: `web` depends on `db`, which does not exist",
    ]


def test_a_closed_pipe_ends_nothing(tmp_path: Path) -> None:
    run = begin(tmp_path, SLEEPER, "--seconds", "1.5")
    assert run.stdout is not None
    run.stdout.close()
    assert run.wait(60) == 0
    assert run.stderr is not None
    assert run.stderr.read() == ""
    run.stderr.close()


@POSIX
def test_a_reader_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text(
        "from rhscheck.tracer.resources.generic_application import GenericApplication\n"
        "class Chatty(GenericApplication):\n"
        "    def offline(self):\n"
        "        for _ in range(3000): self.host.log('x' * 100)\n"
        "        return super().offline()\n",
        encoding="utf-8",
    )
    run = begin(tmp_path, SLEEPER.replace("GenericApplication", "./chatty.py:Chatty"))
    application = pid_in(tmp_path)
    run.send_signal(signal.SIGINT)
    assert is_gone(application, 30.0)  # taken offline although 300 KB wait in a pipe of 64 KB
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert out.count("x" * 100) == 3000


@POSIX
def test_a_full_disk_does_not_take_the_cluster_down(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(SLEEPER, encoding="utf-8")
    trace = str(tmp_path / "t.jsonl")
    limited = ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh"]  # files of 2 or 4 KB at most
    run = [*command(tmp_path, "--seconds", "1.5", "--trace", trace)]
    done = subprocess.run([*limited, *run], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "sleeper: Online (" in done.stdout
    assert "sleeper: Closed (" in done.stdout
    assert f"{trace}: cannot be written any more: File too large" in done.stderr
    assert f"error: {trace}: could not be written to its end: File too large" in done.stderr


def refused(folder: Path, *options: str) -> str:
    """What is said of a run that is refused before anything is hosted."""
    (folder / "cluster.toml").write_text(SLEEPER, encoding="utf-8")
    done = subprocess.run(
        command(folder, "--seconds", "1", *options),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_a_report_that_could_not_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    path = tmp_path / "none" / "report"
    assert refused(tmp_path, "-o", str(path)) == (
        f"error: {path}: cannot be written: No such file or directory\n"
    )
    assert "cannot be written: Is a directory" in refused(tmp_path, "-o", str(tmp_path))


@POSIX
def test_a_trace_that_could_not_be_read_again_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/stdout", "/dev/null"):
        assert refused(tmp_path, "--trace", path) == (
            f"error: {path}: the run is judged by its trace, and from a pipe or a device it cannot "
            "be read again: name a file, or add --judge none\n"
        )


def test_a_file_in_the_place_of_a_resources_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "other" / "resources" / "sleeper"
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way", encoding="utf-8")
    said = refused(tmp_path, "--state", str(tmp_path / "other"))
    assert said == (
        f"error: {folder.resolve()} is no folder, so resource `sleeper` cannot have its files "
        "there: remove it, or choose another directory with --state\n"
    )


def test_a_run_is_told_of_though_judging_its_trace_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It said "interrupted", and nothing of the run, which had ended in order."""

    def interrupted(_path: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "replay", interrupted)
    (tmp_path / "cluster.toml").write_text(SLEEPER, encoding="utf-8")
    trace = str(tmp_path / "t.jsonl")
    words = ["run", str(tmp_path / "cluster.toml"), "--seconds", "0.8", "--trace", trace]
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    said = capsys.readouterr()
    assert (ended.value.code, said.err) == (130, "interrupted\n")
    assert said.out.splitlines()[-1].endswith(
        f" s, 1 resource, 0 failures, 0 monitors died, the trace {trace} is not judged"
    )
