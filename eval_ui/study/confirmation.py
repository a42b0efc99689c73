"""A question before a step that cannot be taken back: the button asks, and only "yes" acts."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from eval_ui.study.step_context import StepContext
from eval_ui.texts import PageError
from eval_ui.web.html_templates import part
from eval_ui.web.notices import Updates
from storage import Study


class Confirmation:
    """Room for the question; it opens below the button, which is given to ``guard``.

    ``box`` belongs to the status of its step, with ``closed()``: any change closes it.
    """

    def __init__(self, context: StepContext, name: str) -> None:
        self._context, texts = context, context.texts
        with gr.Column(visible=False, elem_classes="confirmation", elem_id=f"{name}-asks") as box:
            self._sentence = gr.HTML()
            with gr.Row(elem_classes="actions"):
                self._yes = gr.Button(texts(f"{name}_yes"), variant="stop", elem_id=f"{name}-yes")
                self._no = gr.Button(texts("confirm_no"), elem_id=f"{name}-no")
        self.box = box
        self._question = gr.State()  # the study, and the sentence that is answered

    def guard(
        self,
        button: gr.Button,
        ask: Callable[[Study], str],
        act: Callable[[Study], Updates],
        outputs: list[Any],
    ) -> None:
        """Let ``button`` show the sentence of ``ask``, and "yes" run ``act`` for ``outputs``.

        What is not possible anyway, ``ask`` refuses as any handler does. It is asked again at
        "yes": where the sentence is another one by then, nothing is done.
        """
        context, state = self._context, [self.box, self._question]

        def end(_: Study) -> Updates:
            return {**self.closed(), self._question: None}

        def show(study: Study) -> Updates:
            sentence = ask(study)
            return {
                self.box: gr.update(visible=True),
                self._sentence: part("alert", sentence),
                self._question: (study.id, sentence),
            }

        def run(study: Study, question: tuple[str, str] | None) -> Updates:
            if question is None:  # a second click on "yes"
                return end(study)
            require_same_question((study.id, ask(study)), question)
            return {**act(study), **end(study)}

        context.look(button.click, show, [], [*state, self._sentence])
        context.wire(self._yes.click, run, [self._question], [*outputs, *state])
        context.look(self._no.click, end, [], state)

    def closed(self) -> Updates:
        return {self.box: gr.update(visible=False)}


def require_same_question(now: tuple[str, str], answered: tuple[str, str]) -> None:
    """Raises PageError where the study, or what would be asked of it, is not what was asked."""
    if answered != now:
        raise PageError("confirm_another")
