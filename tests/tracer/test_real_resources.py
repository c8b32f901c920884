"""The shipped resources with real applications, and what a resource may rely on."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest
from real_cluster import Run, Start, is_gone, one_resource

from rhscheck.tracer.application import Application, identify, read_record

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX: sleep, sh, signals")
CONFORMS = ("conforms", "conforms-so-far")

# An agent as Pacemaker runs them: its application is a sleep that it starts in the background.
AGENT = """\
#!/bin/sh
pidfile="$OCF_RESKEY_state/agent.pid"
echo "$1 $OCF_RESOURCE_INSTANCE $OCF_CHECK_LEVEL $OCF_RESKEY_greeting" >> "$OCF_RESKEY_state/calls"
running() { [ -f "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }
case "$1" in
    start) running || { setsid sleep 1000 & echo $! > "$pidfile"; } ;;
    stop) running && kill -9 "$(cat "$pidfile")"; rm -f "$pidfile" ;;
    monitor) running || exit 7 ;;
    *) exit 3 ;;
esac
exit 0
"""


def test_an_ocf_agent_is_hosted_and_its_dead_application_restarted(
    cluster: Start, tmp_path: Path
) -> None:
    agent = tmp_path / "agent"
    agent.write_text(AGENT, encoding="utf-8")
    agent.chmod(0o755)
    text = f"""
    [resource.it]
    plugin = "GenericScript"
    [resource.it.parameters]
    agent = "{agent}"
    parameters = {{ state = "{tmp_path}", greeting = true }}
    """
    run = cluster(tmp_path, text, scale=20)
    run.until_state("it", "Online")
    first = int((tmp_path / "agent.pid").read_text(encoding="ascii"))
    os.kill(first, signal.SIGKILL)
    run.until_state("it", "Online", 2)
    second = int((tmp_path / "agent.pid").read_text(encoding="ascii"))
    run.finish()
    assert first != second
    assert is_gone(second)
    calls = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert calls[:3] == ["monitor it 0 true", "start it 0 true", "monitor it 0 true"]
    # LooksAlive fails, IsAlive confirms it with a thorough check, Terminate stops, Online starts.
    at = calls.index("monitor it 10 true")
    assert calls[at : at + 3] == ["monitor it 10 true", "stop it 0 true", "start it 0 true"]
    assert calls[-1] == "stop it 0 true"
    assert "monitor: exit status 7 (not running)" in run.log()
    assert run.verdict().verdict in CONFORMS


def test_an_agent_that_fails_to_start_is_named_with_its_status(
    cluster: Start, tmp_path: Path
) -> None:
    agent = tmp_path / "agent"
    agent.write_text("#!/bin/sh\n[ $1 = monitor ] && exit 7\n[ $1 = start ] && exit 5\nexit 0\n")
    agent.chmod(0o755)
    text = f"""
    [resource.it]
    plugin = "GenericScript"
    parameters = {{ agent = "{agent}" }}
    restart = {{ action = "restart", threshold = 0 }}
    """
    run = cluster(tmp_path, text)
    run.until_state("it", "Failed")
    run.finish()
    assert "start: exit status 5 (something it needs is not installed)" in run.log()
    assert run.verdict().verdict in CONFORMS


def application_of(run: Run) -> int:
    record = read_record(run.folder / "state/resources/it/application.process")
    assert record is not None
    return record.pid


SLEEP = """
[resource.it]
plugin = "GenericApplication"
[resource.it.parameters]
command = ["sleep", "1000"]
"""


def test_a_watched_application_that_ends_is_seen_without_polling(
    cluster: Start, tmp_path: Path
) -> None:
    run = cluster(tmp_path, SLEEP)
    run.until_state("it", "Online")
    os.kill(application_of(run), signal.SIGTERM)
    run.until_state("it", "Online", 2)
    run.finish()
    assert "ended with status -15" in run.log()
    trace = (tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    assert '"name":"handleSignaled"' in trace
    assert 'Alive","cid"' not in trace
    assert run.verdict().verdict in CONFORMS


def test_an_application_survives_its_monitor_and_is_adopted(cluster: Start, tmp_path: Path) -> None:
    run = cluster(tmp_path, SLEEP)
    run.until_state("it", "Online")
    application, monitor = application_of(run), run.runtime.pid_of("shared")
    assert monitor is not None
    os.kill(monitor, signal.SIGKILL)
    run.until_state("it", "Online", 2)
    assert application_of(run) == application
    assert f"adopted process {application}" in run.log()
    run.finish()
    assert is_gone(application)
    assert "was killed" not in run.log()  # it was said of one that had ended as it was asked to
    assert run.verdict().verdict in CONFORMS


def test_workers_handles_status_and_controls(cluster: Start, tmp_path: Path) -> None:
    body = """
    class It(Good):
        def online(self):
            self.handle = Handle()
            self.host.worker(self.work)
            return PENDING
        def work(self, cancel):
            self.host.set_resource_status(Status.PENDING)
            self.host.set_resource_status(Status.ONLINE, handle=self.handle)
        def resource_control(self, code, data):
            self.handle.signal()
            return data.upper()
    """
    run = cluster(tmp_path, one_resource("It"), body)
    run.until_state("it", "Online")
    answers: list[tuple[int, str]] = []
    run.runtime.control("it", 1, b"hello", lambda done: answers.append((done.rc, done.data)))
    run.until_state("it", "Online", 2)
    run.finish()
    assert answers == [(0, "HELLO")]
    assert run.ends() == []
    assert run.verdict().verdict in CONFORMS


def test_terminate_cancels_the_worker_and_waits_for_it(cluster: Start, tmp_path: Path) -> None:
    body = """
    class It(Good):
        tries = 0
        def online(self):
            self.tries += 1
            if self.tries == 2: return None
            self.host.worker(self.work)
            return PENDING
        def work(self, cancel):
            cancel.wait()      # silent for longer than PendingTimeout
            time.sleep(0.05)   # and slow to end
            self.host.log("the worker ends")
        def terminate(self): self.host.log("terminate returns")
        def is_alive(self): return True
    """
    run = cluster(tmp_path, one_resource("It"), body, scale=200)
    run.until_state("it", "Online")
    run.finish()
    assert run.log().splitlines()[:2] == ["terminate returns", "the worker ends"]
    assert run.verdict().verdict in CONFORMS


def test_dependencies_and_a_kept_persistent_state(cluster: Start, tmp_path: Path) -> None:
    text = """
    [resource.top]
    plugin = "./plugin.py:Good"
    depends_on = ["it"]
    [resource.it]
    plugin = "./plugin.py:Good"
    """
    run = cluster(tmp_path, text, scale=20)
    run.until_state("top", "Online")
    run.runtime.bring("group", online=False)
    run.until_state("it", "Offline", 2)
    run.finish()
    assert run.ends() == []
    order = [
        (one.resource, one.state)  # type: ignore[union-attr]
        for one in run.news
        if getattr(one, "state", "") in ("Online", "Offline") and hasattr(one, "resource")
    ]
    # Its first Offline, of Open, may come when what it depends on is online already.
    assert order.index(("it", "Online")) < order.index(("top", "Online"))
    assert order[-3:] == [("top", "Online"), ("top", "Offline"), ("it", "Offline")]
    assert run.verdict().verdict in CONFORMS
    again = cluster(tmp_path, text)
    again.until_state("it", "Offline")
    again.until_state("top", "Offline")
    again.finish()
    assert "Online" not in again.states("it")
    assert again.verdict().verdict in CONFORMS


def test_an_application_is_known_by_number_and_start(tmp_path: Path) -> None:
    record = tmp_path / "a.process"
    application = Application.start(["sleep", "1000"], record, log=tmp_path / "log")
    assert Application.recover(record) is not None
    stranger = textwrap.dedent(f'{{"pid":{os.getpid()},"started":"another time"}}')
    other = tmp_path / "b.process"
    other.write_text(stranger, encoding="utf-8")
    assert Application.recover(other) is None
    assert not other.exists()
    application.kill()
    assert identify(application.pid) is None
    assert not record.exists()
    assert application.exit_status == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="descendants are read from Linux's /proc")
def test_what_an_application_started_in_other_sessions_ends_with_it_though_it_is_stopped(
    tmp_path: Path,
) -> None:
    """A stopped PostgreSQL left its processes behind, and what they share kept the next from
    starting."""
    code = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
inner = "import subprocess, time; print(subprocess.Popen(['sleep', '1000']).pid, flush=True); "
inner += "time.sleep(1000)"
other = subprocess.Popen([sys.executable, "-c", inner], start_new_session=True)
print(child.pid, other.pid, flush=True)
time.sleep(1000)
"""
    log = tmp_path / "log"
    argv = [sys.executable, "-c", code]
    application = Application.start(argv, tmp_path / "a.process", log=log)
    until = time.monotonic() + 20
    while len(started := [int(one) for one in log.read_text("ascii").split()]) < 3:
        assert time.monotonic() < until
        time.sleep(0.02)
    for one in (application.pid, *started):
        os.kill(one, signal.SIGSTOP)
    application.kill()
    assert [is_gone(one) for one in (application.pid, *started)] == [True] * 4


@pytest.mark.breaks_promises("D2")
def test_a_plugin_that_breaks_a_promise_is_blamed(cluster: Start, tmp_path: Path) -> None:
    body = """
    class Early(Good):
        def online(self):
            self.host.set_resource_status(Status.PENDING)  # before Online has returned 997
            self.up = True
    """
    run = cluster(tmp_path, one_resource("Early"), body)
    run.until_state("it", "Online")
    run.finish()
    report = run.verdict()
    assert report.verdict == "violated"
    assert [(one.rule, one.actor) for one in report.findings] == [("D2", "DLL")]


@pytest.mark.breaks_promises("D2")
def test_a_thread_that_goes_on_reporting_is_the_plugins_fault_alone(
    cluster: Start, tmp_path: Path
) -> None:
    body = """
    class Left(Good):
        def online(self):
            self.host.worker(self.work)
            return PENDING
        def work(self, cancel):
            self.up = True
            threading.Thread(target=self.go_on, daemon=True).start()
        def go_on(self):
            for status in [Status.PENDING, Status.ONLINE, Status.FAILED, Status.OFFLINE] * 4:
                time.sleep(0.04)
                try:
                    self.host.set_resource_status(status)
                except Exception:  # told to stop, and does not
                    pass
            self.host.log("done")
    """
    run = cluster(tmp_path, one_resource("Left"), body)
    run.until(lambda: run.log() == "done")
    run.finish()
    report = run.verdict()
    assert {(one.rule, one.actor) for one in report.findings} == {("D2", "DLL")}
    assert sum(one.repeats for one in report.findings) == 16
    # Nothing is doubtful after it: neither RCM's Offline and Close nor RHS's polls are accused.
    assert {verdict for rule, verdict in report.rules if rule != "D2"} <= {
        *("conforms", "conforms-so-far", "not-observable")
    }


def test_a_stubborn_application_is_killed_after_its_time(cluster: Start, tmp_path: Path) -> None:
    text = """
    [resource.it]
    plugin = "GenericApplication"
    [resource.it.parameters]
    command = ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]
    stop_s = 40
    """
    run = cluster(tmp_path, text)
    run.until_state("it", "Online")
    application = application_of(run)
    run.finish()  # 0.4 s, with a report every 10 ms
    assert is_gone(application)
    assert run.states("it")[-3:] == ["Offline", "Closing", "Closed"]
    trace = (tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    assert trace.count('"op":"SetResourceStatus","state":"pending"') >= 5
    assert run.verdict().verdict in CONFORMS


def test_an_application_is_not_lost_by_starting_another(cluster: Start, tmp_path: Path) -> None:
    body = """
    class Twice(Good):
        def online(self):
            self.host.spawn(["sleep", "1000"])
            self.host.spawn(["sleep", "1000"])
    """
    text = one_resource("Twice", 'restart = { action = "none" }')
    run = cluster(tmp_path, text, body)
    run.until_state("it", "Failed")
    application = application_of(run)
    run.finish()
    assert f"`application` (process {application}) still runs: end it, or spawn under" in run.log()
    assert f"process {application} was left behind and is ended" in run.log()
    assert is_gone(application)
    assert run.verdict().verdict in CONFORMS
