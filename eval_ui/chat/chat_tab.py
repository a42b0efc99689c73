"""The chat tab: one question, one pane per model, each streaming at its own speed.

Every pane has its own listener, so that one may stop, fail or be slow without the others. What a
visitor asked and got lives in a ``PaneSession`` on the server.
"""

from typing import Any

import gradio as gr

from eval_ui.backend.services import Services
from eval_ui.chat.chat_handlers import ChatHandlers
from eval_ui.chat.chat_layout import lay_out
from eval_ui.texts import Texts
from eval_ui.web.access import ChatAccess
from eval_ui.web.notices import QUEUED, guarded, listen

PANE_CONCURRENCY = 32
UNBOUNDED: dict[str, Any] = {"concurrency_limit": None}
ONE_BY_ONE: dict[str, Any] = {"concurrency_limit": 1}


def create_chat_tab(services: Services, texts: Texts) -> None:
    parts = lay_out(services, texts)
    handlers, may_ask = ChatHandlers(services, texts, parts), ChatAccess(services.access)
    sessions = [pane.session for pane in parts.panes]
    statuses = [pane.status for pane in parts.panes]
    everything = [*sessions, *(pane.chat for pane in parts.panes), *statuses]
    inputs = [*(pane.model for pane in parts.panes), *sessions]
    # A refused question leaves nothing pending, so that the panes' listeners do nothing.
    question_taken = gr.on(
        [parts.send.click, parts.question.submit],
        guarded(handlers.ask, texts, may_ask),
        [parts.question, *inputs],
        [parts.question, *everything],
        **QUEUED,
    )
    for pane in parts.panes:
        question_taken.success(
            handlers.answering(pane),
            [pane.session, *parts.sampling.inputs],
            [pane.chat, pane.status],
            concurrency_id=f"{texts.language}-{pane.key}",
            concurrency_limit=PANE_CONCURRENCY,
            # Else the page drops a new question while the cleared one before it still ends.
            trigger_mode="multiple",
            show_progress="hidden",
            api_visibility="private",
        )
        listen(pane.model.input, handlers.change_model, inputs, everything, texts, may_ask)
    # Stopping must not wait for what it is to stop.
    listen(parts.stop.click, handlers.stop, sessions, statuses, texts, **UNBOUNDED)
    listen(parts.clear.click, handlers.clear, inputs, everything, texts, may_ask)
    listen(parts.study.focus, handlers.study_choices, None, [parts.study], texts)
    # A double click adds once.
    to_add = [parts.study, *sessions]
    listen(
        parts.add.click, handlers.add, to_add, [parts.added], texts, services.access, **ONE_BY_ONE
    )
