"""Taking a packed study into a database: all of it or nothing.

That its rows are those that were packed, the hashes of its manifest tell; that its ratings are
those that were saved, their chain. Neither can tell who has packed it.
"""

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from storage.archive_format import COMMAND_LINE, TABLES
from storage.archive_reading import UNREADABLE, Pack, open_archive
from storage.archive_rules import NUMBERED, Damage, Row, check_rows, columns_of, short
from storage.chain import START, seal_event
from storage.coordinators import Coordinator
from storage.database import Store
from storage.errors import StorageError, storage_message
from storage.ids import new_id, storable
from storage.seals import parts_of_study
from storage.studies import Study, require_study
from storage.study_events import log_event
from storage.wholeness import require_whole

CACHE_KIB = 2**17
"""Memory at most while a study is taken in: its ids are random, and so are the pages they go to;
with SQLite's usual 2 MiB, each would be read anew while everyone else waits to save."""


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
    with open_archive(content) as archive, _reported_damage():
        pack = Pack(archive)
        with store.connect() as db:
            columns = {table: columns_of(db, table) for table in TABLES}
        numbers = {
            table: check_rows(pack.rows(table), table, columns[table], pack.is_older)
            for table in TABLES
        }
        for member in ("scores.csv", "order.csv", "README.txt"):
            pack.check(member)
        with store.transaction() as db:
            db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            _take_in(db, pack, _free_name(db, pack, name), numbers["rating_log"])
            _require_all_of_one_study(db, pack)
            if pack.lacks_seals:
                parts = parts_of_study(db, pack.study_id)
                log_event(db, pack.study_id, "sealed", "", parts=parts, with_ratings=True)
            if require_whole(db, pack.study_id, pack.name) != pack.chain_end:
                raise Damage(storage_message("ratings_end_differs"))
            _give_to(db, pack.study_id, coordinator)
            by = coordinator.name if coordinator else COMMAND_LINE
            study = require_study(db, pack.study_id)
            parts = [("rights", study.id), ("name", study.id)]
            log_event(db, study.id, "unpacked", by, pack.packed_at, parts=parts)
            return study


@contextmanager
def _reported_damage() -> Iterator[None]:
    try:
        yield
    except Damage as damage:
        raise StorageError("archive_damaged", problem=damage.problem) from damage
    except (*UNREADABLE, sqlite3.IntegrityError) as error:
        problem = storage_message("zip_unreadable", remainder=short(error))
        raise StorageError("archive_damaged", problem=problem) from error


def _free_name(db: Database, pack: Pack, name: str | None) -> str:
    """The name that the study gets here; StorageError where the study or the name is taken."""
    row = db.execute("SELECT name FROM studies WHERE id = ?", [pack.study_id]).fetchone()
    if row:
        raise StorageError("study_already_here", name=row[0])
    name = pack.name if name is None else storable(name).strip()
    if not name:
        raise StorageError("study_name_empty")
    if db.table("studies").count_where("name = ?", [name]):
        raise StorageError("study_name_taken", name=name)
    return name


def _take_in(db: Database, pack: Pack, name: str, old_numbers: "array[int]") -> None:
    lacks_seals = pack.lacks_seals
    for table in TABLES:
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


def _latest(pack: Pack, old: "array[int]", first: int) -> Iterator[tuple[int, str]]:
    """Each rated item's newest rating: the log's rows have new ids, one after the other."""
    for row in pack.rows("items"):
        if (latest := row.get("latest")) is not None:
            index = bisect_left(old, latest)
            if index == len(old) or old[index] != latest:
                raise Damage(storage_message("latest_unknown", item=row["id"]))
            yield first + index, row["id"]


def _insert(db: Database, table: str, rows: Iterator[Row]) -> None:
    head = next(rows, None)
    if head is None:
        return
    set_later = {"items": ("latest",)} | dict.fromkeys(NUMBERED, ("id",))
    names = [name for name in head if name not in set_later.get(table, ())]
    marks = ", ".join(f":{name}" for name in names)
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
    try:
        db.execute(sql, head)
        db.conn.executemany(sql, rows)
    except sqlite3.IntegrityError as error:
        # a trigger speaks where the log has a row of this key already
        if error.sqlite_errorname in _KEY_EXISTS:
            raise StorageError("archive_ids_taken", member=f"{table}.jsonl") from error
        problem = storage_message("row_refused", member=f"{table}.jsonl", remainder=error)
        raise Damage(problem) from error


_KEY_EXISTS = (
    "SQLITE_CONSTRAINT_UNIQUE",
    "SQLITE_CONSTRAINT_PRIMARYKEY",
    "SQLITE_CONSTRAINT_TRIGGER",
)


def _require_all_of_one_study(db: Database, pack: Pack) -> None:
    """What would be packed now must be as many rows as came: others belong to another study."""
    for table, (where, _) in TABLES.items():
        sql = f"SELECT count(*) FROM {table} WHERE {where}"
        if db.execute(sql, {"study": pack.study_id}).fetchone()[0] != pack.rows_of(table):
            raise Damage(storage_message("rows_of_another_study", member=f"{table}.jsonl"))


def _give_to(db: Database, study_id: str, coordinator: Coordinator | None) -> None:
    if coordinator is None:
        return
    if not db.table("coordinators").count_where("id = ?", [coordinator.id]):
        raise StorageError("unknown_coordinator", name=coordinator.name)
    db.table("study_coordinators").insert({"study": study_id, "coordinator": coordinator.id})
