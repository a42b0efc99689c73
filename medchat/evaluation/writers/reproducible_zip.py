"""Zips whose bytes follow from what they hold alone, and not from when they were made."""

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

MOMENT = datetime(1980, 1, 1, tzinfo=UTC)
LEVEL = 1
"""Of compression, the fastest: a large study's score CSV is most of what is packed."""
_PACKED_ALREADY = {".docx", ".png", ".xlsx"}
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")
"""openpyxl writes the moment of saving, whatever it was told."""


def zipped(members: Mapping[str, bytes | Iterable[bytes]]) -> bytes:
    """A zip with one moment for every member: what was written when tells nothing.

    A member may come in parts, of less than 2 GiB together, which are never all in memory.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, MOMENT.timetuple()[:6])
            info.external_attr = 0o644 << 16
            packed = PurePosixPath(name).suffix in _PACKED_ALREADY
            info.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            info._compresslevel = LEVEL  # type: ignore[attr-defined]  # public from 3.13 on
            with archive.open(info, "w") as member:
                for part in [content] if isinstance(content, bytes) else content:
                    member.write(part)
    return buffer.getvalue()


def without_moment(content: bytes) -> dict[str, bytes]:
    """The members of an Office document, which is a zip, without the moment of saving."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    moment = rb"\g<1>1980-01-01T00:00:00Z\g<2>"
    return {name: _MODIFIED.sub(moment, part) for name, part in members.items()}
