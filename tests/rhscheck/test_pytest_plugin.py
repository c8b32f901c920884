"""The pytest plug-in, in a pytest run of its own, as another project would have it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from rhscheck.recording import Recording

PROJECT = """
import pytest


def orderly(run):
    for number, (kind, op, code) in enumerate([("call", "Open", 0), ("return", "Open", 0),
                                               ("call", "Online", 0), ("return", "Online", 0)]):
        if kind == "call":
            run.call("disk", op, at_us=number)
        else:
            run.returned("disk", op, code, at_us=number)


def test_conforms(conformance):
    orderly(conformance.recording(slack_us=0))


def test_breaks_a_rule(conformance):
    run = conformance.recording(slack_us=0)
    run.call("disk", "Online", at_us=0)


def test_is_wrong_by_itself(conformance):
    conformance.recording(slack_us=0).call("disk", "Online", at_us=0)
    assert 1 + 1 == 3


def test_nothing_recorded(conformance):
    conformance.recording()


@pytest.mark.rhscheck("broken.jsonl")
def test_marker_alone():
    pass


@pytest.mark.rhscheck(spec="nowhere")
def test_wrong_spec(conformance):
    orderly(conformance.recording())


@pytest.mark.rhscheck(speck="rhs")
def test_wrong_option(conformance):
    pass


@pytest.mark.rhscheck(settings={"CallTimeout": "1s"})
def test_settings(conformance):
    run = conformance.recording(slack_us=0)
    run.call("disk", "Open", at_us=0)
    run.returned("disk", "Open", at_us=2_000_000)


def test_does_not_use_it():
    pass
"""

BROKEN = (
    '{"rhs":1,"kind":"header","spec":"rhs","clock":{"t":{"epoch":"start"}},'
    '"complete":true,"start":"initial","n":1}\n'
    '{"ts":0,"seq":1,"host":"t","res":"Resource[1]","ev":"call","op":"Close","cid":1}\n'
)


def test_a_project_that_uses_it(tmp_path: Path) -> None:
    (tmp_path / "test_host.py").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text(BROKEN, encoding="utf-8", newline="\n")
    command = (sys.executable, "-m", "pytest", "-p", "no:xdist", "--strict-markers", "-rA", "-c")
    done = subprocess.run(
        [*command, "/dev/null" if sys.platform != "win32" else "NUL", "--rootdir", "."],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S*::(\w+)", done.stdout, re.MULTILINE)
    assert {name: outcome for outcome, name in found} == {
        "test_conforms": "PASSED",
        "test_breaks_a_rule": "FAILED",
        "test_is_wrong_by_itself": "FAILED",
        "test_nothing_recorded": "FAILED",
        "test_marker_alone": "FAILED",
        "test_wrong_spec": "FAILED",
        "test_wrong_option": "ERROR",
        "test_settings": "FAILED",
        "test_does_not_use_it": "PASSED",
    }, done.stdout + done.stderr
    assert "R1 violated" in done.stdout
    assert "rhscheck: nothing was judged" in done.stdout
    assert "assert (1 + 1) == 3" in done.stdout
    assert "there is no shipped spec and no file called nowhere" in done.stdout
    assert "the marker rhscheck has no option speck" in done.stdout


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
