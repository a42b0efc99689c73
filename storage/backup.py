"""Copies of the database while it is in use, each verified before it counts, the oldest removed.

Owns the names of backups, their checksums, and which of them belong to which database. Does not
know when one is made (``storage.backup_timer``) or how it is put back (``storage.restoring``).
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.copying import copy_database, verify_copy
from storage.database import Store, companions, wal_of
from storage.durable_files import (
    checksum_of,
    create_empty,
    sha256_of,
    sync,
    sync_folder,
    working_in,
)
from storage.errors import StorageError

DEFAULT_KEEP = 10
"""Backups that stay when another is made."""
TIME_FORMAT = "%Y%m%dT%H%M%S%fZ"


def make_backup(store: Store, folder: Path, keep: int = DEFAULT_KEEP) -> Path:
    """Copy the database into ``folder``, verify the copy, and remove all but the newest ``keep``.

    Only backups of this very database are counted and removed, never the one just made.

    Raises:
        StorageError: backup_failed when it cannot be written, backup_too_slow when copying takes
            too long, backup_damaged when what was copied does not verify; the backups that were
            there before then stay.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with working_in(folder, _leftovers(store.path, folder)):
            target = _unused_name(store.path, folder)
            _write(store, target)
            _prune(store.path, folder, target, keep)
    except OSError as error:
        raise StorageError(
            "backup_failed", path=folder, remainder=error.strerror or error
        ) from error
    return target


def _write(store: Store, target: Path) -> None:
    """Make the backup under another name; it gets its own only when all of it is on the disk."""
    partial = target.with_name(f"{target.name}.partial")
    checksum = checksum_of(target)
    done = False
    try:
        create_empty(partial, store.path)
        copy_database(store.path, partial, wal=True)
        verify_copy(partial, store.path)
        sync(partial)
        _write_checksum(checksum, sha256_of(partial), target.name)
        partial.replace(target)
        sync_folder(target.parent)
        done = True
    finally:
        for leftover in (partial, *companions(partial)):
            leftover.unlink(missing_ok=True)
        if not done:
            checksum.unlink(missing_ok=True)


def _write_checksum(checksum: Path, digest: str, name: str) -> None:
    """As ``sha256sum -c`` reads it, which writes some characters in another way."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != name else ""
    checksum.write_bytes(os.fsencode(f"{mark}{digest}  {escaped}\n"))
    sync(checksum)


# -- which backups there are --


def list_backups(database: Path, folder: Path) -> list[Path]:
    """Return the backups of this very database, the oldest first.

    Other databases may have the same file name and the same folder for backups. Those of earlier
    versions hold nothing that tells them apart, and are not among them.

    Raises:
        OSError: the folder cannot be read.
    """
    own = _identity(database, live=True)
    if own is None:
        return []
    # A name later than now is of a time when the clock was wrong, and counts as the oldest.
    now = f"{database.stem}-{datetime.now(UTC):{TIME_FORMAT}}.db"
    paths = sorted(_named_like(database, folder), key=lambda path: (path.name <= now, path.name))
    return [path for path in paths if _identity(path) == own]


def made_at(path: Path) -> datetime:
    """Return the moment that a backup shows, from its name."""
    return datetime.strptime(path.stem.rpartition("-")[2], TIME_FORMAT).replace(tzinfo=UTC)


def newest_backup(database: Path, folder: Path) -> datetime | None:
    """Return when the newest backup of this database was made, if there is one that can be read."""
    now = datetime.now(UTC)
    try:
        times = [made_at(path) for path in list_backups(database, folder)]
    except OSError:
        return None
    return max((moment for moment in times if moment <= now), default=None)


def backup_is_due(store: Store, folder: Path, hours: float) -> bool:
    """Whether something has changed and the newest backup is so many hours old."""
    newest = newest_backup(store.path, folder)
    if newest is None:
        return _oldest_study(store) is not None
    age = datetime.now(UTC) - newest
    return age >= timedelta(hours=hours) and _changed_since(store.path, newest)


def backup_is_overdue(store: Store, folder: Path, hours: float) -> bool:
    """Whether something has not been backed up for two intervals of so many hours."""
    limit = datetime.now(UTC) - timedelta(hours=2 * hours)
    newest = newest_backup(store.path, folder)
    if newest is None:
        oldest = _oldest_study(store)
        return oldest is not None and oldest < limit
    return newest < limit and _changed_since(store.path, newest)


def _oldest_study(store: Store) -> datetime | None:
    """When the first study was made: before that, there is nothing to lose."""
    with store.connect() as db:
        (created_at,) = db.execute("SELECT min(created_at) FROM studies").fetchone()
    return datetime.fromisoformat(created_at) if created_at else None


def _changed_since(database: Path, moment: datetime) -> bool:
    """Whether anything was written since, as the files' times tell."""
    times = []
    for path in (database, wal_of(database)):
        with suppress(FileNotFoundError):  # the log goes whenever nobody has the database open
            status = path.stat()
            if status.st_size:
                times.append(status.st_mtime)
    return max(times, default=0.0) > moment.timestamp()


def _named_like(database: Path, folder: Path, suffix: str = "") -> Iterator[Path]:
    """The files that have a name of this database's backups, with ``suffix`` after it."""
    pattern = re.compile(re.escape(database.stem) + r"-\d{8}T\d{12}Z\.db" + suffix)
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if pattern.fullmatch(path.name))


def _leftovers(database: Path, folder: Path) -> Iterator[Path]:
    """What a program that was killed while it made a backup has left."""
    yield from _named_like(database, folder, r"\.partial(-\w+)?")
    for checksum in _named_like(database, folder, r"\.sha256"):
        if not checksum.with_suffix("").exists():
            yield checksum


def _identity(database: Path, *, live: bool = False) -> str | None:
    """What tells a database from all others; None of older ones and of what cannot be read."""
    uri = f"{database.absolute().as_uri()}?mode=ro" + ("" if live else "&immutable=1")
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=1)) as connection:
            row = connection.execute("SELECT id FROM database_identity").fetchone()
    except sqlite3.DatabaseError:
        return None
    return str(row[0]) if row else None


def _unused_name(database: Path, folder: Path) -> Path:
    while True:
        target = folder / f"{database.stem}-{datetime.now(UTC):{TIME_FORMAT}}.db"
        if not target.exists():  # of another database with the same file name
            return target


def _prune(database: Path, folder: Path, newest: Path, keep: int) -> None:
    older = [path for path in list_backups(database, folder) if path != newest]
    for path in older[: max(len(older) - (keep - 1), 0)]:
        path.unlink(missing_ok=True)
        checksum_of(path).unlink(missing_ok=True)
