"""What a database has lost since a backup of it was made: the ends that the backup holds must be
in its chains still. Reads the backups, and changes nothing.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from storage.backup import backups
from storage.database import Store
from storage.errors import StorageError

COMPARED = 3
"""Of the newest backups."""
_CHAINS = {"rating_log": "ratings", "study_events": "events"}


def compared_backups(store: Store, folder: Path) -> list[Path]:
    """Return the newest backups of this very database, the newest first.

    Raises:
        StorageError: backup_failed where the folder cannot be read.
    """
    try:
        return backups(store.path, folder)[: -COMPARED - 1 : -1]
    except OSError as error:
        raise StorageError("backup_failed", path=folder, reason=error.strerror) from error


def losses_since_backups(store: Store, folder: Path) -> list[str]:
    """Return a sentence for every study that is shorter than, or another than, in a backup.

    Raises:
        StorageError: as ``compared_backups``, or the database cannot be read.
    """
    problems: list[str] = []
    with store.connect() as db:
        db.execute("BEGIN")
        for backup in compared_backups(store, folder):
            try:
                problems += _losses(db, backup)
            except sqlite3.DatabaseError as error:
                problems.append(f"The backup {backup} cannot be read: {error}.")
    return problems


def _losses(db: Database, backup: Path) -> Iterator[str]:
    uri = f"{backup.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as old:
        for study, name in old.execute("SELECT id, name FROM studies ORDER BY name"):
            if not db["studies"].count_where("id = ?", [study]):
                yield f"The study {name} is in the backup {backup.name}, and here no more."
                continue
            for table, things in _CHAINS.items():
                yield from _shorter(db, old, table, study, f"{things} of {name}", backup.name)


def _shorter(
    db: Database, old: sqlite3.Connection, table: str, study: str, things: str, backup: str
) -> Iterator[str]:
    if table == "study_events" and "hash" not in _columns(old, table):
        return  # made before events were chained
    before, end = old.execute(
        f"SELECT count(*), (SELECT hash FROM {table} WHERE study = ? ORDER BY id DESC LIMIT 1)"
        f" FROM {table} WHERE study = ?",
        [study, study],
    ).fetchone()
    if not before:
        return
    now = db[table].count_where("study = ?", [study])
    up_to_end = f"study = ? AND id <= (SELECT id FROM {table} WHERE study = ? AND hash = ?)"
    if now < before:
        yield (
            f"There were {before} {things} in the backup {backup}; now there are {now}. (After an "
            "older backup was restored, this is what was lost by that.)"
        )
    elif db[table].count_where(up_to_end, [study, study, end]) != before:
        yield f"The first {before} {things} are not those of the backup {backup}."


def _columns(old: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
