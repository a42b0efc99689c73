"""Last step: lock and unblind, share with other coordinators, and a whole study as one file."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from eval_ui.backend.study_actions import clock
from eval_ui.report.exports import download_path
from eval_ui.study.step_context import Step, StudyWork, hint, pressable
from eval_ui.texts import PageError
from eval_ui.web.confirmation import Confirmation
from eval_ui.web.notices import inform
from eval_ui.web.safe_text import as_html
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


def create_close_step(work: StudyWork) -> Step:
    texts = work.texts
    # -- layout --
    hint(texts, "blinding_info")
    with gr.Row(elem_classes="actions"):
        lock = gr.Button(texts("lock"), elem_id="lock", min_width=120)
        reopen = gr.Button(texts("reopen"), elem_id="reopen", min_width=120)
        unblind = gr.Button(texts("unblind"), elem_id="unblind", min_width=120)
    unblinding = Confirmation(work, "unblind")
    events = gr.HTML(elem_id="study-events")
    hint(texts, "share_info")
    with gr.Row(elem_classes="field-and-button"):
        name = gr.Textbox(label=texts("coordinator_name"), max_length=200, elem_id="share-name")
        share = gr.Button(texts("share"), elem_id="share", scale=0, min_width=140)
    shared = gr.HTML(elem_id="shared-with")
    hint(texts, "pack_info")
    pack = gr.HTML(elem_id="pack-link")

    # -- wiring --
    handlers = _Handlers(work)
    for button, change in ((lock, lock_study), (reopen, reopen_study)):
        work.wire(button.click, handlers.changing(change), [], [])
    unblinding.guard(unblind, handlers.ask_unblinding, handlers.changing(unblind_study), [])
    work.wire(share.click, handlers.share, [name], [name])
    status = [lock, reopen, unblind, events, shared, pack, unblinding.box]
    return Step(
        [name], lambda _: [""], status, lambda study: [*handlers.draw(study), unblinding.closed()]
    )


class _Handlers:
    def __init__(self, work: StudyWork) -> None:
        self._work, self._texts, self._store = work, work.texts, work.services.store

    def draw(self, study: Study) -> list[Any]:
        locked = study.locked_at and not study.unblinded_at
        buttons = pressable(study.opened_at and not study.locked_at, locked, locked)
        names = coordinators_of(self._store, study.id)
        who = (
            self._texts("shared_with", names=", ".join(names))
            if names
            else self._texts("shared_with_all")
        )
        return [*buttons, self._events(study), f"<p>{as_html(who)}</p>", self._pack(study)]

    def _events(self, study: Study) -> str:
        """What was done to a study, a line each."""
        lines = [
            self._texts(
                f"event_{each.event}",
                name=each.coordinator,
                time=clock(each.happened_at),
                detail=each.detail,
                code=each.end_code or "—",
            )
            for each in study_events(self._store, study.id)
        ]
        return "".join(f'<p class="event">{as_html(line)}</p>' for line in lines)

    def _pack(self, study: Study) -> str:
        if not study.unblinded_at:
            return ""
        return (
            f'<p class="downloads"><a class="download" download id="pack" '
            f'href="{download_path(study.id, "study.zip")}">{self._texts("pack")}</a></p>'
        )

    def changing(self, change: Callable[[Store, str, str], Study]) -> Callable[..., list[Any]]:
        """The handler that locks, reopens or unblinds the chosen study."""

        def run(study: Study) -> list[Any]:
            change(self._store, study.id, self._work.coordinator)
            return []

        return run

    def ask_unblinding(self, study: Study) -> str:
        if not study.locked_at or study.unblinded_at:
            raise StorageError("study_unblinded" if study.unblinded_at else "study_not_locked")
        return self._texts("unblind_asks", study=study.name, time=clock(study.locked_at))

    def share(self, study: Study, name: str) -> list[Any]:
        coordinator = self._work.services.access.require()
        if not (name or "").strip():
            raise PageError("share_name_missing")
        share_study(self._store, study.id, name or "", coordinator)
        inform(self._texts("shared", name=name), self._texts)
        return [""]
