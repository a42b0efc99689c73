"""Practice: questions that every rater scores before the real ones, and what they should get.

Added to a draft; nothing of it enters a figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Store
from storage.errors import StorageError
from storage.ids import storable
from storage.ratings import check_scores
from storage.studies import (
    NewQuestion,
    NewResponse,
    Question,
    end_trials,
    insert_questions,
    require_draft,
)
from storage.worklist import Scores

PRACTICE_MODEL = "practice"
"""Stands for the model of a practice answer, which no model has written."""


@dataclass(frozen=True)
class PracticeItem:
    """A question with one answer, the scores that it should get, and why."""

    question: str
    answer: str
    scores: Scores
    why_zh: str
    why_en: str


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
