"""The dry run of a draft and its opening, after which questions and answers stay as they are."""

from collections.abc import Collection

from sqlite_utils import Database

from storage.assignment import assign, assign_trial
from storage.database import Store
from storage.errors import StorageError
from storage.ids import utc_now
from storage.raters import Invitation, insert_rater, new_token
from storage.review import draft_ids
from storage.seals import parts_of_study
from storage.studies import Study, end_trials, require_draft, require_study
from storage.study_events import log_event

TRIAL_LABEL = "trial"
TRIAL_DAYS = 1


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
        if checked is not None and not draft_ids(db, study).keys() <= set(checked):
            raise StorageError("answers_unchecked")
        _require_answers(db, study_id)
        end_trials(db, study_id)
        db.execute("UPDATE answering SET state = 'done' WHERE study = ?", [study_id])
        db.execute("UPDATE studies SET opened_at = ? WHERE id = ?", [utc_now(), study_id])
        assign(db, study_id)
        log_event(db, study_id, "opened", coordinator, parts=parts_of_study(db, study_id))
        return require_study(db, study_id)


def _require_answers(db: Database, study_id: str) -> None:
    sql = """
        SELECT questions.question_id, count(responses.id)
        FROM questions LEFT JOIN responses ON responses.question = questions.id
            AND responses.review <> 'excluded'
        WHERE questions.study_id = ? AND questions.kind = 'real'
        GROUP BY questions.id ORDER BY questions.position
        """
    rows = db.execute(sql, [study_id]).fetchall()
    if not rows:
        raise StorageError("study_empty")
    unanswered = [name for name, answers in rows if not answers]
    if unanswered:
        raise StorageError("questions_unanswered", count=len(unanswered), first=unanswered[0])
