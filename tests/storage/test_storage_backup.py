"""Backups: making them, which are kept, the timer, and copies of the file alone."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backup_fixtures import (
    OWN_MODULES,
    rate,
    rate_more,
    rename_to,
    run,
    studies_in,
    until,
)
from storage_fixtures import (
    answers_shown_to,
    entry,
    folder_of_another_account,
    new_raters,
    new_study,
    without_root,
)

import storage.backup_timer
import storage.copying
import storage.durable_files
import storage.writer
from storage import (
    BackupTimer,
    StorageError,
    Store,
    Writer,
    backup_is_overdue,
    chain_ends,
    list_backups,
    make_backup,
    newest_backup,
    restore,
    save_in,
    save_ratings,
    score_rows,
    verify,
)


@pytest.fixture
def rated(store: Store) -> Store:
    return rate(store)


# -- making one --


def test_a_backup_holds_everything_and_verifies(rated: Store, tmp_path: Path) -> None:
    made = make_backup(rated, tmp_path / "backups")
    copy = Store(made, must_exist=True)
    assert score_rows(copy, None) == score_rows(rated, None)
    assert chain_ends(copy) == chain_ends(rated)
    names = sorted(path.name for path in (tmp_path / "backups").iterdir())
    assert names == [made.name, f"{made.name}.sha256"]


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum here")
@pytest.mark.parametrize("name", ["medchat.db", "研究 50%?#'\"[1]*.db", "a\\b\nc.db"])
def test_sha256sum_can_check_a_backup(tmp_path: Path, name: str) -> None:
    made = make_backup(rate(Store(tmp_path / name)), tmp_path / "backups")
    command = ["sha256sum", "--check", "--strict", f"{made.name}.sha256"]
    done = subprocess.run(command, cwd=made.parent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list_backups(tmp_path / name, made.parent) == [made]
    restore(made, tmp_path / name)


def test_a_backup_is_as_private_as_the_database(rated: Store, tmp_path: Path) -> None:
    rated.path.chmod(0o600)
    made = make_backup(rated, tmp_path / "backups")
    assert made.stat().st_mode & 0o777 == 0o600


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
        copies = [Store(make_backup(store, tmp_path / "b"), must_exist=True) for _ in range(3)]
    finally:
        done.set()
        thread.join()
    assert all(verify(copy) == [] for copy in copies)
    rows = [end.rows for copy in copies for end in chain_ends(copy)]
    assert rows == sorted(rows)


def test_a_backup_shows_one_moment_however_much_is_saved(
    rated: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save between any two steps of the copying would make SQLite begin again."""
    monkeypatch.setattr(storage.copying, "PAGES_PER_STEP", 1)
    steps, connect = [], sqlite3.connect

    class SavesBetweenSteps(sqlite3.Connection):
        def backup(self, target, *, progress, **more) -> None:
            def save_too(status: int, remaining: int, total: int) -> None:
                steps.append(remaining)
                if len(steps) % 10 == 0:
                    rate_more(rated, f"Later {len(steps)}")
                progress(status, remaining, total)

            super().backup(target, progress=save_too, **more)

    monkeypatch.setattr(
        sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": SavesBetweenSteps} | k)
    )
    made = make_backup(rated, tmp_path / "backups")
    assert len(steps) > 20
    assert steps == list(range(steps[0], -1, -1)), "it began again"
    assert studies_in(made) == ["Pilot"]


def test_a_copy_that_takes_too_long_is_given_up(
    rated: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_backup(rated, tmp_path / "backups")
    before = sorted((tmp_path / "backups").iterdir())
    monkeypatch.setattr(storage.copying, "MAX_COPY_SECONDS", -1)
    with pytest.raises(StorageError, match="was given up") as refused:
        make_backup(rated, tmp_path / "backups")
    assert refused.value.code == "backup_too_slow"
    assert sorted((tmp_path / "backups").iterdir()) == before
    assert good in before


def test_what_does_not_verify_is_no_backup_and_removes_none(rated: Store, tmp_path: Path) -> None:
    make_backup(rated, tmp_path / "backups", keep=1)
    before = sorted((tmp_path / "backups").iterdir())
    with closing(sqlite3.connect(rated.path)) as connection:
        connection.executescript(
            "DROP TRIGGER rating_log_forbids_update;UPDATE rating_log SET safety = 1 WHERE id = 1"
        )
    with pytest.raises(StorageError) as refused:
        make_backup(rated, tmp_path / "backups", keep=1)
    assert refused.value.code == "backup_damaged"
    assert sorted((tmp_path / "backups").iterdir()) == before


def test_a_folder_that_cannot_be_written_is_named(rated: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError) as refused:
        make_backup(rated, tmp_path / "file" / "backups")
    assert refused.value.code == "backup_failed"


def test_a_folder_without_permission_is_named() -> None:
    with folder_of_another_account() as folder:
        rated = rate(Store(folder / "medchat.db"))
        (folder / "backups").mkdir(0o555)
        folder.chmod(0o777)
        with without_root(), pytest.raises(StorageError, match="Permission denied") as refused:
            make_backup(rated, folder / "backups")
        assert refused.value.code == "backup_failed"
        assert list((folder / "backups").iterdir()) == []


BACK_UP_WITHOUT_ROOM = """
import sys
from pathlib import Path
from storage import StorageError, Store, make_backup, restore

database, folder = Path(sys.argv[1]), Path(sys.argv[2])
for work in (
    lambda: make_backup(Store(database), folder),
    lambda: restore(database, folder / "new.db"),
):
    try:
        work()
    except StorageError as error:
        print(error.code, "full" in str(error), sorted(path.name for path in folder.iterdir()))
"""


def test_a_full_disk_leaves_no_half_of_a_backup(rated: Store, tmp_path: Path) -> None:
    """On a real file system of 64 KiB, in a mount namespace of its own."""
    (folder := tmp_path / "backups").mkdir()
    mount = f"mount -t tmpfs -o size=64k tmpfs {folder}"
    unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    try:
        subprocess.run([*unshare, mount], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this account may not mount a file system of its own")
    command = [sys.executable, "-c", BACK_UP_WITHOUT_ROOM, rated.path, folder]
    ended = subprocess.run(
        [*unshare, f'{mount} && exec "$0" "$@"', *command],
        env=OWN_MODULES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "backup_failed True []\nrestore_failed True []\n", ended.stderr


def test_the_backup_command_says_where_the_copy_is(rated: Store, tmp_path: Path) -> None:
    status, output = run("backup", "--db", rated.path, "--to", tmp_path / "b", "--keep", 2)
    assert status == 0
    (made,) = list_backups(rated.path, tmp_path / "b")
    assert str(made) in output
    assert f"{made}.sha256" in output


def test_what_a_killed_backup_left_goes_with_the_next_and_not_before(
    rated: Store, tmp_path: Path
) -> None:
    made = make_backup(rated, folder := tmp_path / "backups")
    left = [
        folder / f"medchat-20200101T000000000000Z.db{end}"
        for end in (".partial", ".partial-journal", ".sha256")
    ]
    kept = [folder / "medchat-notes.db.partial", folder / "other-20200101T000000000000Z.db.partial"]
    for path in (*left, *kept):
        path.touch()
    with storage.durable_files.working_in(folder, []):  # as another backup that is being made
        make_backup(rated, folder)
        assert all(path.exists() for path in left)
    make_backup(rated, folder)
    assert [path for path in left if path.exists()] == []
    assert all(path.exists() for path in (made, *kept))


# -- which are kept --


def test_only_the_newest_backups_are_kept(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = [make_backup(rated, folder, keep=3) for _ in range(5)]
    assert list_backups(rated.path, folder) == made[2:]
    names = {path.name for path in folder.iterdir()}
    assert names == {name for path in made[2:] for name in (path.name, f"{path.name}.sha256")}


@pytest.mark.parametrize("other", ["medchat-pilot.db", "medchat-20260131T080509000000Z.db"])
def test_databases_whose_names_begin_alike_keep_their_backups(tmp_path: Path, other: str) -> None:
    folder = tmp_path / "backups"
    one, two = rate(Store(tmp_path / "medchat.db")), rate(Store(tmp_path / other))
    made = [(make_backup(one, folder, keep=1), make_backup(two, folder, keep=1)) for _ in range(3)]
    assert list_backups(one.path, folder) == [made[-1][0]]
    assert list_backups(two.path, folder) == [made[-1][1]]


@pytest.mark.parametrize(("name", "like"), [("m*.db", "mm.db"), ("[ab].db", "a.db"), ("a.b", "a")])
def test_a_name_with_signs_of_a_pattern_means_itself(tmp_path: Path, name: str, like: str) -> None:
    folder = tmp_path / "backups"
    one, two = rate(Store(tmp_path / name)), rate(Store(tmp_path / like))
    theirs = make_backup(two, folder)
    made = [make_backup(one, folder, keep=2) for _ in range(3)]
    assert list_backups(one.path, folder) == made[1:]
    assert list_backups(two.path, folder) == [theirs]


def test_databases_of_the_same_name_may_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    one, two = rate(Store(tmp_path / "a" / "medchat.db")), rate(Store(tmp_path / "b/medchat.db"))
    first = make_backup(one, folder, keep=2)
    theirs = [make_backup(two, folder, keep=2) for _ in range(4)]
    assert list_backups(one.path, folder) == [first]
    assert list_backups(two.path, folder) == theirs[2:]


def test_backups_that_say_not_whose_they_are_stay(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    old, broken = make_backup(rated, folder), folder / "medchat-20200101T000000000000Z.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("DROP TABLE database_identity")
    broken.write_bytes(b"no database")
    for _ in range(3):
        made = make_backup(rated, folder, keep=1)
    assert list_backups(rated.path, folder) == [made]
    assert old.exists()
    assert broken.exists()


def test_the_backup_just_made_stays_whatever_the_clock_said_before(
    rated: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    future = [
        rename_to(make_backup(rated, folder), datetime.now(UTC) + timedelta(days=days))
        for days in (2000, 2001)
    ]
    made = [make_backup(rated, folder, keep=2) for _ in range(3)]
    assert list_backups(rated.path, folder) == made[1:]
    assert not any(path.exists() for path in future)


def test_backups_may_lie_beside_the_database(rated: Store, tmp_path: Path) -> None:
    made = [make_backup(rated, tmp_path, keep=2) for _ in range(3)]
    assert list_backups(rated.path, tmp_path) == made[1:]
    assert studies_in(rated.path) == ["Pilot"]


# -- the timer, and what the board says --


def test_the_timer_backs_up_what_has_changed_and_only_then(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    complaints: list[str] = []
    timer = BackupTimer(rated, folder, 0.1 / 3600, complaints.append)
    try:
        until(lambda: len(list_backups(rated.path, folder)) == 1)
        time.sleep(2)
        assert len(list_backups(rated.path, folder)) == 1, "nothing had changed"
        new_study(rated, name="Another")
        until(lambda: len(list_backups(rated.path, folder)) == 2)
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
        until(lambda: bool(list_backups(rated.path, tmp_path / "backups")))
    finally:
        timer.close()
    assert "backup could not be written" in complaints[0]


@pytest.mark.parametrize(("hours_ago", "count"), [(None, 1), (7, 2), (5, 1)])
def test_an_app_that_is_often_started_anew_backs_up_soon_when_it_is_time(
    rated: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours_ago: int | None, count: int
) -> None:
    """The interval of six hours counts from the newest backup, not from the start."""
    folder = tmp_path / "backups"
    if hours_ago:
        rename_to(make_backup(rated, folder), datetime.now(UTC) - timedelta(hours=hours_ago))
    monkeypatch.setattr(storage.backup_timer, "LOOK_SECONDS", 0.1)
    timer = BackupTimer(rated, folder, 6, pytest.fail)
    try:
        until(lambda: len(list_backups(rated.path, folder)) == count)
        time.sleep(0.5)
    finally:
        timer.close()
    assert len(list_backups(rated.path, folder)) == count


def test_an_empty_database_is_not_backed_up_by_the_timer(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.backup_timer, "LOOK_SECONDS", 0.05)
    timer = BackupTimer(store, tmp_path / "backups", 6, print)
    time.sleep(0.5)
    timer.close()
    assert not (tmp_path / "backups").exists()


def test_a_backup_is_overdue_after_two_intervals_with_changes(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    assert not backup_is_overdue(rated, folder, 6), "the study is too young"
    time.sleep(0.2)
    assert backup_is_overdue(rated, folder, 0.1 / 3600)
    made = make_backup(rated, folder)
    assert not backup_is_overdue(rated, folder, 6)
    time.sleep(0.2)
    assert not backup_is_overdue(rated, folder, 0.1 / 3600), "nothing has changed"
    rate_more(rated)
    rename_to(made, datetime.now(UTC) - timedelta(hours=13))
    assert backup_is_overdue(rated, folder, 6)
    assert not backup_is_overdue(rated, folder, 7)


def test_what_other_databases_have_is_no_backup_of_this_one(rated: Store, tmp_path: Path) -> None:
    make_backup(rate(Store(tmp_path / "other" / "medchat.db")), tmp_path / "backups")
    assert newest_backup(rated.path, tmp_path / "backups") is None
    time.sleep(0.2)
    assert backup_is_overdue(rated, tmp_path / "backups", 0.1 / 3600)


# -- the file alone --


def test_seconds_after_a_save_the_file_alone_holds_every_score(
    rated: Store, tmp_path: Path
) -> None:
    writer = Writer(rated)
    study = new_study(rated, name="Later")
    for rater in new_raters(rated, study, 3):
        for answer in answers_shown_to(rated, rater):
            writer.submit(
                lambda db, r=rater, a=answer: save_in(db, r.id, [entry(a.item, a.item)])
            ).result(10)
    with rated.connect() as reading:
        reading.execute("SELECT 1 FROM studies").fetchone()
        new_study(rated, name="By another connection")
    assert rated.path.with_name("medchat.db-wal").stat().st_size, "nothing is left to move"
    time.sleep(storage.writer.CHECKPOINT_SECONDS + 1)
    subprocess.run(["cp", rated.path, tmp_path / "alone.db"], check=True)
    writer.close()
    alone = Store(tmp_path / "alone.db", must_exist=True)
    assert score_rows(alone, None) == score_rows(rated, None)
    assert studies_in(alone.path) == studies_in(rated.path)


def test_a_save_goes_on_while_nothing_can_be_moved_into_the_file(
    rated: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.writer, "CHECKPOINT_SECONDS", 0.02)
    writer = Writer(rated)
    rater = new_raters(rated, new_study(rated, name="Later"))[0]
    items = [answer.item for answer in answers_shown_to(rated, rater)]
    with rated.connect() as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM rating_log").fetchone()
        for number in range(100):
            sent = entry(items[number % len(items)], f"k{number}")
            done = writer.submit(lambda db, sent=sent: save_in(db, rater.id, [sent])).result(2)
            assert done.written == 1
    writer.close()
    assert verify(rated) == []
