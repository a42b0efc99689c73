"""The folder in which uploads wait: this process's own, readable by nobody else, gone at its end.

``prepare`` must run before Gradio is imported, which reads the folder from the environment then. A
process that was killed leaves its folder behind; the next start removes it. So nothing here imports
Gradio.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "medchat-uploads-"
LOCK = "lock"
_folders: list[Path] = []


def prepare() -> Path:
    """This process's folder, made at the first call, with those of ended processes removed."""
    if _folders:
        return _folders[0]
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    # Held until the process ends, however it ends: so others know that the folder is in use.
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _folders.append(folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    # Gradio keeps figures of its last 10,000 events and works them out again after each.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    return folder


def remove_leftovers() -> None:
    """Remove the folders of this user's processes that have ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
