"""When the pytest plug-in judges what belongs to a test, in a pytest run of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_project import run_project

PROJECT = """
import pytest

pytestmark = pytest.mark.rhscheck(spec="store.sm")


def test_more_after_check_is_legal(conformance):
    run = conformance.recording(slack_us=0)
    run.call("disk", "Open", at_us=0)
    conformance.check()
    run.returned("disk", "Open", at_us=1)
    run.call("disk", "Read", at_us=2)


def test_more_after_check_breaks_a_rule(conformance):
    run = conformance.recording(slack_us=0)
    run.call("disk", "Open", at_us=0)
    conformance.check()
    run.call("tape", "Read", at_us=1)


def test_what_check_has_refused_is_refused_once(conformance):
    conformance.recording().call("disk", "Read")
    with pytest.raises(pytest.fail.Exception, match="the run breaks the spec"):
        conformance.check()


def test_a_trace_that_check_has_refused(conformance):
    with pytest.raises(pytest.fail.Exception, match="cannot read the trace"):
        conformance.check("nowhere.jsonl")


@pytest.fixture
def host(conformance):
    run = conformance.recording(slack_us=0)
    yield run
    run.call("tape", "Read", at_us=9_000_000)


def test_teardown_of_a_fixture_that_depends_on_it(host):
    host.call("disk", "Open", at_us=0)
    host.returned("disk", "Open", at_us=1)


@pytest.fixture
def early():
    runs = []
    yield runs
    for run in runs:
        run.call("tape", "Read", at_us=9_000_000)


def test_teardown_of_a_fixture_that_began_before(early, conformance):
    early.append(conformance.recording(slack_us=0))
    early[0].call("disk", "Open", at_us=0)
    early[0].returned("disk", "Open", at_us=1)


@pytest.fixture
def closing(conformance):
    run = conformance.recording(slack_us=0)
    yield run
    run.call("disk", "Open", at_us=8)


def test_all_is_recorded_in_the_teardown(closing):
    pass


@pytest.mark.rhscheck(require="all")
def test_all_is_judged_in_the_teardown(closing):
    pass


def test_fails_before_the_teardown(host):
    host.call("disk", "Read", at_us=0)


def test_is_wrong_by_itself(host):
    assert 1 + 1 == 3


@pytest.fixture
def never(conformance):
    return conformance.recording()


def test_nothing_is_recorded_in_the_teardown_either(never):
    pass


class TestXunit:
    def setup_method(self):
        self.run = None

    def teardown_method(self):
        self.run.call("disk", "Read", at_us=1)

    def test_teardown_method(self, conformance):
        self.run = conformance.recording(slack_us=0)
        self.run.call("tape", "Open", at_us=0)


@pytest.fixture
def by_name(request):
    run = request.getfixturevalue("conformance").recording(slack_us=0)
    run.call("tape", "Open", at_us=0)
    yield
    run.call("disk", "Read", at_us=1)


def test_teardown_of_a_fixture_that_asked_by_name(by_name):
    pass


@pytest.fixture
def closing_by_name(request):
    run = request.getfixturevalue("conformance").recording(slack_us=0)
    yield
    run.call("disk", "Open", at_us=8)


def test_nothing_before_a_teardown_that_asked_by_name(closing_by_name):
    pass
"""


@pytest.mark.parametrize("options", [("-p", "no:xdist"), ("-n", "2")], ids=["alone", "xdist"])
def test_what_is_recorded_is_judged_whenever_it_is_recorded(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    found = run_project(tmp_path, PROJECT, *options)
    assert found.outcomes == {
        "test_more_after_check_is_legal": "PASSED",
        "test_more_after_check_breaks_a_rule": "FAILED",
        "test_what_check_has_refused_is_refused_once": "PASSED",
        "test_a_trace_that_check_has_refused": "PASSED",
        "test_teardown_of_a_fixture_that_depends_on_it": "ERROR",
        "test_teardown_of_a_fixture_that_began_before": "ERROR",
        "test_all_is_recorded_in_the_teardown": "PASSED",
        "test_all_is_judged_in_the_teardown": "PASSED",
        "test_fails_before_the_teardown": "FAILED",
        "test_is_wrong_by_itself": "FAILED",
        "test_nothing_is_recorded_in_the_teardown_either": "ERROR",
        "test_teardown_method": "ERROR",
        "test_teardown_of_a_fixture_that_asked_by_name": "ERROR",
        "test_nothing_before_a_teardown_that_asked_by_name": "FAILED",
    }, found.output
    assert found.output.count("recording-1.jsonl:4: Opened violated") == 2


def test_pytest_may_keep_no_folder_of_a_test_that_passed(tmp_path: Path) -> None:
    kept = ("-o", "tmp_path_retention_policy=none", "-p", "no:xdist", "-k", "test_teardown_of")
    found = run_project(tmp_path, PROJECT, *kept)
    assert found.outcomes == {
        "test_teardown_of_a_fixture_that_depends_on_it": "ERROR",
        "test_teardown_of_a_fixture_that_began_before": "ERROR",
        "test_teardown_of_a_fixture_that_asked_by_name": "ERROR",
    }, found.output
    assert "Traceback" not in found.output


LENT = """
import pytest


@pytest.fixture(scope="module")
def module_host():
    lent = []
    yield lent
    with pytest.raises(RuntimeError, match="the test that this recording belongs to is over"):
        lent[0].call("disk", "Read")
    with pytest.raises(RuntimeError, match="the test that this recording belongs to is over"):
        lent[1].recording()
    lent[2].call("disk", "Read")


@pytest.mark.rhscheck(spec="store.sm")
def test_lends(module_host, conformance):
    run = conformance.recording()
    run.call("disk", "Open")
    module_host += [run, conformance]


@pytest.mark.rhscheck(spec="store.sm")
def test_ends_with_the_module(module_host, conformance):
    run = conformance.recording()
    run.call("tape", "Open")
    module_host.append(run)
"""


def test_a_recording_ends_with_the_teardown_of_its_test(tmp_path: Path) -> None:
    found = run_project(tmp_path, LENT)
    assert found.outcomes == {"test_lends": "PASSED", "test_ends_with_the_module": "ERROR"}
    assert "recording-1.jsonl:3: Opened violated" in found.output


UNITTEST = """
import unittest

import pytest

pytestmark = pytest.mark.rhscheck(spec="store.sm")


class TestHost(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def keep(self, conformance):
        self.conformance = conformance

    def test_skips(self):
        self.skipTest("not here")

    def test_fails(self):
        self.conformance.recording().call("disk", "Read")
        self.fail("by itself")

    @unittest.expectedFailure
    def test_fails_as_expected(self):
        self.fail("by itself")

    @unittest.expectedFailure
    def test_passes_unexpectedly(self):
        pass

    def test_fails_in_a_part(self):
        with self.subTest("part"):
            self.fail("by itself")

    def test_skips_a_part_and_conforms(self):
        with self.subTest("part"):
            self.skipTest("not here")
        self.conformance.recording().call("disk", "Open")

    def test_conforms(self):
        self.conformance.recording().call("disk", "Open")

    def test_breaks_a_rule(self):
        self.conformance.recording().call("disk", "Read")

    def test_records_nothing(self):
        pass


@pytest.mark.rhscheck("broken.jsonl")
class TestMarked(unittest.TestCase):
    def test_skips_beside_a_trace(self):
        self.skipTest("not here")

    def test_passes_beside_a_trace(self):
        pass
"""


def test_a_test_of_unittest_is_judged_if_it_has_passed(tmp_path: Path) -> None:
    found = run_project(tmp_path, UNITTEST)
    assert found.outcomes == {
        "test_fails": "FAILED",
        "test_passes_unexpectedly": "FAILED",
        "test_fails_in_a_part": "PASSED",  # of its part pytest says SUBFAILED
        "test_skips_a_part_and_conforms": "PASSED",
        "test_conforms": "PASSED",
        "test_breaks_a_rule": "FAILED",
        "test_records_nothing": "ERROR",
        "test_passes_beside_a_trace": "FAILED",
    }, found.output
    assert "SUBFAILED[part] test_host.py::TestHost::test_fails_in_a_part" in found.output
    assert "5 failed, 4 passed, 2 skipped, 1 xfailed, 1 error" in found.output
    assert found.output.count("jsonl:2: Opened violated") == 2
