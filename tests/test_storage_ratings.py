"""What a rater is shown, and what happens when a rating is saved."""

import math
from collections import Counter
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from storage_fixtures import MODELS, answers_of, answers_shown_to, entry, new_raters, new_study

from storage import (
    AssignedAnswer,
    AssignedQuestion,
    RaterProgress,
    RatingEntry,
    Scores,
    StorageError,
    Store,
    add_question,
    assignment,
    history,
    list_questions,
    progress,
    responses_of,
    save_ratings,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def study(store: Store):
    return new_study(store)


@pytest.fixture
def rater(store: Store, study):
    return new_raters(store, study)[0]


@pytest.fixture
def answers(store: Store, rater) -> list[AssignedAnswer]:
    return answers_shown_to(store, rater)


def order(questions: list[AssignedQuestion]) -> list[list[str]]:
    return [[answer.response_id for answer in question.answers] for question in questions]


# -- what a rater is shown --


def test_a_rater_is_shown_every_question_with_every_answer(store: Store, rater, study) -> None:
    shown = assignment(store, rater.id)
    assert [(each.question_id, each.position, each.text) for each in shown] == [
        ("q001", 1, "感冒怎么办？0"),
        ("q002", 2, "感冒怎么办？1"),
    ]
    for question, stored in zip(shown, list_questions(store, study.id), strict=True):
        assert [(each.letter, each.position) for each in question.answers] == [
            ("A", 1),
            ("B", 2),
            ("C", 3),
        ]
        assert {(each.response_id, each.text) for each in question.answers} == {
            (each.id, each.text) for each in responses_of(store, stored)
        }


def test_nothing_that_a_rater_is_shown_names_a_model(store: Store, rater) -> None:
    shown = repr([asdict(question) for question in assignment(store, rater.id)])
    assert not [model for model in MODELS if model in shown]
    names = {field.name for kind in (AssignedAnswer, AssignedQuestion) for field in fields(kind)}
    assert names.isdisjoint({"model", "provenance", "finish_reason"})


def test_the_order_of_the_answers_never_changes(store: Store, rater) -> None:
    first = assignment(store, rater.id)
    assert assignment(Store(store.path), rater.id) == first


def test_the_stored_order_counts_and_not_the_drawn_one(store: Store, rater) -> None:
    before = order(assignment(store, rater.id))
    with store.transaction() as db:
        db.execute("UPDATE presentations SET position = position + 10")
        db.execute("UPDATE presentations SET position = 14 - position")
    assert order(assignment(store, rater.id)) == [answers[::-1] for answers in before]


def test_the_order_differs_between_raters_and_questions(store: Store) -> None:
    study = new_study(store, questions=30, name="Larger")
    place_of_a_model = Counter()
    orders = []
    for rater in new_raters(store, study, 4):
        shown = assignment(store, rater.id)
        orders.append(order(shown))
        for question, stored in zip(shown, list_questions(store, study.id), strict=True):
            model_of = {each.id: each.model for each in responses_of(store, stored)}
            place_of_a_model[model_of[question.answers[0].response_id]] += 1
    assert len({str(each) for each in orders}) == 4
    # 120 first places among 3 models: 40 expected, 20 is four standard deviations away
    assert all(place_of_a_model[model] > 20 for model in MODELS)


def test_a_question_that_is_added_later_appears_and_moves_nothing(
    store: Store, rater, study
) -> None:
    before = assignment(store, rater.id)
    add_question(store, study.id, "咳嗽怎么办？", answers_of())
    after = assignment(store, rater.id)
    assert after[:2] == before
    assert [each.question_id for each in after[2:]] == ["q003"]


def test_a_study_without_questions_assigns_nothing(store: Store) -> None:
    rater = new_raters(store, new_study(store, questions=0, name="Empty"))[0]
    assert assignment(store, rater.id) == []


def test_a_rater_sees_only_the_own_study(store: Store, rater) -> None:
    other = new_raters(store, new_study(store, questions=1, name="Other"))[0]
    assert len(assignment(store, rater.id)) == 2
    assert len(assignment(store, other.id)) == 1


def test_twenty_six_answers_are_lettered_to_z(store: Store, study, rater) -> None:
    add_question(store, study.id, "问", answers_of([f"m{number}" for number in range(26)]))
    letters = [answer.letter for answer in assignment(store, rater.id)[-1].answers]
    assert "".join(letters) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_an_unknown_rater_is_shown_nothing(store: Store) -> None:
    with pytest.raises(StorageError) as refused:
        assignment(store, "nobody")
    assert refused.value.code == "unknown_rater"


# -- saving --


def test_a_saved_rating_is_shown_when_the_rater_comes_back(store: Store, rater, answers) -> None:
    saved = entry(answers[1].response_id, "k", (3, 1, 2), comment="剂量不对", flags=["unsafe_dose"])
    save_ratings(store, rater.id, [saved])
    shown = answers_shown_to(Store(store.path), rater)
    assert [each.current for each in shown] == [None, Scores(3, 1, 2), None, None, None, None]
    assert (shown[1].comment, shown[1].flags) == ("剂量不对", ("unsafe_dose",))


def test_the_result_says_when_and_how_much_was_saved(store: Store, rater, answers) -> None:
    result = save_ratings(
        store, rater.id, [entry(each.response_id, each.response_id) for each in answers[:3]]
    )
    assert result.written == 3
    saved_at = datetime.fromisoformat(result.saved_at)
    assert saved_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - saved_at) < timedelta(minutes=1)
    assert len(result.saved_at) == len("2026-01-31T08:05:09.120+00:00")


def test_a_rating_records_where_the_answer_stood_and_how_long_it_took(
    store: Store, rater, answers
) -> None:
    save_ratings(store, rater.id, [entry(answers[2].response_id, "k", active_seconds=41.5)])
    rating = history(store, rater.id, answers[2].response_id)[0]
    assert (rating.shown_position, rating.active_seconds) == (3, 41.5)
    assert rating.scores == Scores(3, 2, 1)


def test_a_changed_rating_replaces_the_current_one_and_keeps_the_old(
    store: Store, rater, answers
) -> None:
    response = answers[0].response_id
    save_ratings(store, rater.id, [entry(response, "1", (3, 3, 3))])
    save_ratings(store, rater.id, [entry(response, "2", (1, 3, 3), comment="再想想")])
    assert answers_shown_to(store, rater)[0].current == Scores(1, 3, 3)
    log = history(store, rater.id, response)
    assert [(each.scores, each.comment) for each in log] == [
        (Scores(3, 3, 3), ""),
        (Scores(1, 3, 3), "再想想"),
    ]
    assert log[0].rated_at <= log[1].rated_at


def test_the_same_save_sent_again_writes_nothing_and_succeeds(store: Store, rater, answers) -> None:
    entries = [entry(each.response_id, each.response_id) for each in answers]
    first = save_ratings(store, rater.id, entries)
    again = save_ratings(store, rater.id, entries)
    assert (first.written, again.written) == (6, 0)
    assert again.saved_at == first.saved_at
    assert all(len(history(store, rater.id, each.response_id)) == 1 for each in answers)


def test_a_late_copy_of_an_earlier_save_does_not_undo_a_later_one(
    store: Store, rater, answers
) -> None:
    early = entry(answers[0].response_id, "early", (3, 3, 3))
    save_ratings(store, rater.id, [early])
    save_ratings(store, rater.id, [entry(answers[0].response_id, "late", (1, 1, 1))])
    assert save_ratings(store, rater.id, [early]).written == 0
    assert answers_shown_to(store, rater)[0].current == Scores(1, 1, 1)


def test_an_entry_that_repeats_the_current_values_writes_nothing(
    store: Store, rater, answers
) -> None:
    response = answers[0].response_id
    save_ratings(store, rater.id, [entry(response, "1", comment="好")])
    repeated = entry(response, "2", comment="好", active_seconds=9.0)
    assert save_ratings(store, rater.id, [repeated]).written == 0
    assert len(history(store, rater.id, response)) == 1


@pytest.mark.parametrize("change", [{"comment": "别的"}, {"flags": ("unsure",)}])
def test_a_changed_comment_or_mark_alone_is_written(store: Store, rater, answers, change) -> None:
    response = answers[0].response_id
    save_ratings(store, rater.id, [entry(response, "1")])
    assert save_ratings(store, rater.id, [entry(response, "2", **change)]).written == 1


@pytest.mark.parametrize("other", ["another answer", "another value", "another rater"])
def test_a_key_that_comes_with_something_else_is_refused(
    store: Store, study, rater, answers, other: str
) -> None:
    save_ratings(store, rater.id, [entry(answers[0].response_id, "k", (3, 3, 3))])
    sender, response, scores = rater, answers[0].response_id, (3, 3, 3)
    if other == "another answer":
        response = answers[1].response_id
    elif other == "another value":
        scores = (1, 3, 3)
    else:
        sender = new_raters(store, study)[0]
        assignment(store, sender.id)
    with pytest.raises(StorageError) as refused:
        save_ratings(store, sender.id, [entry(response, "k", scores)])
    assert refused.value.code == "save_key_reused"


@pytest.mark.parametrize("dimension", ["safety", "usability", "fluency"])
@pytest.mark.parametrize("value", [0, 4, -1, 2.0, True, None, "3", math.nan])
def test_any_other_score_than_1_2_3_is_refused_by_name(
    store: Store, rater, answers, dimension: str, value
) -> None:
    scores = Scores(**{"safety": 3, "usability": 3, "fluency": 3, dimension: value})
    good = entry(answers[0].response_id, "1")
    bad = RatingEntry(answers[1].response_id, scores, "2")
    with pytest.raises(StorageError, match=f"for {dimension}") as refused:
        save_ratings(store, rater.id, [good, bad])
    assert refused.value.code == "score_out_of_range"
    assert refused.value.details == {"dimension": dimension, "value": repr(value)}
    assert history(store, rater.id, answers[0].response_id) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"idempotency_key": ""}, "save_key_missing"),
        ({"flags": ["a;b"]}, "flag_not_allowed"),
        ({"flags": ["外"]}, "flag_not_allowed"),
        ({"flags": ["unsure\n"]}, "flag_not_allowed"),
        ({"active_seconds": -1.0}, "active_seconds_out_of_range"),
        ({"active_seconds": math.nan}, "active_seconds_out_of_range"),
        ({"active_seconds": math.inf}, "active_seconds_out_of_range"),
        ({"response_id": "nothing"}, "rating_not_allowed"),
        ({"response_id": "\ud800"}, "rating_not_allowed"),
    ],
)
def test_an_entry_that_breaks_a_rule_saves_nothing(
    store: Store, rater, answers, change: dict, code: str
) -> None:
    good = entry(answers[0].response_id, "good")
    bad = {"response_id": answers[1].response_id, "idempotency_key": "bad", **change}
    with pytest.raises(StorageError) as refused:
        save_ratings(store, rater.id, [good, RatingEntry(scores=Scores(3, 3, 3), **bad)])
    assert refused.value.code == code
    assert history(store, rater.id, answers[0].response_id) == []


def test_nothing_to_save_is_not_called_saved(store: Store, rater) -> None:
    with pytest.raises(StorageError) as refused:
        save_ratings(store, rater.id, [])
    assert refused.value.code == "nothing_to_save"


def test_a_rater_cannot_rate_an_answer_of_another_study(store: Store, rater, answers) -> None:
    other = new_raters(store, new_study(store, name="Other"))[0]
    foreign = answers_shown_to(store, other)[0]
    with pytest.raises(StorageError, match="Reload the page") as refused:
        save_ratings(store, rater.id, [entry(foreign.response_id, "k")])
    assert refused.value.code == "rating_not_allowed"


def test_an_unknown_rater_saves_nothing(store: Store, answers) -> None:
    with pytest.raises(StorageError) as refused:
        save_ratings(store, "nobody", [entry(answers[0].response_id, "k")])
    assert refused.value.code == "unknown_rater"


def test_one_raters_ratings_are_not_anothers(store: Store, study, rater, answers) -> None:
    other = new_raters(store, study)[0]
    save_ratings(store, rater.id, [entry(answers[0].response_id, "k")])
    assert {each.current for each in answers_shown_to(store, other)} == {None}
    assert history(store, other.id, answers[0].response_id) == []


def test_any_comment_comes_back(store: Store, rater, answers) -> None:
    comments = ["", "a\x00b", "两行\n第二行", "'; DROP TABLE rating_log; --", "😀" * 500, "=1+1"]
    for answer, comment in zip(answers, comments, strict=True):
        save_ratings(store, rater.id, [entry(answer.response_id, comment or "k", comment=comment)])
    assert [each.comment for each in answers_shown_to(store, rater)] == comments


def test_half_a_character_in_a_comment_does_not_lose_the_rating(
    store: Store, rater, answers
) -> None:
    sent = entry(answers[0].response_id, "k", comment="好\ud83d")
    assert save_ratings(store, rater.id, [sent]).written == 1
    assert save_ratings(store, rater.id, [sent]).written == 0


# -- progress --


def test_a_question_counts_as_rated_when_all_its_answers_are(store: Store, study, rater) -> None:
    new_raters(store, study)
    first, second = assignment(store, rater.id)
    entries = [entry(answer.response_id, answer.response_id) for answer in first.answers]
    save_ratings(store, rater.id, [*entries, entry(second.answers[0].response_id, "one")])
    assert progress(store, study.id) == [RaterProgress("r01", 1, 2), RaterProgress("r02", 0, 2)]


def test_progress_counts_questions_that_a_rater_has_not_opened(store: Store, study, rater) -> None:
    assert progress(store, study.id) == [RaterProgress("r01", 0, 2)]


def test_progress_of_a_study_without_questions_is_nought_of_nought(store: Store) -> None:
    study = new_study(store, questions=0, name="Empty")
    new_raters(store, study)
    assert progress(store, study.id) == [RaterProgress("r01", 0, 0)]
