"""A question before a step that cannot be taken back: the button asks, and only "yes" acts."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from eval_ui.study.step_context import StudyWork
from eval_ui.texts import PageError
from eval_ui.web.safe_text import as_html
from storage import Study


class Confirmation:
    """Room for the question; it opens below the button, which is given to ``guard``.

    ``box`` belongs to the status of its step, with ``closed()``: any change closes it.
    """

    def __init__(self, work: StudyWork, name: str) -> None:
        self._work = work
        with gr.Column(visible=False, elem_classes="confirmation", elem_id=f"{name}-asks") as box:
            self._sentence = gr.HTML()
            with gr.Row(elem_classes="actions"):
                self._yes = gr.Button(
                    work.texts(f"{name}_yes"), variant="stop", elem_id=f"{name}-yes"
                )
                self._no = gr.Button(work.texts("confirm_no"), elem_id=f"{name}-no")
        self.box = box
        self._asked = gr.State()  # the study, and the sentence that was answered

    def guard(
        self,
        button: gr.Button,
        ask: Callable[[Study], str],
        act: Callable[[Study], Sequence[Any]],
        outputs: list[Any],
    ) -> None:
        """Let ``button`` show the sentence of ``ask``, and "yes" run ``act`` for ``outputs``.

        What is not possible anyway, ``ask`` refuses as any handler does. It is asked again at
        "yes": where the sentence is another one by then, nothing is done.
        """
        work = self._work

        def show(study: Study) -> list[Any]:
            sentence = ask(study)
            told = f'<p role="alert">{as_html(sentence)}</p>'
            return [gr.update(visible=True), told, (study.id, sentence)]

        def run(study: Study, asked: tuple[str, str] | None) -> list[Any]:
            if asked is None:  # a second click on "yes"
                return [*(gr.skip() for _ in outputs), self.closed(), None]
            require_asked((study.id, ask(study)), asked)
            return [*act(study), self.closed(), None]

        work.look(button.click, show, [], [self.box, self._sentence, self._asked])
        work.wire(self._yes.click, run, [self._asked], [*outputs, self.box, self._asked])
        work.look(self._no.click, lambda _: [self.closed(), None], [], [self.box, self._asked])

    def closed(self) -> Any:
        return gr.update(visible=False)


def require_asked(now: tuple[str, str], asked: tuple[str, str]) -> None:
    """Raises PageError where the study, or what would be asked of it, is not what was asked."""
    if asked != now:
        raise PageError("confirm_another")
