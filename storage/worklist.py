"""What a rater may see: a list of questions, each with its answers under ids of this rater's own.

Owns the blinding: an item's id is random, and nothing that ``read_worklist``, ``outline`` or
``page`` returns names a model.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from sqlite_utils import Database

from storage.database import Store
from storage.errors import StorageError
from storage.raters import Rater, require_rater

State = Literal["open", "rated", "skipped"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """One rater's scores of one answer, each 1, 2 or 3. Checked when they are saved."""

    safety: int
    usability: int
    fluency: int


@dataclass(frozen=True)
class Span:
    """Marked text of an answer: characters ``start`` to ``end`` (not included), and why."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Feedback:
    """What a practice answer should have got, and why; told once it has been scored."""

    scores: Scores
    why_zh: str
    why_en: str


@dataclass(frozen=True)
class AssignedAnswer:
    """One answer as a blinded rater may see it, with what this rater has said about it so far.

    ``item`` is its id for this rater alone; ``position`` is the place on screen, from 1, and
    ``letter`` the same as A, B, … ``current`` is None as long as the answer has no scores, and
    ``skipped`` says why where the rater passed it over; ``saved_at`` is when that was saved (UTC),
    ``active_seconds`` the rater's time on it till then, and ``key`` that of the save.
    """

    item: str
    letter: str
    position: int
    text: str
    current: Scores | None
    skipped: str = ""
    comment: str = ""
    flags: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    saved_at: str | None = None
    active_seconds: float | None = None
    key: str | None = None
    feedback: Feedback | None = None

    @property
    def state(self) -> State:
        return "rated" if self.current else "skipped" if self.skipped else "open"


@dataclass(frozen=True)
class AssignedQuestion:
    """One question with its answers, as this rater sees them; ``place`` counts from 1.

    That a question is a silent repeat is not to be seen.
    """

    question_id: str
    place: int
    text: str
    answers: tuple[AssignedAnswer, ...]
    practice: bool = False


@dataclass(frozen=True)
class OutlineEntry:
    """A question of a rater's list: its place, and how far the rater is with its answers."""

    place: int
    state: State
    practice: bool = False


_ANSWERS = """
    SELECT
        items.id AS item, items.place, items.position, items.question, items.kind,
        questions.question_id, questions.text AS question_text,
        coalesce(responses.shown_text, responses.text) AS text,
        entry.safety, entry.usability, entry.fluency, entry.skipped, entry.comment, entry.flags,
        entry.spans, entry.rated_at, entry.active_seconds,
        entry.idempotency_key,
        key.safety AS key_safety, key.usability AS key_usability, key.fluency AS key_fluency,
        key.why_zh, key.why_en
    FROM items
    JOIN questions ON questions.id = items.question
    JOIN responses ON responses.id = items.response
    LEFT JOIN rating_log AS entry ON entry.id = items.latest
    LEFT JOIN practice_keys AS key ON key.response = items.response AND items.kind = 'practice'
    WHERE items.rater = :rater
    """
_LISTED = f"{_ANSWERS} AND items.withdrawn_at IS NULL"


def read_worklist(store: Store, rater_id: str) -> list[AssignedQuestion]:
    """Return every question of the rater's list, in order, with its answers.

    Raises:
        StorageError: unknown_rater.
    """
    with store.connect() as db:
        rater = require_rater(db, rater_id)
        rows = db.query(f"{_LISTED} ORDER BY place, items.position", {"rater": rater.id})
        return [_question(list(group)) for _, group in groupby(rows, key=lambda row: row["place"])]


def outline(db: Database, rater: Rater) -> list[OutlineEntry]:
    """Return the rater's list without any text, for the progress and the way through it."""
    rows = db.execute(
        """
        SELECT items.place, count(*), count(items.latest), count(entry.safety),
            items.kind = 'practice'
        FROM items LEFT JOIN rating_log AS entry ON entry.id = items.latest
        WHERE items.rater = ? AND items.withdrawn_at IS NULL
        GROUP BY items.place ORDER BY items.place
        """,
        [rater.id],
    )
    return [
        OutlineEntry(
            place, "open" if done < answers else "rated" if scored else "skipped", bool(practice)
        )
        for place, answers, done, scored, practice in rows
    ]


def page(db: Database, rater: Rater, place: int) -> AssignedQuestion:
    """Return one question of the rater's list.

    Raises:
        StorageError: no_such_place, practice_first.
    """
    sql = f"{_LISTED} AND items.place = :place ORDER BY items.position"
    is_possible = 1 <= place < 2**63  # what SQLite can be asked for
    rows = list(db.query(sql, {"rater": rater.id, "place": place})) if is_possible else []
    if not rows:
        raise StorageError("no_such_place", place=place)
    if rows[0]["kind"] != "practice" and not rater.trial and practice_is_open(db, rater.id):
        raise StorageError("practice_first")
    return _question(rows)


def answer_of(db: Database, rater_id: str, item: str) -> AssignedAnswer:
    """Return one answer that is, or was, on the rater's list: also what was handed over since.

    Raises:
        StorageError: rating_not_allowed.
    """
    rows = list(db.query(f"{_ANSWERS} AND items.id = :item", {"rater": rater_id, "item": item}))
    if not rows:
        raise StorageError("rating_not_allowed")
    return _answer(rows[0])


def keys_of(db: Database, rater_id: str, item: str) -> list[str]:
    """The keys of everything that the rater ever saved of an answer, the oldest first."""
    sql = "SELECT idempotency_key FROM rating_log WHERE rater = ? AND item = ? ORDER BY id"
    return [key for (key,) in db.execute(sql, [rater_id, item])]


def feedback_on(db: Database, rater_id: str, item: str) -> Feedback | None:
    """What this rater is told after scoring an answer; None unless it is for practice."""
    row = db.execute(
        """
        SELECT key.safety, key.usability, key.fluency, key.why_zh, key.why_en
        FROM items JOIN practice_keys AS key ON key.response = items.response
        WHERE items.id = ? AND items.rater = ? AND items.kind = 'practice'
        """,
        [item, rater_id],
    ).fetchone()
    return Feedback(Scores(*row[:3]), *row[3:]) if row else None


def practice_is_open(db: Database, rater_id: str) -> bool:
    """Whether a rater still has practice to do, before anything that counts."""
    sql = (
        "SELECT 1 FROM items WHERE rater = ? AND kind = 'practice' AND latest IS NULL"
        " AND withdrawn_at IS NULL LIMIT 1"
    )
    return db.execute(sql, [rater_id]).fetchone() is not None


def _question(rows: Sequence[Row]) -> AssignedQuestion:
    return AssignedQuestion(
        question_id=rows[0]["question_id"],
        place=rows[0]["place"],
        text=rows[0]["question_text"],
        answers=tuple(_answer(row) for row in rows),
        practice=rows[0]["kind"] == "practice",
    )


def _answer(row: Row) -> AssignedAnswer:
    return AssignedAnswer(
        item=row["item"],
        letter=chr(ord("A") + row["position"] - 1),
        position=row["position"],
        text=row["text"],
        current=scores_of(row),
        skipped=row["skipped"] or "",
        comment=row["comment"] or "",
        flags=tuple(json.loads(row["flags"] or "[]")),
        spans=spans_of(row),
        saved_at=row["rated_at"],
        active_seconds=row["active_seconds"],
        key=row["idempotency_key"],
        feedback=_feedback(row),
    )


def _feedback(row: Row) -> Feedback | None:
    if row["key_safety"] is None or row["rated_at"] is None:
        return None
    key = Scores(row["key_safety"], row["key_usability"], row["key_fluency"])
    return Feedback(key, row["why_zh"], row["why_en"])


def scores_of(row: Row) -> Scores | None:
    if row["safety"] is None:
        return None
    return Scores(row["safety"], row["usability"], row["fluency"])


def spans_of(row: Row) -> tuple[Span, ...]:
    return tuple(Span(**span) for span in json.loads(row["spans"] or "[]"))
