"""The gate in front of everything: lets through what ``allowed_routes`` names, for whom it names.

Refuses the rest before Gradio sees it; leads whoever may not see a page elsewhere; checks each
click of a page before Gradio takes it (whose session it is, how many there are, which files it
names); and takes uploads itself. Reads every body that it lets through, within bounds of size and
time.
Plain ASGI, so that streams pass through untouched.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eval_ui.web.access import COOKIE, HOMES, SIGN_IN, Access, Visitor, refusal
from eval_ui.web.allowed_routes import TOKEN, Rule, allowed_query, encoded, find_rule
from eval_ui.web.connections import network_of
from eval_ui.web.page_sessions import STRANGER, ForeignSession, NoRoom, PageSessions, Streams
from eval_ui.web.proxies import caller_of
from eval_ui.web.request_bodies import (
    SECONDS_TO_UPLOAD,
    BadEvent,
    Disconnected,
    FileOf,
    ForeignFile,
    SlowBody,
    TooManyBodies,
    Unfinished,
    holds_files_only,
    read_body,
    read_event,
    replay,
    timed,
    to_json,
    with_own_files,
)
from eval_ui.web.uploads import MIB, NoUpload, Upload, Uploads, UploadTooLarge, read_upload

LOOKUPS = 4
"""Cookies looked up at once: many that somebody made up must not take all threads from raters."""


class NotAllowed(Exception):
    """Whoever asks would have to sign in."""


class EventTooLarge(Exception):
    """A click brings more than any page sends."""


REFUSALS: dict[type[Exception], tuple[str, int]] = {
    NotAllowed: ("gate_sign_in", 401),
    ForeignSession: ("session_of_another", 403),
    ForeignFile: ("upload_gone", 409),
    BadEvent: ("bad_event", 400),
    NoUpload: ("bad_event", 400),
    SlowBody: ("too_slow", 408),
    EventTooLarge: ("event_too_large", 413),
    UploadTooLarge: ("upload_too_large", 413),
    NoRoom: ("no_room", 429),
    TooManyBodies: ("no_room", 429),
}

Handler = Callable[[Request, Rule, Visitor, Send], Awaitable[None]]


class Gate:
    """``pages`` holds the Gradio app of each full page by its path, such as ``/en``."""

    def __init__(
        self, app: ASGIApp, *, access: Access, uploads: Uploads, pages: Mapping[str, Any]
    ) -> None:
        self._app, self._access, self._uploads = app, access, uploads
        self._pages, self._sessions = pages, dict[str, PageSessions]()
        self._streams, self._lookups = Streams(), CapacityLimiter(LOOKUPS)
        self._unfinished = Unfinished()
        self._handlers: dict[str, Handler] = {
            "plain": self._pass,
            "page": self._show_page,
            "click": self._click,
            "stream": self._stream,
            "upload": self._upload,
            "progress": self._progress,
            "sign_out": self._sign_out,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        raw_path = scope.get("raw_path") or path.encode()
        rule = find_rule(scope["method"], path, raw_path.decode("latin-1"))
        if rule is None:
            await refusal("no_such_page", 404)(scope, receive, send)
            return
        query = allowed_query(rule, scope["query_string"].decode("latin-1"))
        request = Request({**scope, "query_string": encoded(query)}, receive)
        try:
            visitor = await self._visitor(request, rule)
            await self._handlers[rule.kind](request, rule, visitor, send)
        except Disconnected:
            pass  # nobody is there to be answered
        except tuple(REFUSALS) as error:
            key, status = REFUSALS[type(error)]
            answer = refusal(key, status)
            if status in (408, 413, 429):
                answer.headers["Connection"] = "close"  # the rest is not waited for
            await answer(request.scope, receive, send)

    async def _visitor(self, request: Request, rule: Rule) -> Visitor:
        """Who asks, where the rule needs to know. Only a cookie makes the database be asked."""
        has_cookie = COOKIE in request.cookies
        if rule.who == "anyone" and rule.kind != "sign_out":
            return Visitor(None, is_rater=False, is_local=False)
        if not has_cookie:
            return self._access.visitor(request)
        return await to_thread.run_sync(self._access.visitor, request, limiter=self._lookups)

    def _may(self, visitor: Visitor, rule: Rule) -> bool:
        if rule.who == "coordinator":
            return visitor.coordinator is not None
        return rule.who == "anyone" or self._access.may_chat(visitor)

    # -- what is done with a request, by the kind of its rule --

    async def _pass(self, request: Request, rule: Rule, visitor: Visitor, send: Send) -> None:
        """Let it through, with no more of its body than the rule allows."""
        receive = request.receive
        if request.method == "POST":
            receive = replay(await self._read(request, rule.max_body), receive)
        await self._app(request.scope, receive, send)

    async def _show_page(self, request: Request, rule: Rule, visitor: Visitor, send: Send) -> None:
        if self._may(visitor, rule):
            await self._app(request.scope, request.receive, send)
            return
        home = HOMES["en"] if request.url.path.startswith("/en") else HOMES["zh"]
        to = f"{home}rate/" if visitor.is_rater else f"{SIGN_IN}?to={home}"
        answer = RedirectResponse(to, status_code=303, headers={"Cache-Control": "no-store"})
        await answer(request.scope, request.receive, send)

    async def _click(self, request: Request, rule: Rule, visitor: Visitor, send: Send) -> None:
        """An event of the page: Gradio gets it as the gate wrote it, not as it was sent."""
        self._require(visitor, rule)
        most = 4 * MIB if visitor.coordinator else MIB
        body = await self._read(request, most)
        if len(body) > most:
            raise EventTooLarge
        event = read_event(body)
        owner, session = _owner(request, visitor), event["session_hash"]
        sessions = self._sessions_of(request)
        inputs = sessions.listeners.get(event["fn_index"])
        if inputs is None or not re.fullmatch(TOKEN, session):
            raise BadEvent
        for field, value in zip(inputs, event["data"], strict=False):
            if field in sessions.file_fields and not holds_files_only(value):
                raise BadEvent
        body = to_json(self._with_own_files(event, owner, inputs))
        sessions.click(session, owner, _client(request, visitor))
        with sessions.using(session, owner):
            await self._app(_with_body(request.scope, body), replay(body, request.receive), send)

    def _with_own_files(
        self, event: dict[str, Any], owner: str, inputs: list[int]
    ) -> dict[str, Any]:
        """The event with each file replaced by the sender's own upload that it names."""
        if len(event["data"]) != len(inputs):
            raise BadEvent

        def file_in(field: int | None) -> FileOf:
            def file_of(name: str) -> dict[str, Any] | None:
                held_by = None if field is None else (event["session_hash"], field)
                upload = self._uploads.use(owner, name, held_by)
                return _file_data(upload) if upload else None

            return file_of

        data = [
            with_own_files(value, file_in(field))
            for field, value in zip(inputs, event["data"], strict=True)
        ]
        return {**with_own_files({**event, "data": []}, file_in(None)), "data": data}

    async def _stream(self, request: Request, rule: Rule, visitor: Visitor, send: Send) -> None:
        """An answer that stays open, of the caller's own session."""
        self._require(visitor, rule)
        owner, sessions = _owner(request, visitor), self._sessions_of(request)
        with self._streams.one_of(_client(request, visitor)):
            if request.url.path.endswith("/queue/data"):
                with sessions.using(request.query_params.get("session_hash", ""), owner):
                    await self._app(request.scope, request.receive, _unbuffered(send))
                return
            session = request.url.path.rpartition("/")[2]  # of a page that lies open
            if sessions.belongs_to_another(session, owner):
                raise ForeignSession
            try:
                await self._app(request.scope, request.receive, _unbuffered(send))
            finally:
                sessions.close_page(session)

    async def _upload(self, request: Request, rule: Rule, visitor: Visitor, send: Send) -> None:
        self._require(visitor, rule)
        owner = _owner(request, visitor)
        if not self._uploads.begin(owner):
            raise NoRoom
        try:
            name = await self._keep_upload(request, owner)
        finally:
            self._uploads.end(owner)
        await JSONResponse([name])(request.scope, request.receive, send)

    async def _keep_upload(self, request: Request, owner: str) -> str:
        receive = timed(request.receive, SECONDS_TO_UPLOAD)
        form, file = await read_upload(request.headers, receive)
        try:
            return await run_in_threadpool(
                self._uploads.add, owner, file.file, file.filename or "", file.size or 0
            )
        finally:
            await form.close()

    async def _progress(self, request: Request, rule: Rule, visitor: Visitor, send: Send) -> None:
        """How far an upload is: files are small, so the page is told nothing and shows the end."""
        self._require(visitor, rule)
        answer = Response(b"", media_type="text/event-stream")
        await answer(request.scope, request.receive, send)

    async def _sign_out(self, request: Request, rule: Rule, visitor: Visitor, send: Send) -> None:
        if owner := _owner(request, visitor):
            await run_in_threadpool(self._uploads.remove_owner, owner)
            for sessions in self._sessions.values():
                sessions.forget_owner(owner)
        await self._pass(request, rule, visitor, send)

    async def _read(self, request: Request, most: int) -> bytes:
        with self._unfinished.one_of(network_of(caller_of(request).address)):
            return await read_body(request.receive, most)

    def _require(self, visitor: Visitor, rule: Rule) -> None:
        if not self._may(visitor, rule):
            raise NotAllowed

    def _sessions_of(self, request: Request) -> PageSessions:
        path = request.url.path.partition("/gradio_api/")[0]
        if path not in self._sessions:
            self._sessions[path] = PageSessions(self._pages[path])
        return self._sessions[path]


def _owner(request: Request, visitor: Visitor) -> str:
    """Whose sessions and uploads these are: of one sign-in, or of all strangers together."""
    if visitor.coordinator is None:
        return STRANGER
    return hashlib.sha256(request.cookies[COOKIE].encode("utf-8", "replace")).hexdigest()


def _client(request: Request, visitor: Visitor) -> str:
    """Who shares a bound: a coordinator, or everybody at one address."""
    return visitor.coordinator.id if visitor.coordinator else caller_of(request).address


def _file_data(upload: Upload) -> dict[str, Any]:
    return {
        "path": str(upload.path),
        "orig_name": upload.path.name,
        "size": upload.size,
        "meta": {"_type": "gradio.FileData"},
    }


def _with_body(scope: Scope, body: bytes) -> Scope:
    """``scope`` for a body that is not as it was sent."""
    dropped = (b"content-length", b"transfer-encoding", b"content-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in dropped]
    return {**scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}


def _unbuffered(send: Send) -> Send:
    """``send``, telling a proxy such as nginx to pass every piece on at once."""

    async def send_with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["X-Accel-Buffering"] = "no"
        await send(message)

    return send_with_header
