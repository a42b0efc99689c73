"""The table of what may be asked of the web app: method, path, query and who. All else is refused.

Gradio mounts about sixty routes beside each page, most of which this app does not need; an upgrade
may add more. So what is not named here does not exist. ``gate`` enforces the table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlencode

Who = Literal["anyone", "chat", "coordinator"]
"""Who is let through. "chat": who may read the models' names and ask them."""
Kind = Literal["plain", "page", "click", "stream", "upload", "progress", "sign_out"]
"""What the gate does beyond letting it through. "page": whoever may not see it is led elsewhere;
"click": an event of the page, which is checked; "stream": an answer that stays open; "upload" and
"progress": answered by the gate itself; "sign_out": what belongs to the session goes with it."""

KIB = 1024
TOKEN = "[a-z0-9]{1,40}"
"""Of a page's session or upload: what Gradio's page makes up."""
FULL_PAGE = "(/en)?"
RATING_PAGE = "(/en)?/rate"
ANY_PAGE = "(/en)?(/rate)?"


@dataclass(frozen=True)
class Rule:
    methods: tuple[str, ...]
    path: str
    """A regular expression for the whole path, with and without its %-escapes resolved."""
    who: Who = "anyone"
    kind: Kind = "plain"
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters that are passed on, each with a regular expression for its value."""
    max_body: int = 0
    """Bytes that are read of what is sent; more is cut off, and the route refuses it."""


THEME = {"__theme": "light|dark|system"}
SESSION = {"session_hash": TOKEN}
UPLOAD = {"upload_id": TOKEN}

RULES = (
    # -- the app's own routes; each checks who asks --
    Rule(("GET",), "/healthz"),
    Rule(("GET",), "/en|/rate|/en/rate"),
    Rule(("GET",), "/sign-in", query={"to": ".*"}),
    Rule(("POST",), "/sign-in", max_body=8 * KIB),
    Rule(("POST",), "/sign-out", kind="sign_out", max_body=KIB),
    Rule(("GET",), r"/r/[^/]+"),
    Rule(("GET",), "/rating/list"),
    Rule(("GET",), r"/rating/(page|state)/[^/]+"),
    Rule(("POST",), "/rating/(save|profile|leave)", max_body=65 * KIB),
    Rule(("GET",), r"/export/[\w-]+/[\w.-]+(/[\w.-]+)*"),
    Rule(("GET",), r"/static/rating/[0-9a-f]+/[a-z]+\.js"),
    # -- files that make up a page; the same for everybody --
    Rule(("GET",), ANY_PAGE + r"/assets/[\w-]+(\.[\w-]+)*"),
    Rule(("GET",), ANY_PAGE + r"/static/(js|img|fonts)(/[\w-]+)*(/[\w-]+(\.[\w-]+)*)"),
    Rule(("GET",), ANY_PAGE + r"/theme\.css"),
    Rule(("GET",), r"/favicon\.ico"),
    # -- the rating page: it has no listeners, so nothing else of Gradio's --
    Rule(("GET", "HEAD"), RATING_PAGE + "/", query=THEME),
    # -- the full page --
    Rule(("GET", "HEAD"), FULL_PAGE + "/", "chat", "page", THEME),
    Rule(("POST",), FULL_PAGE + "/gradio_api/queue/join", "chat", "click"),
    Rule(("GET",), FULL_PAGE + "/gradio_api/queue/data", "chat", "stream", SESSION),
    Rule(("GET",), FULL_PAGE + f"/gradio_api/heartbeat/{TOKEN}", "chat", "stream"),
    Rule(("POST",), FULL_PAGE + "/gradio_api/upload", "coordinator", "upload", UPLOAD),
    Rule(("GET",), FULL_PAGE + "/gradio_api/upload_progress", "coordinator", "progress", UPLOAD),
)


def find_rule(method: str, path: str, raw_path: str) -> Rule | None:
    """The rule that lets a request through, if there is one.

    Both forms of the path must match: what is hidden behind %-escapes is refused, as what routes
    make of it differs.
    """
    for rule in RULES:
        if method in rule.methods and re.fullmatch(rule.path, path, re.ASCII):
            return rule if re.fullmatch(rule.path, raw_path, re.ASCII) else None
    return None


def allowed_query(rule: Rule, query: str) -> dict[str, str]:
    """The parameters of a request that are passed on; of one that stands twice, the last."""
    try:
        pairs = parse_qsl(query, max_num_fields=20)
    except ValueError:
        return {}
    return {
        name: value
        for name, value in pairs
        if name in rule.query and re.fullmatch(rule.query[name], value, re.ASCII)
    }


def encoded(query: Mapping[str, str]) -> bytes:
    return urlencode(query).encode("ascii")
