"""The Report tab in a real Chromium: the switch, the filters, and from a figure to its answers."""

from collections.abc import Iterator

import pytest
from app_server import AppServer
from axe_playwright_python.sync_playwright import Axe
from pages import open_tab
from playwright.sync_api import BrowserContext, Page, expect
from report_fixtures import EVIL, rated
from storage_fixtures import MODELS

from storage import Store, lock_study, unblind_study

pytestmark = pytest.mark.browser
PATIENCE = 60_000
"""Milliseconds: several reports, one after the other, on a machine that others use."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """With a study of 4 questions that three raters scored; models are letters."""
    folder = tmp_path_factory.mktemp("report")
    rated(Store(folder / "medchat.db"))
    with AppServer(folder / "medchat.db", log=folder / "app.log") as server:
        yield server


@pytest.fixture
def report(context: BrowserContext, app: AppServer) -> Page:
    """The Report tab of the newest study."""
    app.sign_in(context)
    page = context.new_page()
    page.goto(app.url)
    open_tab(page, "报告与导出")
    expect(page.locator("#report .table4")).to_be_visible()
    return page


def row(page: Page, model: str) -> list[str]:
    return page.locator(f".table4 tr:has(button[data-model='{model}']) td").all_inner_texts()


def choose(page: Page, field: str, value: str) -> None:
    page.locator(f"#{field} input").click()
    page.get_by_role("option", name=value).click()
    page.keyboard.press("Escape")


def test_the_switch_changes_what_stands_beside_each_mean(report: Page) -> None:
    assert "[" in row(report, "A")[2]
    report.locator("#report-spread label", has_text="标准差").click()
    expect(report.locator(".table4 .spread").first).to_contain_text("±")
    report.locator("#report-spread label", has_text="各分数占比").click()
    expect(report.locator(".table4 .spread").first).to_contain_text("%")


def test_filters_reach_the_table_and_the_answers_behind_it(report: Page) -> None:
    assert row(report, "A")[1] == "12"
    report.locator("#report-filters button").first.click()
    choose(report, "report-category", "外科")
    expect(report.locator("#report .notice").last).to_contain_text("只计入")
    assert row(report, "A")[1] == "6"
    choose(report, "report-rater", "r02")
    expect(report.locator(".table4 td").nth(1)).to_have_text("2")
    report.locator(".table4 button.opens[data-dimension=usability]").first.click()
    expect(report.locator("#behind .behind")).to_have_count(2)
    expect(report.locator("#behind td:first-child")).to_have_text(["r02", "r02"])
    choose(report, "report-rater", "r03")
    expect(report.locator("#behind .behind")).to_have_count(0)


def test_a_report_that_is_worked_out_is_told_and_keeps_its_folds(report: Page) -> None:
    busy, parts = report.locator("#report-busy"), report.locator("#report details.part")
    expect(busy.locator("p")).to_have_count(0)
    report.locator("details[data-part=tests] summary").click()
    report.locator("details[data-part=agreement] summary").click()
    busy.evaluate(
        """(line) => {
            window.told = [];
            const tell = () => window.told.push(line.innerText.trim());
            new MutationObserver(tell).observe(line, { childList: true, subtree: true });
        }"""
    )
    report.locator("#report-spread label", has_text="标准差").click()
    expect(report.locator(".table4 .spread").first).to_contain_text("±")
    expect(busy.locator("p")).to_have_count(0)
    assert "正在计算…" in report.evaluate("window.told")
    folded = {
        part.get_attribute("data-part"): part.evaluate("each => each.open") for part in parts.all()
    }
    assert folded["tests"] is True
    assert folded["agreement"] is False


def test_of_quick_choices_the_last_one_counts(report: Page) -> None:
    for switch in ("标准差", "各分数占比"):
        report.locator("#report-spread label", has_text=switch).click()
    expect(report.locator(".table4 .spread").first).to_contain_text("%", timeout=PATIENCE)
    report.locator("#report-filters button").first.click()
    report.locator("#report-rater input").click()
    for rater in ("r01", "r02"):
        report.get_by_role("option", name=rater).click()
    report.keyboard.press("Escape")
    expect(report.locator("#report .notice").last).to_contain_text(
        "只计入 24 / 36", timeout=PATIENCE
    )
    expect(report.locator("#report-rater .token")).to_have_count(2)
    report.locator("#report-refresh").click()
    report.locator("#report-rater .token-remove").first.click()
    expect(report.locator("#report .notice").last).to_contain_text(
        "只计入 12 / 36", timeout=PATIENCE
    )
    expect(report.locator("#report-rater .token")).to_have_count(1)


def test_a_refused_request_leaves_no_sign_of_work(report: Page) -> None:
    report.route("**/queue/join*", lambda route: route.fulfill(status=502, body="bad gateway"))
    report.locator("#report-spread label", has_text="标准差").click()
    expect(report.locator(".toast-body")).not_to_have_count(0)
    report.unroute("**/queue/join*")
    report.locator("#report-spread label", has_text="各分数占比").click()
    expect(report.locator(".table4 .spread").first).to_contain_text("%")
    expect(report.locator("#report-busy p")).to_have_count(0)


def test_a_click_on_a_figure_opens_the_answers_behind_it(report: Page) -> None:
    report.locator("#report-spread label", has_text="各分数占比").click()
    figure = report.locator("button.opens[data-model=B][data-dimension=safety][data-score='1']")
    figure.focus()
    report.keyboard.press("Enter")
    behind = report.locator("#behind .behind")
    expect(behind.first).to_be_in_viewport()
    for each in behind.all():
        assert "1" in each.locator("td:nth-child(2)").all_inner_texts()
        assert each.locator("h4").inner_text().endswith("· B")
    expect(report.locator("#behind-model input")).to_have_value("B")
    expect(report.locator("#behind-scores input:checked")).to_have_count(1)
    assert report.locator("#behind img").count() == 0
    assert EVIL in report.locator("#behind").inner_text()
    for model in MODELS:
        assert f"· {model}" not in report.content()
    marks = 0
    for letter in "ABC":
        report.locator(f"button.opens[data-model={letter}][data-dimension=fluency]").first.click()
        expect(report.locator("#behind h4").first).to_contain_text(f"· {letter}")
        expect(report.locator("#behind-scores input:checked")).to_have_count(3)
        marks += report.locator("#behind mark.harmful").count()
    assert marks


def test_another_study_leaves_nothing_behind(report: Page, app: AppServer) -> None:
    rated(Store(app.db), "Another")
    report.locator(".table4 button.opens").first.click()
    expect(report.locator("#behind .behind").first).to_be_visible()
    report.locator("#report-refresh").click()
    expect(report.locator("#behind .behind")).to_have_count(0)


def test_the_report_is_accessible(report: Page) -> None:
    report.locator("#report-filters button").first.click()
    report.locator(".table4 button.opens").first.click()
    expect(report.locator("#behind .behind").first).to_be_visible()
    report.wait_for_timeout(400)  # colours fade in
    found = Axe().run(report).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert not serious, [(each["id"], each["nodes"][0]["html"]) for each in serious]


def test_a_model_with_a_name_of_signs_opens_too(report: Page, app: AppServer) -> None:
    store = Store(app.db)
    name = "a\"'><b>&amp; 模型"
    study = rated(store, "Signs")
    with store.transaction() as db:
        db.execute("UPDATE responses SET model = ? WHERE model = ?", [name, MODELS[0]])
    lock_study(store, study.id, "anna")
    unblind_study(store, study.id, "anna")
    report.reload()
    open_tab(report, "报告与导出")
    expect(report.locator(".table4")).to_contain_text(name)
    report.locator(".table4 button.opens").first.click()
    expect(report.locator("#behind h4").first).to_contain_text(name)
