"""Raters: inviting them, recognising their codes, and what they tell about themselves.

Owns the codes. A code is shown once, when it is made, and only its SHA-256 is stored. Knows
nothing about what a rater rates, nor about sessions and links.
"""

import hashlib
import secrets
import unicodedata
from dataclasses import dataclass, field

from sqlite_utils import Database

from storage.database import Store, new_id, storable, utc_now
from storage.errors import StorageError
from storage.studies import next_number, require_study

# Without the letters and digits that are mistaken for one another: 0 and O; 1, I and L.
CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
CODE_GROUPS = 2
CODE_GROUP_LENGTH = 4

MOST_RATERS_AT_ONCE = 1000
MOST_YEARS = 80


@dataclass(frozen=True)
class Invitation:
    """A rater's code in clear, such as K7QM-2XPA. It cannot be read again later."""

    label: str
    code: str = field(repr=False)


@dataclass(frozen=True)
class Rater:
    """A physician in a study; ``years`` of practice is None when not told."""

    id: str
    study_id: str
    label: str
    specialty: str
    years: int | None
    created_at: str


_RATER_COLUMNS = "id, study_id, label, specialty, years, created_at"


# -- writing --


def invite_raters(store: Store, study_id: str, count: int) -> list[Invitation]:
    """Add ``count`` raters to a study, labelled on from r01, and return their codes.

    Raises:
        StorageError: unknown_study, rater_count_out_of_range.
    """
    if not 1 <= count <= MOST_RATERS_AT_ONCE:
        raise StorageError("rater_count_out_of_range", value=count, most=MOST_RATERS_AT_ONCE)
    with store.transaction() as db:
        require_study(db, study_id)
        rows = db.query("SELECT label FROM raters WHERE study_id = ?", [study_id])
        first = next_number({row["label"] for row in rows}, "r")
        invitations = [
            Invitation(f"r{number:02d}", _new_code()) for number in range(first, first + count)
        ]
        db.table("raters").insert_all(_rater_row(study_id, each) for each in invitations)
    return invitations


def renew_code(store: Store, study_id: str, label: str) -> Invitation:
    """Give a rater a new code; the old one stops working, the ratings stay.

    Raises:
        StorageError: unknown_rater.
    """
    invitation = Invitation(label, _new_code())
    with store.transaction() as db:
        changed = db.execute(
            "UPDATE raters SET code_hash = ? WHERE study_id = ? AND label = ?",
            [_hash_of(invitation.code), study_id, label],
        )
        if not changed.rowcount:
            raise StorageError("unknown_rater", rater=label)
    return invitation


def set_profile(store: Store, rater_id: str, specialty: str, years: int | None) -> None:
    """Store what a rater says about themselves; ``years`` of practice, None when not told.

    Raises:
        StorageError: unknown_rater, years_out_of_range.
    """
    if years is not None and not (isinstance(years, int) and 0 <= years <= MOST_YEARS):
        raise StorageError("years_out_of_range", value=years, most=MOST_YEARS)
    with store.transaction() as db:
        require_rater(db, rater_id)
        db.table("raters").update(
            rater_id, {"specialty": storable(specialty).strip(), "years": years}
        )


# -- reading --


def find_rater(store: Store, code: str) -> Rater:
    """Return the rater whose code this is, however it was typed.

    Upper and lower case, spaces, dashes and full-width characters make no difference.

    Raises:
        StorageError: unknown_rater_code.
    """
    sql = f"SELECT {_RATER_COLUMNS} FROM raters WHERE code_hash = ?"
    with store.connect() as db:
        for row in db.query(sql, [_hash_of(code)]):
            return Rater(**row)
    raise StorageError("unknown_rater_code")


def list_raters(store: Store, study_id: str) -> list[Rater]:
    """Return the raters of a study in the order of their labels."""
    sql = f"SELECT {_RATER_COLUMNS} FROM raters WHERE study_id = ? ORDER BY length(label), label"
    with store.connect() as db:
        return [Rater(**row) for row in db.query(sql, [study_id])]


# -- inside a connection --


def require_rater(db: Database, rater_id: str) -> Rater:
    """Return the rater with this id; StorageError unknown_rater when there is none."""
    for row in db.query(f"SELECT {_RATER_COLUMNS} FROM raters WHERE id = ?", [rater_id]):
        return Rater(**row)
    raise StorageError("unknown_rater", rater=rater_id)


def _rater_row(study_id: str, invitation: Invitation) -> dict[str, object]:
    return {
        "id": new_id(),
        "study_id": study_id,
        "label": invitation.label,
        "code_hash": _hash_of(invitation.code),
        "created_at": utc_now(),
    }


def _new_code() -> str:
    """Return a random code; 8 of 31 characters are about 40 bits."""
    groups = (
        "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_GROUP_LENGTH))
        for _ in range(CODE_GROUPS)
    )
    return "-".join(groups)


def _hash_of(code: str) -> str:
    return hashlib.sha256(_normalised(code).encode()).hexdigest()


def _normalised(code: str) -> str:
    """Return the code's letters and digits in upper case, full-width ones made plain."""
    plain = unicodedata.normalize("NFKC", code).upper()
    return "".join(character for character in plain if character.isascii() and character.isalnum())
