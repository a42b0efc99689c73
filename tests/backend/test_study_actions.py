"""What the page does with studies: names, whose they are, and what may be added to them."""

from pathlib import Path

import pytest
from storage_fixtures import new_study

from eval_ui.backend.study_actions import (
    MAX_NAME_LENGTH,
    add_to_study,
    chosen_name,
    clean_name,
    import_answers,
    require_own,
)
from eval_ui.texts import PageError
from medchat.files.answers import Answer, AnsweredQuestion, as_line
from storage import (
    Coordinator,
    NewResponse,
    StorageError,
    Store,
    add_coordinator,
    create_study,
    list_questions,
    list_studies,
)

ANSWERS = [NewResponse("llama", "多喝水", "stop")]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def anna(store: Store) -> Coordinator:
    return add_coordinator(store, "anna", "long enough")


def names(store: Store) -> list[str]:
    return [study.name for study in list_studies(store)]


def test_a_name_is_put_on_one_line() -> None:
    assert clean_name(" 感冒\r\n试评\t 一\x07\u202e ") == "感冒 试评 一"


def test_a_name_that_fits_no_line_is_refused_with_its_length() -> None:
    assert clean_name("长" * MAX_NAME_LENGTH)
    with pytest.raises(PageError, match="has 5000 characters; at most 100"):
        clean_name("长" * 5000)


def test_a_new_study_from_the_chat_gets_a_clean_name(store: Store, anna: Coordinator) -> None:
    name = chosen_name(store, " 感冒\n试评 ", anna)
    assert add_to_study(store, name, "感冒怎么办", ANSWERS, anna) == "q001"
    assert names(store) == ["感冒 试评"]


@pytest.mark.parametrize("odd", ["两  格", "长" * 300])
def test_a_study_that_is_there_can_be_chosen_whatever_its_name(
    store: Store, anna: Coordinator, odd: str
) -> None:
    create_study(store, odd)
    add_to_study(store, chosen_name(store, odd, anna), "感冒怎么办", ANSWERS, anna)
    assert names(store) == [odd]


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_study_without_a_name_is_asked_for_one(
    store: Store, anna: Coordinator, text: str
) -> None:
    with pytest.raises(PageError, match="Choose a study or type a name"):
        chosen_name(store, text, anna)


def test_a_study_is_its_makers_alone(store: Store, anna: Coordinator) -> None:
    create_study(store, "试评", owner=anna.id)
    bo = add_coordinator(store, "bo", "long enough")
    assert require_own(store, "试评", anna).name == "试评"
    with pytest.raises(PageError, match="Choose a study first"):
        require_own(store, None, anna)
    with pytest.raises(StorageError, match="no study"):
        require_own(store, "试评", bo)
    with pytest.raises(StorageError) as refused:
        add_to_study(store, "试评", "感冒怎么办", ANSWERS, bo)
    assert refused.value.code == "study_exists", "nor is another made under its name"


def test_an_open_study_takes_no_answer_that_tells(
    store: Store, anna: Coordinator, tmp_path: Path
) -> None:
    study = new_study(store, name="开放")
    tell = [NewResponse("m1", "我是华驼，多喝水", "stop")]
    with pytest.raises(PageError, match=r"gives itself away \(“华驼”\)"):
        add_to_study(store, "开放", "感冒怎么办", tell, anna)
    file = tmp_path / "a.jsonl"
    record = AnsweredQuestion("感冒怎么办", "t01", (Answer("m1", "作为一个AI语言模型，我"),))
    file.write_text(as_line(record), encoding="utf-8")
    with pytest.raises(PageError, match="nothing was added"):
        import_answers(store, study, file)
    assert len(list_questions(store, study.id)) == 2


# -- importing --


def write(file: Path, *answers: str) -> Path:
    record = AnsweredQuestion("感冒怎么办", "t01", tuple(Answer(m, "多喝水") for m in answers))
    file.write_text(as_line(record), encoding="utf-8")
    return file


def test_a_question_with_more_answers_than_the_page_has_places_is_refused(
    store: Store, tmp_path: Path
) -> None:
    study = create_study(store, "试评")
    eight = [f"m{number}" for number in range(8)]
    assert import_answers(store, study, write(tmp_path / "8.jsonl", *eight)) == 1
    with pytest.raises(PageError, match="has 9 answers; the rating page shows at most 8"):
        import_answers(store, study, write(tmp_path / "9.jsonl", *eight, "m8"))


def test_importing_a_file_twice_adds_nothing_the_second_time(store: Store, tmp_path: Path) -> None:
    study = create_study(store, "试评")
    file = write(tmp_path / "a.jsonl", "llama", "huatuo")
    import_answers(store, study, file)
    with pytest.raises(StorageError, match="already has a question t01"):
        import_answers(store, study, file)
