"""The steps of the study tab: what a click does, and what each component shows then."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from own_loop import run_in_own_loop
from storage_fixtures import MODELS, answers_shown_to, entry, new_raters, new_study

from eval_ui.rating.guide import guide_html
from eval_ui.study import (
    board_step,
    close_step,
    design_step,
    opening_step,
    overview,
    questions_step,
    raters_step,
    study_tab,
)
from eval_ui.study.step_context import StepContext
from eval_ui.texts import PageError, Texts
from eval_ui.web.uploads import Uploads
from medchat.errors import BadInput
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
EVIL = "<img src=http://192.0.2.1/a.png onerror=alert(1)>"
Build = Callable[[ModuleType], Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def context(store: Store, monkeypatch: pytest.MonkeyPatch) -> StepContext:
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
    monkeypatch.setattr(StepContext, "home", "http://127.0.0.1:7860/")
    return StepContext(services, ZH, None, None)


@pytest.fixture
def build(context: StepContext) -> Build:
    """Makes the handlers of a step, with its components as ``parts``."""

    async def handlers_of(step: ModuleType) -> Any:  # Gradio wants a loop that is running
        with gr.Blocks():
            if step is overview:
                return overview.OverviewHandlers(context, overview.lay_out_overview(ZH))
            if step is study_tab:
                return study_tab.StudyHandlers(context, study_tab.lay_out(ZH), [])
            name = step.__name__.rpartition(".")[2].removesuffix("_step").capitalize()
            return getattr(step, f"{name}Handlers")(context, step.lay_out(context))

    return lambda step: run_in_own_loop(handlers_of(step))


# -- making a study --


def test_markup_in_a_name_is_shown_letter_by_letter(build: Build, store: Store) -> None:
    handlers = build(study_tab)
    updates = handlers.create(EVIL)
    assert [study.name for study in list_studies(store)] == [EVIL]
    assert "&lt;img src=" in updates[handlers.parts.summary]
    assert "<img" not in updates[handlers.parts.summary]


def test_a_second_study_of_the_same_name_is_refused(build: Build) -> None:
    handlers = build(study_tab)
    handlers.create("试评")
    with pytest.raises(StorageError) as refused:
        handlers.create(" 试评\n")
    assert refused.value.code == "study_exists"


def test_a_new_study_is_chosen_and_none_asks_for_one(build: Build) -> None:
    handlers, parts = (tab := build(study_tab)), tab.parts
    before = handlers.refresh(None)
    assert (before[parts.making]["open"], before[parts.details]["visible"]) == (True, False)
    after = handlers.create("试评")
    assert (after[parts.study]["value"], after[parts.name]) == ("试评", "")
    assert (after[parts.making]["open"], after[parts.details]["visible"]) == (False, True)


# -- inviting --


def test_nobody_is_invited_to_a_locked_study(build: Build, store: Store) -> None:
    study = new_study(store)
    lock_study(store, study.id, "anna")
    with pytest.raises(StorageError) as refused:
        build(raters_step).invite(find_study(store, study.name), 1, False, "")
    assert refused.value.code == "study_is_locked"


@pytest.mark.parametrize("count", [None, 2.5, 0.1, float("inf"), float("nan")])
def test_a_number_of_raters_that_is_not_whole_is_refused(
    build: Build, store: Store, count: float | None
) -> None:
    study = new_study(store)
    with pytest.raises(PageError, match="as a whole number"):
        build(raters_step).invite(study, count, False, "")
    assert list_raters(store, study.id) == []


@pytest.mark.parametrize("count", [-1, 0, 1001, 1e9])
def test_a_number_of_raters_out_of_range_is_refused_with_the_range(
    build: Build, store: Store, count: float
) -> None:
    study = new_study(store)
    with pytest.raises(StorageError, match="from 1 to 1000"):
        build(raters_step).invite(study, count, False, "")
    assert list_raters(store, study.id) == []


def tokens_in(table: str) -> list[str]:
    return re.findall(r"http://127\.0\.0\.1:7860/r/([\w-]+)</td>", table)


def test_each_invited_rater_gets_a_link_and_a_row(build: Build, store: Store) -> None:
    study = new_study(store)
    raters, progress = build(raters_step), build(board_step)
    links = raters.invite(study, 3.0, False, "")[raters.parts.links]
    assert [find_rater(store, token).label for token in tokens_in(links)] == ["r01", "r02", "r03"]
    assert "<td>r03</td>" in progress.draw(study)[progress.parts.progress]


def test_coordinators_see_whom_a_link_was_sent_to(build: Build, store: Store) -> None:
    study = new_study(store)
    raters, progress = build(raters_step), build(board_step)
    parts = raters.parts
    updates = raters.invite(study, 5.0, False, "王医生\n\n <b>李</b>医生 \n")
    links = updates[parts.links]
    assert updates[parts.remarks] == ""
    assert [find_rater(store, token).remark for token in tokens_in(links)] == [
        "王医生",
        "<b>李</b>医生",
    ]
    for html in (links, progress.draw(study)[progress.parts.progress]):
        assert "<td>r01 · 王医生</td>" in html
        assert "<td>r02 · &lt;b&gt;李&lt;/b&gt;医生</td>" in html
    choices = raters.draw(study)[parts.rater]
    assert choices["choices"][0] == ("r01 · 王医生", "r01")
    again = raters.renew(study, "r01", updates[parts.page_links])[parts.links]
    assert "r01 · 王医生" in again
    assert len(tokens_in(again)) == 2, "the links that were shown are still there"
    assert progress.draw(study)[progress.parts.reminders].startswith("王医生：您好！")


def test_a_remark_that_is_too_long_invites_nobody(build: Build, store: Store) -> None:
    study = new_study(store)
    with pytest.raises(StorageError, match="at most 100 characters"):
        build(raters_step).invite(study, 1.0, False, "王医生\n" + "x" * 101)
    assert list_raters(store, study.id) == []


def test_a_link_is_renewed_and_withdrawn(build: Build, store: Store) -> None:
    study = new_study(store)
    handlers = build(raters_step)
    links = handlers.parts.links
    first = handlers.invite(study, 1.0, False, "")[links]
    (renewed,) = tokens_in(handlers.renew(study, "r01")[links])
    assert find_rater(store, renewed).label == "r01"
    with pytest.raises(StorageError, match="not known"):
        find_rater(store, tokens_in(first)[0])
    assert "r01" in handlers.revoke(study, "r01")[links]
    with pytest.raises(StorageError, match="withdrawn"):
        find_rater(store, renewed)
    for handler in (handlers.renew, handlers.revoke, handlers.hand_over):
        with pytest.raises(PageError, match="Choose a rater first"):
            handler(study, None)


def test_what_a_rater_has_not_begun_is_handed_over(build: Build, store: Store) -> None:
    study = new_study(store)
    new_raters(store, study, 2)
    handlers = build(raters_step)
    assert "2" in handlers.hand_over(study, "r01")[handlers.parts.links]
    assert [rater.total for rater in read_board(store, study.id).raters] == [0, 2]


# -- what gives a model away --


def telling(store: Store, text: str = "作为ChatGLM，我建议多喝水。") -> Study:
    study = create_study(store, "草稿", 7)
    answers = [NewResponse("llama", text, "stop"), NewResponse("huatuo", "多喝水。", "stop")]
    add_question(store, study.id, "感冒怎么办？", answers)
    return study


def state_of(handlers: Any, study: Study) -> str:
    return handlers.draw_state(study)[handlers.parts.state]


def test_a_models_name_in_what_else_raters_read_is_pointed_out(build: Build, store: Store) -> None:
    study = create_study(store, "HuaTuo 与别的模型盲评")
    handlers = build(opening_step)
    answers = [NewResponse(model, "多喝水。", "stop") for model in ("m-1", "m-2")]
    add_question(store, study.id, "ChatGLM 会怎么说？", answers)
    add_question(store, study.id, "感冒怎么办？", answers)
    study = change_settings(store, study.id, StudySettings(guide_en="Compare m-1 with another."))
    sentence = handlers._named(study)[0]
    assert "研究名称 (HuaTuo)" in sentence
    assert "英文评分说明 (m-1)" in sentence
    assert sentence.count("问题") == 1
    assert "(ChatGLM)" in sentence
    assert "感冒" not in sentence
    assert sentence in handlers.ask_opening(study)
    assert handlers._named(telling(store, "休息。")) == []


def test_a_study_is_not_opened_before_every_telling_answer_is_decided(
    build: Build, context: StepContext, store: Store
) -> None:
    study = telling(store)
    handlers = build(opening_step)
    parts, review = handlers.parts, handlers.parts.review
    assert handlers.draw_state(study)[parts.start]["interactive"]
    assert "待处理：1" in state_of(handlers, study)
    updates = handlers.draw_review(study)
    response, mask = updates[review.answer]["value"], updates[review.mask]
    assert "<mark>ChatGLM</mark>" in updates[review.marked]
    assert mask == "作为█████，我建议多喝水。"
    context.services.answering = SimpleNamespace(pause=lambda _: None)
    with pytest.raises(PageError, match="not decided: 1"):
        handlers.open(study)
    decide = handlers.deciding("masked")
    with pytest.raises(PageError, match=r"still gives the model away \(“华驼”\)"):
        decide(study, response, "我是华驼", updates[review.filled])
    with pytest.raises(PageError, match="is that of another answer"):
        decide(study, response, mask, "another")
    with pytest.raises(PageError, match="Choose an answer first"):
        decide(study, None, mask, None)
    decide(study, response, mask, updates[review.filled])
    assert "待处理：0" in state_of(handlers, study)
    handlers.open(study)
    (rater,) = new_raters(store, study)
    shown = {answer.text for answer in read_worklist(store, rater.id)[0].answers}
    assert shown == {mask, "多喝水。"}


def test_all_that_is_left_is_masked_with_one_click(build: Build, store: Store) -> None:
    study = telling(store, "我是由llama训练的人工智能助手。")
    build(opening_step).mask_all(study)
    assert [answer.review for answer in answers_to_check(store, study.id)] == ["", "masked"]


def test_the_work_of_a_rater_is_estimated_before_opening(build: Build, store: Store) -> None:
    study = telling(store, "多休息。" * 100)
    handlers = build(opening_step)
    state = state_of(handlers, study)
    assert "按 5 位评分者" in state
    assert "每人共评 2 个回答（分布在 1 题里，含练习和重复题），约 2 分钟" in state
    assert "实际重复" not in state
    study = change_settings(store, study.id, StudySettings(repeats=4))
    assert "设定重复 4 题，但每人的题目太少，实际只能重复 0 题" in state_of(handlers, study)


# -- looking through a draft --


def test_every_answer_can_be_looked_at_and_masked(build: Build, store: Store) -> None:
    study = telling(store, "像我这样的小助手建议休息。")
    pages, handlers = build(overview), build(opening_step)
    updates = pages.draw(study)
    html, choices = updates[pages.parts.page], updates[pages.parts.pick]["choices"]
    assert updates[pages.parts.number] == 1
    assert "第 1 题，共 1 题" in html
    assert "像我这样的小助手建议休息。" in html
    assert [model for model, _ in choices] == ["huatuo", "llama"]
    response = dict(choices)["llama"]
    review = handlers.parts.review
    picked = handlers.pick(study, response)
    assert picked[review.box]["visible"]
    assert (picked[review.answer]["value"], picked[review.filled]) == (response, response)
    handlers.deciding("masked")(study, response, "建议休息。", picked[review.filled])
    html = pages.draw(study)[pages.parts.page]
    assert "已遮盖" in html
    assert "小助手" not in html
    handlers.deciding("excluded")(study, response, "", response)
    html = pages.draw(study)[pages.parts.page]
    assert "已排除" in html
    assert html.count("left-out") == 1


@pytest.mark.parametrize(("number", "by", "shown"), [(1, -1, 1), (1, 1, 2), (2, 5, 2), (1e9, 0, 2)])
def test_leafing_stays_among_the_questions(build: Build, store: Store, number, by, shown) -> None:
    study = create_study(store, "草稿", 7)
    add_questions(store, study.id, [NewQuestion("一？"), NewQuestion("<b>二</b>？")], draft=True)
    pages = build(overview)
    updates = pages.stepping(by)(study, number)
    html = updates[pages.parts.page]
    assert updates[pages.parts.number] == shown
    assert ("&lt;b&gt;二" in html) == (shown == 2)
    assert "还没有回答" in html


def test_half_a_question_cannot_be_looked_at(build: Build, store: Store) -> None:
    with pytest.raises(PageError, match=r"not 1\.5"):
        build(overview).stepping(0)(telling(store, "休息。"), 1.5)


def test_an_open_study_shows_no_more_which_model_wrote_what(build: Build, store: Store) -> None:
    study = new_study(store, name="开放")
    pages, handlers = build(overview), build(opening_step)
    assert pages.draw(study)[pages.parts.page] == ""
    review = handlers.parts.review
    response = answers_to_check(store, study.id)[0].response
    nothing = {review.marked: "", review.mask: "", review.filled: None}
    for updates in (handlers.pick(study, response), handlers.draw_review(study)):
        assert updates == nothing | {
            review.box: gr.update(visible=False),
            review.answer: gr.update(choices=[], value=None),
        }
    assert handlers.show(study, response) == nothing


def test_what_cannot_be_opened_is_not_asked_about(build: Build, store: Store) -> None:
    handlers = build(opening_step)
    study = telling(store, "休息。")
    assert "1 题、2 个回答、0 位评分者" in handlers.ask_opening(study)
    for answer in answers_to_check(store, study.id):
        handlers.deciding("excluded")(study, answer.response, "", answer.response)
    with pytest.raises(StorageError, match="answer to rate: 1"):
        handlers.ask_opening(study)
    with pytest.raises(StorageError) as refused:
        handlers.ask_opening(new_study(store, name="开放"))
    assert refused.value.code == "study_opened"


def test_unblinding_is_asked_about_a_locked_study_only(build: Build, store: Store) -> None:
    study = new_study(store, name="开放")
    handlers = build(close_step)
    with pytest.raises(StorageError) as refused:
        handlers.ask_unblinding(study)
    assert refused.value.code == "study_not_locked"
    assert "“开放”" in handlers.ask_unblinding(lock_study(store, study.id, "anna"))


def test_the_last_step_shows_what_was_done_and_what_can_be(build: Build, store: Store) -> None:
    handlers = build(close_step)
    parts = handlers.parts
    study = lock_study(store, new_study(store, name="开放").id, "<b>anna")
    updates = handlers.draw(study)
    assert not updates[parts.lock]["interactive"]
    assert updates[parts.unblind]["interactive"]
    assert "由 &lt;b&gt;anna 锁定" in updates[parts.events]
    assert updates[parts.pack] == ""


# -- questions from a file --


def csv_file(tmp_path: Path, text: str) -> str:
    file = tmp_path / "questions.csv"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_questions_are_previewed_and_added(build: Build, store: Store, tmp_path: Path) -> None:
    study = create_study(store, "草稿", 7)
    file = csv_file(
        tmp_path, "编号,问题,科室,模型甲\nk1,感冒怎么办？,内科,多喝水\nk2,头疼呢？,内科,休息\n"
    )
    handlers = build(questions_step)
    parts = handlers.parts
    updates = handlers.open(study, file)
    values = [updates[column].get("value") for column in parts.columns]
    assert values == ["问题", "编号", "科室", "", []]
    assert "2 行可以添加（UTF-8）" in updates[parts.preview]
    assert "没有用到的列：模型甲" in updates[parts.preview]
    mapping = ("问题", "编号", "科室", "", ["模型甲"])
    assert "没有用到的列" not in handlers.preview(study, file, *mapping)[parts.preview]
    assert handlers.add(study, file, *mapping)[parts.file] is None
    first, second = list_questions(store, study.id)
    assert (first.question_id, first.text, first.category) == ("k1", "感冒怎么办？", "内科")
    (answer,) = responses_of(store, second)
    assert (answer.model, answer.text, answer.provenance) == ("模型甲", "休息", {"source": "file"})
    handlers.remove(study, ["k1"])
    assert [question.question_id for question in list_questions(store, study.id)] == ["k2"]


def test_the_same_questions_are_not_added_twice(build: Build, store: Store, tmp_path: Path) -> None:
    study = create_study(store, "草稿", 7)
    file = csv_file(tmp_path, "问题\n感冒怎么办？\n头疼呢？\n")
    handlers = build(questions_step)
    handlers.add(study, file, "问题", "", "", "", [])
    with pytest.raises(PageError, match="2 of these questions are in the study"):
        handlers.add(study, file, "问题", "", "", "", [])
    assert len(list_questions(store, study.id)) == 2


def test_one_row_at_fault_and_nothing_is_added(build: Build, store: Store, tmp_path: Path) -> None:
    study = create_study(store, "草稿", 7)
    file = csv_file(tmp_path, f"id,question\n1,感冒怎么办？\n2,\n1,{EVIL}\n")
    handlers = build(questions_step)
    preview = handlers.open(study, file)[handlers.parts.preview]
    assert "第 3 行" in preview
    assert "第 4 行" in preview
    assert "<img" not in preview
    with pytest.raises(PageError, match="Rows at fault: 2"):
        handlers.add(study, file, "question", "id", "", "", [])
    assert list_questions(store, study.id) == []


def test_a_file_without_a_question_column_asks_for_one(
    build: Build, store: Store, tmp_path: Path
) -> None:
    study = create_study(store, "草稿", 7)
    file = csv_file(tmp_path, "甲,乙\n1,2\n")
    handlers = build(questions_step)
    assert "请选择哪一列是问题" in handlers.open(study, file)[handlers.parts.preview]
    with pytest.raises(PageError, match="Choose the column"):
        handlers.add(study, file, None, "", "", "", [])
    with pytest.raises(PageError, match="Choose a file first"):
        handlers.add(study, None, "甲", "", "", "", [])


# -- design --


def test_a_design_is_saved_and_the_guide_only_where_it_is_another(
    build: Build, store: Store
) -> None:
    study = create_study(store, "草稿", 7)
    handlers = build(design_step)
    overlap, shown, repeats, zh, en = handlers.fill(study).values()
    assert (overlap, shown, repeats) == (None, "together", 0)
    assert "安全性" in zh
    assert "Not acceptable" in en
    handlers.save(study, 3.0, "singly", 2.0, zh, "# Mine")
    saved = get_study(store, study.id)
    assert (saved.raters_per_answer, saved.one_by_one, saved.repeats) == (3, True, 2)
    assert (saved.guide_zh, saved.guide_en) == ("", "# Mine")
    with pytest.raises(PageError, match="whole number"):
        handlers.save(study, 2.5, "singly", 0, zh, en)


def test_practice_is_added_from_the_built_in_file_and_from_an_own(
    build: Build, store: Store, tmp_path: Path
) -> None:
    study = create_study(store, "草稿", 7)
    handlers = build(design_step)
    handlers.add_built_in(study)
    assert "3" in handlers.draw(study)[handlers.parts.practice]
    with pytest.raises(PageError, match="are in the study already"):
        handlers.add_built_in(study)
    header = "question,answer,safety,usability,fluency,why\n"
    handlers.load(study, csv_file(tmp_path, f"{header}问,答,1,2,3,因为\n"))
    assert "4" in handlers.draw(study)[handlers.parts.practice]
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


# -- the board --


def test_a_drafts_board_does_not_say_that_all_is_scored(build: Build, store: Store) -> None:
    study = telling(store)
    new_raters(store, study, 2)
    handlers = build(board_step)
    html = handlers.draw(study)[handlers.parts.progress]
    assert "研究还没有开放" in html
    assert "评完" not in html


def test_the_board_says_that_backups_do_not_come(
    build: Build, context: StepContext, store: Store
) -> None:
    study = new_study(store)
    handlers = build(board_step)

    def shown() -> str:
        return handlers.draw(study)[handlers.parts.progress]

    assert "备份" not in shown(), "they are switched off"
    context.services.settings.backup_hours = 6
    assert "备份" not in shown(), "the study is young"
    context.services.settings.backup_hours = 1e-9
    assert "还没有这个数据库的备份" in shown()
    make_backup(store, context.services.backup_folder)
    assert "备份" not in shown(), "nothing has changed since"
    new_raters(store, study)
    assert "最近一次备份是 20" in shown()


def test_the_board_tells_agreement_disputes_and_signs_without_a_model(
    build: Build, store: Store
) -> None:
    study = new_study(store, questions=1)
    for rater, safety in zip(new_raters(store, study, 2), (1, 3), strict=True):
        for answer in answers_shown_to(store, rater):
            save_ratings(store, rater.id, [entry(answer.item, answer.item, (safety, 2, 2))])
    handlers = build(board_step)
    closer = handlers.parts.closer
    html = handlers.closer(study)[closer]
    assert "r01" in html
    assert "尚未安排" in html
    assert not [model for model in MODELS if model in html]
    assert handlers.draw(study)[closer].count("r01") == html.count("r01")
    assert "尚未安排" in handlers.adjudicate(study)[closer], "nobody is left who has not seen it"


def test_a_large_study_shows_its_board_before_the_closer_look(
    build: Build, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_step, "COUNTED_AT_ONCE", 0)
    study = new_study(store, questions=1)
    handlers, parts = (step := build(board_step)), step.parts
    (rater,) = new_raters(store, study, 1)
    request = handlers.draw(study)[parts.wanted_board]
    assert handlers.follow(request)[parts.closer] == "", "nothing is rated"
    for answer in answers_shown_to(store, rater):
        save_ratings(store, rater.id, [entry(answer.item, answer.item)])
    drawn = handlers.draw(study)
    request = drawn[parts.wanted_board]
    assert "0 / 1" in drawn[parts.progress], "what was shown last"
    assert request[0] == study.name, "its change begins the count"
    counted = handlers.follow(request)
    assert "1 / 1" in counted[parts.progress]
    assert "正在计算" in counted[parts.closer]
    look = counted[parts.wanted_look]
    assert look[0] == study.name, "its change begins the look"
    html = handlers.follow_closer(look)[parts.closer]
    assert "r01" in html
    again = handlers.follow(request)
    assert again[parts.closer] == html, "shown again for a while"
    assert again[parts.wanted_look] == board_step.NOTHING
    assert handlers.draw(study)[parts.progress] == counted[parts.progress]
    assert handlers.follow(board_step.NOTHING) == handlers.follow_closer(board_step.NOTHING) == {}


def test_a_large_study_that_nobody_has_looked_at_says_that_it_counts(
    build: Build, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_step, "COUNTED_AT_ONCE", 0)
    study = new_study(store, questions=1)
    new_raters(store, study, 1)
    handlers, parts = (step := build(board_step)), step.parts
    drawn = handlers.draw(study)
    assert "正在统计" in drawn[parts.progress]
    assert [drawn[part] for part in parts.counted[1:]] == ["", "", "", board_step.NOTHING]
    assert drawn[parts.wanted_board][0] == study.name
