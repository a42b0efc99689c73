"""Errors that a person can do something about become a sentence on the page, and nothing else.

A refused handler changes no component: what was typed or chosen stays. (Raising ``gr.Error``
instead would lay a red mark over every component that the handler might have changed.)
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from eval_ui.texts import Texts
from eval_ui.web.access import Check
from eval_ui.web.safe_text import as_html
from medchat.errors import MedchatError

# Notices reach the page through Gradio's queue only, so every guarded listener is queued.
QUEUED: dict[str, Any] = {
    "concurrency_limit": 16,
    "show_progress": "hidden",
    "api_visibility": "private",
}

Updates = dict[Any, Any]
"""What a handler returns: new values by component. Components that are not in it stay as they are.
"""


# A notice is HTML to Gradio, and sentences quote what people typed.


def inform(sentence: str, texts: Texts) -> None:
    gr.Info(as_html(sentence), title=texts("notice"))


def warn(sentence: str, texts: Texts) -> None:
    gr.Warning(as_html(sentence), title=texts("notice"))


def listen(
    event: Any,
    handler: Callable[..., Updates],
    inputs: Any,
    outputs: list[Any],
    texts: Texts,
    access: Check | None = None,
    **more: Any,
) -> Any:
    """Let ``event`` run ``handler``, guarded, which may change ``outputs``.

    Returns Gradio's dependency, for what is to follow.
    """
    return event(guarded(handler, texts, access), inputs, outputs, **(QUEUED | more))


def guarded(
    handler: Callable[..., Updates], texts: Texts, access: Check | None = None
) -> Callable[..., Updates]:
    """``handler``, but an error that a person is meant to read is shown as a notice, and nothing
    else changes. ``access`` lets only those in who may click."""

    @wraps(handler)
    def run(*values: Any) -> Updates:
        updates: Updates = {}
        try:
            if access:
                access.check()
            updates = handler(*values)
        except MedchatError as error:
            warn(texts.error(error), texts)
        return updates or gr.skip()  # Gradio takes an empty dictionary for a value

    return run
