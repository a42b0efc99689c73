"""The files of a study over HTTP: made from the database at the moment they are asked for."""

from collections.abc import Callable
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from eval_ui.access import Access
from medchat import __version__
from medchat.evaluation import render, sus
from storage import (
    StorageError,
    Store,
    get_study,
    order_csv_bytes,
    order_rows,
    pack_study,
    require_right,
    score_csv_bytes,
    score_frame,
    score_rows,
)

FILES = {
    "scores.csv": "download_scores",
    "order.csv": "download_order",
    "table4.md": "download_markdown",
    "table4.csv": "download_csv",
}
"""Kind of file -> key of the text on its link."""

BOM = "\ufeff".encode()
"""Excel takes a CSV file for UTF-8 only if it begins so."""

STATUS = {"unknown_study": 404, "sign_in_needed": 401, "pack_blind": 409}
"""Of errors that trying again does not mend."""

MOST_OF_NAME = 50
"""Of a study's name in the name of a file, which may have 255 bytes."""


def download_path(study_id: str, kind: str) -> str:
    return f"/export/{quote(study_id)}/{kind}"


def export_routes(store: Store, access: Access) -> APIRouter:
    """``GET /export/STUDY/KIND`` for every kind of ``FILES``, for coordinators."""
    router = APIRouter()

    @router.get("/export/{study_id}/{kind}")
    def export(study_id: str, kind: str, request: Request) -> Response:
        if kind not in _MAKERS:
            return Response("There is no such file.", status_code=404, media_type="text/plain")
        try:
            coordinator = access.of_request(request)
            if coordinator is None:
                raise StorageError("sign_in_needed")
            study = get_study(store, study_id)
            with store.connect() as db:
                require_right(db, study.id, coordinator)
            content, media = _MAKERS[kind](store, study.id, coordinator.name)
        except StorageError as error:
            status = STATUS.get(error.code, 503)
            return Response(str(error), status_code=status, media_type="text/plain")
        name = quote(f"{study.name[:MOST_OF_NAME]}-{kind}", safe="")
        disposition = f"attachment; filename=\"{kind}\"; filename*=UTF-8''{name}"
        return Response(content, media_type=media, headers={"Content-Disposition": disposition})

    return router


def _scores(store: Store, study_id: str, _: str) -> tuple[bytes, str]:
    return score_csv_bytes(score_rows(store, study_id)), "text/csv; charset=utf-8"


def _table_markdown(store: Store, study_id: str, _: str) -> tuple[bytes, str]:
    figures = sus.table4(score_frame(store, study_id))
    return render.as_markdown(figures).encode(), "text/markdown; charset=utf-8"


def _table_csv(store: Store, study_id: str, _: str) -> tuple[bytes, str]:
    figures = sus.table4(score_frame(store, study_id))
    return BOM + render.as_csv(figures).encode(), "text/csv; charset=utf-8"


def _order(store: Store, study_id: str, _: str) -> tuple[bytes, str]:
    return order_csv_bytes(order_rows(store, study_id)), "text/csv; charset=utf-8"


def _pack(store: Store, study_id: str, coordinator: str) -> tuple[bytes, str]:
    if not get_study(store, study_id).unblinded_at:
        raise StorageError("pack_blind")
    return pack_study(store, study_id, coordinator, __version__), "application/zip"


_MAKERS: dict[str, Callable[[Store, str, str], tuple[bytes, str]]] = {
    "scores.csv": _scores,
    "order.csv": _order,
    "study.zip": _pack,
    "table4.md": _table_markdown,
    "table4.csv": _table_csv,
}
