"""Second step: questions from a file, which column is what, a preview, and errors by row."""

from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.study_actions import check_count, refuse_disclosures, refuse_known
from eval_ui.study.step_context import Step, StudyWork, hint
from eval_ui.texts import PageError
from eval_ui.web.notices import inform
from eval_ui.web.safe_text import as_html, table
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


def create_questions_step(work: StudyWork) -> Step:
    texts = work.texts
    # -- layout --
    hint(texts, "questions_info")
    state = gr.HTML(elem_id="questions-state")
    file = gr.File(
        file_types=[".csv", ".tsv", ".txt", ".jsonl", ".json", ".xlsx", ".xlsm"],
        label=texts("question_file"),
        height=160,
        elem_id="question-file",
    )
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

    # -- wiring --
    handlers = _Handlers(work)
    mapping = [*columns, answers]
    work.look(file.upload, handlers.open, [file], [*mapping, preview])
    for each in mapping:
        work.look(each.input, handlers.preview, [file, *mapping], [preview])
    work.wire(add.click, handlers.add, [file, *mapping], [file, preview, *mapping])
    work.wire(remove.click, handlers.remove, [chosen], [])
    return Step(status=[state, chosen], draw=handlers.draw)


class _Handlers:
    def __init__(self, work: StudyWork) -> None:
        self._work, self._texts, self._store = work, work.texts, work.services.store

    def draw(self, study: Study) -> list[Any]:
        names = [each.question_id for each in list_questions(self._store, study.id)]
        sentence = self._texts("questions_count", count=len(names))
        return [f"<p>{sentence}</p>", gr.update(choices=names, value=[])]

    def open(self, _: Study, file: str | None) -> list[Any]:
        found = self._read(file)
        names = list(found.columns)
        guessed = suggest_columns(found)
        values = [getattr(guessed, part) if guessed else None for part in PARTS]
        # The question must be somewhere; the others may be nowhere.
        choices = [names, *([[("—", ""), *((n, n) for n in names)]] * (len(PARTS) - 1))]
        dropdowns = [
            gr.update(choices=options, value=value if value or part == "question" else "")
            for part, options, value in zip(PARTS, choices, values, strict=True)
        ]
        mapping: list[Any] = [*values, []]
        return [
            *dropdowns,
            gr.update(choices=names, value=[]),
            self._preview(found, mapping),
        ]

    def preview(self, _: Study, file: str | None, *mapping: Any) -> list[str]:
        return [self._preview(self._read(file), list(mapping))]

    def add(self, study: Study, file: str | None, *mapping: Any) -> list[Any]:
        found = self._read(file)
        drafts, problems = read_drafts(found, self._columns(list(mapping)))
        if problems:
            raise PageError("questions_at_fault", count=len(problems))
        new = [_new_question(draft) for draft in drafts]
        for each in new:
            check_count(len(each.responses))
        refuse_known(self._store, study, [each.text for each in new], "real")
        if study.opened_at:
            refuse_disclosures(new, self._work.services.names_of_models)
        draft, by = not study.opened_at, self._work.coordinator
        added = len(add_questions(self._store, study.id, new, draft=draft, coordinator=by))
        self._work.services.uploads.remove(file)
        inform(self._texts("import_done", count=added, study=study.name), self._texts)
        emptied = [gr.update(choices=[], value=None) for _ in PARTS]
        return [None, "", *emptied, gr.update(choices=[], value=[])]

    def remove(self, study: Study, names: list[str] | None) -> list[Any]:
        removed = remove_questions(self._store, study.id, names or [])
        inform(self._texts("questions_removed", count=removed), self._texts)
        return []

    def _read(self, file: str | None) -> Table:
        if not file:
            raise PageError("import_none")
        return read_table(Path(file))

    def _columns(self, mapping: list[Any]) -> Columns:
        question, question_id, category, reference, answers = mapping
        if not question:
            raise PageError("column_question_missing")
        return Columns(
            question, question_id or None, category or None, reference or None, tuple(answers or ())
        )

    def _preview(self, found: Table, mapping: list[Any]) -> str:
        """The first rows as they will be taken, and every row that cannot be."""
        if not mapping[0]:
            return f'<p class="notice">{self._texts("column_question_missing")}</p>'
        columns = self._columns(mapping)
        drafts, problems = read_drafts(found, columns)
        told = self._texts(
            "preview_summary",
            rows=len(found.rows),
            fine=len(drafts),
            encoding=found.encoding or "Excel",
        )
        unused = [name for name in found.columns if name not in columns.names]
        left = self._texts("columns_unused", columns=", ".join(unused)) if unused else ""
        header = [self._texts(f"column_{part}") for part in PARTS] + list(columns.answers)
        rows = [_row(draft) for draft in drafts[:SHOWN_ROWS]]
        shown = table(header, rows, texts=len(header), name=self._texts("preview"))
        noted = f"<p>{as_html(left)}</p>" if left else ""
        return f"<p>{told}</p>{noted}{self._problems(problems)}{shown}"

    def _problems(self, problems: list[Problem]) -> str:
        if not problems:
            return ""
        lines = [
            self._texts("row_problem", row=each.row, error=self._texts.error(each.message))
            for each in problems[:SHOWN_PROBLEMS]
        ]
        if len(problems) > SHOWN_PROBLEMS:
            lines.append(self._texts("and_more", count=len(problems) - SHOWN_PROBLEMS))
        listed = "".join(f"<li>{as_html(line)}</li>" for line in lines)
        sentence = self._texts("questions_at_fault", count=len(problems))
        return f'<div class="notice"><p>{sentence}</p><ul>{listed}</ul></div>'


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
