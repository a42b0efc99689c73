"""Third step: let models answer in the background, or take answers from a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.answer_jobs import JobView, require_choice
from eval_ui.backend.study_actions import MAX_ANSWERS, check_count, import_answers
from eval_ui.chat.sampling import Sampling, create_sampling, options_of
from eval_ui.study.step_context import Step, StepContext, hint, pressable
from eval_ui.texts import PageError
from eval_ui.web.html_templates import part, render
from eval_ui.web.notices import Updates, inform
from storage import Study, answers_to_check, begin_answering, list_questions

SECONDS_BETWEEN_LOOKS = 1.5
SHOWN_FAILURES = 20


@dataclass(frozen=True)
class AnswersParts:
    models: gr.CheckboxGroup
    sampling: Sampling
    start: gr.Button
    pause: gr.Button
    job: gr.HTML
    timer: gr.Timer
    file: gr.File
    load: gr.Button


def lay_out(context: StepContext) -> AnswersParts:
    texts = context.texts
    hint(texts, "answers_info")
    models = gr.CheckboxGroup(
        [(spec.label, spec.name) for spec in context.services.registry.available],
        label=texts("answer_models"),
        elem_id="answer-models",
    )
    sampling = create_sampling(texts, elem_id="answer-sampling")
    with gr.Row(elem_classes="actions"):
        start = gr.Button(texts("answers_start"), variant="primary", elem_id="answers-start")
        pause = gr.Button(texts("answers_pause"), elem_id="answers-pause")
    job = gr.HTML(elem_id="answers-state")
    timer = gr.Timer(SECONDS_BETWEEN_LOOKS, active=False)
    with gr.Accordion(texts("import"), open=False, elem_id="importing"):
        hint(texts, "import_info")
        file = gr.File(
            file_types=[".jsonl", ".json"],
            label=texts("import"),
            height=160,
            elem_id="import-file",
        )
        with gr.Row(elem_classes="actions"):
            load = gr.Button(texts("import_button"), elem_id="import")
    return AnswersParts(models, sampling, start, pause, job, timer, file, load)


def create_answers_step(context: StepContext) -> Step:
    parts = lay_out(context)
    handlers = AnswersHandlers(context, parts)
    context.wire(parts.start.click, handlers.start, [parts.models, *parts.sampling.inputs], [])
    context.wire(parts.pause.click, handlers.pause, [], [])
    context.wire(parts.load.click, handlers.load, [parts.file], [parts.file])
    status = [parts.job, parts.timer, parts.start, parts.pause]
    context.look(parts.timer.tick, handlers.draw, [], status)
    return Step([parts.models], handlers.fill, status, handlers.draw)


class AnswersHandlers:
    def __init__(self, context: StepContext, parts: AnswersParts) -> None:
        self._context, self._texts, self.parts = context, context.texts, parts
        self._store = context.services.store

    def fill(self, study: Study) -> Updates:
        view = self._context.services.answering.view(study.id)
        available = [spec.name for spec in self._context.services.registry.available]
        models = view.job.models if view else available[:MAX_ANSWERS]
        return {self.parts.models: [name for name in models if name in available]}

    def draw(self, study: Study) -> Updates:
        view = self._context.services.answering.view(study.id)
        can_start = not study.opened_at and bool(list_questions(self._store, study.id))
        if view is None or study.opened_at:
            sentence = self._before_a_job(study, can_start)
            return self._status(part("paragraph", sentence) if sentence else "", False, can_start)
        return self._status(self._job_html(view), view.job.state == "running", can_start)

    def _before_a_job(self, study: Study, can_start: bool) -> str:
        if not can_start:
            return "" if study.opened_at else self._texts("answers_no_questions")
        answers = answers_to_check(self._store, study.id)
        models = len({answer.model for answer in answers})
        return self._texts("answers_there", count=len(answers), models=models) if answers else ""

    def _status(self, html: str, running: bool, can_start: bool) -> Updates:
        start, pause = pressable(can_start and not running, running)
        return {
            self.parts.job: html,
            self.parts.timer: gr.update(active=running),
            self.parts.start: start,
            self.parts.pause: pause,
        }

    def start(
        self, study: Study, names: list[str] | None, own_defaults: bool, *values: Any
    ) -> Updates:
        models = names or []
        answered = {answer.model for answer in answers_to_check(self._store, study.id)}
        check_count(len(answered.union(models)))
        require_choice(models, self._context.services.registry)
        options = None if own_defaults else options_of(values).as_dict()
        begin_answering(self._store, study.id, models, options)
        self._context.services.answering.start(study.id)
        return {}

    def pause(self, study: Study) -> Updates:
        self._context.services.answering.pause(study.id)
        return {}

    def load(self, study: Study, file: str | None) -> Updates:
        if not file:
            raise PageError("import_none")
        labels = self._context.services.names_of_models
        by = self._context.coordinator
        count = import_answers(self._store, study, Path(file), labels, by)
        inform(self._texts("import_done", count=count, study=study.name), self._texts)
        return {self.parts.file: None}

    def _job_html(self, view: JobView) -> str:
        texts, progress = self._texts, view.progress
        line = texts(f"answers_{view.job.state}", done=progress.done, total=progress.total)
        if view.seconds_left is not None:
            line += texts("time_left", minutes=max(1, round(view.seconds_left / 60)))
        problem = view.problem if view.job.state == "paused" else None
        return render(
            "answer_job.html",
            texts=texts,
            line=line,
            progress=progress,
            problem=texts.error(problem) if problem else "",
            failures=[
                [failure.question_id, failure.model, str(failure.attempts), failure.error]
                for failure in progress.failures[:SHOWN_FAILURES]
            ],
        )
