"""Raters and their codes."""

import hashlib
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from storage_fixtures import new_raters, new_study

from storage import (
    StorageError,
    Store,
    create_study,
    find_rater,
    invite_raters,
    list_raters,
    renew_code,
    set_profile,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


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


def test_a_code_has_no_character_that_is_mistaken_for_another(store: Store, study) -> None:
    codes = [each.code for each in invite_raters(store, study.id, 200)]
    assert len(set(codes)) == 200
    assert all(re.fullmatch(r"[A-HJKMNP-Z2-9]{4}-[A-HJKMNP-Z2-9]{4}", code) for code in codes)


def test_a_code_is_stored_only_as_its_hash(store: Store, study) -> None:
    code = invite_raters(store, study.id, 1)[0].code
    plain = code.replace("-", "")
    with closing(sqlite3.connect(store.path)) as connection:
        stored = connection.execute("SELECT code_hash FROM raters").fetchone()[0]
        dump = "\n".join(connection.iterdump())
    assert stored == hashlib.sha256(plain.encode()).hexdigest()
    assert code not in dump
    assert plain not in dump


def test_a_code_does_not_show_up_in_a_log(store: Store, study) -> None:
    invitation = invite_raters(store, study.id, 1)[0]
    assert invitation.code not in repr(invitation)


def full_width(text: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) for each in text)


@pytest.mark.parametrize(
    "typed",
    [
        str,
        str.lower,
        lambda code: f"  {code}\n",
        lambda code: code.replace("-", ""),
        lambda code: code.replace("-", " "),
        lambda code: code.replace("-", "—"),
        lambda code: code.replace("-", "－"),
        lambda code: code.replace("-", "\u2212"),
        lambda code: code.replace("-", "\u3000"),
        full_width,
        lambda code: full_width(code.lower()),
    ],
)
def test_a_code_is_known_however_it_is_typed(store: Store, study, typed) -> None:
    rater = find_rater(store, typed(invite_raters(store, study.id, 1)[0].code))
    assert (rater.label, rater.study_id) == ("r01", study.id)


@pytest.mark.parametrize("code", ["", "-", "K7QM-2XPA", "' OR 1=1 --", "\ud800", "代码"])
def test_an_unknown_code_is_refused(store: Store, study, code: str) -> None:
    invite_raters(store, study.id, 1)
    with pytest.raises(StorageError, match="ask the study coordinator") as refused:
        find_rater(store, code)
    assert refused.value.code == "unknown_rater_code"


def test_a_renewed_code_replaces_the_old_one(store: Store, study) -> None:
    first, second = invite_raters(store, study.id, 2)
    rater = find_rater(store, first.code)
    renewed = renew_code(store, study.id, "r01")
    assert find_rater(store, renewed.code) == rater
    assert find_rater(store, second.code).label == "r02"
    with pytest.raises(StorageError):
        find_rater(store, first.code)


def test_a_code_is_renewed_only_in_its_own_study(store: Store, study) -> None:
    invite_raters(store, study.id, 1)
    other = create_study(store, "Other")
    with pytest.raises(StorageError, match="no rater r01") as refused:
        renew_code(store, other.id, "r01")
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


def test_a_profile_is_kept_and_can_be_changed(store: Store, study) -> None:
    rater = new_raters(store, study)[0]
    assert (rater.specialty, rater.years) == ("", None)
    set_profile(store, rater.id, " 消化内科 ", 12)
    set_profile(store, rater.id, "消化内科", 13)
    rater = list_raters(store, study.id)[0]
    assert (rater.specialty, rater.years) == ("消化内科", 13)
    set_profile(store, rater.id, "", None)
    assert list_raters(store, study.id)[0].years is None


@pytest.mark.parametrize("years", [-1, 81, 2.5, 2**70])
def test_years_that_cannot_be_right_are_refused(store: Store, study, years) -> None:
    rater = new_raters(store, study)[0]
    with pytest.raises(StorageError, match=re.escape(str(years))) as refused:
        set_profile(store, rater.id, "", years)
    assert refused.value.code == "years_out_of_range"


def test_a_profile_of_nobody_is_refused(store: Store) -> None:
    with pytest.raises(StorageError) as refused:
        set_profile(store, "nobody", "", 1)
    assert refused.value.code == "unknown_rater"
