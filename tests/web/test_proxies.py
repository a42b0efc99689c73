"""Whose request it is: behind a proxy, beside one, and with headers that somebody made up."""

import re
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from eval_ui.web.proxies import ProxyHeaders, caller_of, host_name, is_secure
from eval_ui.web.same_origin import SameOriginGuard
from medchat.config import Settings
from medchat.errors import BadInput

PUBLIC = {"allowed_hosts": "study.example.org"}


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MEDCHAT_{name.upper()}", raising=False)


async def show(scope: Any, receive: Any, send: Any) -> None:
    """What the app behind the proxy layer sees."""
    request = Request(scope)
    content = {
        "address": caller_of(request).address,
        "client": request.client.host if request.client else None,
        "local": caller_of(request).is_local,
        "base": str(request.base_url),
        "secure": is_secure(request),
        "headers": list(request.headers),
    }
    await JSONResponse(content)(scope, receive, send)


def client_of(peer: str = "127.0.0.1", asked: str = "127.0.0.1:7860", **settings: Any) -> Any:
    """A client at ``peer`` that asks for the host ``asked``."""
    app = ProxyHeaders(SameOriginGuard(show), Settings.read(**settings))
    return TestClient(app, base_url=f"http://{asked}", client=(peer, 50_000))


def seen(headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    answer = client_of(**more).get("/", headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# -- this machine --


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.5"])
def test_a_browser_on_this_machine_is_local(peer: str, host: str) -> None:
    assert seen(peer=peer, asked=host)["local"] is True


@pytest.mark.parametrize(
    "header",
    [
        *("Fly-Client-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP", "Ali-Cdn-Real-Ip", "CDN-Loop"),
        *("X-Remote-Addr", "X-Varnish", "X-Request-Id", "X-Amzn-Trace-Id", "X-ARR-LOG-ID"),
        *(
            "X-Azure-FDID",
            "Tailscale-User-Login",
            "X-Envoy-Peer",
            "X-Nginx-Proxy",
            "X_Forwarded_For",
        ),
    ],
)
def test_a_header_that_no_browser_sends_tells_of_something_between(header: str) -> None:
    assert seen({header: "192.0.2.1"})["local"] is False


@pytest.mark.parametrize(
    "header",
    ["Sec-Fetch-Site", "Sec-CH-UA", "Cache-Control", "Upgrade-Insecure-Requests", "If-None-Match"],
)
def test_a_header_that_browsers_send_tells_nothing(header: str) -> None:
    assert seen({header: "none"})["local"] is True


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded",
        "X-Real-IP",
        "X-Original-URL",
        "X-Original-Forwarded-For",
        "CF-Connecting-IP",
        "CF-Ray",
        "True-Client-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Gradio-Server",
    ],
)
@pytest.mark.parametrize("value", ["127.0.0.1", "", "localhost"])
def test_a_forwarding_header_of_any_kind_is_not_local_and_goes_no_further(header, value) -> None:
    answer = seen({header: value})
    assert answer["local"] is False
    assert header.lower() not in answer["headers"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": "https://study.example.org/"},
        {"Referer": "http://192.0.2.1/"},
        {"Origin": "https://study.example.org"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_host_is_not_local(headers: dict[str, str]) -> None:
    assert seen(headers)["local"] is False


def test_a_page_of_this_machine_is_local() -> None:
    assert seen({"Referer": "http://127.0.0.1:7860/", "Origin": "http://127.0.0.1:7860"})["local"]


@pytest.mark.parametrize(
    "settings",
    [PUBLIC, {"trusted_proxies": "127.0.0.1"}, {"trusted_proxies": ""}, {"host": "0.0.0.0"}],
)
def test_where_a_setting_tells_of_others_nobody_is_local(settings: dict[str, str]) -> None:
    assert seen(**settings)["local"] is False


def test_naming_this_machine_as_a_host_changes_nothing() -> None:
    assert seen(allowed_hosts="localhost,127.0.0.1")["local"] is True


def test_what_speaks_http_1_0_is_a_proxy() -> None:
    """nginx with its own defaults: no header at all, and the Host of this machine."""

    async def old(scope: Any, receive: Any, send: Any) -> None:
        await ProxyHeaders(show, Settings.read())({**scope, "http_version": "1.0"}, receive, send)

    client = TestClient(old, base_url="http://127.0.0.1:7860", client=("127.0.0.1", 1))
    assert client.get("/").json()["local"] is False


def test_somebody_else_is_not_local_whatever_is_said() -> None:
    assert seen(peer="192.0.2.7", asked="127.0.0.1")["local"] is False


# -- what proxies say --


def test_a_trusted_proxy_tells_client_scheme_and_host() -> None:
    headers = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "study.example.org",
    }
    answer = seen(headers, **PUBLIC)
    assert answer["address"] == answer["client"] == "192.0.2.7"
    assert answer["base"] == "https://study.example.org/"
    assert answer["secure"] is True


def test_anybody_else_tells_nothing() -> None:
    headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    answer = seen(headers, peer="192.0.2.9", asked="study.example.org", **PUBLIC)
    assert answer["address"] == "192.0.2.9"
    assert answer["base"] == "http://study.example.org/"
    assert not [name for name in answer["headers"] if name.startswith("x-forwarded")]
    none = seen(headers, trusted_proxies="")
    assert (none["address"], none["secure"]) == ("127.0.0.1", False)


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("unknown", "127.0.0.1"),
        ("192.0.2.7, garbage", "127.0.0.1"),
        (", ,", "127.0.0.1"),
        (", ".join(["10.0.0.1"] * 5000), "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(chain: str, address: str) -> None:
    settings = {"trusted_proxies": "127.0.0.1, 10.0.0.0/8"}
    assert seen({"X-Forwarded-For": chain}, **settings)["address"] == address


def test_of_several_hosts_that_of_the_farthest_trusted_proxy_counts() -> None:
    """A client can write only to the left of what proxies write."""
    made_up = {"X-Forwarded-Host": "evil.example.org, study.example.org"}
    assert seen(made_up, **PUBLIC)["base"] == "http://study.example.org/"


def test_a_scheme_that_is_none_is_not_believed() -> None:
    assert seen({"X-Forwarded-Proto": "javascript"})["base"] == "http://127.0.0.1:7860/"


# -- names --


@pytest.mark.parametrize("host", ["evil.example.org", "study.example.org", "127.0.0.1.nip.io"])
def test_an_unknown_host_is_told_what_to_set(host: str) -> None:
    answer = client_of(asked=host).get("/")
    assert answer.status_code == 400
    assert host in answer.text
    assert answer.text.count("MEDCHAT_ALLOWED_HOSTS") == 2


def test_a_proxy_does_not_make_a_host_known() -> None:
    answer = client_of(**PUBLIC).get("/", headers={"X-Forwarded-Host": "evil.example.org"})
    assert answer.status_code == 400


@pytest.mark.parametrize("host", ["Study.example.org", "study.example.org:8443", "127.0.0.1:1"])
def test_a_named_host_is_answered(host: str) -> None:
    assert client_of(asked=host, **PUBLIC).get("/").status_code == 200


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        ("Study.example.org.", "study.example.org"),
        ("my_server", "my_server:8080"),
        ("医院.cn", "xn--ekrs67m.cn"),
        ("[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_a_host_may_be_named_in_other_words(setting: str, asked: str) -> None:
    assert client_of(asked=asked, allowed_hosts=setting).get("/").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"), [("192.0.2.1:7860", 200), ("[2001:db8::1]", 200), ("evil.example", 400)]
)
def test_an_app_for_other_machines_answers_to_addresses(host: str, status: int) -> None:
    """A page that was made to point here has a name; an address cannot be made to."""
    app = ProxyHeaders(show, Settings.read(host="0.0.0.0"))
    assert TestClient(app, base_url=f"http://{host}").get("/").status_code == status


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.b:80", "a.b"),
        ("[::1]:80", "::1"),
        ("A.B", "a.b"),
        ("a.b.", "a.b"),
        ("a.b:x", ""),
        ("a@b", ""),
        ("a,b", ""),
        ("a/b", ""),
        ("a?b", ""),
        ("[::1", ""),
        ("", ""),
    ],
)
def test_a_host_header_names_one_host_or_none(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_hosts", "https://study.example.org"),
        ("allowed_hosts", "study.example.org:443"),
        ("allowed_hosts", "*"),
        ("allowed_hosts", "study..example.org"),
        ("trusted_proxies", "proxy.example.org"),
        ("trusted_proxies", "10.0.0.0/40"),
        ("open_chat", "perhaps"),
    ],
)
def test_a_setting_that_is_none_is_refused_with_its_value(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"{name}.*{re.escape(value)}"):
        Settings.read(**{name: value})


# -- pages of other sites, behind a proxy --


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://study.example.org"}, 200),
        ({"Origin": "https://study.example.org:443"}, 200),
        ({"Origin": "https://evil.example.org"}, 403),
        ({"Origin": "http://127.0.0.1:7860"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example.org", "X-Forwarded-Host": "evil.example.org"}, 400),
    ],
)
@pytest.mark.parametrize("how", ["X-Forwarded-Host", "Host"])
def test_only_the_public_pages_own_requests_change_something(headers, status: int, how) -> None:
    sent = {how: "study.example.org", "X-Forwarded-Proto": "https"} | headers
    assert client_of(**PUBLIC).post("/", headers=sent).status_code == status
