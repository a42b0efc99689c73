"""The state of "have the models answer": what is still missing, what failed, and what was stored.

What has to be done is never listed: it is every question of the study without an answer of a chosen
model, so it is right after a kill at any moment. Knows nothing of how an answer is made.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlite_utils import Database

from storage.database import Store
from storage.errors import StorageError
from storage.ids import storable, utc_now
from storage.studies import MAX_RESPONSES, NewResponse, Question, require_draft, response_row

JobState = Literal["running", "paused", "done"]
MAX_ATTEMPTS = 3
"""After so many attempts an answer counts as failed."""


@dataclass(frozen=True)
class AnswerJob:
    """``options`` are settings of generation for all models; None: each model's own."""

    study_id: str
    state: JobState
    models: tuple[str, ...]
    options: dict[str, object] | None
    started_at: str


@dataclass(frozen=True)
class Failure:
    question_id: str
    model: str
    attempts: int
    error: str


@dataclass(frozen=True)
class AnswerProgress:
    """``done`` of ``total`` answers are stored; ``failures`` were tried often enough."""

    done: int
    total: int
    failures: tuple[Failure, ...]


def begin_answering(
    store: Store,
    study_id: str,
    models: Sequence[str],
    options: Mapping[str, object] | None = None,
) -> AnswerJob:
    """Begin, or go on with other models or options; what failed before is tried again.

    Raises:
        StorageError: unknown_study, study_opened, study_empty, no_models, too_many_responses.
    """
    models = list(dict.fromkeys(models))
    if not models:
        raise StorageError("no_models")
    with store.transaction() as db:
        require_draft(db, study_id)
        count = len(_models_there(db, study_id).union(models))
        if count > MAX_RESPONSES:
            raise StorageError("too_many_responses", count=count, most=MAX_RESPONSES)
        real = "study_id = ? AND kind = 'real'"
        if not db.table("questions").count_where(real, [study_id]):
            raise StorageError("study_empty")
        db.execute(
            "DELETE FROM answer_failures WHERE question IN"
            " (SELECT id FROM questions WHERE study_id = ?)",
            [study_id],
        )
        db.table("answering").upsert(
            {
                "study": study_id,
                "state": "running",
                "models": json.dumps(models),
                "options": json.dumps(dict(options) if options else None),
                "started_at": utc_now(),
            },
            pk="study",
        )
        return _require_job(db, study_id)


def answer_job(store: Store, study_id: str) -> AnswerJob | None:
    """Return a study's job, None where there never was one."""
    with store.connect() as db:
        return _job(db, study_id)


def running_jobs(store: Store) -> list[AnswerJob]:
    """Return the jobs that are under way, or were when the program ended."""
    with store.connect() as db:
        return [_as_job(row) for row in db.query("SELECT * FROM answering WHERE state = 'running'")]


def set_job_state(store: Store, study_id: str, state: JobState, begun: str | None = None) -> bool:
    """Set the state of a study's job; with ``begun`` only if it has not been begun anew since.

    Returns whether it was set.
    """
    with store.transaction() as db:
        changed = db.execute(
            "UPDATE answering SET state = :state"
            " WHERE study = :study AND (:begun IS NULL OR started_at = :begun)",
            {"state": state, "study": study_id, "begun": begun},
        )
        return changed.rowcount > 0


def next_unanswered(store: Store, job: AnswerJob, most: int) -> list[tuple[Question, str]]:
    """Return up to ``most`` (question, model) without an answer, question by question.

    Those that have failed come after all others, and not once they have been tried often enough.
    """
    sql = """
        SELECT questions.*, chosen.value AS chosen_model
        FROM questions, json_each(:models) AS chosen
        LEFT JOIN responses
            ON responses.question = questions.id AND responses.model = chosen.value
        LEFT JOIN answer_failures AS failed
            ON failed.question = questions.id AND failed.model = chosen.value
        WHERE questions.study_id = :study AND questions.kind = 'real' AND responses.id IS NULL
            AND coalesce(failed.attempts, 0) < :attempts
        ORDER BY coalesce(failed.attempts, 0), questions.position, chosen.key
        LIMIT :most
        """
    values = {
        "models": json.dumps(job.models),
        "study": job.study_id,
        "attempts": MAX_ATTEMPTS,
        "most": most,
    }
    with store.connect() as db:
        rows = list(db.query(sql, values))
    models = [str(row.pop("chosen_model")) for row in rows]
    return [(Question(**row), model) for row, model in zip(rows, models, strict=True)]


def store_answer(store: Store, question: Question, response: NewResponse) -> bool:
    """Store one model's answer to a question of a draft.

    False where there is one already, or the question has been taken out meanwhile.

    Raises:
        StorageError: study_opened.
    """
    with store.transaction() as db:
        require_draft(db, question.study_id)
        same = "question = ? AND model = ?"
        if db.table("responses").count_where(same, [question.id, response.model]):
            return False
        if not db.table("questions").count_where("id = ?", [question.id]):
            return False
        db.table("responses").insert(response_row(question, response))
        db.execute(
            "DELETE FROM answer_failures WHERE question = ? AND model = ?",
            [question.id, response.model],
        )
    return True


def note_failure(store: Store, question: Question, model: str, error: str) -> None:
    """Write down that a model could not answer a question."""
    with store.transaction() as db:
        db.execute(
            """
            INSERT INTO answer_failures (question, model, attempts, error, failed_at)
            SELECT id, ?, 1, ?, ? FROM questions WHERE id = ?
            ON CONFLICT DO UPDATE SET attempts = attempts + 1, error = excluded.error,
                failed_at = excluded.failed_at
            """,
            [model, storable(error), utc_now(), question.id],
        )


def answer_progress(store: Store, study_id: str) -> AnswerProgress:
    """Return how many of the answers to be made there are, and which have failed."""
    with store.connect() as db:
        job = _job(db, study_id)
        models = json.dumps(job.models if job else [])
        values = {"study": study_id, "models": models, "attempts": MAX_ATTEMPTS}
        done, total = db.execute(
            """
            SELECT count(responses.id), count(*)
            FROM questions, json_each(:models) AS chosen
            LEFT JOIN responses
                ON responses.question = questions.id AND responses.model = chosen.value
            WHERE questions.study_id = :study AND questions.kind = 'real'
            """,
            values,
        ).fetchone()
        failures = db.execute(
            """
            SELECT questions.question_id, failed.model, failed.attempts, failed.error
            FROM answer_failures AS failed JOIN questions ON questions.id = failed.question
            WHERE questions.study_id = :study AND failed.attempts >= :attempts
            ORDER BY questions.position, failed.model
            """,
            values,
        )
        return AnswerProgress(done, total, tuple(Failure(*row) for row in failures))


def _models_there(db: Database, study_id: str) -> set[str]:
    """The models that have answered any question of a study."""
    sql = """
        SELECT DISTINCT responses.model FROM responses
        JOIN questions ON questions.id = responses.question
        WHERE questions.study_id = ? AND questions.kind = 'real'
        """
    return {row[0] for row in db.execute(sql, [study_id])}


def _require_job(db: Database, study_id: str) -> AnswerJob:
    job = _job(db, study_id)
    assert job is not None
    return job


def _job(db: Database, study_id: str) -> AnswerJob | None:
    for row in db.query("SELECT * FROM answering WHERE study = ?", [study_id]):
        return _as_job(row)
    return None


def _as_job(row: dict[str, Any]) -> AnswerJob:
    models, options = json.loads(row["models"]), json.loads(row["options"])
    return AnswerJob(row["study"], row["state"], tuple(models), options, row["started_at"])
