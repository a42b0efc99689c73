"""The page, as a table of contents: one Blocks per language, a tab per file."""

import gradio as gr

from eval_ui.chat_tab import create_chat_tab
from eval_ui.rating_page import rating_html
from eval_ui.report_tab import create_report_tab
from eval_ui.services import Services
from eval_ui.study_tab import create_study_tab
from eval_ui.texts import Language, Texts

PATHS: dict[Language, str] = {"zh": "/", "en": "/en/"}


def create_page(services: Services, language: Language) -> gr.Blocks:
    """The whole page in one language."""
    texts = Texts(language)
    other: Language = "en" if language == "zh" else "zh"
    page: gr.Blocks
    with gr.Blocks(title=texts("title"), analytics_enabled=False, fill_width=True) as page:
        gr.HTML(
            f'<header class="masthead"><div><h1>{texts("title")}</h1><p>{texts("subtitle")}</p>'
            f'</div><a class="language" href="{PATHS[other]}" lang="{other}">'
            f"{texts('other_language')}</a></header>"
        )
        with gr.Tabs():
            with gr.Tab(texts("tab_chat"), id="chat"):
                create_chat_tab(services, texts)
            with gr.Tab(texts("tab_rating"), id="rating"):
                gr.HTML(rating_html(language), padding=False)
            with gr.Tab(texts("tab_study"), id="study") as study_tab:
                create_study_tab(services, texts, study_tab)
            with gr.Tab(texts("tab_report"), id="report") as report_tab:
                create_report_tab(services, texts, report_tab)
        gr.HTML(f'<footer class="scale-note">{texts("scale")}</footer>')
    return page
