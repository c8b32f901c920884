"""The limit that was asked for is the one that is named, whoever is given what is left of it."""

import pickle

from rhscheck.checker.budget import Budget, Left, used_up
from rhscheck.checker.smt.solve import Deadline


def test_a_part_of_the_time_names_the_whole() -> None:
    left = Budget(8, left_s=0.25).left()
    assert left is not None
    assert 0 < left <= 0.25
    assert used_up(left) == "time-out after 8 s"
    assert Deadline(left).reason == "time-out after 8 s"


def test_the_part_of_a_part_names_the_whole_too() -> None:
    assert Budget(Left(0.25, 8)).reason == "time-out after 8 s"
    left = Budget(Left(0.25, 8)).left()
    assert left is not None
    assert left <= 0.25
    assert left.asked_s == 8


def test_another_process_is_told_the_limit_as_well() -> None:
    copied = pickle.loads(pickle.dumps(Left(0.5, 8)))
    assert copied == 0.5
    assert used_up(copied) == "time-out after 8 s"


def test_seconds_that_are_nobodys_part_name_themselves() -> None:
    assert used_up(0.5) == "time-out after 0.5 s"
    assert used_up(Left(0.5)) == "time-out after 0.5 s"


def test_no_limit_leaves_no_number() -> None:
    assert Budget(None).left() is None
    assert not Budget(None).over()
