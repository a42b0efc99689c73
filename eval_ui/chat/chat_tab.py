"""The chat tab: one question, one pane per model, each streaming at its own speed.

Layout first, wiring below. Every pane has its own listener, so that one may stop, fail or be slow
without the others. What a visitor asked and got lives in a ``PaneSession`` on the server.
"""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from eval_ui.backend.services import Services
from eval_ui.backend.study_actions import add_to_study, chosen_name, study_names
from eval_ui.chat.chat_session import (
    PaneSession,
    check_question,
    responses_for_study,
    status_html,
)
from eval_ui.chat.sampling import create_sampling, options_of
from eval_ui.texts import PageError, Texts
from eval_ui.web.access import HOMES, SIGN_IN, ChatAccess
from eval_ui.web.notices import QUEUED, guarded, inform
from eval_ui.web.safe_text import as_markdown, table
from medchat.engine import End, Request, astream
from medchat.errors import MedchatError
from medchat.models import ModelSpec

SECONDS_BETWEEN_DRAWINGS = 0.06
PANE_CONCURRENCY = 32
EXAMPLES = (
    "我感冒了，怎么治疗",
    "高血压患者饮食上要注意什么？",
    "得了胃溃疡会有哪些症状？",
    "布洛芬有什么副作用？",
    "糖尿病会引起哪些并发症？",
)


@dataclass(frozen=True)
class Pane:
    """The components of one model's column."""

    key: str
    model: gr.Dropdown
    chat: gr.Chatbot
    status: gr.HTML
    session: gr.State


def create_chat_tab(services: Services, texts: Texts) -> None:
    # -- layout --
    demo = any(spec.demo for spec in services.first_models)
    gr.Markdown(texts("demo_notice" if demo else "model_notice"), elem_classes="notice")
    question = gr.Textbox(
        label=texts("question"),
        placeholder=texts("question_placeholder"),
        lines=1,  # only then does Enter send, and Shift+Enter begin a line
        max_lines=8,
        autofocus=True,
        elem_id="question",
    )
    with gr.Row(elem_classes="actions"):
        send = gr.Button(texts("send"), variant="primary", elem_id="send", min_width=90)
        stop = gr.Button(texts("stop"), variant="stop", elem_id="stop", min_width=90)
        clear = gr.Button(texts("clear"), elem_id="clear", min_width=90)
    gr.Examples([[example] for example in EXAMPLES], inputs=[question], label=texts("examples"))
    with gr.Row(elem_classes="panes", equal_height=True):
        panes = [
            _create_pane(number, spec, services, texts)
            for number, spec in enumerate(services.first_models, start=1)
        ]
    sampling = create_sampling(texts, elem_id="sampling")
    with gr.Accordion(texts("to_study"), open=False, elem_id="to-study"):
        gr.Markdown(texts("to_study_info"))
        gr.HTML(
            f'<p class="hint">{texts("to_study_sign_in")} '
            f'<a href="{SIGN_IN}?to={HOMES[texts.language]}" target="_blank" rel="noopener">'
            f"{texts('sign_in_beside')}</a></p>"
        )
        with gr.Row(elem_classes="field-and-button"):
            study = gr.Dropdown(
                choices=[],
                value=None,
                allow_custom_value=True,
                label=texts("study_choice"),
                info=texts("study_choice_info"),
                elem_id="study-name",
            )
            add = gr.Button(texts("add_to_study"), elem_id="add-to-study", scale=0, min_width=140)
        added = gr.Markdown(elem_id="added-to-study", latex_delimiters=[])
    _list_models(services, texts)

    # -- wiring --
    sessions = [pane.session for pane in panes]
    chats = [pane.chat for pane in panes]
    statuses = [pane.status for pane in panes]
    may_ask = ChatAccess(services.access)
    asked = gr.on(  # a refused question leaves nothing pending, so the listeners do nothing
        [send.click, question.submit],
        guarded(
            _ask(services, texts),
            1 + 3 * len(panes),
            texts,
            access=may_ask,
        ),
        [question, *[pane.model for pane in panes], *sessions],
        [question, *sessions, *chats, *statuses],
        **QUEUED,
    )
    for pane in panes:
        asked.success(
            _answer(services, texts),
            [pane.session, *sampling.inputs],
            [pane.chat, pane.status],
            concurrency_id=f"{texts.language}-{pane.key}",
            concurrency_limit=PANE_CONCURRENCY,
            # Else the page drops a new question while the cleared one before it still ends.
            trigger_mode="multiple",
            show_progress="hidden",
            api_visibility="private",
        )
        pane.model.input(
            guarded(_clear(services, texts, notice=True), 3 * len(panes), texts, access=may_ask),
            [*[other.model for other in panes], *sessions],
            [*sessions, *chats, *statuses],
            **QUEUED,
        )
    stop.click(
        guarded(_stop(services, texts), len(panes), texts),
        sessions,
        statuses,
        **{**QUEUED, "concurrency_limit": None},  # must not wait for what it is to stop
    )
    clear.click(
        guarded(_clear(services, texts, notice=False), 3 * len(panes), texts, access=may_ask),
        [*[pane.model for pane in panes], *sessions],
        [*sessions, *chats, *statuses],
        **QUEUED,
    )
    study.focus(
        guarded(_study_choices(services), 1, texts),
        None,
        study,
        **QUEUED,
    )
    add.click(
        guarded(_add(services, texts), 1, texts, access=services.access),
        [study, *sessions],
        added,
        **{**QUEUED, "concurrency_limit": 1},  # a double click adds once
    )


# -- layout --


def _create_pane(number: int, spec: ModelSpec, services: Services, texts: Texts) -> Pane:
    with gr.Column(min_width=300, elem_classes="pane"):
        model = gr.Dropdown(
            choices=[(item.label, item.name) for item in services.registry],
            value=spec.name,
            label=texts("pane", number=number),
            filterable=False,
            elem_id=f"model-{number}",
        )
        chat = gr.Chatbot(
            show_label=False,
            height=340,
            elem_id=f"pane-{number}",
            elem_classes="pane-chat",
            placeholder=texts("pane_placeholder"),
            buttons=["copy"],
            feedback_options=None,
            latex_delimiters=[],
            allow_tags=False,
        )
        status = gr.HTML(elem_id=f"status-{number}", elem_classes="status")
    return Pane(f"pane-{number}", model, chat, status, gr.State(PaneSession(spec.name)))


def _list_models(services: Services, texts: Texts) -> None:
    rows = [
        [spec.label, spec.about, texts.error(spec.problem) if spec.problem else texts("available")]
        for spec in services.registry
    ]
    with gr.Accordion(texts("all_models"), open=False):
        header = [texts("model"), texts("about"), texts("state")]
        gr.HTML(table(header, rows, texts=3, name=texts("all_models")))


# -- handlers --


def _ask(services: Services, texts: Texts) -> Callable[..., list[Any]]:
    """Take a question: check it and put it into every pane, before any of them answers."""

    def ask(question: str, *rest: Any) -> list[Any]:
        models, sessions = _halves(rest)
        if any(session.busy for session in sessions):
            raise PageError("still_answering")
        cleaned, removed = check_question(question or "")
        if removed:
            inform(texts("control_characters_removed", count=removed), texts)
        sessions = [
            session if session.model == model and not session.retired else PaneSession(model)
            for session, model in zip(sessions, models, strict=True)
        ]
        for session in sessions:
            session.ask(cleaned)
        return ["", *sessions, *_drawn(sessions, services, texts)]

    return ask


def _answer(services: Services, texts: Texts) -> Callable[..., AsyncIterator[tuple[Any, ...]]]:
    """One pane's listener: stream the answer of its model into it."""

    async def answer(
        session: PaneSession, own_defaults: bool, *values: Any
    ) -> AsyncIterator[tuple[Any, ...]]:
        if not session.take_up():
            yield gr.skip(), gr.skip()
            return
        spec = services.registry.find(session.model)
        drawn_at = 0.0
        try:
            options = spec.defaults if own_defaults else options_of(values)
            request = Request("", spec.name, session.answered_turns, options)
            if session.stop_wanted:
                session.take(End("", "cancelled"))
            else:
                async for event in astream(services.engine, request, session.attach):
                    session.take(event)
                    now = time.monotonic()
                    if now - drawn_at > SECONDS_BETWEEN_DRAWINGS and not session.retired:
                        drawn_at = now
                        yield _draw(session, spec, texts)
        except MedchatError as error:
            session.take(End("", "error", failure=error))
        finally:
            session.busy = False
            if session.end is None:
                session.take(End("", "cancelled", text=session.partial))
        # A drawing under way while the conversation was cleared may have come after the clearing:
        # without this, its text would stay, under another model's name perhaps.
        yield ([], "") if session.retired else _draw(session, spec, texts)

    return answer


def _stop(services: Services, texts: Texts) -> Callable[..., list[Any]]:
    """Stop every pane; one that is still writing draws its own end when it gets there."""

    def stop(*sessions: PaneSession) -> list[Any]:
        for session in sessions:
            if session.busy:
                session.stop()
        statuses = _statuses(list(sessions), services, texts)
        pairs = zip(sessions, statuses, strict=True)
        return [gr.skip() if session.busy else status for session, status in pairs]

    return stop


def _clear(services: Services, texts: Texts, *, notice: bool) -> Callable[..., list[Any]]:
    """Begin anew with the chosen models; what is still being answered is stopped."""

    def clear(*rest: Any) -> list[Any]:
        models, sessions = _halves(rest)
        if notice and any(session.turns for session in sessions):
            inform(texts("new_conversation"), texts)
        for session in sessions:
            session.retire()
        fresh = [PaneSession(model) for model in models]
        return [*fresh, *_drawn(fresh, services, texts)]

    return clear


def _study_choices(services: Services) -> Callable[[], Any]:
    """The names of the studies for a coordinator, and nothing for anybody else."""

    def choices() -> Any:
        coordinator = services.access.now()
        names = study_names(services.store, coordinator) if coordinator else []
        return gr.update(choices=names)

    return choices


def _add(services: Services, texts: Texts) -> Callable[..., str]:
    def add(study: str | None, *sessions: PaneSession) -> str:
        labels = {spec.name: spec.label for spec in services.registry}
        question, responses = responses_for_study(list(sessions), labels)
        coordinator = services.access.require()
        name = chosen_name(services.store, study or "", coordinator)
        if number := sessions[0].added_to.get(name):
            raise PageError("already_added", study=name, question=number)
        number = add_to_study(
            services.store, name, question, responses, coordinator, services.names_of_models
        )
        sessions[0].added_to[name] = number
        return as_markdown(
            texts("added_to_study", study=name, question=number, count=len(responses))
        )

    return add


# -- drawing --


def _halves(rest: tuple[Any, ...]) -> tuple[list[str], list[PaneSession]]:
    half = len(rest) // 2
    return list(rest[:half]), list(rest[half:])


def _drawn(sessions: list[PaneSession], services: Services, texts: Texts) -> list[Any]:
    """All panes' messages, then all panes' status lines."""
    messages = [_messages(session, texts) for session in sessions]
    return [*messages, *_statuses(sessions, services, texts)]


def _statuses(sessions: list[PaneSession], services: Services, texts: Texts) -> list[str]:
    return [
        status_html(session, services.registry.find(session.model), texts) for session in sessions
    ]


def _draw(session: PaneSession, spec: ModelSpec, texts: Texts) -> tuple[Any, ...]:
    return _messages(session, texts), status_html(session, spec, texts)


def _messages(session: PaneSession, texts: Texts) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = []
    for index, turn in enumerate(session.turns):
        messages.append({"role": "user", "content": as_markdown(turn.question)})
        is_last = index == len(session.turns) - 1
        if text := _answer_text(session, texts) if is_last else turn.answer or "":
            messages.append({"role": "assistant", "content": as_markdown(text)})
    return messages


def _answer_text(session: PaneSession, texts: Texts) -> str:
    end = session.end
    if end is None:
        return session.partial
    parts = [session.partial] if session.partial else []
    if end.failure is not None:
        parts.append("⚠️ " + texts("pane_error", error=texts.error(end.failure)))
    elif not session.partial and end.finish_reason in ("stop", "length"):
        parts.append(texts("empty_answer"))
    return "\n\n".join(parts)
