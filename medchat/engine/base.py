"""The interface of every engine, and the two ways to drain one: ``stream`` and ``astream``.

An engine takes a request and delivers its events, from a thread of its own, in order, ending with
exactly one ``End``. Nothing here knows how an answer is made.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Protocol

from medchat.engine.events import End, Event, Request

Deliver = Callable[[Event], None]


class Ticket:
    """A request under way; ``cancel`` may be called from any thread, any number of times."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()


class Engine(Protocol):
    """What answers requests."""

    def submit(self, request: Request, deliver: Deliver) -> Ticket:
        """Begin to answer; ``deliver`` gets every event. Raises MedchatError at once for a request
        that cannot be taken, such as an unknown model."""
        ...

    def states(self) -> dict[str, str]:
        """Each declared model's state: ready, loading, idle, unavailable or failed."""
        ...


def stream(engine: Engine, requests: Sequence[Request]) -> Iterator[Event]:
    """The events of all requests as they come, each pane's in order.

    Leaving the iterator early cancels what is still under way.
    """
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    tickets: list[Ticket] = []
    try:
        for request in requests:
            tickets.append(engine.submit(request, events.put))
        open_panes = len(requests)
        while open_panes:
            event = events.get()
            open_panes -= isinstance(event, End)
            yield event
    finally:
        for ticket in tickets:
            ticket.cancel()


async def astream(
    engine: Engine, request: Request, attach: Callable[[Ticket], None] | None = None
) -> AsyncIterator[Event]:
    """As ``stream`` for one request, for the event loop; closing it cancels the request.

    ``attach`` is given the ticket, for whoever may want to cancel from elsewhere.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[Event] = asyncio.Queue()

    def deliver(event: Event) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(events.put_nowait, event)

    ticket = engine.submit(request, deliver)
    if attach:
        attach(ticket)
    try:
        while True:
            event = await events.get()
            yield event
            if isinstance(event, End):
                return
    finally:
        ticket.cancel()
