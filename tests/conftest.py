"""Fixtures that several test files share: the running app and a browser."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_server import AppServer
from find_browser import find
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

# A machine may be busy: what is waited for comes, or the test is wrong.
os.environ["MEDCHAT_LANG"] = "en"  # What commands print, whatever the locale here.

expect.set_options(timeout=60_000)

# Without these, Chromium looks for its maker's hosts by itself.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture
def app_server(tmp_path: Path) -> Iterator[AppServer]:
    with AppServer(tmp_path / "medchat.db", log=tmp_path / "app.log") as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("MEDCHAT_CHROMIUM") or find()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1400, "height": 1000}, locale="zh-CN")
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def pytest_collection_finish() -> None:
    """What is imported by now stays: statsmodels collects garbage at every correction of p, which
    takes longer the more there is to look through."""
    gc.collect()
    gc.freeze()
