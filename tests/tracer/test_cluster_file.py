"""CLUSTER.toml: what it says, where it says it, and every mistake with its line and a fix."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhscheck.tracer.cluster_file import ClusterFileError, read_cluster
from rhscheck.tracer.configuration import (
    ClusterConfiguration,
    GroupConfiguration,
    ResourceConfiguration,
    RestartIntensity,
    RestartPolicy,
    Timeouts,
)
from rhscheck.tracer.toml_lines import key_lines

FULL = """\
nodes = ["one", "two"]

[timeouts]
call = "2m"
pending = "90s"
looks_alive = "250ms"
is_alive = "1m"
dump = "500us"

[monitor_restarts]
restarts = 7
period = "1h"
delay = "1s"

[group.web]
nodes = ["two", "one"]
persistent = "offline"
failovers = 4
failover_period = "1h"

[resource.db]
plugin = "GenericApplication"
group = "web"
isolate_after = 2
[resource.db.parameters]
command = ["sleep", "9"]
[resource.db.restart]
action = "restart"
threshold = 1
period = "10m"
delay = "0s"
retry = "never"

[resource.site]
plugin = "./site.py:Site"
group = "web"
depends_on = ["db"]
monitor = "flaky"
"""


def test_everything_that_can_be_said() -> None:
    assert read_cluster(FULL, "c.toml").configuration == ClusterConfiguration(
        nodes=("one", "two"),
        timeouts=Timeouts(120_000_000, 90_000_000, 250_000, 60_000_000, 500),
        monitor_restarts=RestartIntensity(7, 3_600_000_000, 1_000_000),
        groups=(GroupConfiguration("web", ("two", "one"), "offline", 4, 3_600_000_000),),
        resources=(
            ResourceConfiguration(
                "db",
                "web",
                "GenericApplication",
                {"command": ["sleep", "9"]},
                restart=RestartPolicy("restart", 1, 600_000_000, 0, None),
                isolate_after=2,
            ),
            ResourceConfiguration(
                "site", "web", "./site.py:Site", depends_on=("db",), monitor="flaky"
            ),
        ),
    )


def test_the_line_of_a_parameter_and_of_a_plugin() -> None:
    file = read_cluster(FULL, "c.toml")
    assert file.line_of("db") == 22
    assert file.line_of("db", "command") == 26
    assert file.line_of("db", "missing") == 25
    assert file.line_of("site", "missing") == 34
    assert str(file.error("site", "no.")) == "c.toml:35: resource `site`: no."


PLUGIN = 'plugin = "GenericApplication"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "c.toml:1: there is no resource: add `[resource.NAME]` with a `plugin`"),
        ("[resource.a", "c.toml:1: this is no TOML: "),
        ("a = 1\na = 2", "c.toml:2: this is no TOML: Cannot overwrite a value"),
        (f"[resource.a]\n{PLUGIN}monitor = 3", "c.toml:3: `monitor` has to be a text: "),
        (f"[resource.a]\n{PLUGIN}depends_on = 'b'", "c.toml:3: `depends_on` has to be a list of "),
        (f"[resource.a]\n{PLUGIN}isolate_after = true", "c.toml:3: `isolate_after` has to be a "),
        (f"[resource.a]\n{PLUGIN}depends_on = ['b']", "c.toml:3: `a` depends on `b`, which does "),
        (f"[resource.a]\n{PLUGIN}depends_on = ['a']", "c.toml:3: `a` depends on itself: a → a"),
        (f"[resource.'a/b']\n{PLUGIN}", "c.toml:1: `a/b` is no name: use the letters a-z "),
        (f"[resource.a]\n{PLUGIN}[resource.A]\n{PLUGIN}", "c.toml:3: `A` and `a` differ only in "),
        (f"[resource.a]\n{PLUGIN}restart = 'none'", "c.toml:3: `restart` has to be a table: "),
        (
            f"[resource.a]\n{PLUGIN}restart = {{ action = 'no' }}",
            'c.toml:3: `action` has to be one of "none", "restart", "restartNotify", not "no"',
        ),
        (
            f"[resource.a]\n{PLUGIN}[timeouts]\ncall = '5 minutes'",
            'c.toml:4: `call` has to be a time with its unit, as `"5m"` (us, ms, s, m, h), '
            'of 10 years at most, not "5 minutes"',
        ),
        (f"[resource.a]\n{PLUGIN}[timeouts]\ncall = '90000h'", "c.toml:4: `call` has to be a "),
        (f"[resource.a]\n{PLUGIN}[timeouts]\ncall = '{'9' * 9999}h'", "c.toml:4: `call` has to "),
        (
            f"[resource.a]\n{PLUGIN}isolate_after = {2**70}",
            "c.toml:3: `isolate_after` has to be a whole number from 0 to 1000000000: ",
        ),
        (f"[resource.{'a' * 101}]\n{PLUGIN}", "c.toml:1: `aaaaa"),
        (f'[resource."a\\u202e\\u001b"]\n{PLUGIN}', "c.toml:1: `a\\u202e\\x1b` is no name: "),
        (f"[resource.a]\n{PLUGIN}[timeouts]\ncall = '0s'", "c.toml:4: the time-out `call` must "),
        (f"[resources.a]\n{PLUGIN}", "c.toml:1: there is no `resources`; did you mean `resource`?"),
    ],
)
def test_a_mistake_names_its_line_and_a_fix(text: str, expected: str) -> None:
    with pytest.raises(ClusterFileError) as found:
        read_cluster(text, "c.toml")
    assert any(line.startswith(expected) for line in str(found.value).splitlines())


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        FULL.replace('"2m"', "2").replace("restarts = 7", "restarts = -1").replace('"flaky"', "1")
    )
    with pytest.raises(ClusterFileError) as found:
        read_cluster(text, "c.toml")
    assert [one.line for one in found.value.mistakes] == [4, 11, 38]


def told(text: str) -> list[tuple[int, str]]:
    """Line and message of every mistake."""
    with pytest.raises(ClusterFileError) as found:
        read_cluster(text, "c.toml")
    return [(one.line, one.message) for one in found.value.mistakes]


def test_mistakes_of_every_kind_are_told_in_one_go() -> None:
    """Names and types once hid clashes of capitals, and both what is wrong between resources."""
    assert told(
        '[timeouts]\ncall = 3\ndump = "0s"\n'
        f'[resource.a]\n{PLUGIN}monitr = "x"\ndepends_on = [\n  "b",\n  "c",\n]\n'
        f'[resource.A]\n{PLUGIN}depends_on = ["A"]\n'
        f'[resource.b]\n{PLUGIN}group = "other"\n'
        '[resource."d/e"]\ndepends_on = ["nobody"]\n'
    ) == [
        (
            2,
            '`call` has to be a time with its unit, as `"5m"` (us, ms, s, m, h), of 10 years at '
            "most, not 3",
        ),
        (3, "the time-out `dump` must be more than 0"),
        (6, "there is no `monitr` in `[resource.a]`; did you mean `monitor`?"),
        (
            8,
            "`a` depends on `b` of another group (`other`); a group is owned by one node as a "
            "whole, so put them into one group",
        ),
        (9, "`a` depends on `c`, which does not exist"),
        (11, "`A` and `a` differ only in capitals; rename one"),
        (13, "`A` depends on itself: A → A"),
        (
            17,
            "`d/e` is no name: use the letters a-z and A-Z, digits, `_`, and inside of it also "
            "blanks, `.`, `-`; 100 of them at most",
        ),
        (
            17,
            'resource `d/e` has no plug-in: add `plugin = "GenericApplication"`, '
            '`"package.module:Class"` or `"./file.py:Class"`',
        ),
        (18, "`d/e` depends on `nobody`, which does not exist"),
    ]


def test_what_follows_from_another_mistake_alone_is_not_told() -> None:
    """A group that cannot be read is not "another group"; nodes that cannot be, none of a group."""
    assert told(
        'nodes = "two"\n[group.g]\nnodes = ["two"]\n'
        f'[resource.a]\n{PLUGIN}group = "g"\ndepends_on = ["b"]\n'
        f"[resource.b]\n{PLUGIN}group = 7\n"
    ) == [
        (1, '`nodes` has to be a list of names: `nodes = ["…", "…"]`, not "two"'),
        (10, '`group` has to be a text: `group = "…"`, not 7'),
    ]


def test_a_name_that_is_there_twice_in_a_list_is_one_mistake() -> None:
    """What is wrong with it otherwise was told twice; what was right was taken without a word."""
    assert told(f'[resource.a]\n{PLUGIN}depends_on = ["b", "b"]\n') == [
        (3, "`b` is there twice; leave one out"),
        (3, "`a` depends on `b`, which does not exist"),
    ]


def test_a_node_that_is_there_twice_is_one_mistake() -> None:
    """It was told twice, and that there were too many nodes."""
    text = f'nodes = ["n", "m", "n"]\n[group.g]\nnodes = ["n", "o"]\n[resource.a]\n{PLUGIN}'
    assert told(text) == [
        (1, "`n` is there twice; leave one out"),
        (3, "there is no node `o`"),
    ]


def test_an_empty_list_of_nodes_is_refused() -> None:
    """It was taken for "all"."""
    text = f"nodes = []\n[group.g]\nnodes = []\n[resource.a]\n{PLUGIN}"
    assert told(text) == [
        (1, "`nodes` is empty: name at least one, or leave it out for `node1`"),
        (3, "`nodes` is empty: name at least one, or leave it out for all nodes of the cluster"),
    ]


def test_a_line_end_in_a_name_ends_no_line_of_the_message() -> None:
    text = f'nodes = ["n\\n1"]\n[resource."a\\nb\\u001b"]\n{PLUGIN}group = "g\\r\\n"\n'
    with pytest.raises(ClusterFileError) as found:
        read_cluster(text, "c.toml")
    lines = str(found.value).split("\n")
    assert [line.partition(" is no name")[0] for line in lines] == [
        "c.toml:1: `n\\n1`",
        "c.toml:2: `a\\nb\\x1b`",
        "c.toml:4: `g\\r\\n`",
    ]


def test_a_number_that_python_does_not_read_is_a_mistake() -> None:
    text = f"[resource.a]\n{PLUGIN}isolate_after = "
    assert told(text + "9" * 5000) == [(0, "a number in it is too long")]
    assert told(text + "0x" + "f" * 5000)[0][1].endswith("not a number as long as that")


# ---- lines of keys: whatever tomllib accepts
KEYS = st.sampled_from(["a", "b", "c-d", '"x.y"', "'#'", '"q\\"q"'])
SCALARS = st.sampled_from(
    ["1", "true", '"text # no comment"', "'a = [b]'", '"""two\nlines = 1\n"""', "'''x'''", "1.5"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3).map(lambda xs: "[\n" + ",\n".join(xs) + "]  # end"),
    max_leaves=4,
) | st.lists(st.tuples(KEYS, SCALARS), max_size=2, unique_by=lambda one: one[0]).map(
    lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs) + "}"
)
LINES = st.lists(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}")
    | KEYS.map(lambda key: f"[{key}.t]")
    | KEYS.map(lambda key: f"[[{key}.list]]")
    | st.just("# a [comment] = 1"),
    max_size=6,
)


def paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every key and index of a document."""
    if isinstance(value, dict):
        inner = [paths(one, (*path, key)) for key, one in value.items()]
    elif isinstance(value, list):
        inner = [paths(one, (*path, at)) for at, one in enumerate(value)]
    else:
        inner = []
    return {path}.union(*inner)


@given(LINES)
def test_every_key_of_a_document_has_a_line(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = key_lines(text)
    assert set(found) == paths(document) - {()}
    for path, line in found.items():
        key = path[-1]
        if isinstance(key, str):
            shown = text.split("\n")[line - 1]
            assert key in shown.replace("\\", "")
