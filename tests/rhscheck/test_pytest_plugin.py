"""The pytest plug-in, in a pytest run of its own, as another project would have it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pytest_project import run_project

from rhscheck.recording import Recording

PROJECT = """
import pytest


def orderly(run):
    run.call("disk", "Open", at_us=0)
    run.returned("disk", "Open", at_us=1_000_000)
    run.call("disk", "Read", at_us=2_000_000)


@pytest.mark.rhscheck(spec="store.sm")
def test_conforms(conformance):
    orderly(conformance.recording(slack_us=0))


@pytest.mark.rhscheck(spec="store.sm")
def test_breaks_a_rule(conformance):
    conformance.recording(slack_us=0).call("disk", "Read", at_us=0)


@pytest.mark.rhscheck(spec="store.sm")
def test_is_wrong_by_itself(conformance):
    conformance.recording(slack_us=0).call("disk", "Read", at_us=0)
    assert 1 + 1 == 3


@pytest.mark.rhscheck(spec="store.sm")
def test_nothing_recorded(conformance):
    conformance.recording()


@pytest.mark.rhscheck("broken.jsonl", spec="store.sm")
def test_marker_alone():
    pass


@pytest.mark.rhscheck(spec="nowhere")
def test_wrong_spec(conformance):
    orderly(conformance.recording())


@pytest.mark.rhscheck(speck="rhs")
def test_wrong_option(conformance):
    pass


@pytest.mark.rhscheck(spec="store.sm", settings={"OpenTime": "500ms"})
def test_settings(conformance):
    orderly(conformance.recording(slack_us=0))


@pytest.mark.rhscheck(spec="store.sm")
def test_less_than_half_a_second_late(conformance):
    run = conformance.recording(slack_us=500_000)
    run.call("disk", "Open", at_us=0)
    run.timeout("disk", "Open", at_us=5_400_000)


def test_does_not_use_it():
    pass


@pytest.mark.rhscheck(spec="store.sm")
def test_marker_without_a_trace():
    pass


def test_records_nothing_at_all(conformance):
    pass


@pytest.mark.rhscheck(require="some")
def test_wrong_require():
    pass


@pytest.mark.rhscheck(17)
def test_wrong_name():
    pass
"""


def test_a_project_that_uses_it(tmp_path: Path) -> None:
    found = run_project(tmp_path, PROJECT)
    assert found.outcomes == {
        "test_conforms": "PASSED",
        "test_breaks_a_rule": "FAILED",
        "test_is_wrong_by_itself": "FAILED",
        "test_nothing_recorded": "FAILED",
        "test_marker_alone": "FAILED",
        "test_wrong_spec": "FAILED",
        "test_wrong_option": "ERROR",
        "test_settings": "FAILED",
        "test_less_than_half_a_second_late": "PASSED",
        "test_does_not_use_it": "PASSED",
        "test_marker_without_a_trace": "FAILED",
        "test_records_nothing_at_all": "FAILED",
        "test_wrong_require": "FAILED",
        "test_wrong_name": "FAILED",
    }, found.output
    assert "Opened violated" in found.output
    assert "rhscheck: nothing was judged" in found.output
    assert "assert (1 + 1) == 3" in found.output
    assert "there is no shipped spec and no file called nowhere" in found.output
    assert "the marker rhscheck has no option speck" in found.output
    assert "rhscheck: nothing was recorded, and no trace is named" in found.output
    assert "the marker rhscheck takes require='any' or 'all', not 'some'" in found.output
    assert "the marker rhscheck takes names of traces, not 17" in found.output
    assert "During handling of the above exception" not in found.output


def test_loading_it_costs_nothing() -> None:
    code = "import sys, pytest, rhscheck.pytest_plugin as p; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    modules = done.stdout.split()
    heavy = ("z3", "lark", "click", "rich", "msgspec", "rhscheck.api", "rhscheck.spec")
    assert [name for name in heavy if name in modules] == []


def test_times_come_from_the_clock() -> None:
    moments = iter([5_000, 5_250])
    run = Recording(clock_us=lambda: next(moments))
    run.call("disk", "Open")
    run.returned("disk", "Open")
    assert [event.ts for event in run.events] == [0, 250]
    trace = run.trace("rhs", "Resource", {})
    assert trace.header.resources == {"disk": "Resource[1]"}
    assert trace.header.slack_us == 100_000


def test_threads_that_record_at_once_take_turns() -> None:
    run = Recording()

    def calls(name: str) -> None:
        for _ in range(500):
            run.call(name, "Read")
            run.returned(name, "Read")

    threads = [threading.Thread(target=calls, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.seq for event in run.events] == list(range(1, 3001))
    times = [event.ts or 0 for event in run.events]
    assert times == sorted(times)


def test_nothing_is_recorded_before_the_run_begins() -> None:
    run = Recording()
    with pytest.raises(ValueError, match="at_us counts from the beginning of the run: -1 is"):
        run.call("disk", "Open", at_us=-1)
    assert run.events == []


def test_resources_are_numbered_as_they_appear() -> None:
    run = Recording(clock_us=lambda: 0)
    for name in ("b", "a"):
        run.event("noise", resource=name, actor="DLL")
        run.status(name, "pending")
        run.timeout(name, "Online")
    assert run.trace("rhs", "Resource", {}).header.resources == {
        "b": "Resource[1]",
        "a": "Resource[2]",
    }
