"""The rating page: what Gradio draws of it, and the texts that its script fills in.

The script (``assets/rating``) fetches the rater's list, draws question and answers, and sends
the scores to ``rating_routes``. The page itself holds nothing of any study.
"""

import html
import json

import gradio as gr

from eval_ui.texts import CATALOGUE, Language, Texts
from medchat.scale import DIMENSIONS, FLAGS, SCORES
from storage import MAX_SPANS, SPAN_KINDS

SKIPS = ("outside_specialty", "not_enough_information", "unreadable", "other")
KEYS = (
    *"""
    rating_intro link enter leave leave_waiting link_empty no_questions profile_title profile_intro
    specialty specialty_example title_of_rater title_example years_of_practice name_of_rater
    consent_text agree start progress progress_name questions all_done done_locked locked
    question_title answer guide practice_label practice_place feedback feedback_same feedback_other
    trial_banner trial_saved answer_of more comment flags marking unmark nothing_selected skip
    skip_no previous next next_unrated saved saving retrying not_rated half_rated not_saved
    not_saved_elsewhere skipped_state loading load_failed_retrying keys keys_score keys_scale
    keys_question keys_unrated keys_help close session_over scale kept_here retrying_open not_kept
    leave_failed still_open marked not_saved_left comment_full marks_full keys_mark
    coordinators_enter asked asked_keep asked_use asked_scores asked_empty asked_yes asked_no
    asked_elsewhere
    """.split(),  # noqa: SIM905
    *DIMENSIONS,
    *(f"{dimension}_question" for dimension in DIMENSIONS),
    *(f"{dimension}_{score}" for dimension in DIMENSIONS for score in SCORES),
    *(f"score_{score}" for score in SCORES),
    *(f"flag_{flag}" for flag in FLAGS),
    *(f"skip_{skip}" for skip in SKIPS),
    *(f"span_{kind}" for kind in SPAN_KINDS),
)
"""Of the texts that the script shows."""


def rating_html(language: Language) -> str:
    """The place that the script fills, with all that it has to know."""
    texts = {key: CATALOGUE.texts[key][language] for key in KEYS}
    known = {
        "language": language,
        "texts": texts,
        "dimensions": DIMENSIONS,
        "flags": FLAGS,
        "skips": SKIPS,
        "spans": SPAN_KINDS,
        "most_spans": MAX_SPANS,
    }
    data = html.escape(json.dumps(known, ensure_ascii=False), quote=True)
    loading = html.escape(texts["loading"])
    return (
        f'<section id="rating" lang="{language}" data-known="{data}">'
        f'<p role="status">{loading}</p></section>'
    )


def create_rating_page(language: Language, other_path: str) -> gr.Blocks:
    """The page that a rater's link opens: the rating and nothing else."""
    texts = Texts(language)
    other: Language = "en" if language == "zh" else "zh"
    page: gr.Blocks
    with gr.Blocks(title=texts("tab_rating"), analytics_enabled=False, fill_width=True) as page:
        gr.HTML(
            f'<header class="masthead"><h1>{texts("title_rating")}</h1>'
            f'<a class="language" href="{other_path}" lang="{other}">{texts("other_language")}</a>'
            "</header>"
        )
        gr.HTML(rating_html(language), padding=False)
        gr.HTML(f'<footer class="scale-note">{texts("scale")}</footer>')
    return page
