"""Raters, their links, their sessions and what they tell."""

import hashlib
import re
import sqlite3
from contextlib import closing

import pytest
from storage_fixtures import answers_of, new_raters, new_study, tell_profile

from storage import (
    Profile,
    StorageError,
    Store,
    add_question,
    begin_session,
    begin_trial,
    create_study,
    find_rater,
    invite_raters,
    list_raters,
    rater_of_session,
    renew_link,
    revoke_link,
    set_profile,
    verify,
)
from storage.raters import MAX_SESSIONS


@pytest.fixture
def study(store: Store):
    return new_study(store)


def test_labels_continue_from_the_last_one(store: Store, study) -> None:
    assert [each.label for each in invite_raters(store, study.id, 2)] == ["r01", "r02"]
    assert [each.label for each in invite_raters(store, study.id, 1)] == ["r03"]


def test_more_than_99_raters_are_listed_in_order(store: Store, study) -> None:
    invite_raters(store, study.id, 101)
    labels = [rater.label for rater in list_raters(store, study.id)]
    assert labels[8:11] + labels[98:] == ["r09", "r10", "r11", "r99", "r100", "r101"]


def test_every_study_labels_its_own_raters(store: Store, study) -> None:
    invite_raters(store, study.id, 2)
    other = create_study(store, "Other")
    assert [each.label for each in invite_raters(store, other.id, 1)] == ["r01"]
    assert len(list_raters(store, study.id)) == 2


def test_a_link_holds_128_random_bits(store: Store, study) -> None:
    tokens = [each.token for each in invite_raters(store, study.id, 200)]
    assert len(set(tokens)) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)


def test_tokens_are_stored_only_as_hashes(store: Store, study) -> None:
    token = invite_raters(store, study.id, 1)[0].token
    _, session = begin_session(store, token)
    with closing(sqlite3.connect(store.path)) as connection:
        stored = connection.execute("SELECT code_hash FROM raters").fetchone()[0]
        dump = "\n".join(connection.iterdump())
    assert stored == hashlib.sha256(token.encode()).hexdigest()
    assert token not in dump
    assert session not in dump


def test_a_token_does_not_show_up_in_a_log(store: Store, study) -> None:
    invitation = invite_raters(store, study.id, 1)[0]
    assert invitation.token not in repr(invitation)


@pytest.mark.parametrize("typed", ["K7QM-2XPA", " k7qm 2xpa\n", "Ｋ７ＱＭ２ＸＰＡ"])
def test_a_code_of_an_earlier_version_still_opens_its_study(store: Store, study, typed) -> None:
    rater = new_raters(store, study)[0]
    old = hashlib.sha256(b"K7QM2XPA").hexdigest()
    with store.transaction() as db:
        db.execute("UPDATE raters SET code_hash = ?, expires_at = NULL", [old])
    assert find_rater(store, typed).id == rater.id


@pytest.mark.parametrize("token", ["", "-", "K7QM-2XPA", "' OR 1=1 --", "\ud800", "代码"])
def test_an_unknown_link_is_refused(store: Store, study, token: str) -> None:
    invite_raters(store, study.id, 1)
    with pytest.raises(StorageError, match="ask the study coordinator") as refused:
        find_rater(store, token)
    assert refused.value.code == "unknown_link"


def code_of(work) -> str:
    with pytest.raises(StorageError) as refused:
        work()
    return refused.value.code


def rater_in(store: Store, session: str):
    with store.connect() as db:
        return rater_of_session(db, session)


def test_a_session_is_the_raters_until_the_link_is_revoked_or_renewed(store: Store, study) -> None:
    invitation = invite_raters(store, study.id, 1)[0]
    rater, session = begin_session(store, invitation.token)
    assert rater_in(store, session) == rater
    revoke_link(store, study.id, "r01")
    assert code_of(lambda: rater_in(store, session)) == "no_session"
    assert code_of(lambda: begin_session(store, invitation.token)) == "link_revoked"
    renewed = renew_link(store, study.id, "r01")
    assert begin_session(store, renewed.token)[0].id == rater.id
    assert code_of(lambda: begin_session(store, invitation.token)) == "unknown_link"
    assert code_of(lambda: rater_in(store, session)) == "no_session"


def test_an_expired_link_ends_its_sessions_too(store: Store, study) -> None:
    invitation = invite_raters(store, study.id, 1, days=1)[0]
    _, session = begin_session(store, invitation.token)
    with store.transaction() as db:
        db.execute("UPDATE raters SET expires_at = '2026-01-01T00:00:00.000+00:00'")
    assert code_of(lambda: find_rater(store, invitation.token)) == "link_expired"
    assert code_of(lambda: rater_in(store, session)) == "link_expired"


def test_a_session_ends_by_itself(store: Store, study) -> None:
    _, session = begin_session(store, invite_raters(store, study.id, 1)[0].token)
    with store.transaction() as db:
        db.execute("UPDATE rater_sessions SET expires_at = '2026-01-01T00:00:00.000+00:00'")
    assert code_of(lambda: rater_in(store, session)) == "no_session"


def number_of_sessions(store: Store) -> int:
    with store.connect() as db:
        return db.table("rater_sessions").count


def test_a_browser_that_opens_its_link_again_goes_on_and_nothing_is_written(store, study) -> None:
    first, second = (each.token for each in invite_raters(store, study.id, 2))
    rater, session = begin_session(store, first)
    assert begin_session(store, first, session) == (rater, session)
    assert number_of_sessions(store) == 1
    assert begin_session(store, second, session)[1] != session, "another rater's link"
    assert begin_session(store, first, "guessed")[1] not in ("guessed", session)
    assert code_of(lambda: begin_session(store, "unknown", session)) == "unknown_link"
    renewed = renew_link(store, study.id, "r01").token
    assert begin_session(store, renewed, session)[1] != session, "which the renewal ended"


@pytest.mark.parametrize("column", ["created_at", "expires_at"])
def test_an_old_session_is_replaced_when_the_link_is_opened(store, study, column: str) -> None:
    token = invite_raters(store, study.id, 1)[0].token
    _, session = begin_session(store, token)
    with store.transaction() as db:
        db.execute(f"UPDATE rater_sessions SET {column} = '2026-01-01T00:00:00.000+00:00'")
    assert begin_session(store, token, session)[1] != session


def test_the_newest_sessions_of_a_rater_are_kept(store: Store, study) -> None:
    busy, other = (each.token for each in invite_raters(store, study.id, 2))
    _, others = begin_session(store, other)
    sessions = [begin_session(store, busy)[1] for _ in range(MAX_SESSIONS + 5)]
    assert number_of_sessions(store) == MAX_SESSIONS + 1
    for session in (others, *sessions[5:]):
        assert rater_in(store, session)
    for session in sessions[:5]:
        assert code_of(lambda session=session: rater_in(store, session)) == "no_session"


def test_a_clock_that_was_set_back_ends_no_new_session(store: Store, study) -> None:
    token = invite_raters(store, study.id, 1)[0].token
    for _ in range(MAX_SESSIONS):
        begin_session(store, token)
    with store.transaction() as db:
        db.execute("UPDATE rater_sessions SET created_at = '2099-01-01T00:00:00.000+00:00'")
    assert rater_in(store, begin_session(store, token)[1])


@pytest.mark.parametrize("session", ["", "guessed", "\ud800"])
def test_a_session_that_was_never_begun_is_nobodys(store: Store, study, session: str) -> None:
    begin_session(store, invite_raters(store, study.id, 1)[0].token)
    assert code_of(lambda: rater_in(store, session)) == "no_session"


def test_a_renewed_link_replaces_the_old_one(store: Store, study) -> None:
    first, second = invite_raters(store, study.id, 2)
    rater = find_rater(store, first.token)
    renewed = renew_link(store, study.id, "r01")
    assert find_rater(store, renewed.token).id == rater.id
    assert find_rater(store, second.token).label == "r02"
    with pytest.raises(StorageError):
        find_rater(store, first.token)


def test_a_link_is_renewed_only_in_its_own_study(store: Store, study) -> None:
    invite_raters(store, study.id, 1)
    other = create_study(store, "Other")
    with pytest.raises(StorageError, match="no rater r01") as refused:
        renew_link(store, other.id, "r01")
    assert refused.value.code == "unknown_rater"


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_a_number_of_raters_out_of_range_is_refused(store: Store, study, count: int) -> None:
    with pytest.raises(StorageError) as refused:
        invite_raters(store, study.id, count)
    assert refused.value.code == "rater_count_out_of_range"


def test_raters_of_an_unknown_study_are_refused(store: Store) -> None:
    with pytest.raises(StorageError) as refused:
        invite_raters(store, "nowhere", 1)
    assert refused.value.code == "unknown_study"


def test_a_profile_is_told_once_and_kept(store: Store, study) -> None:
    rater = new_raters(store, study)[0]
    assert (rater.specialty, rater.years, rater.consent_at) == ("", None, None)
    tell_profile(store, rater, " 消化内科 ", 12)
    told = list_raters(store, study.id)[0]
    assert (told.specialty, told.years) == ("消化内科", 12)
    assert told.consent_at is not None
    with pytest.raises(StorageError) as refused:
        tell_profile(store, rater, "外科", 13)
    assert refused.value.code == "profile_known"
    assert list_raters(store, study.id)[0] == told


@pytest.mark.parametrize(
    ("profile", "consent", "code"),
    [
        (Profile("内科", years=-1), "Yes.", "years_out_of_range"),
        (Profile("内科", years=81), "Yes.", "years_out_of_range"),
        (Profile("内科", years=2.5), "Yes.", "years_out_of_range"),
        (Profile("内科", years=True), "Yes.", "years_out_of_range"),
        (Profile("内科", years=2**70), "Yes.", "years_out_of_range"),
        (Profile("  "), "Yes.", "specialty_missing"),
        (Profile("内" * 101), "Yes.", "profile_too_long"),
        (Profile("内科", title="x" * 101), "Yes.", "profile_too_long"),
        (Profile("内科"), " ", "consent_missing"),
    ],
)
def test_a_profile_that_cannot_be_right_is_refused(store, study, profile, consent, code) -> None:
    rater = new_raters(store, study)[0]
    with pytest.raises(StorageError) as refused, store.transaction() as db:
        set_profile(db, rater.id, profile, consent)
    assert refused.value.code == code
    assert list_raters(store, study.id)[0].consent_at is None


def test_a_profile_of_nobody_is_refused(store: Store) -> None:
    with pytest.raises(StorageError) as refused, store.transaction() as db:
        set_profile(db, "nobody", Profile("内科"), "Yes.")
    assert refused.value.code == "unknown_rater"


def test_a_dry_runs_link_is_neither_renewed_nor_revoked(store: Store) -> None:
    study = create_study(store, "Draft", 7)
    add_question(store, study.id, "?", answers_of())
    begin_trial(store, study.id)
    for work in (renew_link, revoke_link):
        with pytest.raises(StorageError) as refused:
            work(store, study.id, "trial")
        assert refused.value.code == "unknown_rater"
    assert verify(store) == []
