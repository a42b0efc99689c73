"""What clicks on the chat tab do: ask, stream answers, stop, clear, and add to a study."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from eval_ui.backend.services import Services
from eval_ui.backend.study_actions import add_to_study, chosen_name, study_names
from eval_ui.chat.chat_layout import ChatParts, Pane
from eval_ui.chat.chat_session import (
    PaneSession,
    check_question,
    responses_for_study,
    status_html,
)
from eval_ui.chat.sampling import options_of
from eval_ui.texts import PageError, Texts
from eval_ui.web.notices import Updates, inform
from eval_ui.web.safe_text import as_markdown
from medchat.engine import End, Request, astream
from medchat.errors import MedchatError

SECONDS_BETWEEN_DRAWINGS = 0.06


class ChatHandlers:
    """Most get the models that are chosen in all panes, and then the sessions of all panes."""

    def __init__(self, services: Services, texts: Texts, parts: ChatParts) -> None:
        self._services, self._texts, self._parts = services, texts, parts

    def ask(self, question: str, *panes: Any) -> Updates:
        """Take a question: check it and put it into every pane, before any of them answers."""
        models, sessions = _halves(panes)
        if any(session.busy for session in sessions):
            raise PageError("still_answering")
        cleaned, removed = check_question(question or "")
        if removed:
            inform(self._texts("control_characters_removed", count=removed), self._texts)
        sessions = [
            session if session.model == model and not session.retired else PaneSession(model)
            for session, model in zip(sessions, models, strict=True)
        ]
        for session in sessions:
            session.ask(cleaned)
        return {self._parts.question: "", **self._draw_all(sessions)}

    def answering(self, pane: Pane) -> Callable[..., AsyncIterator[Updates]]:
        """The listener of one pane: it streams the answer of its model into it."""

        async def answer(
            session: PaneSession, own_defaults: bool, *values: Any
        ) -> AsyncIterator[Updates]:
            if not session.take_up():
                yield gr.skip()
                return
            async with aclosing(self._events(session, own_defaults, values)) as events:
                async for _ in events:
                    yield self._draw(pane, session)
            # A drawing under way while the conversation was cleared may have come after the
            # clearing: without this, its text would stay, under another model's name perhaps.
            cleared = {pane.chat: [], pane.status: ""}
            yield cleared if session.retired else self._draw(pane, session)

        return answer

    async def _events(
        self, session: PaneSession, own_defaults: bool, values: tuple[Any, ...]
    ) -> AsyncGenerator[None, None]:
        """Note what the engine answers; yields whenever it is time to draw."""
        spec = self._services.registry.find(session.model)
        drawn_at = 0.0
        try:
            options = spec.defaults if own_defaults else options_of(values)
            request = Request("", spec.name, session.answered_turns, options)
            if session.stop_wanted:
                session.take(End("", "cancelled"))
                return
            async for event in astream(self._services.engine, request, session.attach):
                session.take(event)
                now = time.monotonic()
                if now - drawn_at > SECONDS_BETWEEN_DRAWINGS and not session.retired:
                    drawn_at = now
                    yield
        except MedchatError as error:
            session.take(End("", "error", failure=error))
        finally:
            session.busy = False
            if session.end is None:
                session.take(End("", "cancelled", text=session.partial))

    def stop(self, *sessions: PaneSession) -> Updates:
        """Stop every pane; one that is still writing draws its own end when it gets there."""
        for session in sessions:
            if session.busy:
                session.stop()
        return {
            pane.status: self._status(session)
            for pane, session in zip(self._parts.panes, sessions, strict=True)
            if not session.busy
        }

    def clear(self, *panes: Any) -> Updates:
        """Begin anew with the chosen models; what is still being answered is stopped."""
        models, sessions = _halves(panes)
        for session in sessions:
            session.retire()
        return self._draw_all([PaneSession(model) for model in models])

    def change_model(self, *panes: Any) -> Updates:
        """As ``clear``, with a notice where that ends a conversation."""
        if any(session.turns for session in _halves(panes)[1]):
            inform(self._texts("new_conversation"), self._texts)
        return self.clear(*panes)

    def study_choices(self) -> Updates:
        """The names of the studies for a coordinator, and nothing for anybody else."""
        coordinator = self._services.access.now()
        names = study_names(self._services.store, coordinator) if coordinator else []
        return {self._parts.study: gr.update(choices=names)}

    def add(self, study: str | None, *sessions: PaneSession) -> Updates:
        services = self._services
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
        sentence = self._texts("added_to_study", study=name, question=number, count=len(responses))
        return {self._parts.added: as_markdown(sentence)}

    # -- drawing --

    def _draw_all(self, sessions: Sequence[PaneSession]) -> Updates:
        updates: Updates = {}
        for pane, session in zip(self._parts.panes, sessions, strict=True):
            updates |= {pane.session: session, **self._draw(pane, session)}
        return updates

    def _draw(self, pane: Pane, session: PaneSession) -> Updates:
        messages = _messages(session, self._texts)
        return {pane.chat: messages, pane.status: self._status(session)}

    def _status(self, session: PaneSession) -> str:
        return status_html(session, self._services.registry.find(session.model), self._texts)


def _halves(panes: Sequence[Any]) -> tuple[list[str], list[PaneSession]]:
    """The models of all panes, and the sessions of all panes."""
    half = len(panes) // 2
    return list(panes[:half]), list(panes[half:])


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
