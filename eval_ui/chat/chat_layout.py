"""How the chat tab is laid out: a question, one pane per model, settings, and a study to add to."""

from dataclasses import dataclass

import gradio as gr

from eval_ui.backend.services import Services
from eval_ui.chat.chat_session import PaneSession
from eval_ui.chat.sampling import Sampling, create_sampling
from eval_ui.texts import Texts
from eval_ui.web.access import HOMES, SIGN_IN
from eval_ui.web.html_templates import render
from eval_ui.web.safe_text import table
from medchat.models import ModelSpec

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


@dataclass(frozen=True)
class ChatParts:
    """``study`` is where ``add`` puts the answers, and ``added`` says so."""

    question: gr.Textbox
    send: gr.Button
    stop: gr.Button
    clear: gr.Button
    panes: list[Pane]
    sampling: Sampling
    study: gr.Dropdown
    add: gr.Button
    added: gr.Markdown


def lay_out(services: Services, texts: Texts) -> ChatParts:
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
            _lay_out_pane(number, spec, services, texts)
            for number, spec in enumerate(services.first_models, start=1)
        ]
    sampling = create_sampling(texts, elem_id="sampling")
    study, add, added = _lay_out_study(texts)
    _list_models(services, texts)
    return ChatParts(question, send, stop, clear, panes, sampling, study, add, added)


def _lay_out_study(texts: Texts) -> tuple[gr.Dropdown, gr.Button, gr.Markdown]:
    with gr.Accordion(texts("to_study"), open=False, elem_id="to-study"):
        gr.Markdown(texts("to_study_info"))
        address = f"{SIGN_IN}?to={HOMES[texts.language]}"
        gr.HTML(render("sign_in_beside.html", texts=texts, address=address))
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
    return study, add, added


def _lay_out_pane(number: int, spec: ModelSpec, services: Services, texts: Texts) -> Pane:
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
