"""Whatever becomes of a packed study on its way: it is refused, or taken in as it was packed."""

from pathlib import Path

import pytest
from archive_fixtures import (
    Members,
    members_of,
    pack_rated,
    unpack_mangled,
    unpack_with_any_value,
    unpack_with_flipped_bytes,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack_rated(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def members(packed: bytes) -> Members:
    return members_of(packed)


def test_a_flipped_byte_anywhere_changes_nothing_that_is_taken_in(
    packed: bytes, tmp_path: Path
) -> None:
    step = max(1, len(packed) // 400)
    positions = {*range(0, len(packed), step), *range(len(packed) - 200, len(packed))}
    assert unpack_with_flipped_bytes(packed, positions, tmp_path) < len(positions) / 4


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_a_pack_is_mangled_into_ends_in_a_sentence(
    packed: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    unpack_mangled(packed, tmp_path_factory.mktemp("target"), data)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_value_whatever_brings_a_page_down(
    members: Members, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    unpack_with_any_value(members, tmp_path_factory.mktemp("target"), data)
