"""Refuses what a browser sends for a page of another site."""

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from eval_ui.web.access import refusal


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
