"""Several physicians at once: nothing is lost, nothing is doubled, nobody is turned away."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from sqlite_utils import Database
from storage_fixtures import answers_of, answers_shown_to, entry, new_raters, new_study

from storage import (
    Scores,
    StorageError,
    Store,
    add_question,
    create_study,
    history,
    invite_raters,
    list_questions,
    list_studies,
    read_worklist,
    save_ratings,
    score_rows,
)

Result = TypeVar("Result")


def at_once(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run every task in a thread of its own, all starting at the same moment."""
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], Result]) -> Result:
        start.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def test_eight_raters_save_at_once_and_nothing_is_lost_or_doubled(store: Store) -> None:
    study = new_study(store, questions=9)
    raters = new_raters(store, study, 8)

    def rate_25_answers(rater) -> int:
        answers = answers_shown_to(store, rater)[:25]
        return sum(
            save_ratings(store, rater.id, [entry(each.item, rater.id + each.item)]).written
            for each in answers
        )

    assert at_once([lambda rater=rater: rate_25_answers(rater) for rater in raters]) == [25] * 8
    rows = score_rows(store, study.id)
    assert len(rows) == 200
    assert len({(row["rater"], row["response_id"]) for row in rows}) == 200
    with store.connect() as db:
        assert db.table("rating_log").count == 200


def test_one_rater_in_eight_tabs_sends_the_same_save_and_one_is_written(store: Store) -> None:
    rater = new_raters(store, new_study(store))[0]
    response = answers_shown_to(store, rater)[0].item
    task = lambda: save_ratings(store, rater.id, [entry(response, "k")]).written  # noqa: E731
    assert sorted(at_once([task] * 8)) == [0] * 7 + [1]
    assert len(history(store, rater.id, response)) == 1


def test_the_last_of_many_changes_at_once_is_the_current_one(store: Store) -> None:
    rater = new_raters(store, new_study(store))[0]
    response = answers_shown_to(store, rater)[0].item

    def change(number: int) -> None:
        scores = (1 + number % 3, 1, 1)
        save_ratings(store, rater.id, [entry(response, f"k{number}", scores, comment=str(number))])

    at_once([lambda number=number: change(number) for number in range(12)])
    log = history(store, rater.id, response)
    assert len(log) == 12
    assert [each.rated_at for each in log] == sorted(each.rated_at for each in log)
    current = answers_shown_to(store, rater)[0]
    assert (current.current, current.comment) == (log[-1].scores, log[-1].comment)
    assert current.current != Scores(3, 3, 3)


@pytest.mark.parametrize("attempt", range(5))
def test_two_first_looks_at_once_store_one_order(store: Store, attempt: int) -> None:
    study = new_study(store, questions=10)
    rater = new_raters(store, study)[0]
    shown = at_once([lambda: read_worklist(store, rater.id)] * 2)
    assert shown[0] == shown[1] == read_worklist(store, rater.id)
    with store.connect() as db:
        assert db.table("items").count == 30


def test_questions_added_at_once_are_numbered_without_gaps(store: Store) -> None:
    study = create_study(store, "Pilot")
    at_once([lambda: add_question(store, study.id, "感冒怎么办？", answers_of())] * 8)
    questions = list_questions(store, study.id)
    assert [each.question_id for each in questions] == [f"q{n:03d}" for n in range(1, 9)]
    assert [each.position for each in questions] == list(range(1, 9))


def test_raters_invited_at_once_have_labels_of_their_own(store: Store) -> None:
    study = create_study(store, "Pilot")
    invited = at_once([lambda: invite_raters(store, study.id, 3)] * 6)
    labels = [each.label for invitations in invited for each in invitations]
    assert sorted(labels) == [f"r{number:02d}" for number in range(1, 19)]


@pytest.mark.parametrize("attempt", range(5))
def test_eight_programs_may_make_the_same_database_at_once(tmp_path: Path, attempt: int) -> None:
    path = tmp_path / "new.db"
    stores = at_once([lambda: Store(path)] * 8)
    assert [list_studies(store) for store in stores] == [[]] * 8


def test_a_journal_that_others_are_switching_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says at once that it is locked; the real meeting of two switches is rare."""
    switch, refusals = Database.enable_wal, iter([True, True])

    def refused_twice(db: Database) -> None:
        if next(refusals, False):
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        switch(db)

    monkeypatch.setattr(Database, "enable_wal", refused_twice)
    assert list_studies(Store(tmp_path / "new.db")) == []
    assert next(refusals, None) is None


def test_a_journal_that_stays_locked_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(db: Database) -> None:
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = sqlite3.SQLITE_BUSY
        raise error

    monkeypatch.setattr(Database, "enable_wal", refused)
    monkeypatch.setattr(Store, "busy_timeout_seconds", 0.05)
    with pytest.raises(StorageError, match="another program has been writing"):
        Store(tmp_path / "new.db")
