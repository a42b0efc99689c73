"""Signing in and out: the form, and how many passwords are checked at once."""

from collections.abc import Sequence
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from eval_ui.texts import Texts
from eval_ui.web.access import COOKIE, HOMES, RATER_COOKIE, SIGN_IN, Access
from eval_ui.web.html_templates import render
from eval_ui.web.proxies import caller_of, is_secure
from storage import StorageError, Store, is_trial, knows_address, sign_in, sign_out

MAX_FORM = 4096
MAX_WAITING_SIGN_INS = 30
DESTINATIONS = {f"{home}{tab}" for home in HOMES.values() for tab in ("", "#study", "#report")}
"""Where somebody may be sent after signing in; a tab of the page is named behind the #."""
BOTH = (Texts("zh"), Texts("en"))


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
        is_known = await to_thread.run_sync(
            knows_address, self._store, name, address, limiter=self._lookups
        )
        limiter = self._known if is_known else self._others
        if not is_known and limiter.statistics().tasks_waiting >= MAX_WAITING_SIGN_INS:
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
            return _form(to, [error.text(texts.language) for texts in BOTH], 401)
        if token is None:
            return _form(to, [texts("sign_in_busy") for texts in BOTH], 503)
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


def _home(address: str) -> str:
    """One of the app's own pages: never where a link from elsewhere says."""
    return address if address in DESTINATIONS else "/"


async def _read_form(request: Request) -> dict[str, str]:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_FORM:
            return {}
    text = content.decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(text).items()}


def _form(to: str, sentences: Sequence[str] = ("", ""), status: int = 200) -> Response:
    """The sign-in page, in both languages, with what went wrong in each."""
    labels = {
        key: " · ".join(texts(key) for texts in BOTH)
        for key in ("sign_in", "coordinator_name", "password", "sign_in_info")
    }
    alerts = [(texts.language, text) for texts, text in zip(BOTH, sentences, strict=True) if text]
    html = render("sign_in.html", labels=labels, alerts=alerts, action=SIGN_IN, to=_home(to))
    return HTMLResponse(html, status_code=status)
