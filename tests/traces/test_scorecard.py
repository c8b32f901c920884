"""A small scorecard: no score of the replayer is below its bar. The large one is in `bench`."""

import pytest
from replay_scores import Scorer
from score_card import Card

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def card() -> Card:
    return Card(quick=True)


def test_edited_runs(card: Card) -> None:
    """Everything the oracle refuses is detected where it is wrong, and nothing else is accused."""
    card.operators()
    total = card.rows["all"]
    assert total.wrong >= 25
    assert total.legal >= 10
    assert total.detected == total.wrong
    assert card.failures() == []


def test_edited_runs_of_the_runtime(card: Card) -> None:
    card.runtime()
    total = card.runtime_rows["all"]
    assert total.wrong >= 30
    assert total.legal >= 15
    assert total.exact == total.detected == total.wrong
    assert card.failures() == []


def test_edited_runs_of_other_specs(card: Card) -> None:
    card.others()
    assert sum(one.wrong for one in card.other_rows.values()) >= 30
    assert card.failures() == []


def test_legal_recordings_and_published_logs_accuse_nobody(card: Card) -> None:
    card.legal()
    card.logs()
    assert card.counts["published logs, as published"].all == 15
    assert [name for name, one in card.counts.items() if one.right < one.all] == []


def test_the_report_does_not_depend_on_how_lines_arrive(card: Card) -> None:
    card.stable()
    count = card.counts["the same report in chunks of 1, 7 and all lines"]
    assert count.all >= 4
    assert count.wrong == []


def test_a_report_does_not_depend_on_what_was_judged_before(card: Card) -> None:
    """An engine numbers states as it meets them: the states that are told have their own order."""
    _, illegal = card.recordings(2)
    forwards = [card.two.report(*one) for one in illegal]
    after_others = Scorer(card.system, 2)
    backwards = [after_others.report(*one) for one in reversed(illegal)]
    assert backwards[::-1] == forwards
