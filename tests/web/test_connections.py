"""Connections of clients that send half a request, or read nothing, end; all others stay."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import pytest
import uvicorn

from eval_ui.web import connections, request_bodies
from eval_ui.web.connections import BoundedConnection, network_of
from eval_ui.web.gate import Gate
from eval_ui.web.proxies import ProxyHeaders
from medchat.config import Settings

SECONDS = 0.4
"""Instead of the real times, which are far longer."""
SERVERS: list[uvicorn.Server] = []
BIG = b"x" * 50_000_000


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """``/slow`` takes its time, ``/open`` as much as its reader, ``/big`` and ``/large`` are larger
    than what the network holds, ``/headers`` says which there were, and the rest is ok."""
    headers = [(b"content-type", b"text/plain")]
    if scope["path"] == "/body":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/slow":
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        await asyncio.sleep(4 * SECONDS)
    if scope["path"] == "/open":
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if scope["path"] == "/large":
        await send({"type": "http.response.body", "body": BIG[:10_000_000], "more_body": True})
    names = b" ".join(name for name, _ in scope["headers"])
    body = {"/big": BIG, "/headers": names}.get(scope["path"], b"done")
    await send({"type": "http.response.body", "body": body})


behind_gate = ProxyHeaders(
    Gate(answer, access=cast(Any, None), uploads=cast(Any, None), pages={}), Settings()
)
"""The same below the gate, which needs to know nobody for a sign-in."""


async def answer_all(scope: Any, receive: Any, send: Any) -> None:
    app = behind_gate if scope["path"] == "/sign-in" else answer
    await app(scope, receive, send)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", SECONDS)
    monkeypatch.setattr(connections, "SECONDS_TO_READ", SECONDS)
    monkeypatch.setattr(connections, "SECONDS_TO_FINISH", SECONDS)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        answer_all,
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        log_level="info",
        log_config=None,
        timeout_keep_alive=1,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    SERVERS.append(server)
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


def is_answered(client: socket.socket, text: bytes = b"done") -> bool:
    received = b""
    while text not in received:
        piece = client.recv(65536)
        if not piece:
            return False
        received += piece
    return True


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
        assert is_answered(client)
        client.sendall(b"bodyGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert is_answered(client)


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


# -- too large a head --

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def bytes_taken(port: int, begin: bytes, piece: bytes) -> int:
    """How many of 30 MB more the server takes before it closes."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(begin)
        with suppress(ConnectionError):
            while sent < 30_000_000:
                sent += client.send(piece)
    return sent


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET / HTTP/1.1\r\nX-A: ", b"x" * 10_000),
        (b"GET / HTTP/1.1\r\n", b"x" * 10_000),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 2000),
        (b"GET /", b"x" * 10_000),
        (b"", b"\r\n" * 5000),
        (REQUEST.replace(b"close", b"x"), b"\r\n" * 5000),
        (CHUNKED + b"0\r\n", b"a: b\r\n" * 2000),
        (CHUNKED + b"0\r\nX-A: ", b"x" * 10_000),
        (CHUNKED + b"1;", b"x" * 10_000),
        (CHUNKED.replace(b"/", b"/slow", 1) + b"0\r\n", b"a: b\r\n" * 2000),
        (b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX-A: ", b"x" * 10_000),
    ],
)
def test_a_head_without_an_end_ends(port: int, begin: bytes, piece: bytes) -> None:
    assert bytes_taken(port, begin, piece) < 20_000_000  # most of it lies in the network
    assert b"done" in talk(port, REQUEST)[0]


def test_a_head_has_a_bounded_number_of_headers(port: int) -> None:
    few = REQUEST.replace(b"Host", b"X-A: b\r\n" * 90 + b"Host")
    many = REQUEST.replace(b"Host", b"X-A: b\r\n" * 100 + b"Host")
    assert talk(port, few)[0].startswith(b"HTTP/1.1 200")
    assert talk(port, many)[0].startswith(b"HTTP/1.1 400")


def test_a_large_body_is_no_head(port: int) -> None:
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n"
    assert b"done" in talk(port, head + b"x" * 5_000_000)[0]


def test_a_trailer_is_no_header(port: int) -> None:
    """A proxy may pass trailers on, and X-Forwarded-For among them."""
    head = CHUNKED.replace(b"/", b"/headers", 1).replace(b"Host", b"Connection: close\r\nHost")
    received, _ = talk(port, head + b"0\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n")
    assert b"transfer-encoding" in received
    assert b"x-forwarded-for" not in received


def test_malformed_requests_are_not_logged(port: int, caplog: pytest.LogCaptureFixture) -> None:
    assert talk(port, b"no request\r\n\r\n")[0].startswith(b"HTTP/1.1 400")
    assert not [each for each in caplog.records if each.levelno > logging.INFO]


# -- too many connections --


def ask(port: int, request: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # not much lies in the network
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    return client


def is_closed(client: socket.socket) -> bool:
    """Whether the server has ended it; what else it has sent is read."""
    client.settimeout(SECONDS / 8)
    try:
        while client.recv(1 << 20):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize(
    "owing",
    [
        b"",
        b"GET / HT",
        b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
        b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_the_oldest_that_owe_give_way(
    port: int, owing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", 60)
    monkeypatch.setattr(connections, "SECONDS_TO_READ", 60)
    clients = []
    try:
        for _ in range(30):
            clients.append(ask(port, owing))
            time.sleep(0.01)
        assert b"done" in talk(port, REQUEST)[0]
        assert len(BoundedConnection._debtors) == 19
        assert [is_closed(client) for client in clients] == [True] * 11 + [False] * 19
    finally:
        for client in clients:
            client.close()


def test_who_owes_nothing_stays(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", 60)
    answered = ask(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.1)
    clients = [ask(port, b"GET / HT") for _ in range(60)]
    try:
        assert is_answered(answered)
    finally:
        for client in (answered, *clients):
            client.close()


def test_one_more_is_let_in_while_all_others_are_answered(port: int) -> None:
    slow = [ask(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(20)]
    try:
        time.sleep(0.1)
        assert b"done" in talk(port, REQUEST)[0]
        assert all(is_answered(client) for client in slow)
    finally:
        for client in slow:
            client.close()


def test_idle_ones_give_way_before_those_that_owe(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", 60)
    half = ask(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close")
    idle = [ask(port) for _ in range(19)]
    try:
        assert all(is_answered(client) for client in idle)
        assert b"done" in talk(port, REQUEST)[0]
        assert [is_closed(client) for client in idle] == [True] + 18 * [False]
        half.sendall(b"\r\n\r\n")
        assert is_answered(half)
    finally:
        for client in (half, *idle):
            client.close()


def test_one_client_of_a_proxy_has_a_bounded_number_of_bodies(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_bodies, "MAX_UNFINISHED", 3)
    head = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nX-Forwarded-For: "
    one, same, other = (
        f"{head}{address}\r\n\r\n".encode()
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8:1::1")
    )
    slow = [ask(port, one + b"bo") for _ in range(3)]
    try:
        time.sleep(0.1)
        assert talk(port, same + b"bo")[0].startswith(b"HTTP/1.1 429")
        with ask(port, other + b"body") as client:
            assert is_answered(client)
        slow[0].sendall(b"dy")
        assert is_answered(slow[0])
        with ask(port, same + b"body") as client:
            assert is_answered(client)
    finally:
        for client in slow:
            client.close()


def test_a_network_is_one_address_or_64_bits_of_ipv6() -> None:
    assert network_of("192.0.2.7") == network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8::1") == network_of("2001:db8::2:1") != network_of("2001:db8:1::1")
    assert network_of("testclient") == "testclient"


# -- the end of the program --


def test_an_open_answer_ends_quietly_with_the_program(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with ask(port, b"GET /open HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        assert is_answered(client, b"begun")
        SERVERS[-1].should_exit = True
        assert client.recv(65536) == b""
        time.sleep(SECONDS)
    assert not [each for each in caplog.records if each.levelno > logging.INFO]
