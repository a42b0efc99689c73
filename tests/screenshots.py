"""Takes the pictures of README and docs: the three pages, in Chinese and English, light.

The scores in the pictures are drawn at random, and their raters are called r01, r02, …: they say
nothing about the models.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from app_server import AppServer
from find_browser import find
from playwright.sync_api import Browser, Page, expect, sync_playwright
from project import ROOT

from storage import (
    NewQuestion,
    NewResponse,
    Profile,
    RatingEntry,
    Scores,
    Store,
    add_questions,
    create_study,
    find_rater,
    invite_raters,
    open_study,
    read_worklist,
    save_ratings,
    set_profile,
)

FOLDER = ROOT / "docs" / "pictures"
LANGUAGES = {"zh": "/", "en": "/en/"}
MODELS = ("demo-llama", "demo-huatuo", "demo-chatglm-med")
STUDY = {"zh": "演示研究", "en": "Demonstration"}
QUESTION = "我感冒了，怎么治疗"
SIZE = {"width": 1280, "height": 1000}


def model_answers(folder: Path) -> list[NewQuestion]:
    """The example questions with the demonstration models' answers to them."""
    output = folder / "answers.jsonl"
    command = [sys.executable, "-m", "medchat", "infer", "--models", ",".join(MODELS)]
    questions = ROOT / "assets" / "questions" / "example.jsonl"
    subprocess.run([*command, "--input", questions, "--output", output], check=True, cwd=ROOT)
    records = map(json.loads, output.read_text(encoding="utf-8").splitlines())
    return [
        NewQuestion(
            record["question"],
            [NewResponse(a["model"], a["text"], a["finish_reason"]) for a in record["answers"]],
        )
        for record in records
    ]


def make_study(store: Store, name: str, questions: list[NewQuestion]) -> str:
    """A study that four raters have scored at random, and the link's token of a fifth."""
    study = create_study(store, name, seed=7)
    add_questions(store, study.id, questions)
    open_study(store, study.id, "coordinator")
    *tokens, last = [invitation.token for invitation in invite_raters(store, study.id, 5)]
    generator = random.Random(7)
    for token in tokens:
        rater = find_rater(store, token)
        with store.transaction() as db:
            set_profile(db, rater.id, Profile("内科", years=10), "yes")
        for question in read_worklist(store, rater.id):
            entries = [
                RatingEntry(answer.item, Scores(*generator.choices((1, 2, 3), k=3)), answer.item)
                for answer in question.answers
            ]
            save_ratings(store, rater.id, entries)
    rater = find_rater(store, last)
    with store.transaction() as db:
        set_profile(db, rater.id, Profile("内科", years=10), "yes")
    return last


def take_chat(page: Page, home: str, file: Path) -> None:
    page.goto(home)
    page.locator("#question textarea").fill(QUESTION)
    page.locator("#send").click()
    for number in range(1, len(MODELS) + 1):
        expect(page.locator(f"#status-{number}")).to_contain_text("token", timeout=600_000)
    page.screenshot(path=file)


def take_rating(page: Page, link: str, file: Path) -> None:
    page.goto(link)
    expect(page.locator("#answer-A")).to_be_visible()
    for dimension, score in (("safety", 3), ("usability", 2), ("fluency", 3)):
        page.locator(f"#scale-A-{dimension} .score-{score}").click()
    expect(page.locator("#state-A")).to_contain_text(":", timeout=60_000)
    page.screenshot(path=file)


def take_report(page: Page, home: str, file: Path) -> None:
    page.goto(home)
    page.get_by_role("tab").last.click()
    expect(page.locator("#report .table4")).to_be_visible(timeout=600_000)
    page.screenshot(path=file)


def take_pictures(browser: Browser, app: AppServer, language: str, questions: list) -> None:
    store = Store(app.db)
    home = app.url + LANGUAGES[language]
    token = make_study(store, STUDY[language], questions)
    locale = "zh-CN" if language == "zh" else "en-US"
    context = browser.new_context(viewport=SIZE, locale=locale, color_scheme="light")
    app.sign_in(context)
    page = context.new_page()
    take_chat(page, home, FOLDER / f"chat.{language}.png")
    take_report(page, home, FOLDER / f"report.{language}.png")
    context.close()
    rater = browser.new_context(viewport=SIZE, locale=locale, color_scheme="light")
    page = rater.new_page()
    page.goto(f"{app.url}/r/{token}")
    take_rating(page, f"{home}rate/", FOLDER / f"rating.{language}.png")
    rater.close()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="medchat-pictures-") as name, sync_playwright() as play:
        folder = Path(name)
        questions = model_answers(folder)
        path = os.environ.get("MEDCHAT_CHROMIUM") or find()
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for language in LANGUAGES:
            with AppServer(folder / f"{language}.db", log=folder / "app.log") as app:
                take_pictures(browser, app, language, questions)
        browser.close()


if __name__ == "__main__":
    main()
