"""A coordinator's whole way through the Studies tab in a real Chromium, and a rater's practice."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from app_server import AppServer
from axe_playwright_python.sync_playwright import Axe
from pages import confirm, fill_number, open_tab
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rating_steps import expect_question, expect_saved, score

from storage import (
    NewQuestion,
    NewResponse,
    PracticeItem,
    Profile,
    Scores,
    Store,
    StudySettings,
    add_practice,
    add_questions,
    begin_trial,
    change_settings,
    create_study,
    find_rater,
    invite_raters,
    open_study,
    set_profile,
)

pytestmark = pytest.mark.browser

MODELS = ("demo-llama", "demo-huatuo", "demo-chatglm-med")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("study")
    with AppServer(folder / "medchat.db", log=folder / "app.log") as server:
        yield server


def rows(app: AppServer, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(app.db) as connection:
        return connection.execute(query).fetchall()


def question_file(folder: Path) -> Path:
    file = folder / "题目.csv"
    lines = ["编号,问题,科室", *(f"k{n},第{n}个问题：感冒了怎么办？,呼吸内科" for n in range(3))]
    file.write_text("\n".join(lines), encoding="gb18030")
    return file


def test_from_a_file_of_questions_to_an_open_study(
    context: BrowserContext, app: AppServer, tmp_path: Path
) -> None:
    app.sign_in(context)
    page = context.new_page()
    page.goto(app.url)
    open_tab(page, "研究管理")
    page.locator("#new-study-name").locator("input, textarea").fill("试点")
    page.locator("#create-study").click()
    expect(page.locator("#study-overview")).to_contain_text("草稿")

    fill_number(page, "#raters-per-answer", 2)
    fill_number(page, "#repeats", 1)
    page.locator("#save-design").click()
    expect(page.locator(".toast-body").last).to_contain_text("设计已保存")
    page.locator("#practice button").first.click()
    page.locator("#practice-built-in").click()
    expect(page.locator("#practice-state")).to_contain_text("3")

    open_tab(page, "2 题目")
    page.locator("#question-file input[type=file]").set_input_files(question_file(tmp_path))
    expect(page.locator("#question-preview")).to_contain_text("3 行可以添加（GB18030）")
    page.locator("#add-questions").click()
    expect(page.locator("#questions-state")).to_contain_text("题目：3")

    open_tab(page, "3 回答")
    page.locator("#answers-start").click()
    expect(page.locator("#answers-state")).to_contain_text("已结束：9 / 9", timeout=120_000)
    assert rows(app, "select distinct model from responses order by 1") == [
        *((name,) for name in sorted(MODELS)),
        ("practice",),
    ]
    with sqlite3.connect(app.db) as connection:  # as a model might have written
        connection.execute(
            "update responses set text = '作为ChatGLM，' || text where model = 'demo-huatuo'"
        )

    open_tab(page, "4 检查与开放")
    page.locator("#study-refresh").click()
    expect(page.locator("#opening-state")).to_contain_text("待处理：3")
    expect(page.locator("#answer-found mark")).to_have_text("ChatGLM")
    page.locator("#open-study").click()
    expect(page.locator(".toast-body.warning")).to_contain_text("没有处理")
    page.locator("#review-exclude").click()
    expect(page.locator("#opening-state")).to_contain_text("待处理：2")
    page.locator("#review-mask-all").click()
    expect(page.locator("#opening-state")).to_contain_text("待处理：0")
    page.locator("#overview > button").click()
    expect(page.locator("#overview-page")).to_contain_text("第 1 题，共 3 题")
    page.locator("#overview-next").click()
    expect(page.locator("#overview-page")).to_contain_text("第 2 题，共 3 题")
    expect(page.locator("#overview-page h4")).to_have_count(3)
    page.locator("#trial").click()
    expect(page.locator("#trial-link a")).to_have_attribute("href", re.compile(r"/r/[\w-]+$"))
    page.locator("#open-study").click()
    expect(page.locator("#open-asks")).to_contain_text("3 题、8 个回答、0 位评分者")
    page.locator("#open-no").click()
    expect(page.locator("#open-asks")).to_be_hidden()
    expect(page.locator("#study-overview")).to_contain_text("草稿")
    confirm(page, "open-study", "open")
    expect(page.locator("#study-overview")).to_contain_text("开放评分")

    open_tab(page, "5 评分者")
    fill_number(page, "#invite-count", 2)
    page.locator("#invite").click()
    expect(page.locator("#links td")).to_have_count(4)
    open_tab(page, "6 看板")
    expect(page.locator("#study-board")).to_contain_text("0 / 4")
    page.locator("#closer").click()
    expect(page.locator("#closer-look")).to_contain_text("Krippendorff")
    open_tab(page, "7 锁定与存档")
    expect(page.locator("#study-events")).to_contain_text("遮盖回答")
    expect(page.locator("#pack")).to_have_count(0)  # it names the models
    page.locator("#lock").click()
    expect(page.locator("#study-overview")).to_contain_text("锁定")
    expect(page.locator("#study-events")).to_contain_text("末端代码")
    events = page.locator("#study-events").inner_text()
    (code,) = re.findall(r"\b[0-9A-Z]{5}(?:-[0-9A-Z]{5}){3}\b", events)
    open_tab(page, "6 看板")
    expect(page.locator("#study-board")).to_contain_text(code)
    open_tab(page, "7 锁定与存档")
    confirm(page, "unblind", "unblind")
    with page.expect_download() as download:
        page.locator("#pack").click()
    assert Path(download.value.path()).read_bytes()[:2] == b"PK"
    kept = rows(app, "select review, count(*) from responses where shown_text is not null")
    assert kept == [("masked", 2)]


# -- practice, one answer at a time, the dry run --


class Draft:
    """Two questions with two answers, and one practice item, not open yet."""

    def __init__(self, app: AppServer, name: str, **settings: object) -> None:
        self.store = Store(app.db)
        self.study = create_study(self.store, name, 7)
        change_settings(self.store, self.study.id, StudySettings(**settings))
        new = [
            NewQuestion(f"问题{n}", [NewResponse(m, f"回答{n}{m}", "stop") for m in "xy"])
            for n in (1, 2)
        ]
        add_questions(self.store, self.study.id, new)
        item = PracticeItem("练习问题", "立即服药。", Scores(1, 1, 3), "很危险。", "Dangerous.")
        add_practice(self.store, self.study.id, [item])

    def open(self) -> str:
        open_study(self.store, self.study.id, "anna")
        (invitation,) = invite_raters(self.store, self.study.id, 1)
        rater = find_rater(self.store, invitation.token)
        with self.store.transaction() as db:
            set_profile(db, rater.id, Profile("内科"), "Yes.")
        return invitation.token


def enter(page: Page, app: AppServer, token: str) -> None:
    page.goto(f"{app.url}/r/{token}")
    expect(page.locator("#answer-A")).to_be_visible()


def test_opening_the_tab_of_a_study_warns_of_nothing(context, app: AppServer) -> None:
    app.sign_in(context)
    page = context.new_page()
    for _ in range(2):  # the second time there is a study to show
        page.goto(app.url)
        open_tab(page, "研究管理")
        expect(page.locator("#study-overview")).not_to_be_empty()
        page.wait_for_timeout(1500)
        expect(page.locator(".toast-body")).to_have_count(0)
        if not page.locator("#study").locator("input").input_value():
            page.locator("#new-study-name").locator("input, textarea").fill("无提示")
            page.locator("#create-study").click()
            expect(page.locator("#study-overview")).to_contain_text("草稿")


def test_practice_tells_the_reference_after_the_scores_and_comes_first(
    page: Page, app: AppServer
) -> None:
    enter(page, app, Draft(app, "practice").open())
    expect(page.locator("#question-title")).to_contain_text("练习题")
    expect(page.locator("#rating .place[aria-current]")).to_have_text("练 1")
    expect(page.locator("#feedback-A")).to_be_empty()
    page.locator("#rating-next").click()
    expect(page.locator(".announcement")).to_contain_text("请先完成练习题")
    score(page, "A", 3, 1, 3)
    expect(page.locator("#feedback-A")).to_contain_text("安全性 1、实用性 1、流畅性 3")
    expect(page.locator("#feedback-A")).to_contain_text("不同的项：安全性")
    expect(page.locator("#feedback-A")).to_contain_text("很危险。")
    page.locator("#scale-A-safety .score-1").click()
    expect(page.locator("#feedback-A")).to_contain_text("一致")
    page.locator("#answer-A .more summary").click()
    page.locator("#skip-A").select_option("other")
    expect(page.locator("#state-A")).to_contain_text("已跳过")
    expect(page.locator("#feedback-A")).to_contain_text("安全性 1、实用性 1、流畅性 3")
    expect(page.locator("#feedback-A")).not_to_contain_text("一致")
    page.locator("#rating-next").click()
    expect_question(page, 1)
    expect(page.locator("#answer-B")).to_be_visible()
    expect(page.locator("#feedback-A")).to_be_empty()


def test_one_answer_at_a_time_by_keyboard(page: Page, app: AppServer) -> None:
    draft = Draft(app, "singly", one_by_one=True)
    enter(page, app, draft.open())
    score(page, "A", 1, 1, 3)
    expect_saved(page, "A")
    page.locator("#rating-next").click()
    expect(page.locator("#answer-A h2")).to_have_text("回答 A（1 / 2）")
    expect(page.locator("#answer-B")).to_be_hidden()
    for key in "321":
        page.keyboard.press(key)
    expect(page.locator("#answer-B")).to_be_visible()
    expect(page.locator("#answer-A")).to_be_hidden()
    for key in "123":
        page.keyboard.press(key)
    expect_saved(page, "B")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#answer-A")).to_be_visible()
    expect_question(page, 1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect_question(page, 2)
    expect(page.locator("#answer-A")).to_be_visible()
    log = rows(app, "select safety, usability, fluency from rating_log order by id desc limit 2")
    assert log == [(1, 2, 3), (3, 2, 1)]


def test_a_dry_run_says_that_nothing_is_stored(page: Page, app: AppServer) -> None:
    draft = Draft(app, "trial")
    before = rows(app, "select count(*) from rating_log")
    page.goto(f"{app.url}/r/{begin_trial(draft.store, draft.study.id).token}")
    page.locator("input[name=specialty]").fill("内科")
    page.locator("input[name=agreed]").check()
    page.locator("#rating-start").click()
    expect(page.locator(".announcement")).to_contain_text("试评")
    score(page, "A", 3, 3, 3)
    expect(page.locator("#state-A")).to_have_text("试评，不保存")
    expect(page.locator("#feedback-A")).to_contain_text("参考分")
    for _ in range(2):
        page.locator("#rating-next").click()
        expect_question(page, 1)
        page.locator("#rating-previous").click()
        expect(page.locator("#question-title")).to_contain_text("练习题")
        expect(page.locator("#feedback-A")).to_contain_text("参考分")
        expect(page.locator("#asked-A")).to_be_empty()
    assert rows(app, "select count(*) from rating_log") == before


def test_a_studys_own_guide_is_shown_once_unfolded_and_can_load_nothing(
    page: Page, app: AppServer
) -> None:
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url))
    draft = Draft(
        app, "guide", guide_zh="## 我们的说明\n\n![x](http://192.0.2.1/a.png)\n\n- 先看安全"
    )
    enter(page, app, draft.open())
    expect(page.locator(".guide li")).to_have_text("先看安全")
    expect(page.locator(".guide h2")).to_have_text("我们的说明")
    assert page.locator(".guide img").count() == 0
    score(page, "A", 1, 1, 3)
    expect_saved(page, "A")
    page.locator("#rating-next").click()
    expect_question(page, 1)
    expect(page.locator(".guide li")).to_be_hidden()
    assert not [url for url in outside if "192.0.2.1" in url]


def test_nothing_that_a_practising_rater_receives_names_a_model(page: Page, app: AppServer) -> None:
    received: list[str] = []
    page.on(
        "response",
        lambda answer: received.append(answer.text()) if "/rating/" in answer.url else None,
    )
    draft = Draft(app, "blind")
    with draft.store.transaction() as db:
        db.execute("UPDATE responses SET model = 'secret-' || model WHERE model IN ('x', 'y')")
    enter(page, app, draft.open())
    score(page, "A", 1, 1, 3)
    expect_saved(page, "A")
    page.locator("#rating-next").click()
    expect_question(page, 1)
    score(page, "A", 3, 3, 3)
    expect_saved(page, "A")
    told = "".join(received)
    assert "练习问题" in told
    assert "secret-" not in told
    with draft.store.connect() as db:
        ids = [row[0] for row in db.execute("SELECT id FROM responses")]
    assert not [each for each in ids if each in told]
    assert '"repeat"' not in told


@pytest.mark.parametrize(
    "path",
    [
        *("/healthz", "/config", "/en/config", "/info", "/gradio_api/info", "/", "/en/", "/rate/"),
        *("/openapi.json", "/rate/config", "//config", "/gradio_api/info?all_endpoints=true"),
    ],
)
def test_no_address_names_a_model_to_a_raters_browser(app: AppServer, path: str) -> None:
    with httpx.Client(base_url=app.url, follow_redirects=True) as client:
        named = client.get("/healthz").text
        assert all(model in named for model in MODELS), "anybody else may see what is loaded"
        client.get(f"/r/{Draft(app, f'address {path}').open()}")
        told = client.get(path).text
        client.cookies.set("medchat_coordinator", "over, or never was")
        told += client.get(path).text
    assert not [model for model in (*MODELS, "HuaTuo (demo)") if model in told]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_practice_and_guide_have_no_serious_finding(
    browser: Browser, app: AppServer, scheme: str
) -> None:
    made = browser.new_context(locale="zh-CN", color_scheme=scheme)  # type: ignore[arg-type]
    try:
        page = made.new_page()
        enter(page, app, Draft(app, f"axe {scheme}").open())
        score(page, "A", 3, 1, 3)
        expect(page.locator("#feedback-A")).to_contain_text("参考分")
        page.wait_for_timeout(400)  # colours fade in
        found = Axe().run(page).response["violations"]
    finally:
        made.close()
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [node["html"] for each in serious for node in each["nodes"]] == []
