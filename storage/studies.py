"""Studies, their questions and the models' responses.

Owns the rules for what may be added to a study. Knows nothing about raters, about ratings, or
about how a response is produced: it stores what it is given, with its provenance.
"""

import itertools
import json
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlite_utils import Database

from storage.assignment import assign
from storage.database import Store
from storage.errors import StorageError
from storage.ids import new_id, storable, utc_now
from storage.seals import parts_of_question, parts_of_study
from storage.study_events import log_event

# SQLite's largest integer.
MAX_SEED = 2**63 - 1
# Answers are shown to raters as A to Z.
MAX_RESPONSES = 26
MAX_RATERS_PER_ANSWER = 1000
"""Raters of one answer."""
MAX_REPEATS = 50
"""Questions that a rater gets twice."""
MAX_GUIDE_LENGTH = 20_000


@dataclass(frozen=True)
class Study:
    """A study. ``seed`` decides the orders in which raters see questions and answers.

    ``raters_per_answer`` is None where every rater is to rate everything; ``repeats`` is how many
    questions each rater silently gets a second time; ``guide_zh`` and ``guide_en`` are empty where
    the guide is the built-in one. The times are None until a study is opened for its raters, locked
    against further scores, and unblinded. ``reference_rows`` is a JSON list of published figures.
    From ``blind_key`` follow the ids of answers that leave the program before the unblinding.
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
    repeats: int = 0
    reference_rows: str = "[]"
    blind_key: str = field(default="", repr=False)


@dataclass(frozen=True)
class StudySettings:
    """What a coordinator decides before a study is opened; the fields are those of ``Study``."""

    raters_per_answer: int | None = None
    one_by_one: bool = False
    repeats: int = 0
    guide_zh: str = ""
    guide_en: str = ""


@dataclass(frozen=True)
class Question:
    """A question of a study; ``question_id`` is the name people use, ``position`` starts at 1.

    ``category`` (such as a specialty) and ``reference`` (an expert's answer) may be empty.
    """

    id: str
    study_id: str
    question_id: str
    text: str
    position: int
    kind: str = "real"
    category: str = ""
    reference: str = ""


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
    """One model's stored answer; ``question`` is the id (not the question_id) of its question.

    ``review`` is what a coordinator has decided about it before the opening: kept, masked or
    excluded, empty where nothing; ``shown_text`` is what raters see instead of ``text``.
    """

    id: str
    question: str
    model: str
    text: str
    finish_reason: str
    provenance: dict[str, object]
    created_at: str
    review: str = ""
    shown_text: str | None = None


# -- writing --


def create_study(
    store: Store, name: str, seed: int | None = None, owner: str | None = None
) -> Study:
    """Create an empty study; without a ``seed`` a random one is drawn.

    It is a draft: nobody can rate it before it is opened. ``owner`` is the id of the coordinator
    whose it is; None: every coordinator's.

    Raises:
        StorageError: study_name_empty, study_exists, seed_out_of_range.
    """
    name = storable(name).strip()
    if not name:
        raise StorageError("study_name_empty")
    if seed is None:
        # No shorter: whoever guesses it from the orders that it decides knows the letters too.
        seed = secrets.randbelow(MAX_SEED)
    if not 0 <= seed <= MAX_SEED:
        raise StorageError("seed_out_of_range", value=seed, most=MAX_SEED)
    study = Study(new_id(), name, seed, utc_now(), blind_key=new_id())
    with store.transaction() as db:
        if db.table("studies").count_where("name = ?", [name]):
            raise StorageError("study_exists", name=name)
        db.table("studies").insert(vars(study))
        by = ""
        if owner:
            db.table("study_coordinators").insert({"study": study.id, "coordinator": owner})
            (by,) = db.execute("SELECT name FROM coordinators WHERE id = ?", [owner]).fetchone()
        log_event(db, study.id, "created", by, parts=parts_of_study(db, study.id))
    return study


def change_settings(store: Store, study_id: str, settings: StudySettings) -> Study:
    """Set what can be set as long as no rater has seen the study.

    Raises:
        StorageError: unknown_study, study_opened, raters_per_answer_out_of_range,
            repeats_out_of_range, guide_too_long.
    """
    overlap = settings.raters_per_answer
    if overlap is not None and not 1 <= overlap <= MAX_RATERS_PER_ANSWER:
        raise StorageError(
            "raters_per_answer_out_of_range", value=overlap, most=MAX_RATERS_PER_ANSWER
        )
    if not 0 <= settings.repeats <= MAX_REPEATS:
        raise StorageError("repeats_out_of_range", value=settings.repeats, most=MAX_REPEATS)
    values = asdict(settings)
    for guide in ("guide_zh", "guide_en"):
        values[guide] = storable(values[guide]).strip()
        if len(values[guide]) > MAX_GUIDE_LENGTH:
            raise StorageError("guide_too_long", length=len(values[guide]), most=MAX_GUIDE_LENGTH)
    with store.transaction() as db:
        require_draft(db, study_id)
        db.table("studies").update(study_id, values)
        return require_study(db, study_id)


def set_reference_rows(store: Store, study_id: str, rows: str, coordinator: str = "") -> None:
    """Set the published figures that a report shows apart: a JSON list of objects.

    Raises:
        StorageError: unknown_study.
    """
    with store.transaction() as db:
        require_study(db, study_id)
        db.execute("UPDATE studies SET reference_rows = ? WHERE id = ?", [storable(rows), study_id])
        log_event(db, study_id, "published", coordinator, parts=[("published", study_id)])


@dataclass(frozen=True)
class NewQuestion:
    """A question that is about to be added, with the answers there are already."""

    text: str
    responses: Sequence[NewResponse] = ()
    question_id: str | None = None
    category: str = ""
    reference: str = ""


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


def add_questions(
    store: Store,
    study_id: str,
    questions: Sequence[NewQuestion],
    *,
    draft: bool = False,
    coordinator: str = "",
) -> list[Question]:
    """Add several questions as ``add_question`` does, all or none of them.

    In a draft, a question may still be without answers. With ``draft`` they go into nothing else:
    what was not looked through must not come into a study that is being opened just now.

    Raises:
        StorageError: as for ``add_question``; then nothing has been added.
    """
    for new in questions:
        if not new.text.strip():
            raise StorageError("question_empty")
        _check_responses(new.responses)
    with store.transaction() as db:
        study = require_draft(db, study_id) if draft else require_study(db, study_id)
        if study.locked_at:
            raise StorageError("study_locked")
        if study.opened_at and not all(new.responses for new in questions):
            raise StorageError("no_responses")
        added = insert_questions(db, study_id, questions)
        if study.opened_at:
            parts = [part for question in added for part in parts_of_question(question.id)]
            parts += assign(db, study_id)
            names = ", ".join(question.question_id for question in added)
            log_event(db, study_id, "added", coordinator, names, parts=parts)
    return added


def insert_questions(
    db: Database, study_id: str, questions: Sequence[NewQuestion], kind: str = "real"
) -> list[Question]:
    """Store checked questions with their answers behind those that the study has."""
    used_names = {
        row[0]
        for row in db.execute("SELECT question_id FROM questions WHERE study_id = ?", [study_id])
    }
    names = _names(
        used_names, [new.question_id for new in questions], "q" if kind == "real" else "p"
    )
    added = [
        Question(
            id=new_id(),
            study_id=study_id,
            question_id=name,
            text=storable(new.text),
            position=position,
            kind=kind,
            category=storable(new.category).strip(),
            reference=storable(new.reference).strip(),
        )
        for position, (name, new) in enumerate(
            zip(names, questions, strict=True), start=_last_position(db, study_id) + 1
        )
    ]
    db.table("questions").insert_all(map(vars, added))
    db.table("responses").insert_all(
        response_row(question, response)
        for question, new in zip(added, questions, strict=True)
        for response in new.responses
    )
    return added


def remove_questions(store: Store, study_id: str, question_ids: Collection[str]) -> int:
    """Take questions, by the names people use, out of a draft, with their answers.

    Returns how many there were.

    Raises:
        StorageError: unknown_study, study_opened.
    """
    with store.transaction() as db:
        require_draft(db, study_id)
        end_trials(db, study_id)
        ids = [
            row[0]
            for name in question_ids
            for row in db.execute(
                "SELECT id FROM questions WHERE study_id = ? AND question_id = ?", [study_id, name]
            )
        ]
        for sql in (
            "DELETE FROM practice_keys WHERE response IN"
            " (SELECT id FROM responses WHERE question = ?)",
            "DELETE FROM answer_failures WHERE question = ?",
            "DELETE FROM responses WHERE question = ?",
            "DELETE FROM questions WHERE id = ?",
        ):
            db.conn.executemany(sql, [(key,) for key in ids])
    return len(ids)


def end_trials(db: Database, study_id: str) -> None:
    """Remove what dry runs have left, before what they showed changes."""
    trials = "(SELECT id FROM raters WHERE study_id = ? AND trial = 1)"
    for table in ("rater_sessions", "items"):
        db.execute(f"DELETE FROM {table} WHERE rater IN {trials}", [study_id])
    db.execute("DELETE FROM raters WHERE study_id = ? AND trial = 1", [study_id])


# -- reading --


def list_studies(store: Store, coordinator: str | None = None) -> list[Study]:
    """Return the studies that a coordinator (an id; None: anyone) may work on, the oldest first."""
    with store.connect() as db:
        rows = db.query(
            """
            SELECT * FROM studies WHERE :coordinator IS NULL
                OR id NOT IN (SELECT study FROM study_coordinators)
                OR id IN (SELECT study FROM study_coordinators WHERE coordinator = :coordinator)
            ORDER BY created_at, name
            """,
            {"coordinator": coordinator},
        )
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


def list_questions(store: Store, study_id: str, kind: str = "real") -> list[Question]:
    """Return the questions of a study in their order; ``kind`` is real or practice."""
    sql = "SELECT * FROM questions WHERE study_id = ? AND kind = ? ORDER BY position"
    with store.connect() as db:
        return [Question(**row) for row in db.query(sql, [study_id, kind])]


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


def require_draft(db: Database, study_id: str) -> Study:
    """Return the study; StorageError study_opened where raters may have seen it already."""
    study = require_study(db, study_id)
    if study.opened_at:
        raise StorageError("study_opened")
    return study


def _check_responses(responses: Sequence[NewResponse]) -> None:
    if len(responses) > MAX_RESPONSES:
        raise StorageError("too_many_responses", count=len(responses), most=MAX_RESPONSES)
    seen: set[str] = set()
    for response in responses:
        if response.model in seen:
            raise StorageError("duplicate_model", model=response.model)
        seen.add(response.model)


def response_row(question: Question, response: NewResponse) -> dict[str, object]:
    return {
        "id": new_id(),
        "question": question.id,
        "model": response.model,
        "text": storable(response.text),
        "finish_reason": response.finish_reason,
        "provenance": storable(json.dumps(dict(response.provenance), ensure_ascii=False)),
        "created_at": utc_now(),
    }


def _names(used_names: set[str], names: Sequence[str | None], letter: str) -> list[str]:
    """The names of new questions: those in ``names``, and q001, q002, … for the others."""
    names = [storable(name or "").strip() for name in names]
    for name in filter(None, names):
        if name in used_names:
            raise StorageError("question_exists", question_id=name)
        used_names.add(name)
    number = itertools.count(next_number(used_names, letter))
    return [name or f"{letter}{next(number):03d}" for name in names]


def next_number(used_names: set[str], letter: str) -> int:
    """Return one more than the highest number among names such as q001; 1 when there is none."""
    numbers = (re.fullmatch(letter + r"([0-9]{1,9})", name) for name in used_names)
    return 1 + max((int(match[1]) for match in numbers if match), default=0)


def _last_position(db: Database, study_id: str) -> int:
    sql = "SELECT coalesce(max(position), 0) FROM questions WHERE study_id = ?"
    return int(db.execute(sql, [study_id]).fetchone()[0])
