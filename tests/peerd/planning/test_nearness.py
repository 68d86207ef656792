"""When a prompt is worth the encoder's look before it is planned."""

from peerd.planning.nearness import is_read_by_the_model
from tests.peerd.planning.people import ask


def test_how_much_may_be_shared_is_asked_of_the_model_too() -> None:
    assert is_read_by_the_model(ask("a", "apple on table"))


def test_who_names_the_shared_steps_is_not_kept_waiting_for_it() -> None:
    assert not is_read_by_the_model(ask("a", "apple on table", shared=5))
    assert not is_read_by_the_model(ask("a", "apple on table", shared=0))


def test_of_words_that_nobody_knows_the_model_is_asked_anyway() -> None:
    assert is_read_by_the_model(ask("a", "リンゴ テーブル", shared=5))


def test_words_that_stay_at_home_are_not_read_for_others() -> None:
    assert not is_read_by_the_model(ask("a", "apple on table", share="concepts", concepts="fruit on table"))
    assert not is_read_by_the_model(ask("a", "apple on table", share="nothing"))
