"""How a request of the rating page is refused: as JSON, or as a page, in both languages."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse

from eval_ui.texts import PageError, Texts
from eval_ui.web.html_templates import render
from storage import StorageError

ZH, EN = Texts("zh"), Texts("en")
NOT_STORED = {"Cache-Control": "no-store"}
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

Refused = StorageError | PageError
Arguments = ParamSpec("Arguments")


def answering(
    handler: Callable[Arguments, Awaitable[Any]],
) -> Callable[Arguments, Awaitable[Response]]:
    """``handler`` with its result as JSON, and its known errors as sentences."""

    @wraps(handler)
    async def answer(*values: Arguments.args, **words: Arguments.kwargs) -> Response:
        try:
            reply = await handler(*values, **words)
        except (StorageError, PageError) as error:
            return refusal(error)
        if isinstance(reply, Response):
            return reply
        return JSONResponse(reply, headers=NOT_STORED)

    return answer


def refusal(error: Refused, **more: Any) -> Response:
    content = {"code": error.code, "zh": _sentence(error, ZH), "en": _sentence(error, EN), **more}
    return JSONResponse(content, status_code=status_of(error), headers=NOT_STORED)


def refusal_page(error: Refused) -> Response:
    """For who opened a link that does not hold."""
    sentences = {texts.language: _sentence(error, texts) for texts in (ZH, EN)}
    content = render("refusal.html", sentences=sentences)
    return HTMLResponse(content, status_code=status_of(error))


def status_of(error: Refused) -> int:
    return 503 if _is_about_the_file(error) else STATUS.get(error.code, 422)


def _is_about_the_file(error: Refused) -> bool:
    """Whether it is about the database file, such as a full disk: that may pass, and the page keeps
    what it has and tries again."""
    return isinstance(error, StorageError) and "path" in error.details


def _sentence(error: Refused, texts: Texts) -> str:
    """The error's sentence for a rater, who need not know where the database lies."""
    return texts("rater_wait") if _is_about_the_file(error) else texts.error(error)
