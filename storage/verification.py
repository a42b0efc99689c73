"""Whether a database is what was saved: chains, seals, gaps, the schema's own text, and the export.

Sees every accident and every careless change. Who knows the program can write the file anew so that
everything fits; that shows only against an end that was kept elsewhere: in a backup, or as the code
that a study shows when it is locked. Changes nothing of a database that is up to date.
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlite_utils import Database

from medchat.errors import Message
from storage.chain import SEALED, SEALED_OF_EVENT, START, hash_of, seal_event
from storage.database import Store
from storage.errors import storage_message
from storage.export import exported_scores
from storage.migrations import MIGRATIONS
from storage.seals import (
    Part,
    Seal,
    broken_seals,
    hash_of_rows,
    may_be_sealed_anew,
    owners_of_keys,
    seal_content,
    seal_parts,
    seals_of,
)

MAX_LISTED = 20
"""Problems of one kind that are listed; the others are counted."""


@dataclass
class _Chains:
    """What the events and the ratings of all studies say, by the study's id."""

    seals: dict[Part, Seal] = field(default_factory=dict)
    studies: dict[Part, str] = field(default_factory=dict)
    """The study whose events have sealed a part."""
    ratings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The ends of the ratings that the events of a study carry, the oldest first."""
    locked: set[str] = field(default_factory=set)


def verify(store: Store, *, indexes: bool = True) -> list[Message]:
    """Return a message for everything that is wrong; none if all is as it was saved.

    Without ``indexes`` these are not compared with their tables: they can be made anew from them.

    Raises:
        StorageError: the database cannot be read at all.
    """
    with store.connect() as db:
        db.execute("BEGIN")  # one state of the database for all that follows
        chains = _Chains()
        checks = (
            _damage(db, "integrity_check" if indexes else "quick_check"),
            _schema_problems(db),
            _gaps(db),
            _event_problems(db, chains, None),
            _chain_problems(db, chains, None),
            _seal_problems(db, chains, None),
            _item_problems(db),
            _export_problems(db),
        )
        return [problem for check in checks for problem in _first_ones(_unless_refused(check))]


def _unless_refused(problems: Iterator[Message]) -> Iterator[Message]:
    """What has been changed may be a table, or a value, that the next check needs."""
    try:
        yield from problems
    except (sqlite3.DatabaseError, *_UNEXPECTED_VALUES) as error:
        yield storage_message("check_stopped", remainder=repr(error))


_UNEXPECTED_VALUES = (KeyError, TypeError, ValueError, AttributeError, RecursionError)


def study_problems(
    db: Database, study_id: str, packed_name: str | None = None
) -> Iterator[Message]:
    """What is wrong with the chains and seals of one study.

    A study that has just arrived was sealed under its ``packed_name``, and with other rights.
    """
    chains = _Chains()
    yield from _event_problems(db, chains, study_id)
    yield from _chain_problems(db, chains, study_id)
    if packed_name is not None:
        _expect_arrival(db, chains, study_id, packed_name)
    yield from _seal_problems(db, chains, study_id)


# -- the file and its schema --


def _damage(db: Database, pragma: str) -> Iterator[Message]:
    for (message,) in db.execute(f"PRAGMA {pragma}"):
        if message != "ok":
            yield storage_message("file_damaged", remainder=message)
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield storage_message("row_without_parent", row=row, table=table, parent=parent)


def _schema_problems(db: Database) -> Iterator[Message]:
    """Triggers keep the logs from being changed, a view says what counts: all must be our own."""
    own, here = _own_schema(), _schema(db)
    for kind, name in sorted(own.keys() | here.keys()):
        if (kind, name) not in here:
            yield storage_message("schema_missing", kind=kind, name=name)
        elif (kind, name) not in own:
            yield storage_message("schema_foreign", kind=kind, name=name)
        elif own[kind, name] != here[kind, name]:
            yield storage_message("schema_changed", kind=kind, name=name)


@lru_cache(maxsize=1)
def _own_schema() -> dict[tuple[str, str], str]:
    db = Database(memory=True)
    MIGRATIONS.apply(db)
    return _schema(db)


def _schema(db: Database) -> dict[tuple[str, str], str]:
    rows = db.execute(
        "SELECT type, name, sql FROM sqlite_master"
        " WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_sqlite_*'"
    )
    # without the comments, which a later version may word in another way
    return {
        (kind, name): " ".join(re.sub(r"--[^\n]*", "", sql).split()) for kind, name, sql in rows
    }


def _gaps(db: Database) -> Iterator[Message]:
    """Rows of the logs are numbered one by one: where a number lacks, a row was taken out."""
    identities = db.execute(
        "SELECT ratings_before, events_before FROM database_identity"
    ).fetchall()
    if len(identities) != 1:
        yield storage_message("identity_rows", count=len(identities))
    before = identities[0] if identities else (0, 0)
    for table, first in zip(("rating_log", "study_events"), before, strict=True):
        rows, last = db.execute(
            f"SELECT count(*), coalesce(max(id), {first}) FROM {table} WHERE id > ?", [first]
        ).fetchone()
        if rows < last - first:
            yield storage_message("rows_removed", table=table, count=last - first - rows)
        counted = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table]).fetchone()
        if first > (counted[0] if counted else 0):
            yield storage_message("gap_start_changed", table=table)
        elif counted and counted[0] > last:
            yield storage_message("last_rows_removed", table=table, count=counted[0] - last)
        elif rows and (counted is None or counted[0] < last):
            yield storage_message("row_count_changed", table=table)


# -- the chains --


def _event_problems(db: Database, chains: _Chains, study_id: str | None) -> Iterator[Message]:
    """Also collects what the events say of seals and ratings."""
    last: dict[str, str] = {}
    owners = owners_of_keys(db)
    columns = ", ".join(SEALED_OF_EVENT)
    where, values = ("1", []) if study_id is None else ("study = ?", [study_id])
    sql = f"SELECT id, previous, hash, {columns} FROM study_events WHERE {where} ORDER BY id"
    for row in db.query(sql, values):
        study = row["study"]
        if row["previous"] != last.get(study, START):
            yield storage_message("event_chain_broken", event=row["id"])
        if seal_event(row["previous"], row) != row["hash"]:
            yield storage_message("event_changed", event=row["id"])
        last[study] = row["hash"]
        content = seal_content(row["content"])
        if content is None:
            yield storage_message("event_unreadable", event=row["id"])
            continue
        yield from _note_seals(chains, owners, row, seals_of(content))
        if "ratings" in content:
            chains.ratings.setdefault(study, []).append(content["ratings"])
        if row["event"] == "locked":
            chains.locked.add(study)
        elif row["event"] == "reopened":
            chains.locked.discard(study)
    for study, name in db.execute("SELECT id, name FROM studies"):
        if study_id in (None, study) and study not in last:
            yield storage_message("study_without_events", name=name)


def _note_seals(
    chains: _Chains, owners: dict[str, str], event: dict[str, Any], seals: dict[Part, Seal]
) -> Iterator[Message]:
    """Add what an event seals, unless it hides a change of what was sealed before."""
    for part, seal in seals.items():
        if owners.get(part[1].partition("/")[0]) != event["study"]:
            yield storage_message("seals_of_another_study", event=event["id"])
            continue
        before = chains.seals.get(part)
        if before is not None and not may_be_sealed_anew(part, before, seal):
            yield storage_message("sealed_anew", event=event["id"])
            continue
        chains.seals[part] = seal


def _chain_problems(db: Database, chains: _Chains, study_id: str | None) -> Iterator[Message]:
    last: dict[str, str] = {}
    count: dict[str, int] = {}
    ends: dict[tuple[str, int], set[str]] = {}
    for study, noted in chains.ratings.items():
        for end in noted:
            ends.setdefault((study, end["rows"]), set()).add(end["end"])
    columns = ", ".join(SEALED)
    where, values = ("1", []) if study_id is None else ("study = ?", [study_id])
    sql = f"SELECT id, hash, study, previous, {columns} FROM rating_log WHERE {where} ORDER BY id"
    for number, hashed, study, *sealed in db.execute(sql, values):
        if sealed[0] != last.get(study, START):
            yield storage_message("rating_chain_broken", rating=number)
        if hash_of(sealed) != hashed:
            yield storage_message("rating_changed", rating=number)
        last[study] = hashed
        count[study] = count.get(study, 0) + 1
        if ends.get((study, count[study]), {hashed}) != {hashed}:
            yield storage_message("ratings_not_as_noted", rating=number)
    yield from _end_problems(db, chains, count)


def _end_problems(db: Database, chains: _Chains, count: dict[str, int]) -> Iterator[Message]:
    names = dict(db.execute("SELECT id, name FROM studies").fetchall())
    for study, ends in chains.ratings.items():
        rows, now = [end["rows"] for end in ends], count.get(study, 0)
        name = names.get(study, study)
        if now < max(rows):
            yield storage_message("ratings_lost", name=name, before=max(rows), now=now)
        elif now > rows[-1] and study in chains.locked:
            yield storage_message("ratings_after_lock", name=name, before=rows[-1], now=now)
        if rows != sorted(rows):
            yield storage_message("fewer_ratings_noted", name=name)


# -- the seals --

_DESCRIPTIONS = {
    "study": "part_study",
    "name": "part_name",
    "state": "part_state",
    "published": "part_published",
    "rights": "part_rights",
    "question": "part_question",
    "answers": "part_answers",
    "practice": "part_practice",
    "rater": "part_rater",
    "profile": "part_profile",
    "link": "part_link",
    "list": "part_list",
    "withdrawn": "part_withdrawn",
}
_NAMES = {
    **dict.fromkeys(
        ("study", "name", "state", "published", "rights"),
        "SELECT name, name FROM studies WHERE id = ?",
    ),
    **dict.fromkeys(
        ("question", "answers", "practice"),
        "SELECT question_id, studies.name FROM questions"
        " JOIN studies ON studies.id = study_id WHERE questions.id = ?",
    ),
    **dict.fromkeys(
        ("rater", "profile", "link", "list", "withdrawn"),
        "SELECT label, studies.name FROM raters"
        " JOIN studies ON studies.id = study_id WHERE raters.id = ?",
    ),
}


def _expect_arrival(db: Database, chains: _Chains, study_id: str, packed_name: str) -> None:
    """A study that arrives has other rights here, and may have another name."""
    here = seals_of(seal_parts(db, [("rights", study_id), ("name", study_id)]))
    sealed = chains.seals.get(("name", study_id))
    chains.seals["rights", study_id] = here["rights", study_id]
    if sealed and sealed.hash == hash_of_rows([(packed_name,)]):
        chains.seals["name", study_id] = here["name", study_id]


def _seal_problems(db: Database, chains: _Chains, study_id: str | None) -> Iterator[Message]:
    for kind, key in broken_seals(db, chains.seals, study_id):
        row_id = key.partition("/")[0]
        name, study = db.execute(_NAMES[kind], [row_id]).fetchone() or (row_id, "?")
        part = storage_message(_DESCRIPTIONS[kind], name=name, study=study)
        code = "changed_since_sealed" if (kind, key) in chains.seals else "never_sealed"
        yield storage_message(code, part=part)


# -- items and export --


def _item_problems(db: Database) -> Iterator[Message]:
    sql = """
        SELECT items.id, items.latest, max(entry.id) AS newest
        FROM items LEFT JOIN rating_log AS entry ON entry.item = items.id
        GROUP BY items.id HAVING items.latest IS NOT max(entry.id)
        """
    for item, latest, newest in db.execute(sql):
        yield storage_message("latest_differs", item=item, latest=latest, newest=newest)
    sql = """
        SELECT entry.id FROM rating_log AS entry
        JOIN items ON items.id = entry.item
        JOIN questions ON questions.id = items.question
        WHERE items.rater <> entry.rater OR items.response <> entry.response
            OR questions.study_id <> entry.study
        """
    for (rating,) in db.execute(sql):
        yield storage_message("rating_of_another", rating=rating)


def _export_problems(db: Database) -> Iterator[Message]:
    """The export must say what the log says, whatever the view between them does."""
    newest = set(db.execute(_NEWEST_SCORES).fetchall())
    exported = exported_scores(db)
    distinct = set(exported)
    if len(distinct) < len(exported):
        yield storage_message("exported_twice", count=len(exported) - len(distinct))
    of_log, of_export = ({row[:2] for row in rows} for rows in (newest, distinct))
    if missing := len(of_log - of_export):
        yield storage_message("export_lacks", count=missing, total=len(of_log))
    if extra := len(of_export - of_log):
        yield storage_message("export_extra", count=extra)
    for rater, response, *_ in distinct - newest:
        if (rater, response) in of_log:
            yield storage_message("export_differs", response=response)


_NEWEST_SCORES = """
    SELECT rater, response, safety, usability, fluency FROM rating_log
    WHERE skipped = '' AND id IN (
        SELECT max(entry.id) FROM rating_log AS entry JOIN items ON items.id = entry.item
        WHERE items.kind = 'real' GROUP BY entry.rater, entry.response
    )
    """


def _first_ones(problems: Iterator[Message]) -> Iterator[Message]:
    """The first problems of a kind, and how many more there are."""
    rest = 0
    for number, problem in enumerate(problems):
        if number < MAX_LISTED:
            yield problem
        else:
            rest += 1
    if rest:
        yield storage_message("more_problems", count=rest)
