"""The study tab: make a study, fill it from a file, invite raters, watch their progress."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from eval_ui.safe_text import as_markdown, table
from eval_ui.services import Services
from eval_ui.studies import import_answers, study_names, summary
from eval_ui.texts import Texts
from medchat.errors import MedchatError
from storage import (
    Invitation,
    StorageError,
    create_study,
    find_study,
    invite_raters,
    list_raters,
    renew_code,
)


def create_study_tab(services: Services, texts: Texts, tab: gr.Tab) -> None:
    # -- layout --
    with gr.Row(elem_classes="field-and-button"):
        study = gr.Dropdown(
            choices=study_names(services.store), label=texts("study_choice"), elem_id="study"
        )
        refresh = gr.Button(texts("refresh"), elem_id="study-refresh", scale=0, min_width=140)
    overview = gr.HTML(elem_id="study-overview")
    with gr.Accordion(texts("study_new"), open=True), gr.Row(elem_classes="field-and-button"):
        name = gr.Textbox(label=texts("study_name"), max_length=200, elem_id="new-study-name")
        create = gr.Button(texts("study_create"), elem_id="create-study", scale=0, min_width=140)
    with gr.Accordion(texts("invite"), open=True):
        gr.Markdown(texts("invite_info"))
        with gr.Row(elem_classes="field-and-button"):
            count = gr.Number(5, precision=0, label=texts("invite_count"), elem_id="invite-count")
            invite = gr.Button(texts("invite_button"), elem_id="invite", scale=0, min_width=140)
        codes = gr.HTML(elem_id="codes")
        gr.Markdown(texts("renew_info"))
        with gr.Row(elem_classes="field-and-button"):
            rater = gr.Dropdown(choices=[], label=texts("rater"), elem_id="renew-rater")
            renew = gr.Button(texts("renew_button"), elem_id="renew", scale=0, min_width=140)
    with gr.Accordion(texts("import"), open=False):
        gr.Markdown(texts("import_info"))
        file = gr.File(file_types=[".jsonl", ".json"], label=texts("import"), elem_id="import-file")
        load = gr.Button(texts("import_button"), elem_id="import", scale=0, min_width=140)

    # -- wiring --
    handlers = _Handlers(services, texts)
    quiet: dict[str, Any] = {"queue": False, "api_visibility": "private"}
    shown = [overview, rater]
    study.input(handlers.show, study, shown, **quiet)
    gr.on([refresh.click, tab.select], handlers.refresh, study, [study, *shown], **quiet)
    create.click(handlers.create, name, [study, name, *shown], **quiet)
    invite.click(handlers.invite, [study, count], [codes, *shown], **quiet)
    renew.click(handlers.renew, [study, rater], codes, **quiet)
    load.click(handlers.load, [study, file], [file, *shown], **quiet)


Result = TypeVar("Result")


class _Handlers:
    """What the buttons do; every known error becomes a sentence on the page."""

    def __init__(self, services: Services, texts: Texts) -> None:
        self._store = services.store
        self._texts = texts

    def show(self, study: str | None) -> list[Any]:
        if not study:
            return [self._texts("study_none") if not study_names(self._store) else "", gr.update()]

        def work() -> list[Any]:
            found = find_study(self._store, study)
            sentence, rows = summary(self._store, found, self._texts)
            header = [self._texts("rater"), self._texts("progress_column")]
            labels = [rater.label for rater in list_raters(self._store, found.id)]
            progress = table(header, rows, name=self._texts("progress_column")) if rows else ""
            plain = as_markdown(sentence).replace("**", "")
            return [f"<p>{plain}</p>{progress}", gr.update(choices=labels, value=None)]

        return self._said(work)

    def refresh(self, study: str | None) -> list[Any]:
        names = self._said(lambda: study_names(self._store))
        chosen = study if study in names else names[-1] if names else None
        return [gr.update(choices=names, value=chosen), *self.show(chosen)]

    def create(self, name: str) -> list[Any]:
        study = self._said(lambda: create_study(self._store, (name or "").strip()))
        gr.Info(self._texts("study_created", study=study.name), title="")
        names = study_names(self._store)
        return [gr.update(choices=names, value=study.name), "", *self.show(study.name)]

    def invite(self, study: str | None, count: float | None) -> list[Any]:
        self._need(study, "choose_study")

        def work() -> list[Invitation]:
            found = find_study(self._store, study or "")
            return invite_raters(self._store, found.id, int(count or 0))

        return [self._codes(self._said(work)), *self.show(study)]

    def renew(self, study: str | None, rater: str | None) -> str:
        self._need(study, "choose_study")
        self._need(rater, "choose_rater")

        def work() -> Invitation:
            found = find_study(self._store, study or "")
            return renew_code(self._store, found.id, rater or "")

        return self._codes([self._said(work)])

    def load(self, study: str | None, file: str | None) -> list[Any]:
        self._need(study, "choose_study")
        self._need(file, "import_none")

        def work() -> int:
            found = find_study(self._store, study or "")
            return import_answers(self._store, found, Path(file or ""))

        count = self._said(work)
        gr.Info(self._texts("import_done", count=count, study=study), title="")
        return [None, *self.show(study)]

    def _codes(self, invitations: list[Invitation]) -> str:
        header = [self._texts("rater"), self._texts("code_column")]
        rows = [[invitation.label, invitation.code] for invitation in invitations]
        return table(header, rows, texts=2, name=self._texts("code_column"))

    def _need(self, value: object, key: str) -> None:
        if not value:
            raise gr.Error(self._texts(key), title="", print_exception=False)

    def _said(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except (MedchatError, StorageError) as error:
            raise gr.Error(self._texts.error(error), title="", print_exception=False) from error
