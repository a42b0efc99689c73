"""What a coordinator watches while a study runs: who is how far, and what still lacks raters.

Knows nothing of scores: until a study is unblinded, no figure of a model may be looked at.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlite_utils import Database

from medchat.scale import DIMENSIONS, SCORES
from storage.database import Store
from storage.ids import utc_now
from storage.studies import require_study

RaterState = Literal["invited", "started", "stalled", "done", "revoked", "expired"]
STALLED_DAYS = 3
"""Without a visit for so long, a rater who has not finished counts as stalled."""


@dataclass(frozen=True)
class RaterLine:
    """One rater: ``rated`` of ``total`` questions are done, repeats included, practice not;
    ``last_seen_at`` is None before the first visit."""

    label: str
    specialty: str
    state: RaterState
    rated: int
    total: int
    last_seen_at: str | None
    remark: str = ""


@dataclass(frozen=True)
class Coverage:
    """One question: how many raters have finished it, of how many who are to.

    Further raters of disputed answers are none of them: they see those answers alone.

    ``needed`` is at least what the study asks for, so that a question nobody has is a gap too.
    """

    question_id: str
    finished: int
    needed: int


@dataclass(frozen=True)
class Board:
    raters: tuple[RaterLine, ...]
    questions: tuple[Coverage, ...]

    @property
    def gaps(self) -> list[Coverage]:
        """The questions that still lack a rater's scores."""
        return [question for question in self.questions if question.finished < question.needed]


def read_board(store: Store, study_id: str) -> Board:
    """Return the state of a study.

    Raises:
        StorageError: unknown_study.
    """
    with store.connect() as db:
        db.execute("BEGIN")  # both tables of one moment
        study = require_study(db, study_id)
        _collect(db, study_id)
        least = (study.raters_per_answer or 1) if study.opened_at else 0
        return Board(_raters(db, study_id), _questions(db, study_id, least))


def score_counts(store: Store, study_id: str) -> dict[str, list[tuple[int, int, int]]]:
    """Return per dimension how many raters gave each answer 1, 2 and 3: what agreement is made of.

    The answers are in no order that tells anything, and without their models. Further raters are
    left out: they were asked only because others disagree.
    """
    columns = ", ".join(
        f"sum({dimension} = {score})" for dimension in DIMENSIONS for score in SCORES
    )
    with store.connect() as db:
        rows = db.execute(
            f"SELECT {columns} FROM current_ratings WHERE study = ? AND item NOT IN"
            " (SELECT id FROM items WHERE adjudication = 1) GROUP BY response",
            [study_id],
        ).fetchall()
    step = len(SCORES)
    return {
        dimension: [row[number * step : number * step + step] for row in rows]
        for number, dimension in enumerate(DIMENSIONS)
    }


def _collect(db: Database, study_id: str) -> None:
    """Per rater and question shown, whether every answer has been rated or skipped."""
    db.execute("DROP TABLE IF EXISTS temp.pairs")
    db.execute("CREATE TEMP TABLE pairs (rater, question, kind, finished)")
    raters = db.execute("SELECT id FROM raters WHERE study_id = ? AND trial = 0", [study_id])
    for rater in raters.fetchall():
        # One rater after the other goes along the index; all at once would sort the items.
        db.execute(
            """
            INSERT INTO pairs
            SELECT rater, question, iif(adjudication, 'further', kind),
                count(*) = count(latest)
            FROM items
            WHERE rater = ? AND kind <> 'practice' AND withdrawn_at IS NULL GROUP BY place
            """,
            rater,
        )


def _raters(db: Database, study_id: str) -> tuple[RaterLine, ...]:
    rows = db.execute(
        """
        SELECT label, remark, specialty, revoked_at, expires_at, last_seen_at,
            coalesce(finished, 0), coalesce(given, 0)
        FROM raters LEFT JOIN (
            SELECT rater, sum(finished) AS finished, count(*) AS given FROM pairs GROUP BY rater
        ) AS own ON own.rater = raters.id
        WHERE raters.study_id = ? AND raters.trial = 0 ORDER BY length(label), label
        """,
        [study_id],
    )
    return tuple(
        RaterLine(
            label,
            specialty,
            _state(revoked, expires, seen, rated, total),
            rated,
            total,
            seen,
            remark,
        )
        for label, remark, specialty, revoked, expires, seen, rated, total in rows
    )


def _state(
    revoked_at: str | None, expires_at: str | None, seen_at: str | None, rated: int, total: int
) -> RaterState:
    if total and rated == total:
        return "done"
    if revoked_at:
        return "revoked"
    if expires_at and expires_at < utc_now():
        return "expired"
    if seen_at is None:
        return "invited"
    limit = (datetime.now(UTC) - timedelta(days=STALLED_DAYS)).isoformat()
    return "stalled" if seen_at < limit else "started"


def _questions(db: Database, study_id: str, least: int) -> tuple[Coverage, ...]:
    rows = db.execute(
        """
        SELECT questions.question_id, coalesce(finished, 0), max(coalesce(given, 0), ?)
        FROM questions LEFT JOIN (
            SELECT question, sum(finished) AS finished, count(*) AS given FROM pairs
            WHERE kind = 'real' GROUP BY question
        ) AS own ON own.question = questions.id
        WHERE questions.study_id = ? AND questions.kind = 'real' ORDER BY questions.position
        """,
        [least, study_id],
    )
    return tuple(Coverage(*row) for row in rows)
