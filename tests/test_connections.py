"""Connections of clients that send half a request, or read nothing, end; all others stay."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn

from eval_ui import connections
from eval_ui.connections import BoundedConnection
from eval_ui.proxies import THIS_MACHINE

SECONDS = 0.4
"""Instead of the real times, which are far longer."""
BIG = b"x" * 50_000_000


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """``/slow`` takes its time, ``/big`` is larger than what the network holds, the rest is ok."""
    headers = [(b"content-type", b"text/plain")]
    if scope["path"] == "/body":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/slow":
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        await asyncio.sleep(4 * SECONDS)
    body = BIG if scope["path"] == "/big" else b"done"
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", SECONDS)
    monkeypatch.setattr(connections, "SECONDS_TO_READ", SECONDS)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(BoundedConnection, "proxies", THIS_MACHINE)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        answer,
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        log_level="critical",
        timeout_keep_alive=1,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield int(listener.getsockname()[1])
    server.should_exit = True
    thread.join()
    listener.close()


def talk(port: int, sent: bytes, timeout: float = 5) -> tuple[bytes, float]:
    """What comes back until the server closes, and after how many seconds it does."""
    started = time.monotonic()
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        client.sendall(sent)
        try:
            while chunk := client.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    return received, time.monotonic() - started


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Half: ",
        b"GET",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost",
    ],
)
def test_half_a_head_ends(port: int, half: bytes) -> None:
    _, seconds = talk(port, half)
    assert seconds < 4 * SECONDS


def drip(port: int, head: bytes, piece: bytes) -> float:
    """Seconds until the server closes on a client that sends a little again and again."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(head)
        while time.monotonic() - started < 10:
            try:
                client.sendall(piece)
            except OSError:
                break
            time.sleep(SECONDS / 8)
    return time.monotonic() - started


def test_a_head_that_drips_ends_all_the_same(port: int) -> None:
    assert drip(port, b"GET / HTTP/1.1\r\n", b"X-A: b\r\n") < 4 * SECONDS


def test_empty_lines_do_not_hold_an_answered_connection(port: int) -> None:
    assert drip(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n") < 5 * SECONDS


def test_a_body_that_nobody_waits_for_does_not_hold_the_connection(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
    received, seconds = talk(port, head)
    assert b"done" in received
    assert seconds < 4 * SECONDS


def test_a_body_that_comes_after_the_answer_leaves_the_connection_open(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        assert b"done" in client.recv(65536)
        client.sendall(b"bodyGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"done" in client.recv(65536)


def test_an_answer_that_takes_long_is_not_cut_off(port: int) -> None:
    received, seconds = talk(port, b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"done" in received
    assert seconds > 3 * SECONDS


def test_whoever_reads_nothing_is_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(4 * SECONDS)
        received = 0
        with suppress(ConnectionResetError):
            while chunk := client.recv(1 << 20):
                received += len(chunk)
    assert received < len(BIG)


def test_several_requests_on_one_connection_are_answered(port: int) -> None:
    request = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received, _ = talk(port, request * 3 + last)
    assert received.count(b"done") == 4


def test_one_address_has_a_bounded_number(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_OF_ADDRESS", 3)
    monkeypatch.setattr(BoundedConnection, "proxies", ())
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    held = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
    assert b"done" not in talk(port, request)[0]
    for client in held:
        client.close()
    time.sleep(SECONDS / 2)
    assert b"done" in talk(port, request)[0]


def test_those_that_wait_give_way_to_new_ones(port: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(60)]
    try:
        received, _ = talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"done" in received
    finally:
        for client in idle:
            client.close()
