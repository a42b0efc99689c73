"""The study tab: make a study, fill it from a file, invite raters, watch their progress."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.access import opening
from eval_ui.notices import QUEUED, guarded, inform
from eval_ui.safe_text import as_html, table
from eval_ui.services import Services
from eval_ui.studies import MOST_NAME, clean_name, clock, import_answers, overview, study_names
from eval_ui.texts import Texts
from medchat.errors import BadInput
from storage import (
    Invitation,
    Store,
    Study,
    create_study,
    find_study,
    invite_raters,
    list_raters,
    lock_study,
    renew_link,
    reopen_study,
    revoke_link,
    study_events,
    unblind_study,
)


def create_study_tab(services: Services, texts: Texts, tab: gr.Tab) -> None:
    # -- layout --
    gate = gr.HTML(elem_id="study-gate")
    with gr.Column(visible=False) as body:
        _create_body(services, texts, tab, gate, body)


def _create_body(
    services: Services, texts: Texts, tab: gr.Tab, gate: gr.HTML, body: gr.Column
) -> None:
    with gr.Row(elem_classes="field-and-button"):
        study = gr.Dropdown(choices=[], label=texts("study_choice"), elem_id="study")
        refresh = gr.Button(texts("refresh"), elem_id="study-refresh", scale=0, min_width=140)
    page = gr.HTML(elem_id="study-overview")
    with gr.Accordion(texts("study_new"), open=True), gr.Row(elem_classes="field-and-button"):
        name = gr.Textbox(label=texts("study_name"), max_length=MOST_NAME, elem_id="new-study-name")
        create = gr.Button(texts("study_create"), elem_id="create-study", scale=0, min_width=140)
    with gr.Accordion(texts("invite"), open=True):
        gr.Markdown(texts("invite_info"))
        with gr.Row(elem_classes="field-and-button"):
            count = gr.Number(5, label=texts("invite_count"), elem_id="invite-count")
            invite = gr.Button(texts("invite_button"), elem_id="invite", scale=0, min_width=140)
        links = gr.HTML(elem_id="links")
        gr.Markdown(texts("renew_info"))
        with gr.Row(elem_classes="field-and-button"):
            rater = gr.Dropdown(choices=[], label=texts("rater"), elem_id="renew-rater")
            renew = gr.Button(texts("renew_button"), elem_id="renew", scale=0, min_width=140)
            revoke = gr.Button(texts("revoke_button"), elem_id="revoke", scale=0, min_width=140)
    with gr.Accordion(texts("reminders"), open=False, elem_id="reminding"):
        reminders = gr.Textbox(
            label=texts("reminders"), lines=3, buttons=["copy"], elem_id="reminders"
        )
    with gr.Accordion(texts("blinding"), open=False, elem_id="blinding"):
        gr.Markdown(texts("blinding_info"))
        with gr.Row(elem_classes="actions"):
            lock = gr.Button(texts("lock"), elem_id="lock", min_width=120)
            reopen = gr.Button(texts("reopen"), elem_id="reopen", min_width=120)
            unblind = gr.Button(texts("unblind"), elem_id="unblind", min_width=120)
    with gr.Accordion(texts("import"), open=False):
        gr.Markdown(texts("import_info"))
        file = gr.File(file_types=[".jsonl", ".json"], label=texts("import"), elem_id="import-file")
        load = gr.Button(texts("import_button"), elem_id="import", scale=0, min_width=140)

    # -- wiring --
    handlers = _Handlers(services, texts)
    shown = [page, rater, reminders]

    def wire(event: Any, handler: Any, inputs: Any, outputs: list[Any]) -> None:
        checked = guarded(handler, len(outputs), texts, access=services.access)
        event(checked, inputs, outputs, **QUEUED)

    wire(study.input, handlers.show, study, shown)
    wire(refresh.click, handlers.refresh, study, [study, *shown])
    outputs = [study, *shown]
    open_tab = opening(services.access, texts, handlers.refresh, len(outputs))
    tab.select(guarded(open_tab, 2 + len(outputs), texts), study, [gate, body, *outputs], **QUEUED)
    wire(create.click, handlers.create, name, [study, name, *shown])
    wire(invite.click, handlers.invite, [study, count], [links, *shown])
    wire(renew.click, handlers.renew, [study, rater], [links])
    wire(revoke.click, handlers.revoke, [study, rater], [links])
    for button, change in ((lock, lock_study), (reopen, reopen_study), (unblind, unblind_study)):
        wire(button.click, handlers.changing(change), study, shown)
    wire(load.click, handlers.load, [study, file], [file, *shown])


class _Handlers:
    """What the buttons do; known errors are for ``guarded``."""

    def __init__(self, services: Services, texts: Texts) -> None:
        self._store = services.store
        self._access = services.access
        self._texts = texts

    def show(self, study: str | None) -> list[Any]:
        if not study:
            none = self._texts("study_none") if not study_names(self._store) else ""
            return [none, gr.update(), ""]
        found = find_study(self._store, study)
        shown = overview(self._store, found, self._texts)
        labels = [rater.label for rater in list_raters(self._store, found.id)]
        progress = ""
        if shown.rows:
            progress = table(shown.header, shown.rows, texts=4, name=self._texts("progress_column"))
        sentences = "".join(f"<p>{as_html(sentence)}</p>" for sentence in shown.sentences)
        events = self._events(found)
        page = f"{sentences}{events}{progress}"
        return [page, gr.update(choices=labels, value=None), shown.reminders]

    def refresh(self, study: str | None) -> list[Any]:
        names = study_names(self._store)
        chosen = study if study in names else names[-1] if names else None
        return [gr.update(choices=names, value=chosen), *self.show(chosen)]

    def create(self, name: str) -> list[Any]:
        study = create_study(self._store, clean_name(name or "", self._texts))
        inform(self._texts("study_created", study=study.name), self._texts)
        names = study_names(self._store)
        return [gr.update(choices=names, value=study.name), "", *self.show(study.name)]

    def invite(self, study: str | None, count: float | None, request: gr.Request) -> list[Any]:
        found = self._chosen(study)
        if count is None or count != int(count):
            raise BadInput(self._texts("invite_not_whole"))
        invitations = invite_raters(self._store, found.id, int(count))
        return [self._links(invitations, request), *self.show(study)]

    def renew(self, study: str | None, rater: str | None, request: gr.Request) -> str:
        found = self._chosen(study)
        if not rater:
            raise BadInput(self._texts("choose_rater"))
        return self._links([renew_link(self._store, found.id, rater)], request)

    def revoke(self, study: str | None, rater: str | None) -> str:
        found = self._chosen(study)
        if not rater:
            raise BadInput(self._texts("choose_rater"))
        revoke_link(self._store, found.id, rater)
        return f"<p>{as_html(self._texts('revoked', rater=rater))}</p>"

    def changing(self, change: Callable[[Store, str, str], Study]) -> Callable[..., list[Any]]:
        """The handler that locks, reopens or unblinds the chosen study."""

        def run(study: str | None) -> list[Any]:
            found = self._chosen(study)
            coordinator = self._access.now()
            change(self._store, found.id, coordinator.name if coordinator else "")
            return self.show(study)

        return run

    def load(self, study: str | None, file: str | None) -> list[Any]:
        found = self._chosen(study)
        if not file:
            raise BadInput(self._texts("import_none"))
        count = import_answers(self._store, found, Path(file), self._texts)
        inform(self._texts("import_done", count=count, study=study), self._texts)
        return [None, *self.show(study)]

    def _events(self, study: Study) -> str:
        """What was done to a study, a line each."""
        lines = [
            self._texts(f"event_{each.event}", name=each.coordinator, time=clock(each.happened_at))
            for each in study_events(self._store, study.id)
        ]
        return "".join(f'<p class="event">{as_html(line)}</p>' for line in lines)

    def _links(self, invitations: list[Invitation], request: gr.Request) -> str:
        header = [self._texts("rater"), self._texts("link")]
        home = str(request.request.base_url) if request.request else "/"
        rows = [[each.label, f"{home}r/{each.token}"] for each in invitations]
        return table(header, rows, texts=2, name=self._texts("link"))

    def _chosen(self, name: str | None) -> Study:
        if not name:
            raise BadInput(self._texts("choose_study"))
        return find_study(self._store, name)
