"""Copying a database whole, and verifying the copy: what backups and restoring share."""

import errno
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from storage.database import Store
from storage.errors import StorageError, from_sqlite
from storage.verification import verify

MAX_COPY_SECONDS = 300.0
"""A copy that takes longer is given up: while it is made, the write-ahead log only grows."""
PAGES_PER_STEP = 500
"""Pages that are copied between two looks at the clock."""


def copy_database(source: Path, target: Path, *, wal: bool) -> None:
    """All of a database, as of one moment; with what is still in its write-ahead log, if ``wal``.

    Raises:
        StorageError: backup_too_slow, or what is wrong with ``source``.
        OSError: ``target`` cannot be written.
    """
    deadline = time.monotonic() + MAX_COPY_SECONDS

    def give_up_when_late(status: int, remaining: int, total: int) -> None:
        if time.monotonic() > deadline:
            raise StorageError(
                "backup_too_slow",
                path=target.parent,
                seconds=f"{MAX_COPY_SECONDS:.0f}",
            )

    uri = f"{source.absolute().as_uri()}?mode=ro" + ("" if wal else "&immutable=1")
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=Store.busy_timeout_seconds)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            # A read transaction of its own keeps the copy at one moment. Without it, SQLite
            # begins again from the first page whenever somebody else has written.
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_master").fetchone()
            new.execute("PRAGMA synchronous = OFF")  # the file is synced as a whole afterwards
            old.backup(new, pages=PAGES_PER_STEP, progress=give_up_when_late)
    except sqlite3.DatabaseError as error:
        refusal = from_sqlite(error, source)
        if refusal.code in ("disk_full", "disk_error", "database_readonly"):
            raise OSError(errno.EIO, str(error)) from error
        raise refusal from error


def verify_copy(copy: Path, source: Path) -> None:
    """Raise StorageError about ``source`` unless its ``copy`` verifies and is one single file.

    Raises OSError when the disk does not take what verifying writes.
    """
    try:
        problems = verify(Store(copy, must_exist=True), indexes=False)
        # Into the one file, also what a migration of an older backup has written.
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError as error:
        raise from_sqlite(error, source) from error
    except StorageError as error:
        if error.code in ("disk_full", "disk_error"):
            raise OSError(errno.EIO, str(error.remainder)) from error
        details = error.details | {"path": source}
        raise StorageError(error.code, remainder=error.remainder, **details) from error
    if problems:
        raise StorageError("backup_damaged", path=source, problem=problems[0])
