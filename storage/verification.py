"""Whether a database is what was saved: chains, seals, gaps, the schema's own text, and the export.

Sees every accident and every careless change. Who knows the program can write the file anew so that
everything fits; that shows only against an end that was kept elsewhere: in a backup, or as the code
that a study shows when it is locked. Changes nothing of a database that is up to date.
"""

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlite_utils import Database

from storage.chain import (
    SEALED,
    SEALED_OF_EVENT,
    START,
    end_code,
    hash_of,
    hash_start,
    seal_event,
)
from storage.database import Store
from storage.errors import StorageError
from storage.export import exported_scores
from storage.migrations import MIGRATIONS
from storage.seals import (
    Part,
    Seal,
    broken_seals,
    hash_of_rows,
    is_seal_content,
    may_be_sealed_anew,
    owners_of_keys,
    seal_parts,
    seals_of,
)

MAX_LISTED = 20
"""Of problems of one kind; the others are counted."""


@dataclass(frozen=True)
class ChainEnd:
    """The end of a study's log: how many rows it has, and the hash of the last.

    ``sealed_at`` is since when (UTC) its content is sealed, None for a draft; ``was_open`` says
    that it had been open before that; ``locks`` holds (time, code) of every lock since.
    """

    study: str
    rows: int
    hash: str
    sealed_at: str | None = None
    was_open: bool = False
    locks: tuple[tuple[str, str], ...] = ()


@dataclass
class _Chains:
    """What the events and the ratings of all studies say, by the study's id."""

    seals: dict[Part, Seal] = field(default_factory=dict)
    studies: dict[Part, str] = field(default_factory=dict)
    """The study whose events have sealed a part."""
    ratings: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The ends of the ratings that the events of a study carry, the oldest first."""
    locked: set[str] = field(default_factory=set)


def verify(store: Store, *, indexes: bool = True) -> list[str]:
    """Return a sentence for everything that is wrong; none if all is as it was saved.

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


def _unless_refused(problems: Iterator[str]) -> Iterator[str]:
    """What has been changed may be a table, or a value, that the next check needs."""
    try:
        yield from problems
    except (sqlite3.DatabaseError, *_UNEXPECTED_VALUES) as error:
        yield f"The database cannot be checked further: {error!r}."


_UNEXPECTED_VALUES = (KeyError, TypeError, ValueError, AttributeError, RecursionError)


def study_problems(db: Database, study_id: str, packed_name: str | None = None) -> Iterator[str]:
    """What is wrong with the chains and seals of one study.

    A study that has just arrived was sealed under its ``packed_name``, and with other rights.
    """
    chains = _Chains()
    yield from _event_problems(db, chains, study_id)
    yield from _chain_problems(db, chains, study_id)
    if packed_name is not None:
        _expect_arrival(db, chains, study_id, packed_name)
    yield from _seal_problems(db, chains, study_id)


def chain_ends(store: Store) -> list[ChainEnd]:
    """Return the end of each study's chain, by name of the study."""
    sql = """
        SELECT studies.id, studies.name, count(entry.id), (
            SELECT hash FROM rating_log WHERE study = studies.id ORDER BY id DESC LIMIT 1
        )
        FROM studies LEFT JOIN rating_log AS entry ON entry.study = studies.id
        GROUP BY studies.id ORDER BY studies.name
        """
    with store.connect() as db:
        db.execute("BEGIN")
        return [
            ChainEnd(name, rows, end or START, *_sealed(db, study))
            for study, name, rows, end in db.execute(sql).fetchall()
        ]


def _sealed(db: Database, study: str) -> tuple[str | None, bool, tuple[tuple[str, str], ...]]:
    """Since when a study is sealed, whether it was open before, and the ends at its locks."""
    rows = db.execute(
        "SELECT event, happened_at, hash FROM study_events WHERE study = ? AND ("
        " json_extract(content, '$.seals.study') IS NOT NULL"
        " OR event = 'locked' AND content <> '{}') ORDER BY id",
        [study],
    ).fetchall()
    first = next((row for row in rows if row[0] != "locked"), None)
    locks = tuple((at, end_code(end)) for event, at, end in rows if event == "locked" and end)
    return (first[1], first[0] == "sealed", locks) if first else (None, False, locks)


@dataclass(frozen=True)
class KeptEnd:
    """What an end that was kept elsewhere stands for; ``rows`` ratings were there by then.

    ``ratings_only``: it is of the chain of ratings, and says nothing of anything else.
    """

    study: str
    rows: int
    at: str
    ratings_only: bool = False


def find_end(store: Store, code: str) -> KeptEnd:
    """Return where the chain of some study has the end with this code, or with this whole hash.

    With no problems of ``verify``, everything that was sealed up to there is what it was when the
    code was shown: no event behind it may seal the same anew.

    Raises:
        StorageError: end_no_code for what is no code, end_unknown where no chain has this end.
    """
    start = code.lower() if len(code) == len(START) else hash_start(code)
    if start is None or set(start) - set("0123456789abcdef"):
        raise StorageError("end_no_code", given=code[:80])
    with store.connect() as db:
        for study, at, content in db.execute(
            "SELECT name, happened_at, content FROM study_events"
            " JOIN studies ON studies.id = study WHERE substr(hash, 1, ?) = ?",
            [len(start), start],
        ):
            ratings = (_content_of(content) or {}).get("ratings", {})
            return KeptEnd(study, ratings.get("rows", 0), at)
        for study, study_id, number, at in db.execute(
            "SELECT name, study, rating_log.id, rated_at FROM rating_log"
            " JOIN studies ON studies.id = study WHERE hash BETWEEN ? AND ?",
            [start, start + "g"],
        ):
            where = "study = ? AND id <= ?"
            rows = db["rating_log"].count_where(where, [study_id, number])
            return KeptEnd(study, rows, at, ratings_only=True)
    raise StorageError("end_unknown", given=code)


# -- the file and its schema --


def _damage(db: Database, pragma: str) -> Iterator[str]:
    for (message,) in db.execute(f"PRAGMA {pragma}"):
        if message != "ok":
            yield f"The database file is damaged: {message}."
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield f"Row {row} of {table} belongs to a row of {parent} that is not there."


def _schema_problems(db: Database) -> Iterator[str]:
    """Triggers keep the logs from being changed, a view says what counts: all must be our own."""
    own, here = _own_schema(), _schema(db)
    for kind, name in sorted(own.keys() | here.keys()):
        if (kind, name) not in here:
            yield f"The {kind} {name} is missing."
        elif (kind, name) not in own:
            yield f"The {kind} {name} is not this program's."
        elif own[kind, name] != here[kind, name]:
            yield f"The {kind} {name} is not what this program has written."


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


def _gaps(db: Database) -> Iterator[str]:
    """Rows of the logs are numbered one by one: where a number lacks, a row was taken out."""
    identities = db.execute(
        "SELECT ratings_before, events_before FROM database_identity"
    ).fetchall()
    if len(identities) != 1:
        yield f"The table database_identity must have one row; it has {len(identities)}."
    before = identities[0] if identities else (0, 0)
    for table, first in zip(("rating_log", "study_events"), before, strict=True):
        rows, last = db.execute(
            f"SELECT count(*), coalesce(max(id), {first}) FROM {table} WHERE id > ?", [first]
        ).fetchone()
        if rows < last - first:
            yield f"{last - first - rows} rows of {table} have been taken out."
        counted = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table]).fetchone()
        if first > (counted[0] if counted else 0):
            yield f"From which row of {table} on gaps are counted has been changed."
        elif counted and counted[0] > last:
            yield f"{counted[0] - last} rows at the end of {table} have been taken out."
        elif rows and (counted is None or counted[0] < last):
            yield f"The count of rows of {table} has been changed."


# -- the chains --


def _event_problems(db: Database, chains: _Chains, study_id: str | None) -> Iterator[str]:
    """Also collects what the events say of seals and ratings."""
    last: dict[str, str] = {}
    owners = owners_of_keys(db)
    columns = ", ".join(SEALED_OF_EVENT)
    where, values = ("1", []) if study_id is None else ("study = ?", [study_id])
    sql = f"SELECT id, previous, hash, {columns} FROM study_events WHERE {where} ORDER BY id"
    for row in db.query(sql, values):
        study = row["study"]
        if row["previous"] != last.get(study, START):
            yield (
                f"The chain of events is broken before event {row['id']}: one in front of it has "
                "been removed, inserted or changed."
            )
        if seal_event(row["previous"], row) != row["hash"]:
            yield f"Event {row['id']} is not what was logged: its hash does not fit its content."
        last[study] = row["hash"]
        content = _content_of(row["content"])
        if content is None:
            yield f"What event {row['id']} has sealed cannot be read."
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
            yield f"The study {name} has no events: they have been taken out."


def _note_seals(
    chains: _Chains, owners: dict[str, str], event: dict[str, Any], seals: dict[Part, Seal]
) -> Iterator[str]:
    """Add what an event seals, unless it hides a change of what was sealed before."""
    for part, seal in seals.items():
        if owners.get(part[1].partition("/")[0]) != event["study"]:
            yield f"Event {event['id']} seals what is not, or no more, of its study."
            continue
        before = chains.seals.get(part)
        if before is not None and not may_be_sealed_anew(part, before, seal):
            yield f"Event {event['id']} seals anew, and otherwise, what was sealed before."
            continue
        chains.seals[part] = seal


def _content_of(text: str) -> dict[str, Any] | None:
    """What an event carries; None for what this program has not written: it names columns."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if is_seal_content(content) else None


def _chain_problems(db: Database, chains: _Chains, study_id: str | None) -> Iterator[str]:
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
            yield (
                f"The chain is broken before rating {number}: a row in front of it has been "
                "removed, inserted or changed."
            )
        if hash_of(sealed) != hashed:
            yield f"Rating {number} is not what was saved: its hash does not fit its content."
        last[study] = hashed
        count[study] = count.get(study, 0) + 1
        if ends.get((study, count[study]), {hashed}) != {hashed}:
            yield f"The ratings up to {number} are not those that an event has noted."
    yield from _end_problems(db, chains, count)


def _end_problems(db: Database, chains: _Chains, count: dict[str, int]) -> Iterator[str]:
    names = dict(db.execute("SELECT id, name FROM studies").fetchall())
    for study, ends in chains.ratings.items():
        rows, now = [end["rows"] for end in ends], count.get(study, 0)
        name = names.get(study, study)
        if now < max(rows):
            yield f"The study {name} had {max(rows)} ratings; it has {now}."
        elif now > rows[-1] and study in chains.locked:
            yield f"The study {name} was locked with {rows[-1]} ratings; it has {now}."
        if rows != sorted(rows):
            yield f"The events of the study {name} have noted fewer ratings after more."


# -- the seals --

_DESCRIPTIONS = {
    "study": "study {name}: its settings",
    "name": "study {name}: its name",
    "state": "study {name}: whether it is locked or unblinded",
    "published": "study {name}: the published figures beside it",
    "rights": "study {name}: who may work on it",
    "question": "question {name}",
    "answers": "question {name}: its answers",
    "practice": "question {name}: its reference scores",
    "rater": "rater {name}",
    "profile": "rater {name}: profile or consent",
    "link": "rater {name}: the personal link",
    "list": "rater {name}: what was given out, and in which order",
    "withdrawn": "rater {name}: what was taken back",
}
_NAMES = {
    **dict.fromkeys(("study", "name", "state", "published", "rights"), "SELECT name FROM studies"),
    **dict.fromkeys(
        ("question", "answers", "practice"),
        "SELECT question_id || ' of ' || studies.name FROM questions"
        " JOIN studies ON studies.id = study_id",
    ),
    **dict.fromkeys(
        ("rater", "profile", "link", "list", "withdrawn"),
        "SELECT label || ' of ' || studies.name FROM raters JOIN studies ON studies.id = study_id",
    ),
}


def _expect_arrival(db: Database, chains: _Chains, study_id: str, packed_name: str) -> None:
    """A study that arrives has other rights here, and may have another name."""
    here = seals_of(seal_parts(db, [("rights", study_id), ("name", study_id)]))
    sealed = chains.seals.get(("name", study_id))
    chains.seals["rights", study_id] = here["rights", study_id]
    if sealed and sealed.hash == hash_of_rows([(packed_name,)]):
        chains.seals["name", study_id] = here["name", study_id]


def _seal_problems(db: Database, chains: _Chains, study_id: str | None) -> Iterator[str]:
    for kind, key in broken_seals(db, chains.seals, study_id):
        row_id = key.partition("/")[0]
        table = _NAMES[kind].split(" FROM ")[1].split()[0]
        row = db.execute(f"{_NAMES[kind]} WHERE {table}.id = ?", [row_id]).fetchone()
        description = _DESCRIPTIONS[kind].format(name=row[0] if row else row_id)
        if (kind, key) in chains.seals:
            yield f"Changed since it was sealed: {description}."
        else:
            yield f"No event has sealed this: {description}."


# -- items and export --


def _item_problems(db: Database) -> Iterator[str]:
    sql = """
        SELECT items.id, items.latest, max(entry.id) AS newest
        FROM items LEFT JOIN rating_log AS entry ON entry.item = items.id
        GROUP BY items.id HAVING items.latest IS NOT max(entry.id)
        """
    for item, latest, newest in db.execute(sql):
        yield f"Of answer {item} rating {latest} counts, but the newest is {newest}."
    sql = """
        SELECT entry.id FROM rating_log AS entry
        JOIN items ON items.id = entry.item
        JOIN questions ON questions.id = items.question
        WHERE items.rater <> entry.rater OR items.response <> entry.response
            OR questions.study_id <> entry.study
        """
    for (rating,) in db.execute(sql):
        yield f"Rating {rating} is not of the rater, answer or study that it was shown to."


def _export_problems(db: Database) -> Iterator[str]:
    """The export must say what the log says, whatever the view between them does."""
    newest = set(db.execute(_NEWEST_SCORES).fetchall())
    exported = exported_scores(db)
    distinct = set(exported)
    if len(distinct) < len(exported):
        yield f"The export has {len(exported) - len(distinct)} ratings twice."
    of_log, of_export = ({row[:2] for row in rows} for rows in (newest, distinct))
    if missing := len(of_log - of_export):
        yield f"The export lacks {missing} of {len(of_log)} ratings."
    if extra := len(of_export - of_log):
        yield f"The export has {extra} ratings that the log has not."
    for rater, response, *_ in distinct - newest:
        if (rater, response) in of_log:
            yield f"The export has other scores for answer {response} than the log."


_NEWEST_SCORES = """
    SELECT rater, response, safety, usability, fluency FROM rating_log
    WHERE skipped = '' AND id IN (
        SELECT max(entry.id) FROM rating_log AS entry JOIN items ON items.id = entry.item
        WHERE items.kind = 'real' GROUP BY entry.rater, entry.response
    )
    """


def _first_ones(problems: Iterator[str]) -> Iterator[str]:
    """The first problems of a kind, and how many more there are."""
    rest = 0
    for number, problem in enumerate(problems):
        if number < MAX_LISTED:
            yield problem
        else:
            rest += 1
    if rest:
        yield f"… and {rest} more of this kind."
