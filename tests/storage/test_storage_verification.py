"""What ``verify`` sees of what was done to a database behind the program's back."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database
from storage_fixtures import answers_shown_to, entry, new_raters, new_study
from tamperings import (
    LATEST,
    RESEALINGS,
    REWRITINGS,
    TAMPERINGS,
    append_seals,
    build,
    rechain_ratings,
    rewrite,
    tamper,
    without_study,
)
from typer.testing import CliRunner

from storage import (
    StorageError,
    Store,
    chain_ends,
    find_end,
    lock_study,
    make_backup,
    open_study,
    reopen_study,
    save_ratings,
    verify,
)
from storage.__main__ import app
from storage.chain import SEALED, SEALED_OF_EVENT, end_code, hash_start
from storage.comparison import losses_since_backups
from storage.migrations import MIGRATIONS
from storage.seals import COLUMNS, UNSEALED, VERSION


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database with something in every table, and the end that was shown at its lock."""
    path = tmp_path_factory.mktemp("kept") / "medchat.db"
    code = build(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path, code


@pytest.fixture
def path(kept: tuple[Path, str], tmp_path: Path) -> Path:
    return Path(shutil.copy(kept[0], tmp_path / "medchat.db"))


@pytest.fixture
def code(kept: tuple[Path, str]) -> str:
    return kept[1]


def command(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_an_untouched_database_verifies(path: Path, code: str) -> None:
    store = Store(path)
    assert verify(store) == []
    end = find_end(store, code)
    assert (end.study, end.rows > 0) == ("Main", True)
    status, output = command("verify", "--db", path, "--end", code.lower().replace("-", " "))
    assert status == 0, output
    assert code in output
    assert all(each.hash in output for each in chain_ends(store))


@pytest.mark.parametrize("name", TAMPERINGS)
def test_whatever_was_changed_by_hand_is_found(path: Path, name: str) -> None:
    tamper(path, TAMPERINGS[name])
    problems = list(map(str, verify(Store(path))))
    assert problems
    if name not in ("no view of what counts", "a table taken out", "an event without a hash"):
        assert not [problem for problem in problems if "cannot be checked" in problem]
    status, output = command("verify", "--db", path)
    assert status == 1
    assert all(problem in output for problem in problems)
    assert "Traceback" not in output


@pytest.mark.parametrize("name", REWRITINGS)
def test_what_was_written_anew_shows_against_a_kept_end(path, code: str, name: str) -> None:
    rewrite(path, REWRITINGS[name])
    assert verify(Store(path)) == [], "whoever knows the program can do that"
    with pytest.raises(StorageError) as refused:
        find_end(Store(path), code)
    assert refused.value.code == "end_unknown"
    status, output = command("verify", "--db", path, "--end", code)
    assert status == 1
    assert code in output


@pytest.mark.parametrize("name", RESEALINGS)
def test_no_event_seals_anew_what_was_sealed_before(path: Path, name: str) -> None:
    """Else an event appended behind a kept end would hide a change of what that end stands for."""
    change, kind = RESEALINGS[name]
    tamper(path, change)
    append_seals(path, "packed", kind)
    assert [problem for problem in map(str, verify(Store(path))) if "seals anew" in problem]


@pytest.mark.parametrize("event", ["packed", "locked", "reopened"])
@pytest.mark.parametrize("name", ["every score of a model raised", "all ratings taken out"])
def test_no_event_notes_other_ratings_than_an_earlier_one(path, name: str, event: str) -> None:
    changes = TAMPERINGS | REWRITINGS
    tamper(path, f"{changes[name]}; UPDATE sqlite_sequence SET seq = 0; {LATEST}")
    rechain_ratings(path)
    append_seals(path, event, "state", with_ratings=True)
    problems = list(map(str, verify(Store(path))))
    parts = ("not those that an event has noted", "that the study Main had")
    assert [problem for problem in problems if any(part in problem for part in parts)]


def test_an_end_of_the_ratings_stands_for_nothing_else(path: Path) -> None:
    end = next(each.hash for each in chain_ends(Store(path)) if each.study == "Main")
    assert find_end(Store(path), end).ratings_only
    assert "these ratings alone" in command("verify", "--db", path, "--end", end)[1]


def test_what_is_wrong_is_told_beside_a_code_that_nothing_has(path: Path) -> None:
    tamper(path, TAMPERINGS["two models exchanged everywhere"])
    status, output = command("verify", "--db", path, "--end", "0" * 20)
    assert status == 1
    assert "Changed since it was sealed: question q001 of Main: its answers." in output
    assert "ever ended with" in output


@pytest.mark.parametrize("name", REWRITINGS)
def test_what_was_written_anew_shows_against_a_backup(path: Path, name: str) -> None:
    folder = path.parent / "backups"
    make_backup(Store(path), folder)
    assert losses_since_backups(Store(path), folder) == []
    rewrite(path, REWRITINGS[name])
    problems = list(map(str, losses_since_backups(Store(path), folder)))
    assert [problem for problem in problems if "Main" in problem]
    status, output = command("verify", "--db", path)
    assert status == 1
    assert all(problem in output for problem in problems)


def test_what_grows_on_behind_a_backup_has_lost_nothing(path: Path) -> None:
    folder = path.parent / "backups"
    make_backup(Store(path), folder)
    store = Store(path)
    study = new_study(store, name="Later")
    rater = new_raters(store, study)[0]
    save_ratings(store, rater.id, [entry(answers_shown_to(store, rater)[0].item, "later")])
    assert losses_since_backups(store, folder) == []
    assert command("verify", "--db", path)[0] == 0
    make_backup(store, folder)
    tamper(path, f"{without_study('Later')}; UPDATE sqlite_sequence SET seq = seq - 100")
    assert str(losses_since_backups(store, folder)[0]).startswith(
        "The study Later is in the backup"
    )


# -- every column of the schema --


def columns_of_schema() -> list[tuple[str, str]]:
    db = Database(memory=True)
    MIGRATIONS.apply(db)
    tables = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '*sqlite_*'"
    ).fetchall()
    return [
        (table, column[1])
        for (table,) in tables
        for column in db.execute(f"PRAGMA table_info({table})")
    ]


SEALED_COLUMNS = {
    *(name for names in COLUMNS[VERSION].values() for name in names),
    *(f"rating_log.{name}" for name in SEALED),
    *(f"study_events.{name}" for name in SEALED_OF_EVENT),
}


def test_every_column_is_sealed_or_there_is_a_reason() -> None:
    for table, column in columns_of_schema():
        name = f"{table}.{column}"
        listed = name in UNSEALED or f"{table}.*" in UNSEALED
        assert (name in SEALED_COLUMNS) != listed, name
    known = {f"{table}.{column}" for table, column in columns_of_schema()}
    known |= {f"{table}.*" for table, _ in columns_of_schema()}
    assert known >= UNSEALED.keys() | SEALED_COLUMNS
    assert all(UNSEALED.values())


@pytest.mark.parametrize("name", sorted(SEALED_COLUMNS))
def test_a_value_that_was_changed_is_found_in_every_sealed_column(path: Path, name: str) -> None:
    table, column = name.split(".")
    tamper(
        path,
        f"UPDATE {table} SET {column} = CASE typeof({column}) WHEN 'null' THEN 1"
        f" WHEN 'text' THEN {column} || ' ' ELSE {column} + 1 END WHERE rowid ="
        f" (SELECT max(rowid) FROM {table} WHERE {column} IS NOT NULL)"
        f" OR NOT EXISTS (SELECT 1 FROM {table} WHERE {column} IS NOT NULL)",
    )
    problems = list(map(str, verify(Store(path))))
    assert problems
    assert not [problem for problem in problems if "cannot be checked" in problem]


# -- what an end stands for --


def test_every_lock_shows_an_end_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "m.db")
    study = new_study(store)
    rater = new_raters(store, study)[0]
    first, second, *_ = answers_shown_to(store, rater)
    save_ratings(store, rater.id, [entry(first.item, "a")])
    assert chain_ends(store)[0].locks == ()
    lock_study(store, study.id, "anna")
    ((_, early),) = chain_ends(store)[0].locks
    reopen_study(store, study.id, "anna")
    save_ratings(store, rater.id, [entry(second.item, "b")])
    lock_study(store, study.id, "anna")
    late = chain_ends(store)[0].locks[1][1]
    assert [find_end(store, each).rows for each in (early, late)] == [1, 2]
    assert find_end(store, chain_ends(store)[0].hash).rows == 2
    assert verify(store) == []


@pytest.mark.parametrize("given", ["", "x", "0" * 19, "É" * 20, "U" * 20, "z" * 64])
def test_what_is_no_code_is_refused(path: Path, given: str) -> None:
    with pytest.raises(StorageError) as refused:
        find_end(Store(path), given)
    assert refused.value.code == "end_no_code"


def test_a_code_may_be_typed_as_it_is_read() -> None:
    end = "0123456789abcdef" * 4
    code = end_code(end)
    assert len(code) == 23
    assert hash_start(code) == end[:25]
    assert hash_start(code.lower().replace("-", "").replace("0", "o").replace("1", "l")) == end[:25]


# -- databases of earlier versions --


def test_an_older_study_is_sealed_as_it_is_and_a_line_says_since_when(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = Database(str(path))
    MIGRATIONS.apply(old, stop_before="m012_identity")
    old.executescript(
        """
        INSERT INTO studies (id, name, seed, created_at, opened_at)
            VALUES ('s', 'Old', 7, '2026-01-01', '2026-01-02');
        INSERT INTO questions (id, study_id, question_id, text, position)
            VALUES ('q', 's', 'q001', '?', 1);
        INSERT INTO responses (id, question, model, text, finish_reason, provenance, created_at)
            VALUES ('a', 'q', 'llama', 'A', 'stop', '{}', '2026-01-01');
        INSERT INTO raters (id, study_id, label, code_hash, created_at)
            VALUES ('r', 's', 'r01', 'h', '2026-01-01');
        INSERT INTO items (id, rater, response, question, kind, place, position)
            VALUES ('i', 'r', 'a', 'q', 'real', 1, 1);
        INSERT INTO study_events (study, event, coordinator, happened_at)
            VALUES ('s', 'opened', 'anna', '2026-01-02');
        """
    )
    old.close()
    store = Store(path)
    assert verify(store) == []
    (end,) = chain_ends(store)
    assert end.was_open
    status, output = command("verify", "--db", path)
    assert status == 0
    assert f"sealed since {str(end.sealed_at)[:19]}" in output
    assert "changes before that cannot be seen" in output
    save_ratings(store, "r", [entry("i", "k")])
    assert verify(store) == []
    tamper(path, "UPDATE responses SET model = 'huatuo'")
    (problem,) = verify(Store(path))
    assert str(problem) == "Changed since it was sealed: question q001 of Old: its answers."


def test_a_draft_of_an_older_database_is_sealed_at_its_opening(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    old = Database(str(path))
    MIGRATIONS.apply(old, stop_before="m012_identity")
    old.executescript(
        """
        INSERT INTO studies (id, name, seed, created_at) VALUES ('s', 'Old', 7, '2026-01-01');
        INSERT INTO questions (id, study_id, question_id, text, position)
            VALUES ('q', 's', 'q001', '?', 1);
        INSERT INTO responses (id, question, model, text, finish_reason, provenance, created_at)
            VALUES ('a', 'q', 'llama', 'A', 'stop', '{}', '2026-01-01');
        """
    )
    old.close()
    store = Store(path)
    assert chain_ends(store)[0].sealed_at is None
    open_study(store, "s", "anna")
    assert not chain_ends(store)[0].was_open
    assert verify(store) == []


def test_nothing_is_sealed_a_second_time_by_the_migration_that_sealed_it(path: Path) -> None:
    tamper(path, TAMPERINGS["two models exchanged everywhere"])
    tamper(path, "DELETE FROM _sqlite_migrations WHERE name = 'm014_sealed_events'")
    with pytest.raises(StorageError, match="sealed already"):
        Store(path)
