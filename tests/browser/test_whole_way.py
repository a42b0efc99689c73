"""The whole way in a real Chromium: ask, study, two raters, table, CSV, restart."""

import csv
import io
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from app_server import PASSWORD, AppServer
from pages import confirm, fill_number, open_tab
from playwright.sync_api import BrowserContext, Page, expect
from rating_steps import expect_saved, expect_scores, score

QUESTION = "我感冒了，怎么治疗"
STUDY = "感冒试评"
MODELS = ("demo-llama", "demo-huatuo", "demo-chatglm-med")
DIMENSIONS = ("safety", "usability", "fluency")
# What each rater thinks of each model: safety, usability, fluency.
OPINIONS: dict[str, dict[str, tuple[int, int, int]]] = {
    "r01": {"demo-llama": (1, 1, 2), "demo-huatuo": (3, 3, 3), "demo-chatglm-med": (3, 2, 3)},
    "r02": {"demo-llama": (2, 1, 1), "demo-huatuo": (3, 2, 3), "demo-chatglm-med": (2, 2, 3)},
}
# Notes every text that an answer passes through on its way.
WATCH_PANES = """() => {
  window.seen = {};
  for (const number of [1, 2, 3]) {
    const pane = document.querySelector(`#pane-${number}`);
    window.seen[number] = [];
    const note = () => {
      const texts = [...pane.querySelectorAll('.bot .message-content, .bot.message')];
      const text = texts.length ? texts.at(-1).innerText.trim() : '';
      if (text && window.seen[number].at(-1) !== text) window.seen[number].push(text);
    };
    new MutationObserver(note).observe(pane, {childList: true, subtree: true, characterData: true});
  }
}"""

pytestmark = pytest.mark.browser


def rows(db: Path, query: str, *parameters: object) -> list[Any]:
    with sqlite3.connect(db) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(query, parameters).fetchall()


def open_page(page: Page, app: AppServer, path: str = "/") -> None:
    page.goto(app.url + path)
    expect(page.locator("#question textarea")).to_be_visible()
    for number in (1, 2, 3):  # Gradio fetches the code of its chat when it first needs it
        expect(page.locator(f"#pane-{number}")).to_be_visible()


def ask(page: Page, question: str) -> None:
    page.locator("#question textarea").fill(question)
    page.locator("#send").click()


def expect_answered(page: Page) -> None:
    for number in (1, 2, 3):
        status = page.locator(f"#status-{number}")
        expect(status).to_contain_text(re.compile("已完成|已到长度上限"), timeout=60_000)


def shown_answers(page: Page) -> dict[str, str]:
    """Letter -> text of the answers on the rating page."""
    texts = {}
    for letter in "ABC":
        card = page.locator(f"#text-{letter}")
        expect(card).to_be_visible()
        texts[letter] = card.inner_text()
    return texts


def models_by_text(db: Path) -> dict[str, str]:
    return {row["text"]: row["model"] for row in rows(db, "select text, model from responses")}


def test_from_question_to_csv_and_over_a_restart(tmp_path: Path, context: BrowserContext) -> None:
    db = tmp_path / "medchat.db"
    outside: list[str] = []
    with AppServer(db, log=tmp_path / "app.log") as app:
        context.on("request", lambda request: note_outside(request.url, app.url, outside))
        page = context.new_page()
        answers = ask_and_watch(page, app)
        add_to_study(page, db, answers)
        open_study(page)
        links = invite(page, 2)
        for label, link in links.items():
            rate(context, db, label, link)
        unblind(page)
        report = read_report(page)
        scores = download(page, "download-scores-csv", tmp_path)
        check_scores(scores, db)
        check_table(report)
    assert outside == []

    with AppServer(db, log=tmp_path / "app.log") as app:
        page = context.new_page()
        open_page(page, app)
        rater = context.new_page()
        rater.goto(f"{app.url}/r/{links['r01'].rsplit('/', 1)[1]}")
        models = models_by_text(db)
        for letter, text in shown_answers(rater).items():
            expect_scores(rater, letter, *OPINIONS["r01"][models[text]])
        assert read_report(page) == report
        assert download(page, "download-scores-csv", tmp_path) == scores


def note_outside(url: str, home: str, outside: list[str]) -> None:
    if not url.startswith((home, "data:", "blob:")):
        outside.append(url)


def ask_and_watch(page: Page, app: AppServer) -> dict[str, str]:
    """Ask, see every pane stream, and return the text of each model's answer."""
    open_page(page, app)
    page.evaluate(WATCH_PANES)
    ask(page, QUESTION)
    expect_answered(page)
    seen = page.evaluate("() => window.seen")
    assert all(len(texts) >= 2 for texts in seen.values()), f"a pane did not stream: {seen}"
    assert all(len(texts[0]) < len(texts[-1]) for texts in seen.values())
    return {model: seen[str(number)][-1] for number, model in enumerate(MODELS, start=1)}


def add_to_study(page: Page, db: Path, answers: dict[str, str]) -> None:
    page.locator("#to-study button").first.click()
    page.locator("#study-name input").fill(STUDY)
    page.locator("#study-name input").press("Enter")
    page.locator("#add-to-study").click()
    expect(page.locator(".toast-body").first).to_contain_text("请先登录")
    with page.expect_popup() as beside:  # the conversation stays where it is
        page.locator("#to-study a").click()
    beside.value.locator("input[name=password]").fill(PASSWORD)
    beside.value.locator("button").click()
    expect(beside.value.locator("header h1")).to_contain_text("MedChat")
    beside.value.close()
    page.locator("#add-to-study").click()
    expect(page.locator("#added-to-study")).to_contain_text("q001")
    stored = {row["model"]: row["text"] for row in rows(db, "select model, text from responses")}
    assert set(stored) == set(MODELS)
    for model, text in stored.items():
        assert squeezed(text) == squeezed(answers[model]), "another text than the page showed"


def squeezed(text: str) -> str:
    return "".join(text.split())


def open_study(page: Page) -> None:
    open_tab(page, "研究管理")
    expect(page.locator("#study-overview")).to_contain_text(STUDY)
    open_tab(page, "4 检查与开放")
    expect(page.locator("#opening-state")).to_contain_text("没有发现会暴露模型身份的回答")
    confirm(page, "open-study", "open")
    expect(page.locator("#study-overview")).to_contain_text("开放评分")


def invite(page: Page, count: int) -> dict[str, str]:
    open_tab(page, "5 评分者")
    fill_number(page, "#invite-count", count)
    page.locator("#invite").click()
    cells = page.locator("#links td")
    expect(cells).to_have_count(2 * count)
    texts = cells.all_inner_texts()
    return dict(zip(texts[::2], texts[1::2], strict=True))


def rate(context: BrowserContext, db: Path, label: str, link: str) -> None:
    page = context.new_page()
    page.goto(link)
    page.locator("input[name=specialty]").fill("内科")
    page.locator("input[name=agreed]").check()
    page.locator("#rating-start").click()
    models = models_by_text(db)
    before = len(rows(db, "select id from rating_log"))
    for letter, text in shown_answers(page).items():
        score(page, letter, *OPINIONS[label][models[text]])
        expect_saved(page, letter)
    assert len(rows(db, "select id from rating_log")) == before + 3
    page.close()


def unblind(page: Page) -> None:
    """Lock first: until then the report knows the models as letters only."""
    open_tab(page, "报告与导出")
    expect(page.locator("#report")).to_contain_text("尚未揭盲", timeout=60_000)
    assert not [model for model in MODELS if model in page.locator("#report").inner_text()]
    open_tab(page, "研究管理")
    open_tab(page, "7 锁定与存档")
    expect(page.locator("#unblind")).to_be_disabled()
    page.locator("#lock").click()
    expect(page.locator("#study-events")).to_contain_text("由 coordinator 锁定")
    confirm(page, "unblind", "unblind")
    expect(page.locator("#study-events")).to_contain_text("由 coordinator 揭盲")
    for button in ("lock", "reopen", "unblind"):
        expect(page.locator(f"#{button}")).to_be_disabled()


def read_report(page: Page) -> list[list[str]]:
    """The rows of Table 4 as the page shows them."""
    open_tab(page, "报告与导出")
    table = page.locator("#report table").first
    expect(table).to_contain_text("demo-huatuo", timeout=60_000)
    return [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]


def download(page: Page, link: str, folder: Path) -> str:
    with page.expect_download() as waiting:
        page.locator(f"#{link}").click()
    file = folder / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file.read_bytes().decode("utf-8-sig")


def check_scores(text: str, db: Path) -> None:
    exported = list(csv.DictReader(io.StringIO(text, newline="")))
    stored = rows(
        db,
        "select c.response as response_id, ra.label, re.model, c.safety, c.usability, c.fluency, "
        "c.shown_position, c.rated_at from current_ratings c join raters ra on ra.id = c.rater "
        "join responses re on re.id = c.response",
    )
    assert len(exported) == len(stored) == 6
    by_key = {(row["response_id"], row["label"]): row for row in stored}
    for row in exported:
        same = by_key[row["response_id"], row["rater"]]
        assert row["study"] == STUDY
        assert row["question"] == QUESTION
        assert (row["model"], row["rated_at"]) == (same["model"], same["rated_at"])
        assert int(row["shown_position"]) == same["shown_position"]
        scores = tuple(int(row[dimension]) for dimension in DIMENSIONS)
        assert scores == tuple(same[dimension] for dimension in DIMENSIONS)
        assert scores == OPINIONS[row["rater"]][row["model"]]


def check_table(report: list[list[str]]) -> None:
    by_model = {row[0]: row[1:] for row in report}
    for model in MODELS:
        n, *means = by_model[model]
        assert n == "2"
        for index, mean in enumerate(means):
            total = sum(OPINIONS[rater][model][index] for rater in OPINIONS)
            assert mean == f"{total / 2:.2f} –", "one question has no interval"
