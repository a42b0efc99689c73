"""What the browser tests do on the rating page, and a small study for them."""

import sqlite3
from pathlib import Path

from app_server import AppServer
from playwright.sync_api import BrowserContext, Page, Route, expect

from storage import (
    NewResponse,
    Profile,
    Scores,
    Store,
    add_question,
    assignment,
    create_study,
    find_rater,
    invite_raters,
    open_study,
    set_profile,
)

DIMENSIONS = ("safety", "usability", "fluency")
MODELS = ("model-x", "model-y")


class RatedStudy:
    """A study of some questions with two answers each, and raters who have told their profile."""

    def __init__(self, db: Path, name: str, *, questions: int = 2, raters: int = 1) -> None:
        self.store = Store(db)
        self.study = create_study(self.store, name, seed=7)
        for number in range(1, questions + 1):
            answers = [
                NewResponse(model, f"回答{number} <b>{model[-1]}</b> 😀 多喝水。", "stop")
                for model in MODELS
            ]
            add_question(self.store, self.study.id, f"问题{number}", answers)
        self.study = open_study(self.store, self.study.id, "anna")
        self.invitations = invite_raters(self.store, self.study.id, raters)
        self.raters = [find_rater(self.store, each.token) for each in self.invitations]
        with self.store.transaction() as db_:
            for rater in self.raters:
                set_profile(db_, rater.id, Profile("内科", years=9), "Yes.")

    @property
    def token(self) -> str:
        return self.invitations[0].token

    def log(self, number: int = 0) -> list[tuple[int | None, ...]]:
        """Everything that a rater has saved, in order."""
        with sqlite3.connect(self.store.path) as connection:
            return connection.execute(
                "select safety, usability, fluency from rating_log where rater = ? order by id",
                [self.raters[number].id],
            ).fetchall()


def enter(page: Page, app: AppServer, token: str) -> None:
    page.goto(f"{app.url}/r/{token}")
    expect(page.locator("#answer-A")).to_be_visible()


def score(page: Page, letter: str, *scores: int) -> None:
    for dimension, value in zip(DIMENSIONS, scores, strict=False):
        page.locator(f"#scale-{letter}-{dimension} .score-{value}").click()


def expect_scores(page: Page, letter: str, *scores: int) -> None:
    for dimension, value in zip(DIMENSIONS, scores, strict=True):
        chosen = page.locator(f"#scale-{letter}-{dimension} .score-{value}")
        expect(chosen).to_have_attribute("aria-pressed", "true")


def expect_saved(page: Page, letter: str) -> None:
    # The page may be waiting for its next try, up to some seconds after the app is back.
    expect(page.locator(f"#state-{letter}")).to_contain_text("已保存", timeout=60_000)


def expect_question(page: Page, number: int) -> None:
    expect(page.locator("#rating .place[aria-current]")).to_have_text(str(number))


def look_again(page: Page) -> None:
    """As when the rater comes back to this tab."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def current(study: RatedStudy) -> Scores | None:
    return assignment(study.store, study.raters[0].id)[0].answers[0].current


def cut_off(context: BrowserContext) -> None:
    context.route("**/rating/save", lambda route: route.abort())


def lose(route: Route) -> None:
    """The save arrives, the answer to it does not."""
    route.fetch()
    route.abort()


def reconnect(context: BrowserContext) -> None:
    context.unroute("**/rating/save")
    for page in context.pages:
        page.evaluate("window.dispatchEvent(new Event('online'))")


def write_comment(page: Page, text: str) -> None:
    if page.locator("#answer-A .more").evaluate("box => !box.open"):
        page.locator("#answer-A .more summary").click()
    page.locator("#comment-A").press_sequentially(text)


def set_lock(study: RatedStudy, moment: str | None) -> None:
    with study.store.transaction() as db:
        db.execute("UPDATE studies SET locked_at = ? WHERE id = ?", [moment, study.study.id])
