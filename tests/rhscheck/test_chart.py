"""Sequence charts: golden drawings of one run, at several widths and in ASCII."""

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from poll_spec import POLL, poll_system

from rhscheck.chart import Style, can_show_boxes, render_run, run_events
from rhscheck.spec.ground import Ground, ground
from rhscheck.spec.semantics import (
    IllegalRun,
    Run,
    Step,
    Time,
    elapse,
    enabled,
    fire,
    initial_states,
)

GROUND = ground(poll_system(), 2)


def run_of(world: Ground, *moves: tuple[Time, str | None]) -> Run:
    """The run of these delays and labels; the first enabled transition with the label is taken."""
    state = initial = next(initial_states(world))
    steps = []
    for delay, label in moves:
        state = elapse(world, state, delay)
        position = None
        if label is not None:
            position = next(
                at for at in enabled(world, state) if str(world.transitions[at].label) == label
            )
            state = fire(world, state, position)
        steps.append(Step(delay, position))
    return Run(initial, tuple(steps))


ONE = run_of(
    GROUND,
    (0, "Worker[1]: call Start"),
    (1, "Worker[1]: return Start(pending)"),
    (2, "Worker[1]: Report(pending)"),
    (Fraction(1, 2), "Worker[1]: Report(success)"),
    (5, "Worker[1]: due Poll"),
    (0, "Worker[1]: call Poll"),
    (5, "Worker[1]: due Poll"),
    (5, "Worker[1]: timeout Poll"),
    (3, None),
)
TWO = run_of(
    GROUND,
    (0, "Worker[1]: call Start"),
    (0, "Worker[2]: call Start"),
    (1, "Worker[1]: return Start(success)"),
    (0, "Process: crash"),
    (0, "Process: reboot"),
)

ONE_CHART = """\
              RHS  RCM  DLL  Worker[1]
00:00:00.000        ●──────────▶┬       call Start                    poll.sm:23
                                │         in Starting.Calling, tries = 1
00:00:01.000             ●─────▶┴       return Start(pending)         poll.sm:30
                                          in Starting.Pending
00:00:03.000             ●─────▶●       Report(pending)               poll.sm:35
00:00:03.500             ●─────▶●       Report(success)               poll.sm:36
                                          in Running
00:00:08.500                    ◷       due Poll                      poll.sm:40
               ●───────────────▶┬       call Poll                     poll.sm:40
00:00:13.500                    │ ◷     due Poll                      poll.sm:40
00:00:18.500                    x       timeout Poll                  poll.sm:43
                                ╎         in Failed, Poll timed out, still in
                                ╎           flight
00:00:21.500                    ╎       nothing happens for 3s
"""

TWO_CHART = """\
1 = Process, 2 = Worker[1], 3 = Worker[2]
              RHS  RCM  DLL  1   2    3
00:00:00.000        ●──────────▶┬         call Start                  poll.sm:23
                                │           in Starting.Calling, tries = 1
                    ●───────────┼───▶┬    call Start                  poll.sm:23
                                │    │      in Starting.Calling, tries = 1
00:00:01.000             ●─────▶┴    │    return Start(success)       poll.sm:28
                                     │      in Running
               ●────────────▶●       │    crash                       poll.sm:14
                                     │      in Down
                    ●───────▶●       ┴    reboot                      poll.sm:15
                                            in Up
                                            Worker[1] in Idle, tries = 0
                                            Worker[2] in Idle, tries = 0, Start
                                              is cleared
"""

NARROW = """\
1 = Process, 2 = Worker[1], 3 = Worker[2]
              RHS  RCM  DLL  1   2    3
00:00:00.000        ●──────────▶┬
    call Start                          poll.sm:23
      in Starting.Calling, tries = 1
                    ●───────────┼───▶┬
    call Start                          poll.sm:23
      in Starting.Calling, tries = 1
00:00:01.000             ●─────▶┴    │
    return Start(success)               poll.sm:28
      in Running
               ●────────────▶●       │
    crash                               poll.sm:14
      in Down
                    ●───────▶●       ┴
    reboot                              poll.sm:15
      in Up
      Worker[1] in Idle, tries = 0
      Worker[2] in Idle, tries = 0, Start is
        cleared
"""

ASCII = """\
              RHS  RCM  DLL  Worker[1]
00:00:00.000        o---------->+       call Start                    poll.sm:23
                                |         in Starting.Calling, tries = 1
00:00:01.000             o----->+       return Start(pending)         poll.sm:30
                                          in Starting.Pending
00:00:03.000             o----->*       Report(pending)               poll.sm:35
00:00:03.500             o----->*       Report(success)               poll.sm:36
                                          in Running
00:00:08.500                    *       due Poll                      poll.sm:40
               o--------------->+       call Poll                     poll.sm:40
00:00:13.500                    | *     due Poll                      poll.sm:40
00:00:18.500                    x       timeout Poll                  poll.sm:43
                                :         in Failed, Poll timed out, still in
                                :           flight
00:00:21.500                    :       nothing happens for 3s
"""


def test_a_run_is_drawn_with_bars_times_changes_and_source_lines() -> None:
    assert render_run(GROUND, ONE, Style()) == ONE_CHART


def test_only_what_takes_part_has_a_column() -> None:
    assert "Worker[2]" not in render_run(GROUND, ONE, Style())
    assert "Process" not in render_run(GROUND, ONE, Style())


def test_calls_at_once_are_bars_side_by_side_and_a_reset_ends_them() -> None:
    assert render_run(GROUND, TWO, Style()) == TWO_CHART


def test_where_words_do_not_fit_they_stand_below() -> None:
    assert render_run(GROUND, TWO, Style(width=50)) == NARROW


def test_no_line_is_wider_than_asked() -> None:
    for width in (40, 50, 60, 70, 80, 100, 132):
        lines = render_run(GROUND, TWO, Style(width=width)).splitlines()
        assert max(map(len, lines)) <= width


def test_without_box_characters_it_is_ascii() -> None:
    drawn = render_run(GROUND, ONE, Style(boxes=False))
    assert drawn == ASCII
    assert drawn.isascii()


def test_colour_only_adds_escape_codes() -> None:
    plain = render_run(GROUND, ONE, Style())
    coloured = render_run(GROUND, ONE, Style(colour=True))
    assert "\x1b" not in plain
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m"):
        coloured = coloured.replace(code, "")
    assert [line.rstrip() for line in coloured.splitlines()] == plain.splitlines()


@pytest.mark.parametrize(
    ("encoding", "boxes"),
    [("utf-8", True), ("ascii", False), ("cp1252", False), (None, False), ("nonsense", False)],
)
def test_box_characters_depend_on_the_encoding(encoding: str | None, boxes: bool) -> None:
    assert can_show_boxes(encoding) is boxes


def test_no_line_ends_in_blanks() -> None:
    for line in render_run(GROUND, ONE, Style(colour=True)).splitlines():
        assert not re.search(r"\s+(\x1b\[0m)?$", line)


def test_an_illegal_run_is_not_drawn() -> None:
    wrong = replace(ONE, steps=(*ONE.steps, ONE.steps[0]))
    with pytest.raises(IllegalRun, match="step 10"):
        render_run(GROUND, wrong, Style())


def test_the_initial_choice_is_told() -> None:
    text = POLL.replace("  var tries : 0..3 = 0", "  var tries : 0..3 = 0\n  var calm : bool = any")
    world = ground(poll_system(text), 1)
    run = run_of(world, (0, "Worker[1]: call Start"))
    assert render_run(world, run, Style()).splitlines()[1].strip() == (
        "initially Worker[1].calm = false"
    )


def test_the_end_says_which_part_of_the_rule_is_broken() -> None:
    text = POLL.replace("only in Running: start(Poll)", "never start(Poll) and tries == 1")
    system = poll_system(text)
    world = ground(system, 1)
    run = run_of(
        world,
        (0, "Worker[1]: call Start"),
        (1, "Worker[1]: return Start(success)"),
        (5, "Worker[1]: due Poll"),
        (0, "Worker[1]: call Poll"),
    )
    assert render_run(world, run, Style(), rule=system.rules[0]).splitlines()[-3:] == [
        'R1 "a worker is polled only while it runs" is violated (poll.sm:52)',
        "  call Poll of 1",
        "  Worker.tries[1] = 1 (is 1)",
    ]


def test_events_of_a_run_are_those_of_a_trace() -> None:
    assert run_events(GROUND, ONE)[:3] == [
        {
            **{"ts": 0, "seq": 1, "host": "sim", "res": "Worker[1]"},
            **{"ev": "call", "op": "Start", "cid": 1},
        },
        {
            **{"ts": 1_000_000, "seq": 2, "host": "sim", "res": "Worker[1]"},
            **{"ev": "return", "op": "Start", "cid": 1, "rc": 997},
        },
        {
            **{"ts": 3_000_000, "seq": 3, "host": "sim", "res": "Worker[1]"},
            **{"ev": "status", "op": "Report", "state": "pending"},
        },
    ]
    assert list(run_events(GROUND, ONE)[0]) == ["ts", "seq", "host", "res", "ev", "op", "cid"]


def test_a_time_between_microseconds_is_given_by_its_bounds() -> None:
    run = run_of(GROUND, (Fraction(1, 3), "Worker[1]: call Start"))
    event = run_events(GROUND, run)[0]
    assert (event["ts_lo"], event["ts_hi"]) == (333_333, 333_334)
    assert "00:00:00.333333+1/3" in render_run(GROUND, run, Style())
