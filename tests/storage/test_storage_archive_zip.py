"""What arrives as a packed study and is none: the zip, its members, its sizes."""

import io
import json
import stat
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from archive_fixtures import (
    Members,
    changed,
    code_of,
    forged,
    pack,
    rated_study,
    refused_with,
    unpack_mangled,
    unpack_with_any_value,
    unpack_with_flipped_bytes,
    zipped,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import storage.archive
import storage.archive_format
import storage.archive_reading
from storage import (
    Store,
    list_raters,
    list_studies,
    unpack_study,
)


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


def test_a_flipped_byte_changes_nothing_that_is_taken_in(packed: bytes, tmp_path: Path) -> None:
    positions = [
        *range(7, len(packed), len(packed) // 10),
        *range(len(packed) - 22, len(packed), 4),
    ]
    assert unpack_with_flipped_bytes(packed, positions, tmp_path) < len(positions) / 2


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


@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_whatever_a_pack_is_mangled_into_ends_in_a_sentence(
    packed: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    unpack_mangled(packed, tmp_path_factory.mktemp("target"), data)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_value_whatever_brings_a_page_down(
    members: Members, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    unpack_with_any_value(members, tmp_path_factory.mktemp("target"), data)


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
    study, _ = rated_study(store)
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
