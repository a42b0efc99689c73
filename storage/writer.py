"""Saving for many at once: what arrives together is committed together.

A commit waits for the disk, and does so no longer for forty ratings than for one. So one thread
takes whatever has been handed in, does all of it in one transaction, and only after the commit
tells each who waits. Nothing is called saved before it is on disk.

A second thread moves what was saved from the write-ahead log into the database file every few
seconds, so that a copy of that file alone lacks little. It never makes a save wait or fail.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlite_utils import Database

from storage.database import Store, wal_of
from storage.errors import StorageError, from_sqlite

Result = TypeVar("Result")
MAX_JOBS_PER_COMMIT = 200
"""Jobs of one commit: more would make the first of them wait for the last."""
CHECKPOINT_SECONDS = 2.0
"""What was saved is moved into the database file every so many seconds."""


@dataclass
class _Job:
    work: Callable[[Database], Any]
    future: "Future[Any]" = field(default_factory=Future)


class Writer:
    """One thread that writes into the database of ``store``, for any number of callers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._checkpoints = threading.Thread(
            target=self._run_checkpoints, name="storage-checkpoint", daemon=True
        )
        self._thread.start()
        self._checkpoints.start()

    def submit(self, work: Callable[[Database], Result]) -> "Future[Result]":
        """Hand in work on a connection inside a transaction; the future is done once it is on disk.

        The work gets a savepoint of its own: what it raises undoes it alone, and is raised by the
        future. StorageError stands for whatever SQLite raised.
        """
        if self._closed:
            raise StorageError("database_closed", path=self._store.path)
        job = _Job(work)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Finish what was handed in, then end."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._end.set()
            self._thread.join()
            self._checkpoints.join()

    # -- the thread --

    def _run(self) -> None:
        ended = False
        jobs: list[_Job | None] = []
        while not ended:
            jobs = jobs or [self._jobs.get()]
            try:
                with self._store.connect() as db:
                    opened = self._file()
                    # Another file may be put in its place: what is saved must be in that one.
                    while not ended and self._file() == opened:
                        jobs += self._waiting(MAX_JOBS_PER_COMMIT - len(jobs))
                        ended = None in jobs
                        self._commit(db, [job for job in jobs if job is not None])
                        jobs = [] if ended else [self._jobs.get()]
            except Exception as error:  # told to who waits; the next job finds a new connection
                ended = None in jobs
                for job in jobs:
                    if job is not None and not job.future.done():
                        job.future.set_exception(error)
                jobs = []

    def _file(self) -> tuple[int, int] | None:
        """Which file the path names now."""
        try:
            status = self._store.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _waiting(self, most: int) -> list[_Job | None]:
        jobs: list[_Job | None] = []
        while len(jobs) < most:
            try:
                jobs.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return jobs

    def _commit(self, db: Database, jobs: list[_Job]) -> None:
        results: list[tuple[_Job, Any]] = []
        # Whoever has gone away by now is not waited for; from here on nobody can leave.
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        db.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                try:
                    results.append((job, self._do(db, job)))
                except StorageError as error:
                    job.future.set_exception(error)
                except Exception as error:
                    if not db.conn.in_transaction:  # SQLite gave up all of it, as on a full disk
                        raise
                    job.future.set_exception(error)
            db.execute("COMMIT")
        except BaseException:
            if db.conn.in_transaction:
                db.execute("ROLLBACK")
            raise
        for job, result in results:
            job.future.set_result(result)

    def _do(self, db: Database, job: _Job) -> Any:
        db.execute("SAVEPOINT job")
        try:
            result = job.work(db)
        except BaseException as error:
            if db.conn.in_transaction:
                db.execute("ROLLBACK TO job")
                db.execute("RELEASE job")
                if isinstance(error, sqlite3.DatabaseError):
                    raise from_sqlite(error, self._store.path) from error
            raise
        db.execute("RELEASE job")
        return result

    # -- the other thread --

    def _run_checkpoints(self) -> None:
        while not self._end.wait(CHECKPOINT_SECONDS):
            # Whatever hinders it, such as a full disk, what was saved stays in the log.
            with suppress(StorageError, OSError):
                if wal_of(self._store.path).stat().st_size:
                    with self._store.connect() as db:
                        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
