"""Studies, their questions and the models' responses.

Owns the rules for what may be added to a study. Knows nothing about raters, about ratings, or
about how a response is produced: it stores what it is given, with its provenance.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlite_utils import Database

from storage.assigning import assign
from storage.database import Store
from storage.errors import StorageError
from storage.ids import new_id, storable, utc_now

# SQLite's largest integer.
MOST_SEED = 2**63 - 1
# Answers are shown to raters as A to Z.
MOST_RESPONSES = 26


@dataclass(frozen=True)
class Study:
    """A study. ``seed`` decides the orders in which raters see questions and answers.

    ``raters_per_answer`` is None where every rater is to rate everything; ``guide_zh`` and
    ``guide_en`` are empty where the guide is the built-in one. The times are None until a study is
    opened for its raters, locked against further scores, and unblinded.
    """

    id: str
    name: str
    seed: int
    created_at: str
    raters_per_answer: int | None = None
    one_by_one: bool = False
    guide_zh: str = ""
    guide_en: str = ""
    opened_at: str | None = None
    locked_at: str | None = None
    unblinded_at: str | None = None


@dataclass(frozen=True)
class Question:
    """A question of a study; ``question_id`` is the name people use, ``position`` starts at 1."""

    id: str
    study_id: str
    question_id: str
    text: str
    position: int


@dataclass(frozen=True)
class NewResponse:
    """One model's answer to a question that is about to be added.

    ``model`` is the name of the model spec, ``finish_reason`` is stop, length, cancelled or
    error, ``provenance`` says what exactly produced the text and must be valid JSON.
    """

    model: str
    text: str
    finish_reason: str
    provenance: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """One model's stored answer; ``question`` is the id (not the question_id) of its question."""

    id: str
    question: str
    model: str
    text: str
    finish_reason: str
    provenance: dict[str, object]
    created_at: str


# -- writing --


def create_study(store: Store, name: str, seed: int | None = None) -> Study:
    """Create an empty study; without a ``seed`` a random one is drawn.

    Raises:
        StorageError: study_name_empty, study_exists, seed_out_of_range.
    """
    name = storable(name).strip()
    if not name:
        raise StorageError("study_name_empty")
    if seed is None:
        seed = secrets.randbelow(2**31)
    if not 0 <= seed <= MOST_SEED:
        raise StorageError("seed_out_of_range", value=seed, most=MOST_SEED)
    now = utc_now()
    study = Study(id=new_id(), name=name, seed=seed, created_at=now, opened_at=now)
    with store.transaction() as db:
        if db.table("studies").count_where("name = ?", [name]):
            raise StorageError("study_exists", name=name)
        db.table("studies").insert(vars(study))
    return study


@dataclass(frozen=True)
class NewQuestion:
    """A question that is about to be added, with its answers."""

    text: str
    responses: Sequence[NewResponse]
    question_id: str | None = None


def add_question(
    store: Store,
    study_id: str,
    text: str,
    responses: Sequence[NewResponse],
    question_id: str | None = None,
) -> Question:
    """Add a question with all its responses at the end of a study, in one transaction.

    Without a ``question_id`` it is numbered q001, q002, … The same text may be added again
    under another id.

    Raises:
        StorageError: unknown_study, question_empty, question_exists, no_responses,
            too_many_responses, duplicate_model.
    """
    return add_questions(store, study_id, [NewQuestion(text, responses, question_id)])[0]


def add_questions(store: Store, study_id: str, questions: Sequence[NewQuestion]) -> list[Question]:
    """Add several questions as ``add_question`` does, all or none of them.

    Raises:
        StorageError: as for ``add_question``; then nothing has been added.
    """
    for new in questions:
        if not new.text.strip():
            raise StorageError("question_empty")
        _check_responses(new.responses)
    with store.transaction() as db:
        study = require_study(db, study_id)
        if study.locked_at:
            raise StorageError("study_locked")
        added = [_insert_question(db, study_id, new) for new in questions]
        if study.opened_at:
            assign(db, study_id)
    return added


def _insert_question(db: Database, study_id: str, new: NewQuestion) -> Question:
    question = Question(
        id=new_id(),
        study_id=study_id,
        question_id=_free_question_id(db, study_id, new.question_id),
        text=storable(new.text),
        position=_last_position(db, study_id) + 1,
    )
    db.table("questions").insert(vars(question))
    db.table("responses").insert_all(
        _response_row(question, response) for response in new.responses
    )
    return question


# -- reading --


def list_studies(store: Store) -> list[Study]:
    """Return all studies, the oldest first."""
    with store.connect() as db:
        rows = db.query("SELECT * FROM studies ORDER BY created_at, name")
        return [_study(row) for row in rows]


def get_study(store: Store, study_id: str) -> Study:
    """Return the study with this id.

    Raises:
        StorageError: unknown_study.
    """
    with store.connect() as db:
        return require_study(db, study_id)


def find_study(store: Store, name: str) -> Study:
    """Return the study with this name.

    Raises:
        StorageError: unknown_study.
    """
    with store.connect() as db:
        for row in db.query("SELECT * FROM studies WHERE name = ?", [storable(name).strip()]):
            return _study(row)
    raise StorageError("unknown_study", study=name)


def list_questions(store: Store, study_id: str) -> list[Question]:
    """Return the questions of a study in the order in which they are shown."""
    with store.connect() as db:
        rows = db.query("SELECT * FROM questions WHERE study_id = ? ORDER BY position", [study_id])
        return [Question(**row) for row in rows]


def question_count(store: Store, study_id: str) -> int:
    """Return the number of questions in a study."""
    with store.connect() as db:
        return db.table("questions").count_where("study_id = ?", [study_id])


def responses_of(store: Store, question: Question) -> list[Response]:
    """Return the responses to a question, by name of the model. Never show these to a rater."""
    with store.connect() as db:
        rows = db.query("SELECT * FROM responses WHERE question = ? ORDER BY model", [question.id])
        return [Response(**{**row, "provenance": json.loads(row["provenance"])}) for row in rows]


# -- inside a connection --


def _study(row: dict[str, Any]) -> Study:
    return Study(**row | {"one_by_one": bool(row["one_by_one"])})


def require_study(db: Database, study_id: str) -> Study:
    """Return the study with this id; StorageError unknown_study when there is none."""
    for row in db.query("SELECT * FROM studies WHERE id = ?", [study_id]):
        return _study(row)
    raise StorageError("unknown_study", study=study_id)


def _check_responses(responses: Sequence[NewResponse]) -> None:
    if not responses:
        raise StorageError("no_responses")
    if len(responses) > MOST_RESPONSES:
        raise StorageError("too_many_responses", count=len(responses), most=MOST_RESPONSES)
    seen: set[str] = set()
    for response in responses:
        if response.model in seen:
            raise StorageError("duplicate_model", model=response.model)
        seen.add(response.model)


def _response_row(question: Question, response: NewResponse) -> dict[str, object]:
    return {
        "id": new_id(),
        "question": question.id,
        "model": response.model,
        "text": storable(response.text),
        "finish_reason": response.finish_reason,
        "provenance": storable(json.dumps(dict(response.provenance), ensure_ascii=False)),
        "created_at": utc_now(),
    }


def _free_question_id(db: Database, study_id: str, wanted: str | None) -> str:
    rows = db.query("SELECT question_id FROM questions WHERE study_id = ?", [study_id])
    taken = {row["question_id"] for row in rows}
    if wanted is None or not wanted.strip():
        return f"q{next_number(taken, 'q'):03d}"
    wanted = storable(wanted).strip()
    if wanted in taken:
        raise StorageError("question_exists", question_id=wanted)
    return wanted


def next_number(taken: set[str], letter: str) -> int:
    """Return one more than the highest number among names such as q001; 1 when there is none."""
    numbers = (re.fullmatch(letter + r"([0-9]{1,9})", name) for name in taken)
    return 1 + max((int(match[1]) for match in numbers if match), default=0)


def _last_position(db: Database, study_id: str) -> int:
    sql = "SELECT coalesce(max(position), 0) FROM questions WHERE study_id = ?"
    return int(db.execute(sql, [study_id]).fetchone()[0])
