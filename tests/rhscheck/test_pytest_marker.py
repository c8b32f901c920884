"""Which traces and options the markers `rhscheck` of a test stand for, and what is refused."""

from __future__ import annotations

from pathlib import Path

from pytest_project import SPEC, run_project

STACKED = """
import pytest

STORE = pytest.mark.rhscheck(spec="store.sm")
GOOD = pytest.mark.rhscheck("good.jsonl")
BAD = pytest.mark.rhscheck("broken.jsonl")


@GOOD
@STORE
def test_good():
    pass


@GOOD
@BAD
@STORE
def test_bad_below():
    pass


@BAD
@GOOD
@STORE
def test_bad_above():
    pass


@pytest.mark.rhscheck(traces=["good.jsonl", "broken.jsonl"], spec="store.sm")
def test_bad_among_several():
    pass


@BAD
class TestBadClass:
    @STORE
    def test_options_on_the_method(self):
        pass

    @pytest.mark.rhscheck("good.jsonl", spec="store.sm")
    def test_good_on_the_method(self):
        pass


@pytest.mark.rhscheck("good.jsonl", spec="nowhere", require="all", settings={"OpenTime": "1s"})
class TestOptions:
    @pytest.mark.rhscheck(spec="store.sm")
    def test_closest_spec(self):
        pass

    @pytest.mark.rhscheck(spec="store.sm", require="any")
    def test_all_but_settings_from_the_method(self, conformance):
        run = conformance.recording(slack_us=0)
        run.call("disk", "Open", at_us=0)
        run.returned("disk", "Open", at_us=1_500_000)

    @pytest.mark.rhscheck(spec="store.sm", require="any", settings={"OpenTime": "2s"})
    def test_all_from_the_method(self, conformance):
        run = conformance.recording(slack_us=0)
        run.call("disk", "Open", at_us=0)
        run.returned("disk", "Open", at_us=1_500_000)


@pytest.mark.rhscheck("good.jsonl", spec="store.sm")
@pytest.mark.rhscheck("good.jsonl", spec="rhs")
def test_contradiction():
    pass


@pytest.mark.rhscheck("good.jsonl", spec="store.sm")
@pytest.mark.rhscheck("good.jsonl", spec="store.sm", require="any")
def test_said_twice():
    pass
"""


def test_every_marker_counts_and_the_closest_option(tmp_path: Path) -> None:
    found = run_project(tmp_path, STACKED)
    assert found.outcomes == {
        "test_good": "PASSED",
        "test_bad_below": "FAILED",
        "test_bad_above": "FAILED",
        "test_bad_among_several": "FAILED",
        "test_options_on_the_method": "FAILED",
        "test_good_on_the_method": "FAILED",
        "test_closest_spec": "PASSED",
        "test_all_but_settings_from_the_method": "FAILED",
        "test_all_from_the_method": "PASSED",
        "test_contradiction": "FAILED",
        "test_said_twice": "PASSED",
    }, found.output
    assert found.output.count("broken.jsonl:2: Opened violated") == 5
    assert "marker rhscheck says spec='rhs' and spec='store.sm' at the same place" in found.output


NOTHING = """
import glob

import pytest


@pytest.mark.rhscheck(*glob.glob("recorded/*.jsonl"))
def test_no_file():
    pass


@pytest.mark.rhscheck(*glob.glob("recorded/*.jsonl"), spec="store.sm")
def test_no_file_and_a_spec():
    pass


@pytest.mark.rhscheck(traces=glob.glob("recorded/*.jsonl"), spec="store.sm")
class TestNamed:
    def test_no_file_for_the_class(self):
        pass

    def test_a_recording_beside_it(self, conformance):
        conformance.recording().call("disk", "Open")


@pytest.mark.rhscheck(*glob.glob("recorded/*.jsonl"))
class TestEmpty:
    def test_no_file_and_no_option_for_the_class(self):
        pass

    @pytest.mark.rhscheck("good.jsonl", spec="store.sm")
    def test_another_trace(self):
        pass


@pytest.mark.rhscheck(spec="store.sm")
class TestOptionsOnly:
    def test_records(self, conformance):
        conformance.recording().call("disk", "Open")

    def test_checks(self, conformance):
        conformance.check("good.jsonl")

    def test_does_neither(self):
        pass

    def test_asks_late(self, request):
        request.getfixturevalue("conformance").recording().call("disk", "Read")
"""


def test_a_pattern_that_matches_no_file_is_no_success(tmp_path: Path) -> None:
    found = run_project(tmp_path, NOTHING)
    assert found.outcomes == {
        "test_no_file": "FAILED",
        "test_no_file_and_a_spec": "FAILED",
        "test_no_file_for_the_class": "FAILED",
        "test_a_recording_beside_it": "ERROR",
        "test_no_file_and_no_option_for_the_class": "FAILED",
        "test_another_trace": "FAILED",
        "test_records": "PASSED",
        "test_checks": "PASSED",
        "test_does_neither": "PASSED",
        "test_asks_late": "FAILED",
    }, found.output
    said = "did a pattern match no file?"
    assert f"names no trace and sets no option: {said}" in found.output
    assert "has no fixture `conformance` that its options could be for" in found.output
    assert f"has the option traces=[], without any: {said}" in found.output


SPECS = """
from pathlib import Path

import pytest


@pytest.mark.rhscheck("good.jsonl", spec="store.sm")
def test_beside_the_test():
    pass


@pytest.mark.rhscheck("good.jsonl", spec=Path("store.sm"))
def test_a_path():
    pass


@pytest.mark.rhscheck("good.jsonl", spec="elsewhere.sm")
def test_where_pytest_was_started():
    pass


@pytest.mark.rhscheck("good.jsonl", spec="elsewhere.sm")
def test_where_pytest_was_started_not_where_it_is(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.rhscheck(spec="rhs")
def test_a_shipped_spec_is_no_file(conformance):
    Path(__file__).with_name("rhs").write_text("no spec")
    conformance.recording().call("disk", "Open")


@pytest.mark.rhscheck("good.jsonl", spec="rhs.sm")
def test_nowhere():
    pass
"""


def test_a_spec_is_looked_for_beside_the_test(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tmp_path / "store.sm").write_text("spec wrong\n", encoding="utf-8")
    (tmp_path / "elsewhere.sm").write_text(SPEC, encoding="utf-8")
    found = run_project(tests, SPECS, started=tmp_path)
    assert found.outcomes == {
        "test_beside_the_test": "PASSED",
        "test_a_path": "PASSED",
        "test_where_pytest_was_started": "PASSED",
        "test_where_pytest_was_started_not_where_it_is": "PASSED",
        "test_a_shipped_spec_is_no_file": "PASSED",
        "test_nowhere": "FAILED",
    }, found.output
    assert "there is no file called rhs.sm; did you mean `rhs`?" in found.output


MISUSED = """
import pytest


@pytest.mark.rhscheck("good.jsonl", settings="CallTimeout=2m")
def test_settings():
    pass


@pytest.mark.rhscheck("good.jsonl", settings={"CallTimeout": 2})
def test_a_setting():
    pass


@pytest.mark.rhscheck("good.jsonl", spec=3)
def test_spec():
    pass


@pytest.mark.rhscheck(traces=3)
def test_traces():
    pass


def test_check(conformance):
    conformance.check(["good.jsonl"])
"""


def test_arguments_of_a_wrong_type_are_refused(tmp_path: Path) -> None:
    found = run_project(tmp_path, MISUSED)
    assert set(found.outcomes.values()) == {"FAILED"}
    said = "the marker rhscheck takes"
    example = '{"CallTimeout": "2m"}'
    assert f"{said} settings={example}, texts by name, not 'CallTimeout=2m'" in found.output
    assert f"{said} settings={example}, texts by name, not {{'CallTimeout': 2}}" in found.output
    assert f"{said} as spec the name of a shipped spec or a path, not 3" in found.output
    assert f"{said} names of traces, not 3" in found.output
    assert "TypeError: a trace is named by a text or path, not ['good.jsonl']" in found.output
    assert "ValueError" not in found.output


READ_ONCE = """
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.rhscheck(traces=FOLDER.glob("good.json*"), spec="store.sm")
class TestGood:
    def test_first(self):
        pass

    def test_second(self):
        pass

    def test_records(self, conformance):
        conformance.recording().call("disk", "Open")


@pytest.mark.rhscheck(traces=(FOLDER / name for name in ["broken.jsonl"]), spec="store.sm")
class TestBroken:
    def test_broken(self):
        pass

    def test_broken_again(self):
        pass


@pytest.mark.rhscheck(traces=iter(()), spec="store.sm")
class TestNone:
    def test_none(self):
        pass

    def test_none_again(self):
        pass
"""


def test_an_iterator_of_traces_holds_for_every_test(tmp_path: Path) -> None:
    found = run_project(tmp_path, READ_ONCE)
    assert found.outcomes == {
        "test_first": "PASSED",
        "test_second": "PASSED",
        "test_records": "PASSED",
        "test_broken": "FAILED",
        "test_broken_again": "FAILED",
        "test_none": "FAILED",
        "test_none_again": "FAILED",
    }, found.output
    assert found.output.count("broken.jsonl:2: Opened violated") == 2
    assert found.output.count("without any: did a pattern match no file?\n") == 2
