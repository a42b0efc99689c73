"""Who may do what: coordinators sign in; everything that shows or changes a study asks here.

The check is made on the server for every click and every route, whatever the page shows or hides.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from gradio.context import LocalContext
from starlette.types import ASGIApp, Receive, Scope, Send

from eval_ui.safe_text import as_html
from eval_ui.texts import LANGUAGES, Texts
from storage import (
    Coordinator,
    StorageError,
    Store,
    coordinator_of_session,
    is_trial,
    sign_in,
    sign_out,
)

COOKIE = "medchat_coordinator"
RATER_COOKIE = "medchat_rater"
SIGN_IN = "/sign-in"
UPLOAD = "/gradio_api/upload"
LARGEST_FORM = 4096
HOMES = {"zh": "/", "en": "/en/"}
PLACES = {f"{home}{tab}" for home in HOMES.values() for tab in ("", "#study", "#report")}
"""Where somebody may be sent after signing in; a tab of the page is named behind the #."""
CLOSED_TO_RATERS = {
    *("/", "/en", "/en/"),
    *(
        f"{home}{description}"
        for home in ("/", "/en/")
        for description in ("config", "config/", "info", "gradio_api/info", "gradio_api/info/")
    ),
}


class Access:
    """Tells coordinators by the session in their browser's cookie."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_request(self, request: Request | gr.Request | None) -> Coordinator | None:
        """Whoever sent a request, None if it is no coordinator."""
        token = request.cookies.get(COOKIE, "") if request else ""
        if not token:
            return None
        with self._store.connect() as db:
            return coordinator_of_session(db, token)

    def now(self) -> Coordinator | None:
        """Whose click is being worked off by a listener of the page."""
        return self.of_request(LocalContext.request.get(None))

    def require(self) -> Coordinator:
        """Whose click it is. Raises StorageError sign_in_needed where that is no coordinator."""
        found = self.now()
        if found is None:
            raise StorageError("sign_in_needed")
        return found

    def check(self) -> None:
        """Raises StorageError sign_in_needed where whoever clicked may not."""
        self.require()


class ChatAccess(Access):
    """Who may ask the models: coordinators, and where the app is open to all, whoever is no rater.

    A rater who could ask them would learn whose answers are whose.
    """

    def __init__(self, store: Store, *, open_to_all: bool) -> None:
        super().__init__(store)
        self._open_to_all = open_to_all

    def check(self) -> None:
        """Raises StorageError sign_in_needed."""
        request = LocalContext.request.get(None)
        found = self.of_request(request)
        is_rater = bool(request and request.cookies.get(RATER_COOKIE))
        if found is None and (is_rater or not self._open_to_all):
            raise StorageError("sign_in_needed")


def is_rater(request: Request, access: Access) -> bool:
    """Whether a request comes from a browser in which a rater's link was opened, and nobody is
    signed in."""
    return bool(request.cookies.get(RATER_COOKIE)) and not _is_coordinator(request, access)


def sees_models(request: Request, access: Access, *, open_to_all: bool) -> bool:
    """Whether the models' names may be told: to who may ask them."""
    if is_rater(request, access):
        return False
    return open_to_all or _is_coordinator(request, access)


def _is_coordinator(request: Request, access: Access) -> bool:
    try:
        return access.of_request(request) is not None
    except StorageError:  # nobody knows, so nothing is told
        return False


class OwnPages:
    """Refuses what the browser sends for a page of another site, or of another port.

    A cookie goes with such a request too where both have the same host. What only reads is answered
    without a word on who may read it, so that the browser keeps it from that page. Plain ASGI, so
    that streams pass through untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._app
        if scope["type"] == "http" and not _from_here(Request(scope)):
            if scope["method"] in ("GET", "HEAD"):
                headers = [(name, value) for name, value in scope["headers"] if name != b"origin"]
                scope = {**scope, "headers": headers}
            else:
                answer = _not_from_here()
        await answer(scope, receive, send)


def _from_here(request: Request) -> bool:
    """Whether a page of this app sent a request: browsers tell, or name the page's origin.

    A proxy may tell under which names it was asked; no page of another site can tell that.
    """
    origin = request.headers.get("origin")
    if origin is None or request.headers.get("sec-fetch-site") == "same-origin":
        return True
    told = [
        name
        for header in ("host", "x-forwarded-host")
        for names in request.headers.getlist(header)
        for name in names.split(",")
    ]
    scheme, _, page = origin.partition("://")
    return bool(page) and _without_port(page, scheme) in {_without_port(n, scheme) for n in told}


def _without_port(host: str, scheme: str) -> str:
    """Without the port that a scheme has anyway."""
    return host.strip().lower().removesuffix(":443" if scheme == "https" else ":80")


def _not_from_here() -> Response:
    sentences = {language: Texts(language)("not_from_here") for language in LANGUAGES}
    return JSONResponse({"code": "not_from_here", **sentences}, status_code=403)


class Doors:
    """Shows the rating page, and nothing else, to a browser in which a rater's link was opened.

    The other pages' own descriptions list the models, so those are refused too. Where the app is
    not ``open_to_all``, they are for coordinators alone: who may not ask the models reads no names
    of them. Files are taken from coordinators only.

    Plain ASGI, so that streams pass through untouched.
    """

    def __init__(self, app: ASGIApp, access: Access, *, open_to_all: bool) -> None:
        self._app, self._access, self._open_to_all = app, access, open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None
        if scope["type"] == "http" and scope["path"] in CLOSED_TO_RATERS:
            answer = self._of_page
        elif scope["type"] == "http" and scope["path"].rstrip("/").endswith(UPLOAD):
            answer = self._of_upload
        refused = await run_in_threadpool(answer, Request(scope)) if answer else None
        await (refused or self._app)(scope, receive, send)

    def _of_page(self, request: Request) -> Response | None:
        """What is answered instead of a page; None where it may be shown."""
        if sees_models(request, self._access, open_to_all=self._open_to_all):
            return None
        home = "/en/" if request.url.path.startswith("/en") else "/"
        rater = is_rater(request, self._access)
        to = f"{home}rate/" if rater else f"{SIGN_IN}?to={home}"
        return RedirectResponse(to, status_code=303)

    def _of_upload(self, request: Request) -> Response | None:
        may = _is_coordinator(request, self._access)
        return None if may else PlainTextResponse("Sign in first.", status_code=401)


def gate_html(access: Access, texts: Texts, tab: str) -> str:
    """What stands above a tab for coordinators: who is signed in, or where to sign in.

    Signing in leads back to ``tab``.
    """
    found = access.now()
    if found is None:
        return (
            f'<p class="notice">{texts("sign_in_needed")} '
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


def access_routes(store: Store) -> APIRouter:
    """``/sign-in`` and ``/sign-out``."""
    router, access = APIRouter(), Access(store)

    def with_cookie(response: Response, value: str) -> Response:
        age = None if value else 0
        response.set_cookie(COOKIE, value, max_age=age, path="/", httponly=True, samesite="strict")
        return response

    @router.get(SIGN_IN)
    def show(to: str = "/") -> Response:
        return _form(to, None)

    @router.post(SIGN_IN)
    async def enter(request: Request) -> Response:
        form = await _read_form(request)
        to = form.get("to", "/")
        address = request.client.host if request.client else ""
        name, password = form.get("name", ""), form.get("password", "")
        try:
            token = await run_in_threadpool(sign_in, store, name, password, address)
        except StorageError as error:
            return _form(to, error)
        return with_cookie(RedirectResponse(_home(to), status_code=303), token)

    @router.post("/sign-out")
    async def leave(request: Request) -> Response:
        response = with_cookie(RedirectResponse("/", status_code=303), "")
        if await run_in_threadpool(_is_coordinator, request, access):
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
        if len(content) > LARGEST_FORM:
            return {}
    text = content.decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text).items()}


def _form(to: str, error: StorageError | None) -> Response:
    """The sign-in page, in both languages."""
    both = [Texts("zh"), Texts("en")]
    label = {
        key: " · ".join(texts(key) for texts in both)
        for key in ("sign_in", "coordinator_name", "password", "sign_in_info")
    }
    told = ""
    if error:
        for texts in both:
            sentence = as_html(texts.error(error))
            told += f'<p role="alert" lang="{texts.language}">{sentence}</p>'
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
<h1>MedChat</h1><p>{label["sign_in_info"]}</p>{told}
<form method="post" action="{SIGN_IN}">
<input type="hidden" name="to" value="{_home(to)}">
<label>{label["coordinator_name"]}<input name="name" required maxlength="200"
  autocomplete="username" value="coordinator"></label>
<label>{label["password"]}<input name="password" type="password" required maxlength="200"
  autocomplete="current-password" autofocus></label>
<button type="submit">{label["sign_in"]}</button></form></html>"""
    return HTMLResponse(content, status_code=401 if error else 200)
