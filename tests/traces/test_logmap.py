"""The language of mappings: patterns, directives, mistakes, and the shipped ones."""

from __future__ import annotations

import random
from io import BytesIO

import pytest

from rhscheck.traces.logmap.check import check_map, told_text
from rhscheck.traces.logmap.language import short_name, told
from rhscheck.traces.logmap.load import MapNotFound, load_map, shipped_maps
from rhscheck.traces.logmap.match import Matcher
from rhscheck.traces.logmap.moments import clock_micros, iso_micros, micros
from rhscheck.traces.logmap.parse import MapErrors, parse_map
from rhscheck.traces.logmap.pattern import (
    PatternError,
    finder,
    normalised,
    parse_pattern,
)
from rhscheck.traces.logmap.read import LogReader

TABLES = {"call": {"ONLINERESOURCE": "Online"}}


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("Resource {res} has come online.", "Resource a b has come online.", {"res": "a b"}),
        ("Resource {res} has come online.", "Resource a b has come online", {"res": "a b"}),
        ("Resource {res} has come online.", "Resource  has come online.", None),
        ("to {res} returned {rc:int}.", "to G:\\ returned 5023.", {"res": "G:\\", "rc": 5023}),
        ("to {res} returned {rc:int}.", "to x returned y returned 5.", None),
        ("to {res:last} returned {rc:int}.", "to x returned y returned 5.",
         {"res": "x returned y", "rc": 5}),
        ("Call {op:call} ends", "Call ONLINERESOURCE ends", {"op": "Online"}),
        ("Call {op:call} ends", "Call NONE ends", None),
        ("{a:word}={b:hex}", "x=0x1F", {"a": "x", "b": 31}),
        ("{a:word}={b:hex}", "x y=1F", None),
        ("{a:int}", "-12", {"a": -12}),
        ("{a:int}", "1" * 19, None),
        ("say {a:rest}", "say ", {"a": ""}),
        ("{t:label}: {x}", "Physical Disk: x: y", {"t": "Physical Disk", "x": "x: y"}),
        ("<{a}> {a}", "<x> x", {"a": "x"}),
        ("<{a}> {a}", "<x> y", None),
        ("{{{a}}}", "{x}", {"a": "x"}),
        ("nothing varies.", "nothing varies", {}),
        ("nothing varies.", "nothing varies here", None),
        ("at {t:iso} ok", "at 2024-05-06 10:00:00 ok", {"t": 1_714_989_600_000_000}),
        ("at {t:iso} ok", "at noon ok", None),
        ("at {t:clock} ok", "at 00:00:01.5 ok", {"t": 1_500_000}),
    ],
)  # fmt: skip
def test_patterns(pattern: str, text: str, found: dict[str, object] | None) -> None:
    assert parse_pattern(pattern, TABLES).match(text, TABLES) == found


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{a}{b}", "nothing stands between"),
        ("x {A}", "small letters"),
        ("x {a:integer}", "did you mean"),
        ("x } y", "write `}}`"),
    ],
)
def test_patterns_that_cannot_be_used(pattern: str, message: str) -> None:
    with pytest.raises(PatternError, match=message):
        parse_pattern(pattern, {})


def test_blanks() -> None:
    assert normalised("  a \t b\n") == "a b"
    assert parse_pattern("a   b {x}", {}).match("a b c", {}) == {"x": "c"}


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970/01/01-00:00:00.001", 1000),
        ("2024-05-06T12:00:00+02:00", 1_714_989_600_000_000),
        ("2024-05-06 10:00:00,123456789Z", 1_714_989_600_123_456),
        ("2024-02-30 10:00:00", None),
        ("2024-05-06 25:00:00", None),
        ("0000-00-00 00:00:00", None),
        ("1969-12-31 23:59:59", None),
        ("2024-05-06", None),
        # Offsets: with a colon, without, hours alone; not of a day and more.
        ("2024-05-06T12:00:00+0200", 1_714_989_600_000_000),
        ("2024-05-06T12:00:00+02", 1_714_989_600_000_000),
        ("2024-05-06T08:30:00-01:30", 1_714_989_600_000_000),
        ("2024-05-06 12:00:00 +02:00", 1_714_989_600_000_000),
        ("2024-05-07T09:59:00+23:59", 1_714_989_600_000_000),
        ("2024-05-06T10:00:00+24:00", None),
        ("2024-05-06T10:00:00+25:00", None),
        ("2024-05-06T10:00:00-2500", None),
        ("2024-05-06T10:00:00+25", None),
        ("2024-05-06T10:00:00+01:60", None),
        ("2024-05-06 10:00:00 +02", None),
        ("9999-12-31T23:59:59-01:00", None),
    ],
)
def test_times(text: str, micros: int | None) -> None:
    assert iso_micros(text) == micros


def test_times_of_day() -> None:
    assert clock_micros("23:59:59.999") == 86_399_999_000
    assert clock_micros("24:00:00") is None


@pytest.mark.parametrize(
    ("kind", "text", "time_us"),
    [
        ("epoch_s", "1714989600", 1_714_989_600_000_000),
        ("epoch_s", "1714989600.25", 1_714_989_600_250_000),
        ("epoch_s", "1714989600,123456789", 1_714_989_600_123_456),
        ("epoch_ms", "1714989600250", 1_714_989_600_250_000),
        ("epoch_ms", "1714989600250.75", 1_714_989_600_250_750),
        ("epoch_us", "1714989600250750", 1_714_989_600_250_750),
        ("epoch_us", "1714989600250750.9", 1_714_989_600_250_750),
        ("epoch_s", "253402300799", 253_402_300_799_000_000),
        ("epoch_s", "253402300800", None),  # the year 10000: these are milliseconds
        ("epoch_s", "1714989600250", None),
        ("epoch_s", "-1", None),
        ("epoch_s", "1.", None),
        ("epoch_ms", "1e12", None),
        ("epoch_us", "\u0661", None),
        ("epoch_us", "1" * 19, None),
        ("iso", "1714989600", None),
    ],
)
def test_counts_since_1970(kind: str, text: str, time_us: int | None) -> None:
    assert micros(kind, text) == time_us


def test_what_looks_like_an_offset_and_is_none() -> None:
    # Where the pattern itself goes on with the sign, what stands there is the pattern's.
    numbered = parse_pattern("{t:iso}-{n:int} {x}", {})
    ten = 1_714_989_600_000_000
    assert numbered.match("2024-05-06 10:00:00-12 Open", {}) == {"t": ten, "n": 12, "x": "Open"}
    assert numbered.match("2024-05-06 11:00:00+01-12 Open", {}) == {"t": ten, "n": 12, "x": "Open"}
    # Behind a blank hours alone are no offset, and a wrong offset is no message.
    plain = parse_pattern("{t:iso} {x}", {})
    assert plain.match("2024-05-06 10:00:00 -12 files", {}) == {"t": ten, "x": "-12 files"}
    assert plain.match("2024-05-06 10:00:00 +25:00 Open", {}) is None
    assert plain.match("2024-05-06T10:00:00+25:00 Open", {}) is None


@pytest.mark.parametrize(
    ("form", "column", "field"),
    [
        ("form {time:int} {text:rest}", 6, "`{time:int}` says no time"),
        ("form  [{{{time}}}] {text:rest}", 10, "`{time}` says no time"),
        ("form {level:word} {time:hex}: {text:rest}", 19, "`{time:hex}` says no time"),
        ("form {time:word} {text:rest}", 6, "`{time:word}` says no time"),
    ],
)
def test_a_time_of_a_line_is_of_a_kind_that_says_its_unit(
    form: str, column: int, field: str
) -> None:
    # A plain number was taken for microseconds since 1970, any other text for no time at all.
    with pytest.raises(MapErrors) as raised:
        parse_map(GOOD.replace("form {time:iso} {text:rest}", form), "tiny.map")
    (mistake,) = raised.value.mistakes
    assert (mistake.line, mistake.column) == (2, column)
    assert mistake.message.startswith(field)
    assert mistake.message.endswith(
        "write `{time:iso}` for a date and time, `{time:clock}` for a time of day, and for a "
        "number since 1970 its unit: `{time:epoch_s}`, `{time:epoch_ms}`, `{time:epoch_us}`"
    )


def test_a_log_that_counts_milliseconds() -> None:
    logmap = parse_map(GOOD.replace("{time:iso}", "{time:epoch_ms}").split("log ")[0], "tiny.map")
    (sighting,) = LogReader(logmap).read(BytesIO(b"1714989600250 call ONLINE of x\n"))
    assert (sighting.time_us, sighting.dated) == (1_714_989_600_250_000, True)


GOOD = """map tiny "a tiny one"
form {time:iso} {text:rest}
values op ONLINE=Online
# a comment
on   call {op:op} of {res}
on   {res} gets {op:op}
emit call {op} res={res} inferred
log  2024-05-06 10:00:00 call ONLINE of x
is   call Online res=x inferred

on   idle
emit nothing
log  2024-05-06 10:00:00 idle
is   nothing
"""


def test_a_small_mapping() -> None:
    logmap = parse_map(GOOD, "tiny.map")
    assert (logmap.name, logmap.title, logmap.spec) == ("tiny", "a tiny one", "rhs")
    assert [rule.line for rule in logmap.rules] == [5, 11]
    matcher = Matcher(logmap)
    found = matcher.read("x y gets ONLINE")
    assert found is not None
    assert [told_text(told) for told in found[1]] == ['call Online res="x y" inferred']
    assert matcher.read("something else") is None
    result = check_map(logmap)
    assert (result.samples, result.failures, result.untested) == (2, (), ())


def test_a_sample_that_is_read_differently() -> None:
    result = check_map(parse_map(GOOD.replace("is   nothing", "is   gap why=x"), "tiny.map"))
    (failure,) = result.failures
    assert (failure.line, failure.expected, failure.got) == (13, ("gap why=x",), ("nothing",))


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ('map tiny "a tiny one"', "map tiny", (1, 5), "a mapping begins with"),
        ("form {time:iso}", "fomr {time:iso}", (2, 1), "did you mean `form`"),
        ("form {time:iso}", "form {tim:iso}", (2, 6), "has no field `tim`"),
        ("{text:rest}", "{level}.", (2, 6), "needs a field"),
        ("ONLINE=Online", "ONLINE", (3, 8), "needs a name and pairs"),
        ("{op:op} of", "{op:opp} of", (5, 6), "no kind of field called `opp`"),
        ("idle\nemit", "{x}\nemit", (11, 6), "would match anything"),
        ("emit call", "emit cal", (7, 6), "did you mean `call`"),
        ("res={res} inf", "rez={res} inf", (7, 16), "`call` has no `rez`"),
        ("res={res} inf", "res={ress} inf", (7, 6), "has no such field"),
        ("emit call {op} res={res} inferred", "emit call", (7, 6), "`call` needs `op=`"),
        ("is   call Online res=x inferred", "", (8, 1), "needs an `is` line"),
        ("is   call Online res=x", 'is   call Online res="x', (9, 18), "not closed"),
        ("emit nothing", "", (11, 1), "needs an `emit` line"),
        ("# a comment", "facts lossy=perhaps", (4, 7), "one of: yes, no"),
        ("# a comment", "facts lost=no", (4, 7), "no fact is called"),
        ("# a comment", "facts slack_ms=x", (4, 7), "number of milliseconds"),
        ("# a comment", "unseen Online", (4, 8), "is no label"),
        ("# a comment", "limits calls=X", (4, 8), "no limit is called"),
        ("# a comment", "emit nothing", (4, 6), "needs an `on` line"),
        ("# a comment", "is nothing", (4, 4), "needs a `log` line"),
        ("# a comment", 'map other "x"', (4, 1), "a `map` line already, line 1"),
        ("# a comment", "form {text:rest}", (4, 1), "a `form` line already, line 2"),
        ("# a comment", "facts\nfacts lossy=no", (5, 1), "a `facts` line already, line 4"),
        ("# a comment", "spec a\nspec b", (5, 1), "a `spec` line already, line 4"),
        ("# a comment", "spec", (4, 5), "needs the name of a spec"),
        ("# a comment", "limits call=A call=B", (4, 15), "two limits, A and B"),
        ("# a comment", "unseen timer x, Online", (4, 17), "is no label"),
        ("res={res} inf", "res={res} res=x inf", (7, 26), "`res` stands there twice"),
    ],
)
def test_mistakes(old: str, new: str, place: tuple[int, int], message: str) -> None:
    assert old in GOOD
    with pytest.raises(MapErrors) as raised:
        parse_map(GOOD.replace(old, new), "tiny.map")
    first = raised.value.mistakes[0]
    assert (first.line, first.column) == place, raised.value
    assert message in first.message


@pytest.mark.parametrize(
    "wrong",
    [
        "on {a:wrd} x\nemit nothing\n",
        "on {a:wrd} x\nemit call Online res={a}\n",
        "on {a} x\nemit cal Online res={a}\n",
        "on {a} x\nemit note wht=y res={a}\n",
        'on {a} x\nemit note what="y\n',
        "on {a} x\nemit note what=y\non {b:wrd}\nemit nothing\nlog x\nis nothing\n",
    ],
)
def test_one_mistake_is_reported_as_one(wrong: str) -> None:
    with pytest.raises(MapErrors) as raised:
        parse_map(GOOD + wrong, "tiny.map")
    assert len(raised.value.mistakes) == 1, raised.value


def test_an_on_line_without_emit_is_found_where_it_is() -> None:
    with pytest.raises(MapErrors) as raised:
        parse_map(GOOD.replace("emit nothing\n", ""), "tiny.map")
    (mistake,) = raised.value.mistakes
    assert (mistake.line, mistake.message[:32]) == (11, "an `on` line needs an `emit` lin")


BESIDE = """map tiny "the resource stands in the beginning of a line"
form {time:iso} [{res}] {text:rest}
on   > Online
emit call Online once
on   lost
emit gap why=lost
log  2024-05-06 10:00:00 [Data Disk 1] > Online
is   call Online res="Data Disk 1"
log  2024-05-06 10:00:00 [Data Disk 1] > Online
is   call Online
log  2024-05-06 10:00:00 [a] > Online
log  2024-05-06 10:00:00 [a] > Online
log  2024-05-06 10:00:00 [b] > Online
log  2024-05-06 10:00:00 [b] lost
is   call Online
is   call Online res=b
is   gap why=lost
"""


def test_a_sample_may_name_the_resource_of_the_beginning_of_its_line() -> None:
    # It was left out, so `res=` failed with "got call Online", as if the name was not understood.
    assert check_map(parse_map(BESIDE, "tiny.map")).failures == ()
    wrong = BESIDE.replace('res="Data Disk 1"', "res=Data").replace("res=b", "res=a")
    result = check_map(parse_map(wrong, "tiny.map"))
    assert [(one.line, one.got) for one in result.failures] == [
        (7, ('call Online res="Data Disk 1"',)),
        (11, ("call Online", "call Online res=b", "gap why=lost")),
    ]
    # What the rule itself names is to be expected with its name, as before.
    (failure,) = check_map(parse_map(RESULTS.replace("Online res=x", "Online"), "t.map")).failures
    assert (failure.expected, failure.got) == (
        ("return Online rc=5023",),
        ("return Online res=x rc=5023",),
    )


RESULTS = """map tiny "a tiny one"
form {text:rest}
values result OK=0 FAIL=5023
on   {res} ends: {rc:result}
emit return Online res={res} rc={rc}
log  x ends: FAIL
is   return Online res=x rc=5023
"""


def test_words_of_a_table_of_numbers_are_numbers() -> None:
    # They were texts, and every text counted as an error.
    logmap = parse_map(RESULTS, "tiny.map")
    assert check_map(logmap).failures == ()
    found = Matcher(logmap).read("x ends: OK")
    assert found is not None
    assert [one.rc for one in found[1]] == [0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{rc:result}", "{rc}", "`rc` is a number, and `{rc}` a text"),
        ("{rc:result}", "{rc:word}", "`rc` is a number, and `{rc}` a text"),
        ("OK=0", "OK=zero", "`rc` is a number, and `{rc}` a word"),
        ("is   return", "values result ODD=x\nis   return", "`rc` is a number"),
    ],
)
def test_a_text_is_no_result_code(old: str, new: str, message: str) -> None:
    with pytest.raises(MapErrors) as raised:
        parse_map(RESULTS.replace(old, new), "tiny.map")
    (mistake,) = raised.value.mistakes
    assert (mistake.line, mistake.column) == (5, 30)
    assert mistake.message.startswith(message)


def test_names_that_begin_alike_are_of_different_resources() -> None:
    one, two = "n" * 600 + "A", "n" * 600 + "B"
    assert short_name("n" * 299) == "n" * 299
    assert len(short_name(one)) == 300
    assert short_name(one) != short_name(two)
    # What a shortened name looks like is no name of another.
    assert short_name(short_name(one)) != short_name(one)
    assert len(short_name("\ud800" * 400)) == 300
    matcher = Matcher(parse_map(RESULTS, "tiny.map"))
    found = [matcher.read(f"{name} ends: OK") for name in (one, two, one)]
    assert [told.res for read in found if read is not None for told in read[1]] == [
        short_name(one),
        short_name(two),
        short_name(one),
    ]
    # A name that stands at the beginning of the line, too.
    form = RESULTS.replace("form {text", "form <{res}> {text").replace("{res} ends", "it ends")
    logmap = parse_map(form.replace(" res={res}", "").split("log ")[0], "tiny.map")
    (sighting,) = LogReader(logmap).read(BytesIO(f"<{one}> it ends: OK\n".encode()))
    assert sighting.res == short_name(one)


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(MapErrors) as raised:
        parse_map("map x\nform {y}{z}\nemit nothing\n", "bad.map")
    assert [one.line for one in raised.value.mistakes] == [1, 2, 3]
    assert str(raised.value).startswith("bad.map:1:5: ")
    with pytest.raises(MapErrors, match=r"at most 1,048,576 characters"):
        parse_map("#" * 1_048_577, "big.map")


@pytest.mark.parametrize("name", ["clusterlog", "entrypoints"])
def test_shipped_mappings_pass_their_own_tests(name: str) -> None:
    result = check_map(load_map(name))
    assert result.failures == ()
    assert result.samples > 4


def test_which_mappings_there_are() -> None:
    assert shipped_maps() == ("clusterlog", "entrypoints")
    with pytest.raises(MapNotFound, match=r"did you mean `clusterlog`"):
        load_map("clusterlogs")


def test_patterns_find_the_same_by_an_expression_as_field_by_field() -> None:
    # Every pattern that is shipped, on every sample and on what damage makes of it; and patterns
    # where a way back would find more.
    rng = random.Random(3)
    maps = [load_map(name) for name in shipped_maps()]
    tables = {name: table for one in maps for name, table in one.tables.items()}
    written = (
        "<{a}> {a}",
        "x{a}.{b:last}..",
        "{a}, {b}.",
        "{a:last}, {b:int}.",
        "{a}..",
        "{a}a{b}b!",
    )
    patterns = [pattern for one in maps for rule in one.rules for pattern in rule.patterns]
    patterns += [parse_pattern(one, tables) for one in written]
    texts = [normalised(line) for one in maps for sample in one.samples for line in sample.lines]
    texts = [text[max(0, text.find("[")) :] for text in texts]
    texts += [
        "<x> x",
        "<x> y",
        "x..y...",
        "x...",
        "x.. ..",
        ", a, 5.",
        "a, b, 5",
        "a..",
        "a.",
        "aab!",
        "",
    ]
    for text in list(texts):
        at = rng.randrange(len(text) + 1)
        texts += [text[:at], text[:at] + text, text + ".", text[:at] + "\n. " + text[at:]]
    found = 0
    for pattern in patterns:
        find = finder(pattern, tables)
        for text in texts:
            fields = pattern.match(text, tables)
            assert find(text) == fields, (pattern.source, text)
            found += fields is not None
    assert found > 150


def test_events_are_equal_by_what_they_say() -> None:
    matcher = Matcher(load_map("clusterlog"))
    twice = [matcher.read(f"[RCM] TransitionToState({name}) Offline-->Online.") for name in "aba"]
    events = [one[1][0] for one in twice if one is not None]
    assert events[0] == events[2] == told("state", {"res": "a", "from": "Offline", "to": "Online"})
    assert hash(events[0]) == hash(events[2])
    assert events[0].once
    assert events[1] == told("state", {"res": "b", "from": "Offline", "to": "Online"})
    assert (events[1].res, events[1].source, events[1].target) == ("b", "Offline", "Online")
    assert events[0] != events[1]
    assert events[0] != "a"
