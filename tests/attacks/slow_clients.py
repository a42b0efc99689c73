"""Sends half a request and then nothing, as a client, a form, a rater and an upload.

    PYTHONPATH=.:tests .venv/bin/python tests/attacks/slow_clients.py

Prints after how many seconds each is cut off, and whether others are served meanwhile; ends with 1
when one is held longer than it should be.
"""

import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
from app_server import PASSWORD, AppServer
from rating_steps import RatedStudy

from eval_ui.connections import SECONDS_FOR_HEAD
from eval_ui.request_bodies import SECONDS_TO_SEND

NO_MODELS = Path(__file__).resolve().parent.parent / "benchmarks" / "no_models.toml"
JOIN = "/gradio_api/queue/join"
MARGIN = 5
HALF_OPEN = 1500

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


def try_many(app: AppServer, study: RatedStudy) -> None:
    """So many half-sent requests that there are no files left to open, and a rater beside them."""
    idle = []
    try:
        for _ in range(HALF_OPEN):
            client = socket.create_connection(("127.0.0.1", app.port), timeout=10)
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half:")
            idle.append(client)
    except OSError as error:
        print(f"       {len(idle)} half-sent requests, then {error}")
    started = time.monotonic()
    with httpx.Client(base_url=app.url, timeout=20) as client:
        client.get(f"/r/{study.token}")
        status = client.get("/rating/page/1").status_code
    seconds = time.monotonic() - started
    report(
        f"{HALF_OPEN} half-sent requests keep a rater out",
        status == 200 and seconds < 5,
        f"status {status} after {seconds:.1f} s",
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
        try_many(app, study)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
