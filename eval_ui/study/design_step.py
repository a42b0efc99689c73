"""First step: who rates how much, how answers are shown, the guide, and practice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.study_actions import refuse_known
from eval_ui.rating.guide import default_guide
from eval_ui.study.step_context import Step, StepContext, hint, pressable, whole_number
from eval_ui.texts import PageError
from eval_ui.web.html_templates import part
from eval_ui.web.notices import Updates, inform
from medchat.files.practice import BUILT_IN, read_practice
from storage import (
    PracticeItem,
    Scores,
    Study,
    StudySettings,
    add_practice,
    change_settings,
    list_questions,
    remove_questions,
)


@dataclass(frozen=True)
class DesignParts:
    """``order`` is how answers are shown: together, or one by one."""

    overlap: gr.Number
    order: gr.Radio
    repeats: gr.Number
    guide_zh: gr.Textbox
    guide_en: gr.Textbox
    save: gr.Button
    practice: gr.HTML
    file: gr.File
    built_in: gr.Button
    load: gr.Button
    clear: gr.Button

    @property
    def fields(self) -> list[Any]:
        return [self.overlap, self.order, self.repeats, self.guide_zh, self.guide_en]

    @property
    def buttons(self) -> list[gr.Button]:
        return [self.save, self.built_in, self.load, self.clear]


def lay_out(context: StepContext) -> DesignParts:
    texts = context.texts
    hint(texts, "design_info")
    with gr.Row():
        overlap = gr.Number(
            None,
            label=texts("raters_per_answer"),
            info=texts("raters_per_answer_info"),
            elem_id="raters-per-answer",
        )
        order = gr.Radio(
            [(texts("shown_together"), "together"), (texts("shown_singly"), "singly")],
            value="together",
            label=texts("shown_how"),
            elem_id="shown-how",
        )
        repeats = gr.Number(
            0, label=texts("repeats"), info=texts("repeats_info"), elem_id="repeats"
        )
    with gr.Accordion(texts("guide"), open=False, elem_id="guide-texts"):
        hint(texts, "guide_info")
        with gr.Row():
            guide_zh, guide_en = (
                gr.Textbox(label=texts(f"guide_{code}"), lines=14, elem_id=f"guide-{code}")
                for code in ("zh", "en")
            )
    with gr.Row(elem_classes="actions"):
        save = gr.Button(texts("design_save"), variant="primary", elem_id="save-design")
    with gr.Accordion(texts("practice"), open=False, elem_id="practice"):
        hint(texts, "practice_info")
        practice = gr.HTML(elem_id="practice-state")
        file = gr.File(
            file_types=[".jsonl", ".json", ".csv", ".xlsx"],
            label=texts("practice_file"),
            height=120,
            elem_id="practice-file",
        )
        with gr.Row(elem_classes="actions"):
            built_in = gr.Button(texts("practice_built_in"), elem_id="practice-built-in")
            load = gr.Button(texts("practice_load"), elem_id="practice-load")
            clear = gr.Button(texts("practice_clear"), elem_id="practice-clear")
    fields = (overlap, order, repeats, guide_zh, guide_en)
    return DesignParts(*fields, save, practice, file, built_in, load, clear)


def create_design_step(context: StepContext) -> Step:
    parts = lay_out(context)
    handlers = DesignHandlers(context, parts)
    context.wire(parts.save.click, handlers.save, parts.fields, parts.fields)
    context.wire(parts.built_in.click, handlers.add_built_in, [], [])
    context.wire(parts.load.click, handlers.load, [parts.file], [parts.file])
    context.wire(parts.clear.click, handlers.clear, [], [])
    return Step(parts.fields, handlers.fill, [parts.practice, *parts.buttons], handlers.draw)


class DesignHandlers:
    def __init__(self, context: StepContext, parts: DesignParts) -> None:
        self._context, self._texts, self.parts = context, context.texts, parts
        self._store = context.services.store

    def fill(self, study: Study) -> Updates:
        values = (
            study.raters_per_answer,
            "singly" if study.one_by_one else "together",
            study.repeats,
            study.guide_zh or default_guide("zh"),
            study.guide_en or default_guide("en"),
        )
        return dict(zip(self.parts.fields, values, strict=True))

    def draw(self, study: Study) -> Updates:
        count = len(list_questions(self._store, study.id, "practice"))
        sentence = part("paragraph", self._texts("practice_count", count=count))
        buttons = self.parts.buttons
        states = pressable(*[not study.opened_at] * len(buttons))
        return {self.parts.practice: sentence, **dict(zip(buttons, states, strict=True))}

    def save(
        self, study: Study, overlap: Any, order: str, repeats: Any, zh: str, en: str
    ) -> Updates:
        settings = StudySettings(
            raters_per_answer=_whole(overlap),
            one_by_one=order == "singly",
            repeats=_whole(repeats) or 0,
            guide_zh=own_guide(zh, default_guide("zh")),
            guide_en=own_guide(en, default_guide("en")),
        )
        changed = change_settings(self._store, study.id, settings)
        inform(self._texts("design_saved"), self._texts)
        return self.fill(changed)

    def add_built_in(self, study: Study) -> Updates:
        self._add(study, BUILT_IN)
        return {}

    def load(self, study: Study, file: str | None) -> Updates:
        if not file:
            raise PageError("import_none")
        self._add(study, Path(file))
        self._context.services.uploads.remove(file)
        return {self.parts.file: None}

    def _add(self, study: Study, file: Path) -> None:
        practice = read_practice(file)
        refuse_known(self._store, study, [item.question for item in practice], "practice")
        items = [
            PracticeItem(item.question, item.answer, Scores(*item.scores), item.why_zh, item.why_en)
            for item in practice
        ]
        add_practice(self._store, study.id, items)

    def clear(self, study: Study) -> Updates:
        questions = list_questions(self._store, study.id, "practice")
        remove_questions(self._store, study.id, [question.question_id for question in questions])
        return {}


def _whole(value: float | None) -> int | None:
    return whole_number(value, PageError("not_whole", value=value))


def own_guide(text: str, default: str) -> str:
    """What is stored of a guide: nothing where it is the built-in one."""
    return "" if (text or "").strip() in ("", default.strip()) else text
