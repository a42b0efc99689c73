"""What raters must not read: a coordinator's decision about every answer before the opening.

Does not know how an answer gives its model away: it stores what a coordinator has decided.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlite_utils import Database

from storage.blinding import draft_id
from storage.database import Store
from storage.errors import StorageError
from storage.ids import storable
from storage.studies import Study, end_trials, require_draft, require_study
from storage.study_events import BEFORE_MODEL, log_event

Decision = Literal["kept", "masked", "excluded", ""]


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
        ids = draft_ids(db, study)
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
    mask = storable(review.shown_text or "") if review.decision == "masked" else None
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
        [review.decision, mask, review.response],
    )
    event = review.decision or "reviewed_again"
    log_event(db, study_id, event, coordinator, f"{row[0]}{BEFORE_MODEL}{row[1]}")


def draft_ids(db: Database, study: Study) -> dict[str, str]:
    """The ids of a study's answers by what the pages of its draft call them."""
    sql = (
        "SELECT responses.id FROM responses JOIN questions ON questions.id = responses.question"
        " WHERE questions.study_id = ? AND questions.kind = 'real'"
    )
    return {draft_id(study, response): response for (response,) in db.execute(sql, [study.id])}
