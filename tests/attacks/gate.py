"""Tries to get in, to fill the disk and to fill the memory, as strangers and raters did before.

    PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks python tests/attacks/gate.py

The app runs as a program of its own. Every attempt is printed with its result; ends with 1 when one
succeeds or a bar is missed.
"""

import http.client
import json
import multiprocessing
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from app_server import PASSWORD, AppServer
from pages import page_config
from project import NO_MODELS
from rating_steps import RatedStudy

MAX_GROWTH_MIB = 50
MAX_RATIO = 1.5
FLOOD = 10_000
FLOODERS = 4
PER_SECOND = 500
"""Of both kinds of load, so that they differ in nothing but what is asked."""
SAVES = 300
PAGES = ("", "/en", "/rate", "/en/rate")
ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}
FILE = {"_type": "gradio.FileData"}

failures: list[str] = []


def report(what: str, held: bool, result: str) -> None:
    print(f"{'held ' if held else 'FAILED'}  {what}: {result}", flush=True)
    if not held:
        failures.append(what)


# -- foreign URLs --


class ForeignSite(ThreadingHTTPServer):
    """A web server whose picture is a page with a script; counts who asks for it."""

    def __init__(self) -> None:
        site = self
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked += 1
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<script>fetch('/config')</script>")

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def picture(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/x.png"


def try_foreign_urls(app: AppServer, site: ForeignSite, client: httpx.Client, who: str) -> None:
    statuses: Counter[int] = Counter()
    for page in PAGES:
        for route in ("file=", "file/", "proxy=", "file%3D", "./file="):
            for method in ("GET", "HEAD"):
                path = f"{page}/gradio_api/{route}{site.picture}"
                statuses[client.request(method, path).status_code] += 1
    held = site.asked == 0 and not any(status < 400 for status in statuses)
    report(f"{who} opens file=http://…", held, f"{dict(statuses)}, fetched {site.asked} times")

    config = page_config(httpx.get(app.url).text)
    answers: Counter[int] = Counter()
    for elem_id in ("practice-load", "question-file", "add-questions", "unpack", "reference-set"):
        for event in listeners_of(config, elem_id):
            for name in (site.picture, f"{app.temporary}/../medchat.db", "/etc/passwd"):
                answers[send_file(client, event, name)] += 1
    time.sleep(1)
    held = site.asked == 0 and set(answers) <= {401, 409}
    report(f"{who} gives a file field a URL or a path", held, f"{dict(answers)}")


def listeners_of(config: dict[str, Any], elem_id: str) -> list[dict[str, Any]]:
    ids = {each["id"] for each in config["components"] if each["props"].get("elem_id") == elem_id}
    return [d for d in config["dependencies"] if ids & {target[0] for target in d["targets"]}]


def send_file(client: httpx.Client, event: dict[str, Any], name: str) -> int:
    """An event in which every input is a file."""
    data = [{"path": name, "meta": FILE} for _ in event["inputs"]]
    body = {"data": data, "fn_index": event["id"], "session_hash": "files"}
    return client.post("/gradio_api/queue/join", json=body).status_code


# -- names of models --


def try_deep_link(client: httpx.Client, who: str) -> None:
    """The three requests that told a rater the models' names."""
    seen = []
    for page in PAGES:
        body = {"data": [], "fn_index": 0, "session_hash": "deep1"}
        seen.append(client.post(f"{page}/gradio_api/queue/join", json=body).status_code)
        link = client.get(f"{page}/gradio_api/deep_link", params={"session_hash": "deep1"})
        seen.append(link.status_code)
        for path in (f"{page}/config", f"{page}/"):
            answer = client.get(path, params={"deep_link": link.text[:60]})
            seen.append(answer.status_code)
            if '"model-1"' in answer.text:
                seen.append(-1)  # the description of the chat's panes
    held = -1 not in seen and not any(status == 200 for status in seen[1::4])
    report(f"{who} asks for another's page by deep_link", held, f"{seen}")


# -- the disk --


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def abort_upload(app: AppServer, path: str, cookie: str) -> None:
    """Send 15 MB of an upload of 16, and go away."""
    head = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n'
        b"Content-Type: text/csv\r\n\r\n"
    )
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {16_000_000}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", app.port), timeout=30) as connection:
        try:
            connection.sendall(request + head)
            for _ in range(15):
                connection.sendall(b"x" * 1_000_000)
        except OSError:
            pass  # refused, and closed


def try_uploads(app: AppServer, cookie: str, who: str) -> None:
    before = bytes_below(app.temporary)
    for page in PAGES:
        for route in ("upload", "process_recording", "component_server", "component_server/"):
            abort_upload(app, f"{page}/gradio_api/{route}", cookie)
    time.sleep(2)
    left = bytes_below(app.temporary) - before
    report(f"{who} breaks off 16 uploads of 15 MB", left == 0, f"{left} bytes left")


# -- the memory --


def memory_mib(app: AppServer) -> float:
    status = Path(f"/proc/{app.process}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def flood(port: int, number: int, count: int, request: Any, statuses: Any) -> None:
    """Send one kind of request again and again, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    seen: Counter[int] = Counter()
    method, path, template, headers = request
    started = time.monotonic()
    for turn in range(count):
        time.sleep(max(0.0, started + turn * FLOODERS / PER_SECOND - time.monotonic()))
        body = template.replace("SESSION", f"f{number}x{turn}") if template else None
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            seen[answer.status] += 1
        except (OSError, http.client.HTTPException):
            connection.close()
            seen[0] += 1
    statuses.put(dict(seen))


class Load:
    """So many requests of one kind, from several processes."""

    def __init__(self, app: AppServer, count: int, *request: Any) -> None:
        self._statuses: Any = multiprocessing.Queue()
        self._processes = [
            multiprocessing.Process(
                target=flood,
                args=(app.port, number, count // FLOODERS, request, self._statuses),
            )
            for number in range(FLOODERS)
        ]

    def __enter__(self) -> "Load":
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seen: Counter[int] = Counter()
        for process in self._processes:
            self.seen.update(self._statuses.get(timeout=600))
            process.join()


def save_times(app: AppServer, study: RatedStudy, run: str) -> list[float]:
    """Seconds of each of a rater's saves, one after the other."""
    seconds = []
    with httpx.Client(base_url=app.url) as client:
        client.get(f"/r/{study.token}")
        answers = client.get("/rating/page/1").json()["answers"]
        for number in range(SAVES):
            scores = dict.fromkeys(("safety", "usability", "fluency"), 1 + number % 3)
            item = answers[number % 2]["item"]
            body = {"item": item, "key": f"{run}{number}", "scores": scores, "active_seconds": 2}
            started = time.perf_counter()
            answer = client.post("/rating/save", json=body)
            seconds.append(time.perf_counter() - started)
            assert answer.status_code == 200, answer.text
            time.sleep(0.02)
    return seconds


def p95(seconds: list[float]) -> float:
    return 1000 * sorted(seconds)[int(0.95 * len(seconds))]


def try_flood(app: AppServer, study: RatedStudy, headers: dict[str, str], who: str) -> None:
    """Ten thousand clicks under new sessions, while a rater saves."""
    config = page_config(httpx.get(app.url).text)
    event = next(d for d in config["dependencies"] if not d["inputs"] and d["backend_fn"])
    body = json.dumps({"data": [], "fn_index": event["id"], "session_hash": "SESSION"})
    headers = {"Content-Type": "application/json", **headers}
    alone = p95(save_times(app, study, f"{who} alone"))
    with Load(app, FLOOD, "GET", "/favicon.ico", "", headers):
        harmless = p95(save_times(app, study, f"{who} harmless"))
    before, disk = memory_mib(app), bytes_below(app.temporary)
    started = time.monotonic()
    with Load(app, FLOOD, "POST", "/gradio_api/queue/join", body, headers) as load:
        under = p95(save_times(app, study, f"{who} flood"))
    took = time.monotonic() - started
    time.sleep(2)
    growth, left = memory_mib(app) - before, bytes_below(app.temporary) - disk
    print(f"       {sum(load.seen.values())} queue/join in {took:.0f} s: {dict(load.seen)}")
    name = f"{who} begins {FLOOD} sessions"
    report(f"{name}, memory", growth <= MAX_GROWTH_MIB, f"{before:.0f} MiB and {growth:+.1f} MiB")
    report(f"{name}, disk", left == 0, f"{left} bytes left")
    report(
        f"{name}, a rater's saves",
        under <= MAX_RATIO * harmless,
        f"p95 {under:.1f} ms; {harmless:.1f} ms under as many GETs of /favicon.ico; "
        f"{alone:.1f} ms alone",
    )


def main() -> int:
    site = ForeignSite()
    folder = Path(tempfile.mkdtemp(prefix="medchat-attack-"))
    with AppServer(folder / "medchat.db", log=folder / "app.log", models=NO_MODELS) as app:
        study = RatedStudy(app.db, "Attacked")
        stranger = httpx.Client(base_url=app.url)
        far = httpx.Client(base_url=app.url, headers=ELSEWHERE)
        rater, coordinator = httpx.Client(base_url=app.url), httpx.Client(base_url=app.url)
        rater.get(f"/r/{study.token}")
        form = {"name": "coordinator", "password": PASSWORD, "to": "/"}
        assert coordinator.post("/sign-in", data=form).status_code == 303
        everybody = {
            "a stranger on this machine": stranger,
            "a stranger from elsewhere": far,
            "a rater": rater,
            "a coordinator": coordinator,
        }
        for who, client in everybody.items():
            # Who may chat may send clicks; a file in one is refused before anything is fetched.
            try_foreign_urls(app, site, client, who)
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            try_uploads(app, cookie, who)
        for who in ("a stranger from elsewhere", "a rater"):
            try_deep_link(everybody[who], who)
        try_flood(app, study, ELSEWHERE, "a stranger from elsewhere")
        try_flood(app, study, {}, "a stranger on this machine")
        for client in everybody.values():
            client.close()
    left = bytes_below(folder / "temporary")
    folders = app.upload_folders()
    held = left == 0 and not folders
    report("after the end of the program", held, f"{left} bytes, {len(folders)} folders left")
    site.shutdown()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
