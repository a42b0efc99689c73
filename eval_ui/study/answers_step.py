"""Third step: let models answer in the background, or take answers from a file."""

from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.answer_jobs import JobView, require_choice
from eval_ui.backend.study_actions import MAX_ANSWERS, check_count, import_answers
from eval_ui.chat.sampling import create_sampling, options_of
from eval_ui.study.step_context import Step, StudyWork, hint, pressable
from eval_ui.texts import PageError
from eval_ui.web.notices import inform
from eval_ui.web.safe_text import as_html, table
from storage import Study, answers_to_check, begin_answering, list_questions

SECONDS_BETWEEN_LOOKS = 1.5
SHOWN_FAILURES = 20


def create_answers_step(work: StudyWork) -> Step:
    texts = work.texts
    # -- layout --
    hint(texts, "answers_info")
    models = gr.CheckboxGroup(
        [(spec.label, spec.name) for spec in work.services.registry.available],
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

    # -- wiring --
    handlers = _Handlers(work)
    work.wire(start.click, handlers.start, [models, *sampling.inputs], [])
    work.wire(pause.click, handlers.pause, [], [])
    work.wire(load.click, handlers.load, [file], [file])
    status = [job, timer, start, pause]
    work.look(timer.tick, handlers.draw, [], status)
    return Step([models], handlers.fill, status, handlers.draw)


def _status(html: str, running: bool, can_start: bool) -> list[Any]:
    return [html, gr.update(active=running), *pressable(can_start and not running, running)]


class _Handlers:
    def __init__(self, work: StudyWork) -> None:
        self._work, self._texts, self._store = work, work.texts, work.services.store

    def fill(self, study: Study) -> list[Any]:
        view = self._work.services.answering.view(study.id)
        available = [spec.name for spec in self._work.services.registry.available]
        chosen = view.job.models if view else available[:MAX_ANSWERS]
        return [[name for name in chosen if name in available]]

    def draw(self, study: Study) -> list[Any]:
        view = self._work.services.answering.view(study.id)
        can_start = not study.opened_at and bool(list_questions(self._store, study.id))
        if view is None or study.opened_at:
            told = "" if can_start or study.opened_at else self._texts("answers_no_questions")
            if can_start and (there := answers_to_check(self._store, study.id)):
                models = len({answer.model for answer in there})
                told = self._texts("answers_there", count=len(there), models=models)
            return _status(f"<p>{told}</p>" if told else "", running=False, can_start=can_start)
        return _status(self._job_html(view), view.job.state == "running", can_start)

    def start(self, study: Study, models: list[str], own_defaults: bool, *values: Any) -> list[Any]:
        models = models or []
        there = {answer.model for answer in answers_to_check(self._store, study.id)}
        check_count(len(there.union(models)))
        require_choice(models, self._work.services.registry)
        options = None if own_defaults else options_of(values).as_dict()
        begin_answering(self._store, study.id, models, options)
        self._work.services.answering.start(study.id)
        return []

    def pause(self, study: Study) -> list[Any]:
        self._work.services.answering.pause(study.id)
        return []

    def load(self, study: Study, file: str | None) -> list[Any]:
        if not file:
            raise PageError("import_none")
        labels = self._work.services.names_of_models
        by = self._work.coordinator
        count = import_answers(self._store, study, Path(file), labels, by)
        inform(self._texts("import_done", count=count, study=study.name), self._texts)
        return [None]

    def _job_html(self, view: JobView) -> str:
        texts, progress = self._texts, view.progress
        words = {"done": progress.done, "total": progress.total}
        line = texts(f"answers_{view.job.state}", **words)
        if view.seconds_left is not None:
            line += texts("time_left", minutes=max(1, round(view.seconds_left / 60)))
        bar = (
            f'<progress class="job" max="{progress.total}" value="{progress.done}" '
            f'aria-label="{as_html(texts("tab_answers"))}"></progress>'
        )
        problem = ""
        if view.problem and view.job.state == "paused":
            problem = f'<p class="notice">{as_html(texts.error(view.problem))}</p>'
        return f"<p>{as_html(line)}</p>{bar}{problem}{self._failures(view)}"

    def _failures(self, view: JobView) -> str:
        failures = view.progress.failures
        if not failures:
            return ""
        header = [self._texts(key) for key in ("question_id", "model", "attempts", "error_column")]
        rows = [
            [each.question_id, each.model, str(each.attempts), each.error]
            for each in failures[:SHOWN_FAILURES]
        ]
        sentence = self._texts("answers_failed", count=len(failures))
        listed = table(header, rows, texts=4, name=sentence)
        return f'<p class="notice">{as_html(sentence)}</p>{listed}'
