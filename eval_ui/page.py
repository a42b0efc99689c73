"""The page, as a table of contents: one Blocks per language, a tab per file."""

import json

import gradio as gr

from eval_ui.backend.services import Services
from eval_ui.chat.chat_tab import create_chat_tab
from eval_ui.rating.rating_page import rating_html
from eval_ui.report.report_tab import create_report_tab
from eval_ui.study.study_tab import create_study_tab
from eval_ui.texts import Language, Texts

PATHS: dict[Language, str] = {"zh": "/", "en": "/en/"}


KEEP_TAB = """
() => {
    if (!window.medchatAtItsTab) return;  // the first tab is selected while the page is drawn
    history.replaceState(null, "", "#NAME");
    document.querySelector("a.language").hash = "NAME";
}
"""
"""A page that is loaded again, in the other language or after signing in, is at the same tab."""

OPEN_TAB = """
() => {
    const wanted = location.hash.slice(1);
    window.medchatAtItsTab = true;
    const label = LABELS[wanted];  // on a narrow screen a tab may be in the menu of the others
    const menu = [...document.querySelectorAll(".overflow-dropdown button")];
    const button = document.getElementById(`tab-${wanted}-button`);
    (button ?? menu.find((each) => each.textContent.trim() === label))?.click();
}
"""
TABS = ("chat", "rating", "study", "report")


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
            with _tab("chat", texts):
                create_chat_tab(services, texts)
            with _tab("rating", texts):
                gr.HTML(rating_html(language), padding=False)
            with _tab("study", texts) as study_tab:
                create_study_tab(services, texts, study_tab)
            with _tab("report", texts) as report_tab:
                create_report_tab(services, texts, report_tab)
        gr.HTML(f'<footer class="scale-note">{texts("scale")}</footer>')
        labels = json.dumps({name: texts(f"tab_{name}") for name in TABS})
        page.load(None, js=OPEN_TAB.replace("LABELS", labels))
    return page


def _tab(name: str, texts: Texts) -> gr.Tab:
    tab = gr.Tab(texts(f"tab_{name}"), id=name, elem_id=f"tab-{name}")
    tab.select(None, js=KEEP_TAB.replace("NAME", name))
    return tab
