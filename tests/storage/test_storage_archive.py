"""A study as one zip: nothing is lost on the way."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from app_server import ROOT
from archive_fixtures import (
    NOT_PACKED,
    code_of,
    draft_with_everything,
    everything,
    members_of,
    pack,
    packed_content,
    rated_study,
    refused_with,
)
from storage_fixtures import (
    MODELS,
    answers_shown_to,
    entry,
    new_raters,
    new_study,
    unblind,
)
from typer.testing import CliRunner

import storage.archive
import storage.archive_format
import storage.archive_reading
from medchat import __version__
from storage import (
    ORDER_COLUMNS,
    RatingEntry,
    Store,
    add_coordinator,
    answer_job,
    begin_session,
    begin_trial,
    chain_ends,
    coordinators_of,
    create_study,
    find_rater,
    get_study,
    history,
    list_questions,
    list_raters,
    lock_study,
    open_study,
    order_csv_bytes,
    order_rows,
    pack_study,
    read_board,
    read_worklist,
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


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other" / "medchat.db")


# -- there and back --


def test_an_empty_database_takes_a_study_in_without_loss(store: Store, other: Store) -> None:
    study, tokens = rated_study(store)
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
    for told in (score_rows, order_rows, read_board, signs, list_raters, list_questions):
        assert told(other, study.id) == told(store, study.id)
    for token in tokens[:3:2]:
        assert read_worklist(other, rater_id(store, token)) == read_worklist(
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
    study, _ = rated_study(store)
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
    study, _ = rated_study(store)
    content = pack(store, study)
    unpack_study(other, content)
    scores = [score_csv_bytes(score_rows(each, study.id)) for each in (store, other)]
    orders = [order_csv_bytes(order_rows(each, study.id)) for each in (store, other)]
    members = members_of(content)
    assert scores == [members["scores.csv"]] * 2
    assert orders == [members["order.csv"]] * 2
    assert members["rating_log.jsonl"].count(b"\n") == len(everything(store)["rating_log"])


def test_a_raters_link_opens_and_rating_goes_on(store: Store, other: Store) -> None:
    study, tokens = rated_study(store)
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
        study = draft_with_everything(store)
        begin_trial(store, study.id)
    else:
        study, _ = rated_study(store)
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
    study = draft_with_everything(store)
    unpack_study(other, pack(store, study))
    (mine, arrived) = answer_job(store, study.id), answer_job(other, study.id)
    assert mine
    assert arrived
    assert (mine.state, arrived.state) == ("running", "paused")
    assert (mine.models, mine.options) == (arrived.models, arrived.options)


def test_a_dry_run_and_what_belongs_to_accounts_stay_behind(store: Store, other: Store) -> None:
    anna, study = add_coordinator(store, "anna", "long enough"), draft_with_everything(store)
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
    study, _ = rated_study(store)
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
    study, _ = rated_study(store)
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
    study, _ = rated_study(store)
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
    study, _ = rated_study(store)
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
    study, _ = rated_study(store)
    content = order_csv_bytes(order_rows(store, study.id))
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert tuple(rows[0]) == ORDER_COLUMNS
    assert not any(model.encode() in content for model in MODELS)
    first = [row for row in rows if row["rater"] == "r01"]
    rater = next(each for each in list_raters(store, study.id) if each.label == "r01")
    shown = read_worklist(store, rater.id)
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
    study, _ = rated_study(store)
    content = pack(store, study)
    lena = add_coordinator(other, "lena", "long enough")
    add_coordinator(other, "mia", "long enough")
    unpack_study(other, content, lena)
    assert coordinators_of(other, study.id) == ["lena"]
    assert study_events(other, study.id)[-1].coordinator == "lena"


def test_an_account_that_is_gone_gets_no_study(store: Store, other: Store) -> None:
    content = pack(store, rated_study(store)[0])
    stranger = add_coordinator(store, "anna", "long enough")
    assert refused_with(other, content, stranger) == "unknown_coordinator"


def test_another_name_makes_room_for_a_study(store: Store, other: Store) -> None:
    study, _ = rated_study(store)
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
    study, _ = rated_study(store)
    with store.transaction() as db:
        db.execute("DROP TRIGGER rating_log_forbids_update")
        db.execute("UPDATE rating_log SET safety = 3 WHERE safety = 1")
    before = everything(store)
    assert code_of(lambda: pack(store, study)) == "study_not_whole"
    assert everything(store) == before
    assert code_of(lambda: pack_study(store, "nothing", "anna", "1")) == "unknown_study"


# -- commands --


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_the_commands_move_a_study(store: Store, other: Store, tmp_path: Path) -> None:
    study, _ = rated_study(store)
    file, fresh = tmp_path / "study.zip", tmp_path / "fresh.db"
    status, output = run("pack", "--study", "Pilot", "--output", file, "--db", store.path)
    assert (status, str(file) in output) == (0, True)
    assert "names the models" in output
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["program_version"] == __version__, "also where nothing is installed"
    status, output = run("unpack", file, "--db", fresh)
    assert (status, "Pilot" in output) == (0, True)
    assert score_rows(Store(fresh), study.id) == score_rows(store, study.id)
    new_study(other, name="Pilot")
    status, output = run("unpack", file, "--db", other.path)
    assert (status, "--name" in output) == (1, True)
    status, output = run("unpack", file, "--db", other.path, "--name", "Pilot 2")
    assert (status, "Pilot 2" in output) == (0, True)


def test_the_commands_say_what_cannot_be_read_or_written(store: Store, tmp_path: Path) -> None:
    new_study(store)
    status, output = run("unpack", tmp_path / "nothing.zip", "--db", store.path)
    assert (status, "cannot be read" in output) == (1, True)
    status, output = run("unpack", tmp_path, "--db", store.path)
    assert (status, "is no file" in output) == (1, True)
    status, output = run("unpack", store.path, "--db", store.path)
    assert (status, "not a packed study" in output) == (1, True)
    nowhere = tmp_path / "no" / "study.zip"
    status, output = run("pack", "--study", "Pilot", "--output", nowhere, "--db", store.path)
    assert (status, "could not be written" in output) == (1, True)
    status, output = run("pack", "--study", "None", "--output", nowhere, "--db", store.path)
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
