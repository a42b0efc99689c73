"""The rating page in a real Chromium: by mouse and by keyboard, with bad luck, and blind."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from app_server import AppServer
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from rating_steps import (
    MODELS,
    RatedStudy,
    enter,
    expect_asked,
    expect_nothing_asked,
    expect_question,
    expect_saved,
    expect_scores,
    keep_current,
    look_again,
    look_away,
    score,
    set_lock,
    use_others,
)

from storage import (
    Scores,
    Store,
    history,
    invite_raters,
    read_worklist,
    renew_link,
    revoke_link,
    verify,
)

pytestmark = pytest.mark.browser


def test_a_rater_tells_who_they_are_once_and_agrees(page: Page, app: AppServer, study) -> None:
    (invitation,) = invite_raters(study.store, study.study.id, 1)
    page.goto(f"{app.url}/r/{invitation.token}")
    page.locator("#rating-start").click()
    expect(page.locator("#answer-A")).not_to_be_visible()
    page.locator("input[name=specialty]").fill("消化内科")
    page.locator("input[name=years]").fill("12")
    page.locator("input[name=agreed]").check()
    page.locator("#rating-start").click()
    expect(page.locator("#answer-A")).to_be_visible()
    page.goto(f"{app.url}/rate/")
    expect(page.locator("#answer-A")).to_be_visible()
    with study.store.connect() as db:
        row = db.execute(
            "SELECT specialty, years, consent_text, consent_at FROM raters WHERE label = 'r02'"
        ).fetchone()
    assert row[:2] == ("消化内科", 12)
    assert "自愿" in row[2]
    assert row[3]


def test_an_answer_is_saved_with_its_third_score_and_not_before(page, app, study) -> None:
    enter(page, app, study.token)
    expect(page.locator("#text-A")).to_contain_text("<b>")
    score(page, "A", 3, 2)
    expect(page.locator("#state-A")).to_contain_text("还差：流畅性")
    assert study.log() == []
    score(page, "B", 1, 1, 1)
    expect_saved(page, "B")
    assert study.log() == [(1, 1, 1)]
    expect_scores(page, "B", 1, 1, 1)
    page.locator("#scale-A-fluency .score-1").click()
    expect_saved(page, "A")
    assert study.log() == [(1, 1, 1), (3, 2, 1)]


def test_the_keyboard_alone_scores_and_goes_on(page: Page, app: AppServer, study) -> None:
    enter(page, app, study.token)
    for key in "321123":
        page.keyboard.press(key)
    expect_saved(page, "A")
    expect_saved(page, "B")
    assert sorted(study.log()) == [(1, 2, 3), (3, 2, 1)]
    page.keyboard.press("ArrowRight")
    expect_question(page, 2)
    page.keyboard.press("ArrowLeft")
    expect_question(page, 1)
    expect_scores(page, "A", 3, 2, 1)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("快捷键")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("u")
    expect_question(page, 2)


def test_a_rater_comes_back_on_another_device_to_the_same_question(
    browser: Browser, page: Page, app: AppServer, study
) -> None:
    enter(page, app, study.token)
    score(page, "A", 2, 2, 2)
    expect_saved(page, "A")
    page.locator("#rating-next").click()
    expect_question(page, 2)
    phone = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    try:
        other = phone.new_page()
        enter(other, app, study.token)
        expect_question(other, 2)
        score(other, "B", 3, 3, 3)
        expect_saved(other, "B")
        other.locator("#rating-previous").click()
        expect(other.locator("#state-A")).to_have_text(re.compile(r"^已保存 \d\d:\d\d:\d\d$"))
        expect_scores(other, "A", 2, 2, 2)
        width = other.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, "the page must not scroll sideways on a phone"
    finally:
        phone.close()
    assert study.log() == [(2, 2, 2), (3, 3, 3)]


def test_a_score_is_changed_and_the_old_one_kept(page: Page, app: AppServer, study) -> None:
    enter(page, app, study.token)
    score(page, "A", 1, 1, 1)
    expect_saved(page, "A")
    page.locator("#scale-A-safety .score-3").click()
    expect(page.locator("#state-A")).to_contain_text("已保存")
    page.locator("#rating-next").click()
    expect_question(page, 2)
    assert study.log() == [(1, 1, 1), (3, 1, 1)]


def test_comment_flags_marks_and_skipping_reach_the_log(page: Page, app: AppServer, study) -> None:
    enter(page, app, study.token)
    score(page, "A", 2, 2, 2)
    page.locator("#answer-A .more summary").click()
    page.locator("#answer-A input[value=dangerous]").check()
    page.locator("#comment-A").fill("=剂量\n不对 😀")
    page.locator("#text-A").evaluate(
        """(place) => {
          const text = place.firstChild;
          const start = text.data.indexOf('多喝水');
          getSelection().setBaseAndExtent(text, start, text, start + 3);
        }"""
    )
    page.locator("#answer-A").get_by_role("button", name="错误", exact=True).click()
    expect(page.locator("#text-A mark.wrong")).to_have_text("多喝水")
    expect_saved(page, "A")
    page.locator("#answer-B .more summary").click()
    page.locator("#skip-B").select_option("outside_specialty")
    expect(page.locator("#state-B")).to_contain_text("已跳过 · 已保存")
    first, second = read_worklist(study.store, study.raters[0].id)[0].answers
    assert first.flags == ("dangerous",)
    assert first.comment == "=剂量\n不对 😀"
    (span,) = first.spans
    assert [*first.text][span.start : span.end] == [*"多喝水"]
    assert second.skipped == "outside_specialty"
    page.reload()
    expect(page.locator("#text-A mark.wrong")).to_have_text("多喝水")
    expect(page.locator("#comment-A")).to_have_value("=剂量\n不对 😀")


# -- bad luck --


def test_without_a_network_scores_wait_in_the_browser_and_are_sent_later(
    page: Page, context: BrowserContext, app: AppServer, study
) -> None:
    enter(page, app, study.token)
    context.set_offline(True)
    score(page, "A", 3, 2, 1)
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    score(page, "B", 1, 1, 1)
    score(page, "B", 2)
    assert study.log() == []
    context.set_offline(False)
    expect_saved(page, "A")
    expect_saved(page, "B")
    assert study.log() == [(3, 2, 1), (2, 1, 1)]


def test_what_was_not_sent_survives_closing_the_page(
    page: Page, context: BrowserContext, app: AppServer, study
) -> None:
    enter(page, app, study.token)
    context.route("**/rating/save", lambda route: route.abort())
    score(page, "A", 3, 2, 1)
    score(page, "B", 2)
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    page.close()
    context.unroute("**/rating/save")
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect_saved(again, "A")
    expect_scores(again, "A", 3, 2, 1)
    expect(again.locator("#scale-B-safety .score-2")).to_have_attribute("aria-pressed", "true")
    assert study.log() == [(3, 2, 1)]


def test_what_is_saved_while_its_question_is_fetched_is_shown_as_saved(
    page: Page, context: BrowserContext, app: AppServer, study
) -> None:
    """What waited from the last time is sent at once, and may overtake the question."""
    enter(page, app, study.token)
    context.route("**/rating/save", lambda route: route.abort())
    score(page, "A", 3, 2, 1)
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    page.close()
    context.unroute("**/rating/save")

    held: list[Route] = []

    def overtaken(route: Route) -> None:
        before = route.fetch()
        held.pop().continue_()
        deadline = time.monotonic() + 120
        while not study.log() and time.monotonic() < deadline:
            time.sleep(0.05)
        route.fulfill(response=before)

    context.route("**/rating/save", lambda route: held.append(route))
    context.route("**/rating/page/*", overtaken)
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect_saved(again, "A")
    expect_scores(again, "A", 3, 2, 1)
    assert study.log() == [(3, 2, 1)]


def test_an_answer_that_never_came_is_asked_for_again_and_written_once(
    page: Page, context: BrowserContext, app: AppServer, study
) -> None:
    """The server has saved, but its answer is lost on the way: three times."""
    lost: list[str] = []

    def lose(route: Route) -> None:
        if len(lost) < 3:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    context.route("**/rating/save", lose)
    enter(page, app, study.token)
    score(page, "A", 2, 3, 2)
    expect_saved(page, "A")
    assert len(lost) == 3
    assert study.log() == [(2, 3, 2)]


def test_over_a_kill_and_a_restart_nothing_is_lost_or_doubled(page: Page, tmp_path: Path) -> None:
    with AppServer(tmp_path / "medchat.db", log=tmp_path / "app.log") as own:
        study = RatedStudy(own.db, "kill")
        enter(page, own, study.token)
        score(page, "A", 1, 2, 3)
        expect_saved(page, "A")
        own.kill()
        score(page, "B", 3, 3, 3)
        expect(page.locator("#state-B")).to_contain_text("正在重试")
        own.start()
        expect_saved(page, "B")
        assert study.log() == [(1, 2, 3), (3, 3, 3)]
        assert verify(Store(own.db)) == []


def test_of_two_tabs_of_one_rater_neither_undoes_the_other_unasked(
    context: BrowserContext, app: AppServer, study
) -> None:
    look_away(context)
    old, new = context.new_page(), context.new_page()
    for tab in (old, new):
        enter(tab, app, study.token)
    score(new, "A", 3, 3, 3)
    expect_saved(new, "A")
    score(old, "B", 1, 2, 3)
    expect_saved(old, "B")
    assert study.log() == [(3, 3, 3), (1, 2, 3)], "the old tab must not undo the new one"
    score(old, "A", 2, 2, 2)
    expect_scores(old, "A", 3, 3, 3)
    use_others(old, "A")
    expect_saved(old, "A")
    answer = read_worklist(study.store, study.raters[0].id)[0].answers[0]
    assert answer.current == Scores(2, 2, 2)
    assert len(history(study.store, study.raters[0].id, answer.item)) == 2


def test_a_withdrawn_link_is_said_and_saves_nothing_more(page: Page, app, study) -> None:
    enter(page, app, study.token)
    revoke_link(study.store, study.study.id, "r01")
    score(page, "A", 2, 2, 2)
    expect(page.locator("#rating .announcement")).to_contain_text("重新打开您的个人评分链接")
    assert study.log() == []
    page.goto(f"{app.url}/r/{study.token}")
    expect(page.locator("body")).to_contain_text("已被收回")


@pytest.mark.parametrize("token", ["guessed", "..", "%00", "a" * 3000, "链接"])
def test_a_link_that_nobody_was_given_opens_nothing(page: Page, app, study, token: str) -> None:
    page.goto(f"{app.url}/r/{token}")
    expect(page.locator("#answer-A")).to_have_count(0)


def test_a_locked_study_can_be_looked_at_and_not_changed(page: Page, app, study) -> None:
    enter(page, app, study.token)
    score(page, "A", 2, 2, 2)
    expect_saved(page, "A")
    with study.store.transaction() as db:
        db.execute("UPDATE studies SET locked_at = '2026' WHERE id = ?", [study.study.id])
    page.locator("#scale-A-safety .score-1").click()
    expect(page.locator("#state-A")).to_contain_text("没有保存：研究已锁定")
    expect(page.locator("#rating .announcement")).to_contain_text("研究已锁定")
    expect(page.locator("#scale-B-safety .score-1")).to_be_disabled()
    page.reload()
    expect(page.locator("#rating .announcement")).to_contain_text("研究已锁定")
    expect(page.locator("#scale-A-safety .score-1")).to_be_disabled()
    assert study.log() == [(2, 2, 2)]


def test_a_page_that_lies_open_learns_of_the_lock(page: Page, app, study) -> None:
    enter(page, app, study.token)
    expect(page.locator("#scale-A-safety .score-1")).to_be_enabled()

    set_lock(study, "2026")
    look_again(page)
    expect(page.locator("#rating .announcement")).to_contain_text("研究已锁定")
    expect(page.locator("#scale-A-safety .score-1")).to_be_disabled()
    set_lock(study, None)
    look_again(page)
    score(page, "A", 2, 2, 2)
    expect_saved(page, "A")


def test_what_a_lock_refused_is_kept_and_sent_when_the_study_is_reopened(
    page: Page, app, study
) -> None:
    enter(page, app, study.token)
    score(page, "A", 2, 2, 2)
    expect_saved(page, "A")
    set_lock(study, "2026")
    page.locator("#scale-A-safety .score-1").click()
    expect(page.locator("#state-A")).to_contain_text("没有保存：研究已锁定")
    page.reload()
    expect(page.locator("#state-A")).to_contain_text("没有保存：研究已锁定")
    expect_scores(page, "A", 1, 2, 2)
    assert study.log() == [(2, 2, 2)]
    set_lock(study, None)
    look_again(page)
    expect_saved(page, "A")
    assert study.log() == [(2, 2, 2), (1, 2, 2)]


def hold_saves(page: Page) -> Callable[[], None]:
    """Let saves be under way until the returned function is called."""
    held: list[Route] = []
    released: list[bool] = []
    page.route("**/rating/save", lambda r: r.continue_() if released else held.append(r))

    def release() -> None:
        released.append(True)
        for route in held:
            route.continue_()

    return release


def test_a_refused_save_of_another_question_is_said_and_its_place_is_open(
    page: Page, app, study
) -> None:
    enter(page, app, study.token)
    release = hold_saves(page)
    score(page, "A", 1, 1, 1)
    score(page, "B", 2, 2, 2)
    page.locator("#rating-next").click()
    expect_question(page, 2)
    set_lock(study, "2026")
    release()
    expect(page.locator("#rating .announcement").first).to_contain_text("第 1 题的评分没有保存")
    expect(page.locator("#rating-banner")).to_contain_text("研究已锁定")
    expect(page.locator("#rating .place").first).to_have_class("place open")
    assert study.log() == []
    set_lock(study, None)
    look_again(page)  # what the lock had refused goes by itself
    expect(page.locator("#rating .place").first).to_have_class("place rated")
    deadline = time.monotonic() + 120
    while len(study.log()) < 2 and time.monotonic() < deadline:
        page.wait_for_timeout(50)  # the routes of this test go on meanwhile
    assert sorted(study.log()) == [(1, 1, 1), (2, 2, 2)]
    score(page, "A", 3, 3, 3)
    score(page, "B", 3, 3, 3)
    expect_saved(page, "B")
    expect(page.locator("#rating .progress-text")).to_contain_text("全部题目已评完")
    assert sorted(study.log()) == [(1, 1, 1), (2, 2, 2), (3, 3, 3), (3, 3, 3)]


def slowly(page: Page, address: str, milliseconds: int) -> None:
    """Answers come late; what is typed meanwhile is not kept waiting."""
    late = """(address, milliseconds) => {
        const ask = window.fetch;
        window.fetch = async (...of) => {
            if (String(of[0]).includes(address)) {
                await new Promise((done) => setTimeout(done, milliseconds));
            }
            return ask(...of);
        };
    }"""
    page.add_init_script(f"({late})({json.dumps(address)}, {milliseconds})")


def test_keys_typed_while_a_question_is_fetched_score_nothing(page: Page, app, study) -> None:
    slowly(page, "rating/page/2", 700)
    enter(page, app, study.token)
    page.keyboard.type("111222")
    page.keyboard.press("ArrowRight")
    page.keyboard.type("3333")
    page.locator("#scale-A-safety .score-3").click(force=True, no_wait_after=True)
    expect_question(page, 2)
    page.keyboard.type("333")
    expect_saved(page, "A")
    assert study.log() == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]


def test_a_key_behind_the_last_scale_scores_nothing(page: Page, app, study) -> None:
    enter(page, app, study.token)
    page.keyboard.type("1112223")
    expect(page.locator("#rating-next")).to_be_focused()
    expect_saved(page, "B")
    assert study.log() == [(1, 1, 1), (2, 2, 2)]
    page.keyboard.press("ArrowUp")
    page.keyboard.type("3")
    expect_saved(page, "B")
    page.keyboard.press("Enter")
    expect_question(page, 2)
    assert study.log() == [(1, 1, 1), (2, 2, 2), (2, 2, 3)]


def test_whoever_goes_on_with_a_question_is_not_taken_to_another(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    context.set_offline(True)
    page.locator("#rating-next").click()
    expect(page.locator("#rating .announcement")).to_contain_text("正在重试")
    score(page, "A", 1, 2, 3)
    drafts = page.evaluate(
        "Object.entries(localStorage).filter(([k]) => k.includes('-work-')).map(([, v]) => v)"
    )
    assert [each["place"] for each in json.loads(drafts[0]).values()] == [1]
    context.set_offline(False)
    expect_saved(page, "A")
    page.wait_for_timeout(1500)
    expect_question(page, 1)
    assert study.log() == [(1, 2, 3)]


def left_unsent(page: Page, context: BrowserContext, *scores: int) -> None:
    """Scores for A that cannot be sent, and the laptop is closed."""
    context.route("**/rating/save", lambda route: route.abort())
    score(page, "A", *scores)
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    page.close()
    context.unroute("**/rating/save")


@pytest.mark.parametrize("use", [True, False])
def test_a_score_that_was_never_sent_does_not_replace_one_of_another_device(
    context: BrowserContext, browser: Browser, app, study, use: bool
) -> None:
    laptop = context.new_page()
    enter(laptop, app, study.token)
    left_unsent(laptop, context, 1, 1, 1)
    phone = browser.new_context(locale="zh-CN").new_page()
    enter(phone, app, study.token)
    score(phone, "A", 3, 3, 3)
    expect_saved(phone, "A")
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect_asked(again, "A", "安全性", "✓ 3 好", "1 不可接受")
    expect_scores(again, "A", 3, 3, 3)
    expect_saved(again, "A")
    assert study.log() == [(3, 3, 3)]
    if use:
        use_others(again, "A")
    else:
        keep_current(again, "A")
    expect_nothing_asked(again, "A")
    expect_saved(again, "A")
    expect_scores(again, "A", *((1, 1, 1) if use else (3, 3, 3)))
    again.reload()
    expect(again.locator("#answer-A")).to_be_visible()
    expect_nothing_asked(again, "A")
    assert study.log() == ([(3, 3, 3), (1, 1, 1)] if use else [(3, 3, 3)])
    phone.context.close()


AWAY = 4200
"""Milliseconds without a sign of life, after which a page looks whether it is up to date."""


def test_a_comment_here_leaves_the_scores_that_were_changed_elsewhere(
    context: BrowserContext, browser: Browser, app, study
) -> None:
    here = context.new_page()
    enter(here, app, study.token)
    score(here, "A", 1, 1, 1)
    expect_saved(here, "A")
    elsewhere = browser.new_context(locale="zh-CN").new_page()
    enter(elsewhere, app, study.token)
    score(elsewhere, "A", 3, 3)
    expect_saved(elsewhere, "A")
    here.wait_for_timeout(AWAY)
    here.locator("#answer-A .more summary").click()
    expect_scores(here, "A", 3, 3, 1)
    here.locator("#comment-A").click()
    here.keyboard.type("1 mg ist 3 zu viel", delay=20)
    expect(here.locator("#comment-A")).to_have_value("1 mg ist 3 zu viel")
    here.locator("#rating-next").click()
    expect_question(here, 2)
    here.locator("#rating-previous").click()
    expect_question(here, 1)
    expect_scores(here, "A", 3, 3, 1)
    expect_saved(here, "A")
    rater = study.raters[0].id
    answer = read_worklist(study.store, rater)[0].answers[0]
    assert (answer.comment, answer.current) == ("1 mg ist 3 zu viel", Scores(3, 3, 1))
    assert study.log() == [(1, 1, 1), (3, 1, 1), (3, 3, 1), (3, 3, 1)]
    elsewhere.context.close()


def test_of_two_devices_at_once_what_the_rater_chose_counts_and_history_has_all(
    context: BrowserContext, browser: Browser, app, study
) -> None:
    here = context.new_page()
    enter(here, app, study.token)
    elsewhere = browser.new_context(locale="zh-CN").new_page()
    enter(elsewhere, app, study.token)
    look_away(elsewhere.context)
    score(here, "A", 1, 1, 1)
    expect_saved(here, "A")
    score(elsewhere, "A", 3, 3, 3)
    use_others(elsewhere, "A")
    expect_scores(elsewhere, "A", 3, 3, 3)
    expect_saved(elsewhere, "A")
    here.locator("#answer-A .more summary").click()
    here.locator("#comment-A").click()
    here.keyboard.type("dose ")
    here.wait_for_timeout(1500)
    here.keyboard.type("2 of 3 mg")
    expect(here.locator("#comment-A")).to_have_value("dose 2 of 3 mg")
    expect(here.locator("#comment-A")).to_be_focused()
    here.locator("#rating-next").click()
    expect_question(here, 2)
    here.reload()
    expect_question(here, 2)
    answer = read_worklist(study.store, study.raters[0].id)[0].answers[0]
    # The comment alone was entered here since.
    assert (answer.comment, answer.current) == ("dose 2 of 3 mg", Scores(3, 3, 3))
    assert study.log()[:2] == [(1, 1, 1), (3, 3, 3)]
    elsewhere.context.close()


def test_the_last_click_counts_though_the_answer_to_the_one_before_was_lost(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    score(page, "A", 1, 1, 1)
    expect_saved(page, "A")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    context.route("**/rating/save", lose)
    page.locator("#scale-A-safety .score-3").click()
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    context.unroute("**/rating/save")
    context.route("**/rating/save", lambda route: route.abort())
    page.locator("#scale-A-safety .score-1").click()
    page.close()
    context.unroute("**/rating/save")
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect_saved(again, "A")
    expect_scores(again, "A", 1, 1, 1)
    expect_nothing_asked(again, "A")
    assert study.log()[-1] == (1, 1, 1)


def test_over_a_lock_an_old_score_still_waits_for_the_raters_word(
    context: BrowserContext, browser: Browser, app, study
) -> None:
    laptop = context.new_page()
    enter(laptop, app, study.token)
    left_unsent(laptop, context, 1, 1, 1)
    phone = browser.new_context(locale="zh-CN").new_page()
    enter(phone, app, study.token)
    score(phone, "A", 3, 3, 3)
    expect_saved(phone, "A")
    set_lock(study, "2026")
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect_scores(again, "A", 3, 3, 3)
    expect_nothing_asked(again, "A")
    set_lock(study, None)
    look_again(again)
    expect_asked(again, "A", "安全性", "1 不可接受")
    again.locator("#answer-A .more summary").click()
    again.locator("#comment-A").fill("x")
    again.locator("#comment-A").blur()
    expect_saved(again, "A")
    use_others(again, "A")
    expect_scores(again, "A", 1, 1, 1)
    expect_saved(again, "A")
    assert study.log() == [(3, 3, 3), (3, 3, 3), (1, 1, 1)]
    phone.context.close()


def test_what_a_lock_refused_does_not_replace_what_was_saved_since(
    page: Page, browser: Browser, app, study
) -> None:
    enter(page, app, study.token)
    set_lock(study, "2026")
    score(page, "A", 2, 2, 2)
    expect(page.locator("#state-A")).to_contain_text("研究已锁定")
    set_lock(study, None)
    phone = browser.new_context(locale="zh-CN").new_page()
    enter(phone, app, study.token)
    score(phone, "A", 3, 3, 3)
    expect_saved(phone, "A")
    look_again(page)
    expect_asked(page, "A", "安全性", "✓ 3 好", "2 可接受")
    expect_scores(page, "A", 3, 3, 3)
    assert study.log() == [(3, 3, 3)]
    phone.context.close()


def test_what_this_browser_sent_itself_is_never_somebody_elses(
    page: Page, context: BrowserContext, app, study
) -> None:
    """The first save arrives late, its answer never; the one after it was made before that."""
    enter(page, app, study.token)
    late: list[str] = []

    def lose(route: Route) -> None:
        if not late:
            late.append(route.request.post_data or "")
        route.abort()

    context.route("**/rating/save", lose)
    score(page, "A", 1, 1, 1)
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    page.locator("#scale-A-safety .score-3").click()
    page.wait_for_timeout(2500)
    answer = page.request.post(
        f"{app.url}/rating/save", data=late[0], headers={"Content-Type": "application/json"}
    )
    assert answer.ok
    page.close()
    context.unroute("**/rating/save")
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect_scores(again, "A", 3, 1, 1)
    expect_saved(again, "A")
    expect_nothing_asked(again, "A")
    assert study.log() == [(1, 1, 1), (3, 1, 1)]


def test_the_text_of_a_half_rated_answer_in_another_tab_is_not_lost(
    context: BrowserContext, app, study
) -> None:
    half, whole = context.new_page(), context.new_page()
    for tab in (half, whole):
        enter(tab, app, study.token)
    score(half, "A", 1)
    half.locator("#answer-A .more summary").click()
    half.locator("#comment-A").fill("long text")
    expect(half.locator("#state-A")).to_contain_text("还差")
    score(whole, "A", 3, 3, 3)
    expect_saved(whole, "A")
    expect(whole.locator("#comment-A")).to_have_value("long text")
    half.reload()
    expect(half.locator("#comment-A")).to_have_value("long text")
    expect_asked(half, "A", "安全性", "✓ 3 好", "1 不可接受")
    expect_scores(half, "A", 3, 3, 3)
    expect(half.locator("#rating .place").first).to_have_class("place open")
    half.locator("#asked-A .current").click()
    expect_nothing_asked(half, "A")
    assert study.log() == [(3, 3, 3)]


def test_whoever_leaves_while_a_question_is_fetched_is_not_shown_it(page: Page, app, study) -> None:
    slowly(page, "rating/page/2", 900)
    enter(page, app, study.token)
    page.locator("#rating-next").click()
    page.locator("#rating-leave").click()
    expect(page.locator("#rating-link")).to_be_visible()
    page.wait_for_timeout(1500)
    expect(page.locator("#rating-link")).to_be_visible()
    expect(page.locator(".coordinators a")).to_have_attribute("href", "/sign-in")


def test_a_page_that_is_looked_at_again_shows_what_was_saved_elsewhere(
    context: BrowserContext, browser: Browser, app, study
) -> None:
    here = context.new_page()
    enter(here, app, study.token)
    elsewhere = browser.new_context(locale="zh-CN").new_page()
    enter(elsewhere, app, study.token)
    score(elsewhere, "A", 2, 3, 1)
    expect_saved(elsewhere, "A")
    score(here, "B", 1)
    look_again(here)
    expect_scores(here, "A", 2, 3, 1)
    expect_saved(here, "A")
    expect(here.locator("#state-B")).to_contain_text("还差")
    elsewhere.context.close()


def test_two_tabs_that_both_send_the_same_scoring_write_it_once(
    page: Page, context: BrowserContext, app, study
) -> None:
    other = context.new_page()
    enter(other, app, study.token)
    other.locator("#rating-next").click()
    expect_question(other, 2)
    enter(page, app, study.token)
    expect_question(page, 2)
    page.locator("#rating-previous").click()
    expect_question(page, 1)
    release = hold_saves(page)
    score(page, "A", 1, 2, 3)
    expect(page.locator("#state-A")).to_contain_text("正在保存")
    other.locator("#rating-previous").click()
    expect_saved(other, "A")
    release()
    expect_saved(page, "A")
    assert study.log() == [(1, 2, 3)]


def test_closing_the_keys_with_escape_gives_the_keyboard_back(page: Page, app, study) -> None:
    enter(page, app, study.token)
    page.keyboard.press("?")
    expect(page.locator("#rating dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#rating dialog")).to_have_count(0)
    page.keyboard.type("321")
    expect_saved(page, "A")
    assert study.log() == [(3, 2, 1)]


def test_a_session_that_is_over_is_said_at_the_answer_and_nothing_is_lost(
    page: Page, app, study
) -> None:
    enter(page, app, study.token)
    renewed = renew_link(study.store, study.study.id, "r01")
    score(page, "A", 3, 2, 1)
    expect(page.locator("#state-A")).to_contain_text("没有保存；内容已留在本机")
    expect(page.locator("#rating .announcement")).to_contain_text("重新打开您的个人评分链接")
    enter(page, app, renewed.token)
    expect_saved(page, "A")
    assert study.log() == [(3, 2, 1)]


def test_a_refusal_that_is_not_the_apps_own_is_tried_again(page: Page, app, study) -> None:
    refused: list[str] = []

    def proxy(route: Route) -> None:
        if len(refused) < 2:
            refused.append(route.request.url)
            route.fulfill(status=429, body="<h1>Too many requests</h1>")
        else:
            route.continue_()

    page.route("**/rating/save", proxy)
    enter(page, app, study.token)
    score(page, "A", 3, 2, 1)
    expect_saved(page, "A")
    assert len(refused) == 2
    assert study.log() == [(3, 2, 1)]


@pytest.mark.parametrize("kept", ["null", '{"zzz": null}', "[1]", '{"a": {"body": {}}}', "{", "7"])
def test_a_damaged_store_of_the_browser_does_not_close_the_page(
    page: Page, app, study, kept: str
) -> None:
    enter(page, app, study.token)
    score(page, "A", 3)
    page.evaluate(
        """kept => {
            for (const name of Object.keys(localStorage)) {
                localStorage.setItem(name, kept);
                for (const earlier of ["-outbox-", "-drafts-", "-rivals-"]) {
                    localStorage.setItem(name.replace("-work-", earlier), kept);
                }
            }
        }""",
        kept,
    )
    page.reload()
    score(page, "A", 3, 2, 1)
    expect_saved(page, "A")
    assert study.log() == [(3, 2, 1)]


def test_time_on_an_answer_goes_on_from_what_was_saved(page: Page, app, study) -> None:
    enter(page, app, study.token)
    page.wait_for_timeout(1500)
    page.keyboard.type("111")
    expect_saved(page, "A")
    page.locator("#rating-next").click()
    expect_question(page, 2)
    page.locator("#rating-previous").click()
    expect_question(page, 1)
    page.wait_for_timeout(300)
    page.locator("#scale-A-safety .score-3").click()
    expect_saved(page, "A")
    item = read_worklist(study.store, study.raters[0].id)[0].answers[0].item
    first, second = [each.active_seconds for each in history(study.store, study.raters[0].id, item)]
    assert first is not None
    assert second is not None
    assert first >= 1.2
    assert second > first


def test_looking_for_a_lock_is_no_visit(page: Page, context: BrowserContext, app, study) -> None:
    enter(page, app, study.token)
    page.locator("#rating-next").click()
    expect_question(page, 2)

    def last() -> tuple[int, str]:
        with study.store.connect() as db:
            return db.execute("SELECT last_place, last_seen_at FROM raters").fetchone()

    with study.store.transaction() as db:
        db.execute("UPDATE raters SET last_place = 1, last_seen_at = '2026-01-01T00:00:00+00:00'")
    with page.expect_response("**/rating/state/*"):
        look_again(page)
    page.wait_for_timeout(300)
    assert last()[0] == 1
    assert last()[1].startswith("2026-01-01")


def test_a_comment_that_is_being_typed_stays_where_it_is_over_a_lock(
    page: Page, app, study
) -> None:
    enter(page, app, study.token)
    score(page, "A", 2, 2, 2)
    expect_saved(page, "A")
    page.locator("#answer-A .more summary").click()
    page.locator("#comment-A").click()
    page.keyboard.type("剂量")
    expect(page.locator("#state-A")).to_contain_text("已保存")
    set_lock(study, "2026")
    look_again(page)
    expect(page.locator("#rating-banner")).to_contain_text("研究已锁定")
    page.keyboard.type("u1")  # no keys of the page
    expect_question(page, 1)
    set_lock(study, None)
    look_again(page)
    expect(page.locator("#rating-banner")).to_have_count(0)
    page.keyboard.type("不对")
    expect(page.locator("#comment-A")).to_have_value("剂量不对")
    expect_saved(page, "A")
    assert study.log()[-1] == (2, 2, 2)


def test_a_page_does_not_go_on_under_another_raters_name(
    context: BrowserContext, app: AppServer, request: pytest.FixtureRequest
) -> None:
    study = RatedStudy(app.db, request.node.name, raters=2)
    mine, other = context.new_page(), context.new_page()
    enter(mine, app, study.token)
    enter(other, app, study.invitations[1].token)
    score(mine, "A", 1, 1, 1)
    expect(mine.locator("#rating .announcement")).to_contain_text("另一个评分链接")
    assert (study.log(0), study.log(1)) == ([], [])
    mine.locator("#rating-next").click()
    expect(mine.locator("#rating .announcement")).to_contain_text("另一个评分链接")
    expect(mine.locator("#answer-A")).to_have_count(0)
    score(other, "A", 3, 3, 3)
    expect_saved(other, "A")
    enter(mine, app, study.token)
    expect_saved(mine, "A")
    assert (study.log(0), study.log(1)) == ([(1, 1, 1)], [(3, 3, 3)])


def test_an_old_draft_gives_way_to_what_was_saved_elsewhere_since(
    context: BrowserContext, browser: Browser, app: AppServer, study
) -> None:
    page = context.new_page()
    enter(page, app, study.token)
    score(page, "A", 1)  # half a draft
    expect(page.locator("#state-A")).to_contain_text("还差")
    elsewhere = browser.new_context(locale="zh-CN")
    second = elsewhere.new_page()
    enter(second, app, study.token)
    score(second, "A", 3, 3, 3)
    expect_saved(second, "A")
    elsewhere.close()
    page.reload()
    expect_saved(page, "A")
    expect_scores(page, "A", 3, 3, 3)
    assert study.log() == [(3, 3, 3)]


def test_what_is_changed_while_a_save_is_under_way_is_kept(page: Page, app, study) -> None:
    enter(page, app, study.token)
    release = hold_saves(page)
    score(page, "A", 2, 2, 2)
    page.locator("#answer-A .more summary").click()
    page.locator("#skip-A").select_option("other")
    page.locator("#scale-A-safety .score-1").click()
    page.locator("#scale-A-usability .score-1").click()
    release()
    expect_saved(page, "A")
    page.reload()
    expect_scores(page, "A", 1, 1, 2)
    assert study.log()[-1] == (1, 1, 2)


def test_the_start_page_of_who_is_no_rater_reports_no_error(page: Page, app) -> None:
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.goto(f"{app.url}/rate/")
    expect(page.locator("#rating-link")).to_be_visible()
    assert [each for each in errors if "401" in each] == []


# -- what a rater's browser gets --


def test_nothing_that_a_rater_receives_names_a_model(
    context: BrowserContext, app: AppServer, study
) -> None:
    received: list[bytes] = []

    def note(response) -> None:
        received.append(response.url.encode())
        received.append(json.dumps(response.headers).encode())
        if response.status not in (301, 302, 303, 307, 308, 204):
            received.append(response.body())

    with study.store.transaction() as db:
        db.execute("UPDATE raters SET remark = 'the-quick-one'")
    page = context.new_page()
    page.on("requestfinished", lambda request: note(request.response()))
    enter(page, app, study.token)
    for number in (1, 2):
        expect_question(page, number)
        score(page, "A", 1, 2, 3)
        score(page, "B", 3, 2, 1)
        expect_saved(page, "A")
        expect_saved(page, "B")
        if number == 1:
            page.locator("#rating-next").click()
    expect(page.locator("#rating-next")).to_be_disabled()
    expect(page.locator("#rating-end")).to_contain_text("全部题目已评完")
    expect(page.locator("#rating .progress-text")).to_contain_text("全部题目已评完")
    page.wait_for_load_state("networkidle")
    traffic = b"\n".join(received)
    assert len(received) > 20
    assert "回答1".encode() in traffic
    with study.store.connect() as db:
        responses = [row[0] for row in db.execute("SELECT id FROM responses")]
        provenance = ["finish_reason", "provenance", "tokens_per_second"]
    hidden = [*MODELS, *responses, *provenance, "the-quick-one"]
    assert [word for word in hidden if word.encode() in traffic] == []


@pytest.mark.parametrize("path", ["/rate/", "/en/rate/"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible(context: BrowserContext, app, study, path, theme) -> None:
    page = context.new_page()
    enter(page, app, study.token)
    page.goto(f"{app.url}{path}?__theme={theme}")
    expect(page.locator("#answer-A")).to_be_visible()
    score(page, "A", 1, 2, 3)
    expect(page.locator("#state-A")).to_contain_text(re.compile("已保存|Saved"))
    page.locator("#answer-B .more summary").click()
    page.locator("#rating .guide summary").click()
    found = Axe().run(page, context="#rating").response["violations"]
    serious = [
        (each["id"], [node["html"][:120] for node in each["nodes"]][:3])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []
