"""The web server's connections: no client holds one by sending half a request or reading nothing.

Answers that stay open, such as a model's slow answer, are left alone: only what a client owes has
a time. Knows nothing of what is asked.
"""

import asyncio
import resource
from asyncio.events import TimerHandle
from collections import Counter
from contextlib import suppress
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from eval_ui.proxies import is_in
from medchat.config import Network

SECONDS_FOR_HEAD = 20
SECONDS_TO_READ = 60
"""A client that takes nothing of an answer for so long is cut off."""
MAX_CONNECTIONS = 1000
MAX_OF_ADDRESS = 256
"""From one address; a trusted proxy, behind which many are, is not counted."""
SPARE_FILES = 200
"""File handles that are left for the database, models and uploads."""


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection with a time for every request's head and for reading its answer."""

    _waiting: ClassVar[dict["BoundedConnection", None]] = {}
    """Those without a complete request under way, the oldest first."""
    _of_address: ClassVar[Counter[str]] = Counter()
    proxies: ClassVar[tuple[Network, ...]] = ()

    def __init__(self, *values: Any, **words: Any) -> None:
        super().__init__(*values, **words)
        self._head_timer: TimerHandle | None = None
        self._read_timer: TimerHandle | None = None
        self._address = ""

    # -- asyncio calls these --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._address = self.client[0] if self.client else ""
        self._of_address[self._address] += 1
        too_many = self._of_address[self._address] > MAX_OF_ADDRESS
        if too_many and not is_in(self._address, self.proxies):
            self.transport.abort()
            return
        self._wait_for_head()
        if len(self.connections) > MAX_CONNECTIONS:
            next(iter(self._waiting)).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_read_timer()
        self._of_address[self._address] -= 1
        if self._of_address[self._address] <= 0:
            del self._of_address[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_free() and not self.transport.is_closing():
            self._wait_for_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._read_timer = self.loop.call_later(SECONDS_TO_READ, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_read_timer()
        super().resume_writing()

    # -- the parser and uvicorn's cycle call these --

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._wait_for_head()  # what is still sent of this request is dropped meanwhile

    def _unsupported_upgrade_warning(self) -> None:
        """Anybody could fill the log with it."""

    # -- own --

    def _is_free(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(SECONDS_FOR_HEAD, self._give_up)
            self._waiting[self] = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.transport.abort()

    def _stop_waiting(self) -> None:
        self._waiting.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None


def allow_files() -> None:
    """Let the process open as many files as its connections may need, where the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft < wanted:
        with suppress(ValueError, OSError):
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
