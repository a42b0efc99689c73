"""The parts of the rating page's script (``assets/rating``), under a path that changes with them.

A browser keeps each part for good; after an update the page names another path.
"""

import hashlib

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from medchat.config import project_file

FOLDER = project_file("assets/rating")
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}


class RatingScript:
    """The files as they were when the program started, so that parts of two versions never meet."""

    def __init__(self) -> None:
        self._parts = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.js"))}
        version = hashlib.sha256(b"\0".join(self._parts.values())).hexdigest()[:16]
        self._path = f"/static/rating/{version}"

    @property
    def head(self) -> str:
        """For the page's head; every part is asked for at once, not as one imports the other."""
        parts = "".join(
            f'<link rel="modulepreload" href="{self._path}/{name}">' for name in self._parts
        )
        return f'{parts}<script type="module" src="{self._path}/main.js"></script>'

    def routes(self) -> APIRouter:
        router = APIRouter(prefix=self._path)

        @router.get("/{name}")
        def part(name: str) -> Response:
            if name not in self._parts:
                return PlainTextResponse("There is no such part.", status_code=404)
            kind = "text/javascript; charset=utf-8"
            return Response(self._parts[name], media_type=kind, headers=HEADERS)

        return router
