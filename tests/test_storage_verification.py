"""The chain, and what ``verify`` makes of a database."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from storage_fixtures import answers_shown_to, entry, new_raters, new_study
from typer.testing import CliRunner

from storage import (
    Store,
    chain_ends,
    save_ratings,
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
