"""Who asks: the rater whose session the browser's cookie holds."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from eval_ui.web.access import RATER_COOKIE
from eval_ui.web.proxies import is_secure
from storage import Rater, StorageError, Store, Writer, end_session, rater_of_session

SESSION_SECONDS = 30 * 24 * 3600
LEFT = "left"
"""The cookie's value where a rater has ended the session."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class RaterSessions:
    """Reads and writes for the rater who asks."""

    store: Store
    writer: Writer

    async def read(self, request: Request, work: Callable[[Any, Rater], Result]) -> Result:
        """What ``work`` returns of the database at one moment."""

        def at_one_moment() -> Result:
            with self.store.connect() as db:
                db.execute("BEGIN")
                return work(db, require_rater(db, request))

        return await run_in_threadpool(at_one_moment)

    async def write(self, request: Request, work: Callable[[Any, Rater], Result]) -> Result:
        """What ``work`` returns once what it has written is on disk."""
        job = self.writer.submit(lambda db: work(db, require_rater(db, request)))
        return await asyncio.wrap_future(job)

    async def end(self, request: Request) -> bool:
        """End the session, if it is still one; returns whether it was a dry run's."""

        def end(db: Any) -> bool:
            try:
                require_rater(db, request)
            except StorageError as error:
                if error.code == "another_rater":
                    raise
            return end_session(db, request.cookies.get(RATER_COOKIE, ""))

        return await asyncio.wrap_future(self.writer.submit(end))


def require_rater(db: Any, request: Request) -> Rater:
    """The rater whose session a request's cookie holds.

    A page names the rater for whom it was drawn: another link may have been opened in the same
    browser since, and nothing may be shown or saved under another name.

    Raises:
        StorageError: as ``rater_of_session``, and another_rater.
    """
    rater = rater_of_session(db, request.cookies.get(RATER_COOKIE, ""))
    owner = request.headers.get("x-rater")
    if owner is not None and unquote(owner) != page_owner(rater):
        raise StorageError("another_rater")
    return rater


def page_owner(rater: Rater) -> str:
    """Whose page it is, and under what name its browser keeps drafts. Dry runs are all alike, but
    none knows the answers of another."""
    run = f"-{rater.id[:8]}" if rater.trial else ""
    return f"{rater.study_id[:8]}-{rater.label}{run}"


def set_cookie(request: Request, response: Response, value: str, seconds: int | None) -> None:
    response.set_cookie(
        RATER_COOKIE,
        value,
        max_age=seconds,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )
