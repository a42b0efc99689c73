"""Files and folders as backups and restoring need them: written for good, checked, cleaned up.

Knows nothing about databases.
"""

import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHECKSUM_LINE = re.compile(rb"\\?([0-9a-fA-F]{64}) [ *]")


def sync(path: Path) -> None:
    """Return when the file's content is on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Return when the names in the folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot do that for a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_empty(path: Path, like: Path) -> None:
    """Create a file that was not there, with owner and permissions of the file ``like``.

    Raises:
        OSError: such as FileExistsError.
    """
    status = like.stat()
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with suppress(OSError):  # only root may give files away
            os.fchown(descriptor, status.st_uid, status.st_gid)
        with suppress(OSError):  # some file systems have no permissions
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | stat.S_IRUSR | stat.S_IWUSR)
    finally:
        os.close(descriptor)


@contextmanager
def working_in(folder: Path, leftovers: Iterable[Path]) -> Iterator[None]:
    """Remove ``leftovers`` unless another program is at work in the folder; then run the block.

    The lock ends with the program, however that ends; so what lies there without it belongs to
    nobody any more.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # taken, or a file system without locks: then all of it stays
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in list(leftovers):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file's content, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum_of(path: Path) -> Path:
    """Return where the file with the SHA-256 of ``path`` is, if there is one."""
    return path.with_name(f"{path.name}.sha256")


def fits_checksum(path: Path) -> bool:
    """Whether the content of ``path`` is that of which the SHA-256 was written beside it."""
    line = CHECKSUM_LINE.match(checksum_of(path).read_bytes())
    return line is not None and line[1].decode().lower() == sha256_of(path)
