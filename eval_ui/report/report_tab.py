"""The report tab: Table 4 and all that stands behind it, and the links to its files.

The files are made by the server when they are asked for (``exports``), so they are never older
than the scores.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from eval_ui.backend.services import Services
from eval_ui.report.report_handlers import ReportHandlers, Updates
from eval_ui.report.report_layout import lay_out
from eval_ui.texts import Texts
from eval_ui.web.notices import QUEUED, guarded, listen

SHOW_BEHIND = """
() => requestAnimationFrame(() => {
    const shown = document.getElementById("report-behind");
    shown.scrollIntoView({ block: "start" });
    shown.querySelector("button").focus({ preventScroll: true });
})
"""


def create_report_tab(services: Services, texts: Texts, tab: gr.Tab) -> None:
    parts = lay_out(texts)
    handlers, access = ReportHandlers(services, texts, parts), services.access
    behind, published, filters = parts.behind, parts.published, parts.filters
    opened = guarded(handlers.open, texts)

    def show(*values: Any) -> Iterator[Updates]:
        yield {parts.busy: f'<p role="status">{texts("report_busy")}</p>'}
        updates = opened(*values)
        yield {parts.busy: ""} | (updates if parts.gate in updates else {})

    # One listener for all of them, which processes the last event always. Two that come within some
    # milliseconds may still run side by side, and the first end last: so it is looked after.
    chosen = [parts.study, parts.spread, parts.view, *filters]
    showing = gr.on(
        [
            *(tab.select, parts.study.input, parts.spread.input),
            *(parts.refresh.click, parts.changed.change),
            *(field.input for field in filters),
        ],
        show,
        chosen,
        [
            *(parts.busy, parts.gate, parts.body, parts.study, parts.report, behind.model),
            *(*filters, parts.links, behind.answers, parts.view),
        ],
        trigger_mode="always_last",
        **QUEUED,
    )
    listen(showing.then, handlers.look_after, chosen, [parts.changed], texts)
    fields = [behind.model, behind.dimension, behind.scores]
    listen(
        behind.look.click,
        handlers.behind,
        [parts.study, *fields, *filters],
        [behind.answers],
        texts,
        access,
    )
    listen(
        parts.report.click,
        handlers.behind_cell,
        [parts.study, *filters],
        [behind.accordion, *fields, behind.answers],
        texts,
        access,
    ).then(None, js=SHOW_BEHIND)
    for event, handler, inputs, outputs in (
        (
            published.add.click,
            handlers.set_reference,
            [parts.study, published.file],
            [parts.changed, published.file],
        ),
        (published.clear.click, handlers.clear_reference, [parts.study], [parts.changed]),
    ):
        listen(event, handler, inputs, outputs, texts, access)
