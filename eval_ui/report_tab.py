"""The report tab: Table 4 and the shares of a study, and the links to its files.

The files are made by the server when they are asked for (``exports``), so they are never older
than the scores.
"""

from typing import Any

import gradio as gr

from eval_ui.access import opening
from eval_ui.exports import FILES, download_path
from eval_ui.notices import QUEUED, guarded
from eval_ui.safe_text import as_html, table
from eval_ui.services import Services
from eval_ui.studies import require_own, study_names
from eval_ui.texts import Texts
from medchat.evaluation import DIMENSIONS, SCORES, render, sus
from storage import StorageError, Study, score_frame


def create_report_tab(services: Services, texts: Texts, tab: gr.Tab) -> None:
    # -- layout --
    gate = gr.HTML(elem_id="report-gate")
    with gr.Column(visible=False) as body:
        with gr.Row(elem_classes="field-and-button"):
            study = gr.Dropdown(
                choices=[],
                allow_custom_value=True,
                label=texts("study_choice"),
                elem_id="report-study",
            )
            refresh = gr.Button(texts("refresh"), elem_id="report-refresh", scale=0, min_width=140)
        report = gr.HTML(elem_id="report")

    # -- wiring --

    def show(name: str | None) -> str:
        return report_html(services, name, texts)

    def refreshed(name: str | None) -> list[Any]:
        names = study_names(services.store, services.access.now())
        chosen = name if name in names else names[-1] if names else None
        return [gr.update(choices=names, value=chosen), show(chosen)]

    access = services.access
    study.input(guarded(show, 1, texts, access=access), study, report, **QUEUED)
    refreshing = guarded(refreshed, 2, texts, access=access)
    refresh.click(refreshing, study, [study, report], **QUEUED)
    open_tab = guarded(opening(access, texts, refreshed, 2), 4, texts)
    tab.select(open_tab, study, [gate, body, study, report], **QUEUED)


def report_html(services: Services, name: str | None, texts: Texts) -> str:
    """The report of a study as HTML, or the sentence that says why there is none."""
    if not name:
        return f"<p>{texts('study_none')}</p>"
    try:
        study = require_own(services.store, name, services.access.now(), texts)
        frame = score_frame(services.store, study.id)
    except StorageError as error:
        return f'<p class="mark unsaved">{as_html(texts.error(error))}</p>'
    if frame.empty:
        return f"<p>{texts('report_empty')}</p>{_links(study, texts)}"
    blind = "" if study.unblinded_at else f'<p class="notice">{texts("report_blind")}</p>'
    figures = sus.table4(frame)
    scales = [texts(dimension) for dimension in DIMENSIONS]
    means = table(
        [texts("model"), texts("n_ratings"), texts("n_questions"), *scales],
        render.means(figures).rows,
        name=texts("table4"),
    )
    shares = table(
        [texts("model"), texts("dimension"), *[str(score) for score in SCORES]],
        [_share_row(row, texts) for row in render.shares(figures).rows],
        texts=2,
        name=texts("shares"),
    )
    tables = f"<h3>{texts('table4')}</h3>{means}<h3>{texts('shares')}</h3>{shares}"
    return f"{blind}{tables}{_links(study, texts)}"


def _share_row(row: list[str], texts: Texts) -> list[str]:
    model, dimension, *shares = row
    return [model, texts(dimension.lower()), *shares]


def _links(study: Study, texts: Texts) -> str:
    links = "".join(
        f'<a class="download" download href="{download_path(study.id, kind)}" '
        f'id="download-{kind.replace(".", "-")}">{texts(key)}</a>'
        for kind, key in FILES.items()
    )
    return f'<p class="downloads">{links}</p>'
