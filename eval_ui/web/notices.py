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
from storage import StorageError

# Notices reach the page through Gradio's queue only, so every guarded listener is queued.
QUEUED: dict[str, Any] = {
    "concurrency_limit": 16,
    "show_progress": "hidden",
    "api_visibility": "private",
}


# A notice is HTML to Gradio, and sentences quote what people typed.


def inform(sentence: str, texts: Texts) -> None:
    gr.Info(as_html(sentence), title=texts("notice"))


def warn(sentence: str, texts: Texts, *, duration: float | None = 10) -> None:
    """``duration`` in seconds; None leaves it there until it is closed."""
    gr.Warning(as_html(sentence), title=texts("notice"), duration=duration)


def listen(
    event: Any,
    handler: Callable[..., Any],
    inputs: Any,
    outputs: list[Any],
    texts: Texts,
    access: Check | None = None,
    **more: Any,
) -> Any:
    """Let ``event`` run ``handler``, guarded, which returns a list with a value per output.

    Returns Gradio's dependency, for what is to follow.
    """
    checked = guarded(handler, len(outputs), texts, access=access)

    def bare(*values: Any) -> Any:
        """Gradio takes the value of a single output without a list around it."""
        result = checked(*values)
        return result[0] if isinstance(result, list) else result

    return event(bare if len(outputs) == 1 else checked, inputs, outputs, **(QUEUED | more))


def guarded(
    handler: Callable[..., Any],
    outputs: int,
    texts: Texts,
    wrapper: str = "",
    access: Check | None = None,
) -> Callable[..., Any]:
    """``handler``, but a known error of it is shown as a notice and its ``outputs`` stay.

    ``wrapper`` is the key of a text around a database's error, such as "Not saved: …"; such a
    notice stays until it is closed. ``access`` lets only coordinators in.
    """

    @wraps(handler)
    def run(*values: Any) -> Any:
        try:
            if access:
                access.check()
            return handler(*values)
        except MedchatError as error:
            warn(texts.error(error), texts)
        except StorageError as error:
            sentence = texts.error(error)
            if wrapper:
                sentence = texts(wrapper, error=sentence)
            warn(sentence, texts, duration=None if wrapper else 10)
        return skipped(outputs) if outputs != 1 else gr.skip()

    return run


def skipped(outputs: int) -> list[Any]:
    """For so many outputs: nothing changes."""
    return [gr.skip() for _ in range(outputs)]
