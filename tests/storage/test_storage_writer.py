"""Saving for many at once: nothing is called saved that is not on disk, nobody waits in vain."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, wait

import pytest
from storage_fixtures import answers_shown_to, entry, new_raters, new_study

from storage import StorageError, Store, Writer, history, save_in, verify


@pytest.fixture
def writer(store: Store):
    made = Writer(store)
    yield made
    made.close()


def test_what_is_handed_in_together_is_all_saved(store: Store, writer: Writer) -> None:
    study = new_study(store, questions=20)
    raters = new_raters(store, study, 5)
    futures = []
    for rater in raters:
        for answer in answers_shown_to(store, rater):
            sent = entry(answer.item, answer.item)
            futures.append(
                writer.submit(lambda db, rater=rater, sent=sent: save_in(db, rater.id, [sent]))
            )
    assert sum(future.result(10).written for future in futures) == 300
    assert verify(store) == []


def test_one_that_is_refused_does_not_undo_the_others(store: Store, writer: Writer) -> None:
    rater = new_raters(store, new_study(store))[0]
    answers = answers_shown_to(store, rater)
    gate = threading.Event()
    held = writer.submit(lambda db: gate.wait(10))  # so that the next three are committed together
    good = writer.submit(lambda db: save_in(db, rater.id, [entry(answers[0].item, "1")]))
    bad = writer.submit(lambda db: save_in(db, rater.id, [entry("nothing", "2")]))
    broken = writer.submit(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"))
    foreign = writer.submit(lambda db: 1 / 0)
    late = writer.submit(lambda db: save_in(db, rater.id, [entry(answers[1].item, "3")]))
    gate.set()
    assert held.result(10)
    assert good.result(10).written == late.result(10).written == 1
    with pytest.raises(StorageError, match="not among those"):
        bad.result(10)
    with pytest.raises(StorageError, match="no such table"):
        broken.result(10)
    with pytest.raises(ZeroDivisionError):
        foreign.result(10)
    assert len(history(store, rater.id, answers[1].item)) == 1


def test_a_save_that_nobody_waits_for_any_more_harms_no_other(store, writer: Writer) -> None:
    rater = new_raters(store, new_study(store))[0]
    answers = answers_shown_to(store, rater)
    begun, gate = threading.Event(), threading.Event()
    writer.submit(lambda db: (begun.set(), gate.wait(10)))
    assert begun.wait(10)
    gone = writer.submit(lambda db: save_in(db, rater.id, [entry(answers[0].item, "1")]))
    gone.cancel()
    gate.set()
    kept = writer.submit(lambda db: save_in(db, rater.id, [entry(answers[1].item, "2")]))
    assert kept.result(10).written == 1
    with pytest.raises(CancelledError):
        gone.result(10)


def test_a_full_disk_fails_all_of_a_commit_and_the_next_one_succeeds(store: Store) -> None:
    rater = new_raters(store, new_study(store))[0]
    answers = answers_shown_to(store, rater)
    writer = Writer(store)

    def fill(db) -> None:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        db.execute("CREATE TABLE filler (x)")
        for _ in range(50):
            db.execute("INSERT INTO filler VALUES (zeroblob(100000))")

    gate = threading.Event()
    writer.submit(lambda db: gate.wait(10))
    first = writer.submit(lambda db: save_in(db, rater.id, [entry(answers[0].item, "1")]))
    filling = writer.submit(fill)
    gate.set()
    with pytest.raises(StorageError) as refused:
        filling.result(10)
    assert refused.value.code == "disk_full"
    outcome = first.exception(10)
    assert outcome is None or isinstance(outcome, StorageError)
    assert len(history(store, rater.id, answers[0].item)) == (0 if outcome else 1)
    again = writer.submit(lambda db: save_in(db, rater.id, [entry(answers[0].item, "1")]))
    again.result(10)
    assert len(history(store, rater.id, answers[0].item)) == 1
    writer.close()
    assert verify(store) == []


def test_what_was_handed_in_before_closing_is_saved_and_later_work_refused(store: Store) -> None:
    rater = new_raters(store, new_study(store))[0]
    answers = answers_shown_to(store, rater)
    writer = Writer(store)
    futures = [
        writer.submit(lambda db, a=answer: save_in(db, rater.id, [entry(a.item, a.item)]))
        for answer in answers
    ]
    writer.close()
    writer.close()
    assert not wait(futures, 10).not_done
    assert all(future.result().written == 1 for future in futures)
    with pytest.raises(StorageError) as refused:
        writer.submit(lambda db: None)
    assert refused.value.code == "database_closed"


def test_a_database_that_comes_back_is_used_again(store: Store, writer: Writer) -> None:
    assert writer.submit(lambda db: 1).result(10) == 1
    moved = store.path.rename(store.path.with_suffix(".away"))
    with pytest.raises(StorageError) as refused:
        writer.submit(lambda db: 1).result(10)
    assert refused.value.code == "database_missing"
    moved.rename(store.path)
    assert writer.submit(lambda db: 2).result(10) == 2


def test_what_is_saved_is_in_the_file_that_is_there(store: Store, writer: Writer) -> None:
    """Also when another file was put in the place of the one that the writer has open."""
    study = new_study(store, questions=1)
    (rater,) = new_raters(store, study, 1)
    first, second = (answer.item for answer in answers_shown_to(store, rater)[:2])

    def save(item: str) -> int:
        return (
            writer.submit(lambda db: save_in(db, rater.id, [entry(item, item)])).result(10).written
        )

    assert save(first) == 1
    copy = store.path.with_suffix(".copy")
    with sqlite3.connect(store.path) as old, sqlite3.connect(copy) as new:
        old.backup(new)
    for name in (f"{store.path.name}-wal", f"{store.path.name}-shm"):
        store.path.with_name(name).unlink(missing_ok=True)
    copy.replace(store.path)
    assert save(second) == 1
    for item in (first, second):
        assert len(history(store, rater.id, item)) == 1


SAVE_UNTIL_KILLED = """
import sys
from storage import Store, Writer, save_in, list_studies, list_raters, read_worklist
from storage_fixtures import entry

store = Store(sys.argv[1])
study = list_studies(store)[0]
rater = list_raters(store, study.id)[0]
items = [a.item for q in read_worklist(store, rater.id) for a in q.answers]
writer = Writer(store)
number = 0
while True:
    batch = []
    for item in items:
        number += 1
        key = f"{sys.argv[2]}-{number}"
        work = lambda db, item=item, key=key: save_in(db, rater.id, [entry(item, key)])
        batch.append((key, writer.submit(work)))
    for key, future in batch:
        future.result()
        print(key, flush=True)
"""


def test_what_was_acknowledged_survives_a_killed_process(store: Store) -> None:
    study = new_study(store)
    new_raters(store, study)
    acknowledged: list[str] = []
    for attempt in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", SAVE_UNTIL_KILLED, str(store.path), str(attempt)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                acknowledged.append(line.strip())
                if len(acknowledged) % 40 == 39:
                    process.send_signal(signal.SIGKILL)
    with store.connect() as db:
        keys = [row[0] for row in db.execute("SELECT idempotency_key FROM rating_log")]
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(keys)
    assert len(keys) == len(set(keys))
    assert verify(store) == []


def test_an_error_that_nobody_expected_is_told_and_does_not_end_the_writer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, broken = Store.connect, iter([True])

    def connect_or_break(self: Store):
        if next(broken, False):
            raise MemoryError("once")
        return connect(self)

    monkeypatch.setattr(Store, "connect", connect_or_break)
    writer = Writer(store)
    with pytest.raises(MemoryError):
        writer.submit(lambda db: 1).result(10)
    assert writer.submit(lambda db: 2).result(10) == 2
    writer.close()
