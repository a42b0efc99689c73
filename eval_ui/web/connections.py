"""The web server's connections: no client holds one by sending half a request or reading nothing.

A connection owes something while its request's head or body is incomplete, or while it does not
read its answer. Where there is no room, idle connections give way, then those that owe for longest.
Answers that stay open, such as a model's slow answer, owe nothing and are left alone. Knows nothing
of what is asked.
"""

import asyncio
import resource
from asyncio.events import TimerHandle
from collections import Counter
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SECONDS_FOR_HEAD = 20
SECONDS_TO_READ = 60
"""A client that takes nothing of an answer for so long is cut off."""
SECONDS_TO_FINISH = 2
"""For answers under way when the program stops. uvicorn waits longer, and logs what is left."""
MAX_HEAD = 64 * 1024
"""Bytes of a head, or between two pieces of a body."""
MAX_HEADERS = 100
"""Of a request, its trailers included."""
MAX_CONNECTIONS = 1000
MAX_BEYOND = 1000
"""More connections, while all the others are being answered."""
SPARE_FILES = 200
"""File handles that are left for the database, models and uploads."""


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection with bounds on what a client sends, and on when it sends and reads."""

    _idle: ClassVar[dict["BoundedConnection", None]] = {}
    """Those that were answered and have sent nothing since, the longest idle first."""
    _debtors: ClassVar[dict["BoundedConnection", None]] = {}
    """Those that owe something, the longest owing first."""

    def __init__(self, *values: Any, **words: Any) -> None:
        super().__init__(*values, **words)
        self._head_timer: TimerHandle | None = None
        self._read_timer: TimerHandle | None = None
        self._network = ""
        self._unparsed = 0
        """Bytes since the last complete head or piece of a body."""
        self._header_count = 0
        self._in_head = True
        self._in_body = False

    # -- asyncio calls these --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        # Whatever is not sent at once counts as unread.
        self.transport.set_write_buffer_limits(high=0)
        self._network = network_of(self.client[0] if self.client else "")
        self._wait_for_head()
        self._sort()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_read_timer()
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, but it logs nothing: anybody could fill the log with malformed requests."""
        self._unset_keepalive_if_required()
        self._unparsed += len(data)
        with suppress(httptools.HttpParserUpgrade):
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserError:
                self._refuse()
        if self._unparsed > MAX_HEAD:
            self._refuse()
        if self.transport.is_closing():
            return
        if self._is_free():
            self._wait_for_head()
        self._sort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reading()
        self._sort()

    def resume_writing(self) -> None:
        self._stop_read_timer()
        self._sort()
        super().resume_writing()

    # -- the parser and uvicorn's cycle call these --

    def on_message_begin(self) -> None:
        self._header_count, self._in_head = 0, True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        if self._header_count > MAX_HEADERS:
            raise ValueError("too many headers")  # the parser stops, and reports an error
        if self._in_head:  # a trailer must not pass for a header that a proxy has set
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._unparsed, self._in_head, self._in_body = 0, False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed, self._in_body = 0, False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._wait_for_head()  # what is still sent of this request is dropped meanwhile
        self._sort()

    # -- the server calls this when it stops --

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(SECONDS_TO_FINISH, self.transport.abort)

    # -- own --

    def _is_free(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        if self._is_free():
            self.send_400_response("Invalid HTTP request received.")
        else:
            self.transport.abort()  # a second answer must not stand within the first

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(SECONDS_FOR_HEAD, self._end)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _wait_for_reading(self) -> None:
        unread = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() < unread:
                self._wait_for_reading()
            else:
                self._end()

        self._read_timer = self.loop.call_later(SECONDS_TO_READ, check)

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _sort(self) -> None:
        """Note whether it owes something or is idle; who owed before keeps its turn."""
        owes = self._in_body or self._head_timer is not None or self._read_timer is not None
        for listed, belongs in ((self._debtors, owes), (self._idle, not owes and self._is_free())):
            if belongs:
                listed.setdefault(self)
            else:
                listed.pop(self, None)

    def _forget(self) -> None:
        self._debtors.pop(self, None)
        self._idle.pop(self, None)

    def _make_room(self) -> None:
        """End others until there is room. While all others owe nothing, some more may come."""
        while len(self.connections) > MAX_CONNECTIONS:
            leaving = self._first_to_leave()
            if leaving is self and len(self.connections) <= MAX_CONNECTIONS + MAX_BEYOND:
                return
            leaving._end()

    def _first_to_leave(self) -> "BoundedConnection":
        """The longest idle connection, or else the oldest debtor of the network with the most."""
        if self._idle:
            return next(iter(self._idle))
        ((network, _),) = Counter(debtor._network for debtor in self._debtors).most_common(1)
        return next(debtor for debtor in self._debtors if debtor._network == network)

    def _end(self) -> None:
        self._forget()
        self.connections.discard(self)
        self.transport.abort()


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the 64 bits that a household or a company gets."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped or ip_network((ip, 64), strict=False))
    return str(ip)


def allow_files() -> None:
    """Let the process open as many files as its connections may need, where the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Each connection may be reading a file of the page.
    wanted = 2 * (MAX_CONNECTIONS + MAX_BEYOND) + SPARE_FILES
    if soft < wanted:
        with suppress(ValueError, OSError):
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
