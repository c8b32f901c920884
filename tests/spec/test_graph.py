"""State charts drawn from Systems: exact text, escaping, and what Graphviz makes of it."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from poll_spec import POLL, poll_system

from rhscheck.spec.graph import (
    Arrow,
    DrawingError,
    GraphvizMissing,
    diagrams,
    dot,
    mermaid,
    svg,
)
from rhscheck.spec.system import EnumType

MERMAID = """\
stateDiagram-v2
    state "Process" as Process__ {
        state "Up" as Process__Up
        state "Down" as Process__Down
        [*] --> Process__Up
        Process__Up --> Process__Down : crash
        Process__Down --> Process__Up : reboot
    }
    state "Worker[1..N]" as Worker__ {
        state "Idle" as Worker__Idle
        state "Starting" as Worker__Starting {
            state "Calling" as Worker__Starting__Calling
            state "Pending" as Worker__Starting__Pending
        }
        state "Running" as Worker__Running
        state "Failed" as Worker__Failed
        [*] --> Worker__Idle
        Worker__Idle --> Worker__Starting__Calling : call Start [tries #lt;= 2]
        Worker__Starting --> Worker__Failed : timeout Start
        Worker__Starting__Calling --> Worker__Running : return Start(success)
        Worker__Starting__Calling --> Worker__Failed : return Start(failure)
        Worker__Starting__Calling --> Worker__Starting__Pending : return Start(pending)
        Worker__Starting__Pending --> Worker__Failed : timer silence
        Worker__Starting__Pending --> Worker__Running : Report(success)
        Worker__Running --> Worker__Failed : return Poll(failure)
        Worker__Running --> Worker__Failed : timeout Poll
        Worker__Failed --> Worker__Idle : clean
        note right of Worker__Starting__Pending
            Report(pending)
        end note
        note right of Worker__Running
            call Poll
        end note
    }
"""


def test_mermaid_shows_nesting_events_and_guards() -> None:
    assert mermaid(poll_system()) == MERMAID


def test_a_step_out_of_every_sub_state_is_one_arrow_from_the_composite() -> None:
    worker = diagrams(poll_system())[1]
    assert Arrow("Starting", "Failed", "timeout Start") in worker.arrows
    assert [arrow.source for arrow in worker.arrows if arrow.text == "timeout Start"] == [
        "Starting"
    ]


def test_an_arrow_into_its_own_source_starts_at_the_sub_states() -> None:
    text = POLL.replace("    on timeout Start -> Failed\n", "    on timeout Start -> Pending\n")
    worker = diagrams(poll_system(text))[1]
    assert [arrow for arrow in worker.arrows if arrow.text == "timeout Start"] == [
        Arrow("Starting.Calling", "Starting.Pending", "timeout Start"),
        Arrow("Starting.Pending", "Starting.Pending", "timeout Start"),
    ]


def test_a_state_in_which_nothing_happens_is_final() -> None:
    text = POLL.replace("by RCM: clean -> Idle", "by RCM: clean -> Gone").replace(
        "  state Failed {", "  state Gone\n  state Failed {"
    )
    system = poll_system(text)
    assert diagrams(system)[1].final == ("Gone",)
    assert "        Worker__Gone --> [*]\n" in mermaid(system)
    assert '"Worker__Gone" [label="Gone", peripheries=2];' in dot(system)


def test_dot_has_a_cluster_for_each_composite_state() -> None:
    text = dot(poll_system())
    assert '        subgraph "cluster_Worker__Starting" {\n            label="Starting";\n' in text
    assert (
        '    "Worker__Starting__Calling" -> "Worker__Failed" '
        '[label="timeout Start", ltail="cluster_Worker__Starting"];\n'
    ) in text
    assert '"Worker__Running" [label="Running\\ncall Poll"];' in text


def test_names_are_escaped_for_both_formats() -> None:
    system = poll_system()
    odd = EnumType("Process", ('a"b;c:d#e\\', "Down"))
    odd_system = replace(
        system,
        variables=(replace(system.variables[0], type=odd), *system.variables[1:]),
    )
    assert '    state "a#quot;b#59;c#58;d#35;e#92;" as Process__a_b_c_d_e_' in mermaid(odd_system)
    assert '"Process__a_b_c_d_e_" [label="a\\"b;c:d#e\\\\"];' in dot(odd_system)


def test_states_that_differ_in_odd_letters_only_stay_apart() -> None:
    system = poll_system()
    odd_system = replace(
        system,
        variables=(
            replace(system.variables[0], type=EnumType("Process", ("a-b", "a b"))),
            *system.variables[1:],
        ),
    )
    assert '"Process__a_b" [label="a-b"];' in dot(odd_system)
    assert '"Process__a_b_2" [label="a b"];' in dot(odd_system)


def test_a_long_guard_is_shortened() -> None:
    condition = " and ".join(f"tries != {number}" for number in (0, 1, 2)) + " and tries != 3"
    text = POLL.replace("when tries <= 2", f"when {condition}")
    start = next(a for a in diagrams(poll_system(text))[1].arrows if a.text.startswith("call St"))
    assert start.text == "call Start [tries != 0 and tries != 1 and tries != …]"


def test_without_graphviz_a_drawing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(GraphvizMissing, match="no program `dot`"):
        svg("digraph {}")


def test_a_failure_of_graphviz_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, 1, b"", b"syntax error in line 1\n")

    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(DrawingError, match="Graphviz failed: syntax error in line 1"):
        svg("digraph {")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_draws_it() -> None:
    drawing = svg(dot(poll_system()))
    assert drawing.rstrip().endswith("</svg>")
    assert "return Start(pending)" in drawing
