"""Locking and unblinding a study, and what its models are called until then.

A study is locked first, so that no score can follow the knowledge of whose answer it is; only then
can it be unblinded, and that cannot be undone. Both are logged with the name of who did it.
"""

import hashlib
import string

from sqlite_utils import Database

from storage.database import Store
from storage.errors import StorageError
from storage.ids import utc_now
from storage.latin_square import balanced_order
from storage.studies import Study, require_study
from storage.study_events import log_event, require_running


def lock_study(store: Store, study_id: str, coordinator: str) -> Study:
    """End the rating: from now on no score is saved.

    Raises:
        StorageError: unknown_study, study_is_draft, study_is_locked.
    """
    with store.transaction() as db:
        require_study(db, study_id)
        require_running(db, study_id)
        _set_state(db, study_id, "locked", coordinator, "locked_at = :now")
        return require_study(db, study_id)


def reopen_study(store: Store, study_id: str, coordinator: str) -> Study:
    """Let raters go on with a locked study that is still blind.

    Raises:
        StorageError: unknown_study, study_not_locked, study_unblinded.
    """
    with store.transaction() as db:
        _require_locked_and_blind(db, study_id)
        _set_state(db, study_id, "reopened", coordinator, "locked_at = NULL")
        return require_study(db, study_id)


def unblind_study(store: Store, study_id: str, coordinator: str) -> Study:
    """Give the models their names in reports and exports, for good.

    Raises:
        StorageError: unknown_study, study_not_locked, study_unblinded.
    """
    with store.transaction() as db:
        _require_locked_and_blind(db, study_id)
        _set_state(db, study_id, "unblinded", coordinator, "unblinded_at = :now")
        return require_study(db, study_id)


def _set_state(db: Database, study_id: str, event: str, coordinator: str, change: str) -> None:
    """Change a study's state, and seal it with the end of its ratings."""
    now = utc_now()
    db.execute(f"UPDATE studies SET {change} WHERE id = :study", {"now": now, "study": study_id})
    parts = [("state", study_id)]
    log_event(db, study_id, event, coordinator, parts=parts, with_ratings=True, at=now)


def shown_names(db: Database) -> dict[tuple[str, str], str]:
    """What each (study's id, model) is called: its name once unblinded, else a letter."""
    names: dict[tuple[str, str], str] = {}
    models: dict[str, list[str]] = {}
    rows = db.execute(
        "SELECT DISTINCT questions.study_id, responses.model FROM responses"
        " JOIN questions ON questions.id = responses.question"
        " WHERE questions.kind = 'real' ORDER BY 1, 2"
    )
    for study, model in rows:
        models.setdefault(study, []).append(model)
    for study, seed, unblinded_at in db.execute("SELECT id, seed, unblinded_at FROM studies"):
        names_of_study = models.get(study, [])
        shuffled = balanced_order(names_of_study, 0, f"{seed}/{study}/names")
        letters = {model: _letter(number) for number, model in enumerate(shuffled)}
        names |= {
            (study, model): model if unblinded_at else letters[model] for model in names_of_study
        }
    return names


# -- ids of answers --


def with_shown_ids(db: Database) -> Database:
    """Let the SQL of a connection ask for ``shown_id(STUDY, RESPONSE)``: what an answer is called.

    That is its id once its study is unblinded. Until then it is another one, from which nobody
    can tell the first: the pages of a draft, which name the models, have a third.
    """
    keys = dict(
        db.execute("SELECT id, iif(unblinded_at IS NULL, blind_key, '') FROM studies").fetchall()
    )
    ids: dict[str, str] = {}

    def shown_id(study: str, response: str) -> str:
        if response not in ids:
            key = keys[study]
            ids[response] = _other_id(key, "export", response) if key else response
        return ids[response]

    db.conn.create_function("shown_id", 2, shown_id, deterministic=True)
    return db


def draft_id(study: Study, response: str) -> str:
    """What an answer is called on the pages of a draft, where it stands beside its model's name."""
    return _other_id(study.blind_key, "draft", response)


def _other_id(key: str, purpose: str, response: str) -> str:
    """An id that only who knows the key can tell from the answer's own: keyed BLAKE2b."""
    return hashlib.blake2b(
        response.encode(), key=bytes.fromhex(key), person=purpose.encode(), digest_size=16
    ).hexdigest()


def _require_locked_and_blind(db: Database, study_id: str) -> None:
    study = require_study(db, study_id)
    if study.unblinded_at:
        raise StorageError("study_unblinded")
    if not study.locked_at:
        raise StorageError("study_not_locked")


def _letter(number: int) -> str:
    """A, B, … Z, A2, B2, …"""
    turn, index = divmod(number, len(string.ascii_uppercase))
    return string.ascii_uppercase[index] + (str(turn + 1) if turn else "")
