"""The job of having models answer a draft: what is missing, what failed, what survives."""

import time

import pytest
from storage_fixtures import answers_of

from storage import (
    NewQuestion,
    NewResponse,
    StorageError,
    Store,
    Study,
    add_questions,
    answer_job,
    answer_progress,
    begin_answering,
    create_study,
    next_unanswered,
    note_failure,
    open_study,
    remove_questions,
    running_jobs,
    set_job_state,
    store_answer,
)


@pytest.fixture
def study(store: Store) -> Study:
    made = create_study(store, "Draft", 7)
    add_questions(
        store,
        made.id,
        [NewQuestion("一", answers_of(["a"])), NewQuestion("二"), NewQuestion("三")],
    )
    return made


def missing(store: Store, study: Study, most: int = 100) -> list[tuple[str, str]]:
    job = answer_job(store, study.id)
    assert job is not None
    return [(question.text, model) for question, model in next_unanswered(store, job, most)]


def test_what_is_missing_is_every_question_without_an_answer_of_a_chosen_model(store, study):
    begin_answering(store, study.id, ["a", "b"], {"seed": 3})
    expected = [("一", "b"), ("二", "a"), ("二", "b"), ("三", "a"), ("三", "b")]
    assert missing(store, study) == expected
    assert missing(store, study, most=2) == expected[:2]
    found = answer_progress(store, study.id)
    assert (found.done, found.total, found.failures) == (1, 6, ())


def test_a_job_is_found_again_after_a_restart(store: Store, study: Study) -> None:
    begin_answering(store, study.id, ["a", "b"], {"seed": 3})
    (job,) = running_jobs(Store(store.path))
    assert (job.study_id, job.models, job.options) == (study.id, ("a", "b"), {"seed": 3})
    set_job_state(store, study.id, "paused")
    assert running_jobs(store) == []


def test_an_answer_is_stored_once(store: Store, study: Study) -> None:
    job = begin_answering(store, study.id, ["a"])
    (question, model), _ = next_unanswered(store, job, 5)
    response = NewResponse(model, "答", "stop", {"seed": 1})
    assert store_answer(store, question, response)
    assert not store_answer(store, question, response)
    assert missing(store, study) == [("三", "a")]


def test_a_failed_answer_is_tried_three_times_and_after_the_others(store, study) -> None:
    job = begin_answering(store, study.id, ["a"])
    (question, model), _ = next_unanswered(store, job, 5)
    note_failure(store, question, model, "它倒了。")
    assert missing(store, study) == [("三", "a"), ("二", "a")]
    note_failure(store, question, model, "它倒了。")
    note_failure(store, question, model, "它又倒了。")
    assert missing(store, study) == [("三", "a")]
    (failure,) = answer_progress(store, study.id).failures
    assert (failure.question_id, failure.model, failure.attempts, failure.error) == (
        "q002",
        "a",
        3,
        "它又倒了。",
    )
    begin_answering(store, study.id, ["a"])
    assert missing(store, study) == [("二", "a"), ("三", "a")], "asked for again, tried again"


def test_nothing_is_answered_once_a_study_is_open(store: Store) -> None:
    study = create_study(store, "Draft", 7)
    (question,) = add_questions(store, study.id, [NewQuestion("一", answers_of(["a"]))])
    begin_answering(store, study.id, ["a", "b"])
    open_study(store, study.id, "anna")
    assert running_jobs(store) == []
    with pytest.raises(StorageError) as refused:
        store_answer(store, question, NewResponse("b", "答", "stop"))
    assert refused.value.code == "study_opened"


@pytest.mark.parametrize(
    ("models", "code"),
    [([], "no_models"), ([f"m{number}" for number in range(27)], "too_many_responses")],
)
def test_a_job_needs_models(store: Store, study: Study, models, code: str) -> None:
    with pytest.raises(StorageError) as refused:
        begin_answering(store, study.id, models)
    assert refused.value.code == code
    assert answer_job(store, study.id) is None


def test_a_job_needs_questions(store: Store) -> None:
    study = create_study(store, "Empty", 7)
    with pytest.raises(StorageError) as refused:
        begin_answering(store, study.id, ["a"])
    assert refused.value.code == "study_empty"


def test_a_question_taken_out_meanwhile_is_not_missed(store: Store, study: Study) -> None:
    job = begin_answering(store, study.id, ["a"])
    (question, model), *_ = next_unanswered(store, job, 5)
    remove_questions(store, study.id, [question.question_id])
    assert not store_answer(store, question, NewResponse(model, "答", "stop"))
    note_failure(store, question, model, "它倒了。")
    assert missing(store, study) == [("三", "a")]


def test_the_end_of_an_old_job_does_not_end_a_new_one(store: Store, study: Study) -> None:
    old = begin_answering(store, study.id, ["a"])
    time.sleep(0.002)
    begin_answering(store, study.id, ["a", "b"])
    set_job_state(store, study.id, "done", begun=old.started_at)
    assert len(running_jobs(store)) == 1
