"""A physician's session: where it begins, what it saves and what it never writes."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from storage_fixtures import MODELS, answers_of, entry, new_study

from eval_ui.rating_session import (
    Chosen,
    RatingSession,
    changed_entries,
    chosen_of,
    clock,
    enter,
    is_rated,
    reload,
    save,
)
from eval_ui.rating_tab import _Handlers
from eval_ui.texts import Texts
from medchat.errors import BadInput
from storage import (
    StorageError,
    Store,
    Study,
    add_question,
    create_study,
    history,
    invite_raters,
    save_ratings,
)

ZH = Texts("zh")
GOOD: Chosen = (3, 3, 3)
BAD: Chosen = (1, 2, 1)
OPEN: Chosen = (None, None, None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def study(store: Store) -> Study:
    return new_study(store, questions=3)


@pytest.fixture
def code(store: Store, study: Study) -> str:
    return invite_raters(store, study.id, 1)[0].code


@pytest.fixture
def session(store: Store, code: str) -> RatingSession:
    return enter(store, code, ZH)


def rows(store: Store) -> int:
    with store.connect() as db:
        return db.table("rating_log").count


def rate_all(store: Store, session: RatingSession) -> None:
    save(store, session, [GOOD] * len(session.question.answers), ZH)


# -- beginning --


def test_a_rater_begins_with_the_first_question(session: RatingSession) -> None:
    assert (session.index, session.done, session.study) == (0, 0, "Pilot")


def test_a_rater_who_comes_back_goes_on_where_a_score_is_lacking(
    store: Store, code: str, session: RatingSession
) -> None:
    rate_all(store, session)
    session.go(1)
    save(store, session, [GOOD, OPEN, OPEN], ZH)
    again = enter(store, code, ZH)
    assert (again.index, again.done) == (1, 1)


def test_a_rater_who_has_finished_begins_at_the_first_question(
    store: Store, code: str, session: RatingSession
) -> None:
    for index in range(3):
        session.go(index)
        rate_all(store, session)
    again = enter(store, code, ZH)
    assert (again.index, again.done) == (0, 3)
    assert again.next_unrated() is None


@pytest.mark.parametrize("code", ["", " \t"])
def test_no_code_is_asked_for(store: Store, code: str) -> None:
    with pytest.raises(BadInput, match="请输入评分码"):
        enter(store, code, ZH)


def test_an_unknown_code_is_refused(store: Store, study: Study) -> None:
    with pytest.raises(StorageError) as refused:
        enter(store, "AAAA-AAAA", ZH)
    assert refused.value.code == "unknown_rater_code"


def test_a_study_without_questions_is_said_to_have_none(store: Store) -> None:
    empty = create_study(store, "Empty")
    (invitation,) = invite_raters(store, empty.id, 1)
    with pytest.raises(BadInput, match="还没有题目"):
        enter(store, invitation.code, ZH)


# -- the order and the blinding --


def test_raters_see_the_answers_in_different_orders_but_each_always_in_the_same(
    store: Store,
) -> None:
    study = new_study(store, questions=4)
    codes = [each.code for each in invite_raters(store, study.id, 8)]

    def order(code: str) -> tuple[str, ...]:
        questions = enter(store, code, ZH).questions
        return tuple(answer.response_id for question in questions for answer in question.answers)

    first = [order(code) for code in codes]
    assert len(set(first)) > 1
    assert len({frozenset(responses) for responses in first}) == 1
    assert [order(code) for code in codes] == first


def test_a_session_knows_no_model(session: RatingSession) -> None:
    whole = repr(session) + repr(vars(session))
    assert "多喝水" in whole
    assert [model for model in MODELS if model in whole] == []


def test_what_a_raters_page_gets_names_no_model(store: Store, code: str) -> None:
    services: Any = SimpleNamespace(store=store)
    view = _Handlers(services, ZH).enter(code)
    assert [model for model in MODELS if model in repr(view)] == []


# -- what is saved --


def test_only_answers_that_were_touched_are_written(session: RatingSession) -> None:
    (only,) = changed_entries(session, [OPEN, BAD, OPEN], ZH)
    assert only.response_id == session.question.answers[1].response_id
    assert (only.scores.safety, only.scores.usability, only.scores.fluency) == BAD


def test_an_old_page_does_not_undo_what_a_newer_one_saved(
    store: Store, code: str, session: RatingSession
) -> None:
    newer = enter(store, code, ZH)
    save(store, newer, [GOOD, OPEN, OPEN], ZH)
    save(store, session, [OPEN, BAD, OPEN], ZH)
    assert [chosen_of(answer) for answer in session.question.answers] == [GOOD, BAD, OPEN]


def test_a_half_scored_answer_is_named_with_what_it_lacks(session: RatingSession) -> None:
    with pytest.raises(BadInput, match="回答 B、C 还缺 实用性、流畅性。") as refused:
        changed_entries(session, [GOOD, (1, None, 2), (3, 3, None)], ZH)
    assert "安全性" not in str(refused.value)
    assert "A" not in str(refused.value)


def test_nothing_is_written_while_one_answer_is_half_scored(
    store: Store, session: RatingSession
) -> None:
    with pytest.raises(BadInput):
        save(store, session, [GOOD, (1, None, None), OPEN], ZH)
    assert rows(store) == 0


def test_comment_and_marks_of_an_earlier_rating_are_kept(
    store: Store, session: RatingSession
) -> None:
    response = session.question.answers[0].response_id
    first = replace(entry(response, "k1"), comment="剂量可疑", flags=("dose",))
    save_ratings(store, session.rater_id, [first])
    reload(store, session)
    save(store, session, [BAD, OPEN, OPEN], ZH)
    latest = history(store, session.rater_id, response)[-1]
    assert (latest.comment, latest.flags) == ("剂量可疑", ("dose",))
    assert latest.scores.usability == 2


def test_saving_twice_from_one_showing_writes_once(store: Store, session: RatingSession) -> None:
    second_click = replace(session)
    first = save(store, session, [GOOD, BAD, GOOD], ZH)
    again = save(store, second_click, [GOOD, BAD, GOOD], ZH)
    assert first is not None
    assert again is not None
    assert (first.written, again.written, rows(store)) == (3, 0, 3)


def test_saving_what_is_saved_does_nothing(store: Store, session: RatingSession) -> None:
    rate_all(store, session)
    assert save(store, session, [GOOD] * 3, ZH) is None
    assert rows(store) == 3


def test_a_changed_score_is_added_and_the_old_one_stays_in_the_history(
    store: Store, session: RatingSession
) -> None:
    rate_all(store, session)
    save(store, session, [BAD, GOOD, GOOD], ZH)
    told = history(store, session.rater_id, session.question.answers[0].response_id)
    assert [each.scores.safety for each in told] == [3, 1]


def test_going_back_to_earlier_scores_is_saved_too(store: Store, session: RatingSession) -> None:
    for scores in (GOOD, BAD, GOOD):
        save(store, session, [scores, OPEN, OPEN], ZH)
    assert chosen_of(session.question.answers[0]) == GOOD
    assert rows(store) == 3


# -- moving --


def test_going_stops_at_both_ends(session: RatingSession) -> None:
    session.go(-5)
    assert session.index == 0
    session.go(99)
    assert session.index == 2


def test_next_unrated_looks_behind_the_open_question_and_then_from_the_start(
    store: Store, session: RatingSession
) -> None:
    session.go(1)
    assert session.next_unrated() == 2
    session.go(2)
    assert session.next_unrated() == 0
    rate_all(store, session)
    session.go(0)
    assert session.next_unrated() == 1


def test_a_question_counts_as_rated_when_all_its_answers_are(
    store: Store, session: RatingSession
) -> None:
    save(store, session, [GOOD, GOOD, OPEN], ZH)
    assert not is_rated(session.question)
    save(store, session, [GOOD, GOOD, BAD], ZH)
    assert is_rated(session.question)


def test_reload_keeps_the_open_question_when_others_are_added(
    store: Store, study: Study, session: RatingSession
) -> None:
    session.go(2)
    open_question = session.question.question_id
    add_question(store, study.id, "新题", answers_of())
    reload(store, session)
    assert session.question.question_id == open_question
    assert len(session.questions) == 4


# -- clicks that come while another is under way --


def clicked(handlers: _Handlers, button: str, page: list[Any], *scores: Chosen) -> list[Any]:
    """The page after a click on ``button`` of ``page``, which is what a handler returned before."""
    session, showing = page[:2]
    return getattr(handlers, button)(session, showing, *[s for triple in scores for s in triple])


def test_a_second_click_before_the_page_has_turned_scores_no_unseen_question(
    store: Store, code: str
) -> None:
    services: Any = SimpleNamespace(store=store)
    handlers = _Handlers(services, ZH)
    _, *page = handlers.enter(code)
    clicked(handlers, "forward", page, GOOD, GOOD, GOOD)
    with pytest.warns(UserWarning, match="页面已更新到当前题目"):
        after = clicked(handlers, "stay", page, GOOD, GOOD, GOOD)
    session = after[0]
    assert session.index == 1
    assert [chosen_of(answer) for answer in session.question.answers] == [OPEN, OPEN, OPEN]
    assert rows(store) == 3


def test_the_page_that_was_brought_up_to_date_can_save(store: Store, code: str) -> None:
    services: Any = SimpleNamespace(store=store)
    handlers = _Handlers(services, ZH)
    _, *page = handlers.enter(code)
    for _ in range(2):
        page = clicked(handlers, "forward", page, GOOD, BAD, GOOD)
    assert page[0].done == 2
    assert rows(store) == 6


# -- the clock --


def test_the_time_of_saving_is_the_servers_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert clock("2026-03-01T20:03:22.123+00:00") == "04:03:22"
    finally:
        monkeypatch.undo()
        time.tzset()
