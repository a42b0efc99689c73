"""Where a request really comes from: its client, scheme and host, with or without a proxy.

The outermost layer of the web app. It believes forwarding headers of trusted proxies only, and
takes them off every request, so that nothing behind it can be misled by them. It decides which host
names the app answers to, and whether a request was sent by a browser on this very machine. It knows
nothing about pages, cookies or people.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eval_ui.texts import LANGUAGES, Texts
from medchat.config import LOOPBACK, Network, Settings

Address = IPv4Address | IPv6Address

THIS_MACHINE: tuple[Network, ...] = (ip_network("127.0.0.1"), ip_network("::1"))
FORWARDING_HEADERS = frozenset(
    {
        *("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip"),
        *("cf-connecting-ip", "true-client-ip", "fastly-client-ip", "client-ip"),
        *("x-scheme", "x-url-scheme", "x-proto", "x-host", "x-rewrite-url", "front-end-https"),
        *("x-gradio-server", "x-envoy-external-address", "x-proxyuser-ip", "x-appengine-user-ip"),
    }
)
FORWARDING_PREFIXES = ("x-forwarded", "x-original", "cf-", "x-proxy")
"""Only proxies send these; they are taken off every request."""
BROWSER_HEADERS = frozenset(
    {
        *("host", "connection", "keep-alive", "user-agent", "cookie", "origin", "referer", "dnt"),
        *("accept", "accept-encoding", "accept-language", "accept-charset", "priority", "purpose"),
        *("content-type", "content-length", "transfer-encoding", "te", "cache-control", "pragma"),
        *("if-none-match", "if-modified-since", "if-range", "range", "last-event-id", "expect"),
        *("upgrade-insecure-requests", "save-data", "x-rater", "x-gradio-user"),
    }
)
"""What browsers, and this app's own pages in them, send. With any other header, something stands
between: proxies have far more names for theirs than anybody can list."""

MAX_PROXIES = 20
MAX_SHOWN_HOST = 100


@dataclass(frozen=True)
class Caller:
    """Who sent a request, as far as the network tells."""

    address: str
    is_local: bool
    """Whether a browser on this machine sent it, with no proxy between."""


def caller_of(request: HTTPConnection) -> Caller:
    """The caller that ``ProxyHeaders`` recorded; a stranger from elsewhere, if it did not."""
    caller = request.scope.get("state", {}).get("caller")
    return caller if isinstance(caller, Caller) else Caller("", is_local=False)


def trusted(settings: Settings) -> tuple[Network, ...]:
    """Where proxies are whose forwarding headers are believed."""
    return THIS_MACHINE if settings.trusted_proxies is None else settings.trusted_proxies


def is_in(address: str, networks: Iterable[Network]) -> bool:
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in networks)


def is_secure(request: HTTPConnection) -> bool:
    """Whether the browser speaks HTTPS, perhaps with a proxy that does not say so."""
    origin = request.headers.get("origin", "")
    return request.url.scheme == "https" or origin.startswith("https://")


class ProxyHeaders:
    """Gives every request its real client, scheme and host, and refuses foreign host names.

    Plain ASGI, so that streams pass through untouched.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings, self._proxies = app, settings, trusted(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer = (scope.get("client") or ("", 0))[0]
        headers = Headers(scope=scope)
        forwarded = _Forwarded(headers, peer, self._proxies)
        host = forwarded.host or ",".join(headers.getlist("host"))
        if not self._answers_to(host):
            await _unknown_host(host)(scope, receive, send)
            return
        caller = Caller(forwarded.address, self._is_local(scope, headers, peer, host))
        clean = [(name, value) for name, value in scope["headers"] if not _is_dropped(name)]
        scope = {
            **scope,
            "scheme": forwarded.scheme or scope.get("scheme", "http"),
            "client": (forwarded.address, 0),
            "headers": [*clean, (b"host", host.encode("latin-1"))],
            "state": {**scope.get("state", {}), "caller": caller},
        }
        await self._app(scope, receive, send)

    def _answers_to(self, host: str) -> bool:
        """Whether a Host header names this app: a page of another name that was made to point here
        must not reach it."""
        name = host_name(host)
        if not name:
            return False
        own = self._settings.host.lower()
        if name in (*LOOPBACK, own, *self._settings.allowed_hosts):
            return True
        if self._settings.listens_locally:
            return False
        machine = socket.gethostname().lower()
        return _address(name) is not None or name in (machine, f"{machine}.local")

    def _is_local(self, scope: Scope, headers: Headers, peer: str, host: str) -> bool:
        """Whether a browser on this machine sent a request.

        nginx's own defaults send no forwarding header, but HTTP/1.0, which no browser speaks. Where
        a page of another host sent the request, or a setting says that there is a proxy, one
        stands between as well.
        """
        address = _address(peer)
        return (
            address is not None
            and address.is_loopback
            and self._settings.listens_locally
            and not self._settings.behind_proxy
            and all(name in BROWSER_HEADERS or name.startswith("sec-") for name in headers)
            and scope.get("http_version") != "1.0"
            and host_name(host) in LOOPBACK
            and all(
                _host_of_url(headers[name]) in LOOPBACK
                for name in ("origin", "referer")
                if name in headers
            )
        )


class _Forwarded:
    """What trusted proxies say of a request; each is None where they say nothing."""

    def __init__(self, headers: Headers, peer: str, proxies: Iterable[Network]) -> None:
        self.address, self.scheme, self.host = peer, None, None
        proxies = tuple(proxies)
        if not is_in(peer, proxies):
            return
        hops = 1
        for item in reversed(_items(headers, "x-forwarded-for")[-MAX_PROXIES:]):
            address = _address(item) or _address(host_name(item))
            if address is None:
                break
            self.address = str(address)
            if not is_in(self.address, proxies):
                break
            hops += 1
        scheme = _of_hop(_items(headers, "x-forwarded-proto"), hops)
        self.scheme = scheme if scheme in ("http", "https") else None
        self.host = _of_hop(_items(headers, "x-forwarded-host"), hops)


def host_name(host: str) -> str:
    """The name in a Host header, in lower case and without its port; empty where it is none."""
    try:
        split = urlsplit(f"//{host}")
        name, _ = split.hostname or "", split.port
    except ValueError:
        return ""
    whole = split.netloc == host.strip() and "@" not in host and "," not in host
    return name.removesuffix(".") if whole else ""


def _host_of_url(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _items(headers: Headers, name: str) -> list[str]:
    """Of a header that may hold a list, or stand several times."""
    texts = (item.strip() for text in headers.getlist(name) for item in text.split(","))
    return [text for text in texts if text]


def _of_hop(items: list[str], hops: int) -> str | None:
    """What the farthest trusted proxy wrote: every proxy on the way appends at the right."""
    return items[-min(hops, len(items))] if items else None


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_forwarding(name: str) -> bool:
    return name in FORWARDING_HEADERS or name.startswith(FORWARDING_PREFIXES)


def _is_dropped(name: bytes) -> bool:
    text = name.decode("latin-1").lower()
    return text == "host" or _is_forwarding(text)


def _unknown_host(host: str) -> Response:
    sentences = [Texts(code)("unknown_host", host=host[:MAX_SHOWN_HOST]) for code in LANGUAGES]
    return PlainTextResponse("\n\n".join(sentences), status_code=400)
