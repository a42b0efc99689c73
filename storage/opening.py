"""From draft to open study: practice, what raters must not read, the dry run, and the opening.

Owns what can be changed only as long as no rater has seen a study. Does not know how an answer
gives its model away: it is told what a coordinator has decided.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlite_utils import Database

from storage.assignment import assign, assign_trial
from storage.blinding import draft_id
from storage.database import Store
from storage.errors import StorageError
from storage.events import BEFORE_MODEL, log_event
from storage.ids import storable, utc_now
from storage.raters import Invitation, insert_rater, new_token
from storage.ratings import check_scores
from storage.seals import parts_of_study
from storage.studies import (
    NewQuestion,
    NewResponse,
    Question,
    Study,
    end_trials,
    insert_questions,
    require_draft,
    require_study,
)
from storage.worklist import Scores

Decision = Literal["kept", "masked", "excluded", ""]
PRACTICE_MODEL = "practice"
"""Stands for the model of a practice answer, which no model has written."""
TRIAL_LABEL = "trial"
TRIAL_DAYS = 1


@dataclass(frozen=True)
class PracticeItem:
    """A question with one answer, the scores that it should get, and why."""

    question: str
    answer: str
    scores: Scores
    why_zh: str
    why_en: str


@dataclass(frozen=True)
class CheckedAnswer:
    """An answer of a draft as its coordinator sees it before the opening.

    ``response`` is not its id, which a score file has: beside the model's name, that would tell
    whose scores are whose.
    """

    response: str
    question_id: str
    model: str
    text: str
    review: Decision
    shown_text: str | None


# -- practice --


def add_practice(store: Store, study_id: str, items: Sequence[PracticeItem]) -> list[Question]:
    """Add practice items to a draft; every rater scores them before the real questions.

    Raises:
        StorageError: unknown_study, study_opened, question_empty, score_out_of_range.
    """
    for item in items:
        if not item.question.strip() or not item.answer.strip():
            raise StorageError("question_empty")
        check_scores(item.scores)
    with store.transaction() as db:
        require_draft(db, study_id)
        end_trials(db, study_id)
        new = [
            NewQuestion(item.question, [NewResponse(PRACTICE_MODEL, item.answer, "stop")])
            for item in items
        ]
        added = insert_questions(db, study_id, new, kind="practice")
        for question, item in zip(added, items, strict=True):
            db.execute(
                "INSERT INTO practice_keys SELECT id, ?, ?, ?, ?, ? FROM responses"
                " WHERE question = ?",
                [
                    *vars(item.scores).values(),
                    storable(item.why_zh),
                    storable(item.why_en),
                    question.id,
                ],
            )
    return added


# -- what raters must not read --


def answers_to_check(store: Store, study_id: str) -> list[CheckedAnswer]:
    """Return every answer of a study, by question and model. Never show these to a rater."""
    sql = """
        SELECT responses.id, questions.question_id, responses.model, responses.text,
            responses.review, responses.shown_text
        FROM responses JOIN questions ON questions.id = responses.question
        WHERE questions.study_id = ? AND questions.kind = 'real'
        ORDER BY questions.position, responses.model
        """
    with store.connect() as db:
        study = require_study(db, study_id)
        return [
            CheckedAnswer(draft_id(study, response), *row)
            for response, *row in db.execute(sql, [study_id])
        ]


@dataclass(frozen=True)
class Review:
    """A decision about the answer that ``answers_to_check`` calls ``response``; "" undoes one.

    ``shown_text`` is what raters read in its place where it is masked.
    """

    response: str
    decision: Decision
    shown_text: str | None = None


def review_answers(
    store: Store, study_id: str, reviews: Sequence[Review], coordinator: str
) -> None:
    """Keep answers as they are, mask or exclude them, all or none.

    An answer itself stays as the model wrote it; each decision is logged.

    Raises:
        StorageError: unknown_study, study_opened, unknown_answer, mask_empty.
    """
    for review in reviews:
        if review.decision == "masked" and not (review.shown_text or "").strip():
            raise StorageError("mask_empty")
    with store.transaction() as db:
        study = require_draft(db, study_id)
        end_trials(db, study_id)
        ids = {draft_id(study, response): response for response in _responses(db, study_id)}
        for review in reviews:
            if review.response not in ids:
                raise StorageError("unknown_answer")
            own = replace(review, response=ids[review.response])
            _review(db, study_id, own, coordinator)


def review_answer(
    store: Store,
    study_id: str,
    response: str,
    decision: Decision,
    coordinator: str,
    shown_text: str | None = None,
) -> None:
    """``review_answers`` for one."""
    review_answers(store, study_id, [Review(response, decision, shown_text)], coordinator)


def _review(db: Database, study_id: str, review: Review, coordinator: str) -> None:
    shown = storable(review.shown_text or "") if review.decision == "masked" else None
    row = db.execute(
        """
        SELECT questions.question_id, responses.model FROM responses
        JOIN questions ON questions.id = responses.question
        WHERE responses.id = ? AND questions.study_id = ?
        """,
        [review.response, study_id],
    ).fetchone()
    db.execute(
        "UPDATE responses SET review = ?, shown_text = ? WHERE id = ?",
        [review.decision, shown, review.response],
    )
    event = review.decision or "reviewed_again"
    log_event(db, study_id, event, coordinator, f"{row[0]}{BEFORE_MODEL}{row[1]}")


# -- the dry run --


def begin_trial(store: Store, study_id: str) -> Invitation:
    """Return a link that shows a draft as its raters will see it; what is scored there is checked
    as any score is, and not stored.

    Raises:
        StorageError: unknown_study, study_opened, study_empty.
    """
    invitation = Invitation(TRIAL_LABEL, new_token())
    with store.transaction() as db:
        require_draft(db, study_id)
        end_trials(db, study_id)
        rater = insert_rater(db, study_id, invitation, TRIAL_DAYS, trial=True)
        if not assign_trial(db, study_id, rater):
            raise StorageError("study_empty")
    return invitation


# -- the opening --


def open_study(
    store: Store, study_id: str, coordinator: str, checked: Collection[str] | None = None
) -> Study:
    """Let the raters in: from now on questions and answers stay as they are.

    ``checked`` are the answers that have been looked through, as ``answers_to_check`` calls them;
    None: all.

    Raises:
        StorageError: unknown_study, study_opened, study_empty, questions_unanswered,
            answers_unchecked where an answer has come in since.
    """
    with store.transaction() as db:
        study = require_draft(db, study_id)
        if checked is not None:
            answers = {draft_id(study, response) for response in _responses(db, study_id)}
            if not answers <= set(checked):
                raise StorageError("answers_unchecked")
        _require_answers(db, study_id)
        end_trials(db, study_id)
        db.execute("UPDATE answering SET state = 'done' WHERE study = ?", [study_id])
        db.execute("UPDATE studies SET opened_at = ? WHERE id = ?", [utc_now(), study_id])
        assign(db, study_id)
        log_event(db, study_id, "opened", coordinator, parts=parts_of_study(db, study_id))
        return require_study(db, study_id)


def _responses(db: Database, study_id: str) -> set[str]:
    sql = (
        "SELECT responses.id FROM responses JOIN questions ON questions.id = responses.question"
        " WHERE questions.study_id = ? AND questions.kind = 'real'"
    )
    return {row[0] for row in db.execute(sql, [study_id])}


def _require_answers(db: Database, study_id: str) -> None:
    sql = """
        SELECT questions.question_id, count(responses.id)
        FROM questions LEFT JOIN responses ON responses.question = questions.id
            AND responses.review <> 'excluded'
        WHERE questions.study_id = ? AND questions.kind = 'real'
        GROUP BY questions.id ORDER BY questions.position
        """
    found = db.execute(sql, [study_id]).fetchall()
    if not found:
        raise StorageError("study_empty")
    without = [name for name, answers in found if not answers]
    if without:
        raise StorageError("questions_unanswered", count=len(without), first=without[0])
