"""The streaming door: fed line by line it says what the replay of the whole file says."""

from io import BytesIO

from poll_spec import poll_system

from rhscheck.traces.format import load_trace
from rhscheck.traces.judge import Judge
from rhscheck.traces.replay import replay
from rhscheck.traces.simulate import simulate


def test_feeding_line_by_line_gives_the_verdict_of_the_file() -> None:
    system = poll_system()
    loaded = load_trace(BytesIO(simulate(system, 2, 1, 60).trace.encode()))
    judge = Judge(system, loaded.header, file="t")
    for line in loaded.events:
        judge.feed(line.line, line.event)
    assert judge.finish(loaded.finish) == replay(system, loaded, file="t")
