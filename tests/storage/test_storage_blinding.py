"""Locking and unblinding: in this order, logged, and nothing names a model before."""

import sqlite3

import pytest
from storage_fixtures import (
    MODELS,
    answers_of,
    answers_shown_to,
    entry,
    new_raters,
    new_study,
    shown_ids,
    unblind,
)

from storage import (
    StorageError,
    Store,
    add_question,
    answers_to_check,
    create_study,
    disputes,
    find_end,
    get_study,
    lock_study,
    open_study,
    order_rows,
    read_board,
    reopen_study,
    report_data,
    save_ratings,
    score_csv_bytes,
    score_rows,
    study_events,
    unblind_study,
    verify,
)


@pytest.fixture
def study(store: Store):
    """A study of two questions that two raters have rated."""
    study = new_study(store)
    for rater in new_raters(store, study, 2):
        for answer in answers_shown_to(store, rater):
            save_ratings(store, rater.id, [entry(answer.item, answer.item)])
    return study


def code_of(work) -> str:
    with pytest.raises(StorageError) as refused:
        work()
    return refused.value.code


def test_until_unblinding_the_models_are_letters_wherever_scores_go(store: Store, study) -> None:
    blind = score_rows(store, study.id)
    assert {row["model"] for row in blind} == {"A", "B", "C"}
    content = score_csv_bytes(blind).decode()
    assert [model for model in MODELS if model in content] == []
    lock_study(store, study.id, "anna")
    assert score_rows(store, study.id) == blind
    letters = {row["response_id"]: row["model"] for row in blind}
    letters = {own: letters[shown] for own, shown in shown_ids(store, study).items()}
    unblind_study(store, study.id, "anna")
    named = score_rows(store, study.id)
    pairs = {(letters[row["response_id"]], row["model"]) for row in named}
    assert len(pairs) == 3, "a letter stands for one model all the time"
    assert {model for _, model in pairs} == set(MODELS)
    assert verify(store) == []


def test_no_id_that_leaves_while_a_study_is_blind_leads_from_a_score_to_a_model(
    store: Store,
) -> None:
    """The draft's pages name models beside ids; the board and every export name scores beside them,
    and no two of these, nor the database itself, have an id in common."""
    study = create_study(store, "Draft", 7)
    add_question(store, study.id, "?", answers_of())
    draft = {answer.response for answer in answers_to_check(store, study.id)}
    open_study(store, study.id, "anna", draft)
    for rater, safety in zip(new_raters(store, study, 2), (1, 3), strict=True):
        for answer in answers_shown_to(store, rater):
            scores = (safety, 2, 2)
            save_ratings(store, rater.id, [entry(answer.item, answer.item, scores)])
    own = set(shown_ids(store, study))
    data = report_data(store, study.id)
    blind = {str(row["response_id"]) for row in score_rows(store, study.id)}
    assert {str(row["response_id"]) for row in order_rows(store, study.id)} == blind
    assert {dispute.response for dispute in disputes(store, study.id)} == blind
    assert set(data.extras["response_id"]) == blind
    assert len(own) == len(blind) == len(draft) == 3
    assert not own & blind
    assert not draft & (own | blind)
    left = [data.scores.decode(), *map(repr, (data, read_board(store, study.id)))]
    assert not [name for name in own | draft for text in left if name in text]
    unblind(store, study)
    assert {row["response_id"] for row in score_rows(store, study.id)} == own


def test_the_end_of_a_lock_is_told_wherever_it_is_to_be_kept(store: Store, study) -> None:
    assert report_data(store, study.id).conduct["end_code"] is None
    lock_study(store, study.id, "anna")
    code = report_data(store, study.id).conduct["end_code"]
    assert [event.end_code for event in study_events(store, study.id)][-1] == code
    assert find_end(store, code).rows == len(score_rows(store, study.id))
    unblind_study(store, study.id, "anna")
    assert report_data(store, study.id).conduct["end_code"] == code
    assert [event.end_code for event in study_events(store, study.id)][-2:] == [code, ""]


def test_letters_say_nothing_of_the_names(store: Store) -> None:
    orders = set()
    for number in range(12):
        study = new_study(store, questions=1, name=f"S{number}", seed=number)
        rater = new_raters(store, study)[0]
        for answer in answers_shown_to(store, rater):
            save_ratings(store, rater.id, [entry(answer.item, answer.item)])
        blind = {row["response_id"]: row["model"] for row in score_rows(store, study.id)}
        blind = {own: blind[shown] for own, shown in shown_ids(store, study).items()}
        lock_study(store, study.id, "anna")
        unblind_study(store, study.id, "anna")
        orders.add(
            tuple(
                sorted(
                    (blind[row["response_id"]], row["model"]) for row in score_rows(store, study.id)
                )
            )
        )
    assert len(orders) > 3


def test_locking_comes_first_and_both_are_logged(store: Store, study) -> None:
    assert code_of(lambda: unblind_study(store, study.id, "bo")) == "study_not_locked"
    assert code_of(lambda: reopen_study(store, study.id, "bo")) == "study_not_locked"
    lock_study(store, study.id, "anna")
    assert code_of(lambda: lock_study(store, study.id, "bo")) == "study_is_locked"
    reopen_study(store, study.id, "bo")
    lock_study(store, study.id, "anna")
    assert get_study(store, study.id).unblinded_at is None
    unblind_study(store, study.id, "bo")
    assert code_of(lambda: unblind_study(store, study.id, "bo")) == "study_unblinded"
    assert code_of(lambda: reopen_study(store, study.id, "bo")) == "study_unblinded"
    assert [(each.event, each.coordinator) for each in study_events(store, study.id)] == [
        ("created", "MedChat"),
        ("opened", "anna"),
        ("invited", "MedChat"),
        ("locked", "anna"),
        ("reopened", "bo"),
        ("locked", "anna"),
        ("unblinded", "bo"),
    ]


def test_after_locking_nothing_is_saved_until_it_is_reopened(store: Store, study) -> None:
    rater = new_raters(store, study)[0]
    item = answers_shown_to(store, rater)[0].item
    lock_study(store, study.id, "anna")
    assert code_of(lambda: save_ratings(store, rater.id, [entry(item, "k")])) == "study_locked"
    reopen_study(store, study.id, "anna")
    assert save_ratings(store, rater.id, [entry(item, "k")]).written == 1


@pytest.mark.parametrize("change", [lock_study, reopen_study, unblind_study])
def test_an_unknown_study_is_refused(store: Store, change) -> None:
    assert code_of(lambda: change(store, "nowhere", "anna")) == "unknown_study"


@pytest.mark.parametrize(
    "sql", ["UPDATE study_events SET coordinator = 'x'", "DELETE FROM study_events"]
)
def test_what_was_done_cannot_be_taken_out_of_the_log(store: Store, study, sql: str) -> None:
    lock_study(store, study.id, "anna")
    with sqlite3.connect(store.path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(sql)
    connection.close()
