"""Copies of the database while it is in use, each proven before it counts, the oldest removed."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from storage.database import Store
from storage.errors import StorageError, from_sqlite
from storage.verification import verify

KEPT = 10
"""Backups that stay when another is made."""
IN_USE_SECONDS = 2.0
"""A program that only reads is done by then."""
PAGES_AT_ONCE = 500
"""Of a copy; between them, others may write."""


def backup(store: Store, folder: Path, keep: int = KEPT) -> Path:
    """Copy the database into ``folder``, verify the copy, and remove all but the newest ``keep``.

    Raises:
        StorageError: backup_failed when it cannot be written, backup_damaged when what was copied
            does not verify; the backups that were there before then stay.
    """
    name = f"{store.path.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z.db"
    target, partial = folder / name, folder / f"{name}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy(store.path, partial)
        if problems := verify(Store(partial, must_exist=True)):
            raise StorageError("backup_damaged", path=store.path, reason=problems[0])
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(target)
    except OSError as error:
        raise StorageError("backup_failed", path=folder, reason=error.strerror) from error
    except sqlite3.DatabaseError as error:
        raise from_sqlite(error, partial) from error
    finally:
        for leftover in folder.glob(f"{name}.partial*"):
            leftover.unlink(missing_ok=True)
    for old in backups(store.path, folder)[:-keep]:
        old.unlink(missing_ok=True)
    return target


class BackupTimer:
    """Backs a database up every ``hours`` while the program runs, if anything has changed.

    ``complain`` is told what went wrong; the next try follows as if nothing had.
    """

    def __init__(
        self, store: Store, folder: Path, hours: float, complain: Callable[[str], None]
    ) -> None:
        self._store, self._folder, self._complain = store, folder, complain
        self._seconds = hours * 3600
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage-backup", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            try:
                if self._changed():
                    backup(self._store, self._folder)
            except (StorageError, OSError) as error:  # a file may go while it is looked at
                self._complain(str(error))

    def _changed(self) -> bool:
        """Whether anything was written since the last backup, as the files' times tell."""
        made = backups(self._store.path, self._folder)
        path = self._store.path
        files = [path, path.with_name(f"{path.name}-wal")]
        written = max(file.stat().st_mtime for file in files if file.exists())
        return not made or made[-1].stat().st_mtime < written


def backups(database: Path, folder: Path) -> list[Path]:
    """Return the backups of a database, the oldest first."""
    return sorted(folder.glob(f"{database.stem}-*Z.db"))


def restore(source: Path, database: Path) -> Path | None:
    """Put a verified copy of ``source`` in the place of ``database``.

    What was there is kept beside it; returns where.

    Raises:
        StorageError: database_missing, backup_damaged, database_in_use where another program has
            it open, or as ``Store``.
    """
    if not source.is_file():
        raise StorageError("database_missing", path=source)
    fresh = database.with_name(f"{database.name}.restoring")
    aside: Path | None = None
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        _copy(source, fresh)
        _require_ratings(fresh, source)
        if problems := verify(Store(fresh, must_exist=True)):
            raise StorageError("backup_damaged", path=source, reason=problems[0])
        if database.exists():
            _require_unused(database)
            aside = database.with_name(f"{database.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}Z")
            _copy(database, aside)
        for name in (database.name, f"{database.name}-wal", f"{database.name}-shm"):
            database.with_name(name).unlink(missing_ok=True)
        fresh.replace(database)
    except OSError as error:
        raise StorageError("backup_failed", path=database, reason=error.strerror) from error
    except sqlite3.DatabaseError as error:
        raise from_sqlite(error, source) from error
    finally:
        for leftover in database.parent.glob(f"{fresh.name}*"):
            leftover.unlink(missing_ok=True)
    return aside


def _require_unused(database: Path) -> None:
    """Whoever has the old file open would go on writing into it when it is gone.

    SQLite leaves the write-ahead log only for who is alone with a database.
    """
    with closing(sqlite3.connect(database, timeout=IN_USE_SECONDS)) as connection:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return  # too damaged to be in use
            mode = "wal"
        except sqlite3.DatabaseError:
            return
    if mode == "wal":
        raise StorageError("database_in_use", path=database)


def _require_ratings(copy: Path, source: Path) -> None:
    """An empty file is an empty database to SQLite, and would replace a study by nothing."""
    with closing(sqlite3.connect(copy)) as connection:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rating_log'")
        if found.fetchone() is None:
            raise StorageError("not_a_database", path=source)


def _copy(source: Path, target: Path) -> None:
    """All of a database, as of one moment, also what is still in its write-ahead log."""
    target.unlink(missing_ok=True)
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=Store.busy_timeout_seconds)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new, pages=PAGES_AT_ONCE)
