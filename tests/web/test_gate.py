"""The gate: what is let through for whom, what a click may bring, and what uploads leave behind."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from app_server import PASSWORD, AppServer
from pages import page_config
from project import ROOT
from rating_steps import RatedStudy

from eval_ui.web.allowed_routes import RULES, find_rule
from eval_ui.web.gate import LOOKUPS
from eval_ui.web.page_sessions import (
    COORDINATORS,
    MAX_EVENTS_OF_SESSION,
    STRANGER,
    STRANGERS,
    ForeignSession,
    NoRoom,
    PageSessions,
)
from eval_ui.web.request_bodies import (
    BadEvent,
    ForeignFile,
    holds_files_only,
    read_event,
    to_json,
    with_own_files,
)
from eval_ui.web.uploads import MAX_FILES, SECONDS_KEPT, Uploads, safe_name

NO_MODELS = ROOT / "tests" / "benchmarks" / "no_models.toml"
DOCUMENT = ROOT / "docs" / "security.md"
PAGES = ("", "/en", "/rate", "/en/rate")

REFUSED = (
    # Below any page, without its prefix: why it is refused.
    (r"/gradio_api/(file=.*|file/.*|proxy=.*)", "serves files, and fetches foreign URLs"),
    (r"/gradio_api/deep_link", "stores a session's state for whoever knows its link"),
    (r"/gradio_api/stream/.*", "media that no component of the app streams"),
    (r"/gradio_api/(process_recording|component_server/?)", "takes uploads from anybody"),
    (r"/gradio_api/(run|api|call)/.*", "calls listeners beside the queue and its bounds"),
    (r"/gradio_api/(cancel|reset/?|queue/status)", "not used by the page"),
    (r"/gradio_api/custom_component/.*", "no component of the app is a custom one"),
    (r"/gradio_api/(dev/reload|vibe-.*|undo-vibe-.*|startup-events)", "for developing with Gradio"),
    (r"/gradio_api/(runs/?|run-history/.*)", "history of runs, which is off"),
    (r"/(monitoring.*|gradio_api/profiling/.*)", "figures of Gradio's own about its use"),
    (r"/(login/?|logout)|/gradio_api/(user|token|login_check)/?", "Gradio's own way of signing in"),
    (r"/gradio_api/app_id/?", "not used by the page"),
    (r"/(config/?|openapi\.json|gradio_api/(info/?|openapi\.json))", "names models and listeners"),
    (r"/(svelte/.*|robots\.txt|pwa_icon.*|manifest\.json)", "not used by the page"),
    (r"/gradio_api/theme\.css|/favicon\.ico", "not used by the page"),
)
REFUSED_ON_RATING_PAGES = (r"/gradio_api/.*", "the rating page has no listeners")


# -- the routes that are really there --

LIST_ROUTES = """
import json, sys
from pathlib import Path
from starlette.routing import Mount, Route

from eval_ui.server import build
from eval_ui.backend.services import Services
from medchat.config import Settings

def mounted(routes, prefix=""):
    for route in routes:
        if isinstance(route, Mount):
            yield from mounted(route.app.routes, prefix + route.path)
        elif isinstance(route, Route):
            yield from ((method, prefix + route.path) for method in sorted(route.methods or ()))
        elif hasattr(route, "original_router") and not route.include_context.prefix:
            yield from mounted(route.original_router.routes, prefix)
        else:
            sys.exit(f"a route of a kind that the test does not know: {route!r}")

app = build(Services.start(Settings.read(db=Path(sys.argv[1]), models=Path(sys.argv[2]))))
print(json.dumps(list(dict.fromkeys(mounted(app.routes)))))
"""
"""Prints every method and path of the whole app, also of the apps that are mounted in it."""


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Each once, in their order."""
    db = tmp_path_factory.mktemp("routes") / "m.db"
    command = [sys.executable, "-c", LIST_ROUTES, str(db), str(NO_MODELS)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    listed = json.loads(result.stdout.splitlines()[-1])
    return [(method, path) for method, path in listed]


SAMPLES = {
    "static/rating/{version}": "",
    "assets/{path:path}": "assets/" + "ASSET",
    "static/{path:path}": "static/img/logo.svg",
    "{token}": "TOKEN",
    "{kind:path}": "scores.csv",
    "{study_id}": "STUDY",
    "{name}": "main.js",
    "{place}": "1",
    "{session_hash}": "session0",
}


def asset() -> str:
    import gradio

    folder = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    return sorted(path.name for path in folder.glob("*.css"))[0]


def address(path: str) -> str:
    """An address that a route's pattern matches."""
    for pattern, value in SAMPLES.items():
        path = path.replace(pattern, value)
    return re.sub(r"\{[^}]*\}", "x", path).replace("ASSET", asset())


def split_page(path: str) -> tuple[str, str]:
    """The page below which a path lies, and the rest."""
    page = max((page for page in PAGES if path.startswith(f"{page}/")), key=len)
    return page, path.removeprefix(page)


def reason_of(path: str) -> str | None:
    """Why a path is refused; None where nobody gave a reason."""
    page, rest = split_page(path)
    patterns = (*REFUSED, REFUSED_ON_RATING_PAGES) if page.endswith("rate") else REFUSED
    return next((reason for pattern, reason in patterns if re.fullmatch(pattern, rest)), None)


def is_allowed(method: str, path: str) -> bool:
    return find_rule(method, address(path), address(path)) is not None


def test_every_mounted_route_is_allowed_or_refused_with_a_reason(routes) -> None:
    """So that an upgrade of Gradio cannot open a door."""
    assert len(routes) > 200
    unknown = [
        f"{method} {path}"
        for method, path in routes
        if is_allowed(method, path) == (reason_of(path) is not None)
        and not (method == "GET" and path == "/favicon.ico")
    ]
    assert unknown == []


def test_every_rule_lets_a_route_through_that_is_there(routes) -> None:
    unused = [
        rule
        for rule in RULES
        if not any(
            method in rule.methods and re.fullmatch(rule.path, address(path))
            for method, path in routes
        )
    ]
    assert unused == []


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/en//",
        "//gradio_api/queue/join",
        "/gradio_api//queue/join",
        "/gradio_api/queue/join/",
        "/GRADIO_API/queue/join",
        "/gradio_api/./queue/join",
        "/rate/../gradio_api/queue/join",
        "/r/../gradio_api/file=http://127.0.0.1/",
        "/assets/../config",
        "/assets/",
        "/static/img/../../config",
        "/static/ffmpeg/ffmpeg-core.js",
        "/config",
        "/en/config",
        "/rate/config",
        "/rate/gradio_api/queue/join",
        "/rate/gradio_api/upload",
        "/gradio_api/queue/join\x00",
        "/gradio_api/queue/join\n",
        "/gradio_api/heartbeat/x/y",
        "/gradio_api/heartbeat/" + "x" * 41,
        "/gradio_api/heartbeat/A<gradio-sep>b",
        "/gradio_api/file=http://127.0.0.1/x.png",
        "/gradio_api/deep_link",
        "/export/../healthz/x",
        "/еn/",
    ],
)
def test_a_path_that_only_looks_like_an_allowed_one_is_refused(path: str) -> None:
    assert [method for method in ("GET", "POST") if find_rule(method, path, path)] == []


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/r/a/gradio_api/file=http://x", "/r/a%2fgradio_api%2ffile=http:%2f%2fx"),
        ("/r/a/b", "/r/a%2fb"),
        ("/gradio_api/queue/join", "/gradio_api%2fqueue/join"),
        ("/gradio_api/queue/join", "/gradio_api/queue/jo%69n"),
        ("/", "/%2e"),
    ],
)
def test_what_hides_behind_escapes_is_refused(path: str, raw: str) -> None:
    assert [method for method in ("GET", "POST") if find_rule(method, path, raw)] == []


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get"])
def test_other_methods_are_refused(method: str) -> None:
    assert find_rule(method, "/", "/") is None
    assert find_rule(method, "/rating/save", "/rating/save") is None


# -- the table of statuses --


@dataclass(frozen=True)
class Role:
    name: str
    is_local: bool

    @property
    def title(self) -> str:
        return f"{self.name}, {'this machine' if self.is_local else 'elsewhere'}"


ROLES = [Role(n, local) for n in ("stranger", "rater", "coordinator") for local in (True, False)]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    folder = tmp_path_factory.mktemp("gate")
    with AppServer(folder / "medchat.db", log=folder / "app.log", models=NO_MODELS) as server:
        yield server
        assert "Traceback" not in server.log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study(app: AppServer) -> RatedStudy:
    return RatedStudy(app.db, "Gate")


@contextmanager
def signed_in(app: AppServer) -> Iterator[httpx.Client]:
    form = {"name": "coordinator", "password": PASSWORD, "to": "/"}
    with httpx.Client(base_url=app.url) as client:
        assert client.post("/sign-in", data=form).status_code == 303
        yield client


class Caller:
    """Sends one request after the other as one role."""

    def __init__(self, app: AppServer, study: RatedStudy, role: Role) -> None:
        self._app, self._study, self._role = app, study, role
        self._cookies = self._sign_in()
        headers = {} if role.is_local else {"X-Forwarded-For": "192.0.2.7"}
        self._client = httpx.Client(base_url=app.url, headers=headers)
        with signed_in(app) as client:
            config = page_config(client.get("/").text)
        self.listener = next(
            each["id"]
            for each in config["dependencies"]
            if not each["inputs"] and each["backend_fn"]
        )
        self._session = f"{role.name}{int(role.is_local)}"

    def _sign_in(self) -> dict[str, str]:
        if self._role.name == "stranger":
            return {}
        if self._role.name == "coordinator":
            with signed_in(self._app) as client:
                return dict(client.cookies)
        with httpx.Client(base_url=self._app.url) as client:
            client.get(f"/r/{self._study.token}")
            return dict(client.cookies)

    def status(self, method: str, path: str) -> int:
        if path.endswith("/queue/data"):
            self.status("POST", path.replace("data", "join"))
        path = address(path).replace("TOKEN", self._study.token)
        path = path.replace("STUDY", self._study.study.id).replace("session0", self._session)
        self._client.cookies = httpx.Cookies(
            self._sign_in() if path == "/sign-out" else self._cookies
        )
        with self._client.stream(method, path, **self._sent(method, path)) as answer:
            return answer.status_code

    def close(self) -> None:
        self._client.close()

    def _sent(self, method: str, path: str) -> dict[str, Any]:
        if path.endswith("/queue/data"):
            return {"params": {"session_hash": self._session}}
        if method != "POST":
            return {}
        if path == "/sign-in":
            return {"data": {"name": "coordinator", "password": PASSWORD, "to": "/"}}
        if path.endswith("/upload"):
            return {"files": {"files": ("a.csv", b"question\nx\n")}}
        if path.endswith("/queue/join"):
            event = {"data": [], "fn_index": self.listener, "session_hash": self._session}
            return {"json": event}
        return {"json": {}}


def statuses(app: AppServer, study: RatedStudy, routes) -> dict[tuple[str, str], list[int]]:
    """Of every route, by method and path: what each role gets."""
    callers = [Caller(app, study, role) for role in ROLES]
    try:
        return {
            (method, path): [caller.status(method, path) for caller in callers]
            for method, path in routes
        }
    finally:
        for caller in callers:
            caller.close()


def collapsed(table: dict[tuple[str, str], list[int]]) -> dict[tuple[str, str], list[int]]:
    """One row for both languages, which must not differ."""
    rows: dict[tuple[str, str], list[int]] = {}
    for (method, path), numbers in table.items():
        name = re.sub(r"^/en(?=/)", "[/en]", path)
        name = re.sub(r"/static/rating/[0-9a-f]+/", "/static/rating/{version}/", name)
        neutral = f"[/en]{path}" if f"/en{path}" in {other for _, other in table} else name
        rows.setdefault((method, neutral), numbers)
        assert rows[method, neutral] == numbers, (method, path)
    return rows


def rendered(table: dict[tuple[str, str], list[int]]) -> str:
    allowed = {key: row for key, row in table.items() if is_allowed(*key)}
    head = f"| Method | Route | {' | '.join(role.title for role in ROLES)} |"
    lines = [head, f"|{'---|' * (2 + len(ROLES))}"]
    for (method, path), numbers in collapsed(allowed).items():
        lines.append(f"| {method} | `{path}` | {' | '.join(str(n) for n in numbers)} |")
    lines += ["", "Refused to everybody with 404, on every page that has it:", ""]
    lines += ["| Method | Route below a page | Why |", "|---|---|---|"]
    refused = [(method, path) for method, path in table if (method, path) not in allowed]
    rest = dict.fromkeys((method, split_page(path)[1]) for method, path in refused)
    for method, path in rest:
        reasons = {
            reason_of(f"{page}{path}") for page in PAGES if (method, f"{page}{path}") in refused
        }
        lines.append(f"| {method} | `{path}` | {'; '.join(sorted(filter(None, reasons)))} |")
    return "\n".join(lines)


def test_the_documents_table_is_what_the_app_answers(app, study, routes) -> None:
    """MEDCHAT_WRITE_DOCS=1 writes the table anew."""
    table = statuses(app, study, routes)
    for (method, path), numbers in table.items():
        if not is_allowed(method, path):
            assert set(numbers) == {404}, (method, path, numbers)
    begin, end = "<!-- routes: begin -->\n", "\n<!-- routes: end -->"
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    written, _, after = rest.partition(end)
    if os.environ.get("MEDCHAT_WRITE_DOCS"):
        DOCUMENT.write_text(f"{before}{begin}{rendered(table)}{end}{after}", encoding="utf-8")
    else:
        assert written == rendered(table)


def test_refusals_say_what_to_do_in_both_languages(app: AppServer) -> None:
    answer = httpx.get(f"{app.url}/gradio_api/file=http://127.0.0.1/x.png")
    assert answer.status_code == 404
    assert "没有" in answer.json()["zh"]
    assert "no such page" in answer.json()["en"]


def test_parameters_that_gradio_acts_on_are_dropped(app: AppServer) -> None:
    plain = httpx.get(f"{app.url}/").text
    for query in ("deep_link=abc", "view=api", "page=x", "__theme=dark&deep_link=x", "__sign=1"):
        answer = httpx.get(f"{app.url}/?{query}")
        assert answer.status_code == 200
        assert len(answer.text) == len(plain)
        assert '"deep_link_state":"none"' in answer.text


def test_no_websocket_is_opened(app: AppServer) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    assert httpx.get(f"{app.url}/gradio_api/queue/data", headers=headers).status_code != 101


# -- clicks --


def event(**fields: Any) -> dict[str, Any]:
    return {"data": [], "fn_index": 0, "session_hash": "s", **fields}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"{",
        b"\xff",
        json.dumps({"data": []}).encode(),
        json.dumps(event(fn_index="0")).encode(),
        json.dumps(event(fn_index=True)).encode(),
        json.dumps(event(fn_index=-1)).encode(),
        json.dumps(event(session_hash=None)).encode(),
        json.dumps(event(data={})).encode(),
        json.dumps(event(data=[float("nan")])).encode(),
        json.dumps(event(data=[float("inf")])).encode(),
        b'{"data": [' + b"9" * 10_000 + b'], "fn_index": 0, "session_hash": "s"}',
        b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b', "fn_index": 0, "session_hash": "s"}',
    ],
)
def test_an_event_that_no_page_sends_is_refused(body: bytes) -> None:
    with pytest.raises(BadEvent):
        to_json(with_own_files(read_event(body), lambda _: None))


def test_what_python_reads_as_infinite_is_refused() -> None:
    with pytest.raises(BadEvent):
        to_json(read_event(b'{"data": [1e999], "fn_index": 0, "session_hash": "s"}'))


def test_of_a_key_that_stands_twice_gradio_sees_the_one_that_was_checked() -> None:
    body = b'{"data": [{"path": "a"}], "data": ["b"], "fn_index": 0, "session_hash": "s"}'
    assert json.loads(to_json(with_own_files(read_event(body), lambda _: None)))["data"] == ["b"]


def test_fields_that_change_what_gradio_does_are_dropped() -> None:
    sent = event(simple_format=True, batched=True, event_id="x", oauth_token="x", request={})
    assert read_event(json.dumps(sent).encode()) == event()


@pytest.mark.parametrize(
    "file",
    [
        {"path": "http://127.0.0.1/x", "meta": {"_type": "gradio.FileData"}},
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "https://127.0.0.1/x"},
        {"path": ["a"]},
        {"path": None, "url": "http://127.0.0.1/x"},
        {"url": "http://127.0.0.1/x"},
        {"orig_name": "x.csv"},
        {"meta": {"_type": "gradio.FileData"}},
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_file_that_nobody_uploaded_never_reaches_gradio(file: Any, nested: bool) -> None:
    sent = {"a": [{"b": [file]}]} if nested else file
    with pytest.raises(ForeignFile):
        with_own_files(sent, lambda _: None)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (None, True),
        ([], True),
        ({"path": "a", "meta": {"_type": "gradio.FileData"}}, True),
        ([{"path": "a"}, {"path": "b"}], True),
        (1, False),
        ("http://127.0.0.1/x.png", False),
        (["/etc/passwd"], False),
        ({"other": 1}, False),
        ([[{"path": "a"}]], False),
    ],
)
def test_a_file_field_takes_files_alone(value: Any, fits: bool) -> None:
    assert holds_files_only(value) is fits


def test_of_an_own_file_only_what_the_gate_knows_stays() -> None:
    sent = {"path": "mine", "url": "http://127.0.0.1/x", "is_stream": True, "size": 1}
    assert with_own_files([sent], {"mine": {"path": "/real"}}.get) == [{"path": "/real"}]


def post_event(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post("/gradio_api/queue/join", json=event(**fields))


@pytest.fixture(scope="module")
def config(app: AppServer) -> dict[str, Any]:
    return page_config(httpx.get(app.url).text)


def listener(config: dict[str, Any], elem_id: str) -> dict[str, Any]:
    """The last listener of a component of the page."""
    ids = {each["id"] for each in config["components"] if each["props"].get("elem_id") == elem_id}
    return [d for d in config["dependencies"] if ids & {target[0] for target in d["targets"]}][-1]


def test_a_url_for_a_file_field_is_refused_and_never_fetched(app, config) -> None:
    practice = listener(config, "practice-load")
    file = {"path": "http://127.0.0.1:9/x.csv", "meta": {"_type": "gradio.FileData"}}
    data = [file if name else None for name in range(len(practice["inputs"]))]
    with signed_in(app) as client:
        answer = post_event(client, data=data, fn_index=practice["id"], session_hash="url1")
        assert (answer.status_code, answer.json()["code"]) == (409, "upload_gone")
        data = ["http://127.0.0.1:9/x.csv" if name else None for name in range(len(data))]
        answer = post_event(client, data=data, fn_index=practice["id"], session_hash="url1")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_event")


def test_a_session_is_not_read_by_another(app: AppServer, study, config) -> None:
    fn = next(d["id"] for d in config["dependencies"] if not d["inputs"] and d["backend_fn"])
    stranger = httpx.Client(base_url=app.url)
    with signed_in(app) as owner, signed_in(app) as other, stranger:
        assert post_event(owner, fn_index=fn, session_hash="own1").status_code == 200
        for client in (stranger, other):
            path = "/gradio_api/queue/data?session_hash=own1"
            assert client.get(path).json()["code"] == "session_of_another"
            assert client.get("/gradio_api/heartbeat/own1").status_code == 403
            answer = post_event(client, fn_index=fn, session_hash="own1")
            assert answer.json()["code"] == "session_of_another"


def test_a_strangers_page_goes_on_when_its_browser_signs_in(app: AppServer, config) -> None:
    fn = next(d["id"] for d in config["dependencies"] if not d["inputs"] and d["backend_fn"])
    with httpx.Client(base_url=app.url) as stranger, signed_in(app) as coordinator:
        assert post_event(stranger, fn_index=fn, session_hash="both1").status_code == 200
        assert post_event(coordinator, fn_index=fn, session_hash="both1").status_code == 200
        assert post_event(stranger, fn_index=fn, session_hash="both1").status_code == 403


@pytest.mark.parametrize("name", ["", "A", "a_1", "a<gradio-sep>b", "x" * 41, "../x"])
def test_a_session_has_a_plain_name(app: AppServer, config, name: str) -> None:
    fn = next(d["id"] for d in config["dependencies"] if not d["inputs"] and d["backend_fn"])
    with httpx.Client(base_url=app.url) as client:
        assert post_event(client, fn_index=fn, session_hash=name).status_code == 400


def test_an_event_larger_than_any_page_sends_is_refused(app: AppServer) -> None:
    with httpx.Client(base_url=app.url) as client:
        answer = post_event(client, data=["x" * 1_100_000])
    assert (answer.status_code, answer.json()["code"]) == (413, "event_too_large")


# -- sessions --


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> PageSessions:
    """Of a page whose Gradio app holds nothing yet."""
    queue = SimpleNamespace(
        pending_event_ids_session={},
        event_ids_to_events={},
        event_queue_per_concurrency_id={},
        pending_messages_per_session={},
    )
    blocks = SimpleNamespace(_queue=queue, pending_streams={}, pending_diff_streams={}, fns={})
    holder = SimpleNamespace(lock=threading.Lock(), session_data={}, time_last_used={})
    return PageSessions(SimpleNamespace(get_blocks=lambda: blocks, state_holder=holder), clock)


def test_strangers_have_a_bounded_number_of_sessions(sessions: PageSessions, clock) -> None:
    for number in range(STRANGERS.sessions):
        sessions.click(f"s{number}", STRANGER, f"address {number}")
    with pytest.raises(NoRoom):
        sessions.click("more", STRANGER, "address")
    clock.now += 301
    sessions.click("more", STRANGER, "address")
    assert len(sessions) == STRANGERS.sessions
    with pytest.raises(ForeignSession), sessions.using("s0", STRANGER):
        pass


def test_one_address_does_not_take_all_sessions(sessions: PageSessions) -> None:
    for number in range(STRANGERS.sessions_of_client):
        sessions.click(f"s{number}", STRANGER, "one")
    with pytest.raises(NoRoom):
        sessions.click("more", STRANGER, "one")
    sessions.click("other", STRANGER, "two")


def test_strangers_push_no_coordinator_out(sessions: PageSessions, clock) -> None:
    sessions.click("mine", "anna", "1")
    clock.now += 10_000
    for number in range(STRANGERS.sessions):
        sessions.click(f"s{number}", STRANGER, f"address {number}")
    for number in range(COORDINATORS.sessions - 1):
        sessions.click(f"c{number}", "bea", f"client {number}")
    with sessions.using("mine", "anna"):
        pass


def test_a_coordinators_oldest_page_gives_way(sessions: PageSessions, clock) -> None:
    for number in range(COORDINATORS.sessions + 1):
        clock.now += 1
        sessions.click(f"c{number}", "anna", "1")
    assert len(sessions) == COORDINATORS.sessions
    with pytest.raises(ForeignSession), sessions.using("c0", "anna"):
        pass


def test_a_session_that_is_read_stays(sessions: PageSessions, clock) -> None:
    sessions.click("s0", STRANGER, "0")
    with sessions.using("s0", STRANGER):
        clock.now += 301
        for number in range(1, STRANGERS.sessions + 5):
            sessions.click(f"s{number}", STRANGER, f"address {number}")
            clock.now += 301
        assert not sessions.belongs_to_another("s0", STRANGER)
        with sessions.using("s0", STRANGER):
            pass


def test_what_gradio_kept_of_a_forgotten_session_is_gone(sessions: PageSessions, clock) -> None:
    app = sessions._app
    for number in range(STRANGERS.sessions):
        sessions.click(f"s{number}", STRANGER, f"address {number}")
        app.state_holder.session_data[f"s{number}"] = "components"
    clock.now += 301
    sessions.click("more", STRANGER, "address")
    assert "s0" not in app.state_holder.session_data
    assert len(app.state_holder.session_data) == STRANGERS.sessions - 1


def test_clicks_of_one_session_do_not_pile_up(sessions: PageSessions) -> None:
    queue = sessions._app.get_blocks()._queue
    sessions.click("s", STRANGER, "1")
    queue.pending_event_ids_session["s"] = {str(n) for n in range(MAX_EVENTS_OF_SESSION)}
    with pytest.raises(NoRoom):
        sessions.click("s", STRANGER, "1")


def test_signing_out_deletes_a_coordinators_sessions(sessions: PageSessions) -> None:
    sessions.click("mine", "anna", "1")
    sessions.click("hers", "bea", "2")
    sessions.forget_owner("anna")
    assert len(sessions) == 1


# -- uploads --


@pytest.fixture
def uploads(tmp_path: Path, clock: Clock) -> Uploads:
    return Uploads(tmp_path, clock)


def add(uploads: Uploads, tmp_path: Path, owner: str = "anna", size: int = 3) -> str:
    source = tmp_path.parent / "source"
    source.write_bytes(b"abc")
    with source.open("rb") as file:
        return uploads.add(owner, file, "a.csv", size)


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_upload_is_its_coordinators_alone(uploads: Uploads, tmp_path: Path) -> None:
    name = add(uploads, tmp_path)
    upload = uploads.use("anna", name)
    assert upload is not None
    assert upload.path.read_bytes() == b"abc"
    assert upload.path.parent.stat().st_mode & 0o077 == 0
    assert uploads.use("bea", name) is None
    assert uploads.use(STRANGER, name) is None
    assert uploads.use("anna", str(upload.path)) is None, "a path is no name of an upload"


def test_an_upload_goes_when_it_was_used(uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.use("anna", add(uploads, tmp_path))
    assert upload is not None
    uploads.remove(upload.path)
    assert list(tmp_path.iterdir()) == []
    uploads.remove("/etc/hostname")
    uploads.remove(None)


def test_an_upload_goes_when_another_takes_its_field(uploads: Uploads, tmp_path: Path) -> None:
    first, second = add(uploads, tmp_path), add(uploads, tmp_path)
    uploads.use("anna", first, ("s", 7))
    uploads.use("anna", second, ("s", 8))
    assert len(files_below(tmp_path)) == 2
    uploads.use("anna", second, ("s", 7))
    assert uploads.use("anna", first) is None
    assert len(files_below(tmp_path)) == 1


def test_an_upload_goes_after_an_hour_and_at_sign_out(uploads, tmp_path, clock) -> None:
    old = add(uploads, tmp_path)
    clock.now += SECONDS_KEPT + 1
    new, hers = add(uploads, tmp_path), add(uploads, tmp_path, "bea")
    assert uploads.use("anna", old) is None
    uploads.remove_owner("anna")
    assert uploads.use("anna", new) is None
    assert uploads.use("bea", hers) is not None
    assert len(files_below(tmp_path)) == 1


def test_the_empty_files_that_gradio_leaves_are_removed(uploads, tmp_path: Path) -> None:
    (tmp_path / "tmpx1").touch()
    name = add(uploads, tmp_path)
    uploads.remove_old()
    assert not (tmp_path / "tmpx1").exists()
    assert uploads.use("anna", name) is not None


def test_files_of_one_coordinator_do_not_pile_up(uploads: Uploads, tmp_path: Path) -> None:
    for _ in range(MAX_FILES + 3):
        add(uploads, tmp_path)
    assert len(files_below(tmp_path)) == MAX_FILES
    add(uploads, tmp_path, size=64 * 1024 * 1024)
    assert len(files_below(tmp_path)) == 1


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("题目.csv", "题目.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\a b.xlsx", "a b.xlsx"),
        ("a\x00b;c.csv", "a_b_c.csv"),
        ("..", "file"),
        ("", "file"),
        ("x" * 300 + ".jsonl", "x" * 100 + ".jsonl"),
    ],
)
def test_a_files_name_holds_no_path(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_refused_upload_leaves_nothing(app: AppServer) -> None:
    folder = upload_folder(app)
    before = set(folder.rglob("*"))
    with signed_in(app) as client:
        big = {"files": ("a.csv", b"x" * (21 * 1024 * 1024))}
        answer = client.post("/gradio_api/upload", files=big)
        assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
        assert client.post("/gradio_api/upload", content=b"x").status_code == 400
        two = [("files", ("a.csv", b"x")), ("files", ("b.csv", b"x"))]
        assert client.post("/gradio_api/upload", files=two).status_code == 400
    assert set(folder.rglob("*")) == before


def test_an_uploaded_file_is_served_to_nobody(app: AppServer) -> None:
    with signed_in(app) as client:
        (name,) = client.post("/gradio_api/upload", files={"files": ("a.csv", b"secret")}).json()
        assert len(files_below(upload_folder(app))) >= 1
        for path in (f"/gradio_api/file={name}", f"/file={name}", f"/gradio_api/file/{name}"):
            assert client.get(path).status_code == 404
        client.post("/sign-out")
    rest = [path.read_bytes() for path in files_below(upload_folder(app))]
    assert b"secret" not in rest


def upload_folder(app: AppServer) -> Path:
    """Where the running app keeps uploads: the folder that its environment names."""
    (folder,) = app.upload_folders()
    return folder


def test_no_more_cookies_are_looked_up_at_once_than_leave_raters_room() -> None:
    assert LOOKUPS < 40
