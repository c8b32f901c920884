"""Calls and returns read in compiled code are those that stand there, or are left to others."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace

import pytest
from poll_lines import encoded, polls

from rhscheck.traces import translation
from rhscheck.traces.format import Event, EventLine, LineReader
from rhscheck.traces.habit import Habit
from rhscheck.traces.paired import Paired, Pairing
from rhscheck.traces.translation import Alternative, Condition, Moment, names_of, translated

_calls = pytest.importorskip(
    "rhscheck.traces._calls", reason="there was no C compiler when this was installed"
)

CALL = (
    b'{"ts":5,"seq":1,"host":"N","mon":"7#1","tid":3,"res":"R","ev":"call","op":"Open","cid":4}\n'
)
BACK = (
    b'{"ts":9,"seq":2,"host":"N","mon":"7#1","tid":3,"res":"R","ev":"return","op":"Open","cid":4,'
    b'"rc":0}\n'
)
KIND = b'"host":"N","mon":"7#1","tid":3,"res":"R","ev":"call","op":"Open"'


def read(text: bytes) -> tuple[object, ...] | None:
    found: tuple[object, ...] | None = _calls.read(text, {}, bytes)
    return found


def test_a_call_and_its_return_are_one_step() -> None:
    assert read(CALL + BACK) == ([KIND], [5], [9], [4], [0], 1, 2, True)


def test_a_call_and_a_return_by_themselves() -> None:
    back_kind = KIND.replace(b"call", b"return")
    assert read(CALL) == ([KIND], [5], [None], [4], [None], 1, 1, True)
    assert read(BACK) == ([back_kind], [9], [None], [4], [0], 2, 1, True)
    other = BACK.replace(b'"cid":4', b'"cid":5')
    assert read(CALL + other) == (
        [KIND, back_kind],
        [5, 9],
        [None, None],
        [4, 5],
        [None, 0],
        1,
        2,
        True,
    )
    assert read(b"") == ([], [], [], [], [], 0, 0, True)


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        (b'"seq":2', b'"seq":3', 2),  # a number is left out
        (b'"ts":9', b'"ts":4', 2),  # it goes back
        (b'"host":"N"', b'"host":"M"', 2),
        (b'"mon":"7#1"', b'"mon":"7#2"', 2),
        (b'"tid":3', b'"tid":4', 2),
        (b'"res":"R"', b'"res":"S"', 2),
        (b'"op":"Open"', b'"op":"Close"', 2),
        (b'"cid":4,', b"", 2),
        (b'"rc":0', b'"rc":-7', 1),
        (b'"ts":9', b'"ts":5', 1),
    ],
)
def test_what_is_its_return(old: bytes, new: bytes, steps: int) -> None:
    assert old in BACK
    found = _calls.read(CALL + BACK.replace(old, new), {}, bytes)
    assert len(found[0]) == steps
    # Numbers that do not go on by one, and times that go back, are no step of anything.
    assert found[7] is (old not in (b'"seq":2',) and new != b'"ts":4')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"ts":9', b'"ts":09'),
        (b'"ts":9', b'"ts":-9'),
        (b'"ts":9', b'"ts":9.0'),
        (b'"ts":9', b'"ts":' + b"9" * 19),
        (b'"ts":9', b'"ts":' + b"1" * 40),
        (b'"ts":9', b'"ts":'),
        (b'"ts"', b'"xs"'),
        (b',"seq":2', b""),
        (b'"seq":2,', b'"seq":2, '),
        (b'"rc":0', b'"rc":-0'),
        (b'"rc":0', b'"rc":-'),
        (b',"rc":0', b""),
        (b'"rc":0}', b'"rc":0} '),
        (b'"rc":0}', b'"rc":0,"x":1}'),
        (b"}\n", b"}"),
        (b"}\n", b"}\r\n"),
        (b'"ev":"return"', b'"ev":"status"'),
        (b'"ev":"return"', b'"ev":"call"'),  # a call with a code
        (b'"op":"Open"', b'"op":"Open'),
        (b'"host":"N",', b'"host":null,'),
        (b'"mon":"7#1","tid":3,', b'"tid":3,"mon":"7#1",'),
        (b"{", b" {"),
        (b"\n", b"\n\n"),
    ],
)
def test_what_is_not_in_the_usual_form_is_left_to_others(old: bytes, new: bytes) -> None:
    assert old in BACK
    assert read(CALL + BACK.replace(old, new)) is None


def test_what_nobody_knows_is_left_to_others() -> None:
    assert _calls.read(CALL + BACK, {}, lambda kind: None) is None
    assert _calls.read(CALL + BACK, {KIND: "known"}, lambda kind: None)[0] == ["known"]
    with pytest.raises(LookupError):
        _calls.read(CALL, {}, {}.__getitem__)


def learned(events: list[Event]) -> Pairing:
    pairing = Pairing(Habit())
    pairing.habit.learn(events)
    return pairing


@pytest.mark.parametrize("seed", range(300))
def test_spoilt_lines_are_read_as_they_stand_or_not_at_all(seed: int) -> None:
    chance = random.Random(seed)
    plain = b"".join(encoded(one) for one in polls(2, 3, chance))
    reader = LineReader()
    pairing = learned([reader.event.decode(line) for line in plain.splitlines()])
    spoilt = bytearray(plain)
    for _ in range(chance.choice((0, 1, 1, 3))):
        at = chance.randrange(len(spoilt))
        if chance.random() < 0.6:
            spoilt[at] = chance.choice(b'0123456789"\\,:}{\nRt \xff')
        else:
            spoilt[at : at + chance.choice((0, 1, 3))] = chance.choice(
                (b"", b"0", b'"', b"\\", b'\\"', b"\n", b",", b'","ev":"call', b"\xc3\xa4")
            )
    text = bytes(spoilt).rstrip(b"\n") + b"\n"
    found = pairing.read(text, 2, reader)
    by_habit = pairing.habit.read(text)
    if found is None:
        in_order = by_habit is not None and all(
            one.seq == before.seq + 1 and one.ts >= before.ts for before, one in pairwise(by_habit)
        )
        coded = by_habit is not None and all(
            (one.ev == "call") == (one.rc is None) for one in by_habit
        )
        # A quote in a name is rare enough.
        assert not (in_order and coded and b"\\" not in text)
        return
    assert by_habit is not None
    lines = text.splitlines()
    expected = [EventLine(at, reader.event.decode(line)) for at, line in enumerate(lines, 2)]
    assert list(found.records()) == expected
    assert as_lines(found) == [
        (one.ts, one.seq, one.host, one.mon, one.res, one.op, one.ev, one.cid, one.rc)
        for one in by_habit
    ]


def as_lines(paired: Paired) -> list[tuple[object, ...]]:
    """What the columns say, line by line."""
    lines: list[tuple[object, ...]] = []
    columns = (paired.kinds, paired.begun, paired.ended, paired.ids, paired.codes)
    for kind, began, ended, cid, code in zip(*columns, strict=True):
        who = kind.host, kind.monitor, kind.res, kind.op
        call_id = None if cid == -1 else cid
        number = paired.number + len(lines)
        if ended is None:
            event = "call" if kind.is_call else "return"
            lines.append((began, number, *who, event, call_id, code))
        else:
            assert kind.is_call
            lines.append((began, number, *who, "call", call_id, None))
            lines.append((ended, number + 1, *who, "return", call_id, code))
    return lines


@dataclass(slots=True)
class Somebody:
    """What a way needs of a walker."""

    times: tuple[int, ...]
    now: int
    node: object = "start"
    walks: bool = True
    op: str = ""
    cid: int = 0
    count: int = 0
    calls: dict[str, int] = field(default_factory=dict)


def drawn_way(
    chance: random.Random, count: int, events: Sequence[str]
) -> tuple[tuple[Moment, ...], list[Alternative]]:
    names = names_of(count)
    known = [*(name for name, _ in names), *events]
    alternatives = []
    for number in range(chance.choice((1, 1, 2, 4))):
        conditions = tuple(
            Condition(
                chance.choice(known),
                chance.choice(("<", ">", "==")),
                chance.choice(known),
                chance.choice((0, 0, 1, -1, 5, -7, 1 << 40)),
            )
            for _ in range(chance.choice((0, 1, 2, 3)))
        )
        times = tuple(
            (chance.choice(known), chance.choice((0, 0, 3))) for _ in range(chance.randrange(5))
        )
        alternatives.append(Alternative(conditions, times, chance.choice((None, f"node{number}"))))
    return names, alternatives


@pytest.mark.parametrize("seed", range(200))
def test_a_compiled_way_is_the_way(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    count, events = chance.randrange(5), ("time",) if seed % 2 else ("call", "back")
    names, alternatives = drawn_way(chance, count, events)
    way = translated(names, events, alternatives)
    assert isinstance(way, _calls.Way)
    monkeypatch.setattr(translation, "calls", None)
    plain = translated(names, events, alternatives)
    for _ in range(50):
        base = chance.choice((0, 1_700_000_000_000_000, (1 << 62) - 20))
        moments = [base + chance.randrange(10) for _ in range(count + 1)]
        given = [base + chance.randrange(10) for _ in events]
        one = Somebody(tuple(moments[:-1]), moments[-1])
        other = Somebody(tuple(moments[:-1]), moments[-1])
        assert way(one, *given) is plain(other, *given)
        assert one == other


def test_a_way_that_is_too_large_is_python(monkeypatch: pytest.MonkeyPatch) -> None:
    far = Alternative((Condition("t0", "<", "time", (1 << 61) + 1),), (), None)
    assert not isinstance(translated(names_of(0), ("time",), [far]), _calls.Way)
    near = Alternative((Condition("t0", "<", "time", 1 << 61),), (), None)
    assert isinstance(translated(names_of(0), ("time",), [near]), _calls.Way)
    assert isinstance(translated(names_of(32), ("time",), [near]), _calls.Way)
    assert not isinstance(translated(names_of(33), ("time",), [near]), _calls.Way)


@pytest.mark.parametrize(
    "numbers",
    [
        [],
        [1, 1],
        [-1, 1, 0],
        [33, 1, 0],
        [1, 0, 0],
        [1, 3, 0],
        [1, 1, 1],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 0, 1],
        [1, 1, 1, -1, 0],
        [1, 1, 1, 0, -1],
        [1, 1, 1, 1 << 60, 0],
        [1, 1, 1, 1, 0, 3, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, -1, 0],
        [1, 1, 1, 1, 0, 0, 3, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0, 1 << 62],
        [1, 1, 1, 0, 1, 3, 0],
        [1, 1, 1, 0, 0, 0],
    ],
)
def test_numbers_that_are_no_way(numbers: list[int]) -> None:
    nodes = (None,) * (numbers[2] if len(numbers) > 2 else 0)
    with pytest.raises(ValueError, match="these numbers are no way"):
        _calls.Way(array("q", numbers), nodes)


def test_a_way_and_what_is_no_walker() -> None:
    way = _calls.Way(array("q", [1, 1, 1, 0, 1, 2, 0]), (None,))
    one = Somebody((3,), 4)
    assert way(one, 5) is True
    assert (one.times, one.now) == ((5,), 5)
    assert way(one, 5, 6) is False  # it is of one event
    assert way(Somebody((), 4), 5) is False
    assert way(Somebody((-1,), 4), 5) is False
    with pytest.raises(AttributeError):
        way("nobody", 5)
    with pytest.raises(TypeError):
        way(one)
    with pytest.raises(TypeError):
        way(one, "5")
    with pytest.raises(ValueError, match="no way"):
        _calls.Way(b"1234567", ())


def test_walking_along_what_is_no_walk() -> None:
    kind = SimpleNamespace(walker=None, rounds={}, host="N", op="Open")
    with pytest.raises(AttributeError):
        _calls.walk([kind], [1], [2], [3], [0], 0, 1, "N", {}, {})
    with pytest.raises(IndexError):
        _calls.walk([], [], [], [], [], 0, 1, "N", {}, {})
    with pytest.raises(IndexError):
        _calls.walk([], [], [], [], [], -1, 0, "N", {}, {})
