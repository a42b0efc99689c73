"""The database file: opening it, bringing its schema up to date, and transactions.

Owns how a connection is set up and how SQLite's errors become sentences. Knows nothing about
studies, raters or ratings. A connection lives for one operation and is never shared between
threads, so a ``Store`` itself may be shared freely.
"""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from storage.errors import StorageError, from_sqlite
from storage.migrations import MIGRATIONS

MARKER_TEXT = """\
此文件表示旁边已建有数据库，防止数据库丢失后悄悄从空库重新开始。请勿删除，除非要从空库开始。
A database was made beside this file. While it lies here, a lost database is not quietly replaced \
by an empty one. Delete it only to begin with an empty one.
"""


def wal_of(path: Path) -> Path:
    """Return where SQLite keeps what was written last; it is part of the database."""
    return path.with_name(f"{path.name}-wal")


def companions(path: Path) -> list[Path]:
    """Return where SQLite keeps its own files beside the database."""
    return [path.with_name(f"{path.name}-{kind}") for kind in ("wal", "journal", "shm")]


def marker_of(path: Path) -> Path:
    """Return the file that says that there is, or was, a database at ``path``."""
    return path.with_name(f"{path.name}.exists")


class Store:
    """The database at ``path``, migrated and ready for use.

    The file and its folder are created when they do not exist, unless ``must_exist``. A marker
    beside it then says that it is there, so that it is not made anew, empty, when it is lost.

    Raises:
        StorageError: the file cannot be used: database_missing, database_gone,
            database_cannot_open, database_readonly, not_a_database, database_foreign,
            database_newer, …
    """

    # How long a connection waits for another one's transaction before it gives up.
    busy_timeout_seconds = 10.0

    def __init__(self, path: str | Path, *, must_exist: bool = False) -> None:
        self.path = Path(path)
        self._refuse_gone()
        if must_exist and not self.path.exists():
            raise StorageError("database_missing", path=self.path)
        self._create_folder()
        self._migrate()
        if not must_exist:
            self._write_marker()

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    # -- using --

    @contextmanager
    def connect(self) -> Iterator[Database]:
        """Yield a connection for one operation that reads.

        Raises:
            StorageError: for every error that SQLite raises inside the block.
        """
        with self._connection("rw") as db:
            yield db

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Yield a connection inside one transaction that writes; leaving the block commits.

        Any exception rolls everything back. When the block has been left without one, what was
        written is on disk.

        Raises:
            StorageError: for every error that SQLite raises inside the block or at the commit.
        """
        with self._connection("rw") as db:
            # atomic() alone begins a deferred transaction. One that reads before it writes then
            # fails at once with "database is locked" if another connection has written in
            # between: SQLite does not wait in that case, whatever the busy timeout.
            db.execute("BEGIN IMMEDIATE")
            with db.atomic():
                yield db
            db.commit()

    def check(self) -> None:
        """Do nothing if the database answers.

        Raises:
            StorageError: it does not.
        """
        with self.connect() as db:
            db.execute("SELECT 1 FROM studies LIMIT 1").fetchone()

    # -- opening --

    def _refuse_gone(self) -> None:
        """Before SQLite opens it: beside an empty file, SQLite removes the write-ahead log."""
        try:
            empty = not self.path.exists() or self.path.stat().st_size == 0
            wal = wal_of(self.path)
            if empty and wal.exists() and wal.stat().st_size:
                raise StorageError("database_gone", path=self.path, marker=wal)
        except OSError as error:
            raise StorageError(
                "database_cannot_open", path=self.path, remainder=error.strerror or error
            ) from error
        if empty:
            self._refuse_marked()

    def _refuse_marked(self) -> None:
        marker = marker_of(self.path)
        if marker.exists():
            raise StorageError("database_gone", path=self.path, marker=marker)

    def _write_marker(self) -> None:
        # A folder that takes no marker takes no empty database either.
        with suppress(OSError), marker_of(self.path).open("x", encoding="utf-8") as stream:
            stream.write(MARKER_TEXT)

    def _create_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                "database_cannot_open", path=self.path, remainder=error.strerror or error
            ) from error

    def _migrate(self) -> None:
        with self._connection("rwc") as db:
            if not db.table_names():
                self._refuse_marked()  # the file is there, what was in it is not
            self._refuse_foreign(db)
            self._refuse_newer(db)
            self._enable_wal(db)
            up_to_date = not MIGRATIONS.pending(db)
        if not up_to_date:
            # One transaction around all of them: two programs that start at the same moment
            # migrate one after the other, and the second finds nothing left to do.
            with self.transaction() as db:
                MIGRATIONS.apply(db)

    def _enable_wal(self, db: Database) -> None:
        """Programs that open a new database at the same moment all switch its journal.

        SQLite tells all but one of them at once that the database is locked, whatever the busy
        timeout; so the waiting is done here.
        """
        give_up_at = time.monotonic() + self.busy_timeout_seconds
        while True:
            try:
                return db.enable_wal()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                    raise
                time.sleep(random.uniform(0.005, 0.05))  # so that they do not meet again

    def _refuse_foreign(self, db: Database) -> None:
        if db.table_names() and not MIGRATIONS.applied(db):
            raise StorageError("database_foreign", path=self.path)

    def _refuse_newer(self, db: Database) -> None:
        # sqlite-utils has no public list of the registered migrations
        own = {migration.name for migration in MIGRATIONS._migrations}
        unknown = [done.name for done in MIGRATIONS.applied(db) if done.name not in own]
        if unknown:
            raise StorageError("database_newer", path=self.path, migrations=", ".join(unknown))

    @contextmanager
    def _connection(self, mode: str) -> Iterator[Database]:
        try:
            db = self._open(mode)
            try:
                self._set_up(db)
                yield db
            finally:
                db.close()
        except sqlite3.DatabaseError as error:
            raise from_sqlite(error, self.path) from error

    def _open(self, mode: str) -> Database:
        """Return a new connection; ``mode`` is SQLite's: rw, or rwc to create the file."""
        # Without a mode, SQLite would quietly make a new, empty file if the database were moved
        # away while the program runs.
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self.busy_timeout_seconds,
        )
        return Database(connection, execute_plugins=False)

    def _set_up(self, db: Database) -> None:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA cache_size = -65536")
        # In WAL mode the usual NORMAL may lose the last commits when the power fails.
        db.execute("PRAGMA synchronous = FULL")
