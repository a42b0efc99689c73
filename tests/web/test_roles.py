"""Roles, checked on the server: what is a coordinator's, a rater's, and anyone's."""

import json
from collections.abc import Iterator

import httpx
import pytest
from app_server import PASSWORD, AppServer
from pages import page_config
from playwright.sync_api import BrowserContext, Page, expect
from project import NO_MODELS
from rating_steps import RatedStudy, enter, score

from storage import (
    NewResponse,
    add_question,
    begin_trial,
    create_study,
    list_raters,
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("access")
    models = NO_MODELS
    with AppServer(folder / "medchat.db", log=folder / "app.log", models=models) as server:
        yield server


@pytest.fixture
def study(app: AppServer, request: pytest.FixtureRequest) -> RatedStudy:
    return RatedStudy(app.db, request.node.name)


@pytest.fixture
def client(app: AppServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=app.url) as made:
        yield made


def sign_in(client: httpx.Client, password: str = PASSWORD, **more: str) -> httpx.Response:
    form = {"name": "coordinator", "password": password, "to": "/"} | more
    return client.post("/sign-in", data=form)


# -- signing in --


def test_the_cookie_is_for_this_site_and_not_for_scripts(client: httpx.Client) -> None:
    answer = sign_in(client)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age" not in cookie, "it ends with the browser"


@pytest.mark.parametrize("to", ["/#study", "/en/#report", "/en/"])
def test_signing_in_leads_back_to_the_tab(client: httpx.Client, to: str) -> None:
    assert f'value="{to}"' in client.get("/sign-in", params={"to": to}).text
    assert sign_in(client, to=to).headers["location"] == to


@pytest.mark.parametrize(
    "to",
    [
        "/#evil",
        "https://example.org/#study",
        "https://example.org/",
        "//example.org",
        "/export/x",
        "",
    ],
)
def test_signing_in_leads_nowhere_else(client: httpx.Client, to: str) -> None:
    assert sign_in(client, to=to).headers["location"] == "/"
    assert to == "" or to not in client.get("/sign-in", params={"to": to}).text


def test_a_form_of_another_site_signs_nobody_in(client: httpx.Client) -> None:
    form = {"name": "coordinator", "password": PASSWORD}
    answer = client.post("/sign-in", data=form, headers={"Origin": "https://example.org"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_wrong_password_is_told_in_both_languages(client: httpx.Client) -> None:
    answer = sign_in(client, "wrong password")
    assert answer.status_code == 401
    assert "名称或密码错误" in answer.text
    assert "Wrong name or password" in answer.text
    assert sign_in(client).status_code == 303


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"name=" + b"x" * 5000, b"%%%"])
def test_a_broken_form_is_a_failed_attempt(app: AppServer, content: bytes) -> None:
    from_elsewhere = {"X-Forwarded-For": "192.0.2.9"}  # failures count against an address
    answer = httpx.post(f"{app.url}/sign-in", content=content, headers=from_elsewhere)
    assert answer.status_code == 401
    assert "traceback" not in answer.text.lower()


# -- what needs signing in --


def test_downloads_are_for_coordinators(client: httpx.Client, study: RatedStudy) -> None:
    path = f"/export/{study.study.id}/scores.csv"
    assert client.get(path).status_code == 401
    client.cookies.set("medchat_coordinator", "guessed")
    assert client.get(path).status_code == 401
    sign_in(client)
    assert client.get(path).status_code == 200
    client.post("/sign-out")
    assert client.get(path).status_code == 401


def test_a_rater_is_no_coordinator(client: httpx.Client, study: RatedStudy) -> None:
    client.get(f"/r/{study.token}")
    assert client.get("/rating/list").status_code == 200
    assert client.get(f"/export/{study.study.id}/scores.csv").status_code == 401
    for path, home in (("/", "/rate/"), ("/en/", "/en/rate/")):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, home)
    client.cookies.set("medchat_coordinator", "over, or never was")
    assert client.get("/").status_code == 303
    client.cookies.delete("medchat_coordinator")
    sign_in(client)
    assert client.get("/").status_code == 200


def test_a_browser_that_a_rater_has_left_stays_a_raters(client: httpx.Client, study) -> None:
    """Else the question just scored could be asked again, and the models' names read."""
    client.get(f"/r/{study.token}")
    client.post("/rating/leave")
    assert client.get("/en/").status_code == 303
    client.post("/sign-out")
    assert client.get("/").status_code == 303
    sign_in(client)
    assert client.get("/").status_code == 200
    client.post("/sign-out")
    assert client.get("/").status_code == 303, "a rater's, whoever signed in meanwhile"


@pytest.mark.parametrize("leaving", ["/rating/leave", "/sign-out"])
def test_a_dry_run_leaves_a_coordinators_browser_as_it_was(client, study, leaving: str) -> None:
    draft = create_study(study.store, f"Draft {leaving}")
    add_question(study.store, draft.id, "?", [NewResponse("model-x", "a", "stop")])
    trial = begin_trial(study.store, draft.id)
    sign_in(client)
    client.get(f"/r/{trial.token}")
    client.post(leaving)
    client.post("/sign-out")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("path", ["", "/en"])
def test_files_are_taken_from_coordinators_only(client: httpx.Client, study, path: str) -> None:
    def upload() -> int:
        files = {"files": ("a.csv", b"question\nx\n")}
        return client.post(f"{path}/gradio_api/upload", files=files).status_code

    assert upload() == 401
    client.get(f"/r/{study.token}")
    assert upload() == 401
    sign_in(client)
    assert upload() == 200


def test_where_a_proxy_stands_in_front_only_coordinators_read_the_models_names(
    client: httpx.Client,
) -> None:
    for path in ("/", "/en/"):
        answer = client.get(path, headers={"X-Forwarded-For": "192.0.2.7"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?to={path}")
    sign_in(client)
    assert client.get("/", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/en/", "/rate/", "/en/rate/"])
def test_the_page_itself_names_no_study(client: httpx.Client, study, path: str) -> None:
    assert study.study.name not in client.get(path).text


REFUSALS = ("请先登录", "这一页只供研究协调员使用")
"""Of a click, and of a tab."""


def test_every_listener_of_the_coordinators_tabs_refuses_others(client, study) -> None:
    """Called directly, as anybody could who knows the address."""
    config = page_config(client.get("/").text)
    named = {each["id"]: each["props"].get("elem_id") for each in config["components"]}
    values = {each["id"]: each["props"].get("value") for each in config["components"]}
    mine = {
        "study",
        "report-study",
        "create-study",
        "invite",
        "renew",
        "revoke",
        "import",
        "study-refresh",
        *("save-design", "practice-built-in", "practice-load", "practice-clear", "question-file"),
        *("add-questions", "remove-questions", "answers-start", "answers-pause", "trial"),
        *("answer-to-check", "review-mask", "review-exclude", "review-keep", "review-mask-all"),
        *("open-study", "hand-over", "closer", "adjudicate", "lock", "reopen", "unblind"),
        *("overview-number", "overview-previous", "overview-next", "overview-pick"),
        *("open-yes", "open-no", "unblind-yes", "unblind-no"),
        *("share", "unpack"),
        "report-refresh",
        "add-to-study",
    }
    tried = 0
    for dependency in config["dependencies"]:
        targets = {named.get(target[0]) for target in dependency["targets"]}
        if not targets & mine:
            continue
        tried += 1
        body = {
            "data": [values.get(each) for each in dependency["inputs"]],
            "fn_index": dependency["id"],
            "session_hash": "refused",
        }
        joined = client.post("/gradio_api/queue/join", json=body)
        assert joined.status_code == 200, joined.text
        told = []
        with client.stream("GET", "/gradio_api/queue/data?session_hash=refused") as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ") or "{}")
                told.append(str(message))
                if message.get("msg") == "process_completed":
                    break
        refused = [each for each in REFUSALS if each in "".join(told)]
        assert refused, targets
        assert study.study.name not in "".join(told)
    assert tried >= 9 + 30
    assert len(list_raters(study.store, study.study.id)) == 1


def test_the_tabs_open_after_signing_in_and_close_after_signing_out(
    page: Page, app: AppServer, study: RatedStudy
) -> None:
    page.goto(app.url)
    page.locator("#to-study button").first.click()
    page.locator("#study-name input").click()
    page.get_by_role("tab", name="研究管理").click()
    expect(page.locator("#study-gate")).to_contain_text("只供研究协调员")
    expect(page.locator("#study")).not_to_be_visible()
    page.wait_for_timeout(500)
    expect(page.locator(".toast-body")).to_have_count(0)  # the page says it already
    page.locator("#study-gate a").click()
    page.locator("input[name=password]").fill("wrong password")
    page.get_by_role("button").click()
    expect(page.locator("[role=alert]").first).to_contain_text("错误")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.locator("#study-overview")).to_contain_text(study.study.name)  # at the same tab
    page.reload()
    expect(page.locator("#study-overview")).to_contain_text(study.study.name)
    page.locator("a.language").click()
    expect(page).to_have_url(f"{app.url}/en/#study")
    expect(page.locator("#study-overview")).to_contain_text(study.study.name)
    page.locator("a.language").click()
    page.get_by_role("tab", name="报告与导出").click()
    expect(page.locator("#report-gate")).to_contain_text("已登录：coordinator")
    page.locator("#report-gate button").click()
    page.get_by_role("tab", name="报告与导出").click()
    expect(page.locator("#report-gate")).to_contain_text("只供研究协调员")


def test_a_rater_can_ask_no_model(context: BrowserContext, app: AppServer, study) -> None:
    """In a tab that was open before the link was."""
    chat = context.new_page()
    chat.goto(app.url)
    expect(chat.locator("#question textarea")).to_be_visible()
    rating = context.new_page()
    enter(rating, app, study.token)
    score(rating, "A", 1, 1, 1)
    chat.locator("#question textarea").fill("我感冒了")
    chat.locator("#send").click()
    expect(chat.locator(".toast-body")).to_contain_text("请先登录")


# -- pages of other sites, and of other ports of this machine --

ELSEWHERE = pytest.mark.parametrize(
    "origin",
    ["https://example.org", "http://127.0.0.1:1", "http://evil://127.0.0.1", "null", "file://"],
)


@ELSEWHERE
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("OPTIONS", "/rating/save"),
        ("POST", "/rating/profile"),
        ("POST", "/rating/leave"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/sign-out"),
    ],
)
def test_a_page_from_elsewhere_changes_nothing(
    client: httpx.Client, study, origin: str, method: str, path: str
) -> None:
    client.get(f"/r/{study.token}")
    sign_in(client)
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = client.request(method, path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_from_here")
    assert "access-control-allow-origin" not in answer.headers
    client.cookies.clear()


@ELSEWHERE
@pytest.mark.parametrize("path", ["/rate/", "/rating/list", "/healthz"])
def test_a_page_from_elsewhere_may_read_nothing(
    client: httpx.Client, origin: str, path: str
) -> None:
    """The browser lets it read only what says that it may."""
    answer = client.get(path, headers={"Origin": origin})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_proxy_that_hides_the_host_may_stand_before_the_app(client: httpx.Client, study) -> None:
    """The browser itself says that its own page sent this."""
    client.get(f"/r/{study.token}")
    headers = {"Origin": "https://study.example.org", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/rating/leave", headers=headers).status_code == 200


def test_another_port_of_the_same_site_is_elsewhere(client: httpx.Client) -> None:
    told = {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}
    assert client.post("/rating/leave", headers=told).status_code == 403
