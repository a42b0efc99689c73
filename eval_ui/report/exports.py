"""The files of a study over HTTP: made from the database at the moment they are asked for."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from eval_ui.backend.report_cache import Reports
from eval_ui.texts import PageError
from eval_ui.web.access import Access
from medchat import __version__
from medchat.evaluation.bundle import MAKERS, bundle
from storage import (
    StorageError,
    Store,
    Study,
    get_study,
    order_csv_bytes,
    order_rows,
    pack_study,
    require_right,
    score_csv_bytes,
    score_rows,
)

FILES = {
    "scores.csv": "download_scores",
    "table4.csv": "download_csv",
    "table4.md": "download_markdown",
    "table4.tex": "download_latex",
    "report.xlsx": "download_excel",
    "report_zh.docx": "download_word_zh",
    "report_en.docx": "download_word_en",
    "order.csv": "download_order",
    "report.zip": "download_report",
}
"""Kind of file -> key of the text on its link."""
WITHOUT_SCORES = ("scores.csv", "order.csv")
"""Those that a study has before it is rated."""

MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "tex": "application/x-tex; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "zip": "application/zip",
}

STATUS = {"unknown_study": 404, "sign_in_needed": 401, "pack_blind": 409, "study_unrated": 409}
"""Of errors that trying again does not mend."""

MAX_NAME_LENGTH = 50
"""Characters of a study's name in the name of a file, which may have 255 bytes."""


def download_path(study_id: str, kind: str) -> str:
    return f"/export/{quote(study_id)}/{kind}"


def export_routes(store: Store, access: Access, reports: Reports) -> APIRouter:
    """``GET /export/STUDY/KIND`` for every kind of ``FILES`` and all that a report zip holds."""
    router = APIRouter()
    exports = _Exports(store, reports)

    @router.get("/export/{study_id}/{kind:path}")
    def export(study_id: str, kind: str, request: Request) -> Response:
        try:
            coordinator = access.of_request(request)
            if coordinator is None:
                raise PageError("sign_in_needed")
            study = get_study(store, study_id)
            with store.connect() as db:
                require_right(db, study.id, coordinator)
            content = exports.make(study, kind, coordinator.name)
        except (StorageError, PageError) as error:
            status = STATUS.get(error.code, 503)
            return Response(str(error), status_code=status, media_type="text/plain")
        if content is None:
            return Response("There is no such file.", status_code=404, media_type="text/plain")
        file = kind.rpartition("/")[2]
        name = quote(f"{study.name[:MAX_NAME_LENGTH]}-{file}", safe="")
        disposition = f"attachment; filename=\"{file}\"; filename*=UTF-8''{name}"
        media = MEDIA[kind.rpartition(".")[2]]
        return Response(content, media_type=media, headers={"Content-Disposition": disposition})

    return router


class _Exports:
    """What each kind of file holds."""

    def __init__(self, store: Store, reports: Reports) -> None:
        self._store, self._reports = store, reports

    def make(self, study: Study, kind: str, coordinator: str) -> bytes | None:
        """The file's content; None where there is no such file, or nothing to put into it."""
        if kind == "scores.csv":
            return score_csv_bytes(score_rows(self._store, study.id))
        if kind == "order.csv":
            return order_csv_bytes(order_rows(self._store, study.id))
        if kind == "study.zip":
            if not study.unblinded_at:
                raise PageError("pack_blind")
            return pack_study(self._store, study.id, coordinator, __version__)
        if kind != "report.zip" and kind not in MAKERS:
            return None
        report = self._reports.for_study(study)
        if report is None:
            raise PageError("study_unrated")
        if kind == "report.zip":
            return bundle(report.inputs, report.frame, report.report)
        return MAKERS[kind](report.report, report.frame)
