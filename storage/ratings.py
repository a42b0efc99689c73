"""What raters have scored: the append-only, chained log, and what counts of it now.

Knows nothing about pages and nothing about statistics. The scores are those of the SUS scale of
the HuaTuo study: safety, usability and smoothness (called fluency here), each 1 not acceptable,
2 acceptable or 3 good. It is not the System Usability Scale.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlite_utils import Database

from medchat.scale import DIMENSIONS, SCORES
from storage.chain import SEALED, START, seal
from storage.database import Store
from storage.errors import StorageError, storage_message
from storage.ids import storable, utc_now
from storage.worklist import Scores, Span, practice_is_open, scores_of, spans_of

SPAN_KINDS = ("harmful", "wrong", "missing")
MAX_COMMENT_LENGTH = 4000
MAX_KEY_LENGTH = 200
MAX_SPANS = 50
MAX_FLAGS = 20
MAX_ACTIVE_SECONDS = 24 * 3600.0
_DIMENSION_NAMES = {
    "safety": storage_message("dimension_safety"),
    "usability": storage_message("dimension_usability"),
    "fluency": storage_message("dimension_fluency"),
}

Row = dict[str, Any]


@dataclass(frozen=True)
class RatingEntry:
    """One rating to save: scores, or (None) the reason in ``skipped`` why there are none.

    ``idempotency_key`` is new for every save the rater makes and the same when that save is
    sent again. ``flags`` are short keys such as outside_specialty. ``active_seconds`` is the
    time spent on the answer so far, None when it was not measured. ``base`` is the key of the save
    that the rater looked at ("" for nothing): where something was saved since, the entry is not;
    None saves in any case.
    """

    item: str
    scores: Scores | None
    idempotency_key: str
    comment: str = ""
    flags: Sequence[str] = ()
    spans: Sequence[Span] = ()
    skipped: str = ""
    active_seconds: float | None = None
    base: str | None = None


@dataclass(frozen=True)
class SaveResult:
    """``saved_at`` is when the values were stored (UTC), ``written`` how many rows were new."""

    saved_at: str
    written: int


@dataclass(frozen=True)
class Rating:
    """One row of the log: what a rater said about an answer at ``rated_at`` (UTC)."""

    id: int
    rater_id: str
    item: str
    response_id: str
    scores: Scores | None
    skipped: str
    flags: tuple[str, ...]
    comment: str
    spans: tuple[Span, ...]
    shown_position: int
    active_seconds: float | None
    rated_at: str


# -- saving --


def save_ratings(store: Store, rater_id: str, entries: Sequence[RatingEntry]) -> SaveResult:
    """Append the ratings to the log, all of them or none, and return once they are on disk.

    An entry whose key is already in the log was saved before and is not written again.

    Raises:
        StorageError: as ``save_in``.
    """
    with store.transaction() as db:
        return save_in(db, rater_id, entries)


def save_in(db: Database, rater_id: str, entries: Sequence[RatingEntry]) -> SaveResult:
    """``save_ratings`` inside a transaction; nothing counts before that is committed.

    Of a dry run everything is checked, and nothing is written.

    Raises:
        StorageError: unknown_rater, link_revoked, study_locked, nothing_to_save,
            score_out_of_range, score_and_skip, flag_not_allowed, comment_too_long,
            span_not_allowed, too_many_spans, active_seconds_out_of_range, rating_not_allowed,
            practice_first, save_key_missing, newer_saved, or save_key_reused when a known key comes
            with another answer or other values.
    """
    if not entries:
        raise StorageError("nothing_to_save")
    entries = [_checked(entry) for entry in entries]
    study, trial = _require_open(db, rater_id)
    now = utc_now()
    if trial:
        for entry in entries:
            _item(db, rater_id, entry)
        return SaveResult(saved_at=now, written=0)
    results = [_save(db, study, rater_id, entry, now) for entry in entries]
    return SaveResult(
        saved_at=max(saved_at for saved_at, _ in results),
        written=sum(written for _, written in results),
    )


def _require_open(db: Database, rater_id: str) -> tuple[str, bool]:
    """The id of the study of a rater who may save now, and whether it is a dry run."""
    row = db.execute(
        """
        SELECT studies.id, studies.locked_at, raters.revoked_at, studies.opened_at, raters.trial
        FROM raters JOIN studies ON studies.id = raters.study_id WHERE raters.id = ?
        """,
        [rater_id],
    ).fetchone()
    if row is None:
        raise StorageError("unknown_rater", rater=rater_id)
    study, locked_at, revoked_at, opened_at, trial = row
    if revoked_at is not None:
        raise StorageError("link_revoked")
    if opened_at is None and not trial:
        raise StorageError("study_not_open")
    if locked_at is not None:
        raise StorageError("study_locked")
    return str(study), bool(trial)


def _checked(entry: RatingEntry) -> RatingEntry:
    """Return the entry as it is stored; StorageError when it breaks a rule."""
    _check_scores(entry)
    for flag in (*entry.flags, *([entry.skipped] if entry.skipped else [])):
        # A mark is a key that exports join with ";" and pages translate.
        if not isinstance(flag, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", flag):
            raise StorageError("flag_not_allowed", flag=repr(flag)[:60])
    if len(entry.flags) > MAX_FLAGS:
        raise StorageError("flag_not_allowed", flag=f"{entry.flags[MAX_FLAGS]} …")
    for span in entry.spans:
        whole = type(span.start) is int and type(span.end) is int
        if not whole or not 0 <= span.start < span.end or span.kind not in SPAN_KINDS:
            raise StorageError("span_not_allowed")
    if len(entry.spans) > MAX_SPANS:
        raise StorageError("too_many_spans", most=MAX_SPANS)
    if len(entry.comment) > MAX_COMMENT_LENGTH:
        raise StorageError("comment_too_long", length=len(entry.comment), most=MAX_COMMENT_LENGTH)
    seconds = entry.active_seconds
    if seconds is not None:
        if not 0 <= seconds <= MAX_ACTIVE_SECONDS:  # nor is it that for what is no number
            raise StorageError("active_seconds_out_of_range", value=str(seconds)[:40])
        seconds = round(float(seconds), 3)
    if not entry.idempotency_key or len(entry.idempotency_key) > MAX_KEY_LENGTH:
        raise StorageError("save_key_missing")
    return replace(
        entry,
        item=storable(entry.item),
        idempotency_key=storable(entry.idempotency_key),
        comment=storable(entry.comment),
        flags=tuple(dict.fromkeys(entry.flags)),
        spans=tuple(entry.spans),
        active_seconds=seconds,
    )


def _check_scores(entry: RatingEntry) -> None:
    if entry.scores is None:
        if not entry.skipped:
            raise StorageError("nothing_to_save")
        return
    if entry.skipped:
        raise StorageError("score_and_skip")
    check_scores(entry.scores)


def check_scores(scores: Scores) -> None:
    """Raises StorageError score_out_of_range."""
    for dimension in DIMENSIONS:
        value = getattr(scores, dimension)
        # True == 1, and 2.0 == 2, but neither is a score that somebody chose.
        if type(value) is not int or value not in SCORES:
            name = _DIMENSION_NAMES[dimension]
            raise StorageError("score_out_of_range", dimension=name, value=repr(value)[:60])


def _save(
    db: Database, study: str, rater_id: str, entry: RatingEntry, now: str
) -> tuple[str, bool]:
    """When what the entry says was stored, and whether that was now."""
    item = _item(db, rater_id, entry)
    for row in db.query(
        "SELECT * FROM rating_log WHERE idempotency_key = ?", [entry.idempotency_key]
    ):
        saved_before = rating_of(row)
        if not _same(saved_before, rater_id, entry):
            raise StorageError("save_key_reused")
        return saved_before.rated_at, False
    if item["kind"] != "practice" and practice_is_open(db, rater_id):
        raise StorageError("practice_first")
    if entry.base is not None and entry.base != item["key"]:
        raise StorageError("newer_saved", saved_at=item["saved_at"] or "?")
    row = _log_row(study, rater_id, entry, item)
    previous, last_time = _end_of_chain(db, study)
    row["rated_at"] = max(now, last_time)  # the log's times never run back, whatever the clock does
    row["previous"], row["hash"] = previous, seal(previous, row)
    added = db.execute(_INSERT, row)
    db.execute("UPDATE items SET latest = ? WHERE id = ?", [added.lastrowid, entry.item])
    return str(row["rated_at"]), True


def _item(db: Database, rater_id: str, entry: RatingEntry) -> Row:
    """The item of an entry, which must be this rater's."""
    row = db.execute(
        """
        SELECT items.response, items.position, coalesce(responses.shown_text, responses.text),
            items.kind, coalesce(entry.rated_at, ''), coalesce(entry.idempotency_key, '')
        FROM items JOIN responses ON responses.id = items.response
        LEFT JOIN rating_log AS entry ON entry.id = items.latest
        WHERE items.id = ? AND items.rater = ?
        """,
        [entry.item, rater_id],
    ).fetchone()
    if row is None:
        raise StorageError("rating_not_allowed")
    response, position, text, kind, saved_at, key = row
    if any(span.end > len(text) for span in entry.spans):
        raise StorageError("span_not_allowed")
    return {
        "response": response,
        "position": position,
        "kind": kind,
        "saved_at": saved_at,
        "key": key,
    }


def _end_of_chain(db: Database, study: str) -> tuple[str, str]:
    """Hash and time of a study's last row."""
    row = db.execute(
        "SELECT hash, rated_at FROM rating_log WHERE study = ? ORDER BY id DESC LIMIT 1", [study]
    ).fetchone()
    return (row[0], row[1]) if row else (START, "")


_INSERTED = (*SEALED, "previous", "hash")
_INSERT = (
    f"INSERT INTO rating_log ({', '.join(_INSERTED)})"
    f" VALUES ({', '.join(f':{column}' for column in _INSERTED)})"
)


def _same(rating: Rating, rater_id: str, entry: RatingEntry) -> bool:
    """Tell whether the entry says what the rating says. The time spent is not part of that."""
    return (
        rating.rater_id == rater_id
        and rating.item == entry.item
        and rating.scores == entry.scores
        and rating.skipped == entry.skipped
        and rating.flags == tuple(entry.flags)
        and rating.comment == entry.comment
        and rating.spans == tuple(entry.spans)
    )


def _log_row(study: str, rater_id: str, entry: RatingEntry, item: Row) -> Row:
    scores = asdict(entry.scores) if entry.scores else dict.fromkeys(DIMENSIONS)
    return {
        "study": study,
        "idempotency_key": entry.idempotency_key,
        "item": entry.item,
        "rater": rater_id,
        "response": item["response"],
        **scores,
        "skipped": entry.skipped,
        "flags": json.dumps(list(entry.flags)),
        "comment": entry.comment,
        "spans": json.dumps([asdict(span) for span in entry.spans]),
        "shown_position": item["position"],
        "active_seconds": entry.active_seconds,
    }


# -- reading --


def history(store: Store, rater_id: str, item: str) -> list[Rating]:
    """Return everything the rater ever said about this answer, the oldest first."""
    sql = "SELECT * FROM rating_log WHERE rater = ? AND item = ? ORDER BY id"
    with store.connect() as db:
        return [rating_of(row) for row in db.query(sql, [rater_id, item])]


def rating_of(row: Row) -> Rating:
    """A row of the log, as ``SELECT *`` gives it."""
    return Rating(
        id=row["id"],
        rater_id=row["rater"],
        item=row["item"],
        response_id=row["response"],
        scores=scores_of(row),
        skipped=row["skipped"],
        flags=tuple(json.loads(row["flags"])),
        comment=row["comment"],
        spans=spans_of(row),
        shown_position=row["shown_position"],
        active_seconds=row["active_seconds"],
        rated_at=row["rated_at"],
    )
