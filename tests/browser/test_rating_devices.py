"""The rating page on two devices, where replies are slow, and the server has forgotten."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from app_server import AppServer
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from rating_steps import (
    RatedStudy,
    current,
    cut_off,
    enter,
    expect_asked,
    expect_nothing_asked,
    expect_question,
    expect_saved,
    expect_scores,
    keep_current,
    look_again,
    look_away,
    reconnect,
    score,
    set_lock,
    use_others,
    write_comment,
)

from storage import AssignedAnswer, Scores, read_worklist

pytestmark = pytest.mark.browser

BENT = """
const fetched = window.fetch;
window.held = {};
const released = new Promise((done) => { window.letGo = done; });
window.fetch = async (path, options) => {
    const part = Object.keys(window.held).find((part) => String(path).includes(part));
    if (window.held[part] === "before") await released;
    const answer = await fetched(path, options);
    if (window.held[part] === "after") await released;
    return answer;
};
"""
"""Requests whose addresses have a part are held, before they go or after they were answered."""


@pytest.fixture
def bent(context: BrowserContext) -> Page:
    context.add_init_script(BENT)
    return context.new_page()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN")
    yield context.new_page()
    context.close()


def test_what_is_begun_while_the_page_looks_stays(bent: Page, phone: Page, app, study) -> None:
    enter(bent, app, study.token)
    enter(phone, app, study.token)
    score(phone, "A", 2, 2, 2)
    expect_saved(phone, "A")
    bent.evaluate("held['/state/'] = 'after'")
    look_again(bent)
    score(bent, "A", 3, 1)
    write_comment(bent, "typed meanwhile")
    bent.locator("#question-title").focus()
    bent.evaluate("letGo()")
    expect_asked(bent, "A", "安全性", "✓ 2 可接受", "3 好", "实用性", "1 不可接受")
    expect(bent.locator("#comment-A")).to_have_value("typed meanwhile")
    use_others(bent, "A")
    expect_scores(bent, "A", 3, 1, 2)
    expect_saved(bent, "A")
    assert current(study) == Scores(3, 1, 2)
    assert answer_of(study).comment == "typed meanwhile"


def test_a_digit_stays_with_the_answer_whose_text_is_drawn_again(
    page: Page, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    enter(phone, app, study.token)
    page.locator("#text-B").click()
    score(phone, "B", 2, 2, 2)
    expect_saved(phone, "B")
    look_again(page)
    expect_scores(page, "B", 2, 2, 2)
    assert page.evaluate("document.activeElement.id") == "text-B"
    page.keyboard.press("3")
    expect(page.locator("#state-A")).to_contain_text("未评分")
    expect(page.locator("#scale-A-safety [aria-pressed=true]")).to_have_count(0)


def test_marks_of_another_device_leave_the_focus_where_it_is(
    page: Page, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    enter(phone, app, study.token)
    page.locator("#text-B").click()
    score(phone, "B", 2, 2, 2)
    phone.locator("#answer-B .more summary").click()
    phone.locator("#text-B").evaluate("text => getSelection().selectAllChildren(text)")
    phone.locator("#answer-B .chip", has_text="有害").click()
    expect_saved(phone, "B")
    look_again(page)
    expect(page.locator("#text-B mark")).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == "text-B"


def test_a_page_that_was_fetched_later_than_its_own_save_shows_what_it_brought(
    bent: Page, context: BrowserContext, phone: Page, app, study
) -> None:
    enter(bent, app, study.token)
    enter(phone, app, study.token)
    look_away(phone.context)
    cut_off(context)
    score(bent, "A", 1, 1, 1)
    bent.locator("#rating-next").click()
    expect_question(bent, 2)
    bent.evaluate("held['/page/1'] = 'before'")
    bent.locator("#rating-previous").click()
    with bent.expect_response("**/rating/save"):
        reconnect(context)
    assert study.log() == [(1, 1, 1)]
    score(phone, "A", 3, 3, 3)
    use_others(phone, "A")
    expect_scores(phone, "A", 3, 3, 3)
    expect_saved(phone, "A")
    bent.evaluate("letGo()")
    expect_question(bent, 1)
    assert current(study) == Scores(3, 3, 3)
    expect_scores(bent, "A", 3, 3, 3)


def test_a_selection_does_not_grow_when_its_text_is_drawn_again(
    page: Page, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    enter(phone, app, study.token)
    for each in (page, phone):
        each.locator("#answer-A .more summary").click()
    select(page, 8, beyond=True)
    select(phone, 0)
    phone.locator("#answer-A .chip", has_text="错误").last.click()
    score(phone, "A", 2, 2, 2)
    expect_saved(phone, "A")
    look_again(page)
    expect(page.locator("#text-A mark")).to_have_count(1)
    page.locator("#answer-A .chip", has_text="有害").click()
    page.wait_for_timeout(500)
    assert [span.kind for span in answer_of(study).spans] == ["wrong"]


def select(page: Page, start: int, *, beyond: bool = False) -> None:
    page.locator("#text-A").evaluate(
        """(text, [start, beyond]) => {
            const range = document.createRange();
            range.setStart(text.firstChild, start);
            if (beyond) range.setEnd(document.querySelector("#answer-A .scales"), 0);
            else range.setEnd(text.firstChild, start + 3);
            getSelection().removeAllRanges();
            getSelection().addRange(range);
        }""",
        [start, beyond],
    )


def answer_of(study: RatedStudy) -> AssignedAnswer:
    return read_worklist(study.store, study.raters[0].id)[0].answers[0]


@pytest.mark.parametrize("away", [False, True], ids=["here", "away"])
def test_what_was_merged_and_then_refused_is_kept(
    page: Page, context: BrowserContext, phone: Page, app, study, away: bool
) -> None:
    look_away(context)
    enter(page, app, study.token)
    score(page, "A", 1, 1, 1)
    expect_saved(page, "A")
    enter(phone, app, study.token)
    write_comment(phone, "from the phone")
    phone.locator("#question-title").focus()
    expect_saved(phone, "A")
    cut_off(context)
    page.locator("#scale-A-fluency .score-3").click()
    if away:
        page.locator("#rating-next").click()
        expect_question(page, 2)
    asked: list[Route] = []

    def only_once(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.continue_()
        else:
            route.abort()

    context.route("**/rating/save", only_once)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    while len(asked) < 2:
        page.wait_for_timeout(50)
    set_lock(study, "2026")
    context.unroute("**/rating/save")
    reconnect(context)
    if away:
        expect(page.locator("#rating .announcement").first).to_contain_text("没有保存")
    else:
        expect(page.locator("#state-A")).to_contain_text("没有保存")
        page.reload()
        expect_scores(page, "A", 1, 1, 3)
    set_lock(study, None)
    page.reload()
    if away:
        page.locator("#rating-previous").click()
        expect_question(page, 1)
    expect_scores(page, "A", 1, 1, 3)
    expect_saved(page, "A")
    assert current(study) == Scores(1, 1, 3)
    assert answer_of(study).comment == "from the phone"


def test_a_slow_page_takes_no_other_tabs_save_for_a_lost_one(
    bent: Page, context: BrowserContext, app, study
) -> None:
    enter(bent, app, study.token)
    slow = context.new_page()
    slow.goto(f"{app.url}/rate/")
    expect(slow.locator("#answer-A")).to_be_visible()
    slow.locator("#rating-next").click()
    expect_question(slow, 2)
    slow.evaluate("held['/page/1'] = 'after'")
    slow.locator("#rating-previous").click()
    score(bent, "A", 1, 1, 1)
    expect_saved(bent, "A")
    write_comment(bent, "typed on")
    slow.evaluate("letGo()")
    expect_question(slow, 1)
    bent.locator("#question-title").focus()
    expect_saved(bent, "A")
    slow.wait_for_timeout(1000)
    look_again(slow)
    for each in (bent, slow):
        expect_scores(each, "A", 1, 1, 1)
        expect(each.locator("#comment-A")).to_have_value("typed on")
        expect_nothing_asked(each, "A")
    assert answer_of(study).comment == "typed on"


# -- a server that knows less than it did --


def in_memory(path: Path) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:")
    with closing(sqlite3.connect(path)) as source:
        source.backup(copy)
    return copy


def put_back(app: AppServer, study: RatedStudy, older: sqlite3.Connection) -> None:
    app.stop()
    for path in study.store.path.parent.glob(f"{study.store.path.name}*"):
        path.unlink()
    with closing(older), closing(sqlite3.connect(study.store.path)) as file:
        older.backup(file)
    app.start()


def test_what_an_older_database_has_lost_is_not_thrown_away(page: Page, app, study) -> None:
    enter(page, app, study.token)
    score(page, "A", 1, 1, 1)
    expect_saved(page, "A")
    older = in_memory(study.store.path)
    score(page, "A", 3, 3, 3)
    expect_scores(page, "A", 3, 3, 3)
    expect_saved(page, "A")
    score(page, "B", 2, 2, 2)
    expect_saved(page, "B")
    put_back(app, study, older)
    page.locator("#scale-A-fluency .score-1").click()
    expect_asked(page, "A", "安全性", "✓ 1 不可接受", "3 好", "实用性")
    look_again(page)
    expect_asked(page, "B", "安全性", "✓ 未填写", "2 可接受")
    use_others(page, "B")
    expect_saved(page, "B")
    expect_scores(page, "B", 2, 2, 2)
    assert study.log()[-1] == (2, 2, 2)


def test_a_remark_upon_lost_scores_is_kept_and_the_scores_are_asked_about(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    older = in_memory(study.store.path)
    score(page, "A", 3, 3, 3)
    expect_saved(page, "A")
    cut_off(context)
    write_comment(page, "remark")
    page.locator("#rating-next").click()
    expect_question(page, 2)
    put_back(app, study, older)
    reconnect(context)
    expect(page.locator("#rating .announcement").first).to_contain_text("第 1 题", timeout=60_000)
    page.locator("#rating-previous").click()
    expect_question(page, 1)
    expect(page.locator("#comment-A")).to_have_value("remark")
    expect(page.locator("#state-A")).to_contain_text("还差")
    expect_asked(page, "A", "安全性", "✓ 未填写", "3 好")
    use_others(page, "A")
    expect_saved(page, "A")
    assert current(study) == Scores(3, 3, 3)
    assert answer_of(study).comment == "remark"


def test_lost_scores_are_asked_about_when_their_question_is_opened_again(
    page: Page, app, study
) -> None:
    enter(page, app, study.token)
    older = in_memory(study.store.path)
    score(page, "A", 3, 3, 3)
    expect_saved(page, "A")
    page.locator("#rating-next").click()
    expect_question(page, 2)
    put_back(app, study, older)
    page.locator("#rating-previous").click()
    expect_question(page, 1)
    expect_asked(page, "A", "安全性", "✓ 未填写", "3 好")
    keep_current(page, "A")
    page.locator("#rating-next").click()
    expect_question(page, 2)
    page.locator("#rating-previous").click()
    expect_question(page, 1)
    expect_nothing_asked(page, "A")


def test_lost_scores_are_asked_about_though_another_device_has_gone_on(
    page: Page, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    score(page, "A", 1, 1, 1)
    expect_saved(page, "A")
    older = in_memory(study.store.path)
    score(page, "A", 3, 3, 3)
    expect_scores(page, "A", 3, 3, 3)
    expect_saved(page, "A")
    put_back(app, study, older)
    enter(phone, app, study.token)
    phone.locator("#scale-A-fluency .score-2").click()
    expect_saved(phone, "A")
    look_again(page)
    expect_scores(page, "A", 1, 1, 2)
    expect_asked(page, "A", "安全性", "✓ 1 不可接受", "3 好", "流畅性", "✓ 2 可接受")
