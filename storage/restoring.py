"""Going back to a backup, so that at every moment a whole database is there and nothing is lost.

The order matters. The backup is copied and verified beside the database; what was there is copied
aside and is on the disk; only then one rename puts the new file in its place.
"""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from storage.backup import TIME_FORMAT
from storage.copying import copy_database, verify_copy
from storage.database import companions
from storage.durable_files import (
    checksum_of,
    create_empty,
    fits_checksum,
    sync,
    sync_folder,
    working_in,
)
from storage.errors import StorageError, from_sqlite

IN_USE_SECONDS = 2.0
"""A program that only reads is done by then."""
TOO_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""SQLite's errors on a database that nobody can be using."""


def restore(source: Path, database: Path) -> Path | None:
    """Put a verified copy of ``source`` in the place of ``database``.

    What was there is kept beside it; returns where. A kill at any moment leaves the old or the
    new database.

    Raises:
        StorageError: database_missing, backup_checksum_differs, backup_damaged, restore_failed,
            database_in_use where another program has it open, or as ``Store``.
    """
    if not source.is_file():
        raise StorageError("database_missing", path=source)
    database = Path(os.path.realpath(database))  # a link stays a link, to the new file
    now = datetime.now(UTC)
    fresh = database.with_name(f"{database.name}.restoring-{now:{TIME_FORMAT}}")
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with working_in(database.parent, _leftovers(database)):
            try:
                _write_fresh(source, fresh, database)
                return _replace(fresh, database)
            finally:
                for leftover in (fresh, *companions(fresh)):
                    leftover.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            "restore_failed", path=database, remainder=error.strerror or error
        ) from error


def _write_fresh(source: Path, fresh: Path, database: Path) -> None:
    """A verified copy of the backup, on the disk."""
    has_checksum = checksum_of(source).exists()
    if has_checksum and not fits_checksum(source):
        raise StorageError("backup_checksum_differs", path=source, checksum=checksum_of(source))
    create_empty(fresh, database if database.exists() else source)
    # The checksum is that of the file alone. Where nothing is beside it either, SQLite need not
    # make anything there, as it could not on a medium that is read-only.
    alone = has_checksum or not any(path.exists() for path in companions(source))
    copy_database(source, fresh, wal=not alone)
    _require_ratings(fresh, source)
    verify_copy(fresh, source)
    sync(fresh)


def _require_ratings(copy: Path, source: Path) -> None:
    """An empty file is an empty database to SQLite, and would replace a study by nothing."""
    with closing(sqlite3.connect(copy)) as connection:
        rows = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rating_log'")
        if rows.fetchone() is None:
            raise StorageError("not_a_database", path=source)


def _replace(fresh: Path, database: Path) -> Path | None:
    """Let ``fresh`` take the place of the database; returns where what was there is now."""
    with _locked(database), ExitStack() as streams:
        aside = _copy_aside(database, streams)
        # What is left of the old one would be applied to the new one. It is in the copy by now.
        for leftover in companions(database):
            leftover.unlink(missing_ok=True)
        fresh.replace(database)
        sync_folder(database.parent)
    return aside


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Have the database alone, all of it in its one file, as long as the block runs.

    Whoever has the old file open would go on writing into it when it is gone. SQLite leaves the
    write-ahead log only for who is alone with a database, and refuses to take it up again on a
    file that has been replaced: so nobody can slip in between.
    """
    if not database.exists() or not database.stat().st_size:
        yield  # beside an empty file, SQLite would remove the write-ahead log
        return
    connection = sqlite3.connect(database, timeout=IN_USE_SECONDS, isolation_level=None)
    with closing(connection):
        try:
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            connection.execute("BEGIN EXCLUSIVE")
            # Where others have it open, it has stayed as it was, and they would not even notice.
            if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                raise StorageError("database_in_use", path=database)
        except sqlite3.DatabaseError as error:
            if from_sqlite(error, database).code == "database_busy":
                raise StorageError("database_in_use", path=database) from error
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in TOO_DAMAGED:
                raise from_sqlite(error, database) from error
            connection.close()  # it could later take the new file's log for that of the old one
        yield


def _copy_aside(database: Path, streams: ExitStack) -> Path | None:
    """Copy what is there to a name of its own, byte for byte, as it may be damaged.

    ``streams`` are to stay open until the new file is in place: closing one ends all locks that
    this program has on the file, also SQLite's.
    """
    wal, journal, _ = companions(database)
    present = [path for path in (database, wal, journal) if _has_content(path)]
    if not present:
        return None
    aside = _unused_name(database)
    # The file itself last, and under its name only when it is whole.
    for path in reversed(present):
        copy = aside.with_name(aside.name + path.name.removeprefix(database.name))
        partial = copy.with_name(f"{copy.name}.partial")
        create_empty(partial, path)
        with partial.open("wb") as stream:
            shutil.copyfileobj(streams.enter_context(path.open("rb")), stream)
        sync(partial)
        partial.rename(copy)
    sync_folder(database.parent)
    return aside


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _unused_name(database: Path) -> Path:
    while True:
        stamp = f"{datetime.now(UTC):{TIME_FORMAT}}"
        aside = database.with_name(f"{database.name}.before-{stamp}")
        if not any(path.exists() for path in (aside, *companions(aside))):
            return aside


def _leftovers(database: Path) -> Iterator[Path]:
    """What a program that was killed while it restored has left."""
    stamp, kind = r"\d{8}T\d{12}Z", r"(-\w+)?"
    unfinished = rf"\.(restoring-{stamp}{kind}|before-{stamp}{kind}\.partial)"
    pattern = re.compile(re.escape(database.name) + unfinished)
    yield from (path for path in database.parent.iterdir() if pattern.fullmatch(path.name))
