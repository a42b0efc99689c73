"""The rating page's own HTTP routes: the personal link, the list, a question, a save.

The page's script calls them itself, so that it can keep what was not saved and send it again.
Every route finds the rater through the session in the browser's cookie, and none returns anything
that names a model. Errors are JSON with a sentence in both languages; only those that may pass
without anybody's doing have a status from 500 on.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse

from eval_ui.rating.bodies import ProfileBody, SaveBody, read_body
from eval_ui.rating.rater_session import LEFT, SESSION_SECONDS, RaterSessions, set_cookie
from eval_ui.rating.refusals import EN, ZH, answering, refusal, refusal_page
from eval_ui.rating.save_replies import Reply, list_reply, page_reply, save_reply
from eval_ui.web.access import RATER_COOKIE
from storage import (
    Rater,
    StorageError,
    Store,
    Writer,
    begin_session,
    is_news,
    note_visit,
    set_profile,
)

PAGES: dict[str, str] = {"zh": "/rate/", "en": "/en/rate/"}


def rating_routes(store: Store, writer: Writer) -> APIRouter:
    """The routes below ``/rating`` and the links ``/r/TOKEN``."""
    router = APIRouter()
    sessions = RaterSessions(store, writer)
    _add_link(router, sessions)
    _add_questions(router, sessions)
    _add_saving(router, sessions)
    _add_profile_and_leaving(router, sessions)
    return router


def _add_link(router: APIRouter, sessions: RaterSessions) -> None:
    @router.get("/r/{token}")
    async def open_link(token: str, request: Request) -> Response:
        """Begin a session in this browser, or go on with its own, and show the rating page."""
        cookie = request.cookies.get(RATER_COOKIE, "")
        try:
            rater, session = await run_in_threadpool(begin_session, sessions.store, token, cookie)
        except StorageError as error:
            return refusal_page(error)
        language = "en" if _prefers_english(request) else "zh"
        response = RedirectResponse(PAGES[language], status_code=303)
        # A dry run ends with the browser: its coordinator must not stay a rater.
        set_cookie(request, response, session, None if rater.trial else SESSION_SECONDS)
        return response


def _add_questions(router: APIRouter, sessions: RaterSessions) -> None:
    @router.get("/rating/list")
    @answering
    async def show_list(request: Request) -> Any:
        if request.cookies.get(RATER_COOKIE, LEFT) == LEFT:  # nobody's page: nothing is wrong
            return {"nobody": True}
        return await sessions.read(request, list_reply)

    @router.get("/rating/state/{place}")
    @answering
    async def show_state(place: str, request: Request) -> Any:
        """What may change while a page lies open; asking is no visit."""
        number = _number(place)
        reply = await sessions.read(request, lambda db, rater: page_reply(db, rater, number))
        return {name: reply[name] for name in ("locked", "answers")}

    @router.get("/rating/page/{place}")
    @answering
    async def show_page(place: str, request: Request) -> Any:
        number = _number(place)

        def read(db: Any, rater: Rater) -> tuple[Rater, Reply]:
            return rater, page_reply(db, rater, number)

        rater, reply = await sessions.read(request, read)
        if is_news(rater, number):
            sessions.writer.submit(lambda db: note_visit(db, rater.id, number))
        return reply


def _add_saving(router: APIRouter, sessions: RaterSessions) -> None:
    @router.post("/rating/save")
    @answering
    async def save(request: Request) -> Any:
        """Save, or answer 409 with what was saved since; either way with what is saved now."""
        entry = (await read_body(request, SaveBody)).entry
        reply = await sessions.write(request, lambda db, rater: save_reply(db, rater, entry))
        if reply["saved_at"] is None:
            answer = reply["answer"]
            error = StorageError("newer_saved", saved_at=answer["saved_at"] or "?")
            return refusal(error, answer=answer)
        return reply


def _add_profile_and_leaving(router: APIRouter, sessions: RaterSessions) -> None:
    @router.post("/rating/profile")
    @answering
    async def save_profile(request: Request) -> Any:
        body = await read_body(request, ProfileBody)
        consent = (EN if body.language == "en" else ZH)("consent_text")
        await sessions.write(
            request, lambda db, rater: set_profile(db, rater.id, body.profile, consent)
        )
        return {}

    @router.post("/rating/leave")
    @answering
    async def leave(request: Request) -> Any:
        """End the session. The browser stays a rater's, which must not ask the models now; that
        of a dry run is its coordinator's."""
        trial = await sessions.end(request)
        response = JSONResponse({})
        set_cookie(request, response, "" if trial else LEFT, 0 if trial else SESSION_SECONDS)
        return response


def _number(place: str) -> int:
    """A place as it stands in an address; 0, which is none, for anything else."""
    return int(place) if place.isascii() and place.isdigit() and len(place) < 10 else 0


def _prefers_english(request: Request) -> bool:
    """Whether the browser asks for English before it asks for Chinese."""
    languages = request.headers.get("accept-language", "").lower()
    english, chinese = languages.find("en"), languages.find("zh")
    return english >= 0 and (chinese < 0 or english < chinese)
