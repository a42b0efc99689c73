"""A real nginx and a real Caddy in front of the app, and a real Chromium in front, by HTTPS.

    PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks python tests/attacks/proxies.py

The proxies' configuration is the one that docs/en/deployment.md gives, besides nginx with nothing
but its own defaults. The certificate is made for the run. Every attempt is printed with its
result; ends with 1 when somebody gets in who should not, or when what should work does not.
"""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from app_server import PASSWORD, AppServer, free_port
from conftest import CHROMIUM_ARGUMENTS
from find_browser import find
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from project import ROOT
from rating_steps import RatedStudy

HOST = "study.example.org"
URL = f"https://{HOST}"
DEFAULTS = """
server {
    listen 443 ssl;
    ssl_certificate /etc/ssl/study.example.org.pem;
    ssl_certificate_key /etc/ssl/study.example.org.key;
    location / {
        proxy_pass http://127.0.0.1:7860;
    }
}
"""
"""nginx as it comes: HTTP/1.0, the Host of this machine, and no word on who asks."""
HOST_ONLY = DEFAULTS.replace("}\n}", "    proxy_set_header Host $http_host;\n    }\n}")
UNNAMED = "nginx with its defaults"
ENOUGH = 5
"""So many lengths of one text were seen while it grew."""
MODELS = ("demo-llama", "demo-huatuo", "demo-chatglm-med")

failures: list[str] = []


def report(what: str, held: bool, result: str = "") -> None:
    print(f"{'held ' if held else 'FAILED'}  {what}: {result}", flush=True)
    if not held:
        failures.append(what)


def require_programs() -> None:
    missing = [name for name in ("nginx", "caddy", "openssl") if not shutil.which(name)]
    if missing:
        sys.exit(
            f"Missing: {', '.join(missing)}. On Debian and Ubuntu: "
            "apt-get install --no-install-recommends nginx caddy openssl"
        )


def recipe(kind: str) -> str:
    """A proxy's configuration as docs/en/deployment.md gives it."""
    page = (ROOT / "docs" / "en" / "deployment.md").read_text("utf-8")
    found = re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL)
    assert found, f"docs/en/deployment.md has no configuration of {kind}"
    return found[1]


# -- the proxies --


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def for_this_run(text: str, port: int, app: AppServer, folder: Path) -> str:
    """A configuration with the ports and files of this run, and nothing else changed."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    return (
        text.replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace("/etc/ssl/study.example.org.pem", str(certificate))
        .replace("/etc/ssl/study.example.org.key", str(key))
        .replace("127.0.0.1:7860", f"127.0.0.1:{app.port}")
    )


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[int]:
    """A proxy of our own; ended by its number alone."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        wait_for(lambda: httpx.get(f"https://127.0.0.1:{port}/", verify=False), log)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def wait_for(ask: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            ask()
            return
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise AssertionError(f"no proxy: {log.read_text('utf-8', 'replace')}") from None
            time.sleep(0.2)


@contextmanager
def nginx(servers: str, app: AppServer, folder: Path) -> Iterator[int]:
    port = free_port()
    own = folder / f"nginx{port}"
    own.mkdir()
    folders = "".join(
        f"{kind}_temp_path {own}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (own / "nginx.conf").write_text(
        f"daemon off; pid {own}/pid; error_log stderr;\n"
        f"{'user root;' if Path.home() == Path('/root') else ''}\nevents {{}}\n"
        f"http {{\naccess_log off;\n{folders}{for_this_run(servers, port, app, folder)}\n}}\n",
        encoding="utf-8",
    )
    command = ["nginx", "-p", str(own), "-c", str(own / "nginx.conf")]
    with running(command, port, own / "log"):
        yield port


@contextmanager
def caddy(sites: str, app: AppServer, folder: Path) -> Iterator[int]:
    port = free_port()
    own = folder / f"caddy{port}"
    own.mkdir()
    tls = f"tls {folder}/certificate.pem {folder}/key.pem"
    sites = for_this_run(sites, port, app, folder).replace("{\n", f"{{\n    {tls}\n", 1)
    options = f"admin off\nhttp_port {free_port()}\nhttps_port {port}\nstorage file_system {own}"
    options += "\nauto_https disable_redirects\ndefault_bind 127.0.0.1"
    (own / "Caddyfile").write_text(f"{{\n{options}\n}}\n{sites}", encoding="utf-8")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(own / "Caddyfile")]
    process_ready = running_caddy(command, port, own / "log")
    with process_ready:
        yield port


@contextmanager
def running_caddy(command: list[str], port: int, log: Path) -> Iterator[int]:
    """Caddy answers to the name of its site only, so any TLS answer will do."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent)
    try:
        time.sleep(3)
        assert process.poll() is None, log.read_text("utf-8", "replace")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


# -- who gets what --


@contextmanager
def window(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
    context.set_default_timeout(20_000)
    yield context
    context.close()


def names_in(text: str) -> list[str]:
    return [model for model in MODELS if model in text]


def try_stranger(context: BrowserContext, name: str, who: str, lands_at: str) -> None:
    """Neither page nor health tells a model's name, and no click reaches a model."""
    page = context.new_page()
    texts = ""
    for path in ("/", "/en/", "/healthz", "/config", "/gradio_api/info"):
        texts += page.goto(f"{URL}{path}").text()  # type: ignore[union-attr]
    report(f"{name}: {who} reads model names", not names_in(texts), f"{names_in(texts)}")
    page.goto(f"{URL}/")
    report(f"{name}: {who} is led to {lands_at}", lands_at in page.url, page.url)
    clicks = [ask_by_hand(page, number) for number in range(4)]
    report(f"{name}: {who} asks models", set(clicks) <= {401, 403}, f"{clicks}")


def ask_by_hand(page: Page, listener: int) -> int:
    """The status of a click that was put together by hand."""
    return int(
        page.evaluate(
            """async (fn_index) => (await fetch("/gradio_api/queue/join", {
                method: "POST",
                headers: { "Content-Type": "application/json" },
                body: JSON.stringify({ data: [], fn_index, session_hash: "byhand" }),
            })).status""",
            listener,
        )
    )


def try_rater(context: BrowserContext, name: str, study: RatedStudy, secure: bool) -> None:
    page = context.new_page()
    page.goto(f"{URL}/r/{study.token}")
    before = len(study.log())
    answer = page.locator("#answer-A, [data-letter=A]").first
    expect(answer).to_be_visible()
    page.wait_for_timeout(500)
    saved = page.evaluate(
        """async (key) => {
            const list = await (await fetch("/rating/page/1")).json();
            const scores = { safety: 1, usability: 2, fluency: 3 };
            const body = { item: list.answers[0].item, key, scores, active_seconds: 2 };
            return (await fetch("/rating/save", {
                method: "POST",
                headers: { "Content-Type": "application/json" },
                body: JSON.stringify(body),
            })).status;
        }""",
        f"{name}",
    )
    report(f"{name}: a rater saves", saved == 200 and len(study.log()) > before, f"{saved}")
    cookies = {each["name"]: each["secure"] for each in context.cookies()}
    report(
        f"{name}: the rater's cookie is Secure",
        cookies.get("medchat_rater") or not secure,
        f"{cookies}",
    )
    try_stranger(context, name, "a rater in a private window", "/rate/")


def try_coordinator(context: BrowserContext, name: str, public: bool) -> None:
    page = context.new_page()
    page.goto(f"{URL}/sign-in?to=/")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.locator("#question textarea")).to_be_visible()
    cookies = {each["name"]: each["secure"] for each in context.cookies()}
    held = cookies.get("medchat_coordinator") is True
    report(f"{name}: the coordinator's cookie is Secure", held, f"{cookies}")
    if name != UNNAMED:  # the app does not know under which name its page should ask
        page.locator("#question textarea").fill("我感冒了，怎么治疗")
        page.locator("#send").click()
        lengths = streamed(page)
        report(f"{name}: an answer streams", len(lengths) >= ENOUGH, f"{len(lengths)} lengths seen")
    if public:
        try_links(page, name)


def streamed(page: Page) -> set[int]:
    """Lengths that a pane has while an answer is written into it."""
    lengths: set[int] = set()
    deadline = time.monotonic() + 90
    while len(lengths) < ENOUGH and time.monotonic() < deadline:
        lengths.add(len(page.locator("#pane-1").inner_text()))
        page.wait_for_timeout(30)
    return lengths


def try_links(page: Page, name: str) -> None:
    """A personal link names the public address."""
    page.get_by_role("tab", name="研究管理").click()
    expect(page.locator("#study-overview")).to_contain_text("proxied")
    page.get_by_role("tab", name="5 评分者").click()
    page.locator("#invite").click()
    page.wait_for_timeout(3000)
    html = page.content()
    links = set(re.findall(r"https?://[^\s\"'<]+/r/[\w-]+", html))
    good = bool(links) and all(link.startswith(f"{URL}/r/") for link in links)
    report(f"{name}: personal links carry the public address", good, f"{sorted(links)[:1]}")


# -- everything --


def try_proxy(browser_of: Callable[[int], Browser], port: int, name: str, app: AppServer) -> None:
    public = name in ("nginx as in the docs", "Caddy as in the docs")
    study = RatedStudy(app.db, f"proxied {name}")
    browser = browser_of(port)
    try:
        with window(browser) as context:
            try_stranger(context, name, "a stranger", "/sign-in")
        with window(browser) as context:
            try_rater(context, name, study, secure=public)
        with window(browser) as context:
            try_coordinator(context, name, public)
    finally:
        browser.close()


def main() -> int:
    require_programs()
    folder = Path(tempfile.mkdtemp(prefix="medchat-proxies-"))
    make_certificate(folder)
    public = {"allowed_hosts": HOST}
    cases = (
        (UNNAMED, nginx, DEFAULTS, {}),
        ("nginx that passes the host on", nginx, HOST_ONLY, public),
        ("nginx as in the docs", nginx, recipe("nginx"), public),
        ("Caddy as in the docs", caddy, recipe("caddy"), public),
    )
    with sync_playwright() as playwright:

        def browser_of(port: int) -> Browser:
            rule = f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{port}"
            arguments = [*CHROMIUM_ARGUMENTS, rule]
            return playwright.chromium.launch(executable_path=find_once(), args=arguments)

        for number, (name, proxy, configuration, settings) in enumerate(cases):
            database = folder / f"{number}" / "medchat.db"
            database.parent.mkdir()
            log = database.parent / "app.log"
            with (
                AppServer(database, log=log, **settings) as app,
                proxy(configuration, app, folder) as port,
            ):
                try_proxy(browser_of, port, name, app)
    return 1 if failures else 0


def find_once() -> str:
    path = shutil.which("chromium") or find()
    if path is None:
        sys.exit("There is no Chromium. make browser installs one.")
    return path


if __name__ == "__main__":
    sys.exit(main())
