"""The rating page's own HTTP routes: the personal link, the list, a question, a save.

The page's script calls them itself, so that it can keep what was not saved and send it again.
Every route finds the rater through the session in the browser's cookie, and none returns anything
that names a model. Errors are JSON with a sentence in both languages; only those that may pass by
themselves have a status from 500 on.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import unquote

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from eval_ui.rating.guide import default_guide, guide_html
from eval_ui.rating.rating_page import SKIPS
from eval_ui.texts import LANGUAGES, Texts
from eval_ui.web.access import RATER_COOKIE as COOKIE
from eval_ui.web.proxies import is_secure
from eval_ui.web.safe_text import as_html
from medchat.errors import BadInput
from medchat.scale import DIMENSIONS, FLAGS
from storage import (
    AssignedAnswer,
    AssignedQuestion,
    Feedback,
    Profile,
    Rater,
    RatingEntry,
    SaveResult,
    Scores,
    Span,
    StorageError,
    Store,
    Writer,
    answer_of,
    begin_session,
    end_session,
    feedback_on,
    is_news,
    keys_of,
    note_visit,
    outline,
    page,
    rater_of_session,
    require_profile,
    require_study,
    save_in,
    set_profile,
)

SESSION_SECONDS = 30 * 24 * 3600
LEFT = "left"
"""The cookie's value where a rater has ended the session."""
LARGEST_BODY = 64 * 1024
NOT_KEPT = {"Cache-Control": "no-store"}
PAGES: dict[str, str] = {"zh": "/rate/", "en": "/en/rate/"}
ZH, EN = Texts("zh"), Texts("en")
STATUS = {
    "no_session": 401,
    "another_rater": 401,
    "profile_first": 409,
    "profile_known": 409,
    "newer_saved": 409,
    "unknown_link": 404,
    "link_expired": 403,
    "link_revoked": 403,
    "rating_not_allowed": 403,
    "no_such_place": 404,
    "study_locked": 409,
    "practice_first": 409,
    "study_not_open": 409,
    "save_key_reused": 409,
}
"""Of errors that sending again does not mend; whatever else a rater may have sent is 422."""

Result = TypeVar("Result")


def rating_routes(store: Store, writer: Writer) -> APIRouter:
    """The routes below ``/rating`` and the links ``/r/TOKEN``."""
    router = APIRouter()

    def set_cookie(request: Request, response: Response, value: str, seconds: int | None) -> None:
        response.set_cookie(
            COOKIE,
            value,
            max_age=seconds,
            path="/",
            secure=is_secure(request),
            httponly=True,
            samesite="lax",
        )

    async def reading(request: Request, work: Callable[[Any, Rater], Result]) -> Result:
        def read() -> Result:
            with store.connect() as db:
                db.execute("BEGIN")  # answers and their keys of one moment
                return work(db, _rater_of(db, request))

        return await run_in_threadpool(read)

    async def writing(request: Request, work: Callable[[Any, Rater], Result]) -> Result:
        return await asyncio.wrap_future(writer.submit(lambda db: work(db, _rater_of(db, request))))

    @router.get("/r/{token}")
    async def open_link(token: str, request: Request) -> Response:
        """Begin a session in this browser, or go on with its own, and show the rating page."""
        held = request.cookies.get(COOKIE, "")
        try:
            rater, session = await run_in_threadpool(begin_session, store, token, held)
        except StorageError as error:
            return _page_of_error(error)
        language = "en" if _prefers_english(request) else "zh"
        response = RedirectResponse(PAGES[language], status_code=303)
        # A dry run ends with the browser: its coordinator must not stay a rater.
        set_cookie(request, response, session, None if rater.trial else SESSION_SECONDS)
        return response

    @router.get("/rating/list")
    @_answering
    async def show_list(request: Request) -> Any:
        if request.cookies.get(COOKIE, LEFT) == LEFT:  # nobody's page: nothing is wrong
            return {"nobody": True}
        return await reading(request, _list)

    @router.get("/rating/state/{place}")
    @_answering
    async def show_state(place: str, request: Request) -> Any:
        """What may change while a page lies open; asking is no visit."""

        def read(db: Any, rater: Rater) -> dict[str, Any]:
            require_profile(rater)
            question = _page(db, rater, page(db, rater, _number(place)))
            return {"locked": _is_locked(db, rater), "answers": question["answers"]}

        return await reading(request, read)

    @router.get("/rating/page/{place}")
    @_answering
    async def show_page(place: str, request: Request) -> Any:
        number = _number(place)

        def read(db: Any, rater: Rater) -> tuple[Rater, dict[str, Any]]:
            require_profile(rater)
            question = _page(db, rater, page(db, rater, number))
            return rater, question | {"locked": _is_locked(db, rater)}

        rater, question = await reading(request, read)
        if is_news(rater, number):
            writer.submit(lambda db: note_visit(db, rater.id, number))
        return question

    async def now(request: Request, item: str) -> dict[str, Any]:
        def read(db: Any, rater: Rater) -> dict[str, Any]:
            return _answer(db, rater, answer_of(db, rater.id, item))

        return await reading(request, read)

    @router.post("/rating/save")
    @_answering
    async def save(request: Request) -> Any:
        body = await _body(request)
        entry = _entry(body)
        try:
            result, feedback = await writing(request, lambda db, rater: _save(db, rater, entry))
        except StorageError as error:
            if error.code != "newer_saved":
                raise
            return _refusal(error, answer=await now(request, entry.item))
        answer = {
            "key": entry.idempotency_key,
            "saved_at": result.saved_at,
            "feedback": _feedback(feedback),
        }
        if not result.written:  # sent again: something else may have been saved since
            newer = await now(request, entry.item)
            if newer["key"] not in (None, entry.idempotency_key):
                answer["newer"] = newer
        return answer

    @router.post("/rating/profile")
    @_answering
    async def profile(request: Request) -> Any:
        body = await _body(request)
        told = Profile(
            specialty=_text(body, "specialty"),
            title=_text(body, "title"),
            years=body.get("years"),
            name=_text(body, "name"),
        )
        if body.get("agreed") is not True:
            raise StorageError("consent_missing")
        language = EN if body.get("language") == "en" else ZH
        consent = language("consent_text")
        await writing(request, lambda db, rater: set_profile(db, rater.id, told, consent))
        return {}

    @router.post("/rating/leave")
    @_answering
    async def leave(request: Request) -> Any:
        """End the session. The browser stays a rater's, which must not ask the models now; that
        of a dry run is its coordinator's."""
        session = request.cookies.get(COOKIE, "")

        def end(db: Any) -> bool:
            try:
                _rater_of(db, request)
            except StorageError as error:
                if error.code == "another_rater":
                    raise
            return end_session(db, session)

        trial = await asyncio.wrap_future(writer.submit(end))
        response = JSONResponse({})
        set_cookie(request, response, "" if trial else LEFT, 0 if trial else SESSION_SECONDS)
        return response

    return router


# -- who asks --


def _rater_of(db: Any, request: Request) -> Rater:
    """The rater whose session a request's cookie holds.

    A page that was drawn for somebody names whom: another link may have been opened in the same
    browser since, and nothing may be shown or saved under another name.

    Raises:
        StorageError: as ``rater_of_session``, and another_rater.
    """
    rater = rater_of_session(db, request.cookies.get(COOKIE, ""))
    drawn_for = request.headers.get("x-rater")
    if drawn_for is not None and unquote(drawn_for) != _page_owner(rater):
        raise StorageError("another_rater")
    return rater


def _page_owner(rater: Rater) -> str:
    """Of whom a page is, and under what its browser keeps drafts. Dry runs are all alike, but none
    knows the answers of another."""
    run = f"-{rater.id[:8]}" if rater.trial else ""
    return f"{rater.study_id[:8]}-{rater.label}{run}"


def _is_locked(db: Any, rater: Rater) -> bool:
    return require_study(db, rater.study_id).locked_at is not None


# -- what is sent --


def _save(db: Any, rater: Rater, entry: RatingEntry) -> tuple[SaveResult, Feedback | None]:
    require_profile(rater)
    return save_in(db, rater.id, [entry]), feedback_on(db, rater.id, entry.item)


def _feedback(feedback: Feedback | None) -> dict[str, Any] | None:
    return asdict(feedback) if feedback else None


def _list(db: Any, rater: Rater) -> dict[str, Any]:
    study = require_study(db, rater.study_id)
    guides = {"zh": study.guide_zh, "en": study.guide_en}
    return {
        "trial": rater.trial,
        "guide": {
            language: guide_html(guides[language] or default_guide(language))
            for language in LANGUAGES
        },
        "rater": rater.label,
        "study": study.name,
        "store": _page_owner(rater),
        "asked": rater.consent_at is None,
        "locked": study.locked_at is not None,
        "one_by_one": study.one_by_one,
        "last_place": rater.last_place,
        "questions": [[entry.place, entry.state, entry.practice] for entry in outline(db, rater)],
    }


def _page(db: Any, rater: Rater, question: AssignedQuestion) -> dict[str, Any]:
    return {
        "place": question.place,
        "text": question.text,
        "practice": question.practice,
        "answers": [_answer(db, rater, answer) for answer in question.answers],
    }


def _answer(db: Any, rater: Rater, answer: AssignedAnswer) -> dict[str, Any]:
    """What is saved of an answer, with the keys of all that ever was."""
    return {
        "keys": keys_of(db, rater.id, answer.item),
        "item": answer.item,
        "letter": answer.letter,
        "text": answer.text,
        "state": answer.state,
        "saved_at": answer.saved_at,
        "active_seconds": answer.active_seconds,
        "key": answer.key,
        "scores": asdict(answer.current) if answer.current else None,
        "skipped": answer.skipped,
        "comment": answer.comment,
        "flags": answer.flags,
        "spans": [asdict(span) for span in answer.spans],
        "feedback": _feedback(answer.feedback),
    }


def _number(place: str) -> int:
    """A place as it stands in an address; 0, which is none, for anything else."""
    return int(place) if place.isascii() and place.isdigit() and len(place) < 10 else 0


# -- what is received --


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that the page sent."""
    kind = request.headers.get("content-type", "").split(";")[0]
    if kind.strip().lower() != "application/json":
        raise BadInput("The page must send JSON.", code="not_json")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise BadInput("What the page sent is too long.", code="body_too_long")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadInput("What the page sent is no JSON.", code="not_json") from error
    if not isinstance(body, dict):
        raise BadInput("The page must send a JSON object.", code="not_json")
    return body


def _entry(body: dict[str, Any]) -> RatingEntry:
    scores = body.get("scores")
    if scores is not None:
        if not isinstance(scores, dict):
            raise StorageError("nothing_to_save")
        sent: list[Any] = [scores.get(dimension) for dimension in DIMENSIONS]
        scores = Scores(*sent)  # checked when it is saved
    seconds = body.get("active_seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise StorageError("active_seconds_out_of_range", value=str(seconds)[:40])
    base = body.get("base")
    if base is not None and not isinstance(base, str):
        raise BadInput("base must be a text.", code="not_json")
    flags, spans, skipped = body.get("flags", []), body.get("spans", []), _text(body, "skipped")
    if not isinstance(flags, list):
        raise StorageError("flag_not_allowed", flag=str(flags)[:60])
    for flag in (*(each for each in flags if each not in FLAGS), *({skipped} - {"", *SKIPS})):
        raise StorageError("flag_not_allowed", flag=repr(flag)[:60])
    if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
        raise StorageError("span_not_allowed")
    return RatingEntry(
        item=_text(body, "item"),
        scores=scores,
        idempotency_key=_text(body, "key"),
        comment=_text(body, "comment"),
        flags=flags,
        spans=[_span(span) for span in spans],
        skipped=skipped,
        active_seconds=seconds,
        base=base,
    )


def _span(sent: dict[str, Any]) -> Span:
    return Span(sent.get("start", -1), sent.get("end", -1), _text(sent, "kind"))


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise BadInput(f"{name} must be a text.", code="not_json")
    return value.encode("utf-8", "replace").decode()  # half a character cannot be answered


# -- errors --


def _answering(handler: Any) -> Any:
    """``handler`` with its result as JSON, and its known errors as sentences."""

    @wraps(handler)
    async def answer(*values: Any, **words: Any) -> Response:
        try:
            found = await handler(*values, **words)
        except (StorageError, BadInput) as error:
            return _refusal(error)
        return found if isinstance(found, Response) else JSONResponse(found, headers=NOT_KEPT)

    return answer


def _refusal(error: StorageError | BadInput, **more: Any) -> Response:
    content = {"code": error.code, "zh": _told(error, ZH), "en": _told(error, EN), **more}
    return JSONResponse(content, status_code=status_of(error), headers=NOT_KEPT)


def _is_the_files(error: StorageError | BadInput) -> bool:
    """Whether it is about the database file, such as a full disk: that may pass, and the page keeps
    what it has and tries again."""
    return isinstance(error, StorageError) and "path" in error.details


def _told(error: StorageError | BadInput, texts: Texts) -> str:
    """The error's sentence for a rater, who need not know where the database lies."""
    return texts("rater_wait") if _is_the_files(error) else texts.error(error)


def status_of(error: StorageError | BadInput) -> int:
    if _is_the_files(error):
        return 503
    return STATUS.get(error.code or "", 422)


def _page_of_error(error: StorageError) -> Response:
    """A page for who opened a link that does not hold, in both languages."""
    sentences = "".join(
        f'<p lang="{texts.language}">{as_html(_told(error, texts))}</p>' for texts in (ZH, EN)
    )
    content = (
        '<!doctype html><html lang="zh"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>MedChat</title><body style='font:1.1rem/1.7 system-ui;max-width:34rem;"
        f"margin:4rem auto;padding:0 1rem'><h1>MedChat</h1>{sentences}</body></html>"
    )
    return HTMLResponse(content, status_code=status_of(error))


def _prefers_english(request: Request) -> bool:
    """Whether the browser asks for English before it asks for Chinese."""
    wanted = request.headers.get("accept-language", "").lower()
    english, chinese = wanted.find("en"), wanted.find("zh")
    return english >= 0 and (chinese < 0 or english < chinese)
