"""Several coordinators: who sees and changes which study."""

import pytest
from storage_fixtures import new_study

from storage import (
    Coordinator,
    StorageError,
    Store,
    add_coordinator,
    coordinators_of,
    create_study,
    list_studies,
    require_right,
    share_study,
    study_events,
)


@pytest.fixture
def two(store: Store) -> tuple[Coordinator, Coordinator]:
    return add_coordinator(store, "Anna", "long enough 1"), add_coordinator(
        store, "Bo", "long enough 2"
    )


def may(store: Store, study_id: str, coordinator: Coordinator) -> bool:
    with store.connect() as db:
        try:
            require_right(db, study_id, coordinator)
        except StorageError as error:
            return error.code != "unknown_study"  # others must not learn that it exists
    return True


def test_a_study_is_its_makers_until_it_is_shared(store: Store, two) -> None:
    anna, bo = two
    study = create_study(store, "Anna's", 7, owner=anna.id)
    assert [may(store, study.id, each) for each in two] == [True, False]
    assert [each.name for each in list_studies(store, anna.id)] == ["Anna's"]
    assert list_studies(store, bo.id) == []
    with pytest.raises(StorageError) as refused:
        share_study(store, study.id, "Bo", bo)
    assert refused.value.code == "unknown_study"
    share_study(store, study.id, " bo ", anna)
    assert [may(store, study.id, each) for each in two] == [True, True]
    assert coordinators_of(store, study.id) == ["Anna", "Bo"]
    assert [(each.event, each.detail) for each in study_events(store, study.id)] == [
        ("created", ""),
        ("shared", "Bo"),
    ]


def test_a_study_that_names_nobody_is_everyones(store: Store, two) -> None:
    study = new_study(store)
    assert [may(store, study.id, each) for each in two] == [True, True]
    assert coordinators_of(store, study.id) == []
    share_study(store, study.id, "Anna", two[0])
    assert [may(store, study.id, each) for each in two] == [True, False]


def test_sharing_with_nobody_known_changes_nothing(store: Store, two) -> None:
    study = create_study(store, "Anna's", 7, owner=two[0].id)
    with pytest.raises(StorageError) as refused:
        share_study(store, study.id, "Nobody", two[0])
    assert refused.value.code == "unknown_coordinator"
    assert coordinators_of(store, study.id) == ["Anna"]
