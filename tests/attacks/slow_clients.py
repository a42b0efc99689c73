"""Sends half a request and then nothing, or one without an end, as a client, a form, a rater and
an upload.

    PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks python tests/attacks/slow_clients.py

Prints after how many seconds each is cut off, and whether others are served meanwhile; ends with 1
when one is held longer than it should be.
"""

import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import gradio
import httpx
from app_server import PASSWORD, AppServer
from project import NO_MODELS
from rating_steps import RatedStudy

from eval_ui.web.connections import SECONDS_FOR_HEAD
from eval_ui.web.request_bodies import SECONDS_TO_SEND

JOIN = "/gradio_api/queue/join"
MARGIN = 5
HALF_OPEN = 1500
MAX_SECONDS = 30
"""For a rater behind so many requests, each of which is first answered as far as it goes."""
MAX_GROWTH_MIB = 20
MAX_GROWTH_OF_MANY_MIB = 300
GET = b"GET /rating/list HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
WITHOUT_END = (
    ("a header", GET + b"X-A: ", b"x" * 100_000),
    ("a URL", b"GET /", b"x" * 100_000),
    ("headers", GET, b"a: b\r\n" * 16_000),
    ("trailers", CHUNKED + b"0\r\n", b"a: b\r\n" * 16_000),
    ("a trailer", CHUNKED + b"0\r\nX-A: ", b"x" * 100_000),
    ("empty lines", GET + b"\r\n", b"\r\n" * 50_000),
)

failures: list[str] = []


def report(what: str, held: bool, result: str) -> None:
    print(f"{'held ' if held else 'FAILED'}  {what}: {result}", flush=True)
    if not held:
        failures.append(what)


def half(method: str, path: str, cookie: str, kind: str) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: 1000\r\n\r\n{{"
    ).encode()


def largest_file() -> str:
    """The path of a file of Gradio's that everybody may load."""
    assets = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    largest = max(assets.iterdir(), key=lambda path: path.stat().st_size)
    return f"/rate/assets/{largest.name}"


def hold(app: AppServer, what: str, sent: bytes, most: float, drip: bytes = b"") -> None:
    """Send, then nothing or a byte each second; wait for the end."""
    started = time.monotonic()
    status = b""
    with socket.create_connection(("127.0.0.1", app.port), timeout=1) as client:
        client.sendall(sent)
        while time.monotonic() - started < most + MARGIN + 10:
            try:
                received = client.recv(4096)
                status = status or received[9:12]
                if not received:
                    break
            except TimeoutError:
                pass
            except OSError:
                break
            try:
                client.sendall(drip)
            except OSError:
                break
    seconds = time.monotonic() - started
    report(what, seconds < most + MARGIN, f"closed after {seconds:.1f} s, status {status.decode()}")


def memory_mib(app: AppServer) -> float:
    status = Path(f"/proc/{app.process}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def try_without_end(app: AppServer, what: str, begin: bytes, piece: bytes) -> None:
    """Send up to 100 MB of a head."""
    before, sent = memory_mib(app), 0
    with socket.create_connection(("127.0.0.1", app.port), timeout=10) as client:
        try:
            client.sendall(begin)
            while sent < 100_000_000:
                sent += client.send(piece)
        except OSError:
            pass  # closed
    growth = memory_mib(app) - before
    held = sent < 100_000_000 and growth < MAX_GROWTH_MIB
    report(f"{what} without an end", held, f"{sent / 1e6:.1f} MB sent, {growth:+.1f} MiB")


def try_many(app: AppServer, study: RatedStudy, what: str, sent: bytes) -> None:
    """So many of them that there are no files left to open, and a rater beside them."""
    idle, before = [], memory_mib(app)
    try:
        for _ in range(HALF_OPEN):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(10)
            client.connect(("127.0.0.1", app.port))
            client.sendall(sent)
            idle.append(client)
    except OSError as error:
        print(f"       {len(idle)} {what}, then {error}")
    started = time.monotonic()
    with httpx.Client(base_url=app.url, timeout=60) as rater:
        rater.get(f"/r/{study.token}")
        status = rater.get("/rating/page/1").status_code
    seconds, growth = time.monotonic() - started, memory_mib(app) - before
    report(
        f"{HALF_OPEN} {what} keep a rater out",
        status == 200 and seconds < MAX_SECONDS and growth < MAX_GROWTH_OF_MANY_MIB,
        f"status {status} after {seconds:.1f} s, {growth:+.1f} MiB",
    )
    for each in idle:
        each.close()


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="medchat-slow-"))
    with AppServer(folder / "medchat.db", log=folder / "app.log", models=NO_MODELS) as app:
        study = RatedStudy(app.db, "Slow")
        with httpx.Client(base_url=app.url) as client:
            client.get(f"/r/{study.token}")
            rater = f"medchat_rater={client.cookies['medchat_rater']}"
        with httpx.Client(base_url=app.url) as client:
            form = {"name": "coordinator", "password": PASSWORD, "to": "/"}
            client.post("/sign-in", data=form)
            coordinator = f"medchat_coordinator={client.cookies['medchat_coordinator']}"
        json, text = "application/json", "application/x-www-form-urlencoded"
        head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
        attempts = [
            ("half a head, then nothing", head, SECONDS_FOR_HEAD, b""),
            ("half a head, then a byte a second", head, SECONDS_FOR_HEAD, b"x"),
            ("nothing at all", b"", SECONDS_FOR_HEAD, b""),
            ("half a sign-in", half("POST", "/sign-in", "", text), SECONDS_TO_SEND, b"x"),
            ("half a sign-out", half("POST", "/sign-out", "", text), SECONDS_TO_SEND, b""),
            ("half a save", half("POST", "/rating/save", rater, json), SECONDS_TO_SEND, b" "),
            (
                "half a click",
                half("POST", "/gradio_api/queue/join", "", json),
                SECONDS_TO_SEND,
                b"",
            ),
            (
                "half a coordinator's click, a byte a second",
                half("POST", f"/en{JOIN}", coordinator, json),
                SECONDS_TO_SEND,
                b" ",
            ),
            (
                "half an upload of a stranger",
                half("POST", "/gradio_api/upload", "", "multipart/form-data; boundary=x"),
                SECONDS_FOR_HEAD,
                b"",
            ),
            ("half a body of a GET", half("GET", "/healthz", "", json), SECONDS_FOR_HEAD, b""),
        ]
        threads = [threading.Thread(target=hold, args=(app, *attempt)) for attempt in attempts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for what, begin, piece in WITHOUT_END:
            try_without_end(app, what, begin, piece)
        start = b"Host: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.7\r\n"
        body = b"POST /sign-in HTTP/1.1\r\n" + start + b"Content-Length: 8000\r\n\r\nname="
        file = f"GET {largest_file()} HTTP/1.1\r\n".encode() + start + b"\r\n"
        try_many(app, study, "half heads", b"GET / HTTP/1.1\r\n" + start + b"X-Half:")
        try_many(app, study, "half bodies behind a proxy", body)
        try_many(app, study, "unread answers", file)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
