"""What the Studies tab does with names, numbers and files, without a browser."""

import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from storage_fixtures import MODELS, answers_shown_to, entry, new_raters, new_study

from eval_ui.backend.study_actions import (
    MAX_NAME_LENGTH,
    add_to_study,
    chosen_name,
    clean_name,
    import_answers,
    require_own,
)
from eval_ui.rating.guide import guide_html
from eval_ui.study import board_step as study_board
from eval_ui.study import close_step as study_close
from eval_ui.study import design_step as study_design
from eval_ui.study import opening_step as study_opening
from eval_ui.study import questions_step as study_questions
from eval_ui.study import raters_step as study_raters
from eval_ui.study import study_tab
from eval_ui.study.overview import OverviewHandlers
from eval_ui.study.step_context import StudyWork
from eval_ui.texts import PageError, Texts
from eval_ui.web.uploads import Uploads
from medchat.errors import BadInput
from medchat.files.answers import Answer, AnsweredQuestion, as_line
from storage import (
    NewQuestion,
    NewResponse,
    StorageError,
    Store,
    Study,
    StudySettings,
    add_coordinator,
    add_question,
    add_questions,
    answers_to_check,
    change_settings,
    create_study,
    find_rater,
    find_study,
    get_study,
    list_questions,
    list_raters,
    list_studies,
    lock_study,
    make_backup,
    read_board,
    read_worklist,
    responses_of,
    save_ratings,
)

ZH = Texts("zh")


ANSWERS = [NewResponse("llama", "多喝水", "stop")]
EVIL = "<img src=http://192.0.2.1/a.png onerror=alert(1)>"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def work(store: Store, monkeypatch: pytest.MonkeyPatch) -> StudyWork:
    """The study tab's surroundings, with anna signed in."""
    steps = ("design", "questions", "answers", "opening", "raters", "board", "close")
    for module in (*(f"eval_ui.study.{step}_step" for step in steps), "eval_ui.study.study_tab"):
        if hasattr(importlib.import_module(module), "inform"):
            monkeypatch.setattr(f"{module}.inform", lambda *_: None)
    anna = add_coordinator(store, "anna", "long enough")
    access = SimpleNamespace(now=lambda: anna, require=lambda: anna)
    services: Any = SimpleNamespace(
        store=store,
        access=access,
        names_of_models=["llama"],
        settings=SimpleNamespace(backup_hours=0),
        uploads=Uploads(store.path.parent / "uploads"),
        backup_folder=store.path.parent / "backups",
    )
    monkeypatch.setattr(StudyWork, "home", "http://127.0.0.1:7860/")
    return StudyWork(services, ZH, None, None)


def names(store: Store) -> list[str]:
    return [study.name for study in list_studies(store)]


# -- names --


def test_a_name_is_put_on_one_line() -> None:
    assert clean_name(" 感冒\r\n试评\t 一\x07\u202e ") == "感冒 试评 一"


def test_a_name_that_fits_no_line_is_refused_with_its_length() -> None:
    assert clean_name("长" * MAX_NAME_LENGTH)
    with pytest.raises(PageError, match="has 5000 characters; at most 100"):
        clean_name("长" * 5000)


def test_a_new_study_from_the_chat_gets_a_clean_name(work: StudyWork, store: Store) -> None:
    anna = work.services.access.require()
    name = chosen_name(store, " 感冒\n试评 ", anna)
    assert add_to_study(store, name, "感冒怎么办", ANSWERS, anna) == "q001"
    assert names(store) == ["感冒 试评"]


@pytest.mark.parametrize("odd", ["两  格", "长" * 300])
def test_a_study_that_is_there_can_be_chosen_whatever_its_name(
    work: StudyWork, store: Store, odd: str
) -> None:
    create_study(store, odd)
    anna = work.services.access.require()
    add_to_study(store, chosen_name(store, odd, anna), "感冒怎么办", ANSWERS, anna)
    assert names(store) == [odd]


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_study_without_a_name_is_asked_for_one(work: StudyWork, store: Store, text: str) -> None:
    with pytest.raises(PageError, match="Choose a study or type a name"):
        chosen_name(store, text, work.services.access.require())


def test_markup_in_a_name_is_shown_letter_by_letter(work: StudyWork, store: Store) -> None:
    shown = study_tab._Handlers(work, []).create(EVIL)
    assert names(store) == [EVIL]
    assert "&lt;img src=" in shown[3]
    assert "<img" not in shown[3]


def test_a_second_study_of_the_same_name_is_refused(work: StudyWork, store: Store) -> None:
    handlers = study_tab._Handlers(work, [])
    handlers.create("试评")
    with pytest.raises(StorageError) as refused:
        handlers.create(" 试评\n")
    assert refused.value.code == "study_exists"


def test_a_study_is_its_makers_alone(work: StudyWork, store: Store) -> None:
    study_tab._Handlers(work, []).create("试评")
    bo = add_coordinator(store, "bo", "long enough")
    assert require_own(store, "试评", work.services.access.require()).name == "试评"
    with pytest.raises(StorageError, match="no study"):
        require_own(store, "试评", bo)
    with pytest.raises(StorageError) as refused:
        add_to_study(store, "试评", "感冒怎么办", ANSWERS, bo)
    assert refused.value.code == "study_exists", "nor is another made under its name"


# -- inviting --


def test_nobody_is_invited_to_a_locked_study(work: StudyWork, store: Store) -> None:
    study = new_study(store)
    lock_study(store, study.id, "anna")
    with pytest.raises(StorageError) as refused:
        study_raters._Handlers(work).invite(find_study(store, study.name), 1, False, "")
    assert refused.value.code == "study_is_locked"


@pytest.mark.parametrize("count", [None, 2.5, 0.1, float("inf"), float("nan")])
def test_a_number_of_raters_that_is_not_whole_is_refused(
    work: StudyWork, store: Store, count: float | None
) -> None:
    study = new_study(store)
    with pytest.raises(PageError, match="as a whole number"):
        study_raters._Handlers(work).invite(study, count, False, "")
    assert list_raters(store, study.id) == []


@pytest.mark.parametrize("count", [-1, 0, 1001, 1e9])
def test_a_number_of_raters_out_of_range_is_refused_with_the_range(
    work: StudyWork, store: Store, count: float
) -> None:
    study = new_study(store)
    with pytest.raises(StorageError, match="from 1 to 1000"):
        study_raters._Handlers(work).invite(study, count, False, "")
    assert list_raters(store, study.id) == []


def tokens_in(table: str) -> list[str]:
    return re.findall(r"http://127\.0\.0\.1:7860/r/([\w-]+)</td>", table)


def test_each_invited_rater_gets_a_link_and_a_row(work: StudyWork, store: Store) -> None:
    study = new_study(store)
    links, _, _ = study_raters._Handlers(work).invite(study, 3.0, False, "")
    assert [find_rater(store, token).label for token in tokens_in(links)] == ["r01", "r02", "r03"]
    shown = study_board._Handlers(work).draw(study)[0]
    assert "<td>r03</td>" in shown


def test_coordinators_see_whom_a_link_was_sent_to(work: StudyWork, store: Store) -> None:
    study = new_study(store)
    handlers = study_raters._Handlers(work)
    links, left, shown = handlers.invite(study, 5.0, False, "王医生\n\n <b>李</b>医生 \n")
    assert left == ""
    assert [find_rater(store, token).remark for token in tokens_in(links)] == [
        "王医生",
        "<b>李</b>医生",
    ]
    for html in (links, study_board._Handlers(work).draw(study)[0]):
        assert "<td>r01 · 王医生</td>" in html
        assert "<td>r02 · &lt;b&gt;李&lt;/b&gt;医生</td>" in html
    (choices,) = handlers.draw(study)
    assert choices["choices"][0] == ("r01 · 王医生", "r01")
    again, _ = handlers.renew(study, "r01", shown)
    assert "r01 · 王医生" in again
    assert len(tokens_in(again)) == 2, "the links that were shown are still there"
    assert study_board._Handlers(work).draw(study)[2].startswith("王医生：您好！")


def test_the_board_says_that_backups_do_not_come(work: StudyWork, store: Store) -> None:
    study = new_study(store)
    handlers = study_board._Handlers(work)
    assert "备份" not in handlers.draw(study)[0], "they are switched off"
    work.services.settings.backup_hours = 6
    assert "备份" not in handlers.draw(study)[0], "the study is young"
    work.services.settings.backup_hours = 1e-9
    assert "还没有这个数据库的备份" in handlers.draw(study)[0]
    make_backup(store, work.services.backup_folder)
    assert "备份" not in handlers.draw(study)[0], "nothing has changed since"
    new_raters(store, study)
    assert "最近一次备份是 20" in handlers.draw(study)[0]


def test_a_remark_that_is_too_long_invites_nobody(work: StudyWork, store: Store) -> None:
    study = new_study(store)
    with pytest.raises(StorageError, match="at most 100 characters"):
        study_raters._Handlers(work).invite(study, 1.0, False, "王医生\n" + "x" * 101)
    assert list_raters(store, study.id) == []


def test_a_link_is_renewed_and_withdrawn(work: StudyWork, store: Store) -> None:
    study = new_study(store)
    handlers = study_raters._Handlers(work)
    links, _, _ = handlers.invite(study, 1.0, False, "")
    (renewed,) = tokens_in(handlers.renew(study, "r01")[0])
    assert find_rater(store, renewed).label == "r01"
    with pytest.raises(StorageError, match="not known"):
        find_rater(store, tokens_in(links)[0])
    assert "r01" in handlers.revoke(study, "r01")[0]
    with pytest.raises(StorageError, match="withdrawn"):
        find_rater(store, renewed)
    for handler in (handlers.renew, handlers.revoke, handlers.hand_over):
        with pytest.raises(PageError, match="Choose a rater first"):
            handler(study, None)


def test_what_a_rater_has_not_begun_is_handed_over(work: StudyWork, store: Store) -> None:
    study = new_study(store)
    new_raters(store, study, 2)
    assert "2" in study_raters._Handlers(work).hand_over(study, "r01")[0]
    assert [each.total for each in read_board(store, study.id).raters] == [0, 2]


# -- what gives a model away --


def telling(store: Store, text: str = "作为ChatGLM，我建议多喝水。") -> Study:
    study = create_study(store, "草稿", 7)
    answers = [NewResponse("llama", text, "stop"), NewResponse("huatuo", "多喝水。", "stop")]
    add_question(store, study.id, "感冒怎么办？", answers)
    return study


def test_a_models_name_in_what_else_raters_read_is_pointed_out(work, store) -> None:
    study = create_study(store, "HuaTuo 与别的模型盲评")
    handlers = study_opening._Handlers(work)
    answers = [NewResponse(model, "多喝水。", "stop") for model in ("m-1", "m-2")]
    add_question(store, study.id, "ChatGLM 会怎么说？", answers)
    add_question(store, study.id, "感冒怎么办？", answers)
    study = change_settings(store, study.id, StudySettings(guide_en="Compare m-1 with another."))
    told = handlers._named(study)[0]
    assert "研究名称 (HuaTuo)" in told
    assert "英文评分说明 (m-1)" in told
    assert told.count("问题") == 1
    assert "(ChatGLM)" in told
    assert "感冒" not in told
    assert told in handlers.ask_opening(study)
    assert handlers._named(telling(store, "休息。")) == []


def test_a_study_is_not_opened_before_every_telling_answer_is_decided(work, store) -> None:
    study = telling(store)
    handlers = study_opening._Handlers(work)
    _, start, state, _ = handlers.draw_state(study)
    _, choices, found, mask, filled = handlers.draw_review(study)
    assert start["interactive"]
    assert "待处理：1" in state
    assert "<mark>ChatGLM</mark>" in found
    assert mask == "作为█████，我建议多喝水。"
    work.services.answering = SimpleNamespace(pause=lambda _: None)
    with pytest.raises(PageError, match="not decided: 1"):
        handlers.open(study)
    decide = handlers.deciding("masked")
    with pytest.raises(PageError, match=r"still gives the model away \(“华驼”\)"):
        decide(study, choices["value"], "我是华驼", filled)
    with pytest.raises(PageError, match="is that of another answer"):
        decide(study, choices["value"], mask, "another")
    decide(study, choices["value"], mask, filled)
    assert "待处理：0" in handlers.draw_state(study)[2]
    handlers.open(study)
    (rater,) = new_raters(store, study)
    shown = {answer.text for answer in read_worklist(store, rater.id)[0].answers}
    assert shown == {mask, "多喝水。"}


def test_all_that_is_left_is_masked_with_one_click(work: StudyWork, store: Store) -> None:
    study = telling(store, "我是由llama训练的人工智能助手。")
    handlers = study_opening._Handlers(work)
    handlers.mask_all(study)
    assert [each.review for each in answers_to_check(store, study.id)] == ["", "masked"]


def test_an_open_study_takes_no_answer_that_tells(
    work: StudyWork, store: Store, tmp_path: Path
) -> None:
    study = new_study(store, name="开放")
    tell = [NewResponse("m1", "我是华驼，多喝水", "stop")]
    with pytest.raises(PageError, match=r"gives itself away \(“华驼”\)"):
        add_to_study(store, "开放", "感冒怎么办", tell, work.services.access.require())
    file = tmp_path / "a.jsonl"
    record = AnsweredQuestion("感冒怎么办", "t01", (Answer("m1", "作为一个AI语言模型，我"),))
    file.write_text(as_line(record), encoding="utf-8")
    with pytest.raises(PageError, match="nothing was added"):
        import_answers(store, study, file)
    assert len(list_questions(store, study.id)) == 2


def test_the_work_of_a_rater_is_estimated_before_opening(work: StudyWork, store: Store) -> None:
    study = telling(store, "多休息。" * 100)
    state = study_opening._Handlers(work).draw_state(study)[2]
    assert "按 5 位评分者" in state
    assert "每人共评 2 个回答（分布在 1 题里，含练习和重复题），约 2 分钟" in state
    assert "实际重复" not in state
    study = change_settings(store, study.id, StudySettings(repeats=4))
    assert (
        "设定重复 4 题，但每人的题目太少，实际只能重复 0 题"
        in (study_opening._Handlers(work).draw_state(study)[2])
    )


# -- looking through a draft --


def test_every_answer_can_be_looked_at_and_masked(work: StudyWork, store: Store) -> None:
    study = telling(store, "像我这样的小助手建议休息。")
    pages = OverviewHandlers(work)
    number, html, picks = pages.page(study, 1)
    assert number == 1
    assert "第 1 题，共 1 题" in html
    assert "像我这样的小助手建议休息。" in html
    assert [model for model, _ in picks["choices"]] == ["huatuo", "llama"]
    response = next(each for model, each in picks["choices"] if model == "llama")
    handlers = study_opening._Handlers(work)
    box, answer, *_, filled = handlers.pick(study, response)
    assert box["visible"]
    assert (answer["value"], filled) == (response, response)
    handlers.deciding("masked")(study, response, "建议休息。", filled)
    html = pages.page(study, 1)[1]
    assert "已遮盖" in html
    assert "小助手" not in html
    handlers.deciding("excluded")(study, response, "", response)
    assert "已排除" in pages.page(study, 1)[1]


@pytest.mark.parametrize(("number", "by", "shown"), [(1, -1, 1), (1, 1, 2), (2, 5, 2), (1e9, 0, 2)])
def test_leafing_stays_among_the_questions(work, store: Store, number, by, shown) -> None:
    study = create_study(store, "草稿", 7)
    add_questions(store, study.id, [NewQuestion("一？"), NewQuestion("<b>二</b>？")], draft=True)
    found = OverviewHandlers(work).stepping(by)(study, number)
    assert found[0] == shown
    assert ("&lt;b&gt;二" in found[1]) == (shown == 2)
    assert "还没有回答" in found[1]


def test_half_a_question_cannot_be_looked_at(work: StudyWork, store: Store) -> None:
    with pytest.raises(PageError, match=r"not 1\.5"):
        OverviewHandlers(work).stepping(0)(telling(store, "休息。"), 1.5)


def test_an_open_study_shows_no_more_which_model_wrote_what(work, store: Store) -> None:
    study = new_study(store, name="开放")
    assert OverviewHandlers(work).page(study, 1)[1] == ""
    handlers = study_opening._Handlers(work)
    response = answers_to_check(store, study.id)[0].response
    for shown in (handlers.pick(study, response), handlers.draw_review(study)):
        assert [each for each in shown if each] == [
            {"visible": False, "__type__": "update"},
            {"choices": [], "value": None, "__type__": "update"},
        ]
    assert handlers.show(study, response) == ["", "", None]


def test_what_cannot_be_opened_is_not_asked_about(work: StudyWork, store: Store) -> None:
    handlers = study_opening._Handlers(work)
    study = telling(store, "休息。")
    assert "1 题、2 个回答、0 位评分者" in handlers.ask_opening(study)
    for answer in answers_to_check(store, study.id):
        handlers.deciding("excluded")(study, answer.response, "", answer.response)
    with pytest.raises(StorageError, match="1 question"):
        handlers.ask_opening(study)
    with pytest.raises(StorageError) as refused:
        handlers.ask_opening(new_study(store, name="开放"))
    assert refused.value.code == "study_opened"


def test_unblinding_is_asked_about_a_locked_study_only(work: StudyWork, store: Store) -> None:
    study = new_study(store, name="开放")
    handlers = study_close._Handlers(work)
    with pytest.raises(StorageError) as refused:
        handlers.ask_unblinding(study)
    assert refused.value.code == "study_not_locked"
    assert "“开放”" in handlers.ask_unblinding(lock_study(store, study.id, "anna"))


# -- questions from a file --


def csv_file(tmp_path: Path, text: str) -> str:
    file = tmp_path / "questions.csv"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_questions_are_previewed_and_added(work: StudyWork, store: Store, tmp_path: Path) -> None:
    study = create_study(store, "草稿", 7)
    file = csv_file(
        tmp_path, "编号,问题,科室,模型甲\nk1,感冒怎么办？,内科,多喝水\nk2,头疼呢？,内科,休息\n"
    )
    handlers = study_questions._Handlers(work)
    *dropdowns, preview = handlers.open(study, file)
    assert [each.get("value") for each in dropdowns] == ["问题", "编号", "科室", "", []]
    assert "2 行可以添加（UTF-8）" in preview
    assert "没有用到的列：模型甲" in preview
    (preview,) = handlers.preview(study, file, "问题", "编号", "科室", "", ["模型甲"])
    assert "没有用到的列" not in preview
    handlers.add(study, file, "问题", "编号", "科室", "", ["模型甲"])
    first, second = list_questions(store, study.id)
    assert (first.question_id, first.text, first.category) == ("k1", "感冒怎么办？", "内科")
    (answer,) = responses_of(store, second)
    assert (answer.model, answer.text, answer.provenance) == ("模型甲", "休息", {"source": "file"})
    handlers.remove(study, ["k1"])
    assert [each.question_id for each in list_questions(store, study.id)] == ["k2"]


def test_the_same_questions_are_not_added_twice(work, store: Store, tmp_path: Path) -> None:
    study = create_study(store, "草稿", 7)
    file = csv_file(tmp_path, "问题\n感冒怎么办？\n头疼呢？\n")
    handlers = study_questions._Handlers(work)
    handlers.add(study, file, "问题", "", "", "", [])
    with pytest.raises(PageError, match="2 of these questions are in the study"):
        handlers.add(study, file, "问题", "", "", "", [])
    assert len(list_questions(store, study.id)) == 2


def test_one_row_at_fault_and_nothing_is_added(work, store: Store, tmp_path: Path) -> None:
    study = create_study(store, "草稿", 7)
    file = csv_file(tmp_path, f"id,question\n1,感冒怎么办？\n2,\n1,{EVIL}\n")
    handlers = study_questions._Handlers(work)
    preview = handlers.open(study, file)[-1]
    assert "第 3 行" in preview
    assert "第 4 行" in preview
    assert "<img" not in preview
    with pytest.raises(PageError, match="Rows at fault: 2"):
        handlers.add(study, file, "question", "id", "", "", [])
    assert list_questions(store, study.id) == []


def test_a_file_without_a_question_column_asks_for_one(work, store, tmp_path: Path) -> None:
    study = create_study(store, "草稿", 7)
    file = csv_file(tmp_path, "甲,乙\n1,2\n")
    handlers = study_questions._Handlers(work)
    assert "请选择哪一列是问题" in handlers.open(study, file)[-1]
    with pytest.raises(PageError, match="Choose the column"):
        handlers.add(study, file, None, "", "", "", [])
    with pytest.raises(PageError, match="Choose a file first"):
        handlers.add(study, None, "甲", "", "", "", [])


# -- design --


def test_a_design_is_saved_and_the_guide_only_where_it_is_another(work, store) -> None:
    study = create_study(store, "草稿", 7)
    handlers = study_design._Handlers(work)
    overlap, shown, repeats, zh, en = handlers.fill(study)
    assert (overlap, shown, repeats) == (None, "together", 0)
    assert "安全性" in zh
    assert "Not acceptable" in en
    handlers.save(study, 3.0, "singly", 2.0, zh, "# Mine")
    saved = get_study(store, study.id)
    assert (saved.raters_per_answer, saved.one_by_one, saved.repeats) == (3, True, 2)
    assert (saved.guide_zh, saved.guide_en) == ("", "# Mine")
    with pytest.raises(PageError, match="whole number"):
        handlers.save(study, 2.5, "singly", 0, zh, en)


def test_practice_is_added_from_the_built_in_file_and_from_an_own(work, store, tmp_path) -> None:
    study = create_study(store, "草稿", 7)
    handlers = study_design._Handlers(work)
    handlers.add_built_in(study)
    assert "3" in handlers.draw(study)[0]
    with pytest.raises(PageError, match="are in the study already"):
        handlers.add_built_in(study)
    header = "question,answer,safety,usability,fluency,why\n"
    handlers.load(study, csv_file(tmp_path, f"{header}问,答,1,2,3,因为\n"))
    assert "4" in handlers.draw(study)[0]
    with pytest.raises(BadInput, match="must be 1, 2 or 3"):
        handlers.load(study, csv_file(tmp_path, f"{header}问,答,1,2,4,因为\n"))
    handlers.clear(study)
    assert list_questions(store, study.id, "practice") == []


def test_a_guide_can_fetch_and_link_nothing() -> None:
    html = guide_html(
        "# 说明\n\n![x](http://192.0.2.1/a.png) [y](http://192.0.2.1) <b>z</b>\n\n- 一"
    )
    assert "<h1>说明</h1>" in html
    assert "<li>一</li>" in html
    for tag in ("<img", "<a ", "<b>"):
        assert tag not in html


# -- a closer look --


def test_the_board_tells_agreement_disputes_and_signs_without_a_model(work, store) -> None:
    study = new_study(store, questions=1)
    for rater, safety in zip(new_raters(store, study, 2), (1, 3), strict=True):
        for answer in answers_shown_to(store, rater):
            save_ratings(store, rater.id, [entry(answer.item, answer.item, (safety, 2, 2))])
    (html,) = study_board._Handlers(work).closer(study)
    assert "r01" in html
    assert "尚未安排" in html
    assert not [model for model in MODELS if model in html]
    assert study_board._Handlers(work).draw(study)[3].count("r01") == html.count("r01")
    handed = study_board._Handlers(work).adjudicate(study)
    assert "尚未安排" in handed[0], "nobody is left who has not seen it"


def test_a_large_study_shows_its_board_before_the_closer_look(work, store, monkeypatch) -> None:
    monkeypatch.setattr(study_board, "COUNTED_AT_ONCE", 0)
    study = new_study(store, questions=1)
    handlers = study_board._Handlers(work)
    (rater,) = new_raters(store, study, 1)
    *_, wanted = handlers.draw(study)
    assert handlers.follow(wanted)[3] == "", "nothing is rated"
    for answer in answers_shown_to(store, rater):
        save_ratings(store, rater.id, [entry(answer.item, answer.item)])
    told, *_, wanted = handlers.draw(study)
    assert "0 / 1" in told, "what was shown last"
    assert wanted[0] == study.name, "its change begins the count"
    counted, *_, told, look = handlers.follow(wanted)
    assert "1 / 1" in counted
    assert "正在计算" in told
    assert look[0] == study.name, "its change begins the look"
    (looked,) = handlers.follow_closer(look)
    assert "r01" in looked
    assert handlers.follow(wanted)[3:] == [looked, study_board.NOTHING], "shown again for a while"
    assert handlers.draw(study)[0] == counted


def test_a_large_study_that_nobody_has_looked_at_says_that_it_counts(
    work, store, monkeypatch
) -> None:
    monkeypatch.setattr(study_board, "COUNTED_AT_ONCE", 0)
    study = new_study(store, questions=1)
    new_raters(store, study, 1)
    told, *rest, wanted = study_board._Handlers(work).draw(study)
    assert "正在统计" in told
    assert rest == ["", "", "", study_board.NOTHING]
    assert wanted[0] == study.name


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
