"""`--slack`: the room that deadlines and bounded responses leave, and what only time excludes."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import click

from rhscheck import api
from rhscheck.checker.slack import TimeReport, diagnose
from rhscheck.checker.verify import Options, task_of
from rhscheck.slack_output import slack_json, slack_text
from rhscheck.spec.load import load_source
from rhscheck.spec.source import Source
from rhscheck.spec.system import System

OVEN = """spec oven "An oven with a timer"
actors { host H }
entry Heat returns { done } timeout 10s
entry Cool returns { done } timeout 10s
machine Oven[i in 1..N] {
  initial state Cold {
    by H: call Heat -> Hot
  }
  state Hot {
    clock x
    clock y
    deadline x <= 5s by H
    deadline y <= 8s by H
    by H: ready when x >= 2s -> Warm
    by H: burn when x >= 3s and y <= 2500ms -> Burnt
    on timeout Heat -> Burnt
  }
  state Warm { return Heat(done) -> Cooling }
  state Cooling { by H: call Cool }
  state Burnt
  late return Heat(done), Cool(done)
}
rules Oven {
  rule Warm "it is warm soon": when enter Hot leads to not in Hot within 30s
  rule Late "it is done soon": when start(Heat) leads to return(Heat) within 12s
  rule Never "not about time": never in Burnt
}
"""


def measured(text: str = OVEN, **settings: str) -> tuple[System, TimeReport]:
    system = load_source(Source("oven.sm", text), settings).system
    return system, api.slack(system)


def test_deadlines_and_responses() -> None:
    system, found = measured()
    unit = system.unit_us / 1_000_000
    assert [
        (one.name, one.bound * unit, None if one.slack is None else one.slack * unit, one.never,
         one.sure, one.n)
        for one in found.deadlines
    ] == [
        ("Oven.call.Heat.clock", 10, 0, False, True, None),
        ("Oven.call.Cool.clock", 10, 0, False, True, None),
        ("Oven.x deadline 12", 5, 0, False, True, None),
        ("Oven.y deadline 13", 8, 3, False, True, None),
    ]  # fmt: skip
    assert [(one.name, one.bound * unit, one.needed, one.reason) for one in found.responses] == [
        ("Warm", 30, 10, ""), ("Late", 12, None, "the rule itself is not proved"),
    ]  # fmt: skip
    assert [(one.state, one.n) for one in found.untimely] == [("Oven.Burnt", None)]


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    system, found = measured()
    lines: list[str] = []
    assert api.slack(system, timeout_s=60.0, progress=lines.append) == found
    assert lines[0] == "time: Oven.call.Heat.clock"
    assert lines[-1] == "time: states"


def test_a_limit_is_hard_and_what_is_open_is_unknown() -> None:
    system, _ = measured()
    began = time.monotonic()
    found = api.slack(system, timeout_s=0.02)
    assert time.monotonic() - began < 2.0  # a busy machine may add; bench/limits.py measures
    assert {one.reason for one in (*found.deadlines, *found.responses)} == {"time-out after 0.02 s"}
    assert [one.name for one in found.deadlines][:2] == [
        "Oven.call.Heat.clock",
        "Oven.call.Cool.clock",
    ]
    assert [one.name for one in found.responses] == ["Warm", "Late"]
    assert found.open[0].endswith(": time-out after 0.02 s")
    assert found.untimely == ()


def test_what_was_known_before_the_end_is_told() -> None:
    system, found = measured()
    told: list[TimeReport] = []
    assert diagnose(task_of(system, Options()), 2, told.append) == found
    known = [sum(one.needed is not None for one in report.deadlines) for report in told]
    assert known == [0, 1, 2, 3, 4, 4, 4]
    assert told[0].responses[0].reason == "not looked at"
    assert told[-1].open[0].endswith(": not looked at")


def test_the_time_that_was_used_before_counts() -> None:
    system, _ = measured()
    found = api.slack(system, timeout_s=5.0, began=time.monotonic() - 10)
    assert found.deadlines[0].reason == "time-out after 5 s"


def test_time_before_the_program_is_not_counted() -> None:
    """`sh -c "sleep 60 && rhscheck verify ..."`: the shell becomes the program, with its age;
    what came before was counted, and a time-out was over at once."""
    code = (
        "import time; time.sleep(0.3); before = time.monotonic(); from rhscheck import cli; "
        "print(before <= cli._BEGAN <= time.monotonic())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert said == "True\n"


def test_as_text_and_json() -> None:
    system, found = measured()
    text = click.unstyle(slack_text(system, found))
    assert "  Oven.y deadline 13     8s  slack 3s: never more than 5s\n" in text
    assert "  Warm  30s  slack 25s: never more than 5s\n" in text
    assert "oven.sm:5: no run is ever in state `Oven.Burnt`: only its timing excludes it" in text
    assert text.endswith(
        "oven: 4 deadlines, 2 bounded responses; 3 without slack, 2 with slack, 0 never bind, "
        "1 open; 1 state excluded by time alone\n"
    )
    shown = json.loads(slack_json(system, found, 3))
    assert shown["slack"]["deadlines"][3] | {"where": None} == {
        "name": "Oven.y deadline 13", "owner": "H", "bound_us": 8_000_000,
        "needed_us": 5_000_000, "slack_us": 3_000_000, "never": False, "shown": True,
        "reason": None, "n": "every", "where": None,
    }  # fmt: skip


def test_a_deadline_that_is_never_met_halfway() -> None:
    text = OVEN.replace("x >= 2s -> Warm", "x >= 2s and x < 3s -> Warm").replace(
        "    deadline x <= 5s by H\n", "    deadline x < 3s by H\n"
    )
    _, found = measured(text)
    assert [one.needed for one in found.deadlines][3] == 6  # below 3 s, in units of 500 ms


def test_instances_that_depend_on_each_other() -> None:
    system = api.load("fischer").system
    found = api.slack(system, n=2)
    assert [(one.name, one.slack, one.n) for one in found.deadlines] == [
        ("Proc.within.Setting#1", 0, 2)
    ]


LOOKS_AT_OTHERS = """spec others
actors { host H, plugin D }
machine M[i in 1..N] {
  var up : bool = false
  initial state S {
    by D: left -> A
    by D: right -> B
  }
  state A {
    timer t = 8s
    on t -> Done
    within 5s by D: rise when not up and (exists j in M: (in j.B)) { up = true }
    within 5s by D: sink when up and (exists j in M: (in j.B)) { up = false }
  }
  state B
  state Done
}
rules M { rule W "w": when in A leads to in Done within 9s }
"""


def test_a_deadline_that_looks_at_others_is_not_said_never_to_bind() -> None:
    """One instance alone does not see that somebody is in B; two do."""
    _, found = measured(LOOKS_AT_OTHERS)
    assert [(one.name, one.slack, one.never, one.n) for one in found.deadlines] == [
        ("M.timer.t", 0, False, None),
        ("M.within.A#2", 0, False, 2),
        ("M.within.A#3", 0, False, 2),
    ]


def test_where_time_may_stop_no_smaller_bound_is_said_to_hold() -> None:
    _, found = measured(LOOKS_AT_OTHERS)
    (response,) = found.responses
    assert response.needed is None
    assert response.reason.startswith("time may stop: line 12: ")
    alone = LOOKS_AT_OTHERS.replace(" and (exists j in M: (in j.B))", "")
    (response,) = measured(alone)[1].responses
    assert response.needed is None
    assert response.reason.startswith("a bounded response means nothing where time may stop")
