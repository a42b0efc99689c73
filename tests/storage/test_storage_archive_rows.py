"""What a packed study may not hold: its manifest, its rows, their chain."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from archive_fixtures import (
    EMPTY,
    Members,
    changed,
    everything,
    forged,
    refused_with,
    zipped,
)

from storage import (
    StorageError,
    Store,
    list_studies,
    unpack_study,
    verify,
)
from storage.chain import START, seal, seal_event
from storage.seals import COLUMNS


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
