"""A whole study as one zip, which another database takes in without loss.

Owns what belongs to a study, the form of the zip, and the mistrust of one that arrives: it is read
member by member and line by line, never extracted, and everything in it is checked, its values by
``archive_rules``. That its rows are those that were packed, the hashes of its manifest tell; that
its ratings are those that were saved, their chain. Neither can tell who has packed it.

Not in it: sessions, coordinators and their rights, dry runs. Knows nothing of pages.
"""

import hashlib
import io
import json
import re
import sqlite3
import stat
import struct
import zipfile
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from sqlite_utils import Database

from storage.archive_rules import (
    DECODER,
    NUMBERED,
    Damage,
    Row,
    check_rows,
    columns_of,
    is_id,
    is_time,
    short,
)
from storage.chain import START, end_of_ratings, seal_event
from storage.coordinators import Coordinator
from storage.database import Store
from storage.errors import StorageError
from storage.events import log_event
from storage.export import order_lines, score_lines
from storage.ids import new_id, storable, utc_now
from storage.migrations import MIGRATIONS
from storage.seals import parts_of_study
from storage.studies import Study, require_study
from storage.verification import study_problems

FORMAT = "medchat-study"
FORMAT_VERSION = 1
COMMAND_LINE = "python -m storage"
"""Stands in the study's events for whoever packs or unpacks without being signed in."""

MAX_MEMBERS = 50
MAX_BYTES = 2**30
"""Of all members together, unpacked."""
MAX_RATIO = 200
RATIO_FROM = 16 * 2**20
"""A member of more bytes than this may not have shrunk to less than one in ``MAX_RATIO``."""
MAX_ROW_BYTES = 16 * 2**20
MAX_MANIFEST_BYTES = 2**20
MAX_DIRECTORY_BYTES = 2**16
"""Of the zip's own list of members, which is read before they can be counted."""

CACHE_KIB = 2**17
"""Of memory at most while a study is taken in: its ids are random, and so are the pages they go to;
with SQLite's usual 2 MiB, each would be read anew while everyone else waits to save."""

_QUESTIONS = "(SELECT id FROM questions WHERE study_id = :study)"
_RESPONSES = f"(SELECT id FROM responses WHERE question IN {_QUESTIONS})"
_RATERS = "(SELECT id FROM raters WHERE study_id = :study AND trial = 0)"
_TABLES = {
    "studies": ("id = :study", "id"),
    "questions": ("study_id = :study", "position"),
    "responses": (f"question IN {_QUESTIONS}", "id"),
    "practice_keys": (f"response IN {_RESPONSES}", "response"),
    "raters": ("study_id = :study AND trial = 0", "length(label), label"),
    "items": (f"rater IN {_RATERS}", "rater, place, position"),
    "rating_log": ("study = :study", "id"),
    "study_events": ("study = :study", "id"),
    "answering": ("study = :study", "study"),
    "answer_failures": (f"question IN {_QUESTIONS}", "question, model"),
}
"""Which rows of each table are a study's, and their order in the file. A table comes behind those
that it refers to, but for ``items.latest``."""

_MANIFEST = "manifest.json"
_README = """\
一项医学问答盲评研究的完整打包 / A whole blinded rating study, packed by MedChat

Safety, Usability, Smoothness (SUS) 是安全性、实用性、流畅性，不是 System Usability Scale。
SUS here is Safety, Usability, Smoothness (fluency). It is not the System Usability Scale.

注意：responses.jsonl 写明了每个回答来自哪个模型；请勿交给评分者。
Take care: responses.jsonl names the model of every answer. Keep it from raters.

python -m storage unpack study.zip --db medchat.db
把它放进另一个数据库，不丢失任何内容 / takes it into another database without loss.

manifest.json          格式、版本、各文件的校验值、评分链的末端哈希
                       format, versions, a hash of each file, the hash that ends the rating chain
studies.jsonl          研究及其设置 / the study and its settings
questions.jsonl        题目，包括练习题 / the questions, practice included
responses.jsonl        模型的回答、来源，以及开放前的处理
                       the models' answers, where they come from, what was decided about them
practice_keys.jsonl    练习题的参考分 / what practice answers should have got
raters.jsonl           评分者的资料；个人链接只存哈希
                       the raters' profiles; of personal links only a hash
items.jsonl            每个回答向每位评分者的一次展示 / each showing of an answer to a rater
rating_log.jsonl       所有保存过的评分，每行以哈希与前一行相连
                       every rating ever saved, each row chained to the one before by a hash
study_events.jsonl     谁在何时对研究做了什么 / who did what to the study, and when
answering.jsonl        “让模型作答”的状态 / the state of "have the models answer"
answer_failures.jsonl  模型没能给出的回答 / answers that a model could not give
scores.csv             当前有效的评分；揭盲前模型以字母代称
                       the scores that count now; before the unblinding, models are letters
order.csv              谁按什么顺序看到了什么；不含模型名
                       who saw what in which order; names no model

.jsonl：每行一个 JSON 对象，UTF-8。.csv：带 BOM 的 UTF-8。
.jsonl: one JSON object per line, UTF-8. .csv: UTF-8 with a byte order mark.
"""
_MEMBERS = (*(f"{table}.jsonl" for table in _TABLES), "scores.csv", "order.csv", "README.txt")


# -- packing --


def pack_study(store: Store, study_id: str, coordinator: str, version: str) -> bytes:
    """Return all of a study as a zip, as of one moment; that it was packed is logged in it.

    ``version`` is the program's. The same content gives the same bytes, apart from the event and
    the time in the manifest. The zip names the models, whether or not the study is unblinded.

    Raises:
        StorageError: unknown_study, study_not_whole, archive_too_large.
    """
    with store.connect() as db:
        db.execute("BEGIN")
        study = require_study(db, study_id)
        try:
            _require_whole(db, study_id)
        except Damage as damage:
            raise StorageError("study_not_whole", name=study.name, reason=damage) from damage
    with store.transaction() as db:
        log_event(db, study_id, "packed", coordinator)
    with store.connect() as db:
        db.execute("BEGIN")  # one moment for all tables
        return _packed(db, require_study(db, study_id), version)


def _packed(db: Database, study: Study, version: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        members = {
            f"{table}.jsonl": _add(archive, f"{table}.jsonl", _lines_of(db, table, study.id))
            for table in _TABLES
        }
        members["scores.csv"] = _add(archive, "scores.csv", score_lines(db, study.id), headers=1)
        members["order.csv"] = _add(archive, "order.csv", order_lines(db, study.id), headers=1)
        members["README.txt"] = _add(archive, "README.txt", [_README.encode()], headers=1)
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "program_version": version,
            "migrations": [migration.name for migration in MIGRATIONS.applied(db)],
            "study": {"id": study.id, "name": study.name},
            "packed_at": utc_now(),
            "chain_end": end_of_ratings(db, study.id)["end"],
            "members": members,
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        _add(archive, _MANIFEST, [text.encode()])
    _check_sizes(archive.infolist())
    return content.getvalue()


def _lines_of(db: Database, table: str, study_id: str) -> Iterator[bytes]:
    where, order = _TABLES[table]
    sql = f"SELECT * FROM {table} WHERE {where} ORDER BY {order}"
    for row in db.query(sql, {"study": study_id}):
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _add(
    archive: zipfile.ZipFile, name: str, lines: Iterable[bytes], *, headers: int = 0
) -> dict[str, object]:
    """Write a member; returns what the manifest says of it. ``headers`` lines are not its rows."""
    digest, size, count = hashlib.sha256(), 0, 0
    with archive.open(_entry(name), "w") as member:
        for line in lines:
            count += 1
            size += len(line)
            if size > MAX_BYTES or (len(line) > MAX_ROW_BYTES and name.endswith(".jsonl")):
                raise _too_large(f"{name}: {max(size, len(line))} bytes")
            digest.update(line)
            member.write(line)
    return {"sha256": digest.hexdigest(), "bytes": size, "rows": count - headers}


def _entry(name: str) -> zipfile.ZipInfo:
    """A member that tells neither the time nor the machine of its packing."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


# -- unpacking --


def unpack_study(
    store: Store,
    content: Path | bytes,
    coordinator: Coordinator | None = None,
    name: str | None = None,
) -> Study:
    """Take a packed study in, all of it or nothing, and return it.

    With a ``coordinator`` it becomes theirs, else every coordinator's. ``name`` renames it. Its
    raters' links open here as they do where it comes from.

    Raises:
        StorageError: archive_unreadable, not_an_archive, archive_member_refused, archive_newer,
            archive_too_large, archive_damaged, study_already_here, study_name_taken,
            study_name_empty, archive_ids_taken, unknown_coordinator.
    """
    with _opened(content) as archive, _telling_damage():
        pack = _Pack(archive)
        with store.connect() as db:
            columns = {table: columns_of(db, table) for table in _TABLES}
        numbers = {
            table: check_rows(pack.rows(table), table, columns[table], pack.is_older)
            for table in _TABLES
        }
        for member in ("scores.csv", "order.csv", "README.txt"):
            pack.check(member)
        with store.transaction() as db:
            db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            wanted = _free_name(db, pack, name)
            _take_in(db, pack, wanted, numbers["rating_log"])
            _require_all_of_one_study(db, pack)
            if pack.lacks_seals:
                parts = parts_of_study(db, pack.study_id)
                log_event(db, pack.study_id, "sealed", "", parts=parts, with_ratings=True)
            if _require_whole(db, pack.study_id, pack.name) != pack.chain_end:
                raise Damage("the ratings do not end with the hash that the manifest names")
            _give_to(db, pack.study_id, coordinator)
            by = coordinator.name if coordinator else COMMAND_LINE
            study = require_study(db, pack.study_id)
            parts = [("rights", study.id), ("name", study.id)]
            log_event(db, study.id, "unpacked", by, pack.packed_at, parts=parts)
            return study


@contextmanager
def _opened(content: Path | bytes) -> Iterator[zipfile.ZipFile]:
    if isinstance(content, Path):
        try:
            found = content.stat()
            if not stat.S_ISREG(found.st_mode):
                raise StorageError("archive_unreadable", path=content, reason="it is no file")
            if found.st_size > MAX_BYTES:
                raise _too_large(f"{found.st_size} bytes")
            # Read once: what has been checked is what is taken in, whatever becomes of the file.
            content = content.read_bytes()
        except OSError as error:
            raise StorageError(
                "archive_unreadable", path=content, reason=error.strerror or error
            ) from error
    _require_short_directory(content)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _UNREADABLE as error:
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
        raise _too_large(f"at most {MAX_MEMBERS} files")


_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,  # also JSON and UTF-8
    OverflowError,
    RuntimeError,  # also recursion, and what zipfile cannot do
)


@contextmanager
def _telling_damage() -> Iterator[None]:
    try:
        yield
    except (*_UNREADABLE, sqlite3.IntegrityError) as error:
        raise StorageError("archive_damaged", reason=short(error)) from error


class _Pack:
    """A zip whose names, sizes and manifest have been checked; reading a member checks that."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries = _safe_entries(archive.infolist())
        if _MANIFEST not in self._entries:
            raise StorageError("not_an_archive")
        manifest = _manifest(self._read_manifest())
        known = [migration.name for migration in MIGRATIONS._migrations]
        try:
            self.study_id, self.name = manifest["study"]["id"], manifest["study"]["name"]
            self.packed_at, self.chain_end = manifest["packed_at"], manifest["chain_end"]
            self._facts = {name: dict(facts) for name, facts in manifest["members"].items()}
            self.is_older = set(manifest["migrations"]) != set(known)
            newer = set(manifest["migrations"]) - set(known)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Damage(f"{_MANIFEST} lacks what it must say ({error!r})") from error
        if newer:
            raise StorageError("archive_newer", version=_version(manifest))
        named = isinstance(self.name, str) and "" != self.name == self.name.strip()
        if not (named and is_id(self.study_id)):
            raise Damage(f"{_MANIFEST} does not name the study")
        if not is_time(self.packed_at):
            raise Damage(f"{_MANIFEST} does not tell when the study was packed")
        self._require_members()

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of a table, in the order of the file."""
        member, number = f"{table}.jsonl", 0
        for number, line in enumerate(self._pieces(member, by_line=True), start=1):
            try:
                row = DECODER.decode(line.decode())
            except (ValueError, RecursionError) as error:
                raise Damage(f"{member}, line {number}: {error}") from error
            if not isinstance(row, dict):
                raise Damage(f"{member}, line {number} is no JSON object")
            yield row
        if number != self.rows_of(table):
            raise Damage(f"{member} has not as many rows as the manifest says")

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
                    raise _too_large(f"{member}: {max(len(piece), size)} bytes")
                digest.update(piece)
                yield piece
        facts = self._facts[member]
        if facts.get("sha256") != digest.hexdigest() or facts.get("bytes") != size:
            raise Damage(f"{member} is not what was packed: its hash is another")

    def _read_manifest(self) -> bytes:
        if self._entries[_MANIFEST].file_size > MAX_MANIFEST_BYTES:
            raise _too_large(f"{_MANIFEST}: {self._entries[_MANIFEST].file_size} bytes")
        return self._archive.read(self._entries[_MANIFEST])

    def _require_members(self) -> None:
        for name in self._entries:
            if name != _MANIFEST and name not in _MEMBERS:
                raise StorageError("archive_member_refused", member=short(ascii(name)))
        for name in _MEMBERS:
            if name not in self._entries or name not in self._facts:
                raise Damage(f"{name} is missing")


def _safe_entries(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Refuse sizes, duplicates, links, folders, and what this program never writes."""
    _check_sizes(entries)
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


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    """Raises StorageError archive_too_large, for a zip that arrives and for one to be handed out"""
    if len(entries) > MAX_MEMBERS:
        raise _too_large(f"{len(entries)} files, at most {MAX_MEMBERS}")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES:
        raise _too_large(f"{total} bytes unpacked, at most {MAX_BYTES}")
    for entry in entries:
        if entry.file_size > max(RATIO_FROM, MAX_RATIO * entry.compress_size):
            raise _too_large(f"{short(ascii(entry.filename))} is a bomb by its compression")


def _manifest(content: bytes) -> Row:
    try:
        manifest = DECODER.decode(content.decode())
    except (ValueError, RecursionError) as error:
        raise Damage(f"{_MANIFEST}: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise StorageError("not_an_archive")
    version = manifest.get("format_version")
    if type(version) is not int or version < 1:
        raise Damage(f"{_MANIFEST} tells no version of its format")
    if version > FORMAT_VERSION:
        raise StorageError("archive_newer", version=_version(manifest))
    return manifest


# -- taking it in --


def _free_name(db: Database, pack: _Pack, name: str | None) -> str:
    """The name that the study gets here; StorageError where the study or the name is taken."""
    known = db.execute("SELECT name FROM studies WHERE id = ?", [pack.study_id]).fetchone()
    if known:
        raise StorageError("study_already_here", name=known[0])
    wanted = pack.name if name is None else storable(name).strip()
    if not wanted:
        raise StorageError("study_name_empty")
    if db.table("studies").count_where("name = ?", [wanted]):
        raise StorageError("study_name_taken", name=wanted)
    return wanted


def _take_in(db: Database, pack: _Pack, name: str, old_numbers: "array[int]") -> None:
    lacks_seals = pack.lacks_seals
    for table in _TABLES:
        rows = pack.rows(table)
        if table == "studies":
            rows = ({"blind_key": new_id(), **row, "name": name} for row in rows)
        if table == "study_events" and lacks_seals:
            rows = _chained(rows)
        if table == "answering":
            # No program here is working on it; its coordinator may go on when the models are here.
            rows = ({**row, "state": _resting(row["state"])} for row in rows)
        _insert(db, table, rows)
    first = db.execute("SELECT min(id) FROM rating_log WHERE study = ?", [pack.study_id])
    db.conn.executemany(
        "UPDATE items SET latest = ? WHERE id = ?", _latest(pack, old_numbers, first.fetchone()[0])
    )


def _chained(rows: Iterable[Row]) -> Iterator[Row]:
    """A study's events from before there was a chain, as one."""
    end = START
    for row in rows:
        chained = {**row, "content": "{}", "previous": end}
        end = seal_event(end, chained)
        yield {**chained, "hash": end}


def _resting(state: str) -> str:
    return "paused" if state == "running" else state


def _latest(pack: _Pack, old: "array[int]", first: int) -> Iterator[tuple[int, str]]:
    """Each rated item's newest rating: the log's rows have new ids, one after the other."""
    for row in pack.rows("items"):
        if (latest := row.get("latest")) is not None:
            place = bisect_left(old, latest)
            if place == len(old) or old[place] != latest:
                raise Damage(f"answer {row['id']} counts a rating that is not in the log")
            yield first + place, row["id"]


def _insert(db: Database, table: str, rows: Iterator[Row]) -> None:
    head = next(rows, None)
    if head is None:
        return
    given_later = {"items": ("latest",)} | dict.fromkeys(NUMBERED, ("id",))
    names = [name for name in head if name not in given_later.get(table, ())]
    marks = ", ".join(f":{name}" for name in names)
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
    try:
        db.execute(sql, head)
        db.conn.executemany(sql, rows)
    except sqlite3.IntegrityError as error:
        # a trigger speaks where the log has a row of this key already
        if error.sqlite_errorname in _TAKEN:
            raise StorageError("archive_ids_taken", member=f"{table}.jsonl") from error
        raise Damage(f"{table}.jsonl: {error}") from error


_TAKEN = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_TRIGGER")


def _require_all_of_one_study(db: Database, pack: _Pack) -> None:
    """What would be packed now must be as many rows as came: others belong to another study."""
    for table, (where, _) in _TABLES.items():
        sql = f"SELECT count(*) FROM {table} WHERE {where}"
        if db.execute(sql, {"study": pack.study_id}).fetchone()[0] != pack.rows_of(table):
            raise Damage(f"{table}.jsonl holds rows of another study")


def _give_to(db: Database, study_id: str, coordinator: Coordinator | None) -> None:
    if coordinator is None:
        return
    if not db.table("coordinators").count_where("id = ?", [coordinator.id]):
        raise StorageError("unknown_coordinator", name=coordinator.name)
    db.table("study_coordinators").insert({"study": study_id, "coordinator": coordinator.id})


# -- whether a study is whole --

_FLAWS = {
    "an answer is shown that is not of its question or study": """
        SELECT 1 FROM items
        JOIN raters ON raters.id = items.rater
        JOIN responses ON responses.id = items.response
        JOIN questions ON questions.id = items.question
        WHERE raters.study_id = :study AND (
            questions.study_id <> :study OR responses.question <> items.question
            OR (questions.kind = 'practice') <> (items.kind = 'practice'))
        """,
    "a rating is not of the rater, answer or study that it was shown to": """
        SELECT 1 FROM rating_log AS entry
        JOIN items ON items.id = entry.item
        JOIN raters ON raters.id = items.rater
        WHERE entry.study = :study AND (
            items.rater <> entry.rater OR items.response <> entry.response
            OR raters.study_id <> :study)
        """,
    "of an answer another rating counts than the newest": """
        SELECT 1 FROM items
        JOIN raters ON raters.id = items.rater
        LEFT JOIN rating_log AS entry ON entry.item = items.id
        WHERE raters.study_id = :study
        GROUP BY items.id HAVING items.latest IS NOT max(entry.id)
        """,
    "the study is unblinded or locked without what comes before": """
        SELECT 1 FROM studies WHERE id = :study AND (
            unblinded_at IS NOT NULL AND locked_at IS NULL
            OR locked_at IS NOT NULL AND opened_at IS NULL)
        """,
}


def _require_whole(db: Database, study_id: str, packed_name: str | None = None) -> str:
    """Return the hash at the end of a study's ratings. Raises Damage where anything is wrong.

    A study that has just arrived was sealed under its ``packed_name``, and with other rights.
    """
    for flaw, sql in _FLAWS.items():
        if db.execute(f"{sql} LIMIT 1", {"study": study_id}).fetchone():
            raise Damage(flaw)
    _require_marked_text(db, study_id)
    for problem in study_problems(db, study_id, packed_name):
        raise Damage(problem.rstrip("."))
    return str(end_of_ratings(db, study_id)["end"])


def _require_marked_text(db: Database, study_id: str) -> None:
    rows = db.execute(
        """
        SELECT entry.spans, coalesce(responses.shown_text, responses.text) FROM rating_log AS entry
        JOIN responses ON responses.id = entry.response
        WHERE entry.study = ? AND entry.spans <> '[]'
        """,
        [study_id],
    )
    for spans, text in rows:
        if any(span["end"] > len(text) for span in json.loads(spans)):
            raise Damage("text is marked that an answer does not have")


# -- sentences --


def _too_large(reason: str) -> StorageError:
    return StorageError("archive_too_large", reason=reason)


def _version(manifest: Row) -> str:
    return short(storable(str(manifest.get("program_version", "?"))))
