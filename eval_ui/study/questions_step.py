"""Second step: questions from a file, which column is what, a preview, and errors by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.study_actions import check_count, refuse_disclosures, refuse_known
from eval_ui.study.step_context import Step, StepContext, hint
from eval_ui.texts import PageError, Texts
from eval_ui.web.html_templates import part, render
from eval_ui.web.notices import Updates, inform
from medchat.files.questions import Columns, Problem, QuestionDraft, read_drafts, suggest_columns
from medchat.files.spreadsheet import Table, read_table
from storage import (
    NewQuestion,
    NewResponse,
    Study,
    add_questions,
    list_questions,
    remove_questions,
)

SHOWN_ROWS = 5
SHOWN_PROBLEMS = 20
SHOWN_CHARACTERS = 80
PARTS = ("question", "question_id", "category", "reference")


@dataclass(frozen=True)
class QuestionsParts:
    """``columns`` say what each column of ``file`` is: one per ``PARTS``, then the answers."""

    state: gr.HTML
    file: gr.File
    columns: list[gr.Dropdown]
    preview: gr.HTML
    add: gr.Button
    chosen: gr.Dropdown
    remove: gr.Button


def lay_out(context: StepContext) -> QuestionsParts:
    texts = context.texts
    hint(texts, "questions_info")
    state = gr.HTML(elem_id="questions-state")
    file = gr.File(
        file_types=[".csv", ".tsv", ".txt", ".jsonl", ".json", ".xlsx", ".xlsm"],
        label=texts("question_file"),
        height=160,
        elem_id="question-file",
    )
    columns = _lay_out_columns(texts)
    preview = gr.HTML(elem_id="question-preview")
    with gr.Row(elem_classes="actions"):
        add = gr.Button(texts("questions_add"), variant="primary", elem_id="add-questions")
    with gr.Accordion(texts("questions_remove"), open=False, elem_id="removing"):
        hint(texts, "questions_remove_info")
        with gr.Row(elem_classes="field-and-button"):
            chosen = gr.Dropdown(
                [],
                multiselect=True,
                allow_custom_value=True,
                label=texts("question_ids"),
                elem_id="remove-ids",
            )
            remove = gr.Button(
                texts("questions_remove_button"), elem_id="remove-questions", scale=0, min_width=140
            )
    return QuestionsParts(state, file, columns, preview, add, chosen, remove)


def _lay_out_columns(texts: Texts) -> list[gr.Dropdown]:
    """A field per column that a file may have; the last one takes any number of them."""
    with gr.Row():
        columns = [
            gr.Dropdown(
                [],
                allow_custom_value=True,
                label=texts(f"column_{part}"),
                elem_id=f"column-{part}",
                min_width=160,
            )
            for part in PARTS
        ]
        answers = gr.Dropdown(
            [],
            multiselect=True,
            allow_custom_value=True,
            label=texts("column_answers"),
            info=texts("column_answers_info"),
            elem_id="column-answers",
        )
    return [*columns, answers]


def create_questions_step(context: StepContext) -> Step:
    parts = lay_out(context)
    handlers = QuestionsHandlers(context, parts)
    mapping = [parts.file, *parts.columns]
    context.look(parts.file.upload, handlers.open, [parts.file], [*parts.columns, parts.preview])
    for column in parts.columns:
        context.look(column.input, handlers.preview, mapping, [parts.preview])
    context.wire(parts.add.click, handlers.add, mapping, [*mapping, parts.preview])
    context.wire(parts.remove.click, handlers.remove, [parts.chosen], [])
    return Step(status=[parts.state, parts.chosen], draw=handlers.draw)


class QuestionsHandlers:
    def __init__(self, context: StepContext, parts: QuestionsParts) -> None:
        self._context, self._texts, self.parts = context, context.texts, parts
        self._store = context.services.store

    def draw(self, study: Study) -> Updates:
        names = [question.question_id for question in list_questions(self._store, study.id)]
        return {
            self.parts.state: part("paragraph", self._texts("questions_count", count=len(names))),
            self.parts.chosen: gr.update(choices=names, value=[]),
        }

    def open(self, _: Study, file: str | None) -> Updates:
        table = _read(file)
        names = list(table.columns)
        guess = suggest_columns(table)
        values: list[Any] = [getattr(guess, part) if guess else None for part in PARTS]
        optional = [("—", ""), *((name, name) for name in names)]
        # The question must be somewhere; the others may be nowhere.
        choices = {part: names if part == "question" else optional for part in PARTS}
        updates = [
            gr.update(choices=choices[part], value=value if value or part == "question" else "")
            for part, value in zip(PARTS, values, strict=True)
        ]
        updates.append(gr.update(choices=names, value=[]))
        return {
            **dict(zip(self.parts.columns, updates, strict=True)),
            self.parts.preview: self._preview(table, [*values, []]),
        }

    def preview(self, _: Study, file: str | None, *mapping: Any) -> Updates:
        return {self.parts.preview: self._preview(_read(file), mapping)}

    def add(self, study: Study, file: str | None, *mapping: Any) -> Updates:
        drafts, problems = read_drafts(_read(file), _columns(mapping))
        if problems:
            raise PageError("questions_at_fault", count=len(problems))
        new = [_new_question(draft) for draft in drafts]
        for question in new:
            check_count(len(question.responses))
        refuse_known(self._store, study, [question.text for question in new], "real")
        if study.opened_at:
            refuse_disclosures(new, self._context.services.names_of_models)
        draft, by = not study.opened_at, self._context.coordinator
        count = len(add_questions(self._store, study.id, new, draft=draft, coordinator=by))
        self._context.services.uploads.remove(file)
        inform(self._texts("import_done", count=count, study=study.name), self._texts)
        *single, answers = self.parts.columns
        return {
            self.parts.file: None,
            self.parts.preview: "",
            **{column: gr.update(choices=[], value=None) for column in single},
            answers: gr.update(choices=[], value=[]),
        }

    def remove(self, study: Study, names: list[str] | None) -> Updates:
        count = remove_questions(self._store, study.id, names or [])
        inform(self._texts("questions_removed", count=count), self._texts)
        return {}

    def _preview(self, table: Table, mapping: Sequence[Any]) -> str:
        """The first rows as they will be taken, and every row that cannot be."""
        if not mapping[0]:
            return part("paragraph", self._texts("column_question_missing"), "notice")
        columns = _columns(mapping)
        drafts, problems = read_drafts(table, columns)
        return render(
            "question_preview.html",
            texts=self._texts,
            row_count=len(table.rows),
            fine_count=len(drafts),
            encoding=table.encoding or "Excel",
            unused=[name for name in table.columns if name not in columns.names],
            header=[self._texts(f"column_{part}") for part in PARTS] + list(columns.answers),
            rows=[_row(draft) for draft in drafts[:SHOWN_ROWS]],
            problem_count=len(problems),
            problems=self._lines(problems),
        )

    def _lines(self, problems: list[Problem]) -> list[str]:
        lines = [
            self._texts("row_problem", row=problem.row, error=self._texts.error(problem.message))
            for problem in problems[:SHOWN_PROBLEMS]
        ]
        if len(problems) > SHOWN_PROBLEMS:
            lines.append(self._texts("and_more", count=len(problems) - SHOWN_PROBLEMS))
        return lines


def _read(file: str | None) -> Table:
    if not file:
        raise PageError("import_none")
    return read_table(Path(file))


def _columns(mapping: Sequence[Any]) -> Columns:
    question, question_id, category, reference, answers = mapping
    if not question:
        raise PageError("column_question_missing")
    return Columns(
        question, question_id or None, category or None, reference or None, tuple(answers or ())
    )


def _new_question(draft: QuestionDraft) -> NewQuestion:
    responses = [
        NewResponse(model, text, "stop", {"source": "file"}) for model, text in draft.answers
    ]
    return NewQuestion(draft.text, responses, draft.question_id, draft.category, draft.reference)


def _row(draft: QuestionDraft) -> list[str]:
    texts = [draft.text, draft.question_id or "—", draft.category or "—", draft.reference or "—"]
    return [_short(text) for text in (*texts, *(text for _, text in draft.answers))]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
