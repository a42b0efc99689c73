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
    "database_gone": (
        "There was a database at {path}, and it is gone or empty. Put it back, or restore a backup "
        "(python -m storage restore BACKUP --db {path}). Only to begin with an empty one, delete "
        "{marker}."
    ),
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
    "database_in_use": (
        "{path} is open in another program, which would go on writing into the old file. End that "
        "program first; nothing was changed."
    ),
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
    "study_opened": (
        "The study has been opened for its raters: this can no longer be changed. Make a new study "
        "for another design."
    ),
    "study_empty": "The study has no questions yet. Add some first.",
    "questions_unanswered": (
        "{count} questions have no answer to rate, the first is {first}. Have the models answer "
        "them, or take them out of the study."
    ),
    "raters_per_answer_out_of_range": (
        "{value} raters per answer cannot be had. Give a whole number from 1 to {most}, or nothing "
        "for all."
    ),
    "repeats_out_of_range": (
        "{value} repeats cannot be had. Give a whole number from 0 to {most}."
    ),
    "guide_too_long": (
        "The guide has {length} characters; at most {most} can be kept. Please shorten it."
    ),
    "no_models": "No model was chosen. Choose at least one.",
    "answers_unchecked": (
        "Answers have come in since this page was drawn. Look them through, then open the study."
    ),
    "pack_blind": (
        "A packed study names the models. Unblind the study first; until then only "
        "python -m storage pack makes one."
    ),
    "unknown_answer": "There is no such answer in this study. Reload the page.",
    "mask_empty": "Write what raters are to read in place of the answer, or exclude it.",
    # -- coordinators --
    "sign_in_needed": "Only a coordinator may do this. Sign in first.",
    "sign_in_failed": "Name or password is not right.",
    "too_many_attempts": "Too many attempts have failed. Wait {seconds} seconds, then try again.",
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
    "another_rater": (
        "Another personal link was opened in this browser since. Open your own link again; what "
        "was not saved is still here."
    ),
    "practice_first": "Please finish the practice questions first.",
    "profile_first": "Please tell who you are and agree to taking part first. Reload the page.",
    "profile_known": "You have told who you are and agreed already; that is not changed any more.",
    "newer_saved": "Something newer was saved for this answer at {saved_at}. Reload the page.",
    "unknown_rater": "There is no rater {rater} in this study. Check the label.",
    "rater_count_out_of_range": (
        "{value} raters cannot be invited at once. Give a whole number from 1 to {most}."
    ),
    "remark_too_long": (
        "The line “{remark}…” is too long. Say whom a link is for in at most {most} characters."
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
    "study_unrated": "The study has no scores yet, so there is no report to save.",
    "study_is_draft": "The study is still a draft. Open it first, in the step that checks it.",
    "study_is_locked": "The study is locked. Reopen it first, in the last step.",
    "study_not_locked": "Lock the study first: then no score can follow from knowing the models.",
    "study_unblinded": "The study has been unblinded; that cannot be undone.",
    "study_not_open": "The study has not been opened yet. Try again later.",
    "score_and_skip": "An answer is either scored or skipped, not both. Nothing was saved.",
    "comment_too_long": (
        "The comment has {length} characters; at most {most} can be saved. Please shorten it."
    ),
    "too_many_spans": "An answer takes at most {most} marks. Take some away; nothing was saved.",
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
    "backup_too_slow": (
        "The backup to {path} was given up after {seconds} seconds. Choose a faster disk for "
        "backups; earlier ones are untouched."
    ),
    "backup_checksum_differs": (
        "The backup {path} was not restored: it has changed since it was made, as its SHA-256 is "
        "not the one in {checksum}. Choose another backup."
    ),
    "restore_failed": (
        "The backup could not be restored to {path} ({reason}). Free some space there or give this "
        "account write permission on the folder; the database is as it was."
    ),
    "backup_damaged": (
        "The copy of {path} does not verify and was thrown away: {reason} Earlier backups are "
        "untouched."
    ),
    # -- ends that were kept --
    "end_no_code": (
        "{given} is no end of a study. Give the code as it was shown, four groups of five letters "
        "and digits, or a whole hash of 64."
    ),
    "end_unknown": (
        "No study in this database ever ended with {given}. Either the code is of another "
        "database, or what it stands for has been changed or taken out since."
    ),
    # -- packed studies --
    "study_not_whole": (
        "The study {name} cannot be packed: {reason}. Its ratings are not as they were saved; stop "
        "the program and restore a backup."
    ),
    "study_already_here": (
        "This study is in this database already, under the name {name}. Nothing was changed; "
        "unpack the file into another database."
    ),
    "study_name_taken": (
        "This database has another study named {name}. Nothing was changed; give the arriving "
        "study another name (at the command line with --name)."
    ),
    "archive_unreadable": (
        "The file {path} cannot be read ({reason}). Check its path and its permissions."
    ),
    "archive_not_written": (
        "The packed study could not be written to {path} ({reason}). Choose another place with "
        "--output."
    ),
    "not_an_archive": (
        "The file is not a packed study, or it was not copied whole. Nothing was changed; choose "
        "the zip as it was packed."
    ),
    "archive_newer": (
        "The study was packed by a newer version of this program ({version}). Nothing was "
        "changed; update this program, then unpack the file again."
    ),
    "archive_too_large": (
        "The packed study is larger than can be taken in ({reason}). Nothing was changed; move "
        "the whole database with a backup instead."
    ),
    "archive_member_refused": (
        "The zip holds {member}, which no packed study holds in this way. Nothing was changed; "
        "choose the zip as it was packed, and do not pack it anew with another program."
    ),
    "archive_damaged": (
        "The packed study is damaged or was changed: {reason}. Nothing was changed here; have it "
        "packed and copied again."
    ),
    "archive_ids_taken": (
        "A row of {member} in the packed study is in this database already, or is there twice. "
        "Nothing was changed; have the study packed and copied again."
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
