"""Coordinators' accounts and sessions, and what is done against guessing."""

import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from storage import (
    Coordinator,
    StorageError,
    Store,
    add_coordinator,
    coordinator_of_session,
    knows_address,
    make_first,
    set_password,
    sign_in,
    sign_out,
)
from storage.__main__ import app
from storage.coordinators import FREE_FAILURES

GOOD = "a long password"
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "medchat.db")
    add_coordinator(store, "anna", GOOD)
    return store


def code_of(work) -> str:
    with pytest.raises(StorageError) as refused:
        work()
    return refused.value.code


def who(store: Store, token: str) -> Coordinator | None:
    with store.connect() as db:
        return coordinator_of_session(db, token)


def test_the_first_account_is_made_once_with_a_password_of_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "new.db")
    first = make_first(store)
    assert first is not None
    assert len(first.password) >= 16
    assert first.password not in repr(first)
    assert make_first(store) is None
    assert sign_in(store, first.name, first.password, HERE)


def test_a_password_and_a_session_are_stored_as_hashes_only(store: Store) -> None:
    token = sign_in(store, "anna", GOOD, HERE)
    with closing(sqlite3.connect(store.path)) as connection:
        dump = "\n".join(connection.iterdump())
    assert "$argon2id$" in dump
    assert GOOD not in dump
    assert token not in dump


def test_a_session_is_its_coordinators_until_it_is_ended(store: Store) -> None:
    add_coordinator(store, "bo", GOOD)
    anna, bo = (sign_in(store, name, GOOD, HERE) for name in ("Anna ", "bo"))
    assert [found.name for found in (who(store, anna), who(store, bo)) if found] == ["anna", "bo"]
    sign_out(store, anna)
    assert who(store, anna) is None
    assert who(store, bo)
    with store.transaction() as db:
        db.execute("UPDATE coordinator_sessions SET expires_at = '2026-01-01'")
    assert who(store, bo) is None
    assert who(store, "") is None


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "a wrong password"), ("nobody", GOOD), ("", ""), ("anna", ""), ("\ud800", "\ud800")],
)
def test_name_and_password_must_be_right(store: Store, name: str, password: str) -> None:
    assert code_of(lambda: sign_in(store, name, password, HERE)) == "sign_in_failed"


def fail(store: Store, times: int, address: str = HERE, name: str = "anna") -> None:
    for _ in range(times):
        assert code_of(lambda: sign_in(store, name, "wrong", address)) == "sign_in_failed"


def pass_seconds(store: Store, seconds: int) -> None:
    """As if every failure had been so much earlier."""
    with store.transaction() as db:
        db.execute(
            "UPDATE sign_in_failures SET failed_at = strftime('%Y-%m-%dT%H:%M:%f+00:00',"
            " failed_at, ?)",
            [f"-{seconds} seconds"],
        )


def test_failures_slow_down_their_own_address_and_nobody_elsewhere(store: Store) -> None:
    fail(store, FREE_FAILURES)
    with pytest.raises(StorageError) as refused:
        sign_in(store, "anna", GOOD, HERE)
    assert refused.value.code == "too_many_attempts"
    assert 0 < int(refused.value.details["seconds"]) <= 2
    assert sign_in(store, "anna", GOOD, THERE)
    add_coordinator(store, "bo", GOOD)
    assert sign_in(store, "bo", GOOD, HERE)
    pass_seconds(store, 2)
    assert sign_in(store, "anna", GOOD, HERE), "slowed down, not shut out"


def test_each_further_failure_doubles_the_wait_up_to_a_minute(store: Store) -> None:
    fail(store, FREE_FAILURES)
    waits = []
    for _ in range(8):
        with pytest.raises(StorageError) as refused:
            sign_in(store, "anna", "wrong", HERE)
        waits.append(int(refused.value.details["seconds"]))
        pass_seconds(store, waits[-1])
        fail(store, 1)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


def test_where_somebody_has_signed_in_before_the_right_password_always_gets_in(store) -> None:
    sign_in(store, "anna", GOOD, HERE)
    assert knows_address(store, " ANNA", HERE)
    assert not knows_address(store, "anna", THERE)
    fail(store, 3 * FREE_FAILURES)
    assert sign_in(store, "anna", GOOD, HERE)


def test_failures_from_many_addresses_close_no_name(store: Store) -> None:
    for number in range(40):
        fail(store, 1, f"192.0.2.{number}")
    assert sign_in(store, "anna", GOOD, "192.0.2.99")


def test_an_address_of_version_6_stands_for_its_network(store: Store) -> None:
    for number in range(FREE_FAILURES):
        fail(store, 1, f"2001:db8::{number}")
    assert code_of(lambda: sign_in(store, "anna", GOOD, "2001:db8::99")) == "too_many_attempts"
    assert sign_in(store, "anna", GOOD, "2001:db8:0:1::99")


def test_failures_that_a_wrong_clock_has_dated_ahead_count_for_nothing(store: Store) -> None:
    fail(store, FREE_FAILURES)
    with store.transaction() as db:
        db.execute("UPDATE sign_in_failures SET failed_at = '2031-01-01T00:00:00.000+00:00'")
    assert sign_in(store, "anna", GOOD, HERE)
    fail(store, 1, THERE)
    with store.connect() as db:
        assert db.table("sign_in_failures").count_where("failed_at > '2031'") == 0


def test_a_new_password_lifts_the_wait(store: Store) -> None:
    sign_in(store, "anna", GOOD, HERE)
    fail(store, FREE_FAILURES)
    set_password(store, " Anna ", "another password")
    assert not knows_address(store, "anna", HERE)
    assert sign_in(store, "anna", "another password", HERE)


def test_right_passwords_at_the_same_moment_all_get_in(store: Store) -> None:
    with ThreadPoolExecutor(12) as pool:
        tokens = [pool.submit(sign_in, store, "anna", GOOD, HERE) for _ in range(12)]
    assert all(who(store, token.result()) for token in tokens)


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("anna", GOOD, "coordinator_exists"),
        (" ANNA ", GOOD, "coordinator_exists"),
        (" ", GOOD, "coordinator_name_empty"),
        ("bo", "short", "password_too_short"),
        ("bo", "x" * 201, "text_too_long"),
        ("b" * 201, GOOD, "text_too_long"),
    ],
)
def test_an_account_that_cannot_be_is_refused(store: Store, name, password, code: str) -> None:
    assert code_of(lambda: add_coordinator(store, name, password)) == code


def test_a_new_password_ends_every_session(store: Store) -> None:
    token = sign_in(store, "anna", GOOD, HERE)
    set_password(store, "anna", "another password")
    assert who(store, token) is None
    assert code_of(lambda: sign_in(store, "anna", GOOD, HERE)) == "sign_in_failed"
    assert sign_in(store, "anna", "another password", HERE)
    assert code_of(lambda: set_password(store, "bo", GOOD)) == "unknown_coordinator"


def test_accounts_can_be_kept_by_command(store: Store) -> None:
    run = CliRunner().invoke
    options = ["--db", str(store.path), "--password", GOOD]
    assert run(app, ["add-coordinator", "--name", "bo", *options]).exit_code == 0
    assert sign_in(store, "bo", GOOD, HERE)
    again = run(app, ["add-coordinator", "--name", "bo", *options])
    assert (again.exit_code, "already" in again.output) == (1, True)
    options[-1] = "quite another one"
    assert run(app, ["set-password", "--name", "bo", *options]).exit_code == 0
    assert sign_in(store, "bo", "quite another one", HERE)


def test_of_many_tries_at_once_no_more_are_made_than_of_one_after_the_other(store: Store) -> None:
    with ThreadPoolExecutor(20) as pool:
        tries = [
            pool.submit(code_of, lambda: sign_in(store, "anna", "wrong one", HERE))
            for _ in range(20)
        ]
    codes = Counter(each.result() for each in tries)
    assert codes == {"sign_in_failed": FREE_FAILURES, "too_many_attempts": 20 - FREE_FAILURES}
