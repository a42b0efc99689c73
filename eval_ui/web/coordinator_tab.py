"""A tab for coordinators: who is signed in, or where to sign in, stands above it."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from eval_ui.texts import Texts
from eval_ui.web.access import HOMES, SIGN_IN, Access
from eval_ui.web.html_templates import render
from eval_ui.web.notices import Updates


def gate_html(access: Access, texts: Texts, tab: str) -> str:
    """Who is signed in, or a link to the sign-in page, which leads back to ``tab``."""
    coordinator = access.now()
    address = f"{SIGN_IN}?to={HOMES[texts.language]}%23{tab}"
    return render("gate.html", texts=texts, coordinator=coordinator, address=address)


def opening(
    access: Access,
    texts: Texts,
    tab: str,
    gate: gr.HTML,
    body: gr.Column,
    refresh: Callable[..., Updates],
) -> Callable[..., Updates]:
    """A listener for opening a tab: it fills ``gate`` and, for a coordinator alone, shows ``body``
    with what ``refresh`` gives."""

    def run(*values: Any) -> Updates:
        is_open = access.now() is not None
        updates = {gate: gate_html(access, texts, tab), body: gr.update(visible=is_open)}
        return {**updates, **refresh(*values)} if is_open else updates

    return run
