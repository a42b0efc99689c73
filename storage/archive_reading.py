"""A zip that arrives as a packed study, and the mistrust of it.

It is read member by member and line by line, never extracted: names, sizes and hashes are checked
here, the values of its rows by ``archive_rules``.
"""

import hashlib
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from storage.archive_format import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    MAX_BYTES,
    MAX_DIRECTORY_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_MEMBERS,
    MAX_ROW_BYTES,
    MEMBERS,
    check_sizes,
    too_large,
)
from storage.archive_rules import DECODER, Damage, Row, is_id, is_time, short
from storage.errors import StorageError, storage_message
from storage.ids import storable
from storage.migrations import MIGRATIONS

UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,  # also JSON and UTF-8
    OverflowError,
    RuntimeError,  # also recursion, and what zipfile cannot do
)


@contextmanager
def open_archive(content: Path | bytes) -> Iterator[zipfile.ZipFile]:
    if isinstance(content, Path):
        try:
            status = content.stat()
            if not stat.S_ISREG(status.st_mode):
                raise StorageError("archive_no_file", path=content)
            if status.st_size > MAX_BYTES:
                size = storage_message("zip_bytes", size=status.st_size, most=MAX_BYTES)
                raise too_large(size)
            # Read once: what has been checked is what is taken in, whatever becomes of the file.
            content = content.read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise StorageError("archive_unreadable", path=content, remainder=reason) from error
    _require_short_directory(content)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except UNREADABLE as error:
        raise StorageError("not_an_archive") from error
    with archive:
        yield archive


def _require_short_directory(content: bytes) -> None:
    """Refuse what would make ``ZipFile`` build a long list before anything can be counted.

    A pack ends with the usual record, without a comment and without the one for more than 4 GiB.
    """
    end = content[-22:]
    if len(end) < 22 or end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0":
        raise StorageError("not_an_archive")
    if content[-42:-38] == b"PK\x06\x07":
        raise StorageError("not_an_archive")
    if struct.unpack("<I", end[12:16])[0] > MAX_DIRECTORY_BYTES:
        raise too_large(storage_message("zip_files", most=MAX_MEMBERS))


class Pack:
    """A zip whose names, sizes and manifest have been checked; reading a member checks that."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries = _safe_entries(archive.infolist())
        if MANIFEST not in self._entries:
            raise StorageError("not_an_archive")
        manifest = _manifest(self._read_manifest())
        own = {migration.name for migration in MIGRATIONS._migrations}
        try:
            self.study_id, self.name = manifest["study"]["id"], manifest["study"]["name"]
            self.packed_at, self.chain_end = manifest["packed_at"], manifest["chain_end"]
            self._facts = {name: dict(facts) for name, facts in manifest["members"].items()}
            self.is_older = set(manifest["migrations"]) != own
            newer = set(manifest["migrations"]) - own
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Damage(storage_message("manifest_incomplete", remainder=repr(error))) from error
        if newer:
            raise StorageError("archive_newer", version=_version(manifest))
        named = isinstance(self.name, str) and "" != self.name == self.name.strip()
        if not (named and is_id(self.study_id)):
            raise Damage(storage_message("manifest_no_study"))
        if not is_time(self.packed_at):
            raise Damage(storage_message("manifest_no_time"))
        self._require_members()

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of a table, in the order of the file."""
        member, number = f"{table}.jsonl", 0
        for number, line in enumerate(self._pieces(member, by_line=True), start=1):
            try:
                row = DECODER.decode(line.decode())
            except (ValueError, RecursionError) as error:
                problem = storage_message(
                    "line_unreadable", member=member, line=number, remainder=error
                )
                raise Damage(problem) from error
            if not isinstance(row, dict):
                raise Damage(storage_message("line_no_object", member=member, line=number))
            yield row
        if number != self.rows_of(table):
            raise Damage(storage_message("member_rows_differ", member=member))

    @property
    def lacks_seals(self) -> bool:
        """Whether it was packed before there were seals, as the columns of its events tell."""
        return "hash" not in next(self.rows("study_events"), {})

    def rows_of(self, table: str) -> object:
        """How many rows of a table the manifest promises."""
        return self._facts[f"{table}.jsonl"].get("rows")

    def check(self, member: str) -> None:
        for _ in self._pieces(member):
            pass

    def _pieces(self, member: str, *, by_line: bool = False) -> Iterator[bytes]:
        """What a member holds; the end compares it with the manifest, and with the zip's CRC."""
        digest, size = hashlib.sha256(), 0
        # zipfile's own readline is slow where it has a limit
        raw = cast(io.RawIOBase, self._archive.open(self._entries[member]))
        with io.BufferedReader(raw) as stream:
            while piece := stream.readline(MAX_ROW_BYTES + 1) if by_line else stream.read(2**20):
                size += len(piece)
                if (by_line and len(piece) > MAX_ROW_BYTES) or size > MAX_BYTES:
                    most = max(len(piece), size)
                    raise too_large(storage_message("zip_member_bytes", member=member, size=most))
                digest.update(piece)
                yield piece
        facts = self._facts[member]
        if facts.get("sha256") != digest.hexdigest() or facts.get("bytes") != size:
            raise Damage(storage_message("member_hash_differs", member=member))

    def _read_manifest(self) -> bytes:
        size = self._entries[MANIFEST].file_size
        if size > MAX_MANIFEST_BYTES:
            raise too_large(storage_message("zip_member_bytes", member=MANIFEST, size=size))
        return self._archive.read(self._entries[MANIFEST])

    def _require_members(self) -> None:
        for name in self._entries:
            if name != MANIFEST and name not in MEMBERS:
                raise StorageError("archive_member_refused", member=short(ascii(name)))
        for name in MEMBERS:
            if name not in self._entries or name not in self._facts:
                raise Damage(storage_message("member_missing", member=name))


def _safe_entries(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Refuse sizes, duplicates, links, folders, and what this program never writes."""
    check_sizes(entries)
    safe: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if (
            entry.orig_filename in safe
            or entry.orig_filename != entry.filename  # zipfile has cut it off or turned a backslash
            or not re.fullmatch(r"[A-Za-z_]+\.[a-z]+", entry.filename)  # so it is no path either
            or entry.flag_bits & 0x2041  # encrypted, in one way or another
            or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            or kind not in (0, stat.S_IFREG)
        ):
            name = short(ascii(entry.orig_filename))
            raise StorageError("archive_member_refused", member=name)
        safe[entry.filename] = entry
    return safe


def _manifest(content: bytes) -> Row:
    try:
        manifest = DECODER.decode(content.decode())
    except (ValueError, RecursionError) as error:
        raise Damage(storage_message("manifest_unreadable", remainder=error)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise StorageError("not_an_archive")
    version = manifest.get("format_version")
    if type(version) is not int or version < 1:
        raise Damage(storage_message("manifest_no_version"))
    if version > FORMAT_VERSION:
        raise StorageError("archive_newer", version=_version(manifest))
    return manifest


def _version(manifest: Row) -> str:
    return short(storable(str(manifest.get("program_version", "?"))))
