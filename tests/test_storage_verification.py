"""The chain, and what ``verify``, ``backup`` and ``restore`` make of a database."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from storage_fixtures import answers_shown_to, entry, new_raters, new_study
from typer.testing import CliRunner

from storage import (
    BackupTimer,
    StorageError,
    Store,
    Writer,
    backup,
    backups,
    chain_ends,
    restore,
    save_in,
    save_ratings,
    score_rows,
    verify,
)
from storage.__main__ import app


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def rated(store: Store) -> Store:
    """Two raters' scores of three answers each, one of them changed once."""
    for rater in new_raters(store, new_study(store), 2):
        answers = answers_shown_to(store, rater)[:3]
        for answer in answers:
            save_ratings(store, rater.id, [entry(answer.item, answer.item)])
        save_ratings(store, rater.id, [entry(answers[0].item, f"again{rater.id}", (1, 1, 1))])
    return store


UNLOCK = """
    DROP TRIGGER rating_log_forbids_update;
    DROP TRIGGER rating_log_forbids_delete;
"""


def tamper(store: Store, sql: str) -> None:
    """Change the file behind the program's back, as its owner can."""
    with closing(sqlite3.connect(store.path)) as connection:
        connection.executescript(UNLOCK + sql)


def told(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_an_untouched_database_verifies(rated: Store) -> None:
    assert verify(rated) == []
    (end,) = chain_ends(rated)
    assert (end.study, end.rows, len(end.hash)) == ("Pilot", 8, 64)
    status, output = told("verify", "--db", rated.path)
    assert status == 0
    assert end.hash in output


@pytest.mark.parametrize(
    ("sql", "told_of"),
    [
        ("UPDATE rating_log SET safety = 3 WHERE id = 4", "Rating 4 is not what was saved"),
        ("UPDATE rating_log SET comment = 'x' WHERE id = 1", "Rating 1 is not what was saved"),
        ("UPDATE rating_log SET rated_at = '2020' WHERE id = 2", "Rating 2 is not what was saved"),
        ("DELETE FROM rating_log WHERE id = 2", "broken before rating 3"),
        ("UPDATE rating_log SET id = 99 WHERE id = 2", "broken before rating"),
        ("UPDATE items SET latest = 1 WHERE latest = 4", "rating 1 counts, but the newest is 4"),
        ("UPDATE items SET latest = NULL WHERE latest = 2", "counts, but the newest is 2"),
        (
            "UPDATE rating_log SET item = (SELECT item FROM rating_log WHERE id = 8) WHERE id = 2",
            "Rating 2 is not what was saved",
        ),
        (
            "DROP VIEW current_ratings; CREATE VIEW current_ratings AS"
            " SELECT * FROM rating_log WHERE id > 1",
            "twice",
        ),
        (
            "DROP VIEW current_ratings; CREATE VIEW current_ratings AS"
            " SELECT * FROM rating_log WHERE id = 2",
            "The export lacks 5 of 6 ratings",
        ),
    ],
)
def test_whatever_was_changed_is_found(rated: Store, sql: str, told_of: str) -> None:
    tamper(rated, sql)
    problems = verify(rated)
    assert any(told_of in problem for problem in problems), problems
    status, output = told("verify", "--db", rated.path)
    assert status == 1
    assert told_of in output


def test_rows_that_were_cut_off_show_in_the_hash_at_the_end(rated: Store) -> None:
    before = chain_ends(rated)
    tamper(
        rated,
        "UPDATE items SET latest = (SELECT max(id) FROM rating_log AS l"
        " WHERE l.item = items.id AND l.id < 8) WHERE latest = 8;"
        "DELETE FROM rating_log WHERE id = 8",
    )
    assert verify(rated) == []
    assert chain_ends(rated) != before


# -- backups --


def test_a_backup_holds_everything_and_verifies(rated: Store, tmp_path: Path) -> None:
    made = backup(rated, tmp_path / "backups")
    copy = Store(made)
    assert score_rows(copy, None) == score_rows(rated, None)
    assert chain_ends(copy) == chain_ends(rated)
    assert [path.name for path in (tmp_path / "backups").iterdir() if "partial" in path.name] == []


def test_only_the_newest_backups_are_kept(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = [backup(rated, folder, keep=3) for _ in range(5)]
    assert backups(rated.path, folder) == made[2:]


def test_a_backup_may_be_made_while_others_save(store: Store, tmp_path: Path) -> None:
    rater = new_raters(store, new_study(store))[0]
    item = answers_shown_to(store, rater)[0].item
    done = threading.Event()

    def save() -> None:
        number = 0
        while not done.is_set():
            number += 1
            save_ratings(store, rater.id, [entry(item, f"k{number}")])

    thread = threading.Thread(target=save)
    thread.start()
    try:
        copies = [Store(backup(store, tmp_path / "backups")) for _ in range(3)]
    finally:
        done.set()
        thread.join()
    assert all(verify(copy) == [] for copy in copies)
    rows = [end.rows for copy in copies for end in chain_ends(copy)]
    assert rows == sorted(rows)


def test_what_does_not_verify_is_no_backup_and_removes_none(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    good = backup(rated, folder, keep=1)
    tamper(rated, "UPDATE rating_log SET safety = 1 WHERE id = 1")
    with pytest.raises(StorageError) as refused:
        backup(rated, folder, keep=1)
    assert refused.value.code == "backup_damaged"
    assert list(folder.iterdir()) == [good]


def test_a_folder_that_cannot_be_written_is_told(rated: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError) as refused:
        backup(rated, tmp_path / "file" / "backups")
    assert refused.value.code == "backup_failed"


def test_restoring_brings_back_and_keeps_what_was_there(rated: Store, tmp_path: Path) -> None:
    before = score_rows(rated, None)
    made = backup(rated, tmp_path / "backups")
    rater = new_raters(rated, new_study(rated, name="Later"))[0]
    save_ratings(rated, rater.id, [entry(answers_shown_to(rated, rater)[0].item, "later")])
    status, output = told("restore", made, "--db", rated.path)
    assert status == 0, output
    assert score_rows(Store(rated.path), None) == before
    (aside,) = tmp_path.glob("medchat.db.before-*")
    assert len(score_rows(Store(aside), None)) == len(before) + 1
    assert aside.name in output
    assert made.exists()


def test_nothing_is_restored_under_a_running_program(rated: Store, tmp_path: Path) -> None:
    made = backup(rated, tmp_path / "backups")
    rater = new_raters(rated, new_study(rated, name="Later"))[0]
    later = entry(answers_shown_to(rated, rater)[0].item, "later")
    writer = Writer(rated)
    writer.submit(lambda db: save_in(db, rater.id, [later])).result(10)
    before = score_rows(rated, None)
    status, output = told("restore", made, "--db", rated.path)
    assert (status, "is open in another program" in output) == (1, True)
    assert score_rows(rated, None) == before
    assert not list(tmp_path.glob("medchat.db.before-*"))
    writer.close()
    status, output = told("restore", made, "--db", rated.path)
    assert status == 0, output


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be one" * 9])
def test_a_file_that_is_no_backup_is_refused_and_nothing_is_lost(rated, tmp_path, content) -> None:
    source = tmp_path / "medchat-1Z.db"
    source.write_bytes(content)
    before = score_rows(rated, None)
    with pytest.raises(StorageError) as refused:
        restore(source, rated.path)
    assert refused.value.code == "not_a_database"
    assert score_rows(rated, None) == before
    status, output = told("restore", tmp_path / "nothing.db", "--db", rated.path)
    assert status == 1
    assert "no database" in output
    assert score_rows(rated, None) == before


def test_the_backup_command_says_where_the_copy_is(rated: Store, tmp_path: Path) -> None:
    status, output = told("backup", "--db", rated.path, "--to", tmp_path / "b", "--keep", 2)
    assert status == 0
    assert str(backups(rated.path, tmp_path / "b")[0]) in output


def test_the_timer_backs_up_what_has_changed_and_only_then(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    complaints: list[str] = []
    timer = BackupTimer(rated, folder, 0.1 / 3600, complaints.append)
    try:
        until(lambda: len(backups(rated.path, folder)) == 1)
        time.sleep(0.5)
        assert len(backups(rated.path, folder)) == 1, "nothing had changed"
        new_study(rated, name="Another")
        until(lambda: len(backups(rated.path, folder)) == 2)
    finally:
        timer.close()
    assert complaints == []


def test_the_timer_complains_and_goes_on(rated: Store, tmp_path: Path) -> None:
    (tmp_path / "backups").touch()
    complaints: list[str] = []
    timer = BackupTimer(rated, tmp_path / "backups", 0.05 / 3600, complaints.append)
    try:
        until(lambda: bool(complaints))
        (tmp_path / "backups").unlink()
        until(lambda: bool(backups(rated.path, tmp_path / "backups")))
    finally:
        timer.close()
    assert "backup could not be written" in complaints[0]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
