"""What can go wrong in storage, in sentences for the person at the screen.

Owns the list of failures: a stable code for each, its English sentence, and the translation of
SQLite's own errors into these. Knows nothing about tables, pages or other languages: the page
says the same in Chinese by looking up ``error.code`` and filling in ``error.details``.
"""

import sqlite3
from pathlib import Path

# Each sentence says what happened, where, and what to do. The words in braces are the keys of
# ``StorageError.details``.
MESSAGES = {
    # -- the database file --
    "database_missing": "There is no database at {path}. Check the path that was given with --db.",
    "database_cannot_open": (
        "The database {path} cannot be opened ({reason}). Check that it is a file in an existing "
        "folder, and that this account may read and write both."
    ),
    "database_readonly": (
        "The database {path} is read-only, so nothing can be saved. Give this account write "
        "permission on the file and on its folder."
    ),
    "database_busy": (
        "Nothing was saved: another program has been writing to the database {path} for too "
        "long. Close that program, then try again."
    ),
    "disk_full": (
        "Nothing was saved: the disk that holds the database {path} is full. Free some space, "
        "then try again."
    ),
    "disk_error": (
        "The disk that holds the database {path} failed to read or write ({reason}). Check the "
        "disk before you go on."
    ),
    "not_a_database": (
        "The file {path} is not a database. Choose another path; this file was left as it is."
    ),
    "database_foreign": (
        "The database {path} belongs to another program. Choose another path; this file was "
        "left as it is."
    ),
    "database_newer": (
        "The database {path} was made by a newer version of this program (it has the changes "
        "{migrations}). Install that version; the file was left as it is."
    ),
    "database_damaged": (
        "The database {path} is damaged ({reason}). Stop the program and restore a backup."
    ),
    "database_error": "The database {path} refused the request: {reason}.",
    "database_closed": "The program is shutting down; nothing more is saved to {path}.",
    # -- studies --
    "study_name_empty": "A study needs a name.",
    "study_exists": "There is already a study named {name}. Choose another name.",
    "unknown_study": "There is no study {study}. Check its name.",
    "seed_out_of_range": "The seed {value} cannot be used. Give a whole number from 0 to {most}.",
    "question_empty": "The question is empty. Write a question first.",
    "question_exists": (
        "The study already has a question {question_id}. Give this one another number."
    ),
    "no_responses": "The question has no answers. Have at least one model answer it first.",
    "too_many_responses": (
        "The question has {count} answers. At most {most} can be rated side by side."
    ),
    "duplicate_model": "The model {model} answers the same question twice. Keep one answer.",
    # -- coordinators --
    "sign_in_needed": "Only a coordinator may do this. Sign in first.",
    "sign_in_failed": "Name or password is not right. Nothing was changed.",
    "too_many_attempts": "Too many attempts have failed. Wait {minutes} minutes, then try again.",
    "unknown_coordinator": "There is no coordinator {name}. Check the name.",
    "coordinator_exists": "There is already a coordinator {name}. Choose another name.",
    "coordinator_name_empty": "A coordinator needs a name.",
    "password_too_short": "The password is too short. Choose one of at least {least} characters.",
    "text_too_long": "Name and password may have at most {most} characters each.",
    # -- raters --
    "unknown_link": (
        "This personal link is not known. Check that it was copied whole, or ask the study "
        "coordinator for a new one."
    ),
    "link_expired": "This personal link has expired. Ask the study coordinator to renew it.",
    "link_revoked": (
        "This personal link has been withdrawn. Scores that were saved before are kept; ask the "
        "study coordinator if this is a mistake."
    ),
    "no_session": "This browser is not signed in to a study. Open your personal link again.",
    "profile_too_long": "An entry is too long. Write at most {most} characters.",
    "specialty_missing": "Please name your specialty.",
    "consent_missing": "Please agree to taking part first.",
    "no_such_place": "There is no question {place} in your list. Reload the page.",
    "unknown_rater": "There is no rater {rater} in this study. Check the label.",
    "rater_count_out_of_range": (
        "{value} raters cannot be invited at once. Give a whole number from 1 to {most}."
    ),
    "years_out_of_range": (
        "{value} years of practice cannot be right. Give a whole number from 0 to {most}."
    ),
    # -- ratings --
    "score_out_of_range": (
        "The score {value} for {dimension} cannot be saved. Choose 1, 2 or 3; nothing was saved."
    ),
    "rating_not_allowed": (
        "This answer is not among those that you were asked to rate. Reload the page; nothing "
        "was saved."
    ),
    "study_locked": (
        "The study is locked: no more scores can be saved. Those saved before are kept."
    ),
    "study_not_locked": "Lock the study first: then no score can follow from knowing the models.",
    "study_unblinded": "The study has been unblinded; that cannot be undone.",
    "study_not_open": "The study has not been opened yet. Try again later.",
    "score_and_skip": "An answer is either scored or skipped, not both. Nothing was saved.",
    "comment_too_long": (
        "The comment has {length} characters; at most {most} can be saved. Please shorten it."
    ),
    "span_not_allowed": (
        "The marked text does not fit the answer. Reload the page and mark it again; nothing was "
        "saved."
    ),
    "nothing_to_save": "There is no rating to save. Choose the scores first.",
    "flag_not_allowed": (
        "The mark {flag} cannot be saved: a mark is made of the letters a-z, digits, '_' and "
        "'-'. Nothing was saved."
    ),
    "active_seconds_out_of_range": (
        "The time {value} spent on the answer cannot be right. Reload the page; nothing was saved."
    ),
    "save_key_missing": "The page sent a rating without its key. Reload the page.",
    "save_key_reused": (
        "The page sent two different ratings under one key. Reload the page, then check the "
        "scores; nothing was saved."
    ),
    # -- backups --
    "backup_failed": (
        "The backup could not be written to {path} ({reason}). Free some space there or choose "
        "another folder; earlier backups are untouched."
    ),
    "backup_damaged": (
        "The copy of {path} does not verify and was thrown away: {reason} Earlier backups are "
        "untouched."
    ),
    # -- export --
    "export_failed": (
        "The scores could not be written to {path} ({reason}). Choose another place with --output."
    ),
}

_CODE_OF_SQLITE_ERROR = {
    sqlite3.SQLITE_READONLY: "database_readonly",
    sqlite3.SQLITE_PERM: "database_readonly",
    sqlite3.SQLITE_BUSY: "database_busy",
    sqlite3.SQLITE_LOCKED: "database_busy",
    sqlite3.SQLITE_FULL: "disk_full",
    sqlite3.SQLITE_IOERR: "disk_error",
    sqlite3.SQLITE_NOTADB: "not_a_database",
    sqlite3.SQLITE_CORRUPT: "database_damaged",
    sqlite3.SQLITE_CANTOPEN: "database_cannot_open",
}


class StorageError(Exception):
    """A failure whose text is shown to the user as it is.

    ``code`` is one of the keys of ``MESSAGES`` and never changes its meaning; ``details`` holds
    the values of that sentence's placeholders.
    """

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        self.details = {name: str(value) for name, value in details.items()}
        super().__init__(MESSAGES[code].format(**self.details))


def from_sqlite(error: sqlite3.Error, path: Path) -> StorageError:
    """Return the sentence for an error that SQLite raised on the database at ``path``."""
    # Errors raised by Python's driver itself carry no SQLite code. The low byte of an extended
    # code is the primary one: SQLITE_BUSY_SNAPSHOT is still SQLITE_BUSY.
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    code = _CODE_OF_SQLITE_ERROR.get(primary, "database_error")
    if code == "database_cannot_open" and not path.exists():
        code = "database_missing"
    return StorageError(code, path=path, reason=error)
