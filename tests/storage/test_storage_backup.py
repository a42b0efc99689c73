"""Backups, going back to one, a start without the database, and copies of the file alone."""

import hashlib
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
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
from typer.testing import CliRunner

import storage.backup_timer
import storage.copying
import storage.durable_files
import storage.writer
from app import main as start_app
from storage import (
    BackupTimer,
    StorageError,
    Store,
    Writer,
    backup,
    backup_is_overdue,
    backups,
    chain_ends,
    list_studies,
    newest_backup,
    restore,
    save_in,
    save_ratings,
    score_rows,
    verify,
)
from storage.__main__ import app
from storage.backup import TIME_FORMAT
from storage.database import marker_of

OWN_MODULES = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'fixtures'}"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def rated(store: Store) -> Store:
    return rate(store)


def rate(store: Store) -> Store:
    """Two raters' scores of three answers each."""
    for rater in new_raters(store, new_study(store), 2):
        for answer in answers_shown_to(store, rater)[:3]:
            save_ratings(store, rater.id, [entry(answer.item, answer.item)])
    return store


def rate_more(store: Store, name: str = "Later") -> None:
    rater = new_raters(store, new_study(store, name=name))[0]
    save_ratings(store, rater.id, [entry(answers_shown_to(store, rater)[0].item, name)])


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def studies_in(path: Path) -> list[str]:
    return sorted(study.name for study in list_studies(Store(path, must_exist=True)))


def rename_to(made: Path, moment: datetime) -> Path:
    """Give a backup the name that it would have had at another moment."""
    renamed = made.with_name(re.sub(r"\d{8}T\d{12}Z", f"{moment:{TIME_FORMAT}}", made.name))
    made.with_name(f"{made.name}.sha256").rename(renamed.with_name(f"{renamed.name}.sha256"))
    return made.rename(renamed)


# -- making one --


def test_a_backup_holds_everything_and_verifies(rated: Store, tmp_path: Path) -> None:
    made = backup(rated, tmp_path / "backups")
    copy = Store(made, must_exist=True)
    assert score_rows(copy, None) == score_rows(rated, None)
    assert chain_ends(copy) == chain_ends(rated)
    names = sorted(path.name for path in (tmp_path / "backups").iterdir())
    assert names == [made.name, f"{made.name}.sha256"]


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="there is no sha256sum here")
@pytest.mark.parametrize("name", ["medchat.db", "研究 50%?#'\"[1]*.db", "a\\b\nc.db"])
def test_sha256sum_can_check_a_backup(tmp_path: Path, name: str) -> None:
    made = backup(rate(Store(tmp_path / name)), tmp_path / "backups")
    command = ["sha256sum", "--check", "--strict", f"{made.name}.sha256"]
    done = subprocess.run(command, cwd=made.parent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert backups(tmp_path / name, made.parent) == [made]
    restore(made, tmp_path / name)


def test_a_backup_is_as_private_as_the_database(rated: Store, tmp_path: Path) -> None:
    rated.path.chmod(0o600)
    made = backup(rated, tmp_path / "backups")
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
        copies = [Store(backup(store, tmp_path / "b"), must_exist=True) for _ in range(3)]
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
    made = backup(rated, tmp_path / "backups")
    assert len(steps) > 20
    assert steps == list(range(steps[0], -1, -1)), "it began again"
    assert studies_in(made) == ["Pilot"]


def test_a_copy_that_takes_too_long_is_given_up(
    rated: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = backup(rated, tmp_path / "backups")
    before = sorted((tmp_path / "backups").iterdir())
    monkeypatch.setattr(storage.copying, "MAX_COPY_SECONDS", -1)
    with pytest.raises(StorageError, match="was given up") as refused:
        backup(rated, tmp_path / "backups")
    assert refused.value.code == "backup_too_slow"
    assert sorted((tmp_path / "backups").iterdir()) == before
    assert good in before


def test_what_does_not_verify_is_no_backup_and_removes_none(rated: Store, tmp_path: Path) -> None:
    backup(rated, tmp_path / "backups", keep=1)
    before = sorted((tmp_path / "backups").iterdir())
    with closing(sqlite3.connect(rated.path)) as connection:
        connection.executescript(
            "DROP TRIGGER rating_log_forbids_update;UPDATE rating_log SET safety = 1 WHERE id = 1"
        )
    with pytest.raises(StorageError) as refused:
        backup(rated, tmp_path / "backups", keep=1)
    assert refused.value.code == "backup_damaged"
    assert sorted((tmp_path / "backups").iterdir()) == before


def test_a_folder_that_cannot_be_written_is_named(rated: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError) as refused:
        backup(rated, tmp_path / "file" / "backups")
    assert refused.value.code == "backup_failed"


def test_a_folder_without_permission_is_named() -> None:
    with folder_of_another_account() as folder:
        rated = rate(Store(folder / "medchat.db"))
        (folder / "backups").mkdir(0o555)
        folder.chmod(0o777)
        with without_root(), pytest.raises(StorageError, match="Permission denied") as refused:
            backup(rated, folder / "backups")
        assert refused.value.code == "backup_failed"
        assert list((folder / "backups").iterdir()) == []


BACK_UP_WITHOUT_ROOM = """
import sys
from pathlib import Path
from storage import StorageError, Store, backup, restore

database, folder = Path(sys.argv[1]), Path(sys.argv[2])
for work in (
    lambda: backup(Store(database), folder),
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
    (made,) = backups(rated.path, tmp_path / "b")
    assert str(made) in output
    assert f"{made}.sha256" in output


def test_what_a_killed_backup_left_goes_with_the_next_and_not_before(
    rated: Store, tmp_path: Path
) -> None:
    made = backup(rated, folder := tmp_path / "backups")
    left = [
        folder / f"medchat-20200101T000000000000Z.db{end}"
        for end in (".partial", ".partial-journal", ".sha256")
    ]
    kept = [folder / "medchat-notes.db.partial", folder / "other-20200101T000000000000Z.db.partial"]
    for path in (*left, *kept):
        path.touch()
    with storage.durable_files.working_in(folder, []):  # as another backup that is being made
        backup(rated, folder)
        assert all(path.exists() for path in left)
    backup(rated, folder)
    assert [path for path in left if path.exists()] == []
    assert all(path.exists() for path in (made, *kept))


# -- which are kept --


def test_only_the_newest_backups_are_kept(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    made = [backup(rated, folder, keep=3) for _ in range(5)]
    assert backups(rated.path, folder) == made[2:]
    names = {path.name for path in folder.iterdir()}
    assert names == {name for path in made[2:] for name in (path.name, f"{path.name}.sha256")}


@pytest.mark.parametrize("other", ["medchat-pilot.db", "medchat-20260131T080509000000Z.db"])
def test_databases_whose_names_begin_alike_keep_their_backups(tmp_path: Path, other: str) -> None:
    folder = tmp_path / "backups"
    one, two = rate(Store(tmp_path / "medchat.db")), rate(Store(tmp_path / other))
    made = [(backup(one, folder, keep=1), backup(two, folder, keep=1)) for _ in range(3)]
    assert backups(one.path, folder) == [made[-1][0]]
    assert backups(two.path, folder) == [made[-1][1]]


@pytest.mark.parametrize(("name", "like"), [("m*.db", "mm.db"), ("[ab].db", "a.db"), ("a.b", "a")])
def test_a_name_with_signs_of_a_pattern_means_itself(tmp_path: Path, name: str, like: str) -> None:
    folder = tmp_path / "backups"
    one, two = rate(Store(tmp_path / name)), rate(Store(tmp_path / like))
    theirs = backup(two, folder)
    made = [backup(one, folder, keep=2) for _ in range(3)]
    assert backups(one.path, folder) == made[1:]
    assert backups(two.path, folder) == [theirs]


def test_databases_of_the_same_name_may_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    one, two = rate(Store(tmp_path / "a" / "medchat.db")), rate(Store(tmp_path / "b/medchat.db"))
    first = backup(one, folder, keep=2)
    theirs = [backup(two, folder, keep=2) for _ in range(4)]
    assert backups(one.path, folder) == [first]
    assert backups(two.path, folder) == theirs[2:]


def test_backups_that_say_not_whose_they_are_stay(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    old, broken = backup(rated, folder), folder / "medchat-20200101T000000000000Z.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("DROP TABLE database_identity")
    broken.write_bytes(b"no database")
    for _ in range(3):
        made = backup(rated, folder, keep=1)
    assert backups(rated.path, folder) == [made]
    assert old.exists()
    assert broken.exists()


def test_the_backup_just_made_stays_whatever_the_clock_said_before(
    rated: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    future = [
        rename_to(backup(rated, folder), datetime.now(UTC) + timedelta(days=days))
        for days in (2000, 2001)
    ]
    made = [backup(rated, folder, keep=2) for _ in range(3)]
    assert backups(rated.path, folder) == made[1:]
    assert not any(path.exists() for path in future)


def test_backups_may_lie_beside_the_database(rated: Store, tmp_path: Path) -> None:
    made = [backup(rated, tmp_path, keep=2) for _ in range(3)]
    assert backups(rated.path, tmp_path) == made[1:]
    assert studies_in(rated.path) == ["Pilot"]


# -- the timer, and what the board says --


def test_the_timer_backs_up_what_has_changed_and_only_then(rated: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    complaints: list[str] = []
    timer = BackupTimer(rated, folder, 0.1 / 3600, complaints.append)
    try:
        until(lambda: len(backups(rated.path, folder)) == 1)
        time.sleep(2)
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


@pytest.mark.parametrize(("hours_ago", "count"), [(None, 1), (7, 2), (5, 1)])
def test_an_app_that_is_often_started_anew_backs_up_soon_when_it_is_time(
    rated: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours_ago: int | None, count: int
) -> None:
    """The interval of six hours counts from the newest backup, not from the start."""
    folder = tmp_path / "backups"
    if hours_ago:
        rename_to(backup(rated, folder), datetime.now(UTC) - timedelta(hours=hours_ago))
    monkeypatch.setattr(storage.backup_timer, "LOOK_SECONDS", 0.1)
    timer = BackupTimer(rated, folder, 6, pytest.fail)
    try:
        until(lambda: len(backups(rated.path, folder)) == count)
        time.sleep(0.5)
    finally:
        timer.close()
    assert len(backups(rated.path, folder)) == count


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
    made = backup(rated, folder)
    assert not backup_is_overdue(rated, folder, 6)
    time.sleep(0.2)
    assert not backup_is_overdue(rated, folder, 0.1 / 3600), "nothing has changed"
    rate_more(rated)
    rename_to(made, datetime.now(UTC) - timedelta(hours=13))
    assert backup_is_overdue(rated, folder, 6)
    assert not backup_is_overdue(rated, folder, 7)


def test_what_other_databases_have_is_no_backup_of_this_one(rated: Store, tmp_path: Path) -> None:
    backup(rate(Store(tmp_path / "other" / "medchat.db")), tmp_path / "backups")
    assert newest_backup(rated.path, tmp_path / "backups") is None
    time.sleep(0.2)
    assert backup_is_overdue(rated, tmp_path / "backups", 0.1 / 3600)


# -- going back to one --


def test_restoring_brings_back_and_keeps_what_was_there(rated: Store, tmp_path: Path) -> None:
    before = score_rows(rated, None)
    made = backup(rated, tmp_path / "backups")
    rate_more(rated)
    status, output = run("restore", made, "--db", rated.path)
    assert status == 0, output
    assert score_rows(Store(rated.path), None) == before
    (aside,) = tmp_path.glob("medchat.db.before-*")
    assert len(score_rows(Store(aside, must_exist=True), None)) == len(before) + 1
    assert aside.name in output
    assert "to compare" not in output
    assert made.exists()


def test_two_restores_at_once_keep_both_originals(rated: Store, tmp_path: Path) -> None:
    made = backup(rated, tmp_path / "backups")
    rate_more(rated, "First")
    first = restore(made, rated.path)
    rate_more(rated, "Second")
    second = restore(made, rated.path)
    assert studies_in(first) == ["First", "Pilot"]
    assert studies_in(second) == ["Pilot", "Second"]
    assert studies_in(rated.path) == ["Pilot"]


def test_no_flipped_bit_is_ever_restored(rated: Store, tmp_path: Path) -> None:
    made = backup(rated, tmp_path / "backups")
    content, before = made.read_bytes(), hashlib.sha256(rated.path.read_bytes()).hexdigest()
    draw = random.Random(1)
    for _ in range(200):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        made.write_bytes(damaged)
        with pytest.raises(StorageError, match=re.escape(str(made))) as refused:
            restore(made, rated.path)
        assert refused.value.code == "backup_checksum_differs"
    assert hashlib.sha256(rated.path.read_bytes()).hexdigest() == before
    made.write_bytes(content)
    restore(made, rated.path)


@pytest.mark.parametrize("line", [b"", b"no checksum", b"\xff" * 80])
def test_a_checksum_that_is_none_is_not_taken_for_one(rated: Store, tmp_path: Path, line) -> None:
    made = backup(rated, tmp_path / "backups")
    made.with_name(f"{made.name}.sha256").write_bytes(line)
    with pytest.raises(StorageError) as refused:
        restore(made, rated.path)
    assert refused.value.code == "backup_checksum_differs"


def test_a_backup_without_a_checksum_is_restored_and_that_is_said(
    rated: Store, tmp_path: Path
) -> None:
    made = backup(rated, tmp_path / "backups")
    made.with_name(f"{made.name}.sha256").unlink()
    status, output = run("restore", made, "--db", rated.path)
    assert (status, f"no {made.name}.sha256 to compare" in output) == (0, True)


def test_nothing_is_restored_under_a_running_program(rated: Store, tmp_path: Path) -> None:
    made = backup(rated, tmp_path / "backups")
    rater = new_raters(rated, new_study(rated, name="Later"))[0]
    later = entry(answers_shown_to(rated, rater)[0].item, "later")
    writer = Writer(rated)
    writer.submit(lambda db: save_in(db, rater.id, [later])).result(10)
    before = score_rows(rated, None)
    status, output = run("restore", made, "--db", rated.path)
    assert (status, "is open in another program" in output) == (1, True)
    assert score_rows(rated, None) == before
    assert not list(tmp_path.glob("medchat.db.before-*"))
    assert not list(tmp_path.glob("medchat.db.restoring*"))
    writer.close()
    status, output = run("restore", made, "--db", rated.path)
    assert status == 0, output


def test_who_opened_the_old_file_in_between_cannot_write_into_it(
    rated: Store, tmp_path: Path
) -> None:
    """As an app that is started at the moment of the rename: its log would spoil the new file."""
    made = backup(rated, tmp_path / "backups")
    with closing(sqlite3.connect(rated.path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(rated.path, timeout=0)) as early:
        early.execute("SELECT count(*) FROM studies").fetchone()
        restore(made, rated.path)
        for sql in ("PRAGMA journal_mode = WAL", "DELETE FROM items"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                early.execute(sql)
    assert verify(Store(rated.path)) == []


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be one" * 9])
def test_a_file_that_is_no_backup_is_refused_and_nothing_is_lost(rated, tmp_path, content) -> None:
    source = tmp_path / "medchat-1Z.db"
    source.write_bytes(content)
    before = score_rows(rated, None)
    with pytest.raises(StorageError) as refused:
        restore(source, rated.path)
    assert refused.value.code == "not_a_database"
    assert str(source) in str(refused.value)
    assert score_rows(rated, None) == before
    status, output = run("restore", tmp_path / "nothing.db", "--db", rated.path)
    assert status == 1
    assert "no database" in output
    assert score_rows(rated, None) == before


def test_what_is_in_the_log_of_a_killed_program_is_kept_aside_too(
    rated: Store, tmp_path: Path
) -> None:
    made = backup(rated, tmp_path / "backups")
    die_with_a_log(rated.path, "Dying")
    aside = restore(made, rated.path)
    assert studies_in(aside) == ["Dying", "Pilot"]
    assert studies_in(rated.path) == ["Pilot"]


DIE = """
import os, sys
from storage import Store, create_study
store = Store(sys.argv[1])
held = store.connect()
held.__enter__().execute("SELECT 1 FROM studies").fetchone()  # so that nobody closes it last
create_study(store, sys.argv[2])
os._exit(0)
"""


def die_with_a_log(database: Path, study: str) -> None:
    """Add a study and end without moving it from the write-ahead log into the file."""
    command = [sys.executable, "-c", DIE, str(database), study]
    subprocess.run(command, env=OWN_MODULES, check=True)
    assert database.with_name(f"{database.name}-wal").stat().st_size


@pytest.mark.parametrize("damage", ["gone", "empty", "overwritten"])
def test_a_lost_database_is_restored_and_its_log_kept_aside(
    rated: Store, tmp_path: Path, damage: str
) -> None:
    made = backup(rated, tmp_path / "backups")
    die_with_a_log(rated.path, "Dying")
    wal = rated.path.with_name("medchat.db-wal").read_bytes()
    size = rated.path.stat().st_size
    if damage == "gone":
        rated.path.unlink()
    else:
        rated.path.write_bytes(b"" if damage == "empty" else b"x" * size)
    aside = restore(made, rated.path)
    assert verify(Store(rated.path)) == []
    assert studies_in(rated.path) == ["Pilot"]
    kept = aside.with_name(f"{aside.name}-wal")
    if kept.exists():
        assert kept.read_bytes() == wal
    else:  # SQLite could still move it into the file
        assert b"Dying" in aside.read_bytes()


def test_a_link_to_the_database_stays_a_link(rated: Store, tmp_path: Path) -> None:
    made = backup(rated, tmp_path / "backups")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "medchat.db"
    link.symlink_to(rated.path)
    rate_more(rated)
    aside = restore(made, link)
    assert link.is_symlink()
    assert studies_in(rated.path) == ["Pilot"]
    assert aside.parent == tmp_path
    assert list((tmp_path / "links").iterdir()) == [link]


@pytest.mark.parametrize("mode", [0o600, 0o664])
def test_the_restored_file_has_the_permissions_of_the_old_one(
    rated: Store, tmp_path: Path, mode: int
) -> None:
    made = backup(rated, tmp_path / "backups")
    rated.path.chmod(mode)
    aside = restore(made, rated.path)
    assert [path.stat().st_mode & 0o777 for path in (rated.path, aside)] == [mode, mode]


def test_a_backup_on_a_read_only_medium_can_be_restored() -> None:
    with folder_of_another_account() as folder:
        rated = rate(Store(folder / "medchat.db"))
        made = backup(rated, folder / "backups")
        made.with_name(f"{made.name}.sha256").unlink()
        made.parent.chmod(0o555)
        (folder / "new").mkdir()
        (folder / "new").chmod(0o777)
        with without_root():
            restore(made, folder / "new" / "medchat.db")
            assert studies_in(folder / "new" / "medchat.db") == ["Pilot"]


def test_a_folder_that_may_not_be_written_keeps_the_database(tmp_path: Path) -> None:
    with folder_of_another_account() as folder:
        rated = rate(Store(folder / "medchat.db"))
        made = backup(rated, tmp_path)
        source = shutil.copy(made, folder / "source.db")
        folder.chmod(0o555)
        before = rated.path.read_bytes()
        with without_root(), pytest.raises(StorageError, match="the database is as it was"):
            restore(Path(source), rated.path)
        folder.chmod(0o755)
        assert rated.path.read_bytes() == before


KILL_AT_EVERY_STEP = """
import os, shutil, sys
from pathlib import Path
import storage.restoring
from storage import restore

source, template = map(Path, sys.argv[1:3])

def restore_and_die(database, step):
    done = 0
    def count(frame, event, argument):
        nonlocal done
        if frame.f_code.co_filename.endswith(("restoring.py", "files.py", "copying.py")):
            done += event == "line"
            if done == step:
                os._exit(9)
            return count
    sys.settrace(count)
    restore(source, database)
    os._exit(0)

step, killed = 0, True
while killed:
    step += 1
    folder = template.parent / f"step-{step}"
    folder.mkdir()
    for name in ("medchat.db", "medchat.db-wal"):
        shutil.copy(template.with_name(name), folder / name)
    if not (child := os.fork()):
        restore_and_die(folder / "medchat.db", step)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
"""


def test_a_kill_at_any_step_leaves_the_old_or_the_new_database(
    rated: Store, tmp_path: Path
) -> None:
    made = backup(rated, tmp_path / "backups")
    rate_more(rated)
    die_with_a_log(rated.path, "Dying")
    command = [sys.executable, "-c", KILL_AT_EVERY_STEP, made, rated.path]
    subprocess.run(command, env=OWN_MODULES, check=True)
    old, new = ["Dying", "Later", "Pilot"], ["Pilot"]
    outcomes = []
    steps = sorted(tmp_path.glob("step-*"), key=lambda path: int(path.name[5:]))
    for folder in steps:
        database = folder / "medchat.db"
        assert database.stat().st_size
        asides = [studies_in(path) for path in sorted(folder.glob("medchat.db.before-*Z"))]
        outcomes.append(studies_in(database))
        assert outcomes[-1] in (old, new)
        if outcomes[-1] == new:
            assert asides == [old], "the old one must be kept"
    assert len(outcomes) > 60
    assert outcomes == sorted(outcomes), "once it is there, the new one stays"
    for folder in (steps[0], steps[len(steps) // 2], steps[-1]):
        restore(made, folder / "medchat.db")
        names = " ".join(path.name for path in folder.iterdir())
        assert ("restoring" in names, "partial" in names) == (False, False)


# -- a start without the database --


@pytest.mark.parametrize("damage", ["gone", "empty", "without tables"])
def test_a_database_that_is_lost_is_not_made_anew(
    rated: Store, tmp_path: Path, damage: str
) -> None:
    made = backup(rated, tmp_path / "backups")
    rated.path.unlink()
    if damage == "empty":
        rated.path.touch()
    elif damage == "without tables":
        with closing(sqlite3.connect(rated.path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    for _ in range(2):
        with pytest.raises(StorageError, match="is gone or empty") as refused:
            Store(rated.path)
        assert refused.value.code == "database_gone"
        assert str(marker_of(rated.path)) in str(refused.value)
    status, output = run("restore", made, "--db", rated.path)
    assert status == 0, output
    assert studies_in(rated.path) == ["Pilot"]
    assert Store(rated.path).path.exists()


def test_without_its_marker_an_empty_database_is_begun(rated: Store) -> None:
    rated.path.unlink()
    marker_of(rated.path).unlink()
    assert list_studies(Store(rated.path)) == []
    assert marker_of(rated.path).exists()


def test_a_log_without_its_database_is_not_thrown_away(rated: Store) -> None:
    """SQLite would remove it beside a new file; it may hold the newest scores."""
    die_with_a_log(rated.path, "Dying")
    marker_of(rated.path).unlink()
    moved = rated.path.rename(rated.path.with_name("moved.db"))
    with pytest.raises(StorageError) as refused:
        Store(rated.path)
    assert refused.value.code == "database_gone"
    moved.rename(rated.path)
    assert studies_in(rated.path) == ["Dying", "Pilot"]


def test_the_marker_explains_itself_and_names_nobody(rated: Store) -> None:
    lines = marker_of(rated.path).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert "数据库" in lines[0]
    assert "database" in lines[1]
    assert "medchat" not in "".join(lines)


def test_a_database_that_must_exist_gets_no_marker(rated: Store, tmp_path: Path) -> None:
    made = backup(rated, tmp_path / "backups")
    Store(made, must_exist=True)
    assert not marker_of(made).exists()


def test_the_app_says_that_its_database_is_gone_and_ends(rated: Store) -> None:
    rated.path.unlink()
    with pytest.raises(SystemExit, match="is gone or empty"):
        start_app(db=rated.path, port=1873)
    assert not rated.path.exists()


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
