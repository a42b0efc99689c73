"""The open pages' sessions: how many there may be, whose each is, and when one is forgotten.

Gradio keeps about half a megabyte per session, for as many as anybody names. Here a session begins
with the first click of a page, belongs to whoever began it, and is really deleted in Gradio when
another needs its room. Strangers and coordinators have room of their own, so that no number of
strangers can push a coordinator out.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gradio as gr
from gradio import caching

MAX_IDLE_SECONDS = 300
"""A session without a click for so long gives way to a new one."""
MAX_EVENTS_OF_SESSION = 24
MAX_STREAMS = 64
"""Answers that stay open at once, of one coordinator or one client address."""
STRANGER = ""
"""Owner of the sessions of those who chat without signing in."""


@dataclass(frozen=True)
class Room:
    """How much one kind of visitor may take of a page."""

    sessions: int
    sessions_of_client: int
    events: int
    """Clicks that wait or are worked on at once, in all sessions together."""


STRANGERS = Room(sessions=48, sessions_of_client=24, events=96)
COORDINATORS = Room(sessions=64, sessions_of_client=64, events=256)
MAX_EVENTS = STRANGERS.events + COORDINATORS.events


class NoRoom(Exception):
    """There are too many sessions, clicks or streams; some time later there may be room."""


class ForeignSession(Exception):
    """A session belongs to somebody else."""


@dataclass
class Session:
    owner: str
    client: str
    last_click: float
    in_use: int = 0
    """Requests and streams of it under way."""
    is_closed: bool = False
    """Whether its page was left since the last click."""


class PageSessions:
    """The sessions of one full page, whose Gradio app is ``app``."""

    def __init__(self, app: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._clock = app, clock
        self._sessions: dict[str, Session] = {}

    @cached_property
    def listeners(self) -> dict[int, list[int]]:
        """The page's listeners by their number, each with the numbers of its input components."""
        functions = self._app.get_blocks().fns.items()
        return {number: [block._id for block in fn.inputs] for number, fn in functions}

    @cached_property
    def file_fields(self) -> set[int]:
        """The numbers of the components that take files."""
        blocks = self._app.get_blocks().blocks
        return {number for number, block in blocks.items() if isinstance(block, gr.File)}

    def click(self, name: str, owner: str, client: str) -> None:
        """Note a click in a session, which begins with its first one.

        A stranger's session becomes a coordinator's who signs in beside it. Raises ForeignSession
        and NoRoom.
        """
        session = self._sessions.get(name)
        if session and session.owner not in (owner, STRANGER):
            raise ForeignSession
        room = _room_of(owner)
        if session is None or session.owner != owner:
            self._make_room(owner, client, room)
            in_use = session.in_use if session else 0
            self._sessions[name] = session = Session(owner, client, self._clock(), in_use)
        self._check_events(name, owner, room)
        session.last_click, session.is_closed = self._clock(), False

    def close_page(self, name: str) -> None:
        """Note that a page was left; its session is the first to give way."""
        if session := self._sessions.get(name):
            session.is_closed = True

    @contextmanager
    def using(self, name: str, owner: str) -> Iterator[None]:
        """Keep a session while something of it is under way. Raises ForeignSession unless it is the
        caller's."""
        session = self._sessions.get(name)
        if session is None or session.owner != owner:
            raise ForeignSession
        session.in_use += 1
        try:
            yield
        finally:
            session = self._sessions.get(name, session)
            session.in_use -= 1

    def belongs_to_another(self, name: str, owner: str) -> bool:
        session = self._sessions.get(name)
        return session is not None and session.owner != owner

    def forget_owner(self, owner: str) -> None:
        """Delete the sessions of a coordinator who signs out; one with something under way is the
        first to go later."""
        mine = [
            (name, session) for name, session in self._sessions.items() if session.owner == owner
        ]
        for name, session in mine:
            session.last_click = 0
            if self._is_idle(name, session):
                self._forget(name)

    def __len__(self) -> int:
        return len(self._sessions)

    def _check_events(self, name: str, owner: str, room: Room) -> None:
        queue = self._app.get_blocks()._queue
        if len(queue.pending_event_ids_session.get(name, ())) >= MAX_EVENTS_OF_SESSION:
            raise NoRoom
        running = Counter(event.session_hash for event in queue.event_ids_to_events.values())
        mine = sum(
            number
            for session, number in running.items()
            if (other := self._sessions.get(session)) and _room_of(other.owner) is room
        )
        if mine >= room.events:
            raise NoRoom

    def _make_room(self, owner: str, client: str, room: Room) -> None:
        """Forget idle sessions until one more fits. Raises NoRoom where none is idle."""
        peers = {n: s for n, s in self._sessions.items() if _room_of(s.owner) is room}
        of_client = {n: s for n, s in peers.items() if s.client == client}
        if len(of_client) >= room.sessions_of_client:
            self._forget_idlest(of_client)
        elif len(peers) >= room.sessions:
            self._forget_idlest(peers)

    def _forget_idlest(self, sessions: dict[str, Session]) -> None:
        idle = [name for name, session in sessions.items() if self._is_idle(name, session)]
        if not idle:
            raise NoRoom
        self._forget(
            min(idle, key=lambda name: (not sessions[name].is_closed, sessions[name].last_click))
        )

    def _is_idle(self, name: str, session: Session) -> bool:
        queue = self._app.get_blocks()._queue
        running = {event.session_hash for event in queue.event_ids_to_events.values()}
        if session.in_use > 0 or name in running:
            return False
        waits = session.owner == STRANGER and not session.is_closed
        return not waits or self._clock() - session.last_click >= MAX_IDLE_SECONDS

    def _forget(self, name: str) -> None:
        """Delete a session, and all that Gradio keeps of it."""
        del self._sessions[name]
        blocks, holder = self._app.get_blocks(), self._app.state_holder
        with holder.lock:
            holder.session_data.pop(name, None)
            holder.time_last_used.pop(name, None)
        queue = blocks._queue
        for waiting in queue.event_queue_per_concurrency_id.values():
            waiting.queue[:] = [event for event in waiting.queue if event.session_hash != name]
        for event in queue.pending_event_ids_session.pop(name, ()):
            queue.event_ids_to_events.pop(event, None)
        queue.pending_messages_per_session.pop(name, None)
        blocks.pending_streams.pop(name, None)
        blocks.pending_diff_streams.pop(name, None)
        caching.clear_session_caches(name)


class Streams:
    """Counts the answers that stay open, by client."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_of(self, client: str) -> Iterator[None]:
        """Raises NoRoom."""
        if self._open[client] >= MAX_STREAMS:
            raise NoRoom
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


def _room_of(owner: str) -> Room:
    return STRANGERS if owner == STRANGER else COORDINATORS
