"""First step: who rates how much, how answers are shown, the guide, and practice."""

from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.study_actions import refuse_known
from eval_ui.rating.guide import default_guide
from eval_ui.study.step_context import Step, StudyWork, hint, pressable, whole_number
from eval_ui.texts import PageError
from eval_ui.web.notices import inform
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


def create_design_step(work: StudyWork) -> Step:
    texts = work.texts
    # -- layout --
    hint(texts, "design_info")
    with gr.Row():
        overlap = gr.Number(
            None,
            label=texts("raters_per_answer"),
            info=texts("raters_per_answer_info"),
            elem_id="raters-per-answer",
        )
        shown = gr.Radio(
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
            guides = [
                gr.Textbox(label=texts(f"guide_{code}"), lines=14, elem_id=f"guide-{code}")
                for code in ("zh", "en")
            ]
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

    # -- wiring --
    handlers = _Handlers(work)
    fields = [overlap, shown, repeats, *guides]
    work.wire(save.click, handlers.save, fields, fields)
    work.wire(built_in.click, handlers.add_built_in, [], [])
    work.wire(load.click, handlers.load, [file], [file])
    work.wire(clear.click, handlers.clear, [], [])
    status = [practice, save, built_in, load, clear]
    return Step(fields, handlers.fill, status, handlers.draw)


class _Handlers:
    def __init__(self, work: StudyWork) -> None:
        self._work, self._texts, self._store = work, work.texts, work.services.store

    def fill(self, study: Study) -> list[Any]:
        return [
            study.raters_per_answer,
            "singly" if study.one_by_one else "together",
            study.repeats,
            study.guide_zh or default_guide("zh"),
            study.guide_en or default_guide("en"),
        ]

    def draw(self, study: Study) -> list[Any]:
        count = len(list_questions(self._store, study.id, "practice"))
        told = f"<p>{self._texts('practice_count', count=count)}</p>"
        return [told, *pressable(*[not study.opened_at] * 4)]

    def save(
        self, study: Study, overlap: Any, shown: str, repeats: Any, zh: str, en: str
    ) -> list[Any]:
        settings = StudySettings(
            raters_per_answer=self._whole(overlap),
            one_by_one=shown == "singly",
            repeats=self._whole(repeats) or 0,
            guide_zh=own_guide(zh, default_guide("zh")),
            guide_en=own_guide(en, default_guide("en")),
        )
        changed = change_settings(self._store, study.id, settings)
        inform(self._texts("design_saved"), self._texts)
        return self.fill(changed)

    def _whole(self, value: float | None) -> int | None:
        return whole_number(value, PageError("not_whole", value=value))

    def add_built_in(self, study: Study) -> list[Any]:
        self._add(study, BUILT_IN)
        return []

    def load(self, study: Study, file: str | None) -> list[Any]:
        if not file:
            raise PageError("import_none")
        self._add(study, Path(file))
        self._work.services.uploads.remove(file)
        return [None]

    def _add(self, study: Study, file: Path) -> None:
        items = [
            PracticeItem(each.question, each.answer, Scores(*each.scores), each.why_zh, each.why_en)
            for each in read_practice(file)
        ]
        asked = [each.question for each in items]
        refuse_known(self._store, study, asked, "practice")
        add_practice(self._store, study.id, items)

    def clear(self, study: Study) -> list[Any]:
        names = [each.question_id for each in list_questions(self._store, study.id, "practice")]
        remove_questions(self._store, study.id, names)
        return []


def own_guide(text: str, default: str) -> str:
    """What is stored of a guide: nothing where it is the built-in one."""
    return "" if (text or "").strip() in ("", default.strip()) else text
