"""A whole study as one zip, which another database takes in without loss (``storage.unpacking``).

Not in it: sessions, coordinators and their rights, dry runs. Knows nothing of pages.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator

from sqlite_utils import Database

from storage.archive_format import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    MAX_BYTES,
    MAX_ROW_BYTES,
    README,
    TABLES,
    check_sizes,
    new_entry,
    too_large,
)
from storage.archive_rules import Damage
from storage.chain import end_of_ratings
from storage.database import Store
from storage.errors import StorageError, storage_message
from storage.export import order_lines, score_lines
from storage.ids import utc_now
from storage.migrations import MIGRATIONS
from storage.studies import Study, require_study
from storage.study_events import log_event
from storage.wholeness import require_whole


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
            require_whole(db, study_id)
        except Damage as damage:
            problem = damage.problem
            raise StorageError("study_not_whole", name=study.name, problem=problem) from damage
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
            for table in TABLES
        }
        members["scores.csv"] = _add(archive, "scores.csv", score_lines(db, study.id), headers=1)
        members["order.csv"] = _add(archive, "order.csv", order_lines(db, study.id), headers=1)
        members["README.txt"] = _add(archive, "README.txt", [README.encode()], headers=1)
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
        _add(archive, MANIFEST, [text.encode()])
    check_sizes(archive.infolist())
    return content.getvalue()


def _lines_of(db: Database, table: str, study_id: str) -> Iterator[bytes]:
    where, order = TABLES[table]
    sql = f"SELECT * FROM {table} WHERE {where} ORDER BY {order}"
    for row in db.query(sql, {"study": study_id}):
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _add(
    archive: zipfile.ZipFile, name: str, lines: Iterable[bytes], *, headers: int = 0
) -> dict[str, object]:
    """Write a member; returns what the manifest says of it. ``headers`` lines are not its rows."""
    digest, size, count = hashlib.sha256(), 0, 0
    with archive.open(new_entry(name), "w") as member:
        for line in lines:
            count += 1
            size += len(line)
            if size > MAX_BYTES or (len(line) > MAX_ROW_BYTES and name.endswith(".jsonl")):
                raise too_large(storage_message("zip_member_bytes", member=name, size=size))
            digest.update(line)
            member.write(line)
    return {"sha256": digest.hexdigest(), "bytes": size, "rows": count - headers}
