"""The files that coordinators upload: whose each is, where it lies, and when it goes.

A file waits under a name that nobody can guess until the click that uses it, and is never served to
anybody. It is removed when that click is done, when another takes its field, when its coordinator
signs out, and after an hour. Knows nothing of what files hold.
"""

import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Receive

MIB = 1024 * 1024
MAX_UPLOAD = 20 * MIB
MAX_FORM_AROUND = 64 * 1024
"""Bytes of an upload beside the file itself."""
MAX_FILES = 8
MAX_TOTAL = 64 * MIB
"""Waiting at once, of one coordinator; the oldest gives way to a new one."""
MAX_UPLOADING = 2
"""Uploads under way at once, of one coordinator."""
SECONDS_KEPT = 3600
MAX_NAME = 100
MAX_NAME_BYTES = 200
_END_OF_HEAD = b"\r\n\r\n"
_NAMELESS_FILE = b'form-data; name="files"'
_FILE_NAME = re.compile(rb'(; ?filename=")((?:[^"\\]|\\.)*)', re.DOTALL)


class UploadTooLarge(Exception):
    """More bytes were sent than a file may have."""


class NoUpload(Exception):
    """What was sent is no form with one file in it."""


@dataclass(frozen=True)
class Upload:
    token: str
    owner: str
    path: Path
    size: int
    uploaded_at: float


class Uploads:
    """All uploads of the running app, below ``folder``."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._uploads: dict[str, Upload] = {}
        self._in_field: dict[tuple[str, int], str] = {}
        self._uploading: dict[str, int] = {}
        self._lock = threading.RLock()

    def begin(self, owner: str) -> bool:
        """Note that an upload of a coordinator begins; False where enough are under way."""
        with self._lock:
            if self._uploading.get(owner, 0) >= MAX_UPLOADING:
                return False
            self._uploading[owner] = self._uploading.get(owner, 0) + 1
            return True

    def end(self, owner: str) -> None:
        with self._lock:
            self._uploading[owner] -= 1
            if not self._uploading[owner]:
                del self._uploading[owner]

    def add(self, owner: str, file: Any, name: str, size: int) -> str:
        """Keep what an open file holds; returns the name by which its page calls it."""
        token = secrets.token_urlsafe(18)
        folder = self._folder / secrets.token_hex(16)
        folder.mkdir(mode=0o700)
        path = folder / safe_name(name)
        try:
            with path.open("xb") as target:
                shutil.copyfileobj(file, target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._uploads[token] = Upload(token, owner, path, size, self._clock())
            self._make_room(owner)
        return f"{token}/{path.name}"

    def use(self, owner: str, called: str, field: tuple[str, int] | None = None) -> Upload | None:
        """The upload that a coordinator's page calls so; None where there is none, or no longer.

        ``field`` is a page's session and the component that holds it: what was there before goes.
        """
        self.remove_old()
        token = called.partition("/")[0]
        with self._lock:
            upload = self._uploads.get(token)
            if upload is None or upload.owner != owner:
                return None
            if field is not None:
                before = self._in_field.get(field)
                if before not in (None, token):
                    self._remove(before)
                self._in_field[field] = token
            return upload

    def remove(self, path: str | Path | None) -> None:
        """Remove the upload that lies at a path; nothing else."""
        with self._lock:
            for upload in [item for item in self._uploads.values() if str(item.path) == str(path)]:
                self._remove(upload.token)

    def remove_owner(self, owner: str) -> None:
        with self._lock:
            for upload in [item for item in self._uploads.values() if item.owner == owner]:
                self._remove(upload.token)

    def remove_old(self) -> None:
        """Remove what is too old, and the empty files that Gradio leaves at every click."""
        for path in self._folder.glob("tmp*"):
            if path.is_file() and not path.stat().st_size:
                path.unlink(missing_ok=True)
        oldest = self._clock() - SECONDS_KEPT
        with self._lock:
            for upload in [u for u in self._uploads.values() if u.uploaded_at < oldest]:
                self._remove(upload.token)

    def close(self) -> None:
        """Remove everything."""
        with self._lock:
            for token in list(self._uploads):
                self._remove(token)

    def __len__(self) -> int:
        return len(self._uploads)

    def _make_room(self, owner: str) -> None:
        mine = [upload for upload in self._uploads.values() if upload.owner == owner]
        while len(mine) > MAX_FILES or sum(upload.size for upload in mine) > MAX_TOTAL:
            self._remove(mine.pop(0).token)

    def _remove(self, token: str | None) -> None:
        upload = self._uploads.pop(token or "", None)
        self._in_field = {field: held for field, held in self._in_field.items() if held != token}
        if upload:
            with suppress(OSError):
                shutil.rmtree(upload.path.parent)


async def read_upload(headers: Headers, receive: Receive) -> tuple[FormData, UploadFile]:
    """The form and the one file in it. The file has no name on the disk until it is kept, so that
    an upload that ends early leaves nothing. The caller closes the form.

    Raises UploadTooLarge and NoUpload, and whatever ``receive`` raises.
    """
    read = 0

    async def chunks() -> Any:
        nonlocal read
        more = True
        while more:
            message = await receive()
            chunk, more = message.get("body", b""), message.get("more_body", False)
            read += len(chunk)
            if read > MAX_UPLOAD + MAX_FORM_AROUND:
                raise UploadTooLarge
            yield chunk

    if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise NoUpload
    named = _with_short_name(chunks())
    parser = MultiPartParser(headers, named, max_files=1, max_fields=4)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, UnicodeError) as error:
        raise NoUpload from error
    file = form.get("files")
    if not isinstance(file, UploadFile):
        await form.close()
        raise NoUpload
    if (file.size or 0) > MAX_UPLOAD:
        await form.close()
        raise UploadTooLarge
    return form, file


async def _with_short_name(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The same form; where its first part is a file, the parser meets a name that it takes.

    It refuses a head of more than 4 KiB, and takes a file without a name for a text.
    """
    head, is_whole = b"", False
    async for chunk in chunks:
        if is_whole:
            yield chunk
            continue
        head += chunk
        is_whole = _END_OF_HEAD in head or len(head) > MAX_FORM_AROUND
        if is_whole:
            yield _short_name(head)
    if not is_whole:
        yield head


def _short_name(part: bytes) -> bytes:
    head, end, content = part.partition(_END_OF_HEAD)
    if b"filename" not in head:
        head = head.replace(_NAMELESS_FILE, _NAMELESS_FILE + b'; filename="file"', 1)
    return _FILE_NAME.sub(_cut, head, count=1) + end + content


def _cut(match: re.Match[bytes]) -> bytes:
    prefix, name = match.groups()
    return prefix + (
        safe_name(name.decode("utf-8", "replace")).encode() if len(name) > 999 else name
    )


def safe_name(name: str) -> str:
    """A file's own name without what a path could be made of; its ending stays."""
    cleaned = re.sub(r"[^\w.\- ]", "_", name.replace("\\", "/").rpartition("/")[2]).strip(". ")
    stem, dot, ending = cleaned.rpartition(".")
    if not (dot and stem):
        return _shortened(cleaned) or "file"
    return f"{_shortened(stem)}{dot}{ending[:10]}"


def _shortened(name: str) -> str:
    """Cut in characters and, as a disk counts, in bytes."""
    return name[:MAX_NAME].encode()[:MAX_NAME_BYTES].decode(errors="ignore")
