"""The schema: how old databases come up to date, and what the database itself refuses."""

import hashlib
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from project import ROOT
from sqlite_utils import Database
from storage_fixtures import answers_shown_to, entry, new_raters, new_study

from storage import (
    Scores,
    Store,
    history,
    list_questions,
    list_studies,
    read_board,
    read_worklist,
    save_ratings,
    score_rows,
    verify,
)
from storage.migrations import MIGRATIONS

NAMES = [migration.name for migration in MIGRATIONS._migrations]

# A released migration is never edited. A change is a new migration, with a new line here.
RELEASED = {
    "m001_studies": "37deb309731b73a9",
    "m002_raters": "7425a3b584b7943b",
    "m003_rating_log": "e4c1f72faf649e8f",
    "m004_items": "255e7ba75a61647a",
    "m005_links": "76ed0b83e87f5569",
    "m006_study_setup": "abe4513585ec4a4b",
    "m007_coordinators": "4fe455778bbfbb3e",
    "m008_study_events": "c61202293e71f9ec",
    "m009_study_design": "e5b21cbfb70a39a7",
    "m010_reference_rows": "e6a5c753fe7fa3b6",
    "m011_rater_remark": "63f65ba835803368",
    "m012_identity": "5c744ffd9fc602ae",
    "m013_blind_key": "e16132344314bfd9",
    "m014_sealed_events": "735ffcee0d56e268",
    "m015_sign_in_addresses": "407aaf9010e34175",
}


@pytest.fixture
def rated(store: Store) -> Iterator[sqlite3.Connection]:
    """An ordinary connection to a database with one rating, without our own settings."""
    rater = new_raters(store, new_study(store))[0]
    save_ratings(store, rater.id, [entry(answers_shown_to(store, rater)[0].item, "the key")])
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        yield connection


def schema(path: Path) -> dict[str, str]:
    """Return the SQL of everything in the database, without comments and spacing."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master"
            " WHERE sql IS NOT NULL AND name NOT LIKE '%sqlite_%'"
        )
        return {name: " ".join(re.sub(r"--[^\n]*", "", sql).split()) for name, sql in rows}


def database_before(path: Path, migration: str | None) -> Path:
    """Make a database as it was before that migration existed; None for all of them."""
    db = Database(str(path))
    MIGRATIONS.apply(db, stop_before=migration)
    db.execute(
        "INSERT INTO studies (id, name, seed, created_at)"
        " VALUES ('s', 'Old study', 7, '2026-01-01T00:00:00.000+00:00')"
    )
    db.execute(
        "INSERT INTO questions (id, study_id, question_id, text, position)"
        " VALUES ('q', 's', 'q001', '感冒怎么办？', 1)"
    )
    db.close()
    return path


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "medchat.db"
    path.touch()
    new_study(Store(path))
    assert len(list_studies(Store(path))) == 1


@pytest.mark.parametrize("migration", NAMES[1:])
def test_an_older_database_comes_up_to_date_and_keeps_its_content(
    tmp_path: Path, store: Store, migration: str
) -> None:
    old = Store(database_before(tmp_path / "old.db", migration))
    assert schema(old.path) == schema(store.path)
    assert [study.name for study in list_studies(old)] == ["Old study"]
    assert [question.text for question in list_questions(old, "s")] == ["感冒怎么办？"]
    assert read_board(old, "s").raters == ()
    if migration <= "m014_sealed_events":  # a study that is there by then is sealed
        assert verify(old) == []


KILLED = """
import os, sys
from storage import Store
from storage.migrations import MIGRATIONS

name, after = sys.argv[2], int(sys.argv[3])
(migration,) = [each for each in MIGRATIONS._migrations if each.name == name]
run, seen = migration.fn, []

def traced(db):
    def count(sql):
        seen.append(sql)
        if len(seen) > after:
            os._exit(9)
    db.conn.set_trace_callback(count)
    run(db)
    os._exit(9)

migration.fn = traced
Store(sys.argv[1])
"""


@pytest.mark.parametrize("after", [1, 10_000])
@pytest.mark.parametrize("migration", NAMES[1:])
def test_a_migration_that_is_killed_is_done_whole_the_next_time(
    tmp_path: Path, store: Store, migration: str, after: int
) -> None:
    path = database_before(tmp_path / "old.db", migration)
    before = schema(path)
    command = [sys.executable, "-c", KILLED, str(path), migration, str(after)]
    assert subprocess.run(command, check=False, cwd=ROOT).returncode == 9
    assert schema(path) == before, "nothing of it, or all of it"
    old = Store(path)
    assert schema(path) == schema(store.path)
    assert [study.name for study in list_studies(old)] == ["Old study"]
    assert [question.text for question in list_questions(old, "s")] == ["感冒怎么办？"]


def test_opening_again_changes_nothing(store: Store) -> None:
    new_study(store)
    before = store.path.read_bytes()
    Store(store.path)
    assert store.path.read_bytes() == before


def test_a_released_migration_is_never_edited(tmp_path: Path) -> None:
    found = {}
    for name, following in zip(NAMES, [*NAMES[1:], None], strict=True):
        path = database_before(tmp_path / name, following)
        text = repr(sorted(schema(path).items()))
        found[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert found == RELEASED


# -- what the database itself refuses --


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE rating_log SET safety = 1",
        "UPDATE rating_log SET comment = 'edited' WHERE id = 1",
        "DELETE FROM rating_log",
        "INSERT OR REPLACE INTO rating_log SELECT * FROM rating_log",
        "REPLACE INTO rating_log SELECT 99, idempotency_key, study, item, rater, response, 1, 1, 1,"
        " '', flags, 'replaced', spans, shown_position, active_seconds, rated_at, previous, 'h'"
        " FROM rating_log",
    ],
)
def test_a_rating_cannot_be_changed_or_deleted(rated: sqlite3.Connection, sql: str) -> None:
    before = rated.execute("SELECT * FROM rating_log").fetchall()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        rated.execute(sql)
    assert rated.execute("SELECT * FROM rating_log").fetchall() == before


@pytest.fixture
def append(rated: sqlite3.Connection) -> Callable[..., None]:
    """Append a copy of the only rating with another key and some other values."""
    rated.execute("PRAGMA foreign_keys = ON")
    cursor = rated.execute("SELECT * FROM rating_log")
    names = [column[0] for column in cursor.description]
    row = dict(zip(names, cursor.fetchone(), strict=True))

    def append(**changes: object) -> None:
        new = {**row, "id": None, "idempotency_key": "another", "hash": "another", **changes}
        marks = ", ".join("?" for _ in new)
        rated.execute(f"INSERT INTO rating_log VALUES ({marks})", list(new.values()))

    return append


def test_a_row_that_keeps_the_rules_can_be_appended(append, rated: sqlite3.Connection) -> None:
    append(safety=1)
    rated.execute("UPDATE items SET latest = 2 WHERE latest = 1")
    assert rated.execute("SELECT safety FROM current_ratings").fetchall() == [(1,)]


@pytest.mark.parametrize("dimension", ["safety", "usability", "fluency"])
@pytest.mark.parametrize("value", [0, 4, -1, 2.5, None, "good", b"\x01"])
def test_the_database_takes_no_other_score_than_1_2_3(append, dimension: str, value) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        append(**{dimension: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"idempotency_key": None},
        {"idempotency_key": ""},
        {"rater": "nobody"},
        {"response": "nothing"},
        {"item": "nothing"},
        {"study": "nothing"},
        {"hash": None},
        {"previous": None},
        {"spans": "{}"},
        {"skipped": "other"},
        {"skipped": "other", "safety": None, "usability": None},
        {"flags": "outside_specialty"},
        {"flags": "{}"},
        {"active_seconds": -1.0},
        {"shown_position": 0},
    ],
)
def test_the_database_takes_no_row_that_breaks_a_rule(append, changes: dict) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        append(**changes)


def test_the_order_on_screen_is_one_to_one(rated: sqlite3.Connection) -> None:
    rater, question, place, position = rated.execute(
        "SELECT rater, question, place, position FROM items"
    ).fetchone()
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        rated.execute(
            "INSERT INTO items (id, rater, response, question, kind, place, position)"
            " SELECT 'x', ?, response, ?, 'repeat', ?, ? FROM items",
            [rater, question, place, position],
        )


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM items WHERE rater = 'r' AND place = 1",
        "SELECT * FROM rating_log WHERE item = 'i' ORDER BY id",
        "SELECT hash FROM rating_log WHERE study = 's' ORDER BY id DESC LIMIT 1",
        "SELECT * FROM rating_log WHERE idempotency_key = 'k'",
    ],
)
def test_what_every_save_looks_up_uses_an_index(rated: sqlite3.Connection, query: str) -> None:
    plan = rated.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert not [step for step in plan if "SCAN" in step[3]]


# -- from the log without a chain --


def test_ratings_from_before_the_chain_are_carried_over(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    db = Database(str(path))
    MIGRATIONS.apply(db, stop_before="m004_items")
    db.executescript(
        """
        INSERT INTO studies VALUES ('s', 'Old', 7, '2026-01-01');
        INSERT INTO questions VALUES ('q', 's', 'q001', '感冒怎么办？', 1);
        INSERT INTO responses VALUES ('a', 'q', 'llama', 'A', 'stop', '{}', '');
        INSERT INTO responses VALUES ('b', 'q', 'huatuo', 'B', 'stop', '{}', '');
        INSERT INTO raters VALUES ('r', 's', 'r01', 'hash', '', NULL, '');
        INSERT INTO presentations VALUES ('r', 'a', 'q', 2), ('r', 'b', 'q', 1);
        INSERT INTO rating_log VALUES
            (3, 'k1', 'r', 'a', 3, 3, 3, '[]', '', 2, NULL, '2026-01-02'),
            (5, 'k2', 'r', 'a', 1, 2, 3, '["unsure"]', '改', 2, 4.5, '2026-01-03');
        """
    )
    db.close()
    store = Store(path)
    (question,) = read_worklist(store, "r")
    assert [(each.text, each.position) for each in question.answers] == [("B", 1), ("A", 2)]
    rated = question.answers[1]
    assert (rated.current, rated.comment, rated.flags) == (Scores(1, 2, 3), "改", ("unsure",))
    assert [each.id for each in history(store, "r", rated.item)] == [3, 5]
    assert [row["safety"] for row in score_rows(store, "s")] == [1]
    assert verify(store) == []
    save_ratings(store, "r", [entry(question.answers[0].item, "k3")])
    assert verify(store) == []
