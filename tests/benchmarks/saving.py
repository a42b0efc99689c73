"""Rating sessions: how fast scores are saved, and that none is lost or doubled when the app dies.

The app runs as a program of its own, its raters as clients over real HTTP, some of them as pages in
a real Chromium; all on this machine. Beside the times stands what a bare SQLite commit takes on the
same disk. Prints what was acknowledged, what is in the database and what is exported.
"""

import argparse
import asyncio
import http.client
import json
import math
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from project import NO_MODELS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app_server import AppServer
from find_browser import find
from playwright.async_api import Browser, async_playwright
from rating_steps import DIMENSIONS, RatedStudy

from storage import Store, score_rows, verify
from storage.blinding import with_shown_ids


class Rater:
    """A client that rates over HTTP as the page does: the same key until it is acknowledged."""

    def __init__(self, app: AppServer, token: str, label: str) -> None:
        self.app, self.token, self.label = app, token, label
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.save_seconds: list[float] = []
        self.next_seconds: list[float] = []
        self._cookie = ""
        self._connection: http.client.HTTPConnection | None = None

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, however often the app has to be asked: it may be dead for a while."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Cookie": self._cookie}
        while True:
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection("127.0.0.1", self.app.port)
                    self._connection.timeout = 30
                    self._connection.connect()
                    self._connection.sock.setsockopt(6, 1, 1)  # TCP_NODELAY, as browsers have it
                self._connection.request(method, path, content, headers)
                answer = self._connection.getresponse()
                text = answer.read()
                if answer.status == 303:
                    self._cookie = str(answer.getheader("set-cookie")).split(";")[0]
                    return None
                if answer.status == 200:
                    return json.loads(text)
                assert answer.status >= 500, (answer.status, text)
            except (OSError, http.client.HTTPException):
                pass
            with suppress(Exception):
                assert self._connection is not None
                self._connection.close()
            self._connection = None
            time.sleep(0.1)

    def work(self, saves: int, pause: float, until: float = float("inf")) -> None:
        """Rate ``saves`` answers, one question after the other, or as many as fit."""
        self._ask("GET", f"/r/{self.token}")
        places = [place for place, *_ in self._ask("GET", "/rating/list")["questions"]]
        time.sleep(random.uniform(0, max(pause, 0.2)))
        number = 0
        while number < saves and time.monotonic() < until:
            started = time.perf_counter()
            page = self._ask("GET", f"/rating/page/{random.choice(places)}")
            self.next_seconds.append(time.perf_counter() - started)
            for answer in page["answers"]:
                if number == saves or time.monotonic() >= until:
                    break
                number += 1
                self._save(answer["item"], f"{self.label}-{number}")
                time.sleep(max(0.0, pause - self.save_seconds[-1]))
        if self._connection is not None:
            self._connection.close()

    def _save(self, item: str, key: str) -> None:
        scores = {name: random.randint(1, 3) for name in ("safety", "usability", "fluency")}
        body = {"item": item, "key": key, "scores": scores, "active_seconds": 2.0}
        started = time.perf_counter()
        self._ask("POST", "/rating/save", body)
        self.save_seconds.append(time.perf_counter() - started)
        self.acknowledged[key] = (item, scores["safety"])


def at_once(raters: list[Rater], saves: int, pause: float, seconds: float = float("inf")) -> float:
    """Let all work at the same time; returns the seconds that it took."""
    started = time.monotonic()
    until = started + seconds
    threads = [threading.Thread(target=each.work, args=(saves, pause, until)) for each in raters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - started


def share(seconds: list[float], part: float) -> float:
    """The time, in ms, that this part of all stays below; NaN of none."""
    if not seconds:
        return math.nan
    return 1000 * sorted(seconds)[min(int(part * len(seconds)), len(seconds) - 1)]


def bare_commits(folder: Path, count: int = 300) -> list[float]:
    """Seconds of commits of one row each, with nothing around SQLite."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (x)")
    found = []
    for number in range(count):
        started = time.perf_counter()
        connection.execute("INSERT INTO t VALUES (?)", [number])
        found.append(time.perf_counter() - started)
    connection.close()
    return found


def speed(folder: Path, raters: int, seconds: float) -> None:
    bare = bare_commits(folder)
    print(
        f"a bare SQLite commit: median {share(bare, 0.5):.2f} ms, 95 % {share(bare, 0.95):.2f} ms"
    )
    with AppServer(folder / "speed.db", log=folder / "app.log", models=NO_MODELS) as app:
        study = RatedStudy(app.db, "Speed", questions=100, raters=2 * raters + 1)
        drawn: list[float] = []
        pages = watch_pages(app, study.invitations[-1].token, seconds)
        page = threading.Thread(target=lambda: drawn.extend(asyncio.run(pages)))
        page.start()  # goes on beside the first group
        for name, pause, group in (
            ("a save every two seconds", 2.0, study.invitations[:raters]),
            ("flat out", 0.0, study.invitations[raters:-1]),
        ):
            clients = [Rater(app, each.token, each.label) for each in group]
            took = at_once(clients, 10**9, pause, seconds)
            saves = [each for client in clients for each in client.save_seconds]
            following = [each for client in clients for each in client.next_seconds]
            print(
                f"{raters} raters, {name}: {len(saves) / took:.0f} saves/s; a save takes "
                f"{share(saves, 0.5):.1f} ms in the median, 95 % {share(saves, 0.95):.1f} ms "
                f"({share(saves, 0.5) / share(bare, 0.5):.1f} × a bare commit); the next question "
                f"{share(following, 0.5):.1f} ms, 95 % {share(following, 0.95):.1f} ms",
                flush=True,
            )
            if pause:
                page.join()
                print(
                    f"meanwhile in Chromium, {len(drawn)} times from a click to the next question "
                    f"in view: {share(drawn, 0.5):.0f} ms in the median, 95 % "
                    f"{share(drawn, 0.95):.0f} ms",
                    flush=True,
                )


NEXT_IN_VIEW = """
() => new Promise((resolve) => {
    const place = () => document.querySelector("#rating .place[aria-current]")?.textContent;
    const [before, started] = [place(), performance.now()];
    const look = () => requestAnimationFrame(
        () => place() === before ? look() : resolve((performance.now() - started) / 1000));
    document.querySelector("#rating-next").click();
    look();
})
"""


async def watch_pages(app: AppServer, token: str, seconds: float) -> list[float]:
    """Seconds from each click on Next to the frame that shows the question, in a real page."""
    found = []
    until = time.monotonic() + seconds
    async with async_playwright() as playwright:
        path = os.environ.get("MEDCHAT_CHROMIUM") or find()
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = await browser.new_page(locale="zh-CN")
        await page.goto(f"{app.url}/r/{token}")
        await page.wait_for_selector("#answer-A")
        while time.monotonic() < until and len(found) < 90:  # the study has 100 questions
            await page.wait_for_timeout(500)
            found.append(await page.evaluate(NEXT_IN_VIEW))
        await browser.close()
    return found


async def rate_in_browser(browser: Browser, app: AppServer, token: str, saves: int) -> int:
    """Rate as a physician does; returns how often the page said that something was saved."""
    context = await browser.new_context(locale="zh-CN")
    page = await context.new_page()
    while True:
        try:
            await page.goto(f"{app.url}/r/{token}")
            await page.wait_for_selector("#answer-A", timeout=20_000)
            break
        except Exception:
            await asyncio.sleep(0.3)
    said = 0
    page_number = 0
    while said < saves:
        for letter in "AB":
            for dimension in ("safety", "usability", "fluency"):
                value = random.randint(1, 3)
                await page.click(f"#scale-{letter}-{dimension} .score-{value}", timeout=60_000)
        for letter in "AB":
            await page.wait_for_selector(f"#state-{letter}.saved", timeout=120_000)
            said += 1
        page_number += 1
        before = await page.text_content("#rating .place[aria-current]")
        await page.click("#rating-next")
        await page.wait_for_function(
            "before => document.querySelector('#rating .place[aria-current]')?.textContent"
            " !== before",
            arg=before,
            timeout=120_000,
        )
    await context.close()
    return said


async def in_browsers(app: AppServer, tokens: list[str], saves: int) -> list[int]:
    async with async_playwright() as playwright:
        path = os.environ.get("MEDCHAT_CHROMIUM") or find()
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        work = [rate_in_browser(browser, app, token, saves) for token in tokens]
        said = await asyncio.gather(*work)
        await browser.close()
        return list(said)


def survive(
    folder: Path, *, raters: int, pages: int, saves: int, kills: int, pause: float = 0.01
) -> bool:
    """Kill the app again and again while all rate; True if nothing was lost or doubled.

    ``pause`` is that of the clients between two saves, in seconds. A kill when none of them is at
    work any more would prove nothing, and is not counted as one.
    """
    with AppServer(folder / "kills.db", log=folder / "app.log", models=NO_MODELS) as app:
        study = RatedStudy(app.db, "Kills", questions=2 * saves, raters=raters)
        tokens = [each.token for each in study.invitations]
        clients = [Rater(app, token, f"c{n}") for n, token in enumerate(tokens[pages:])]
        threads = [threading.Thread(target=each.work, args=(saves, pause)) for each in clients]
        at_work = list(threads)
        said: list[int] = []
        if pages:
            browsers = in_browsers(app, tokens[:pages], saves)
            threads.append(threading.Thread(target=lambda: said.extend(asyncio.run(browsers))))
        for thread in threads:
            thread.start()
        hit = 0
        for _ in range(kills):
            time.sleep(random.uniform(0.5, 1.5))
            app.kill()
            hit += any(each.is_alive() for each in at_work)
            app.start()
        for thread in threads:
            thread.join()
    print(f"killed {kills} times, {hit} of them while clients were saving", flush=True)
    return _judge(Store(folder / "kills.db"), clients, said, pages) and hit == kills


def _judge(store: Store, clients: list[Rater], said: list[int], pages: int) -> bool:
    acknowledged = {key: value for each in clients for key, value in each.acknowledged.items()}
    with store.connect() as db:
        rows = list(db.execute("SELECT idempotency_key, item, safety, rater FROM rating_log"))
        newest = {
            (label, response): scores
            for label, response, *scores in with_shown_ids(db).execute(
                "SELECT raters.label, shown_id(study, response), safety, usability, fluency"
                " FROM rating_log JOIN raters ON raters.id = rater ORDER BY rating_log.id"
            )
        }
    stored = {key: (item, safety) for key, item, safety, _ in rows}
    of_pages = len(rows) - len([key for key in stored if key in acknowledged])
    lost = [key for key, value in acknowledged.items() if stored.get(key) != value]
    with store.connect() as db:
        current = db.execute("SELECT count(*) FROM items WHERE latest IS NOT NULL").fetchone()[0]
    exported = {
        (row["rater"], row["response_id"]): [row[name] for name in DIMENSIONS]
        for row in score_rows(store, None)
    }
    problems = "; ".join(map(str, verify(store)))
    print(
        f"acknowledged to clients: {len(acknowledged)}, of these in SQLite: "
        f"{len(acknowledged) - len(lost)}; said to be saved on {pages} pages: {sum(said)}, their "
        f"rows in SQLite: {of_pages}; answers with a score: {current}, exported as they are: "
        f"{sum(exported.get(key) == scores for key, scores in newest.items())}; rows "
        f"{len(rows)}, distinct keys {len(stored)}; verify: {problems or 'everything as saved'}",
        flush=True,
    )
    return not lost and not problems and exported == newest and of_pages == sum(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raters", type=int, default=50)
    parser.add_argument("--pages", type=int, default=5)
    parser.add_argument("--saves", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="medchat-bench-") as folder:
        speed(Path(folder), given.raters, given.seconds)
        fine = survive(
            Path(folder),
            raters=given.raters,
            pages=given.pages,
            saves=given.saves,
            kills=given.kills,
        )
    if not fine:
        sys.exit("Scores were lost or doubled.")


if __name__ == "__main__":
    main()
