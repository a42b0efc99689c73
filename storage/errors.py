"""What can go wrong in storage; owns the translation of SQLite's own errors.

The sentences lie in ``messages.toml``. Knows nothing about tables and pages.
"""

import sqlite3
from pathlib import Path

from medchat.errors import MedchatError, Message, catalogue_beside

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
_WITH_SQLITES_WORDS = ("disk_error", "database_damaged", "database_cannot_open", "database_error")


class StorageError(MedchatError):
    """The database refused: its sentence is in ``storage/messages.toml``."""

    catalogue = catalogue_beside(__file__)


def storage_message(code: str, *, remainder: object = "", **details: object) -> Message:
    """A sentence or phrase of ``storage/messages.toml`` that is not raised."""
    return Message(code, details, remainder, StorageError.catalogue)


def from_sqlite(error: sqlite3.Error, path: Path) -> StorageError:
    """Return the sentence for an error that SQLite raised on the database at ``path``."""
    # Errors raised by Python's driver itself carry no SQLite code. The low byte of an extended
    # code is the primary one: SQLITE_BUSY_SNAPSHOT is still SQLITE_BUSY.
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    code = _CODE_OF_SQLITE_ERROR.get(primary, "database_error")
    if code == "database_cannot_open" and not path.exists():
        code = "database_missing"
    if code in _WITH_SQLITES_WORDS:
        return StorageError(code, path=path, remainder=error)
    return StorageError(code, path=path)
