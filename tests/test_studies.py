"""What the Studies tab does with names, numbers and files, without a browser."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from storage_fixtures import new_study

from eval_ui.studies import MOST_NAME, add_to_study, chosen_name, clean_name, import_answers
from eval_ui.study_tab import _Handlers
from eval_ui.texts import Texts
from medchat.answers import Answer, AnsweredQuestion, as_line
from medchat.errors import BadInput
from storage import (
    Coordinator,
    NewResponse,
    StorageError,
    Store,
    create_study,
    find_rater,
    list_raters,
    list_studies,
)

ZH, EN = Texts("zh"), Texts("en")
ANSWERS = [NewResponse("llama", "多喝水", "stop")]
EVIL = "<img src=http://192.0.2.1/a.png onerror=alert(1)>"


REQUEST: Any = SimpleNamespace(request=SimpleNamespace(base_url="http://127.0.0.1:7860/"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def handlers(store: Store, monkeypatch: pytest.MonkeyPatch) -> _Handlers:
    monkeypatch.setattr("eval_ui.study_tab.inform", lambda *_: None)
    services: Any = SimpleNamespace(
        store=store, access=SimpleNamespace(now=lambda: Coordinator("c", "anna"))
    )
    return _Handlers(services, ZH)


def names(store: Store) -> list[str]:
    return [study.name for study in list_studies(store)]


# -- names --


def test_a_name_is_put_on_one_line() -> None:
    assert clean_name(" 感冒\r\n试评\t 一\x07\u202e ", ZH) == "感冒 试评 一"


def test_a_name_that_fits_no_line_is_refused_with_its_length() -> None:
    assert clean_name("长" * MOST_NAME, ZH)
    with pytest.raises(BadInput, match="研究名称有 5000 个字符，最多 100 个"):
        clean_name("长" * 5000, ZH)


def test_a_new_study_from_the_chat_gets_a_clean_name(store: Store) -> None:
    name = chosen_name(store, " 感冒\n试评 ", ZH)
    assert add_to_study(store, name, "感冒怎么办", ANSWERS, ZH) == "q001"
    assert names(store) == ["感冒 试评"]


@pytest.mark.parametrize("odd", ["两  格", "长" * 300])
def test_a_study_that_is_there_can_be_chosen_whatever_its_name(store: Store, odd: str) -> None:
    create_study(store, odd)
    add_to_study(store, chosen_name(store, odd, ZH), "感冒怎么办", ANSWERS, ZH)
    assert names(store) == [odd]


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_study_without_a_name_is_asked_for_one(store: Store, text: str) -> None:
    with pytest.raises(BadInput, match="Choose a study or type a name"):
        chosen_name(store, text, EN)


def test_markup_in_a_name_is_shown_letter_by_letter(handlers: _Handlers, store: Store) -> None:
    shown = handlers.create(EVIL)
    assert names(store) == [EVIL]
    assert "&lt;img src=" in shown[2]
    assert "<img" not in shown[2]


def test_a_second_study_of_the_same_name_is_refused(handlers: _Handlers, store: Store) -> None:
    handlers.create("试评")
    with pytest.raises(StorageError) as refused:
        handlers.create(" 试评\n")
    assert refused.value.code == "study_exists"


# -- inviting --


@pytest.mark.parametrize("count", [None, 2.5, 0.1])
def test_a_number_of_raters_that_is_not_whole_is_refused(
    handlers: _Handlers, store: Store, count: float | None
) -> None:
    study = new_study(store)
    with pytest.raises(BadInput, match="须是整数"):
        handlers.invite(study.name, count, REQUEST)
    assert list_raters(store, study.id) == []


@pytest.mark.parametrize("count", [-1, 0, 1001, 1e9])
def test_a_number_of_raters_out_of_range_is_refused_with_the_range(
    handlers: _Handlers, store: Store, count: float
) -> None:
    study = new_study(store)
    with pytest.raises(StorageError, match="from 1 to 1000"):
        handlers.invite(study.name, count, REQUEST)
    assert list_raters(store, study.id) == []


def tokens_in(table: str) -> list[str]:
    return re.findall(r"http://127\.0\.0\.1:7860/r/([\w-]+)</td>", table)


def test_each_invited_rater_gets_a_link_and_a_row(handlers: _Handlers, store: Store) -> None:
    study = new_study(store)
    links, overview, *_ = handlers.invite(study.name, 3.0, REQUEST)
    assert [find_rater(store, token).label for token in tokens_in(links)] == ["r01", "r02", "r03"]
    assert "<td>r03</td>" in overview


def test_a_link_is_renewed_and_withdrawn(handlers: _Handlers, store: Store) -> None:
    study = new_study(store)
    links, *_ = handlers.invite(study.name, 1.0, REQUEST)
    (renewed,) = tokens_in(handlers.renew(study.name, "r01", REQUEST))
    assert find_rater(store, renewed).label == "r01"
    with pytest.raises(StorageError, match="not known"):
        find_rater(store, tokens_in(links)[0])
    assert "r01" in handlers.revoke(study.name, "r01")
    with pytest.raises(StorageError, match="withdrawn"):
        find_rater(store, renewed)
    for handler in (
        lambda: handlers.renew(study.name, None, REQUEST),
        lambda: handlers.revoke(study.name, None),
    ):
        with pytest.raises(BadInput, match="请先选择评分者"):
            handler()


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
    assert import_answers(store, study, write(tmp_path / "8.jsonl", *eight), ZH) == 1
    with pytest.raises(BadInput, match="有 9 个回答，评分页最多并排显示 8 个"):
        import_answers(store, study, write(tmp_path / "9.jsonl", *eight, "m8"), ZH)


def test_importing_a_file_twice_adds_nothing_the_second_time(store: Store, tmp_path: Path) -> None:
    study = create_study(store, "试评")
    file = write(tmp_path / "a.jsonl", "llama", "huatuo")
    import_answers(store, study, file, ZH)
    with pytest.raises(StorageError, match="already has a question t01"):
        import_answers(store, study, file, ZH)
