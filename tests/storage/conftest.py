"""A packed study and databases to unpack it into, for the tests of the archive."""

from pathlib import Path

import pytest
from archive_fixtures import Members, members_of, pack_rated, rated_study

from storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other" / "medchat.db")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack_rated(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def members(packed: bytes) -> Members:
    return members_of(packed)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A database with a study of its own, which every test leaves as it is."""
    store = Store(tmp_path_factory.mktemp("used") / "medchat.db")
    rated_study(store, "Mine")
    return store
