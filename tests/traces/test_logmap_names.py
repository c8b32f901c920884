"""Names in a mapping that its spec does not have."""

from __future__ import annotations

import pytest

from rhscheck.spec.load import load
from rhscheck.traces.logmap.load import load_map, shipped_maps
from rhscheck.traces.logmap.names import Words, missing_labels, words_of, wrong_names
from rhscheck.traces.logmap.parse import parse_map

GOOD = """map m "x"
form {time:iso} {text:rest}
facts lossy=no
unseen expiry *, timer onlineSilence, event handleSignaled
limits call=CallTimeout silence=PendingTimeout
values entry Open=Open Up=Online Down=Offline Shut=Close
values report Up=success Down=failure
on {res:word} > {op:entry}
emit call {op} res={res}
on {res:word} < {op:entry} {rc:int}
emit return {op} res={res} rc={rc}
on {res:word} < {op:entry} badly
emit return {op} res={res} rc=1
on {res:word} reports {state:report}
emit status SetResourceStatus res={res} state={state}
on {res:word} is {op:word}
emit timeout {op} res={res}
emit note what=Arbitrate res={res}
log 2026-03-02 09:15:00.000 x > Up
is call Online res=x
"""


@pytest.fixture(scope="module")
def rhs() -> Words:
    return words_of(load("rhs").system)


@pytest.fixture(scope="module")
def two_phase() -> Words:
    return words_of(load("two_phase").system)


def test_what_the_flagship_has_words_for(rhs: Words) -> None:
    assert rhs.states == {"SetResourceStatus": ("success", "failure", "pending", "repeated")}
    assert rhs.codes["Close"] == (0,)
    assert set(rhs.codes["Online"]) == {0, 997, None}
    assert {name for kind, name in rhs.labels if kind == "timer"} == {
        "onlineSilence",
        "offlineSilence",
    }
    assert {name for kind, name in rhs.recorded if kind == "due"} == set()
    assert ("call", "Online") in rhs.each
    assert "CallTimeout" in rhs.times


def test_a_mapping_all_of_whose_names_are_the_spec_s(rhs: Words) -> None:
    assert wrong_names(parse_map(GOOD, "m.map"), rhs) == []


@pytest.mark.parametrize("name", shipped_maps())
def test_shipped_mappings_name_what_their_spec_has(name: str, rhs: Words) -> None:
    # `audit` takes them as they are, so that it need not ask.
    logmap = load_map(name)
    assert logmap.spec == "rhs"
    assert wrong_names(logmap, rhs) == []


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("Open=Open", "Open=Opn", (6, 14),
         "rhs has no `call Opn` (used in line 9); did you mean `Open`?"),
        ("Open=Open", "Arb=Arbitrate", (6, 14),
         "rhs has no `call Arbitrate` (used in line 9); there is `Close`, `IsAlive`, `LooksAlive`, "
         "`Offline`, `Online`, `Open`, `ResourceControl`, `Terminate`; an event that is none of "
         "the spec's is a `note`"),
        ("call {op}", "call Onlin", (9, 11),
         "rhs has no `call Onlin`; did you mean `Online` or `Offline`?"),
        ("> {op:entry}", "> {op:int}", (9, 11), "rhs has no `call {op:int}`; there is `Close`, "),
        ("timeout {op}", "timeout online", (17, 14),
         "rhs has no `expiry online`; did you mean `Online`"),
        ("Up=success", "Up=succes", (7, 15),
         "in rhs `SetResourceStatus` does not report `succes` (used in line 15); did you mean "
         "`success`?"),
        (" state={state}", "", (15, 6),
         "`SetResourceStatus` reports something: `state=`, one of `failure`, `pending`, "
         "`repeated`, `success`"),
        ("status Set", "status Reset", (15, 13), "rhs has no `callback ResetResourceStatus`; did"),
        ("return {op} res={res} rc=1", "return Close res={res} rc=1", (13, 29),
         "in rhs no result of `Close` has the code 1; there is 0"),
        ("call {op} res={res}", "call {op}", (9, 6), "`call Open` is of one resource of several"),
        ("timer onlineSilence", "timer onlinesilence", (4, 18),
         "rhs has no `timer onlinesilence`; did you mean `onlineSilence` or `offlineSilence`?"),
        ("timer onlineSilence", "event onlineSilence", (4, 18),
         "rhs has no `event onlineSilence`; it has `timer onlineSilence`"),
        ("call=CallTimeout", "call=CallTimout", (5, 8),
         "rhs has no time called `CallTimout`; did you mean `CallTimeout`?"),
        ("is call Online", "is call online", (20, 9),
         "rhs has no `call online`; did you mean `Online`"),
    ],
)  # fmt: skip
def test_a_name_that_the_spec_does_not_have(
    rhs: Words, old: str, new: str, place: tuple[int, int], message: str
) -> None:
    assert old in GOOD
    (mistake,) = wrong_names(parse_map(GOOD.replace(old, new, 1), "m.map"), rhs)
    assert (mistake.line, mistake.column) == place
    assert mistake.message.startswith(message), mistake.message


def test_the_beginning_of_a_line_names_the_resource(rhs: Words) -> None:
    text = GOOD.replace("{time:iso} ", "{time:iso} {res}: ").replace(" res={res}", "")
    assert wrong_names(parse_map(text, "m.map"), rhs) == []


def test_another_spec_has_other_words(two_phase: Words) -> None:
    logmap = parse_map(GOOD, "m.map")
    assert missing_labels(logmap, two_phase) == ("timer onlineSilence", "event handleSignaled")
    wrong = wrong_names(logmap, two_phase)
    assert wrong[0].message == "two_phase has no time called `CallTimeout`; it has none"
    assert "two_phase has no `call Open` (used in line 9); it has no call at all" in [
        one.message.partition("; an event")[0] for one in wrong
    ]


def test_a_word_of_another_reading_is_a_word(rhs: Words) -> None:
    other = words_of(load("rhs", {"LooksAliveFailure": "sameCall"}).system)
    logmap = parse_map(GOOD.replace("event handleSignaled", "event recordExpired"), "m.map")
    assert missing_labels(logmap, rhs) == ("event recordExpired",)
    assert wrong_names(logmap, rhs.and_also(other)) == []
