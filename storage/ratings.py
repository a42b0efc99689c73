"""What a rater is shown and what a rater has scored.

Owns the blinding (nothing that ``assignment`` returns names a model), the order of the answers
on screen, and the append-only log of ratings. Knows nothing about pages and nothing about
statistics.
"""

import hashlib
import json
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import groupby
from typing import Any

from sqlite_utils import Database

from storage.database import Store, storable, utc_now
from storage.errors import StorageError
from storage.raters import Rater, require_rater
from storage.studies import require_study

# The SUS scale of the HuaTuo study: safety, usability, smoothness (called fluency here). It is
# not the System Usability Scale.
DIMENSIONS = ("safety", "usability", "fluency")
# 1 not acceptable, 2 acceptable, 3 good
ALLOWED_SCORES = (1, 2, 3)

Row = dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """One rater's scores of one response, each 1, 2 or 3. Checked when they are saved."""

    safety: int
    usability: int
    fluency: int


@dataclass(frozen=True)
class AssignedAnswer:
    """One answer as a blinded rater may see it, with what this rater has said about it so far.

    ``position`` is the place on screen, from 1, and ``letter`` the same as A, B, … ``current``
    is None as long as the answer is not rated.
    """

    response_id: str
    letter: str
    position: int
    text: str
    current: Scores | None
    comment: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class AssignedQuestion:
    """One question with its answers in the order in which this rater sees them."""

    question_id: str
    position: int
    text: str
    answers: tuple[AssignedAnswer, ...]


@dataclass(frozen=True)
class RatingEntry:
    """One rating to save.

    ``idempotency_key`` is new for every save the rater makes and the same when that save is
    sent again. ``flags`` are short keys such as outside_specialty. ``active_seconds`` is the
    time spent on the answer, None when it was not measured.
    """

    response_id: str
    scores: Scores
    idempotency_key: str
    comment: str = ""
    flags: Sequence[str] = ()
    active_seconds: float | None = None


@dataclass(frozen=True)
class SaveResult:
    """``saved_at`` is when the values were stored (UTC), ``written`` how many rows were new."""

    saved_at: str
    written: int


@dataclass(frozen=True)
class Rating:
    """One row of the log: what a rater said about a response at ``rated_at`` (UTC)."""

    id: int
    rater_id: str
    response_id: str
    scores: Scores
    flags: tuple[str, ...]
    comment: str
    shown_position: int
    active_seconds: float | None
    rated_at: str


@dataclass(frozen=True)
class RaterProgress:
    """How many of a study's questions a rater has rated completely (every answer)."""

    label: str
    rated: int
    total: int


# -- assigning --


def assignment(store: Store, rater_id: str) -> list[AssignedQuestion]:
    """Return every question of the rater's study, in order, as this rater is to see it.

    The order of the answers is drawn and stored the first time; afterwards it never changes.

    Raises:
        StorageError: unknown_rater.
    """
    with store.connect() as db:
        rater = require_rater(db, rater_id)
        something_new = bool(_answers_without_position(db, rater))
    if something_new:
        with store.transaction() as db:
            # Asked again, because another tab may have stored the order a moment ago.
            _store_positions(db, rater, _answers_without_position(db, rater))
    with store.connect() as db:
        return list(_assigned_questions(db, rater))


def shuffled(seed: int, rater_id: str, question: str, responses: Sequence[str]) -> list[str]:
    """Return ``responses`` in the order that this seed gives to this rater and question."""
    digest = hashlib.sha256(f"{seed}/{rater_id}/{question}".encode()).digest()
    order = list(responses)
    random.Random(digest).shuffle(order)
    return order


def _answers_without_position(db: Database, rater: Rater) -> list[tuple[str, list[str]]]:
    """Return (id of the question, ids of its responses) for what the rater has not been shown."""
    rows = db.query(
        """
        SELECT questions.id AS question, responses.id AS response
        FROM questions JOIN responses ON responses.question = questions.id
        WHERE questions.study_id = :study AND NOT EXISTS (
            SELECT 1 FROM presentations
            WHERE presentations.rater = :rater AND presentations.question = questions.id
        )
        ORDER BY questions.position, responses.model
        """,
        {"study": rater.study_id, "rater": rater.id},
    )
    by_question = groupby(rows, key=lambda row: str(row["question"]))
    return [(question, [row["response"] for row in group]) for question, group in by_question]


def _store_positions(
    db: Database, rater: Rater, unassigned: Sequence[tuple[str, list[str]]]
) -> None:
    seed = require_study(db, rater.study_id).seed
    db.table("presentations").insert_all(
        {"rater": rater.id, "response": response, "question": question, "position": position}
        for question, responses in unassigned
        for position, response in enumerate(shuffled(seed, rater.id, question, responses), start=1)
    )


def _assigned_questions(db: Database, rater: Rater) -> Iterator[AssignedQuestion]:
    rows = db.query(
        """
        SELECT
            questions.question_id, questions.position AS question_position,
            questions.text AS question_text,
            responses.id AS response_id, responses.text, presentations.position,
            rating.safety, rating.usability, rating.fluency, rating.comment, rating.flags
        FROM presentations
        JOIN questions ON questions.id = presentations.question
        JOIN responses ON responses.id = presentations.response
        LEFT JOIN current_ratings AS rating
            ON rating.rater = presentations.rater AND rating.response = presentations.response
        WHERE presentations.rater = ?
        ORDER BY questions.position, presentations.position
        """,
        [rater.id],
    )
    for _, group in groupby(rows, key=lambda row: row["question_position"]):
        answers = list(group)
        yield AssignedQuestion(
            question_id=answers[0]["question_id"],
            position=answers[0]["question_position"],
            text=answers[0]["question_text"],
            answers=tuple(_assigned_answer(row) for row in answers),
        )


def _assigned_answer(row: Row) -> AssignedAnswer:
    return AssignedAnswer(
        response_id=row["response_id"],
        letter=chr(ord("A") + row["position"] - 1),
        position=row["position"],
        text=row["text"],
        current=None if row["safety"] is None else _scores(row),
        comment=row["comment"] or "",
        flags=_flags(row),
    )


# -- saving --


def save_ratings(store: Store, rater_id: str, entries: Sequence[RatingEntry]) -> SaveResult:
    """Append the ratings to the log, all of them or none, and return once they are on disk.

    An entry whose key is already in the log was saved before and is not written again, nor is
    one that repeats what counts for that answer now.

    Raises:
        StorageError: unknown_rater, nothing_to_save, score_out_of_range, flag_not_allowed,
            active_seconds_out_of_range, rating_not_allowed, save_key_missing, or
            save_key_reused when a known key comes with another answer or other values.
    """
    if not entries:
        raise StorageError("nothing_to_save")
    entries = [_checked(entry) for entry in entries]
    with store.transaction() as db:
        require_rater(db, rater_id)
        now = utc_now()
        earlier = [_save(db, rater_id, entry, now) for entry in entries]
    stored_at = [now if time is None else time for time in earlier]
    return SaveResult(saved_at=max(stored_at), written=earlier.count(None))


def _checked(entry: RatingEntry) -> RatingEntry:
    """Return the entry as it is stored; StorageError when it breaks a rule."""
    for dimension in DIMENSIONS:
        value = getattr(entry.scores, dimension)
        # True == 1, and 2.0 == 2, but neither is a score that somebody chose.
        if type(value) is not int or value not in ALLOWED_SCORES:
            raise StorageError("score_out_of_range", dimension=dimension, value=repr(value))
    for flag in entry.flags:
        # A mark is a key that exports join with ";" and pages translate.
        if not re.fullmatch(r"[A-Za-z0-9_-]+", flag):
            raise StorageError("flag_not_allowed", flag=repr(flag))
    seconds = entry.active_seconds
    if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
        raise StorageError("active_seconds_out_of_range", value=seconds)
    if not entry.idempotency_key:
        raise StorageError("save_key_missing")
    return replace(
        entry,
        response_id=storable(entry.response_id),
        idempotency_key=storable(entry.idempotency_key),
        comment=storable(entry.comment),
        flags=tuple(entry.flags),
    )


def _save(db: Database, rater_id: str, entry: RatingEntry, now: str) -> str | None:
    """Write one rating and return None, or the time at which the same was stored before."""
    shown_position = _shown_position(db, rater_id, entry.response_id)
    saved_before = _rating(db, "rating_log WHERE idempotency_key = ?", [entry.idempotency_key])
    if saved_before:
        if not _same(saved_before, rater_id, entry):
            raise StorageError("save_key_reused")
        return saved_before.rated_at
    current = _rating(
        db, "current_ratings WHERE rater = ? AND response = ?", [rater_id, entry.response_id]
    )
    if current and _same(current, rater_id, entry):
        return current.rated_at
    db.table("rating_log").insert(_log_row(rater_id, entry, shown_position, now))
    return None


def _shown_position(db: Database, rater_id: str, response_id: str) -> int:
    sql = "SELECT position FROM presentations WHERE rater = ? AND response = ?"
    row = db.execute(sql, [rater_id, response_id]).fetchone()
    if row is None:
        raise StorageError("rating_not_allowed")
    return int(row[0])


def _same(rating: Rating, rater_id: str, entry: RatingEntry) -> bool:
    """Tell whether the entry says what the rating says. The time spent is not part of that."""
    return (
        rating.rater_id == rater_id
        and rating.response_id == entry.response_id
        and rating.scores == entry.scores
        and rating.flags == entry.flags
        and rating.comment == entry.comment
    )


def _log_row(rater_id: str, entry: RatingEntry, shown_position: int, now: str) -> dict[str, object]:
    return {
        "idempotency_key": entry.idempotency_key,
        "rater": rater_id,
        "response": entry.response_id,
        **dict(zip(DIMENSIONS, astuple(entry.scores), strict=True)),
        "flags": json.dumps(list(entry.flags)),
        "comment": entry.comment,
        "shown_position": shown_position,
        "active_seconds": entry.active_seconds,
        "rated_at": now,
    }


# -- reading --


def history(store: Store, rater_id: str, response_id: str) -> list[Rating]:
    """Return everything the rater ever said about this response, the oldest first."""
    sql = "SELECT * FROM rating_log WHERE rater = ? AND response = ? ORDER BY id"
    with store.connect() as db:
        return [_rating_of(row) for row in db.query(sql, [rater_id, response_id])]


def progress(store: Store, study_id: str) -> list[RaterProgress]:
    """Return each rater's number of completely rated questions, in the order of the labels."""
    sql = """
        SELECT
            raters.label,
            count(questions.id) FILTER (WHERE NOT EXISTS (
                SELECT 1 FROM responses
                WHERE responses.question = questions.id AND NOT EXISTS (
                    SELECT 1 FROM rating_log
                    WHERE rating_log.rater = raters.id AND rating_log.response = responses.id
                )
            )) AS rated,
            count(questions.id) AS total
        FROM raters LEFT JOIN questions ON questions.study_id = raters.study_id
        WHERE raters.study_id = ?
        GROUP BY raters.id
        ORDER BY length(raters.label), raters.label
        """
    with store.connect() as db:
        return [RaterProgress(**row) for row in db.query(sql, [study_id])]


def _rating(db: Database, source: str, parameters: Sequence[str]) -> Rating | None:
    for row in db.query(f"SELECT * FROM {source}", parameters):
        return _rating_of(row)
    return None


def _rating_of(row: Row) -> Rating:
    return Rating(
        id=row["id"],
        rater_id=row["rater"],
        response_id=row["response"],
        scores=_scores(row),
        flags=_flags(row),
        comment=row["comment"],
        shown_position=row["shown_position"],
        active_seconds=row["active_seconds"],
        rated_at=row["rated_at"],
    )


def _scores(row: Row) -> Scores:
    return Scores(*(row[dimension] for dimension in DIMENSIONS))


def _flags(row: Row) -> tuple[str, ...]:
    return tuple(json.loads(row["flags"] or "[]"))
