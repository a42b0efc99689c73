"""Who may do what: coordinators sign in; everything that shows or changes a study asks here.

The check is made on the server for every click and every route, whatever the page shows or hides.
Knows Gradio only while a click on its page is processed.
"""

from dataclasses import dataclass
from typing import Protocol

from fastapi import Request
from fastapi.responses import JSONResponse

from eval_ui.texts import LANGUAGES, PageError, Texts
from eval_ui.web.proxies import caller_of
from storage import Coordinator, StorageError, Store, coordinator_of_session

COOKIE = "medchat_coordinator"
RATER_COOKIE = "medchat_rater"
SIGN_IN = "/sign-in"
HOMES = {"zh": "/", "en": "/en/"}
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

    def of_request(self, request: Request | None) -> Coordinator | None:
        """Whoever sent a request, None if it is no coordinator."""
        token = request.cookies.get(COOKIE, "") if request else ""
        if len(token) not in TOKEN_LENGTHS:
            return None
        with self._store.connect() as db:
            return coordinator_of_session(db, token)

    def now(self) -> Coordinator | None:
        """Whose click a listener of the page is processing."""
        return self.of_request(clicking_request())

    def require(self) -> Coordinator:
        """Whose click it is. Raises PageError sign_in_needed where that is no coordinator."""
        coordinator = self.now()
        if coordinator is None:
            raise PageError("sign_in_needed")
        return coordinator

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
        request = clicking_request()
        if request is None or not self._access.may_chat(self._access.visitor(request)):
            raise PageError("sign_in_needed")


def clicking_request() -> Request | None:
    """The request behind the click that is being processed; None outside of Gradio's listeners."""
    from gradio.context import LocalContext  # whoever asks here has Gradio already

    sent = LocalContext.request.get(None)
    return sent.request if sent else None


def refusal(key: str, status: int, **words: object) -> JSONResponse:
    """A refused request's answer: a sentence in both languages. Gradio's page shows ``detail``."""
    sentences = [Texts(language)(key, **words) for language in LANGUAGES]
    content = {
        "code": key,
        **{str(code): text for code, text in zip(LANGUAGES, sentences, strict=True)},
        "detail": " ".join(sentences),
    }
    return JSONResponse(content, status, headers={"Cache-Control": "no-store"})
