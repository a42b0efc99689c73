"""Studies, questions and responses."""

import pytest
from storage_fixtures import MODELS, answers_of, new_study

from storage import (
    NewQuestion,
    NewResponse,
    StorageError,
    Store,
    add_question,
    add_questions,
    create_study,
    find_study,
    get_study,
    list_questions,
    list_studies,
    responses_of,
)


@pytest.fixture
def study(store: Store):
    return new_study(store, questions=0)


def test_a_study_is_found_by_id_and_by_name(store: Store) -> None:
    study = create_study(store, "  肝病 pilot ", seed=11)
    assert (study.name, study.seed) == ("肝病 pilot", 11)
    assert get_study(store, study.id) == study
    assert find_study(store, "肝病 pilot") == study
    assert list_studies(store) == [study]


def test_without_a_seed_every_study_has_its_own(store: Store) -> None:
    assert create_study(store, "A").seed != create_study(store, "B").seed


def test_a_second_study_of_the_same_name_is_refused(store: Store, study) -> None:
    with pytest.raises(StorageError, match="already a study named Pilot") as refused:
        create_study(store, " Pilot ")
    assert refused.value.code == "study_exists"
    assert refused.value.details == {"name": "Pilot"}


def test_a_study_needs_a_name(store: Store) -> None:
    with pytest.raises(StorageError) as refused:
        create_study(store, " \n")
    assert refused.value.code == "study_name_empty"


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_cannot_be_stored_is_refused(store: Store, seed: int) -> None:
    with pytest.raises(StorageError) as refused:
        create_study(store, "Pilot", seed)
    assert refused.value.code == "seed_out_of_range"


def test_the_largest_seed_is_kept(store: Store) -> None:
    assert get_study(store, create_study(store, "Pilot", 2**63 - 1).id).seed == 2**63 - 1


@pytest.mark.parametrize("look_up", [get_study, find_study])
def test_an_unknown_study_is_named(store: Store, look_up) -> None:
    with pytest.raises(StorageError, match="no study Piolt") as refused:
        look_up(store, "Piolt")
    assert refused.value.code == "unknown_study"


def test_questions_are_numbered_in_the_order_in_which_they_are_added(store: Store, study) -> None:
    for text in ("一", "二", "三"):
        add_question(store, study.id, text, answers_of())
    assert [
        (each.question_id, each.position, each.text) for each in list_questions(store, study.id)
    ] == [
        ("q001", 1, "一"),
        ("q002", 2, "二"),
        ("q003", 3, "三"),
    ]
    assert len(list_questions(store, study.id)) == 3


def test_numbering_continues_after_a_number_that_was_given(store: Store, study) -> None:
    add_question(store, study.id, "一", answers_of(), question_id="q041")
    add_question(store, study.id, "二", answers_of(), question_id="liver-1")
    assert add_question(store, study.id, "三", answers_of()).question_id == "q042"


def test_the_same_text_may_be_asked_twice(store: Store, study) -> None:
    first = add_question(store, study.id, "感冒怎么办？", answers_of())
    second = add_question(store, study.id, "感冒怎么办？", answers_of())
    assert first.id != second.id
    assert len(list_questions(store, study.id)) == 2


def test_two_studies_number_their_questions_alike(store: Store, study) -> None:
    add_question(store, study.id, "一", answers_of())
    other = create_study(store, "Other")
    assert add_question(store, other.id, "一", answers_of()).question_id == "q001"


def test_responses_come_back_as_they_were_given(store: Store, study) -> None:
    given = NewResponse("huatuo", "**建议**\n多喝水\t", "length", {"模型": ["a", 1.5, None]})
    question = add_question(store, study.id, "感冒怎么办？", [given])
    response = responses_of(store, question)[0]
    assert (response.model, response.text, response.finish_reason, response.provenance) == (
        "huatuo",
        "**建议**\n多喝水\t",
        "length",
        {"模型": ["a", 1.5, None]},
    )


def test_an_id_of_a_response_says_nothing_about_its_model(store: Store, study) -> None:
    question = add_question(store, study.id, "感冒怎么办？", answers_of())
    responses = responses_of(store, question)
    assert sorted(each.model for each in responses) == sorted(MODELS)
    assert all(len(each.id) == 32 and int(each.id, 16) for each in responses)


@pytest.mark.parametrize(
    ("text", "responses", "question_id", "code"),
    [
        ("", answers_of(), None, "question_empty"),
        (" \n\t", answers_of(), None, "question_empty"),
        ("问", answers_of(["llama", "huatuo", "llama"]), None, "duplicate_model"),
        ("问", answers_of([f"m{number}" for number in range(27)]), None, "too_many_responses"),
        ("问", answers_of(), "q001", "question_exists"),
        ("问", answers_of(), " q001 ", "question_exists"),
    ],
)
def test_a_question_that_breaks_a_rule_is_refused_and_nothing_is_stored(
    store: Store, study, text: str, responses, question_id, code: str
) -> None:
    add_question(store, study.id, "感冒怎么办？", answers_of())
    with pytest.raises(StorageError) as refused:
        add_question(store, study.id, text, responses, question_id)
    assert refused.value.code == code
    assert len(list_questions(store, study.id)) == 1


def test_a_question_is_stored_with_all_its_responses_or_not_at_all(store: Store, study) -> None:
    unnamed = [NewResponse("llama", "好", "stop"), NewResponse("", "好", "stop")]
    with pytest.raises(StorageError):
        add_question(store, study.id, "感冒怎么办？", unnamed)
    assert len(list_questions(store, study.id)) == 0
    with store.connect() as db:
        assert db.table("responses").count == 0


def test_a_question_for_an_unknown_study_is_refused(store: Store) -> None:
    with pytest.raises(StorageError) as refused:
        add_question(store, "nowhere", "感冒怎么办？", answers_of())
    assert refused.value.code == "unknown_study"


def test_half_a_character_from_a_browser_does_not_stop_the_save(store: Store, study) -> None:
    question = add_question(store, study.id, "感冒\ud83d怎么办？", answers_of(text="好\udc00"))
    assert list_questions(store, study.id)[0].text == "感冒?怎么办？"
    assert len(responses_of(store, question)) == 3


def test_several_questions_are_added_all_or_none(store: Store) -> None:
    study = create_study(store, "pilot")
    good = NewQuestion("感冒怎么办", [NewResponse("a", "休息", "stop")], "q001")
    twin = NewQuestion("发热怎么办", [NewResponse("a", "多喝水", "stop")], "q001")

    with pytest.raises(StorageError) as caught:
        add_questions(store, study.id, [good, twin])

    assert caught.value.code == "question_exists"
    assert len(list_questions(store, study.id)) == 0
    added = add_questions(store, study.id, [good, NewQuestion("咳嗽", good.responses)])
    assert [question.question_id for question in added] == ["q001", "q002"]
    assert [question.position for question in added] == [1, 2]
