"""A project of somebody else's, whose tests use the pytest plug-in, in a pytest run of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SPEC = """spec store
actors { host Host, plugin Store }
param OpenTime = 5s
entry Open returns { success, failure } timeout OpenTime
entry Read returns { success }
machine Session[i in 1..N] {
  initial state Unopened {
    by Host: call Open -> Opening
  }
  state Opening {
    return Open(success) -> Ready
    return Open(failure) -> Unopened
    on timeout Open -> Hung
  }
  state Ready {
    by Host: call Read
    return Read(*)
  }
  state Hung {
    late return Open(*)
  }
}
rules Session {
  rule Opened "Open comes first":
    never start(Read) before start(Open)
}
"""

_ON_A_SERVER = ("CI", "BUILD_NUMBER")  # there pytest tells whole messages twice

BROKEN = (
    '{"rhs":1,"kind":"header","spec":"store","clock":{"t":{"epoch":"start"}},'
    '"complete":true,"start":"initial","n":1}\n'
    '{"ts":0,"seq":1,"host":"t","res":"Session[1]","ev":"call","op":"Read","cid":1}\n'
)
CONFORMING = BROKEN.replace('"op":"Read"', '"op":"Open"')


@dataclass(frozen=True, slots=True)
class ProjectRun:
    """What pytest said of each test, the worst where it said several things, and all it printed."""

    outcomes: dict[str, str]
    output: str


def run_project(folder: Path, test: str, *options: str, started: Path | None = None) -> ProjectRun:
    """Run the tests in the text `test` in `folder`, beside a spec and two traces.

    pytest is started there, or in the folder `started`, with `options`.
    """
    (folder / "test_host.py").write_text(test, encoding="utf-8")
    for name, text in (("broken.jsonl", BROKEN), ("good.jsonl", CONFORMING), ("store.sm", SPEC)):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    command = (sys.executable, "-m", "pytest", "--strict-markers", "-rA", "-c", os.devnull)
    done = subprocess.run(
        [*command, "--rootdir", str(folder), *(options or ("-p", "no:xdist")), str(folder)],
        cwd=started or folder,
        env={name: value for name, value in os.environ.items() if name not in _ON_A_SERVER},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S*::(\w+)", done.stdout, re.MULTILINE)
    worst = sorted(found, key=lambda one: ("PASSED", "FAILED", "ERROR").index(one[0]))
    return ProjectRun({name: outcome for outcome, name in worst}, done.stdout + done.stderr)
