"""Reading what a browser sends, with a bound on bytes and time, and checking a page's events.

Knows nothing of who sent it; ``uploads`` says which files a click may name.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.types import Message, Receive

SECONDS_TO_SEND = 20
SECONDS_TO_UPLOAD = 300
MAX_UNFINISHED = 32
"""Bodies under way at once, of one network."""
MAX_DEPTH = 40
FileOf = Callable[[str], dict[str, Any] | None]
EVENT_FIELDS = ("session_hash", "data", "event_data", "fn_index", "trigger_id")
"""What Gradio's page sends with a click. Other fields, such as ``simple_format``, change what
Gradio does with the rest and are dropped."""
FILE_MARKS = frozenset({"path", "url", "orig_name", "is_stream", "mime_type"})
"""Keys of a dictionary that Gradio takes for a file. It downloads one whose path is a URL."""


class SlowBody(Exception):
    """Too little was sent within the time."""


class TooManyBodies(Exception):
    """One network has too many bodies under way."""


class BadEvent(Exception):
    """What was sent is not what Gradio's page sends."""


class ForeignFile(Exception):
    """A click names a file that its sender did not upload."""


class Disconnected(Exception):
    """The browser went away before it had sent everything."""


class Unfinished:
    """Counts the bodies under way, by network. One that is there already takes no time and room."""

    def __init__(self) -> None:
        self._bodies: Counter[str] = Counter()

    @contextmanager
    def one_of(self, network: str) -> Iterator[None]:
        """Raises TooManyBodies."""
        if self._bodies[network] >= MAX_UNFINISHED:
            raise TooManyBodies
        self._bodies[network] += 1
        try:
            yield
        finally:
            self._bodies[network] -= 1
            if not self._bodies[network]:
                del self._bodies[network]


async def read_body(receive: Receive, most: int, seconds: float = SECONDS_TO_SEND) -> bytes:
    """What was sent, up to a little over ``most`` bytes; the rest is not read.

    Raises SlowBody and Disconnected.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while len(body) <= most:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    break
    except TimeoutError as error:
        raise SlowBody from error
    return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives ``body`` first, and then what really comes: the end."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        if messages:
            return messages.pop()
        message = await receive()
        while message["type"] == "http.request":  # the rest of a body that was cut off
            message = await receive()
        return message

    return replayed


def timed(receive: Receive, seconds: float) -> Receive:
    """``receive``, but what is not all there in time raises SlowBody."""
    deadline = asyncio.get_running_loop().time() + seconds

    async def within_time() -> Message:
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise SlowBody from error
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message

    return within_time


def read_event(body: bytes) -> dict[str, Any]:
    """A click as Gradio's page sends it, without fields that the page does not send.

    Raises BadEvent.
    """
    try:
        sent = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadEvent from error
    if not isinstance(sent, dict):
        raise BadEvent
    event = {name: sent[name] for name in EVENT_FIELDS if name in sent}
    numbers = [event.get("fn_index"), event.get("trigger_id")]
    if not isinstance(event.get("session_hash"), str) or not isinstance(event.get("data"), list):
        raise BadEvent
    if not _is_index(numbers[0]) or not (numbers[1] is None or _is_index(numbers[1])):
        raise BadEvent
    return event


def with_own_files(value: Any, file_of: FileOf, depth: int = 0) -> Any:
    """A part of an event in which every file is what ``file_of`` makes of its name.

    Nothing else that was sent about a file stays. Raises ForeignFile where ``file_of`` gives None,
    and BadEvent where it is nested deeper than any page nests.
    """
    if depth > MAX_DEPTH:
        raise BadEvent
    if isinstance(value, list):
        return [with_own_files(item, file_of, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if not _is_file(value):
        return {name: with_own_files(item, file_of, depth + 1) for name, item in value.items()}
    name = value.get("path")
    file = file_of(name) if isinstance(name, str) else None
    if file is None:
        raise ForeignFile
    return file


def holds_files_only(value: Any) -> bool:
    """Whether a value is one for a file field: nothing, a file, or a list of files."""
    files = value if isinstance(value, list) else [value]
    return value is None or all(isinstance(file, dict) and _is_file(file) for file in files)


def to_json(event: Mapping[str, Any]) -> bytes:
    """Raises BadEvent for numbers beyond those of JSON: 1e999 is read as infinity."""
    try:
        return json.dumps(event, allow_nan=False).encode("ascii")
    except ValueError as error:
        raise BadEvent from error


def _is_file(value: dict[str, Any]) -> bool:
    meta = value.get("meta")
    return not FILE_MARKS.isdisjoint(value) or (isinstance(meta, dict) and "_type" in meta)


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 100_000


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
