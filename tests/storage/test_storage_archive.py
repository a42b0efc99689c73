"""A study as one zip: nothing is lost on the way, and nothing comes in that is not a study."""

import csv
import hashlib
import io
import json
import stat
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from app_server import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_fixtures import (
    MODELS,
    answers_of,
    answers_shown_to,
    entry,
    new_raters,
    new_study,
    tell_profile,
    unblind,
)
from typer.testing import CliRunner

import storage.archive
import storage.archive_format
import storage.archive_reading
from medchat import __version__
from storage import (
    ORDER_COLUMNS,
    NewQuestion,
    PracticeItem,
    RatingEntry,
    Scores,
    Span,
    StorageError,
    Store,
    Study,
    StudySettings,
    add_coordinator,
    add_practice,
    add_questions,
    adjudicate,
    answer_job,
    answers_to_check,
    assignment,
    begin_answering,
    begin_session,
    begin_trial,
    board,
    chain_ends,
    change_settings,
    coordinators_of,
    create_study,
    find_rater,
    get_study,
    hand_over,
    history,
    invite_raters,
    list_questions,
    list_raters,
    list_studies,
    lock_study,
    note_failure,
    open_study,
    order_csv_bytes,
    order_rows,
    pack_study,
    review_answer,
    revoke_link,
    save_ratings,
    score_csv_bytes,
    score_rows,
    share_study,
    signs,
    study_events,
    unpack_study,
    verify,
)
from storage.__main__ import app
from storage.chain import START, seal, seal_event
from storage.seals import COLUMNS, hash_of_rows

Members = dict[str, bytes]
EMPTY = hash_of_rows(())
NOT_PACKED = {
    "coordinators",
    "coordinator_sessions",
    "rater_sessions",
    "sign_in_failures",
    "sign_in_addresses",
    "study_coordinators",
    "database_identity",
    "_sqlite_migrations",
    "sqlite_sequence",
}
"""Tables of which a pack holds nothing; a new table is packed, or it is named here."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other" / "medchat.db")


def draft(store: Store, name: str = "Pilot") -> Study:
    """Practice, repeats, a masked and an excluded answer, a running job with a failure."""
    study = create_study(store, name, 7)
    change_settings(store, study.id, StudySettings(repeats=2, one_by_one=True, guide_zh="# 说明"))
    add_questions(
        store,
        study.id,
        [
            NewQuestion(f"感冒怎么办？{n}\n=1+1", answers_of(), category="全科", reference="休息")
            for n in range(9)
        ],
    )
    add_practice(
        store, study.id, [PracticeItem("发热？", "吃抗生素。", Scores(1, 1, 3), "滥用。", "No.")]
    )
    first, second = answers_to_check(store, study.id)[:2]
    review_answer(store, study.id, first.response, "masked", "anna", "某模型：多喝水。🙂")
    review_answer(store, study.id, second.response, "excluded", "anna")
    begin_answering(store, study.id, [*MODELS, "later"], {"temperature": 0.5})
    note_failure(store, list_questions(store, study.id)[0], "later", "out of memory")
    return study


def rated(store: Store, name: str = "Pilot") -> tuple[Study, list[str]]:
    """A study in the middle of its rating, and its raters' tokens."""
    study = draft(store, name)
    tokens = [each.token for each in invite_raters(store, study.id, 3)]
    tokens += [each.token for each in invite_raters(store, study.id, 1, adjudicator=True)]
    open_study(store, study.id, "anna")
    raters = [find_rater(store, token) for token in tokens]
    tell_profile(store, raters[0], "心内科", 12)
    begin_session(store, tokens[0])
    for rater, scores in zip(raters[:2], [(3, 2, 1), (1, 2, 3)], strict=True):
        for number, answer in enumerate(answers_shown_to(store, rater)[:20]):
            more = {"comment": "剂量不对 💊\n=cmd()\u2028\x00", "flags": ["dangerous", "off_topic"]}
            spans = [Span(0, 2, "harmful"), Span(1, 3, "wrong")]
            rating = entry(answer.item, answer.item, scores, active_seconds=number / 3)
            if number % 4 == 0:
                rating = entry(answer.item, answer.item, scores, spans=spans, **more)
            if number % 7 == 6:
                rating = RatingEntry(answer.item, None, answer.item, skipped="unsure")
            save_ratings(store, rater.id, [rating])
        save_ratings(store, rater.id, [entry(answer.item, f"again{answer.item}", (2, 2, 2))])
    hand_over(store, study.id, "r03", "anna")
    revoke_link(store, study.id, "r03")
    adjudicate(store, study.id, "anna")
    return get_study(store, study.id), tokens


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.connect() as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(db.query(f"SELECT * FROM [{name}]"), key=lambda row: repr(row))
            for (name,) in names
        }


def packed_content(store: Store, study: Study) -> dict[str, list[dict[str, Any]]]:
    """All rows of the only study, with the log's numbers replaced by what they stand for."""
    tables = {name: rows for name, rows in everything(store).items() if name not in NOT_PACKED}
    tables["study_events"].sort(key=lambda row: row["id"])
    tables["rating_log"].sort(key=lambda row: row["id"])
    keys = {row["id"]: row["hash"] for row in tables["rating_log"]}
    for row in tables["items"]:
        row["latest"] = keys.get(row["latest"])
    for row in (*tables["study_events"], *tables["rating_log"]):
        del row["id"]
    tables["raters"] = [row for row in tables["raters"] if not row["trial"]]
    raters = {row["id"] for row in tables["raters"]}
    tables["items"] = [row for row in tables["items"] if row["rater"] in raters]
    return tables


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(StorageError) as refused:
        work()
    return refused.value.code


def pack(store: Store, study: Study) -> bytes:
    return pack_study(store, study.id, "anna", "9.9")


# -- there and back --


def test_an_empty_database_takes_a_study_in_without_loss(store: Store, other: Store) -> None:
    study, tokens = rated(store)
    arrived = unpack_study(other, pack(store, study))
    assert arrived == get_study(store, study.id)
    there, here = packed_content(store, study), packed_content(other, study)
    *events, unpacked = here.pop("study_events")
    assert events == there.pop("study_events")
    assert (events[-1]["event"], events[-1]["coordinator"]) == ("packed", "anna")
    assert (unpacked["event"], unpacked["coordinator"]) == ("unpacked", "python -m storage")
    assert here == there
    assert all(there[table] for table in there), "every table has something to lose"
    assert verify(other) == []
    assert chain_ends(other) == chain_ends(store)
    assert coordinators_of(other, study.id) == []
    for told in (score_rows, order_rows, board, signs, list_raters, list_questions):
        assert told(other, study.id) == told(store, study.id)
    for token in tokens[:3:2]:
        assert assignment(other, rater_id(store, token)) == assignment(
            store, rater_id(store, token)
        )


def rater_id(store: Store, token: str) -> str:
    with store.connect() as db:
        row = db.execute(
            "SELECT id FROM raters WHERE code_hash = ?",
            [hashlib.sha256(token.encode()).hexdigest()],
        ).fetchone()
    return str(row[0])


def test_a_used_database_takes_a_study_in_beside_its_own(store: Store, other: Store) -> None:
    for number in range(2):
        mine = new_study(other, name=f"Mine {number}")
        for rater in new_raters(other, mine, 2):
            for answer in answers_shown_to(other, rater):
                save_ratings(other, rater.id, [entry(answer.item, answer.item)])
    before = everything(other)
    own = {end.study: end for end in chain_ends(other)}
    study, _ = rated(store)
    unpack_study(other, pack(store, study))
    after = everything(other)
    for table in set(before) - {"sqlite_sequence"}:
        assert all(row in after[table] for row in before[table]), table
    assert verify(other) == []
    ends = {end.study: end for end in chain_ends(other)}
    assert ends == own | {end.study: end for end in chain_ends(store)}
    for rater in list_raters(store, study.id):
        for each in answers_shown_to(store, rater):
            old, new = (history(db, rater.id, each.item) for db in (store, other))
            assert [vars(row) | {"id": 0} for row in old] == [vars(row) | {"id": 0} for row in new]
    log = [row["id"] for row in after["rating_log"]]
    assert sorted(log) == list(range(1, len(log) + 1))


def test_the_exports_are_equal_byte_for_byte(store: Store, other: Store) -> None:
    study, _ = rated(store)
    content = pack(store, study)
    unpack_study(other, content)
    scores = [score_csv_bytes(score_rows(each, study.id)) for each in (store, other)]
    orders = [order_csv_bytes(order_rows(each, study.id)) for each in (store, other)]
    members = members_of(content)
    assert scores == [members["scores.csv"]] * 2
    assert orders == [members["order.csv"]] * 2
    assert members["rating_log.jsonl"].count(b"\n") == len(everything(store)["rating_log"])


def test_a_raters_link_opens_and_rating_goes_on(store: Store, other: Store) -> None:
    study, tokens = rated(store)
    unpack_study(other, pack(store, study))
    rater, _ = begin_session(other, tokens[0])
    assert (rater.label, rater.specialty, rater.years) == ("r01", "心内科", 12)
    open_answer = next(a for a in answers_shown_to(other, rater) if a.state == "open")
    save_ratings(other, rater.id, [entry(open_answer.item, "new", (1, 1, 1))])
    done = next(a for a in answers_shown_to(other, rater) if a.state == "rated")
    save_ratings(other, rater.id, [entry(done.item, "changed", (1, 2, 1))])
    assert verify(other) == []
    sent_again = history(other, rater.id, done.item)[0]
    again = save_ratings(
        other,
        rater.id,
        [
            RatingEntry(
                done.item,
                sent_again.scores,
                done.item,
                sent_again.comment,
                sent_again.flags,
                sent_again.spans,
                sent_again.skipped,
            )
        ],
    )
    assert again.written == 0, "a save that was sent before the move is known after it"
    lock_study(other, study.id, "anna")
    assert code_of(lambda: find_rater(other, tokens[2])) == "link_revoked"


@pytest.mark.parametrize("state", ["empty", "draft", "open", "locked", "unblinded"])
def test_a_study_moves_in_every_state(store: Store, other: Store, state: str) -> None:
    if state == "empty":
        study = create_study(store, "Nothing yet")
    elif state == "draft":
        study = draft(store)
        begin_trial(store, study.id)
    else:
        study, _ = rated(store)
    if state == "locked":
        lock_study(store, study.id, "anna")
    if state == "unblinded":
        unblind(store, study)
    content = pack(store, study)
    unpack_study(other, content)
    there, here = packed_content(store, study), packed_content(other, study)
    for each in there["answering"]:
        each["state"] = "paused" if each["state"] == "running" else each["state"]
    here["study_events"].pop()
    assert here == there
    assert get_study(other, study.id) == get_study(store, study.id)
    assert verify(other) == []
    scores = members_of(content)["scores.csv"].decode()
    assert any(model in scores for model in MODELS) == (state == "unblinded")
    if state == "draft":
        assert open_study(other, study.id, "anna").opened_at


def test_a_running_job_rests_after_the_move_and_can_go_on(store: Store, other: Store) -> None:
    study = draft(store)
    unpack_study(other, pack(store, study))
    (mine, arrived) = answer_job(store, study.id), answer_job(other, study.id)
    assert mine
    assert arrived
    assert (mine.state, arrived.state) == ("running", "paused")
    assert (mine.models, mine.options) == (arrived.models, arrived.options)


def test_a_dry_run_and_what_belongs_to_accounts_stay_behind(store: Store, other: Store) -> None:
    anna, study = add_coordinator(store, "anna", "long enough"), draft(store)
    add_coordinator(store, "bert", "long enough")
    trial = begin_trial(store, study.id)
    share_study(store, study.id, "bert", anna)
    content = pack(store, study)
    unpack_study(other, content)
    assert code_of(lambda: find_rater(other, trial.token)) == "unknown_link"
    tables = everything(other)
    assert [tables[name] for name in sorted(NOT_PACKED) if name.startswith("coord")] == [[], []]
    assert tables["study_coordinators"] == []
    assert b"argon2" not in b"".join(members_of(content).values())


def test_packing_twice_differs_in_the_event_and_the_time_alone(store: Store) -> None:
    study, _ = rated(store)
    first, second = members_of(pack(store, study)), members_of(pack(store, study))
    assert list(first) == list(second)
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {"manifest.json", "study_events.jsonl"}
    one, two = (json.loads(each["manifest.json"]) for each in (first, second))
    for each in (one, two):
        del each["packed_at"], each["members"]["study_events.jsonl"]
    assert one == two
    lines = [each["study_events.jsonl"].splitlines() for each in (first, second)]
    assert lines[1][:-1] == lines[0]


def test_the_same_content_gives_the_same_bytes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = rated(store)
    moment = "2026-01-31T08:05:09.120+00:00"
    monkeypatch.setattr(storage.archive, "utc_now", lambda: moment)
    monkeypatch.setattr(storage.archive, "log_event", lambda *_: moment)
    assert pack(store, study) == pack(store, study)


def test_a_study_is_packed_as_of_one_moment_while_others_save(store: Store, tmp_path: Path) -> None:
    study = new_study(store)
    rater = new_raters(store, study)[0]
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
        packs = [pack(store, study) for _ in range(4)]
    finally:
        done.set()
        thread.join()
    lengths = []
    for number, content in enumerate(packs):
        target = Store(tmp_path / f"{number}.db")
        unpack_study(target, content)
        assert verify(target) == []
        lengths.append(chain_ends(target)[0].rows)
    assert lengths == sorted(lengths)


def test_a_study_that_moves_on_and_back_is_still_the_same(store: Store, tmp_path: Path) -> None:
    study, _ = rated(store)
    at, before = store, members_of(pack(store, study))
    for number in range(3):
        following = Store(tmp_path / f"{number}.db")
        unpack_study(following, pack(at, study))
        at = following
    after = members_of(pack(at, study))
    for name in set(before) - {"manifest.json", "study_events.jsonl"}:
        assert after[name] == before[name], name
    assert [each.event for each in study_events(at, study.id)][-7:] == [
        "packed",
        *("packed", "unpacked") * 3,
        "packed",
    ][1:]


def test_the_manifest_and_the_readme_say_what_is_there(store: Store) -> None:
    study, _ = rated(store)
    members = members_of(pack(store, study))
    manifest = json.loads(members["manifest.json"])
    assert (manifest["format"], manifest["format_version"]) == ("medchat-study", 1)
    assert manifest["program_version"] == "9.9"
    assert manifest["study"] == {"id": study.id, "name": "Pilot"}
    assert manifest["chain_end"] == chain_ends(store)[0].hash
    assert manifest["migrations"][:2] == ["m001_studies", "m002_raters"]
    for name, facts in manifest["members"].items():
        assert facts["sha256"] == hashlib.sha256(members[name]).hexdigest()
        assert facts["bytes"] == len(members[name])
    assert manifest["members"]["scores.csv"]["rows"] == len(score_rows(store, study.id))
    assert manifest["members"]["order.csv"]["rows"] == len(order_rows(store, study.id))
    assert set(manifest["members"]) | {"manifest.json"} == set(members)
    readme = members["README.txt"].decode()
    assert all(name in readme for name in members if name != "README.txt")
    for words in ("not the System Usability Scale", "不是 System Usability Scale", "Keep it from"):
        assert words in readme


def test_the_order_names_no_model_and_is_safe_for_a_spreadsheet(store: Store) -> None:
    study, _ = rated(store)
    content = order_csv_bytes(order_rows(store, study.id))
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert tuple(rows[0]) == ORDER_COLUMNS
    assert not any(model.encode() in content for model in MODELS)
    first = [row for row in rows if row["rater"] == "r01"]
    rater = next(each for each in list_raters(store, study.id) if each.label == "r01")
    shown = assignment(store, rater.id)
    assert [(int(row["place"]), row["question_id"], int(row["position"])) for row in first] == [
        (question.place, question.question_id, answer.position)
        for question in shown
        for answer in question.answers
    ]
    assert {row["kind"] for row in first} == {"practice", "real", "repeat"}
    assert not any(row["rater"] == "r03" and row["kind"] == "real" for row in rows)
    dangerous = [dict.fromkeys(ORDER_COLUMNS, "=1+1")]
    assert b"'=1+1" in order_csv_bytes(dangerous)
    assert code_of(lambda: order_rows(store, "nothing")) == "unknown_study"


def test_the_study_becomes_that_of_who_unpacks_it(store: Store, other: Store) -> None:
    study, _ = rated(store)
    content = pack(store, study)
    lena = add_coordinator(other, "lena", "long enough")
    add_coordinator(other, "mia", "long enough")
    unpack_study(other, content, lena)
    assert coordinators_of(other, study.id) == ["lena"]
    assert study_events(other, study.id)[-1].coordinator == "lena"


def test_an_account_that_is_gone_gets_no_study(store: Store, other: Store) -> None:
    content = pack(store, rated(store)[0])
    stranger = add_coordinator(store, "anna", "long enough")
    assert refused_with(other, content, stranger) == "unknown_coordinator"


def test_another_name_makes_room_for_a_study(store: Store, other: Store) -> None:
    study, _ = rated(store)
    content = pack(store, study)
    new_study(other, name="Pilot")
    new_study(other, name="Taken")
    assert refused_with(other, content) == "study_name_taken"
    assert refused_with(other, content, name=" Taken ") == "study_name_taken"
    assert refused_with(other, content, name="  ") == "study_name_empty"
    arrived = unpack_study(other, content, name="Pilot, Beijing")
    assert arrived.name == "Pilot, Beijing"
    assert verify(other) == []
    assert refused_with(other, content, name="Again") == "study_already_here"
    assert refused_with(store, content, name="Again") == "study_already_here"


def test_a_study_whose_ratings_were_changed_is_not_packed(store: Store) -> None:
    study, _ = rated(store)
    with store.transaction() as db:
        db.execute("DROP TRIGGER rating_log_forbids_update")
        db.execute("UPDATE rating_log SET safety = 3 WHERE safety = 1")
    before = everything(store)
    assert code_of(lambda: pack(store, study)) == "study_not_whole"
    assert everything(store) == before
    assert code_of(lambda: pack_study(store, "nothing", "anna", "1")) == "unknown_study"


# -- what is refused --


def members_of(content: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


def forged(members: Members, changes: Members, /, **manifest: object) -> bytes:
    """A zip with some members changed, and a manifest that knows of it."""
    members = members | changes
    told = json.loads(members["manifest.json"]) | manifest
    for name in changes:
        told["members"][name] = {
            "sha256": hashlib.sha256(members[name]).hexdigest(),
            "bytes": len(members[name]),
            "rows": members[name].count(b"\n"),
        }
    return zipped(members | {"manifest.json": json.dumps(told).encode()})


def refused_with(store: Store, content: bytes | Path, *arguments: Any, **named: Any) -> str:
    """The code with which a database refuses, unchanged in every row."""
    before = everything(store)
    code = code_of(lambda: unpack_study(store, content, *arguments, **named))
    assert everything(store) == before
    return code


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    store = Store(tmp_path_factory.mktemp("packed") / "medchat.db")
    return pack(store, rated(store)[0])


@pytest.fixture(scope="module")
def members(packed: bytes) -> Members:
    return members_of(packed)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A database with a study of its own, which every test leaves as it is."""
    store = Store(tmp_path_factory.mktemp("used") / "medchat.db")
    rated(store, "Mine")
    return store


def changed(members: Members, table: str, **values: object) -> Members:
    """The member of a table with other values in its last row."""
    *lines, last = members[f"{table}.jsonl"].splitlines()
    text = json.dumps(json.loads(last) | values, ensure_ascii=False)
    return {f"{table}.jsonl": b"\n".join([*lines, text.encode()]) + b"\n"}


def test_the_forger_of_these_tests_makes_files_that_are_taken(
    members: Members, other: Store
) -> None:
    unpack_study(other, forged(members, changed(members, "raters", last_place=77)))
    assert list_raters(other, list_studies(other)[0].id)[-1].last_place == 77


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("studies", {"seed": 99}),
        ("studies", {"opened_at": None}),
        ("questions", {"category": "急诊"}),
        ("responses", {"text": "x"}),
        ("practice_keys", {"why_en": "x"}),
        ("raters", {"specialty": "x"}),
        ("items", {"adjudication": 1}),
        ("study_events", {"coordinator": "x"}),
    ],
)
def test_the_seals_catch_what_the_ratings_do_not_tell(
    members: Members, used: Store, table: str, change: dict[str, Any]
) -> None:
    content = forged(members, changed(members, table, **change))
    assert refused_with(used, content) == "archive_damaged"
    assert refused_with(used, content, name="Another name") == "archive_damaged"


NAMES = [
    "../studies.jsonl",
    "/etc/passwd",
    "..\\studies.jsonl",
    "C:\\studies.jsonl",
    "C:studies.jsonl",
    "folder/",
    "folder/studies.jsonl",
    "./studies.jsonl",
    "studies.jsonl/",
    "STUDIES.JSONL",
    "studies.jsonl ",
    "studies.jsonl.bak",
    "sessions.jsonl",
    "coordinators.jsonl",
    "ｓtudies.jsonl",
    "\u202estudies.jsonl",
    "__MACOSX/._studies.jsonl",
    ".DS_Store",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_member_that_no_pack_has_refuses_the_whole_file(
    members: Members, used: Store, name: str
) -> None:
    for text in (b"", members["studies.jsonl"]):
        assert refused_with(used, zipped(members | {name: text})) == "archive_member_refused"


def test_a_name_that_hides_behind_a_null_byte_is_refused(members: Members, used: Store) -> None:
    content = zipped(members | {"studies_jsonlX../x": b""})
    content = content.replace(b"studies_jsonlX../x", b"studies.jsonl\0../x")
    assert refused_with(used, content) in ("archive_member_refused", "archive_damaged")


def test_two_members_of_one_name_are_refused(members: Members, used: Store) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python itself warns of it
        for name, text in (*members.items(), ("studies.jsonl", members["studies.jsonl"])):
            archive.writestr(name, text)
    assert refused_with(used, content.getvalue()) == "archive_member_refused"


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_a_member_that_is_no_plain_file_is_refused(
    members: Members, used: Store, kind: int
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((kind if name == "README.txt" else stat.S_IFREG) | 0o777) << 16
            archive.writestr(info, text)
    assert refused_with(used, content.getvalue()) == "archive_member_refused"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_is_never_used_is_refused(
    members: Members, used: Store, method: int
) -> None:
    assert refused_with(used, zipped(members, method)) == "archive_member_refused"


def test_members_that_are_stored_without_compression_are_taken(
    members: Members, other: Store
) -> None:
    assert unpack_study(other, zipped(members, zipfile.ZIP_STORED)).name == "Pilot"


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000])
def test_an_encrypted_member_is_refused(packed: bytes, used: Store, flag: int) -> None:
    content = bytearray(packed)
    entry_at = content.index(b"PK\x01\x02")
    (flags,) = struct.unpack_from("<H", content, entry_at + 8)
    struct.pack_into("<H", content, entry_at + 8, flags | flag)
    assert refused_with(used, bytes(content)) == "archive_member_refused"


def test_a_file_without_one_of_the_members_is_refused(members: Members, used: Store) -> None:
    for name in members:
        rest = {each: text for each, text in members.items() if each != name}
        expected = "not_an_archive" if name == "manifest.json" else "archive_damaged"
        assert refused_with(used, zipped(rest)) == expected
        told = json.loads(members["manifest.json"])
        told["members"].pop(name, None)
        content = zipped(rest | {"manifest.json": json.dumps(told).encode()})
        assert name == "manifest.json" or refused_with(used, content) == "archive_damaged"


@pytest.mark.parametrize("name", ["studies", "questions", "raters", "items", "rating_log"])
def test_what_is_not_what_was_packed_is_refused(members: Members, used: Store, name: str) -> None:
    text = members[f"{name}.jsonl"]
    for other_text in (text.replace(b"1", b"2", 1), text + b"\n", text[:-1], b"", text * 2):
        content = zipped(members | {f"{name}.jsonl": other_text})
        assert refused_with(used, content) == "archive_damaged"


def test_a_flipped_bit_in_any_member_is_noticed(
    packed: bytes, members: Members, used: Store
) -> None:
    for name in members:
        text = bytearray(members[name])
        for place in {0, len(text) // 2, len(text) - 1} if text else ():
            text[place] ^= 1
            content = zipped(members | {name: bytes(text)})
            text[place] ^= 1
            assert refused_with(used, content) in (
                *("archive_damaged", "not_an_archive", "archive_newer"),
                "study_already_here",
            )


def test_a_flipped_byte_anywhere_changes_nothing_that_is_taken_in(
    packed: bytes, store: Store, tmp_path: Path
) -> None:
    """Some bytes of a zip, such as a member's date, mean nothing; any other is noticed."""
    taken = 0
    unpack_study(store, packed)
    (study,) = list_studies(store)
    whole = packed_content(store, study)
    step = max(1, len(packed) // 400)
    places = {*range(0, len(packed), step), *range(len(packed) - 200, len(packed))}
    target = Store(tmp_path / "target.db")
    for place in sorted(places):
        content = bytearray(packed)
        content[place] ^= 0xFF
        try:
            unpack_study(target, bytes(content))
        except StorageError:
            assert list_studies(target) == []
            continue
        taken += 1
        here = packed_content(target, study)
        for each in (here, whole):
            each["study_events"] = [
                row for row in each["study_events"] if row["event"] != "unpacked"
            ]
        assert here == whole, place
        target = Store(tmp_path / f"target{place}.db")
    assert taken < len(places) / 4


@pytest.mark.parametrize("keep", [0, 1, 21, 22, 1000, -1, -22, -23, -1000])
def test_a_truncated_file_is_refused(packed: bytes, used: Store, keep: int) -> None:
    assert refused_with(used, packed[:keep]) == "not_an_archive"


def test_a_file_with_something_behind_its_end_is_refused(packed: bytes, used: Store) -> None:
    assert refused_with(used, packed + b"\0") == "not_an_archive"


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=300))
def test_random_bytes_are_no_study(used: Store, content: bytes) -> None:
    end = b"PK\x05\x06" + content[:16].ljust(16, b"\0") + b"\0\0"
    for each in (content, b"PK\x03\x04" + content, content + end):
        assert code_of(lambda each=each: unpack_study(used, each)) in (
            *("not_an_archive", "archive_too_large"),
        )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_a_pack_is_mangled_into_ends_in_a_sentence(
    packed: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(packed)
    directory = packed.index(b"PK\x01\x02")
    everywhere = st.integers(0, len(packed) - 1) | st.integers(directory, len(packed) - 1)
    for place in data.draw(st.lists(everywhere, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    target = Store(tmp_path_factory.mktemp("target") / "medchat.db")
    try:
        study = unpack_study(target, bytes(content))
    except StorageError:
        assert list_studies(target) == []
    else:
        assert study.name == "Pilot"
        assert verify(target) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_value_whatever_brings_a_page_down(
    members: Members, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    table = data.draw(st.sampled_from([n for n in members if n.endswith(".jsonl")]))
    lines = members[table].splitlines()
    row = json.loads(lines[-1]) if lines else {}
    column = data.draw(st.sampled_from(sorted(row)))
    row[column] = data.draw(st.one_of(JSON, st.sampled_from([2**63, -1, "", "[1]", "{}", "\0"])))
    text = b"\n".join([*lines[:-1], json.dumps(row).encode()]) + b"\n"
    target = Store(tmp_path_factory.mktemp("target") / "medchat.db")
    try:
        study = unpack_study(target, forged(members, {table: text}), name="Mangled")
    except StorageError:
        assert list_studies(target) == []
        return
    assert verify(target) == []
    for told in (score_rows, order_rows, board, signs, study_events, answer_job):
        told(target, study.id)
    for rater in list_raters(target, study.id):
        for answer in answers_shown_to(target, rater):
            history(target, rater.id, answer.item)
    pack_study(target, study.id, "anna", "1")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": "something else"}',
        b'{"format": "medchat-study", "format_version": NaN}',
    ],
)
def test_a_manifest_that_is_none_is_refused(members: Members, used: Store, text: bytes) -> None:
    code = refused_with(used, zipped(members | {"manifest.json": text}))
    assert code in ("archive_damaged", "not_an_archive")


@pytest.mark.parametrize(
    "manifest",
    [
        {"format_version": "1"},
        {"format_version": True},
        {"format_version": 0},
        {"study": None},
        {"study": {}},
        {"study": {"id": "x' OR 1=1", "name": "a"}},
        {"study": {"id": "a", "name": "\ud800"}},
        {"study": {"id": "a", "name": " "}},
        {"study": {"id": "a", "name": " a"}},
        {"members": []},
        {"members": {"studies.jsonl": 1}},
        {"migrations": None},
        {"migrations": [[]]},
        {"packed_at": "yesterday"},
        {"packed_at": "2026-02-31T00:00:00+00:00"},
        {"chain_end": "0" * 64},
        {"chain_end": None},
    ],
)
def test_a_manifest_with_wrong_values_is_refused(
    members: Members, used: Store, manifest: dict[str, object]
) -> None:
    assert refused_with(used, forged(members, {}, **manifest)) == "archive_damaged"


def test_what_a_newer_version_has_packed_says_to_update(members: Members, used: Store) -> None:
    migrations = json.loads(members["manifest.json"])["migrations"]
    for manifest in (
        {"format_version": 2},
        {"format_version": 2, "members": None, "study": None},
        {"migrations": [*migrations, "m999_from_the_future"]},
    ):
        with pytest.raises(StorageError, match="update this program") as refused:
            unpack_study(used, forged(members, {}, program_version="7.7", **manifest))
        assert refused.value.code == "archive_newer"
        assert "7.7" in str(refused.value)


def test_no_pack_sheds_its_seals_by_calling_itself_older(members: Members, used: Store) -> None:
    """Its content would be sealed anew, as it was changed."""
    migrations = json.loads(members["manifest.json"])["migrations"]
    older = [name for name in migrations if name != "m014_sealed_events"]
    changes = changed(members, "responses", model="another")
    assert refused_with(used, forged(members, changes, migrations=older)) == "archive_damaged"


@pytest.mark.parametrize(
    "content",
    [
        {"columns": {"study": list(COLUMNS[1]["study"])}, "seals": {"study": {"VICTIM": EMPTY}}},
        {"columns": {"answers": list(COLUMNS[1]["answers"])}, "seals": {"answers": {"q": EMPTY}}},
        {"columns": {"study": ["name FROM raters; --"]}, "seals": {"study": {"s": EMPTY}}},
        {"ratings": {}},
        {"ratings": {"rows": -1, "end": START}},
        {"ratings": {"rows": 10**23, "end": START}},
        {"ratings": {"rows": 0, "end": None}},
        {"seals": {"unknown": {"x": EMPTY}}},
        {"other": 1},
    ],
)
def test_no_event_of_a_pack_seals_what_it_must_not(
    members: Members, used: Store, content: dict[str, Any]
) -> None:
    (victim,) = list_studies(used)
    rows = [json.loads(line) for line in members["study_events.jsonl"].splitlines()]
    rows[-1]["content"] = json.dumps(content).replace("VICTIM", victim.id)
    rows[-1]["hash"] = seal_event(rows[-1]["previous"], rows[-1])
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    refused = refused_with(used, forged(members, {"study_events.jsonl": text}))
    assert refused == "archive_damaged"
    assert verify(used) == []


def without(members: Members, table: str, *columns: str) -> Members:
    rows = [json.loads(line) for line in members[f"{table}.jsonl"].splitlines()]
    for row in rows:
        for column in columns:
            del row[column]
    return {f"{table}.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in rows)}


def test_an_older_pack_gets_the_defaults_of_newer_columns(members: Members, other: Store) -> None:
    migrations = json.loads(members["manifest.json"])["migrations"]
    older = migrations[: migrations.index("m012_identity")]
    changes = without(members, "items", "adjudication") | without(members, "raters", "last_place")
    changes |= without(members, "studies", "blind_key")
    changes |= without(members, "study_events", "content", "previous", "hash")
    unpack_study(other, forged(members, changes, migrations=older))
    rows = everything(other)
    assert {row["adjudication"] for row in rows["items"]} == {0}
    assert [len(row["blind_key"]) for row in rows["studies"]] == [32]
    assert [row["event"] for row in rows["study_events"]].count("sealed") == 1
    assert {row["last_place"] for row in rows["raters"]} == {None}
    assert verify(other) == []


def test_a_column_is_missing_without_reason(members: Members, used: Store) -> None:
    older = json.loads(members["manifest.json"])["migrations"][:-1]
    changes = without(members, "items", "adjudication")
    assert refused_with(used, forged(members, changes)) == "archive_damaged"
    for column in ("id", "rater", "place"):
        changes = without(members, "items", column)
        assert refused_with(used, forged(members, changes, migrations=older)) == "archive_damaged"
    for table, column in (("items", "latest"), ("raters", "label"), ("answering", "state")):
        changes = without(members, table, column)
        assert refused_with(used, forged(members, changes, migrations=older)) == "archive_damaged"
    changes = without(members, "rating_log", "id")
    assert refused_with(used, forged(members, changes, migrations=older)) == "archive_damaged"


def test_an_unknown_column_is_refused(members: Members, used: Store) -> None:
    for name in ("surprise", "x) VALUES (1); DROP TABLE studies; --"):
        rows = [json.loads(line) for line in members["raters.jsonl"].splitlines()]
        text = b"".join(json.dumps(row | {name: 1}).encode() + b"\n" for row in rows)
        assert refused_with(used, forged(members, {"raters.jsonl": text})) == "archive_damaged"
        text = changed(members, "raters", **{name: 1})["raters.jsonl"]
        assert refused_with(used, forged(members, {"raters.jsonl": text})) == "archive_damaged"


WRONG = [
    ("studies", {"id": 7}),
    ("studies", {"seed": "7"}),
    ("studies", {"seed": 7.0}),
    ("studies", {"seed": True}),
    ("studies", {"seed": 2**63}),
    ("studies", {"seed": -1}),
    ("studies", {"id": "0" * 32}),
    ("studies", {"created_at": "long ago"}),
    ("studies", {"created_at": "2026-01-01T00:00:00+08:00"}),
    ("studies", {"opened_at": None, "locked_at": "2026-01-01T00:00:00+00:00"}),
    ("studies", {"unblinded_at": "2026-01-01T00:00:00+00:00"}),
    ("questions", {"id": '"><script>'}),
    ("questions", {"id": ""}),
    ("questions", {"id": ["a"]}),
    ("questions", {"text": None}),
    ("questions", {"text": "\ud83d"}),
    ("questions", {"kind": "other"}),
    ("studies", {"guide_zh": "长" * 20_001}),
    ("questions", {"kind": "real"}),
    ("questions", {"position": 0}),
    ("questions", {"study_id": "0" * 32}),
    ("responses", {"model": ""}),
    ("responses", {"provenance": "[]"}),
    ("responses", {"provenance": "{"}),
    ("responses", {"provenance": '{"a": NaN}'}),
    ("responses", {"provenance": '{"a": "\\ud800"}'}),
    ("responses", {"provenance": "[" * 100_000}),
    ("responses", {"finish_reason": "bored"}),
    ("responses", {"question": "0" * 32}),
    ("responses", {"review": "loved"}),
    ("practice_keys", {"safety": 4}),
    ("practice_keys", {"response": "0" * 32}),
    ("raters", {"code_hash": "0"}),
    ("raters", {"trial": 1}),
    ("raters", {"trial": 2}),
    ("raters", {"years": "12"}),
    ("raters", {"years": -1}),
    ("raters", {"expires_at": "never"}),
    ("raters", {"study_id": "0" * 32}),
    ("items", {"latest": 10**6}),
    ("items", {"latest": 1}),
    ("items", {"latest": -1}),
    ("items", {"latest": 2**80}),
    ("items", {"position": 1001}),
    ("items", {"position": 10**7}),
    ("items", {"kind": "practice"}),
    ("items", {"rater": "0" * 32}),
    ("rating_log", {"safety": 4}),
    ("rating_log", {"safety": "3"}),
    ("rating_log", {"safety": 3.0}),
    ("rating_log", {"comment": "changed afterwards"}),
    ("rating_log", {"active_seconds": "1"}),
    ("rating_log", {"active_seconds": -1}),
    ("rating_log", {"active_seconds": 10**400}),
    ("rating_log", {"active_seconds": float("inf")}),
    ("rating_log", {"active_seconds": float("nan")}),
    ("rating_log", {"id": 1}),
    ("rating_log", {"id": None}),
    ("rating_log", {"id": "9"}),
    ("rating_log", {"previous": START}),
    ("rating_log", {"hash": "0" * 64}),
    ("rating_log", {"study": "0" * 32}),
    ("study_events", {"event": "invented"}),
    ("study_events", {"id": 0}),
    ("study_events", {"study": "0" * 32}),
    ("answering", {"models": "{}"}),
    ("answering", {"models": "[1]"}),
    ("answering", {"options": "[]"}),
    ("answering", {"state": "dead"}),
    ("answering", {"study": "0" * 32}),
    ("answer_failures", {"attempts": 0}),
    ("answer_failures", {"question": "0" * 32}),
]


@pytest.mark.parametrize(
    ("table", "values"), WRONG, ids=[f"{table}-{str(values)[:50]}" for table, values in WRONG]
)
def test_a_value_that_the_program_never_writes_is_refused(
    members: Members, used: Store, table: str, values: dict[str, object]
) -> None:
    *lines, last = members[f"{table}.jsonl"].splitlines()
    text = b"\n".join([*lines, json.dumps(json.loads(last) | values).encode()]) + b"\n"
    assert refused_with(used, forged(members, {f"{table}.jsonl": text})) == "archive_damaged"


NO_ROWS = [b"", b"[]", b"1", b"null", b"{}", b"{} {}", b"\xef\xbb\xbf{}", b"\xff", b"[" * 10**5]


@pytest.mark.parametrize("line", NO_ROWS, ids=lambda line: repr(line[:9]))
def test_a_line_that_is_no_row_is_refused(members: Members, used: Store, line: bytes) -> None:
    text = members["raters.jsonl"] + line + b"\n"
    assert refused_with(used, forged(members, {"raters.jsonl": text})) == "archive_damaged"


def test_a_row_that_refers_to_another_study_is_refused(members: Members, used: Store) -> None:
    """What is smuggled in fits the database, so that its foreign keys alone would take it."""
    mine = everything(used)
    studies, question = mine["studies"][0]["id"], mine["questions"][0]
    response = next(r for r in mine["responses"] if r["question"] == question["id"])
    keyed = {key["response"] for key in mine["practice_keys"]}
    free = next(r["id"] for r in mine["responses"] if r["id"] not in keyed)
    rater, item = mine["raters"][0]["id"], mine["items"][0]["id"]
    for table, values in (
        ("questions", {"study_id": studies, "position": 99, "question_id": "q099"}),
        ("responses", {"question": question["id"], "model": "smuggled"}),
        ("practice_keys", {"response": free}),
        ("raters", {"study_id": studies, "label": "r99"}),
        ("items", {"rater": rater, "place": 99}),
        ("items", {"response": response["id"], "question": question["id"], "latest": None}),
        ("items", {"question": question["id"]}),
        ("rating_log", {"study": studies}),
        ("rating_log", {"item": item}),
        ("rating_log", {"rater": rater}),
        ("rating_log", {"response": response["id"]}),
        ("study_events", {"study": studies}),
        ("answer_failures", {"question": question["id"], "model": "smuggled"}),
    ):
        content = forged(members, changed(members, table, **values))
        assert refused_with(used, content) == "archive_damaged", (table, values)


def test_a_second_study_in_the_file_is_refused(members: Members, used: Store) -> None:
    row = json.loads(members["studies.jsonl"]) | {"id": "0" * 32, "name": "Second"}
    text = members["studies.jsonl"] + json.dumps(row).encode() + b"\n"
    content = forged(members, {"studies.jsonl": text})
    assert refused_with(used, content) in ("archive_damaged", "archive_ids_taken")


def test_what_is_in_the_database_already_is_refused(members: Members, used: Store) -> None:
    mine = everything(used)
    for table, columns in (
        ("questions", ["id"]),
        ("responses", ["id"]),
        ("raters", ["id"]),
        ("raters", ["code_hash"]),
        ("items", ["id"]),
        ("rating_log", ["idempotency_key"]),
        ("rating_log", ["hash"]),
    ):
        values = {column: mine[table][0][column] for column in columns}
        content = forged(members, changed(members, table, **values))
        assert refused_with(used, content) == "archive_ids_taken", (table, columns)


def test_a_row_that_is_there_twice_is_refused(members: Members, used: Store) -> None:
    for table in ("questions", "responses", "raters", "items", "practice_keys", "answering"):
        text = members[f"{table}.jsonl"]
        twice = text + text.splitlines()[-1] + b"\n"
        content = forged(members, {f"{table}.jsonl": twice})
        assert refused_with(used, content) == "archive_ids_taken", table


def rechained(members: Members, change: Callable[[list[dict[str, Any]]], None]) -> bytes:
    """A log changed by who knows how the chain is made, and the manifest with it."""
    rows = [json.loads(line) for line in members["rating_log.jsonl"].splitlines()]
    change(rows)
    end = START
    for row in rows:
        row["previous"], row["hash"] = end, seal(end, row)
        end = row["hash"]
    text = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)
    return forged(members, {"rating_log.jsonl": text}, chain_end=end)


def test_the_chain_catches_a_score_that_was_changed(members: Members, used: Store) -> None:
    rows = [json.loads(line) for line in members["rating_log.jsonl"].splitlines()]
    for number in (0, len(rows) // 2, len(rows) - 1):
        other_rows = [dict(row) for row in rows]
        other_rows[number] |= {"safety": 2, "usability": 1, "fluency": 2, "skipped": ""}
        text = b"".join(json.dumps(row).encode() + b"\n" for row in other_rows)
        content = forged(members, {"rating_log.jsonl": text})
        with pytest.raises(StorageError, match="is not what was saved"):
            unpack_study(used, content)
        assert refused_with(used, content) == "archive_damaged"


def test_the_chain_catches_ratings_that_were_removed_or_moved(
    members: Members, used: Store
) -> None:
    lines = members["rating_log.jsonl"].splitlines(keepends=True)
    swapped = [*lines[:3], lines[4], lines[3], *lines[5:]]
    for kept in (lines[:-1], lines[1:], [*lines[:5], *lines[6:]], swapped, []):
        content = forged(members, {"rating_log.jsonl": b"".join(kept)})
        assert refused_with(used, content) == "archive_damaged"


@pytest.mark.parametrize(
    "values",
    [
        {"flags": "[1]"},
        {"flags": "{}"},
        {"spans": "[1]"},
        {"spans": '[{"start": 0, "end": 1}]'},
        {"spans": '[{"start": 0, "end": 1, "kind": "wrong", "more": 1}]'},
        {"spans": '[{"start": 2, "end": 1, "kind": "wrong"}]'},
        {"spans": '[{"start": 0, "end": 100000, "kind": "wrong"}]'},
        {"spans": '[{"start": 0.0, "end": 1, "kind": "wrong"}]'},
        {"rated_at": "now"},
        {"shown_position": 0},
        {"active_seconds": 5},  # the database makes 5.0 of it, which has another hash
        {"idempotency_key": ""},
    ],
    ids=str,
)
def test_a_chain_that_was_made_anew_hides_no_impossible_value(
    members: Members, used: Store, values: dict[str, object]
) -> None:
    content = rechained(members, lambda rows: rows[-1].update(values))
    assert refused_with(used, content) == "archive_damaged"


def test_what_counts_must_be_the_newest_rating(members: Members, used: Store) -> None:
    rows = [json.loads(line) for line in members["items.jsonl"].splitlines()]
    log = [json.loads(line) for line in members["rating_log.jsonl"].splitlines()]
    first = {entry["item"]: entry["id"] for entry in reversed(log)}
    changed_twice = next(r for r in rows if r["latest"] and first[r["id"]] != r["latest"])
    for value in (first[changed_twice["id"]], None):
        changed_twice["latest"] = value
        text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        with pytest.raises(StorageError, match="another rating counts than the newest"):
            unpack_study(used, forged(members, {"items.jsonl": text}))
        assert refused_with(used, forged(members, {"items.jsonl": text})) == "archive_damaged"


# -- sizes --


def test_a_bomb_is_refused_before_it_is_unpacked(members: Members, used: Store) -> None:
    bomb = members | {"items.jsonl": b" " * (64 * 2**20)}
    assert refused_with(used, zipped(bomb)) == "archive_too_large"


def test_a_bomb_whose_header_lies_is_refused(members: Members, used: Store) -> None:
    size, lie = 32 * 2**20, 1000
    content = bytearray(zipped(members | {"items.jsonl": b" " * size}))
    while (at := content.find(struct.pack("<I", size))) >= 0:
        struct.pack_into("<I", content, at, lie)
    assert refused_with(used, bytes(content)) == "archive_damaged"


def test_more_than_a_gigabyte_by_the_headers_is_refused(packed: bytes, used: Store) -> None:
    content = bytearray(packed)
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 2**30 + 1)
    assert refused_with(used, bytes(content)) == "archive_too_large"


def test_too_many_members_are_refused(members: Members, used: Store) -> None:
    many = members | {f"x{number}": b"" for number in range(60)}
    assert refused_with(used, zipped(many)) == "archive_too_large"
    assert refused_with(used, zipped(many | {f"{n:060}": b"" for n in range(2000)})) == (
        "archive_too_large"
    )


def test_a_directory_of_another_size_than_the_end_says_is_refused(
    packed: bytes, used: Store
) -> None:
    """The record for more than 4 GiB would tell Python of a longer list than was looked at."""
    locator = b"PK\x06\x07" + b"\0" * 16
    assert refused_with(used, packed[:-22] + locator + packed[-22:]) == "not_an_archive"


def test_a_row_without_end_is_refused(
    members: Members, used: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.archive_reading, "MAX_ROW_BYTES", 2**16)
    content = forged(members, changed(members, "questions", text="长" * 2**16))
    assert refused_with(used, content) == "archive_too_large"


def test_nothing_is_packed_that_could_not_be_unpacked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = rated(store)
    for module, name, limit in (
        (storage.archive, "MAX_BYTES", 10_000),
        (storage.archive_format, "MAX_BYTES", 10_000),
        (storage.archive, "MAX_ROW_BYTES", 100),
        (storage.archive_format, "MAX_MEMBERS", 3),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, limit)
            assert code_of(lambda: pack(store, study)) == "archive_too_large"


def test_a_file_is_never_extracted(
    packed: bytes, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(zipfile.ZipFile, "extract", forbidden)
    monkeypatch.setattr(zipfile.ZipFile, "extractall", forbidden)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    unpack_study(store, packed)
    assert list(folder.iterdir()) == []


# -- commands --


def told(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_the_commands_move_a_study(store: Store, other: Store, tmp_path: Path) -> None:
    study, _ = rated(store)
    file, fresh = tmp_path / "study.zip", tmp_path / "fresh.db"
    status, output = told("pack", "--study", "Pilot", "--output", file, "--db", store.path)
    assert (status, str(file) in output) == (0, True)
    assert "names the models" in output
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["program_version"] == __version__, "also where nothing is installed"
    status, output = told("unpack", file, "--db", fresh)
    assert (status, "Pilot" in output) == (0, True)
    assert score_rows(Store(fresh), study.id) == score_rows(store, study.id)
    new_study(other, name="Pilot")
    status, output = told("unpack", file, "--db", other.path)
    assert (status, "--name" in output) == (1, True)
    status, output = told("unpack", file, "--db", other.path, "--name", "Pilot 2")
    assert (status, "Pilot 2" in output) == (0, True)


def test_the_commands_say_what_cannot_be_read_or_written(store: Store, tmp_path: Path) -> None:
    new_study(store)
    status, output = told("unpack", tmp_path / "nothing.zip", "--db", store.path)
    assert (status, "cannot be read" in output) == (1, True)
    status, output = told("unpack", tmp_path, "--db", store.path)
    assert (status, "is no file" in output) == (1, True)
    status, output = told("unpack", store.path, "--db", store.path)
    assert (status, "not a packed study" in output) == (1, True)
    nowhere = tmp_path / "no" / "study.zip"
    status, output = told("pack", "--study", "Pilot", "--output", nowhere, "--db", store.path)
    assert (status, "could not be written" in output) == (1, True)
    status, output = told("pack", "--study", "None", "--output", nowhere, "--db", store.path)
    assert (status, "no study None" in output) == (1, True)


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("pack", "pack --study Pilot --output study.zip --db data/medchat.db"),
        ("unpack", 'unpack study.zip --db data/medchat.db --name "Pilot, Beijing"'),
    ],
)
def test_the_help_of_the_commands_has_an_example(command: str, example: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "storage", command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"python -m storage {example}" in ended.stdout
