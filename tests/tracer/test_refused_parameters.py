"""What is wrong with a plug-in or its parameters is told before a run, in words for its user."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from real_cluster import Run, Start

from rhscheck.tracer.cluster_file import ClusterFileError

CONFORMS = ("conforms", "conforms-so-far")


def refused(run: Run) -> list[tuple[int, str]]:
    """The line and the message of each mistake; nothing was hosted, nothing is left."""
    with pytest.raises(ClusterFileError) as found:
        run.join()
    assert run.states("it") == []
    assert run.left_running() == []
    return [(one.line, one.message) for one in found.value.mistakes]


def test_a_file_that_is_no_python_is_called_so(cluster: Start, tmp_path: Path) -> None:
    """The message was "PluginError: … is no Python file"."""
    (tmp_path / "it.toml").write_text("", encoding="utf-8")
    assert refused(cluster(tmp_path, '[resource.it]\nplugin = "./it.toml:It"\n')) == [
        (
            2,
            f"resource `it`: {(tmp_path / 'it.toml').resolve()} is no Python file: its name has to "
            "end in `.py`",
        )
    ]


AGENT = """
[resource.it]
plugin = "GenericScript"
[resource.it.parameters]
shell = []
agent = "{agent}"
"""


def test_an_agent_that_is_not_there_is_told_before_the_run(cluster: Start, tmp_path: Path) -> None:
    """It was told at each Open, until the resource had failed."""
    agent = tmp_path / "nope"
    assert refused(cluster(tmp_path, AGENT.format(agent=agent))) == [
        (6, f"resource `it`: parameter `agent`: there is no file {agent}")
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="whether a file can be executed")
def test_an_agent_that_is_no_program_needs_a_shell(cluster: Start, tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.write_text(
        "[ $1 = monitor ] && exit 7\n[ $1 = start ] && exit 5\nexit 0\n", encoding="utf-8"
    )
    assert refused(cluster(tmp_path, AGENT.format(agent=agent))) == [
        (
            6,
            f"resource `it`: parameter `agent`: {agent} is no program: make it executable, or name "
            "a `shell` to run it",
        )
    ]
    text = AGENT.format(agent=agent).replace("[]", '["/bin/sh"]')
    run = cluster(tmp_path, text)
    run.until_state("it", "Failed")
    run.finish()
    assert "start: exit status 5" in run.log()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_agent_that_is_gone_later_ends_no_neighbour(cluster: Start, tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.write_text("#!/bin/sh\n[ $1 = monitor ] && exit 7\nexit 0\n", encoding="utf-8")
    agent.chmod(0o755)
    group = "[group.apart]\npersistent = 'offline'\n"
    text = group + AGENT.format(agent=agent).replace(
        "[resource.it]", "[resource.it]\ngroup='apart'"
    )
    run = cluster(tmp_path, text + "[resource.near]\nplugin = './plugin.py:Good'\n")
    run.until_state("near", "Online")
    agent.unlink()
    monitor = run.runtime.pid_of("shared")
    assert monitor is not None
    os.kill(monitor, signal.SIGKILL)
    run.until_state("near", "Online", 2)
    run.finish()
    assert len(run.ends()) == 1
    assert f"Open failed: there is no agent {agent}" in run.log()
    assert run.verdict().verdict in CONFORMS


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        (
            """
            from dataclasses import dataclass
            @dataclass
            class Parameters:
                port: int
                def __post_init__(self):
                    if self.port < 1024: raise ValueError("ports below 1024 are the system's")
            class It(Good):
                params: Parameters
            """,
            2,
            "resource `it`: the parameters are refused: ports below 1024 are the system's",
        ),
        (
            """
            from dataclasses import dataclass
            from rhscheck.tracer.plugin import ParameterError
            @dataclass
            class Parameters:
                port: int
            class It(Good):
                params: Parameters
                @classmethod
                def check_parameters(cls, params):
                    raise ParameterError("port", f"{params.port} is taken")
            """,
            3,
            "resource `it`: parameter `port`: 80 is taken",
        ),
        (
            """
            from dataclasses import dataclass
            @dataclass
            class Parameters:
                port: int
            class It(Good):
                params: Parameters
                def check_parameters(self): ...
            """,
            2,
            "resource `it`: `plugin.py:It`: check_parameters has to be `@classmethod "
            "def check_parameters(cls, params)`",
        ),
        (
            """
            from dataclasses import dataclass
            @dataclass
            class Parameters:
                port: int
            class It(Good):
                params: Parameters
                @classmethod
                def check_parameters(cls, params): return params.prot
            """,
            2,
            "resource `it`: `plugin.py:It`: check_parameters raised AttributeError: 'Parameters' "
            "object has no attribute 'prot'",
        ),
    ],
)
def test_what_a_class_says_of_its_parameters(
    cluster: Start, tmp_path: Path, body: str, line: int, message: str
) -> None:
    text = '[resource.it]\nplugin = "./plugin.py:It"\nparameters = { port = 80 }\n'
    assert refused(cluster(tmp_path, text, body)) == [(line, message)]
