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
        (f"[resource.'a/b']\n{PLUGIN}", "c.toml:1: `a/b` is no name: use letters, digits, "),
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
