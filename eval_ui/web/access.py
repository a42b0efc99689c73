"""Who may do what: coordinators sign in; everything that shows or changes a study asks here.

The check is made on the server for every click and every route, whatever the page shows or hides.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

import gradio as gr
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from gradio.context import LocalContext
from starlette.types import ASGIApp, Receive, Scope, Send

from eval_ui.texts import LANGUAGES, PageError, Texts
from eval_ui.web.proxies import caller_of, is_secure
from eval_ui.web.safe_text import as_html
from storage import (
    Coordinator,
    StorageError,
    Store,
    coordinator_of_session,
    is_trial,
    knows_address,
    sign_in,
    sign_out,
)

COOKIE = "medchat_coordinator"
RATER_COOKIE = "medchat_rater"
SIGN_IN = "/sign-in"
MAX_FORM = 4096
HOMES = {"zh": "/", "en": "/en/"}
PLACES = {f"{home}{tab}" for home in HOMES.values() for tab in ("", "#study", "#report")}
"""Where somebody may be sent after signing in; a tab of the page is named behind the #."""
MAX_WAITING_SIGN_INS = 30
TOKEN_LENGTHS = range(20, 200)
"""Lengths of a cookie that can be a session's token; others are not looked up."""


@dataclass(frozen=True)
class Visitor:
    """Who sent a request: a coordinator, a rater's browser, or a stranger."""

    coordinator: Coordinator | None
    is_rater: bool
    """Whether a rater's link was opened in this browser, and no coordinator is signed in there."""
    is_local: bool
    """Whether a browser on this machine sent the request, with no proxy between."""


class Access:
    """Tells coordinators by the session in their browser's cookie."""

    def __init__(self, store: Store, *, open_chat: bool | None = None) -> None:
        self._store, self._open_chat = store, open_chat

    def of_request(self, request: Request | gr.Request | None) -> Coordinator | None:
        """Whoever sent a request, None if it is no coordinator."""
        token = request.cookies.get(COOKIE, "") if request else ""
        if len(token) not in TOKEN_LENGTHS:
            return None
        with self._store.connect() as db:
            return coordinator_of_session(db, token)

    def now(self) -> Coordinator | None:
        """Whose click is being worked off by a listener of the page."""
        return self.of_request(LocalContext.request.get(None))

    def require(self) -> Coordinator:
        """Whose click it is. Raises PageError sign_in_needed where that is no coordinator."""
        found = self.now()
        if found is None:
            raise PageError("sign_in_needed")
        return found

    def check(self) -> None:
        """Raises PageError sign_in_needed where whoever clicked may not."""
        self.require()

    def visitor(self, request: Request) -> Visitor:
        """Who sent a request. A database that does not answer makes nobody a coordinator."""
        try:
            coordinator = self.of_request(request)
        except StorageError:
            coordinator = None
        has_link = bool(request.cookies.get(RATER_COOKIE))
        is_local = caller_of(request).is_local
        return Visitor(coordinator, has_link and coordinator is None, is_local)

    def may_chat(self, visitor: Visitor) -> bool:
        """Whether somebody may read the models' names and ask them.

        A rater who could would learn whose answers are whose.
        """
        if visitor.coordinator or visitor.is_rater:
            return visitor.coordinator is not None
        return visitor.is_local if self._open_chat is None else self._open_chat


class Check(Protocol):
    """What a listener asks before it does anything."""

    def check(self) -> None:
        """Raises PageError sign_in_needed where whoever clicked may not."""


class ChatAccess:
    """The check for listeners of the chat tab: whoever may chat."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def check(self) -> None:
        """Raises PageError sign_in_needed."""
        request = LocalContext.request.get(None)
        sent = request.request if request else None
        if sent is None or not self._access.may_chat(self._access.visitor(sent)):
            raise PageError("sign_in_needed")


class SameOriginGuard:
    """Refuses what the browser sends for a page of another site, or of another port.

    A cookie goes with such a request too where both have the same host. What only reads is answered
    without a word on who may read it, so that the browser keeps it from that page. Stands behind
    ``ProxyHeaders``, which knows under which host the page was asked for. Plain ASGI, so that
    streams pass through untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._app
        if scope["type"] == "http" and not _is_same_origin(Request(scope)):
            if scope["method"] in ("GET", "HEAD"):
                headers = [(name, value) for name, value in scope["headers"] if name != b"origin"]
                scope = {**scope, "headers": headers}
            else:
                answer = refusal("not_from_here", 403)
        await answer(scope, receive, send)


def _is_same_origin(request: Request) -> bool:
    """Whether a page of this app sent a request: browsers say so, or name the page's origin."""
    origin = request.headers.get("origin")
    if origin is None or request.headers.get("sec-fetch-site") == "same-origin":
        return True
    scheme, _, page = origin.partition("://")
    host = request.headers.get("host", "")
    return bool(page) and _without_port(page, scheme) == _without_port(host, scheme)


def _without_port(host: str, scheme: str) -> str:
    """Without the port that a scheme has anyway."""
    return host.strip().lower().removesuffix(":443" if scheme == "https" else ":80")


def refusal(key: str, status: int, **words: object) -> JSONResponse:
    """A refused request's answer: a sentence in both languages. Gradio's page shows ``detail``."""
    sentences = [Texts(language)(key, **words) for language in LANGUAGES]
    content = {
        "code": key,
        **{str(code): text for code, text in zip(LANGUAGES, sentences, strict=True)},
        "detail": " ".join(sentences),
    }
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})


def gate_html(access: Access, texts: Texts, tab: str) -> str:
    """What stands above a tab for coordinators: who is signed in, or where to sign in.

    Signing in leads back to ``tab``.
    """
    found = access.now()
    if found is None:
        return (
            f'<p class="notice">{texts("tab_for_coordinators")} '
            f'<a href="{SIGN_IN}?to={HOMES[texts.language]}%23{tab}">{texts("sign_in")}</a></p>'
        )
    return (
        f'<form class="signed-in" method="post" action="/sign-out">'
        f"<span>{as_html(texts('signed_in_as', name=found.name))}</span> "
        f'<button type="submit">{texts("sign_out")}</button></form>'
    )


def opening(
    access: Access, texts: Texts, tab: str, refresh: Callable[..., list[Any]], outputs: int
) -> Callable[..., list[Any]]:
    """A listener for opening a tab of coordinators; its outputs are the gate, the tab's body and
    those of ``refresh``, which is asked only where a coordinator is signed in."""

    def run(*values: Any) -> list[Any]:
        if access.now() is None:
            closed = [gr.skip() for _ in range(outputs)]
            return [gate_html(access, texts, tab), gr.update(visible=False), *closed]
        return [gate_html(access, texts, tab), gr.update(visible=True), *refresh(*values)]

    return run


class SignIns:
    """Bounds how many passwords are checked at once: each costs 64 MiB and a tenth of a second.

    Coordinators at an address from which they signed in before have their own turn, so that a flood
    of strangers' attempts does not delay them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lookups, self._known, self._others = (CapacityLimiter(n) for n in (4, 2, 1))

    async def sign_in(self, name: str, password: str, address: str) -> str | None:
        """The new session's token; None where too many are waiting. Raises as ``sign_in``."""
        known = await to_thread.run_sync(
            knows_address, self._store, name, address, limiter=self._lookups
        )
        limiter = self._known if known else self._others
        if not known and limiter.statistics().tasks_waiting >= MAX_WAITING_SIGN_INS:
            return None
        return await to_thread.run_sync(
            sign_in, self._store, name, password, address, limiter=limiter
        )


def access_routes(store: Store) -> APIRouter:
    """``/sign-in`` and ``/sign-out``."""
    router, access, sign_ins = APIRouter(), Access(store), SignIns(store)

    def with_cookie(request: Request, response: Response, value: str) -> Response:
        response.set_cookie(
            COOKIE,
            value,
            max_age=None if value else 0,
            path="/",
            secure=is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return response

    @router.get(SIGN_IN)
    def show(to: str = "/") -> Response:
        return _form(to)

    @router.post(SIGN_IN)
    async def enter(request: Request) -> Response:
        form = await _read_form(request)
        to = form.get("to", "/")
        name, password = form.get("name", ""), form.get("password", "")
        try:
            token = await sign_ins.sign_in(name, password, caller_of(request).address)
        except StorageError as error:
            refused = error
            return _form(to, lambda texts: texts.error(refused), 401)
        if token is None:
            return _form(to, lambda texts: texts("sign_in_busy"), 503)
        return with_cookie(request, RedirectResponse(_home(to), status_code=303), token)

    @router.post("/sign-out")
    async def leave(request: Request) -> Response:
        response = with_cookie(request, RedirectResponse("/", status_code=303), "")
        visitor = await run_in_threadpool(access.visitor, request)
        if visitor.coordinator:
            await run_in_threadpool(sign_out, store, request.cookies.get(COOKIE, ""))
            if await run_in_threadpool(has_trial, request):
                response.delete_cookie(RATER_COOKIE)
        return response

    def has_trial(request: Request) -> bool:
        with store.connect() as db:
            return is_trial(db, request.cookies.get(RATER_COOKIE, ""))

    return router


def _home(wanted: str) -> str:
    """One of the app's own pages: never where a link from elsewhere says."""
    return wanted if wanted in PLACES else "/"


async def _read_form(request: Request) -> dict[str, str]:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_FORM:
            return {}
    text = content.decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text).items()}


def _form(to: str, sentence: Callable[[Texts], str] | None = None, status: int = 200) -> Response:
    """The sign-in page, in both languages, with a sentence on what went wrong."""
    both = [Texts("zh"), Texts("en")]
    label = {
        key: " · ".join(texts(key) for texts in both)
        for key in ("sign_in", "coordinator_name", "password", "sign_in_info")
    }
    alerts = ""
    if sentence:
        for texts in both:
            alert = as_html(sentence(texts))
            alerts += f'<p role="alert" lang="{texts.language}">{alert}</p>'
    content = f"""<!doctype html>
<html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>MedChat · {label["sign_in"]}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.6 system-ui, "PingFang SC", "Microsoft YaHei", sans-serif; margin: 12vh auto;
  max-width: 24rem; padding: 0 1rem; }}
label {{ display: grid; gap: .25rem; margin: .8rem 0; }}
input, button {{ font: inherit; padding: .6rem .8rem; border: 1px solid #94a3b8;
  border-radius: 8px; }}
button {{ width: 100%; margin-top: .6rem; background: #0f766e; border-color: #0f766e;
  color: #fff; }}
[role=alert] {{ color: #b91c1c; margin: .3rem 0; }}
@media (prefers-color-scheme: dark) {{ [role=alert] {{ color: #fca5a5; }} }}
</style>
<h1>MedChat</h1><p>{label["sign_in_info"]}</p>{alerts}
<form method="post" action="{SIGN_IN}">
<input type="hidden" name="to" value="{_home(to)}">
<label>{label["coordinator_name"]}<input name="name" required maxlength="200"
  autocomplete="username" value="coordinator"></label>
<label>{label["password"]}<input name="password" type="password" required maxlength="200"
  autocomplete="current-password" autofocus></label>
<button type="submit">{label["sign_in"]}</button></form></html>"""
    return HTMLResponse(content, status_code=status)
