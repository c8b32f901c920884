"""Plug-ins that misbehave in every way: each is contained, reported, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from real_cluster import Start, is_gone, one_resource

from rhscheck.tracer.cluster_file import ClusterFileError
from rhscheck.tracer.real.frames import Setup
from rhscheck.tracer.real.news import ResourceNews
from rhscheck.tracer.real.rhs_process import EXIT_STATUS
from rhscheck.traces.format import NoteEvent

CONFORMS = ("conforms", "conforms-so-far")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX: signals and fork")


def restarted(cluster: Start, folder: Path, body: str, expected: str) -> None:
    """The plug-in's monitor dies once, for the `expected` reason, and the resource comes back."""
    run = cluster(folder, one_resource("Bad"), body)
    run.until_state("it", "Online", 2)
    run.finish()
    (end,) = run.ends()
    assert expected in end.why
    assert run.verdict().verdict in CONFORMS


ONCE = """
class Bad(Good):
    def once(self):
        mark = self.host.state_dir / "mark"
        first = not mark.exists()
        mark.touch()
        return first
"""


def test_exit_in_is_alive_ends_the_monitor_and_is_named(cluster: Start, tmp_path: Path) -> None:
    body = ONCE + (
        "    def is_alive(self):\n        if self.once(): os._exit(7)\n        return self.up\n"
    )
    restarted(
        cluster,
        tmp_path,
        body,
        "a plug-in ended the process with status 7 (during LooksAlive of it)",
    )


@pytest.mark.parametrize("status", [0, 100, 101, 103])
def test_a_status_is_no_word_of_the_monitor(cluster: Start, tmp_path: Path, status: int) -> None:
    """A plug-in that ends the process as the host would is at fault, and gets a monitor alone."""
    body = ONCE + (
        f"    def looks_alive(self):\n        if self.once(): os._exit({status})\n"
        "        return self.up\n"
        "class Calm(Good):\n    def online(self): return Handle()\n"
    )
    text = one_resource("Bad") + '[resource.calm]\nplugin = "./plugin.py:Calm"\n'
    run = cluster(tmp_path, text, body)
    run.until_state("it", "Online", 2)
    run.until_state("calm", "Online", 2)
    run.finish()
    (end,) = run.ends()
    assert end.why == (
        f"a plug-in ended the process with status {status} (during LooksAlive of it)"
    )
    monitors = [
        one.monitor for one in run.news if isinstance(one, ResourceNews) and one.resource == "it"
    ]
    assert list(dict.fromkeys(monitors)) == ["shared", "it (own)"]
    assert run.verdict().verdict in CONFORMS


@POSIX
def test_a_segmentation_fault_names_the_line(cluster: Start, tmp_path: Path) -> None:
    body = ONCE + (
        "    def looks_alive(self):\n"
        "        if self.once():\n"
        "            import ctypes; ctypes.string_at(0)  # crash\n"
        "        return self.up\n"
    )
    restarted(cluster, tmp_path, body, "killed by SIGSEGV at plugin.py line ")


@POSIX
def test_a_hang_that_holds_pythons_lock_is_ended_by_the_c_level_watchdog(
    cluster: Start, tmp_path: Path
) -> None:
    body = ONCE + (
        "    def is_alive(self):\n"
        "        if self.once():\n"
        "            import ctypes; ctypes.PyDLL(None).sleep(1000)\n"
        "        return self.up\n"
    )
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online", 2)
    run.finish()
    (end,) = run.ends()
    assert "its watchdog ended it" in end.why
    assert "plugin.py line" in end.why
    report = run.verdict()
    assert report.verdict in CONFORMS
    trace = (tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    assert '"ev":"timeout","op":"LooksAlive"' in trace


def test_a_hang_in_is_alive_is_a_deadlock_and_the_dump_names_the_line(
    cluster: Start, tmp_path: Path
) -> None:
    body = ONCE + (
        "    def is_alive(self):\n"
        "        if self.once():\n"
        "            time.sleep(1000)  # hangs\n"
        "        return self.up\n"
    )
    restarted(
        cluster,
        tmp_path,
        body,
        "ended itself because of a deadlock at plugin.py line 20 in is_alive",
    )


@POSIX
@pytest.mark.parametrize(
    "crash",
    [
        "import ctypes; ctypes.string_at(0)",
        "os._exit(3)",
        "import ctypes; ctypes.PyDLL(None).sleep(99)",
    ],
)
def test_a_resource_that_crashes_its_monitor_gets_one_of_its_own(
    cluster: Start, tmp_path: Path, crash: str
) -> None:
    body = f"""
    class Watched(Good):
        def online(self): return Handle()  # so it is the control alone that runs when it ends
        def resource_control(self, code, data):
            {crash}
    """
    text = one_resource("Watched") + '[resource.calm]\nplugin = "./plugin.py:Watched"\n'
    run = cluster(tmp_path, text, body)
    run.until_state("it", "Online")
    run.until_state("calm", "Online")
    run.runtime.control("it", 1, b"", lambda _done: None)
    run.until_state("it", "Online", 2)
    run.until_state("calm", "Online", 2)
    run.finish()
    monitors = [
        one.monitor for one in run.news if isinstance(one, ResourceNews) and one.resource == "it"
    ]
    assert list(dict.fromkeys(monitors)) == ["shared", "it (own)"]
    assert run.states("calm").count("Online") == 2
    assert len(run.ends()) == 1
    assert run.verdict().verdict in CONFORMS


@POSIX
def test_a_worker_that_crashes_its_monitor_is_named_and_isolated(
    cluster: Start, tmp_path: Path
) -> None:
    body = ONCE + (
        "    def online(self):\n"
        "        if not self.once(): self.up = True; return None\n"
        "        self.host.worker(self.work)\n"
        "        return PENDING\n"
        "    def work(self, cancel):\n"
        "        while not (self.host.state_dir.parent / 'calm' / 'polled').exists():\n"
        "            self.host.set_resource_status(Status.PENDING); time.sleep(0.01)\n"
        "        import ctypes; ctypes.string_at(0)  # while the neighbour is called\n"
        "class Calm(Good):\n"
        "    def is_alive(self):\n"
        "        if not (self.host.state_dir / 'polled').exists():\n"
        "            (self.host.state_dir / 'polled').touch(); time.sleep(2)\n"
        "        return self.up\n"
    )
    text = one_resource("Bad") + '[resource.calm]\nplugin = "./plugin.py:Calm"\n'
    run = cluster(tmp_path, text, body)
    run.until_state("it", "Online")
    run.until_state("calm", "Online", 2)
    run.finish()
    (end,) = run.ends()
    assert end.why.startswith("killed by SIGSEGV at plugin.py line 25 in work")
    assert end.why.endswith(" (in the worker of it)")
    monitors = [(one.resource, one.monitor) for one in run.news if isinstance(one, ResourceNews)]
    assert list(dict.fromkeys(monitors)) == [
        *(("it", "shared"), ("calm", "shared"), ("it", "it (own)"))
    ]
    assert run.verdict().verdict in CONFORMS


@POSIX
def test_killed_from_outside(cluster: Start, tmp_path: Path) -> None:
    run = cluster(tmp_path, one_resource("Good"))
    run.until_state("it", "Online")
    pid = run.runtime.pid_of("shared")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    run.until_state("it", "Online", 2)
    run.finish()
    assert run.ends()[0].why.startswith("killed by SIGKILL")
    assert run.verdict().verdict in CONFORMS


def test_exceptions_in_every_entry_point_are_failures_of_the_call(
    cluster: Start, tmp_path: Path
) -> None:
    body = """
    class Bad(Good):
        opened = onlined = 0
        def open(self, recover):
            tries = self.host.state_dir / "tries"
            with tries.open("a") as file: file.write("x")
            if tries.stat().st_size == 1: raise ValueError("open")
        def online(self):
            self.onlined += 1
            if self.onlined == 1: raise ValueError("online")
            self.up = True
        def looks_alive(self):
            if self.onlined == 2: raise ValueError("looks_alive")
            return self.up
        def is_alive(self):
            if self.onlined == 2: raise ValueError("is_alive")
            return self.up
        def offline(self): sys.exit("offline")
        def resource_control(self, code, data): raise KeyError(code)
    """
    run = cluster(tmp_path, one_resource("Bad", 'restart = { retry = "10s", threshold = 9 }'), body)
    run.until_state("it", "Online", 2)
    answers: list[int] = []
    run.runtime.control("it", 5, b"", lambda done: answers.append(done.rc))
    run.until(lambda: "ResourceControl raised" in run.log())
    run.finish()
    assert answers == [1359]
    assert run.ends() == []
    for text in (
        "Open raised ValueError: open",
        "Online raised ValueError: online",
        "LooksAlive raised ValueError: looks_alive",
        "IsAlive raised ValueError: is_alive",
        "Offline called sys.exit('offline')",
        "ResourceControl raised KeyError: 5",
    ):
        assert text in run.log()
    assert run.verdict().verdict in CONFORMS


def test_a_stack_trace_is_the_plug_ins_alone_and_is_shown_once(
    cluster: Start, tmp_path: Path
) -> None:
    """Frames of the host stood above it, a deep one filled the log, each failure repeated it."""
    body = """
    class Bad(Good):
        def online(self): self.up = True
        def looks_alive(self): return self.down(50)
        def down(self, n): return self.further(n) if n else 1 / 0
        def further(self, n): return self.down(n - 1)
        def is_alive(self): return True
    """
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until(lambda: run.log().count("LooksAlive raised ZeroDivisionError: division by zero") > 1)
    run.finish()
    log = run.log()
    assert log.count("Traceback (most recent call last):") == 1
    assert "(the stack trace is that of before)" in log
    assert "  (82 frames are left out)\n" in log
    first = log.partition("last):\n")[2].partition("\n")[0]
    assert first == f'  File "{tmp_path / "plugin.py"}", line 14, in looks_alive'
    assert "hosting.py" not in log
    assert run.verdict().verdict in CONFORMS


def test_a_thread_that_ends_the_process_is_the_only_resources(
    cluster: Start, tmp_path: Path
) -> None:
    body = ONCE + (
        "    def online(self):\n"
        "        if self.once():\n"
        "            def leak(): time.sleep(0.2); os._exit(9)\n"
        "            threading.Thread(target=leak).start()\n"
        "        return Handle()\n"  # so that no call runs when it ends
    )
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online", 2)
    run.finish()
    (end,) = run.ends()
    assert end.why == (
        "a plug-in ended the process with status 9 (in a thread of it, the only resource here)"
    )
    assert run.states("it").count("DelayRestartingResource") == 1  # a failure of its own
    assert run.verdict().verdict in CONFORMS


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_used_up_memory_is_no_deadlock(cluster: Start, tmp_path: Path) -> None:
    """The thread of the call died of it, and the one for the next call never began: "a plug-in
    holds Python's lock"."""
    body = ONCE + (
        "    held = []\n"
        "    def is_alive(self):\n"
        "        if not self.once(): return self.up\n"
        "        import resource\n"
        "        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\n"
        "        size = 1 << 20\n"
        "        while True:\n"
        "            try: self.held.append(bytearray(size))\n"
        "            except MemoryError:\n"
        "                if size < 64: raise\n"
        "                size //= 2\n"
    )
    run = cluster(tmp_path, one_resource("Bad"), body)
    try:
        run.until_state("it", "Online", 2)
    except AssertionError:
        # There may be just enough left for the thread to say what it raised, and for the checks
        # that follow, which are well: then nothing is restarted, and rightly so.
        assert run.states("it")[-1] == "Online"
        assert "LooksAlive raised MemoryError" in run.log()
    run.finish()
    ends = [one.why for one in run.ends()]
    assert all(why.startswith("there was no memory left in it") for why in ends), ends
    assert run.verdict().verdict in CONFORMS


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValueError('terminate')", "raised ValueError: terminate"),
        # Their code was taken for its result, which Terminate has not: `rhs` refused the trace.
        ("ResourceError('terminate', 5)", "failed: terminate"),
    ],
)
def test_an_exception_in_terminate_ends_the_monitor(
    cluster: Start, tmp_path: Path, error: str, told: str
) -> None:
    body = ONCE + (
        "    def online(self):\n"
        "        if self.once(): raise ResourceError('no', 5)\n"
        "        self.up = True\n"
        f"    def terminate(self): raise {error}\n"
    )
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online")
    run.finish()
    (end,) = run.ends()
    assert end.why == "ended itself because a plug-in's exception left it unsafe"
    assert f"Terminate {told}" in run.log()
    assert run.verdict().verdict in CONFORMS


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValueError('close')", "raised ValueError: close"),
        ("ResourceError('close', 5)", "failed: close"),
    ],
)
def test_an_exception_in_close_ends_the_monitor_and_is_told_at_the_end(
    cluster: Start, tmp_path: Path, error: str, told: str
) -> None:
    body = f"class Bad(Good):\n    def close(self): raise {error}\n"
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online")
    run.finish()
    (end,) = run.ends()
    assert end.why == "ended itself because a plug-in's exception left it unsafe"
    why = f"Close ended in a crash: Close of it {told}"
    assert run.runtime.unclean == (("it", why),)
    assert run.verdict().verdict in CONFORMS
    notes = [one.what for one in run.trace() if isinstance(one, NoteEvent) and one.res == "it"]
    assert notes[-1] == f"Close {told}"


@POSIX
def test_forks_threads_and_output_do_not_outlive_or_disturb_the_monitor(
    cluster: Start, tmp_path: Path
) -> None:
    body = """
    class Bad(Good):
        def online(self):
            print("to standard output", flush=True)
            os.write(1, b'{"type":"Ready","now_us":1}\\n')
            sys.stdout.close()
            pid = os.fork()
            if pid == 0:
                time.sleep(1000)
            (self.host.state_dir / "forked").write_text(str(pid))
            for _ in range(50):
                threading.Thread(target=time.sleep, args=(1000,), daemon=False).start()
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            self.up = True
    """
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online")
    forked = int((tmp_path / "state/resources/it/forked").read_text(encoding="utf-8"))
    assert not is_gone(forked, 0.0)
    run.finish()
    assert is_gone(forked)
    log = (tmp_path / "state/monitors/shared.log").read_text(encoding="utf-8")
    assert "to standard output" in log
    assert run.ends() == []
    assert run.verdict().verdict in CONFORMS


@pytest.mark.skipif(sys.platform != "linux", reason="environments are read from Linux's /proc")
def test_a_daemon_that_a_plugin_started_does_not_outlive_the_run(
    cluster: Start, tmp_path: Path
) -> None:
    body = """
    class Bad(Good):
        def online(self):
            code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
            code += "print('ready', flush=True); time.sleep(1000)"
            daemon = subprocess.Popen(
                [sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE
            )
            daemon.stdout.readline()
            (self.host.state_dir / "daemon").write_text(str(daemon.pid))
            self.up = True
    """
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online")
    daemon = int((tmp_path / "state/resources/it/daemon").read_text(encoding="utf-8"))
    assert not is_gone(daemon, 0.0)
    run.finish()
    assert is_gone(daemon)
    assert f"process {daemon} (python" in run.log()
    assert run.verdict().verdict in CONFORMS


@pytest.mark.parametrize(
    ("plugin", "body", "expected"),
    [
        ("./plugin.py:Nope", "", "has no `Nope`; its resources are Good"),
        ("./plugin.py:Bad", "import nothing_like_it\n", "No module named 'nothing_like_it'"),
        ("./plugin.py:Bad", "sys.exit(3)\n", "called sys.exit(3) while it was imported"),
        ("./plugin.py:Bad", "os._exit(9)\n", "ended the process with status 9 (while the plug-in"),
        ("./plugin.py:Bad", "os._exit(103)\n", "the process with status 103 (while the plug-in"),
        ("./plugin.py:Bad", "class Bad(Good):\n    async def online(self): ...\n", "is async"),
        ("./plugin.py:Bad", "class Bad(Good):\n    def open(self): ...\n", "`def open(self, *, "),
        ("./plugin.py:Bad", "class Bad(Resource): ...\n", "lacks `is_alive`, `offline`, "),
        ("./other.py:Bad", "", "there is no file"),
        (
            "./plugin.py:Bad",
            "class Bad(Good):\n    params: 'Nothing'\n",
            "`plugin.py:Bad`: its annotations cannot be read: name 'Nothing' is not defined",
        ),
        (
            "./plugin.py:Bad",
            "import ctypes; ctypes.string_at(0)\n",
            # It did not say at which line.
            "killed by SIGSEGV at plugin.py line 11 in <module> (while the plug-in of it was "
            "loaded); import it in a Python",
        ),
        (
            "./plugin.py:Bad",
            "time.sleep(1000)\n",
            "its watchdog ended it at plugin.py line 11 in <module> (while the plug-in of it was "
            "loaded); an import may take 3.3 s (`call` and half of `dump` in [timeouts], divided "
            "by --time-scale): leave what is slow to open() and online()",
        ),
        ("GenericScipt", "", "did you mean `GenericScript`?"),
        ("nowhere.at_all:It", "", "there is no module `nowhere`, neither in the environment of "),
    ],
)
def test_a_plugin_that_does_not_fit_is_refused_with_its_line(
    cluster: Start, tmp_path: Path, plugin: str, body: str, expected: str
) -> None:
    text = f"\n[resource.it]\nplugin = '{plugin}'\n"
    run = cluster(tmp_path, text, body)
    with pytest.raises(ClusterFileError) as refused:
        run.join()
    (mistake,) = refused.value.mistakes
    assert mistake.line == 3
    assert expected in mistake.message
    assert run.left_running() == []


def test_a_plugin_that_ends_the_process_behind_one_that_does_not_load_is_named_too(
    cluster: Start, tmp_path: Path
) -> None:
    (tmp_path / "ends.py").write_text("import os\nos._exit(103)\n")
    (tmp_path / "never.py").write_text("import nothing_like_it\n")
    text = (
        "[resource.a]\nplugin = './never.py:It'\n[resource.b]\nplugin = 'GenericScript'\n"
        "[resource.c]\nplugin = './ends.py:It'\n[resource.d]\nplugin = './never.py:It'\n"
    )
    run = cluster(tmp_path, text)
    with pytest.raises(ClusterFileError) as refused:
        run.join()
    told = [(one.line, one.message) for one in refused.value.mistakes]
    assert [line for line, _ in told] == [2, 3, 6]
    assert "No module named 'nothing_like_it'" in told[0][1]
    assert "parameter `agent`" in told[1][1]
    assert told[2][1] == (
        "resource `c`: its monitor is gone: a plug-in ended the process with status 103 "
        "(while the plug-in of c was loaded); leave what ends a process to "
        "`if __name__ == '__main__':`"
    )
    assert run.left_running() == []


def test_nothing_is_opened_before_the_plugins_of_all_monitors_are_loaded(
    cluster: Start, tmp_path: Path
) -> None:
    (tmp_path / "late.py").write_text("import time; time.sleep(2)\nimport nothing_like_it\n")
    text = one_resource("Good") + (
        "[resource.late]\nplugin = './late.py:Late'\nmonitor = 'other'\n"
    )
    run = cluster(tmp_path, text, scale=10)
    with pytest.raises(ClusterFileError) as refused:
        run.join()
    assert [one.line for one in refused.value.mistakes] == [5]
    assert (run.states("it"), run.states("late")) == ([], [])
    assert run.left_running() == []


def test_a_parameter_that_is_wrong_is_named_with_its_line(cluster: Start, tmp_path: Path) -> None:
    text = """
    [resource.it]
    plugin = "GenericApplication"
    [resource.it.parameters]
    command = "sleep"
    """
    run = cluster(tmp_path, text)
    with pytest.raises(ClusterFileError) as refused:
        run.join()
    (mistake,) = refused.value.mistakes
    assert (mistake.line, mistake.message) == (
        5,
        "resource `it`: parameter `command`: expected array, got str",
    )


def test_all_wrong_parameters_of_all_monitors_are_told_at_once(
    cluster: Start, tmp_path: Path
) -> None:
    """They were told one a run: the first of a resource, and those of one monitor."""
    body = """
    from dataclasses import dataclass
    @dataclass
    class Wanted:
        port: int
        host: str
        folder: str
        names: list[str] = ()
    class Picky(Good):
        params: Wanted
    """
    text = """
    [resource.it]
    plugin = "./plugin.py:Picky"
    [resource.it.parameters]
    prot = 1
    folder = 2
    names = ["a", 3]
    [resource.good]
    plugin = "./plugin.py:Good"
    monitor = "good"
    [resource.other]
    plugin = "./plugin.py:Picky"
    monitor = "other"
    parameters = { port = "x", folder = "f", host = "h" }
    """
    run = cluster(tmp_path, text, body)
    with pytest.raises(ClusterFileError) as refused:
        run.join()
    assert [(one.line, one.message) for one in refused.value.mistakes] == [
        (4, "resource `it`: parameter `host` is missing: add `host = …`"),
        (5, "resource `it`: there is no parameter `prot`; did you mean `port`?"),
        (6, "resource `it`: parameter `folder`: expected str, got int"),
        (7, "resource `it`: parameter `names`: expected str, got int"),
        (14, "resource `other`: parameter `port`: expected int, got str"),
    ]
    assert run.states("good") == []
    assert run.left_running() == []


@POSIX
def test_a_stopped_monitor_does_not_answer_and_is_ended(cluster: Start, tmp_path: Path) -> None:
    body = "class Quiet(Good):\n    def online(self): return Handle()\n"  # nothing is due
    run = cluster(tmp_path, one_resource("Quiet"), body)
    run.until_state("it", "Online")
    pid = run.runtime.pid_of("shared")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    run.until_state("it", "Online", 2)
    run.finish()
    (end,) = run.ends()
    assert end.why.startswith("it has not answered for ")
    assert "; RCM ended it" in end.why
    assert run.verdict().verdict in CONFORMS


def test_a_monitor_that_always_dies_is_restarted_so_often_and_no_more(
    cluster: Start, tmp_path: Path
) -> None:
    body = "class Bad(Good):\n    def open(self, recover): os._exit(1)\n"
    text = one_resource("Bad") + "[monitor_restarts]\nrestarts = 2\n"
    run = cluster(tmp_path, text, body)
    run.until_state("it", "Failed")
    run.finish()
    assert [one.why for one in run.ends()] == [
        "a plug-in ended the process with status 1 (during Open of it)"
    ] * 3
    assert run.verdict().verdict in CONFORMS


def test_a_plugin_that_closes_every_file_ends_its_monitor(cluster: Start, tmp_path: Path) -> None:
    body = ONCE + (
        "    def online(self):\n"
        "        if self.once(): os.closerange(0, 100)\n"
        "        self.up = True\n"
    )
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online", 1)
    run.finish()
    assert len(run.ends()) == 1
    assert run.verdict().verdict in CONFORMS


def test_a_report_that_is_none_fails_the_worker_and_not_its_monitor(
    cluster: Start, tmp_path: Path
) -> None:
    """A checkpoint too large for a frame, and a handle that was none, ended the whole process."""
    body = (
        "class Bad(Good):\n"
        "    tries = 0\n"
        "    def online(self):\n"
        "        self.host.worker(self.work)\n"
        "        return PENDING\n"
        "    def work(self, cancel):\n"
        "        self.tries += 1\n"
        "        if self.tries == 1:\n"
        "            self.host.set_resource_status(Status.PENDING, checkpoint=2**70)\n"
        "        if self.tries == 2:\n"
        "            self.host.set_resource_status(Status.ONLINE, handle=17)\n"
        "        if self.tries == 3: return 17\n"
        "        self.up = True\n"
    )
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online")
    run.finish()
    assert run.ends() == []
    log = run.log()
    assert f"raised ValueError: a checkpoint is a number of 32 bits, not {2**70}" in log
    assert "the worker of Online raised ValueError: 17 is no Handle" in log
    assert "the worker of Online failed: it returned 17; None or a Handle was expected" in log
    assert run.verdict().verdict in CONFORMS


def test_pending_without_a_worker_fails_at_once(cluster: Start, tmp_path: Path) -> None:
    body = """
    class Idle(Good):
        tries = 0
        def online(self):
            self.tries += 1
            if self.tries < 3: return PENDING
            self.up = True
    """
    run = cluster(tmp_path, one_resource("Idle"), body)
    run.until_state("it", "Online")
    run.finish()
    assert run.states("it").count("OnlinePending") == 0
    text = "Online failed: it returned PENDING, but nothing goes on: hand a function to "
    assert run.log().count(text) == 2
    # Nothing was silent for PendingTimeout, and no promise of the plug-in is called broken.
    assert "onlineSilence" not in (tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    assert run.verdict().verdict in CONFORMS


def test_modules_beside_the_cluster_are_found_and_hide_nothing(
    cluster: Start, tmp_path: Path
) -> None:
    (tmp_path / "queue.py").write_text("raise RuntimeError('not the library')", encoding="utf-8")
    (tmp_path / "mine.py").write_text("from plugin import Good as Mine\n", encoding="utf-8")
    run = cluster(tmp_path, "[resource.it]\nplugin = 'mine:Mine'\n")
    run.until_state("it", "Online")
    run.finish()
    assert run.verdict().verdict in CONFORMS


@POSIX
def test_a_plugin_that_writes_into_every_file_is_ended(cluster: Start, tmp_path: Path) -> None:
    body = ONCE + (
        "    def online(self):\n"
        "        for fd in range(3, 60) if self.once() else ():\n"
        "            try: os.write(fd, b'junk\\n')\n"
        "            except OSError: pass\n"
        "        time.sleep(0.05)\n"
        "        self.up = True\n"
    )
    run = cluster(tmp_path, one_resource("Bad"), body)
    run.until_state("it", "Online")
    run.finish()
    assert run.ends()[0].why.startswith("what came over its pipe is no frame; RCM ended it")
    assert run.verdict().verdict in CONFORMS


def test_a_monitor_ends_when_its_pipe_does(tmp_path: Path) -> None:
    setup = Setup(
        monitor="shared",
        epoch=1,
        folder=str(tmp_path),
        state_dir=str(tmp_path),
        dump_file=str(tmp_path / "dump"),
        time_scale=1,
        origin_ns=time.monotonic_ns(),
        watchdog_s=100.0,
        tolerance_us=1_000_000,
        call_us=1_000_000,
        pending_us=1_000_000,
        looks_alive_us=1_000_000,
        is_alive_us=1_000_000,
        dump_us=1_000_000,
        resources=(),
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "rhscheck.tracer.real.rhs_process", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(setup) + b"\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith(b'{"type":"Ready"')
    process.stdin.close()
    assert process.wait(30) == EXIT_STATUS["manager-gone"]
    process.stdout.close()
