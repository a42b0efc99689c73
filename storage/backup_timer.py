"""Backs the database up while the app runs, in a process of its own.

Verifying a large copy takes seconds of a processor; in the app's process, whoever saves a score
would wait for it. Knows the command line of ``storage``, not what a backup is.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from storage.backup import backup_is_due
from storage.database import Store
from storage.errors import StorageError

LOOK_SECONDS = 60.0
"""How often the timer looks whether a backup is due."""
RETRY_SECONDS = 600.0
"""How long the timer waits after a backup that failed."""
MAX_SECONDS = 3600.0
"""A backup that takes longer, verification and all, is given up."""
POLL_SECONDS = 0.1
"""How often the timer looks whether a backup has ended."""


class BackupTimer:
    """Backs a database up while the program runs, ``hours`` after its newest backup.

    Nothing is done while nothing has changed. ``complain`` is called with a sentence about what
    went wrong, in the language of the command line; the next try follows after a while.
    """

    def __init__(
        self, store: Store, folder: Path, hours: float, complain: Callable[[str], None]
    ) -> None:
        self._store, self._folder, self._hours, self._complain = store, folder, hours, complain
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage-backup", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; a backup that is being made is given up."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        interval = self._hours * 3600
        pause = min(interval, LOOK_SECONDS)
        while not self._end.wait(pause):
            pause = min(interval, LOOK_SECONDS)
            try:
                if backup_is_due(self._store, self._folder, self._hours):
                    self._back_up()
            except (StorageError, OSError) as error:  # a file may go while it is looked at
                self._complain(str(error))
                pause = min(interval, RETRY_SECONDS)

    def _back_up(self) -> None:
        with start_backup(self._store, self._folder) as process:
            give_up_at = time.monotonic() + MAX_SECONDS
            while process.poll() is None:
                late = time.monotonic() > give_up_at
                if late or self._end.wait(POLL_SECONDS):
                    process.terminate()
                    process.wait()
                    if late:
                        raise StorageError(
                            "backup_too_slow", path=self._folder, seconds=f"{MAX_SECONDS:.0f}"
                        )
                    return
            if process.returncode:
                raise self._failure(process)

    def _failure(self, process: "subprocess.Popen[str]") -> Exception:
        """What the process wrote, in the same language; one that was killed has written nothing."""
        assert process.stderr is not None
        if text := process.stderr.read().strip():
            return OSError(text)
        status = process.returncode
        return StorageError("backup_process_ended", path=self._folder, status=status)


def start_backup(store: Store, folder: Path) -> "subprocess.Popen[str]":
    """Start ``python -m storage backup``; status 0 when the backup is made and verified."""
    project = str(Path(__file__).resolve().parent.parent)
    paths = [project, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "storage", "backup"]
    # With "=", a path that begins with a hyphen is not taken for an option.
    command += [f"--db={store.path}", f"--to={folder}"]
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
