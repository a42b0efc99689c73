"""Opening the database, and what a user reads when it cannot be used."""

import hashlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from project import ROOT
from storage_fixtures import (
    answers_shown_to,
    entry,
    folder_of_another_account,
    new_raters,
    new_study,
    without_root,
)

from storage import StorageError, Store, create_study, history, list_studies, save_ratings

ANOTHER_STUDY = "INSERT INTO studies (id, name, seed, created_at) VALUES ('1', ?, 1, '')"


class ImpatientStore(Store):
    busy_timeout_seconds = 0.1


class StoreOnAFullDisk(Store):
    """SQLite itself reports a full disk as soon as the file would have to grow."""

    def _set_up(self, db) -> None:
        super()._set_up(db)
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")


@contextmanager
def raw(store: Store) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        yield connection


# -- opening --


def test_the_folder_and_the_file_are_created(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b" / "medchat.db")
    assert store.path.is_file()
    assert list_studies(store) == []


def test_a_path_with_signs_that_mean_something_in_an_address_works(tmp_path: Path) -> None:
    path = tmp_path / "研究 50%?mode=ro#1.db"
    create_study(Store(path), "Pilot")
    assert path.is_file()
    assert [study.name for study in list_studies(Store(str(path)))] == ["Pilot"]


def test_what_was_stored_is_there_after_reopening(store: Store) -> None:
    study = new_study(store)
    assert list_studies(Store(store.path)) == [study]


def test_a_connection_keeps_foreign_keys_and_waits_for_the_disk(store: Store) -> None:
    with store.connect() as db:
        values = [
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("foreign_keys", "journal_mode", "synchronous", "busy_timeout")
        ]
    assert values == [1, "wal", 2, 10_000]


def test_every_operation_has_its_own_connection(store: Store) -> None:
    with store.connect() as one, store.connect() as other:
        assert one.conn is not other.conn


def test_a_store_may_be_used_from_any_thread(store: Store) -> None:
    new_study(store)
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(len(list_studies(store))))
    thread.start()
    thread.join()
    assert seen == [1]


def test_a_failed_transaction_leaves_nothing_behind(store: Store) -> None:
    def half_a_study() -> None:
        with store.transaction() as db:
            db.execute(
                "INSERT INTO studies (id, name, seed, created_at) VALUES ('1', 'Half', 1, '')"
            )
            raise KeyError("half")

    with pytest.raises(KeyError):
        half_a_study()
    assert list_studies(store) == []


def test_a_transaction_that_reads_first_waits_for_another_writer(store: Store) -> None:
    """A deferred transaction would fail at once with "database is locked" here."""
    with store.transaction() as db:
        assert db.table("studies").count == 0
        with pytest.raises(StorageError) as busy:
            create_study(ImpatientStore(store.path), "Other")
        db.execute(ANOTHER_STUDY, ["Mine"])
    assert busy.value.code == "database_busy"
    assert [study.name for study in list_studies(store)] == ["Mine"]


def test_check_is_silent_while_the_database_answers(store: Store) -> None:
    store.check()


# -- refusing --


def test_a_database_that_must_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="There is no database at") as refused:
        Store(tmp_path / "typo.db", must_exist=True)
    assert refused.value.code == "database_missing"
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_was_moved_away_is_not_replaced_by_an_empty_one(store: Store) -> None:
    new_study(store)
    store.path.rename(store.path.with_name("moved.db"))
    with pytest.raises(StorageError) as refused:
        store.check()
    assert refused.value.code == "database_missing"
    assert not store.path.exists()


@pytest.mark.parametrize("text", ["no", "notes\n", "Notes about the study.\n" * 1000])
def test_a_text_file_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(StorageError, match=r"notes\.txt is not a database") as refused:
        Store(path)
    assert refused.value.code == "not_a_database"
    assert path.read_text() == text


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refused:
        Store(tmp_path)
    assert refused.value.code == "database_cannot_open"


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as refused:
        Store(tmp_path / "file" / "medchat.db")
    assert refused.value.code == "database_cannot_open"


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    with pytest.raises(StorageError) as refused:
        Store(path)
    assert refused.value.code == "database_foreign"
    assert path.read_bytes() == before


def test_a_database_of_a_newer_version_is_refused_and_left_alone(store: Store) -> None:
    with raw(store) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('medchat', 'm999_from_the_future', '')"
        )
    before = hashlib.sha256(store.path.read_bytes()).hexdigest()
    with pytest.raises(StorageError, match="newer version") as refused:
        Store(store.path)
    assert refused.value.code == "database_newer"
    assert refused.value.details["migrations"] == "m999_from_the_future"
    assert hashlib.sha256(store.path.read_bytes()).hexdigest() == before


def test_a_damaged_database_is_named_as_such(store: Store) -> None:
    new_study(store, questions=50)
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    store.path.write_bytes(content)
    with pytest.raises(StorageError) as refused:
        list_studies(store)
    assert refused.value.code == "database_damaged"


# -- a disk that does not take it --


@pytest.mark.parametrize(
    ("file_mode", "folder_mode"), [(0o444, 0o755), (0o444, 0o555), (0o644, 0o555)]
)
def test_a_read_only_database_says_so_and_keeps_what_it_has(
    file_mode: int, folder_mode: int
) -> None:
    with folder_of_another_account() as folder:
        store = Store(folder / "medchat.db")
        new_study(store)
        store.path.chmod(file_mode)
        folder.chmod(folder_mode)
        with without_root(), pytest.raises(StorageError) as refused:
            create_study(Store(store.path), "Second")
        folder.chmod(0o755)
        assert refused.value.code == "database_readonly"
        assert f"{store.path} is read-only" in str(refused.value)
        assert len(list_studies(store)) == 1


def test_a_folder_that_may_not_be_written_is_named() -> None:
    with folder_of_another_account() as folder:
        folder.chmod(0o555)
        with without_root(), pytest.raises(StorageError) as refused:
            Store(folder / "data" / "medchat.db")
        folder.chmod(0o755)
    assert refused.value.code == "database_cannot_open"
    assert refused.value.remainder == "Permission denied"


def test_a_full_disk_keeps_what_was_saved_and_takes_no_half(store: Store) -> None:
    rater = new_raters(store, new_study(store))[0]
    answers = answers_shown_to(store, rater)
    save_ratings(store, rater.id, [entry(answers[0].item, "small")])
    batch = [
        entry(answers[1].item, "first"),
        *(entry(answers[2].item, f"k{number}", comment="太长" * 2000) for number in range(30)),
    ]
    with pytest.raises(StorageError, match=r"disk .* is full. Free some space") as refused:
        save_ratings(StoreOnAFullDisk(store.path), rater.id, batch)
    assert refused.value.code == "disk_full"
    assert [len(history(store, rater.id, each.item)) for each in answers[:3]] == [1, 0, 0]
    assert save_ratings(store, rater.id, batch).written == 31


FILL_THE_DISK = """
import sys
from storage import Store, StorageError, add_question, create_study, list_questions
from storage_fixtures import answers_of

store = Store(sys.argv[1])
study = create_study(store, "Pilot")
saved = 0
try:
    while saved < 1000:
        add_question(store, study.id, "咳嗽" * 2000, answers_of())
        saved += 1
except StorageError as error:
    print(error.code, saved > 0, saved == len(list_questions(store, study.id)))
"""


def test_a_file_system_without_room_is_a_full_disk(tmp_path: Path) -> None:
    """On a real file system of 512 KiB, in a mount namespace of its own."""
    mount = f"mount -t tmpfs -o size=512k tmpfs {tmp_path}"
    fill = [sys.executable, "-c", FILL_THE_DISK]
    unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    try:
        subprocess.run([*unshare, mount], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this account may not mount a file system of its own")
    ended = subprocess.run(
        [*unshare, f'{mount} && exec "$0" "$@"', *fill, tmp_path / "medchat.db"],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'fixtures'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("disk_full True True\n", "")


SAVE_AND_DIE = """
import os, sys
from storage import Store, save_ratings
from storage_fixtures import entry

result = save_ratings(Store(sys.argv[1]), sys.argv[2], [entry(sys.argv[3], "key")])
print(result.written, flush=True)
os._exit(9)
"""


def test_what_was_called_saved_survives_a_process_that_dies(store: Store) -> None:
    rater = new_raters(store, new_study(store))[0]
    response = answers_shown_to(store, rater)[0].item
    ended = subprocess.run(
        [sys.executable, "-c", SAVE_AND_DIE, str(store.path), rater.id, response],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'fixtures'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (9, "1\n")
    assert len(history(store, rater.id, response)) == 1


# -- the sentences --


def test_an_error_carries_its_sentence_its_code_and_its_details() -> None:
    error = StorageError("study_exists", name="Pilot {1}")
    assert str(error) == "There is already a study named Pilot {1}. Choose another name."
    assert (error.code, error.details) == ("study_exists", {"name": "Pilot {1}"})
