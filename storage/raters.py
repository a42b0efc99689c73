"""Raters: inviting them, recognising them, and what they tell about themselves.

Owns the personal links and the sessions in a browser that they begin. Link and session hold a
random token each; it is given away once, and only its SHA-256 is stored. Knows nothing about what a
rater rates.
"""

import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlite_utils import Database

from storage.assignment import assign
from storage.database import Store
from storage.errors import StorageError
from storage.ids import new_id, storable, utc_now
from storage.seals import parts_of_rater
from storage.studies import next_number, require_study
from storage.study_events import log_event

TOKEN_BYTES = 16
"""A link and a session hold so much randomness that no number of guesses finds one."""
MAX_RATERS_AT_ONCE = 1000
MAX_YEARS = 80
MAX_TEXT_LENGTH = 100
LINK_DAYS = 60
MAX_REMARK_LENGTH = 100
SESSION_DAYS = 30
DAYS_OF_ONE_SESSION = 1
"""A browser that opens a link again within so many days goes on with the session that it has."""
MAX_SESSIONS = 20
"""A rater has at most so many, in all browsers together; the oldest gives way to a new one."""
SEEN_AGAIN_SECONDS = 60
"""A rater's last visit is written down no more often than this."""


@dataclass(frozen=True)
class Invitation:
    """A rater's token in clear. It cannot be read again later."""

    label: str
    token: str = field(repr=False)
    remark: str = ""


@dataclass(frozen=True)
class Rater:
    """A physician in a study; ``years`` of practice is None when not told. Times are UTC.

    ``expires_at`` and ``revoked_at`` are those of the link, ``last_seen_at`` is None until it has
    been opened, and ``last_place`` is the question that was opened last. A ``trial`` is a
    coordinator's dry run; an ``adjudicator`` gets nothing but answers on which others disagree.
    ``remark`` says to coordinators, and to nobody else, whom the link was sent to.
    """

    id: str
    study_id: str
    label: str
    name: str
    specialty: str
    title: str
    years: int | None
    created_at: str
    consent_at: str | None
    expires_at: str | None
    revoked_at: str | None
    last_seen_at: str | None
    last_place: int | None
    trial: bool
    adjudicator: bool
    remark: str


@dataclass(frozen=True)
class Profile:
    """What a rater says about themselves; empty texts and None where they do not."""

    specialty: str
    title: str = ""
    years: int | None = None
    name: str = ""


_RATER_COLUMNS = ", ".join(f"raters.{column}" for column in Rater.__dataclass_fields__)


# -- links --


def invite_raters(
    store: Store,
    study_id: str,
    count: int,
    days: int | None = LINK_DAYS,
    *,
    adjudicator: bool = False,
    remarks: Sequence[str] = (),
    coordinator: str = "",
) -> list[Invitation]:
    """Add ``count`` raters to a study, labelled on from r01, and return their tokens.

    Their links hold for ``days``, or (None) for ever. An ``adjudicator`` gets nothing but answers
    on which others disagree. ``remarks`` say of the first of them who they are.

    Raises:
        StorageError: unknown_study, study_is_locked, rater_count_out_of_range, remark_too_long.
    """
    for remark in remarks:
        if len(remark) > MAX_REMARK_LENGTH:
            raise StorageError("remark_too_long", remark=remark[:20], most=MAX_REMARK_LENGTH)
    if not 1 <= count <= MAX_RATERS_AT_ONCE:
        raise StorageError("rater_count_out_of_range", value=count, most=MAX_RATERS_AT_ONCE)
    with store.transaction() as db:
        study = require_study(db, study_id)
        if study.locked_at:
            raise StorageError("study_is_locked")
        rows = db.query("SELECT label FROM raters WHERE study_id = ?", [study_id])
        first = next_number({row["label"] for row in rows}, "r")
        texts = [*map(storable, remarks), *[""] * count]
        invitations = [
            Invitation(f"r{first + number:02d}", new_token(), texts[number])
            for number in range(count)
        ]
        ids = [
            insert_rater(db, study_id, invitation, days, adjudicator=adjudicator)
            for invitation in invitations
        ]
        parts = [part for rater_id in ids for part in parts_of_rater(rater_id)]
        if study.opened_at:
            parts += assign(db, study_id)
        labels = "–".join(dict.fromkeys((invitations[0].label, invitations[-1].label)))
        log_event(db, study_id, "invited", coordinator, labels, parts=parts)
    return invitations


def insert_rater(
    db: Database,
    study_id: str,
    invitation: Invitation,
    days: int | None,
    *,
    adjudicator: bool = False,
    trial: bool = False,
) -> str:
    """Store a new rater; returns the id."""
    rater_id = new_id()
    db.table("raters").insert(
        {
            "id": rater_id,
            "study_id": study_id,
            "label": invitation.label,
            "code_hash": _hash_of(invitation.token),
            "created_at": utc_now(),
            "expires_at": _in_days(days),
            "adjudicator": int(adjudicator),
            "trial": int(trial),
            "remark": invitation.remark,
        }
    )
    return rater_id


def renew_link(
    store: Store,
    study_id: str,
    label: str,
    days: int | None = LINK_DAYS,
    coordinator: str = "",
) -> Invitation:
    """Give a rater a new link, also one whose link was revoked; the ratings stay.

    The old link stops working, and every browser in which it was opened has to open the new one.

    Raises:
        StorageError: unknown_rater.
    """
    invitation = Invitation(label, new_token())
    with store.transaction() as db:
        rater = _by_label(db, study_id, label)
        db.execute(
            "UPDATE raters SET code_hash = ?, expires_at = ?, revoked_at = NULL WHERE id = ?",
            [_hash_of(invitation.token), _in_days(days), rater.id],
        )
        _end_sessions(db, rater.id)
        log_event(db, study_id, "renewed", coordinator, label, parts=[("link", rater.id)])
    return replace(invitation, remark=rater.remark)


def revoke_link(store: Store, study_id: str, label: str, coordinator: str = "") -> None:
    """End a rater's link and every session that it began; the ratings stay.

    Raises:
        StorageError: unknown_rater.
    """
    with store.transaction() as db:
        rater = _by_label(db, study_id, label)
        db.execute("UPDATE raters SET revoked_at = ? WHERE id = ?", [utc_now(), rater.id])
        _end_sessions(db, rater.id)
        log_event(db, study_id, "revoked", coordinator, label, parts=[("link", rater.id)])


def find_rater(store: Store, token: str) -> Rater:
    """Return the rater whose link holds this token.

    Raises:
        StorageError: unknown_link, link_expired, link_revoked.
    """
    with store.connect() as db:
        return _usable(_of_link(db, token))


# -- sessions --


def begin_session(store: Store, token: str, earlier: str = "") -> tuple[Rater, str]:
    """Return the rater of a link, and a session for the browser that opened it.

    Where the browser has an ``earlier`` session of this rater since the last day, that goes on and
    nothing is written; else it gets a new one.

    Raises:
        StorageError: as ``find_rater``.
    """
    with store.connect() as db:
        rater = _usable(_of_link(db, token))
        if earlier and _goes_on(db, rater, earlier):
            return rater, earlier
    session = new_token()
    with store.transaction() as db:
        rater = _usable(_of_link(db, token))
        ends = [time for time in (_in_days(SESSION_DAYS), rater.expires_at) if time]
        db.execute("DELETE FROM rater_sessions WHERE expires_at < ?", [utc_now()])
        db.table("rater_sessions").insert(
            {
                "token_hash": _hash_of(session),
                "rater": rater.id,
                "created_at": utc_now(),
                "expires_at": min(ends),
            }
        )
        _end_oldest_sessions(db, rater.id)
    return rater, session


def _goes_on(db: Database, rater: Rater, session: str) -> bool:
    """Whether a session is this rater's and was begun within the last day."""
    sql = (
        "SELECT 1 FROM rater_sessions"
        " WHERE token_hash = ? AND rater = ? AND created_at > ? AND expires_at > ?"
    )
    values = [_hash_of(session), rater.id, _in_days(-DAYS_OF_ONE_SESSION), utc_now()]
    return db.execute(sql, values).fetchone() is not None


def _end_oldest_sessions(db: Database, rater_id: str) -> None:
    """Keep the newest of a rater: by their rows, as a clock may have been set back."""
    db.execute(
        "DELETE FROM rater_sessions WHERE rowid IN (SELECT rowid FROM rater_sessions"
        " WHERE rater = ? ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
        [rater_id, MAX_SESSIONS],
    )


def end_session(db: Database, session: str) -> bool:
    """End what ``begin_session`` began in one browser; the link goes on.

    Returns whether it was a dry run's.
    """
    trial = is_trial(db, session)
    db.execute("DELETE FROM rater_sessions WHERE token_hash = ?", [_hash_of(session)])
    return trial


def is_trial(db: Database, session: str) -> bool:
    """Whether a session in a browser is that of a dry run."""
    row = db.execute(
        "SELECT raters.trial FROM rater_sessions JOIN raters ON raters.id = rater_sessions.rater"
        " WHERE rater_sessions.token_hash = ?",
        [_hash_of(session)],
    ).fetchone()
    return bool(row and row[0])


def rater_of_session(db: Database, session: str) -> Rater:
    """Return the rater in whose browser this session was begun.

    Raises:
        StorageError: no_session, link_expired, link_revoked.
    """
    row = db.execute(
        f"SELECT {_RATER_COLUMNS}, rater_sessions.expires_at FROM rater_sessions"
        " JOIN raters ON raters.id = rater_sessions.rater WHERE rater_sessions.token_hash = ?",
        [_hash_of(session)],
    ).fetchone()
    if row is None or row[-1] < utc_now():
        raise StorageError("no_session")
    return _usable(_rater(dict(zip(Rater.__dataclass_fields__, row, strict=False))))


def is_news(rater: Rater, place: int) -> bool:
    """Whether a visit to ``place`` says more than the last one that was written down."""
    limit = (datetime.now(UTC) - timedelta(seconds=SEEN_AGAIN_SECONDS)).isoformat()
    return rater.last_seen_at is None or rater.last_seen_at < limit or rater.last_place != place


def note_visit(db: Database, rater_id: str, place: int) -> None:
    """Write down when and where the rater was last."""
    db.execute(
        "UPDATE raters SET last_seen_at = ?, last_place = ? WHERE id = ?",
        [utc_now(), place, rater_id],
    )


# -- what raters say --


def set_profile(db: Database, rater_id: str, profile: Profile, consent: str) -> None:
    """Store what a rater says about themselves, and the text that they have agreed to.

    Once: what was agreed to, and when, is not changed afterwards.

    Raises:
        StorageError: unknown_rater, profile_known, study_locked, years_out_of_range,
            profile_too_long, specialty_missing, consent_missing.
    """
    rater = require_rater(db, rater_id)
    years = profile.years
    if years is not None and not (type(years) is int and 0 <= years <= MAX_YEARS):
        raise StorageError("years_out_of_range", value=str(years)[:40], most=MAX_YEARS)
    texts = {
        name: storable(getattr(profile, name)).strip() for name in ("specialty", "title", "name")
    }
    if any(len(text) > MAX_TEXT_LENGTH for text in texts.values()):
        raise StorageError("profile_too_long", most=MAX_TEXT_LENGTH)
    if not texts["specialty"]:
        raise StorageError("specialty_missing")
    if not consent.strip():
        raise StorageError("consent_missing")
    if rater.consent_at is not None:
        raise StorageError("profile_known")
    if require_study(db, rater.study_id).locked_at is not None:
        raise StorageError("study_locked")
    db.execute(
        """
        UPDATE raters SET specialty = :specialty, title = :title, name = :name, years = :years,
            consent_text = :consent, consent_at = :now WHERE id = :id
        """,
        texts | {"years": years, "consent": storable(consent), "now": utc_now(), "id": rater_id},
    )
    if not rater.trial:
        parts = [("profile", rater_id)]
        log_event(db, rater.study_id, "agreed", rater.label, rater.label, parts=parts)


# -- reading --


def list_raters(store: Store, study_id: str) -> list[Rater]:
    """Return the raters of a study in the order of their labels, without dry runs."""
    sql = (
        f"SELECT {_RATER_COLUMNS} FROM raters WHERE study_id = ? AND trial = 0"
        " ORDER BY length(label), label"
    )
    with store.connect() as db:
        return [_rater(row) for row in db.query(sql, [study_id])]


# -- inside a connection --


def require_profile(rater: Rater) -> None:
    """Raises StorageError profile_first for who has not agreed to take part yet."""
    if rater.consent_at is None:
        raise StorageError("profile_first")


def require_rater(db: Database, rater_id: str) -> Rater:
    """Return the rater with this id; StorageError unknown_rater when there is none."""
    rater = _one(db, "raters.id = ?", [rater_id])
    if rater is None:
        raise StorageError("unknown_rater", rater=rater_id)
    return rater


def _of_link(db: Database, token: str) -> Rater | None:
    hashes = [_hash_of(token.strip()), _hash_of(_as_code(token))]
    return _one(db, "raters.code_hash IN (?, ?)", hashes)


def _as_code(token: str) -> str:
    """What the codes of earlier versions, such as K7QM-2XPA, were stored as however typed."""
    plain = unicodedata.normalize("NFKC", token).upper()
    return "".join(character for character in plain if character.isascii() and character.isalnum())


def _by_label(db: Database, study_id: str, label: str) -> Rater:
    rater = _one(db, "study_id = ? AND label = ? AND trial = 0", [study_id, label])
    if rater is None:
        raise StorageError("unknown_rater", rater=label)
    return rater


def _one(db: Database, where: str, values: Sequence[str]) -> Rater | None:
    for row in db.query(f"SELECT {_RATER_COLUMNS} FROM raters WHERE {where}", values):
        return _rater(row)
    return None


def _rater(row: dict[str, Any]) -> Rater:
    flags = {name: bool(row[name]) for name in ("trial", "adjudicator")}
    return Rater(**row | flags)


def _usable(rater: Rater | None) -> Rater:
    if rater is None:
        raise StorageError("unknown_link")
    if rater.revoked_at is not None:
        raise StorageError("link_revoked")
    if rater.expires_at is not None and rater.expires_at < utc_now():
        raise StorageError("link_expired")
    return rater


def _end_sessions(db: Database, rater_id: str) -> None:
    db.execute("DELETE FROM rater_sessions WHERE rater = ?", [rater_id])


def _in_days(days: int | None) -> str | None:
    if days is None:
        return None
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="milliseconds")


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _hash_of(token: str) -> str:
    return hashlib.sha256(storable(token).encode()).hexdigest()
