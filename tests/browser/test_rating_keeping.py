"""What the rating page keeps, and whose word counts, over crashes, tabs and devices."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rating_steps import (
    DIMENSIONS,
    RatedStudy,
    current,
    cut_off,
    enter,
    expect_asked,
    expect_nothing_asked,
    expect_saved,
    expect_scores,
    look_again,
    look_away,
    lose,
    reconnect,
    score,
    write_comment,
)

from storage import Scores, hand_over, invite_raters, read_worklist

pytestmark = pytest.mark.browser

NO_STORAGE = """
Object.defineProperty(window, "localStorage", { get() { throw new Error("none"); } });
"""
FULL = """
Storage.prototype.setItem = function () { throw new DOMException("full", "QuotaExceededError"); };
"""


# -- of what is kept here, the newer --


def test_a_draft_that_is_newer_than_what_waits_is_not_lost(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    cut_off(context)
    page.locator("#answer-A .more summary").click()
    page.locator("#skip-A").select_option("other")
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    score(page, "A", 3, 2)
    write_comment(page, "a long remark")
    page.reload()
    expect(page.locator("#comment-A")).to_have_value("a long remark")
    reconnect(context)
    expect(page.locator("#state-A")).to_contain_text("还差：流畅性")
    page.reload()
    expect(page.locator("#comment-A")).to_have_value("a long remark")
    page.locator("#scale-A-fluency .score-1").click()
    expect_saved(page, "A")
    assert study.log() == [(3, 2, 1)]


def test_a_comment_that_goes_on_while_its_beginning_waits_survives_a_crash(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    cut_off(context)
    score(page, "A", 3, 2, 1)
    write_comment(page, "ab")
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    page.wait_for_timeout(900)  # "ab" is handed in
    # As if the browser died before the pause in typing: nothing is handed in any more.
    page.evaluate("window.addEventListener('pagehide', (e) => e.stopImmediatePropagation(), true)")
    page.evaluate("document.querySelector('#comment-A').onblur = null")
    page.locator("#comment-A").press_sequentially(" and more", delay=0)
    page.close()
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect(again.locator("#comment-A")).to_have_value("ab and more")
    reconnect(context)
    expect_saved(again, "A")
    answer = read_worklist(study.store, study.raters[0].id)[0].answers[0]
    assert answer.comment == "ab and more"


def test_of_two_tabs_without_a_network_the_later_score_is_sent(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    other = context.new_page()
    other.goto(f"{app.url}/rate/")
    expect(other.locator("#answer-A")).to_be_visible()
    cut_off(context)
    score(page, "A", 1, 1, 1)
    other.wait_for_timeout(50)
    score(other, "A", 3, 3, 3)
    expect(other.locator("#state-A")).to_contain_text("正在重试")
    context.unroute("**/rating/save")
    page.evaluate("window.dispatchEvent(new Event('online'))")  # the tab with the earlier one first
    expect_saved(page, "A")
    expect_saved(other, "A")
    expect_scores(page, "A", 3, 3, 3)
    assert study.log() == [(3, 3, 3)]


def test_a_half_rated_answer_is_not_written_over_by_another_tab(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    other = context.new_page()
    other.goto(f"{app.url}/rate/")
    expect(other.locator("#answer-A")).to_be_visible()
    page.locator("#answer-A .more summary").click()
    page.locator("#answer-A input[value=dangerous]").check()
    score(page, "A", 1, 1)
    score(other, "A", 3)
    page.close()
    other.reload()
    expect_scores_so_far(other, {"safety": 3, "usability": 1})
    expect_asked(other, "A", "安全性", "✓ 3 好", "1 不可接受")
    other.locator("#asked-A .choice").last.click()
    expect_scores_so_far(other, {"safety": 1, "usability": 1})
    expect(other.locator("#answer-A input[value=dangerous]")).to_be_checked()


def expect_scores_so_far(page: Page, scores: dict[str, int]) -> None:
    for dimension, value in scores.items():
        chosen = page.locator(f"#scale-A-{dimension} .score-{value}")
        expect(chosen).to_have_attribute("aria-pressed", "true")


def test_a_tab_that_only_looks_on_asks_about_no_text_of_the_other(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    cut_off(context)
    score(page, "A", 3, 2, 1)
    write_comment(page, "abc")
    other = context.new_page()
    other.goto(f"{app.url}/rate/")
    expect(other.locator("#answer-A")).to_be_visible()
    write_comment(page, " def")
    reconnect(context)
    expect_saved(page, "A")
    expect_saved(other, "A")
    write_comment(page, " ghi")
    page.locator("#question-title").focus()
    expect_saved(page, "A")
    for each in (page, other):
        each.reload()
        expect(each.locator("#comment-A")).to_have_value("abc def ghi")
        expect_nothing_asked(each, "A")


def test_a_tab_that_chooses_otherwise_than_another_takes_nothing_away(
    page: Page, context: BrowserContext, app, study
) -> None:
    """Of what a page of an earlier version had asked about."""
    enter(page, app, study.token)
    score(page, "A", 3, 3, 3)
    expect_saved(page, "A")
    earlier = [
        {"scores": dict.fromkeys(DIMENSIONS, 3), "comment": f"opinion {n}", "skipped": ""}
        | {"flags": [], "spans": []}
        for n in (1, 2)
    ]
    leave_behind(page, study, rivals={"opinions": earlier, "place": 1})
    other = context.new_page()
    for each in (page, other):
        each.goto(f"{app.url}/rate/")
        expect_asked(each, "A", "✓ 未填写", "“opinion 1”", "“opinion 2”")
    look_away(context)
    page.locator("#asked-A .choice").nth(1).click()
    expect(page.locator("#comment-A")).to_have_value("opinion 1")
    expect_saved(page, "A")
    other.locator("#asked-A .choice").nth(2).click()
    expect_asked(other, "A", "评语", "✓ “opinion 1”", "“opinion 2”")
    expect(other.locator("#comment-A")).to_have_value("opinion 1")


def leave_behind(page: Page, study: RatedStudy, **kept: object) -> None:
    """What a page of an earlier version kept for answer A, by kind."""
    item = read_worklist(study.store, study.raters[0].id)[0].answers[0].item
    for kind, content in kept.items():
        name = f"medchat-{kind}-{study.study.id[:8]}-r01"
        page.evaluate(
            "([name, kept]) => localStorage.setItem(name, kept)",
            [name, json.dumps({item: content})],
        )


def test_what_a_page_of_an_earlier_version_has_kept_is_sent_or_asked_about(
    page: Page, phone: Page, app, study
) -> None:
    """A save whose reply was lost, and a draft that goes on from it; the phone has scored since."""
    enter(page, app, study.token)
    enter(phone, app, study.token)
    item = read_worklist(study.store, study.raters[0].id)[0].answers[0].item
    opinion = {"scores": dict.fromkeys(DIMENSIONS, 1), "skipped": "", "comment": ""}
    opinion |= {"flags": [], "spans": [], "seconds": 3}
    body = {"item": item, "key": "earlier-1", "base": ""} | opinion | {"active_seconds": 3}
    page.request.post(f"{app.url}/rating/save", data=body)
    expect(phone.locator("#answer-A")).to_be_visible()
    look_again(phone)
    expect_scores(phone, "A", 1, 1, 1)
    phone.locator("#scale-A-safety .score-3").click()
    expect_scores(phone, "A", 3, 1, 1)
    expect_saved(phone, "A")
    touched = {f"score {dimension}": 5 for dimension in DIMENSIONS} | {"comment": 9}
    waiting = {"body": body, "opinion": opinion, "touched": touched, "made": 5, "place": 1}
    draft = {"opinion": opinion | {"comment": "went on"}, "touched": touched, "base": ""}
    leave_behind(
        page,
        study,
        outbox=waiting | {"sent": {"earlier-1": 6}},
        drafts=draft | {"made": 9, "place": 1, "sent": {"earlier-1": 6}, "tab": "t"},
    )
    page.goto(f"{app.url}/rate/")
    expect(page.locator("#comment-A")).to_have_value("went on")
    expect_scores(page, "A", 3, 1, 1)
    expect_saved(page, "A")
    expect_nothing_asked(page, "A")
    assert study.log() == [(1, 1, 1), (3, 1, 1), (3, 1, 1)]
    names = page.evaluate("Object.keys(localStorage)")
    assert not [name for name in names if "outbox" in name or "drafts" in name]


# -- a browser that keeps nothing --


@pytest.mark.parametrize("broken", [NO_STORAGE, FULL], ids=["none", "full"])
def test_a_browser_that_keeps_nothing_is_not_said_to_keep_it(
    page: Page, context: BrowserContext, app, study, broken: str
) -> None:
    page.add_init_script(broken)
    enter(page, app, study.token)
    cut_off(context)
    score(page, "A", 3, 2, 1)
    expect(page.locator("#state-A")).to_contain_text("本机无法保存草稿，请不要关闭此页")
    reconnect(context)
    expect_saved(page, "A")
    assert study.log() == [(3, 2, 1)]


def test_a_browser_that_became_full_leaves_nothing_older_behind(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    cut_off(context)
    score(page, "A", 1, 1, 1)
    expect(page.locator("#state-A")).to_contain_text("内容已留在本机")
    # Less may still be written, as where there is no room for more.
    page.evaluate(
        """() => {
            const set = Storage.prototype.setItem;
            Storage.prototype.setItem = function (name, value) {
                if (value.length > 40) throw new DOMException("full", "QuotaExceededError");
                set.call(this, name, value);
            };
        }"""
    )
    page.locator("#scale-A-safety .score-3").click()
    expect(page.locator("#state-A")).to_contain_text("请不要关闭此页")
    page.on("dialog", lambda dialog: dialog.accept())
    again = context.new_page()
    page.close()
    reconnect(context)
    again.goto(f"{app.url}/rate/")
    expect(again.locator("#state-A")).to_contain_text("未评分")
    assert study.log() == []


# -- devices --


def test_only_what_was_changed_on_an_old_page_replaces_what_was_saved_since(
    page: Page, browser: Browser, app, study
) -> None:
    enter(page, app, study.token)
    score(page, "A", 1, 1, 1)
    expect_saved(page, "A")
    phone = browser.new_context(locale="zh-CN").new_page()
    enter(phone, app, study.token)
    page.locator("#scale-A-safety .score-3").click()
    expect(page.locator("#scale-A-safety .score-3")).to_have_attribute("aria-pressed", "true")
    expect_saved(page, "A")
    page.wait_for_timeout(300)
    phone.locator("#scale-A-fluency .score-2").click()
    expect_saved(phone, "A")
    expect_scores(phone, "A", 3, 1, 2)
    expect_nothing_asked(phone, "A")
    assert study.log() == [(1, 1, 1), (3, 1, 1), (3, 1, 2)]
    phone.context.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN")
    yield context.new_page()
    context.close()


def test_two_devices_are_merged_scale_by_scale(
    page: Page, context: BrowserContext, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    score(page, "A", 1, 1, 1)
    expect_saved(page, "A")
    cut_off(context)
    page.locator("#scale-A-safety .score-3").click()
    enter(phone, app, study.token)
    phone.locator("#scale-A-safety .score-2").click()
    expect(phone.locator("#scale-A-safety .score-2")).to_have_attribute("aria-pressed", "true")
    expect_saved(phone, "A")
    page.locator("#scale-A-fluency .score-3").click()
    reconnect(context)
    expect_saved(page, "A")
    expect_scores(page, "A", 2, 1, 3)
    assert current(study) == Scores(2, 1, 3)
    expect_asked(page, "A", "安全性", "✓ 2 可接受", "3 好")
    expect(page.locator("#asked-A .asked-field")).to_have_count(1)


def test_what_was_saved_without_an_answer_is_not_given_again(
    page: Page, context: BrowserContext, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    context.route("**/rating/save", lose)
    score(page, "A", 1, 1, 1)
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    context.unroute("**/rating/save")
    cut_off(context)
    enter(phone, app, study.token)
    phone.locator("#scale-A-safety .score-3").click()
    expect_saved(phone, "A")
    page.locator("#scale-A-fluency .score-2").click()
    reconnect(context)
    expect_saved(page, "A")
    expect_scores(page, "A", 3, 1, 2)
    assert study.log() == [(1, 1, 1), (3, 1, 1), (3, 1, 2)]
    expect_nothing_asked(page, "A")


def test_an_old_save_that_is_sent_again_is_not_shown_as_what_counts(
    page: Page, context: BrowserContext, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    context.route("**/rating/save", lose)
    score(page, "A", 1, 1, 1)
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    page.close()
    enter(phone, app, study.token)
    phone.locator("#scale-A-safety .score-3").click()
    expect_saved(phone, "A")
    assert current(study) == Scores(3, 1, 1)
    context.unroute("**/rating/save")
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect_saved(again, "A")
    expect_scores(again, "A", 3, 1, 1)
    again.wait_for_timeout(500)
    expect_scores(again, "A", 3, 1, 1)
    assert study.log() == [(1, 1, 1), (3, 1, 1)]


def test_a_click_on_a_score_that_is_shown_asks_whether_it_still_counts(
    page: Page, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    score(page, "A", 3, 1, 1)
    expect_saved(page, "A")
    enter(phone, app, study.token)
    score(phone, "A", 2)
    expect_scores(phone, "A", 2, 1, 1)
    expect_saved(phone, "A")
    score(page, "A", 3)
    expect_scores(page, "A", 2, 1, 1)
    score(page, "A", 3)
    expect_scores(page, "A", 3, 1, 1)
    expect_saved(page, "A")
    assert study.log() == [(3, 1, 1), (2, 1, 1), (3, 1, 1)]


def test_flags_and_comments_of_two_devices_stand_together(
    page: Page, context: BrowserContext, phone: Page, app, study
) -> None:
    """Where one skipped the answer, which the other then scored, the rater chooses."""
    look_away(context)
    enter(page, app, study.token)
    score(page, "A", 1, 1, 1)
    expect_saved(page, "A")
    enter(phone, app, study.token)
    phone.locator("#answer-A .more summary").click()
    phone.locator("#answer-A input[value=dangerous]").check()
    phone.locator("#comment-A").fill("phone")
    phone.locator("#skip-A").select_option("other")
    expect(phone.locator("#state-A")).to_contain_text("已跳过 · 已保存")
    expect(phone.locator("#scale-A-safety .score-1")).to_have_attribute("aria-pressed", "false")
    page.locator("#answer-A .more summary").click()
    page.locator("#scale-A-fluency .score-3").click()
    page.locator("#answer-A input[value=factual_error]").check()
    expect_asked(page, "A", "评分", "✓ 已跳过 · 其他原因", "流畅性 3")
    expect(page.locator("#state-A")).to_contain_text("已跳过 · 已保存")
    page.locator("#asked-A .choice").last.click()
    expect_nothing_asked(page, "A")
    expect_scores(page, "A", 1, 1, 3)
    expect_saved(page, "A")
    page.wait_for_timeout(300)
    answer = read_worklist(study.store, study.raters[0].id)[0].answers[0]
    assert answer.current == Scores(1, 1, 3)
    assert sorted(answer.flags) == ["dangerous", "factual_error"]
    assert answer.comment == "phone"
    expect(page.locator("#comment-A")).to_have_value("phone")


def test_a_newer_draft_of_another_tab_outlives_a_refused_entry(
    page: Page, context: BrowserContext, phone: Page, app, study
) -> None:
    enter(page, app, study.token)
    other = context.new_page()
    other.goto(f"{app.url}/rate/")
    expect(other.locator("#answer-A")).to_be_visible()
    cut_off(context)
    score(page, "A", 1, 1, 1)
    enter(phone, app, study.token)
    score(phone, "A", 3, 3, 3)
    expect_saved(phone, "A")
    write_comment(other, "of the other tab")
    context.unroute("**/rating/save")
    page.evaluate("window.dispatchEvent(new Event('online'))")
    expect(page.locator("#state-A")).to_contain_text("已保存")
    other.reload()
    expect(other.locator("#comment-A")).to_have_value("of the other tab")
    expect_saved(other, "A")
    answer = read_worklist(study.store, study.raters[0].id)[0].answers[0]
    assert (answer.current, answer.comment) == (Scores(3, 3, 3), "of the other tab")


def test_a_tab_whose_store_was_full_writes_over_no_others(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    other = context.new_page()
    other.goto(f"{app.url}/rate/")
    expect(other.locator("#answer-A")).to_be_visible()
    cut_off(context)
    page.evaluate(
        """() => {
            const set = Storage.prototype.setItem;
            window.room = () => { Storage.prototype.setItem = set; };
            Storage.prototype.setItem = () => { throw new DOMException("", "QuotaExceededError"); };
        }"""
    )
    score(page, "A", 3, 1, 1)
    expect(page.locator("#state-A")).to_contain_text("请不要关闭此页")
    score(other, "B", 2, 2, 2)
    expect(other.locator("#state-B")).to_contain_text("内容已留在本机")
    page.evaluate("window.room()")
    page.locator("#scale-A-safety .score-2").click()
    expect(page.locator("#state-A")).to_contain_text("内容已留在本机")
    other.close()
    again = context.new_page()
    again.goto(f"{app.url}/rate/")
    expect_scores(again, "B", 2, 2, 2)
    reconnect(context)
    expect_saved(again, "B")
    expect_saved(page, "A")
    assert sorted(study.log()) == [(2, 1, 1), (2, 2, 2)]


def test_what_was_handed_over_is_still_saved_from_a_page_that_is_open(
    page: Page, context: BrowserContext, app, study
) -> None:
    """Also when the first save arrives without an answer, and the score is changed then."""
    invite_raters(study.store, study.study.id, 1)
    enter(page, app, study.token)
    hand_over(study.store, study.study.id, "r01", "anna")
    context.route("**/rating/save", lose)
    score(page, "A", 1, 1, 1)
    expect(page.locator("#state-A")).to_contain_text("正在重试")
    context.unroute("**/rating/save")
    page.locator("#scale-A-safety .score-3").click()
    expect_saved(page, "A")
    assert study.log() == [(1, 1, 1), (3, 1, 1)]


# -- hands --


def test_a_key_that_is_held_down_scores_once(page: Page, app, study) -> None:
    enter(page, app, study.token)
    for _ in range(8):
        page.keyboard.down("3")  # the first one, and the browser's own repeats
    page.keyboard.up("3")
    expect_scores_so_far(page, {"safety": 3})
    expect(page.locator("#state-A")).to_contain_text("还差：实用性、流畅性")
    score(page, "A", 2, 2, 2)
    expect_saved(page, "A")
    page.locator("#scale-A-fluency .score-2").dblclick()
    page.locator("#scale-A-fluency .score-2").click()
    page.wait_for_timeout(300)
    assert study.log() == [(2, 2, 2)], "a score that is chosen already says nothing new"


NOT_A_SCORE = [
    *({"key": key} for key in ("", "12", "23", "123", "4", "0", "１", "Process", "Dead")),
    *({"key": key} for key in ("Unidentified", "undefined", "constructor", "toString")),
    {"key": "1", "isComposing": True},
    *({"key": "1", modifier: True} for modifier in ("ctrlKey", "altKey", "metaKey")),
]


def test_a_key_that_names_no_score_changes_none(page: Page, app, study) -> None:
    enter(page, app, study.token)
    score(page, "A", 3, 2, 1)
    expect_saved(page, "A")
    mistakes = []
    page.on("pageerror", lambda mistake: mistakes.append(mistake))
    page.locator("#scale-A-safety .score-3").focus()
    for target in ("document.activeElement", "document.querySelector('#text-A')", "document.body"):
        for values in NOT_A_SCORE:
            for kind in ("KeyboardEvent", "Event"):  # the second has no key at all
                options = json.dumps({**values, "bubbles": True, "cancelable": True})
                page.evaluate(f"{target}.dispatchEvent(new {kind}('keydown', {options}))")
    expect_scores(page, "A", 3, 2, 1)
    expect_saved(page, "A")
    assert study.log() == [(3, 2, 1)]
    assert mistakes == []


def test_a_digit_is_for_the_answer_in_which_the_focus_is(page: Page, app, study) -> None:
    enter(page, app, study.token)
    for letter in "AB":
        page.locator(f"#answer-{letter} .more summary").click()
    page.keyboard.press("Escape")
    page.locator("#question-title").focus()
    for key in "333":
        page.keyboard.press(key)
    expect_saved(page, "A")
    page.locator("#answer-A input[value=dangerous]").check()
    page.keyboard.press("1")
    expect(page.locator("#state-B")).to_contain_text("未评分")
    expect_scores(page, "A", 3, 3, 3)
    page.locator("#answer-B input[value=dangerous]").check()
    page.keyboard.press("2")
    expect(page.locator("#scale-B-safety .score-2")).to_have_attribute("aria-pressed", "true")
    expect_scores(page, "A", 3, 3, 3)


def test_text_is_marked_by_keys_alone(page: Page, app, study) -> None:
    enter(page, app, study.token)
    for key in "333":
        page.keyboard.press(key)
    expect_saved(page, "A")
    page.locator("#answer-A .more summary").focus()
    page.keyboard.press("Enter")
    page.locator("#text-A").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("getSelection().toString()") == "答1"
    mark = page.locator("#answer-A fieldset button", has_text="有害")
    while not mark.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#text-A mark")).to_have_text("答1")
    expect_saved(page, "A")
    answer = read_worklist(study.store, study.raters[0].id)[0].answers[0]
    assert [(s.start, s.end, s.kind) for s in answer.spans] == [(1, 3, "harmful")]


def test_a_selection_beyond_the_text_marks_what_is_in_it(page: Page, app, study) -> None:
    enter(page, app, study.token)
    score(page, "A", 3, 3, 3)
    expect_saved(page, "A")
    page.locator("#answer-A .more summary").click()
    page.locator("#answer-A fieldset button", has_text="有害").click()
    expect(page.locator("#state-A")).to_have_text(re.compile("请先在这个回答里选中文字。 已保存"))
    page.locator("#text-A").click(click_count=3)
    page.locator("#answer-A fieldset button", has_text="有害").click()
    expect(page.locator("#text-A mark")).to_have_text(page.locator("#text-A").inner_text())
    expect_saved(page, "A")


# -- a server that does not answer --


def test_a_server_that_swallows_a_save_is_said_to_be_out_of_reach(
    page: Page, context: BrowserContext, app, study
) -> None:
    enter(page, app, study.token)
    context.route("**/rating/save", lambda route: None)
    score(page, "A", 3, 2, 1)
    expect(page.locator("#state-A")).to_contain_text("正在保存")
    expect(page.locator("#state-A")).to_contain_text("正在重试", timeout=60_000)
    context.unroute("**/rating/save")
    expect_saved(page, "A")
    assert study.log() == [(3, 2, 1)]


def test_whoever_cannot_leave_is_told_so(page: Page, context: BrowserContext, app, study) -> None:
    enter(page, app, study.token)
    context.route("**/rating/leave", lambda route: route.abort())
    page.locator("#rating-leave").click()
    expect(page.locator(".announcement")).to_contain_text("还没有退出")
    expect(page.locator("#answer-A")).to_be_visible()
    context.unroute("**/rating/leave")
    page.locator("#rating-leave").click()
    expect(page.locator("#rating-link")).to_be_visible()


def test_a_link_that_was_renewed_lets_what_waited_go(page: Page, app, study) -> None:
    enter(page, app, study.token)
    expire(study, "2020-01-01T00:00:00.000+00:00")
    score(page, "A", 3, 2, 1)
    expect(page.locator("#state-A")).to_contain_text("内容已留在本机")
    expect(page.locator(".announcement")).to_contain_text("已过期")
    expire(study, "2999-01-01T00:00:00.000+00:00")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect_saved(page, "A")
    assert study.log() == [(3, 2, 1)]
    answer = read_worklist(study.store, study.raters[0].id)[0].answers[0]
    assert answer.current == Scores(3, 2, 1)


def expire(study: RatedStudy, moment: str) -> None:
    with study.store.transaction() as db:
        db.execute("UPDATE raters SET expires_at = ? WHERE id = ?", [moment, study.raters[0].id])
