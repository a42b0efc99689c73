"""What a database has lost since a backup of it was made: the ends that the backup holds must be
in its chains still. Reads the backups, and changes nothing.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from medchat.errors import Message
from storage.backup import list_backups
from storage.database import Store
from storage.errors import StorageError, storage_message

MAX_COMPARED = 3
"""So many of the newest backups are compared."""
_CHAINS = {
    "rating_log": ("fewer_ratings_than_backup", "other_ratings_than_backup"),
    "study_events": ("fewer_events_than_backup", "other_events_than_backup"),
}
"""By table, the codes for a chain that is shorter and for one that is another."""


def compared_backups(store: Store, folder: Path) -> list[Path]:
    """Return the newest backups of this very database, the newest first.

    Raises:
        StorageError: backup_failed where the folder cannot be read.
    """
    try:
        return list_backups(store.path, folder)[: -MAX_COMPARED - 1 : -1]
    except OSError as error:
        raise StorageError(
            "backup_failed", path=folder, remainder=error.strerror or error
        ) from error


def losses_since_backups(store: Store, folder: Path) -> list[Message]:
    """Return a message for every study that is shorter than, or another than, in a backup.

    Raises:
        StorageError: as ``compared_backups``, or the database cannot be read.
    """
    problems: list[Message] = []
    with store.connect() as db:
        db.execute("BEGIN")
        for backup in compared_backups(store, folder):
            try:
                problems += _losses(db, backup)
            except sqlite3.DatabaseError as error:
                problems.append(
                    storage_message("backup_unreadable", backup=backup, remainder=error)
                )
    return problems


def _losses(db: Database, backup: Path) -> Iterator[Message]:
    uri = f"{backup.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as old:
        for study, name in old.execute("SELECT id, name FROM studies ORDER BY name"):
            if not db["studies"].count_where("id = ?", [study]):
                yield storage_message("study_lost", name=name, backup=backup.name)
                continue
            for table in _CHAINS:
                yield from _shorter(db, old, table, study, name, backup.name)


def _shorter(
    db: Database, old: sqlite3.Connection, table: str, study: str, name: str, backup: str
) -> Iterator[Message]:
    if table == "study_events" and "hash" not in _columns(old, table):
        return  # made before events were chained
    before, end = old.execute(
        f"SELECT count(*), (SELECT hash FROM {table} WHERE study = ? ORDER BY id DESC LIMIT 1)"
        f" FROM {table} WHERE study = ?",
        [study, study],
    ).fetchone()
    if not before:
        return
    fewer, other = _CHAINS[table]
    now = db[table].count_where("study = ?", [study])
    up_to_end = f"study = ? AND id <= (SELECT id FROM {table} WHERE study = ? AND hash = ?)"
    if now < before:
        yield storage_message(fewer, name=name, backup=backup, before=before, now=now)
    elif db[table].count_where(up_to_end, [study, study, end]) != before:
        yield storage_message(other, name=name, backup=backup, before=before)


def _columns(old: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
