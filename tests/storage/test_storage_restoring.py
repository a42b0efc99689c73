"""Going back to a backup, and a start without the database."""

import hashlib
import random
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from backup_fixtures import (
    die_with_a_log,
    kill_while_restoring,
    rate,
    rate_more,
    run,
    studies_in,
)
from storage_fixtures import (
    answers_shown_to,
    entry,
    folder_of_another_account,
    new_raters,
    new_study,
    without_root,
)

from app import main as start_app
from storage import (
    StorageError,
    Store,
    Writer,
    list_studies,
    make_backup,
    restore,
    save_in,
    score_rows,
    verify,
)
from storage.database import marker_of


@pytest.fixture
def rated(store: Store) -> Store:
    return rate(store)


# -- going back to one --


def test_restoring_brings_back_and_keeps_what_was_there(rated: Store, tmp_path: Path) -> None:
    before = score_rows(rated, None)
    made = make_backup(rated, tmp_path / "backups")
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
    made = make_backup(rated, tmp_path / "backups")
    rate_more(rated, "First")
    first = restore(made, rated.path)
    rate_more(rated, "Second")
    second = restore(made, rated.path)
    assert studies_in(first) == ["First", "Pilot"]
    assert studies_in(second) == ["Pilot", "Second"]
    assert studies_in(rated.path) == ["Pilot"]


def test_no_flipped_bit_is_ever_restored(rated: Store, tmp_path: Path) -> None:
    made = make_backup(rated, tmp_path / "backups")
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
    made = make_backup(rated, tmp_path / "backups")
    made.with_name(f"{made.name}.sha256").write_bytes(line)
    with pytest.raises(StorageError) as refused:
        restore(made, rated.path)
    assert refused.value.code == "backup_checksum_differs"


def test_a_backup_without_a_checksum_is_restored_and_that_is_said(
    rated: Store, tmp_path: Path
) -> None:
    made = make_backup(rated, tmp_path / "backups")
    made.with_name(f"{made.name}.sha256").unlink()
    status, output = run("restore", made, "--db", rated.path)
    assert (status, f"no {made.name}.sha256 to compare" in output) == (0, True)


def test_nothing_is_restored_under_a_running_program(rated: Store, tmp_path: Path) -> None:
    made = make_backup(rated, tmp_path / "backups")
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
    made = make_backup(rated, tmp_path / "backups")
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
    made = make_backup(rated, tmp_path / "backups")
    die_with_a_log(rated.path, "Dying")
    aside = restore(made, rated.path)
    assert studies_in(aside) == ["Dying", "Pilot"]
    assert studies_in(rated.path) == ["Pilot"]


@pytest.mark.parametrize("damage", ["gone", "empty", "overwritten"])
def test_a_lost_database_is_restored_and_its_log_kept_aside(
    rated: Store, tmp_path: Path, damage: str
) -> None:
    made = make_backup(rated, tmp_path / "backups")
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
    made = make_backup(rated, tmp_path / "backups")
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
    made = make_backup(rated, tmp_path / "backups")
    rated.path.chmod(mode)
    aside = restore(made, rated.path)
    assert [path.stat().st_mode & 0o777 for path in (rated.path, aside)] == [mode, mode]


def test_a_backup_on_a_read_only_medium_can_be_restored() -> None:
    with folder_of_another_account() as folder:
        rated = rate(Store(folder / "medchat.db"))
        made = make_backup(rated, folder / "backups")
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
        made = make_backup(rated, tmp_path)
        source = shutil.copy(made, folder / "source.db")
        folder.chmod(0o555)
        before = rated.path.read_bytes()
        with without_root(), pytest.raises(StorageError, match="the database is as it was"):
            restore(Path(source), rated.path)
        folder.chmod(0o755)
        assert rated.path.read_bytes() == before


def test_a_kill_at_a_step_leaves_the_old_or_the_new_database(rated: Store, tmp_path: Path) -> None:
    assert kill_while_restoring(rated, tmp_path, stride=29) > 3


# -- a start without the database --


@pytest.mark.parametrize("damage", ["gone", "empty", "without tables"])
def test_a_database_that_is_lost_is_not_made_anew(
    rated: Store, tmp_path: Path, damage: str
) -> None:
    made = make_backup(rated, tmp_path / "backups")
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
    made = make_backup(rated, tmp_path / "backups")
    Store(made, must_exist=True)
    assert not marker_of(made).exists()


def test_the_app_says_that_its_database_is_gone_and_ends(rated: Store) -> None:
    rated.path.unlink()
    with pytest.raises(SystemExit, match="is gone or empty"):
        start_app(db=rated.path, port=1873)
    assert not rated.path.exists()
