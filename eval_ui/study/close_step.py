"""Last step: lock and unblind, share with other coordinators, and a whole study as one file."""

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from eval_ui.backend.study_actions import clock
from eval_ui.report.exports import download_path
from eval_ui.study.confirmation import Confirmation
from eval_ui.study.step_context import Step, StepContext, hint, pressable
from eval_ui.texts import PageError
from eval_ui.web.html_templates import part
from eval_ui.web.notices import Updates, inform
from storage import (
    StorageError,
    Store,
    Study,
    coordinators_of,
    lock_study,
    reopen_study,
    share_study,
    study_events,
    unblind_study,
)


@dataclass(frozen=True)
class CloseParts:
    lock: gr.Button
    reopen: gr.Button
    unblind: gr.Button
    unblinding: Confirmation
    events: gr.HTML
    name: gr.Textbox
    share: gr.Button
    shared: gr.HTML
    pack: gr.HTML


def lay_out(context: StepContext) -> CloseParts:
    texts = context.texts
    hint(texts, "blinding_info")
    with gr.Row(elem_classes="actions"):
        lock = gr.Button(texts("lock"), elem_id="lock", min_width=120)
        reopen = gr.Button(texts("reopen"), elem_id="reopen", min_width=120)
        unblind = gr.Button(texts("unblind"), elem_id="unblind", min_width=120)
    unblinding = Confirmation(context, "unblind")
    events = gr.HTML(elem_id="study-events")
    hint(texts, "share_info")
    with gr.Row(elem_classes="field-and-button"):
        name = gr.Textbox(label=texts("coordinator_name"), max_length=200, elem_id="share-name")
        share = gr.Button(texts("share"), elem_id="share", scale=0, min_width=140)
    shared = gr.HTML(elem_id="shared-with")
    hint(texts, "pack_info")
    pack = gr.HTML(elem_id="pack-link")
    return CloseParts(lock, reopen, unblind, unblinding, events, name, share, shared, pack)


def create_close_step(context: StepContext) -> Step:
    parts = lay_out(context)
    handlers = CloseHandlers(context, parts)
    for button, change in ((parts.lock, lock_study), (parts.reopen, reopen_study)):
        context.wire(button.click, handlers.changing(change), [], [])
    parts.unblinding.guard(
        parts.unblind, handlers.ask_unblinding, handlers.changing(unblind_study), []
    )
    context.wire(parts.share.click, handlers.share, [parts.name], [parts.name])
    status = [parts.lock, parts.reopen, parts.unblind, parts.events, parts.shared, parts.pack]
    return Step(
        [parts.name], lambda _: {parts.name: ""}, [*status, parts.unblinding.box], handlers.draw
    )


class CloseHandlers:
    def __init__(self, context: StepContext, parts: CloseParts) -> None:
        self._context, self._texts, self.parts = context, context.texts, parts
        self._store = context.services.store

    def draw(self, study: Study) -> Updates:
        parts, is_locked = self.parts, study.locked_at and not study.unblinded_at
        buttons = pressable(study.opened_at and not study.locked_at, is_locked, is_locked)
        return {
            **dict(zip((parts.lock, parts.reopen, parts.unblind), buttons, strict=True)),
            parts.events: self._events(study),
            parts.shared: part("paragraph", self._coordinators(study)),
            parts.pack: self._pack(study),
            **parts.unblinding.closed(),
        }

    def _coordinators(self, study: Study) -> str:
        names = coordinators_of(self._store, study.id)
        if not names:
            return self._texts("shared_with_all")
        return self._texts("shared_with", names=", ".join(names))

    def _events(self, study: Study) -> str:
        """What was done to a study, a line each."""
        lines = [
            self._texts(
                f"event_{event.event}",
                name=event.coordinator,
                time=clock(event.happened_at),
                detail=event.detail,
                code=event.end_code or "—",
            )
            for event in study_events(self._store, study.id)
        ]
        return part("paragraphs", lines, "event")

    def _pack(self, study: Study) -> str:
        if not study.unblinded_at:
            return ""
        address = download_path(study.id, "study.zip")
        link = part("download", address, self._texts("pack"), id="pack")
        return part("paragraph", link, "downloads")

    def changing(self, change: Callable[[Store, str, str], Study]) -> Callable[..., Updates]:
        """The handler that locks, reopens or unblinds the chosen study."""

        def run(study: Study) -> Updates:
            change(self._store, study.id, self._context.coordinator)
            return {}

        return run

    def ask_unblinding(self, study: Study) -> str:
        if not study.locked_at or study.unblinded_at:
            raise StorageError("study_unblinded" if study.unblinded_at else "study_not_locked")
        return self._texts("unblind_asks", study=study.name, time=clock(study.locked_at))

    def share(self, study: Study, name: str) -> Updates:
        coordinator = self._context.services.access.require()
        if not (name or "").strip():
            raise PageError("share_name_missing")
        share_study(self._store, study.id, name or "", coordinator)
        inform(self._texts("shared", name=name), self._texts)
        return {self.parts.name: ""}
