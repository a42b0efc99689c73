"""A study of 2,000 questions, 4 answers each and 50 raters: 400,000 ratings of three scores.

How long making, opening and filling it takes, and then in a real Chromium how long a rater and a
coordinator wait: the rating page's first view, the next question, the studies tab, the board and
the report. Takes some minutes, most of them for the ratings.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from project import NO_MODELS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app_server import AppServer
from find_browser import find
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rating_steps import DIMENSIONS

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
    verify,
)

NAME = "大研究"
MODELS = ("model-1", "model-2", "model-3", "model-4")
AT_ONCE = 2000
"""Ratings in one transaction; a rater's page saves each in one of its own."""
PATIENCE = 120_000


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def build(store: Store, questions: int, raters: int) -> str:
    """Fill the study; the token of one rater's link."""
    study = create_study(store, NAME)
    texts = [
        NewQuestion(
            f"问题 {n}：感冒怎么治疗？",
            [
                NewResponse(m, f"回答 {n} {m[-1]} " + "多喝水，注意休息。" * 20, "stop")
                for m in MODELS
            ],
            f"q{n:04}",
            f"科{n % 8}",
        )
        for n in range(questions)
    ]
    added = seconds(lambda: add_questions(store, study.id, texts))
    print(f"adding {questions} questions: {added:.1f} s")
    invited = invite_raters(store, study.id, raters)
    print(f"opening: {seconds(lambda: open_study(store, study.id, 'anna')):.1f} s")
    drawn = random.Random(1)
    started = time.perf_counter()
    for number, invitation in enumerate(invited):
        rater = find_rater(store, invitation.token)
        with store.transaction() as db:
            set_profile(db, rater.id, Profile(("内科", "儿科")[number % 2], years=9), "Yes.")
        entries = [
            RatingEntry(
                answer.item,
                Scores(*drawn.choices((1, 2, 3), (1, 1, 2), k=len(DIMENSIONS))),
                answer.item,
                active_seconds=12.0,
            )
            for question in read_worklist(store, rater.id)
            for answer in question.answers
        ]
        for start in range(0, len(entries), AT_ONCE):
            save_ratings(store, rater.id, entries[start : start + AT_ONCE])
    print(f"saving every rating: {time.perf_counter() - started:.0f} s", flush=True)
    return invited[0].token


def look(browser: Browser, app: AppServer, token: str) -> None:
    firsts, nexts = [], []
    for _ in range(3):
        page = browser.new_context(locale="zh-CN").new_page()
        answer, question = page.locator("#answer-A"), page.locator(".question .text")

        def enter(page: Page = page) -> None:
            page.goto(f"{app.url}/r/{token}")
            page.locator("#answer-A").wait_for(timeout=PATIENCE)

        firsts.append(seconds(enter))
        for _ in range(5):
            before = question.inner_text()
            started = time.perf_counter()
            page.locator("#rating-next").click()
            expect(question).not_to_have_text(before)
            nexts.append(time.perf_counter() - started)
        answer.page.context.close()
    print(f"rating page, first view: {median(firsts):.2f} s; next question {median(nexts):.2f} s")
    context = browser.new_context(locale="zh-CN")
    app.sign_in(context)
    tabs, boards = [], []
    for _ in range(3):
        page = context.new_page()
        page.goto(app.url)
        page.wait_for_timeout(6000)  # what the last page asked for is done by then
        tabs.append(seconds(partial(shows, page, "研究管理", "#study-overview p")))
        page.wait_for_timeout(6000)
        boards.append(seconds(partial(shows, page, "6 看板", "#study-board table")))
    print(f"studies tab {median(tabs):.2f} s, board {median(boards):.2f} s")
    report = seconds(partial(shows, page, "报告与导出", "#report table"))
    print(f"report, first time {report:.1f} s")


def shows(page: Page, tab: str, what: str) -> None:
    page.get_by_role("tab", name=tab).click()
    page.locator(what).first.wait_for(timeout=PATIENCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--raters", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="medchat-bench-") as folder:
        database = Path(folder) / "medchat.db"
        token = build(Store(database), given.questions, given.raters)
        started = time.process_time()
        assert verify(Store(database)) == []
        print(f"verify: {time.process_time() - started:.1f} s of a processor")
        print(f"database {database.stat().st_size / 2**20:.0f} MiB")
        log = Path(folder) / "app.log"
        with AppServer(database, log=log, models=NO_MODELS) as app, sync_playwright() as started:
            browser = started.chromium.launch(executable_path=str(find()), args=["--no-sandbox"])
            look(browser, app, token)
            browser.close()


if __name__ == "__main__":
    main()
