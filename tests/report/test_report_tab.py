"""What the Report tab shows: Table 4, filters, what is behind a figure, published figures."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from report_fixtures import EVIL, rated
from storage_fixtures import MODELS, answers_shown_to, new_raters, new_study, unblind

from eval_ui.backend import report_cache as reporting_of_page
from eval_ui.backend.report_cache import Filters, Reports
from eval_ui.rating.guide import default_guide
from eval_ui.report import report_handlers
from eval_ui.report.report_handlers import ReportHandlers, ReportView
from eval_ui.report.report_html import behind_html, marked
from eval_ui.report.report_layout import BehindFields, PublishedFields, ReportParts
from eval_ui.texts import PageError, Texts
from eval_ui.web.uploads import Uploads
from medchat.errors import BadInput
from medchat.evaluation.bundle import bundle
from medchat.scale import DIMENSIONS
from storage import (
    NewQuestion,
    NewResponse,
    Profile,
    RatingEntry,
    Scores,
    Span,
    StorageError,
    Store,
    StudySettings,
    add_coordinator,
    add_questions,
    answers_behind,
    answers_to_check,
    change_settings,
    create_study,
    find_study,
    open_study,
    read_worklist,
    report_data,
    reporting,
    review_answer,
    save_ratings,
    set_profile,
    set_reference_rows,
)

ZH, EN = Texts("zh"), Texts("en")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


def named_parts() -> ReportParts:
    """A name for every component, as handlers only name what changes."""

    def names(parts: type) -> dict[str, Any]:
        return {field.name: field.name for field in fields(parts)}

    behind, published = (
        BehindFields(**names(BehindFields)),
        PublishedFields(**names(PublishedFields)),
    )
    more = {"behind": behind, "published": published, "filters": ("specialty", "category", "by")}
    return ReportParts(**names(ReportParts) | more)


@pytest.fixture
def handlers(store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(report_handlers, "inform", lambda *_: None)
    anna = add_coordinator(store, "anna", "long enough")
    access = SimpleNamespace(now=lambda: anna, require=lambda: anna)
    uploads = Uploads(store.path.parent / "uploads")
    services: Any = SimpleNamespace(
        store=store, access=access, reports=Reports(store), uploads=uploads
    )
    return ReportHandlers(services, ZH, named_parts())


def shown(
    handlers: Any, name: str | None, spread: str = "interval", *filters: list[str]
) -> tuple[str, Any, str]:
    """The report's HTML, the choice of models and the links, under the filters if any."""
    view = ReportView(str(name)) if filters else None
    updates = handlers.show(name, spread, view, *(filters or [[], [], []]))
    parts = handlers._parts
    return updates[parts.report], updates[parts.behind.model], updates[parts.links]


def answers(handlers: Any, *chosen: Any) -> str:
    """The answers behind a figure, as HTML."""
    html: str = handlers.behind(*chosen)[handlers._parts.behind.answers]
    return html


def test_models_are_letters_until_unblinding_and_names_afterwards(store, handlers) -> None:
    study = rated(store)
    html, models, _ = shown(handlers, "Pilot")
    assert "尚未揭盲" in html
    assert not [model for model in MODELS if model in html]
    assert models["choices"] == ["A", "B", "C"][: len(MODELS)]
    unblind(store, study)
    html, models, _ = shown(handlers, "Pilot")
    assert all(model in html for model in MODELS)
    assert models["choices"] == sorted(MODELS)


@pytest.mark.parametrize(
    ("spread", "told"), [("interval", "["), ("sd", "±"), ("shares", " %</button> / ")]
)
def test_beside_each_mean_stands_what_was_chosen(store, handlers, spread, told) -> None:
    rated(store)
    html, *_ = shown(handlers, "Pilot", spread)
    table = html.partition("</table>")[0]
    nothing = table.count(">–</span>") if spread == "interval" else 0  # all scores are equal
    assert table.count(told) + nothing >= 3 * len(MODELS) > nothing
    assert "<strong>" in table


def test_a_report_is_made_once_until_something_changes(store, handlers, monkeypatch) -> None:
    study = rated(store)
    reports, read = handlers._reports, []
    real = reporting_of_page.report_data
    monkeypatch.setattr(
        reporting_of_page, "report_data", lambda *args: read.append(1) or real(*args)
    )
    first = reports.for_study(study)
    assert reports.for_study(study) is first
    assert reports.for_study(study, Filters(raters=("r02",))).frame is first.frame
    assert len(read) == 1

    def changes() -> Iterator[None]:
        (rater,) = new_raters(store, study, 1)
        yield
        (answer, *_) = answers_shown_to(store, rater)
        save_ratings(store, rater.id, [RatingEntry(answer.item, Scores(1, 1, 1), "k1")])
        yield
        save_ratings(store, rater.id, [RatingEntry(answer.item, Scores(2, 1, 1), "k2")])
        yield
        with store.transaction() as db:
            set_profile(db, rater.id, Profile("皮肤科", "", 9, ""), "yes")
        yield
        published = {"model": "x", "source": ""} | dict.fromkeys(DIMENSIONS, 2.5)
        set_reference_rows(store, study.id, json.dumps([published]))
        yield
        unblind(store, study)
        yield

    for count, _ in enumerate(changes(), start=2):
        made = reports.for_study(study)
        assert len(read) == count
    assert made.report.reference[0].model == "x"
    assert made.report.data.specialties["皮肤科"] == 1
    assert made.report.models[0].model in MODELS


def test_filters_count_some_ratings_only_and_say_so(store, handlers) -> None:
    study = rated(store)
    html, *_ = shown(handlers, "Pilot", "interval", ["内科"], ["外科"], [])
    assert f"只计入 {2 * 2 * len(MODELS)} / {12 * len(MODELS)} 条评分" in html
    made = handlers._reports.for_study(study, Filters(raters=("r02",)))
    assert made.report.data.n_ratings == 4 * len(MODELS)
    none, *_ = shown(handlers, "Pilot", "interval", [], [], ["nobody"])
    assert "没有符合条件的评分" in none


def test_behind_a_score_stand_the_answers_with_comments_and_marked_spans(store, handlers) -> None:
    rated(store)
    _, models, _ = shown(handlers, "Pilot")
    pages = [answers(handlers, "Pilot", model, "safety", [1, 2, 3]) for model in models["choices"]]
    page = "".join(pages)
    assert "<img" not in page
    assert "&lt;img src=" in page
    assert "危险; own_flag" in page
    assert '<mark title="有害、错误" class="harmful wrong">' in page
    assert not [model for model in MODELS if model in re.sub("：.*?。", "", page)]
    (first,) = {len(re.findall('class="behind"', each)) for each in pages}
    assert first == 4
    for chosen in (("safety", []), ("nonsense", [1])):
        with pytest.raises(PageError) as refused:
            handlers.behind("Pilot", "A", *chosen)
        assert "请选择" in refused.value.text("zh")
    assert "没有这样的回答" in answers(handlers, "Pilot", "Z", "safety", [1])


def test_only_answers_that_somebody_gave_the_score_are_behind_it(store) -> None:
    study = rated(store)
    for score in (1, 2, 3):
        for each in answers_behind(store, study.id, "A", 1, [score]):
            assert score in {rating.scores[1] for rating in each.ratings}
    assert answers_behind(store, study.id, "A", 2, [1]) == []
    assert behind_html([], ("safety",), EN) == "<p>There is no such answer.</p>"


def test_marks_keep_the_text_letter_by_letter() -> None:
    spans = [Span(1, 4, "wrong"), Span(2, 3, "harmful"), Span(0, 2, "wrong")]
    html = marked("a<b>&c", spans, EN)
    assert re.sub("</?mark[^>]*>", "", html) == "a&lt;b&gt;&amp;c"
    assert html.count("<mark") == 4


def test_published_figures_are_set_apart_kept_and_taken_out(store, handlers, tmp_path) -> None:
    rated(store)
    file = tmp_path / "rows.csv"
    file.write_text(f"model,source,safety,usability,fluency\n{EVIL},X 2023,2.88,,2.5\n", "utf-8")
    assert handlers.set_reference("Pilot", str(file))[handlers._parts.published.file] is None
    html, *_ = shown(handlers, "Pilot")
    assert "文献报告值" in html
    assert '<td class="figure">2.88</td>' in html
    assert "<img src=http" not in html
    assert "2.88" in find_study(store, "Pilot").reference_rows
    handlers.clear_reference("Pilot")
    assert "2.88" not in shown(handlers, "Pilot")[0]
    file.write_text("model\nx\n", encoding="utf-8")
    with pytest.raises(BadInput, match="header: missing safety"):
        handlers.set_reference("Pilot", str(file))
    with pytest.raises(PageError, match="Choose a file first"):
        handlers.set_reference("Pilot", None)


def test_overlap_with_references_and_consistency_are_shown(store, handlers) -> None:
    study = create_study(store, "Repeats", 7)
    change_settings(store, study.id, StudySettings(repeats=1))
    rows = [
        NewResponse(model, f"{model[0]}多喝水" * (n + 1), "stop") for n, model in enumerate(MODELS)
    ]
    add_questions(
        store, study.id, [NewQuestion(f"问{n}", rows, reference="多喝水") for n in range(4)]
    )
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study, 1)
    for question in read_worklist(store, rater.id):
        for place, answer in enumerate(question.answers):
            scores = Scores(1 + place % 3, 2, 3)
            save_ratings(store, rater.id, [RatingEntry(answer.item, scores, answer.item)])
    html, *_ = shown(handlers, "Repeats")
    assert "ROUGE-L" in html
    assert "评分者自身的一致性" in html
    made = handlers._reports.for_study(study)
    report = made.report
    assert report.consistency.dimensions["safety"].n == len(MODELS)
    assert report.conduct.repeats == 1
    assert bundle(made.inputs, made.frame, report)
    assert {model.n for model in report.overlap.models} == {4}


def test_filters_leave_the_repeats_of_others_out(store, handlers) -> None:
    study = create_study(store, "Repeats", 7)
    change_settings(store, study.id, StudySettings(repeats=1))
    rows = [NewResponse(model, "多喝水", "stop") for model in MODELS]
    add_questions(store, study.id, [NewQuestion(f"问{n}", rows) for n in range(4)])
    open_study(store, study.id, "anna")
    for rater in new_raters(store, study, 2):
        for question in read_worklist(store, rater.id):
            for answer in question.answers:
                entry = RatingEntry(answer.item, Scores(3, 2, 3), answer.item)
                save_ratings(store, rater.id, [entry])
    reports = handlers._reports
    assert reports.for_study(study).report.consistency.dimensions["safety"].n == 2 * len(MODELS)
    found = reports.for_study(study, Filters(raters=("r02",))).report.consistency
    assert found.dimensions["safety"].n == len(MODELS)
    assert [rater.rater for rater in found.raters] == ["r02"]


def test_a_report_tells_how_its_study_was_held(store) -> None:
    study = create_study(store, "Held", 7)
    change_settings(store, study.id, StudySettings(one_by_one=True, guide_en="Score fairly."))
    made_with = {"options": {"temperature": 0.5, "seed": 11}}
    rows = [NewResponse(model, f"作为{model}，多喝水。", "stop", made_with) for model in MODELS]
    add_questions(store, study.id, [NewQuestion("问", rows), NewQuestion("问二", rows)])
    reviews = zip(answers_to_check(store, study.id), ("masked", "excluded"), strict=False)
    for answer, review in reviews:
        told = "多喝水。" if review == "masked" else None
        review_answer(store, study.id, answer.response, review, "anna", told)
    for answer in answers_to_check(store, study.id):
        if not answer.review:
            review_answer(store, study.id, answer.response, "kept", "anna")
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study, 1)
    for question in read_worklist(store, rater.id):
        for answer in question.answers:
            save_ratings(store, rater.id, [RatingEntry(answer.item, Scores(3, 2, 3), answer.item)])
    conduct = Reports(store).for_study(study).report.conduct
    assert asdict(conduct) | {"answers_from": "", "answers_to": ""} == {
        "blind": True,
        "independent": True,
        "balanced": True,
        "order_seed": None,  # it decides the letters
        "one_by_one": True,
        "raters_invited": 1,
        "practice_items": 0,
        "repeats": 0,
        "answers_masked": 1,
        "answers_excluded": 1,
        "answers_kept": 4,
        "skipped": 0,
        "answers_from": "",
        "answers_to": "",
        "generation": None,  # the study is blind
        "guide_zh": default_guide("zh"),
        "guide_en": "Score fairly.",
        "end_code": None,  # not locked yet
    }
    unblind(store, study)
    conduct = Reports(store).for_study(find_study(store, "Held")).report.conduct
    assert conduct.order_seed == 7
    assert conduct.end_code
    assert conduct.generation == dict.fromkeys(sorted(MODELS), '{"temperature":0.5}')


def test_what_was_masked_does_not_tell_the_models_to_a_report(store) -> None:
    study = create_study(store, "Masked", 7)
    telling = [NewResponse(model, f"作为{model}，多喝水。", "stop") for model in MODELS]
    add_questions(store, study.id, [NewQuestion("问", telling, reference="多喝水")])
    for answer in answers_to_check(store, study.id):
        review_answer(store, study.id, answer.response, "masked", "anna", "多喝水。")
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study, 1)
    for answer in answers_shown_to(store, rater):
        save_ratings(store, rater.id, [RatingEntry(answer.item, Scores(3, 2, 3), answer.item)])
    made = Reports(store).for_study(study)
    with zipfile.ZipFile(io.BytesIO(bundle(made.inputs, made.frame, made.report))) as archive:
        for name in archive.namelist():
            assert not [m for m in MODELS if m.encode() in archive.read(name)], name


def test_a_report_is_of_one_moment_while_raters_go_on_saving(store, monkeypatch) -> None:
    study = rated(store, raters=1)
    before = report_data(store, study.id)
    reading = reporting.score_lines

    def late(db: Any, study_id: str) -> Any:
        (more,) = new_raters(store, study, 1)  # somebody else saves just now
        for answer in answers_shown_to(store, more):
            save_ratings(store, more.id, [RatingEntry(answer.item, Scores(1, 1, 1), answer.item)])
        return reading(db, study_id)

    monkeypatch.setattr(reporting, "score_lines", late)
    found = report_data(store, study.id)
    assert found.scores == before.scores
    assert len(found.extras) == len(before.extras)


def test_a_study_without_scores_offers_what_it_has(store, handlers) -> None:
    new_study(store, name="Empty")
    html, _, links = shown(handlers, "Empty")
    assert "还没有评分" in html
    assert "scores.csv" in links
    assert "report.zip" not in links
    parts, updates = handlers._parts, handlers.show(None, "interval", None, [], [], [])
    assert updates[parts.study]["value"] == "Empty", "the newest"
    assert "还没有评分" in updates[parts.report]


def test_filters_of_another_study_and_what_stood_behind_its_figures_go(store, handlers) -> None:
    rated(store)
    parts, before = handlers._parts, ReportView("Other", Filters(raters=("r01",)))
    updates = handlers.show("Pilot", "interval", before, [], [], ["r01"])
    assert "只计入" not in updates[parts.report]
    assert [updates[field]["value"] for field in parts.filters] == [[], [], []]
    view = updates[parts.view]
    assert updates[parts.behind.model]["value"] == "A"
    assert (updates[parts.behind.answers], view.filters) == ("", Filters())
    switched = handlers.show("Pilot", "sd", view, [], [], [])
    in_use = {*parts.filters, parts.behind.model, parts.behind.answers}
    assert not in_use & switched.keys(), "somebody may be choosing, or reading"
    again = handlers.show("Pilot", "sd", switched[parts.view], [], [], [])
    assert again[parts.behind.answers] == "", "refreshed"
    fewer = handlers.show("Pilot", "sd", switched[parts.view], [], [], ["r01"])
    assert fewer[parts.behind.answers] == ""
    assert fewer[parts.view].filters == Filters(raters=("r01",))


def test_no_study_leaves_nothing_to_choose(store, handlers) -> None:
    parts, updates = handlers._parts, handlers.show(None, "interval", None, [], [], [])
    assert "研究" in updates[parts.report]
    assert (updates[parts.behind.model]["choices"], updates[parts.view]) == ([], None)


def test_another_coordinators_study_is_not_shown(store, handlers) -> None:
    other = add_coordinator(store, "bo", "long enough")
    create_study(store, "Bo's", owner=other.id)
    for call in (
        lambda: handlers.show("Bo's", "interval", None, [], [], []),
        lambda: handlers.show("Bo's", "interval", ReportView("Pilot"), [], [], []),
        lambda: handlers.behind("Bo's", "A", "safety", [1]),
        lambda: handlers.clear_reference("Bo's"),
    ):
        with pytest.raises(StorageError) as refused:
            call()
        assert refused.value.code == "unknown_study"


def test_extras_are_those_of_the_ratings(store) -> None:
    study = rated(store)
    extras = report_data(store, study.id).extras
    assert len(extras) == 12 * len(MODELS)
    assert not extras.duplicated(["response_id", "rater"]).any()
    assert set(extras["category"]) == {"内科", "外科"}
    assert extras["answer_length"].min() == len(f"x：多喝水，多休息。{EVIL}")
    assert set(extras["adjudicated"]) == {0}


def test_a_score_that_changes_makes_another_report(store) -> None:
    study = rated(store, raters=1)
    reports = Reports(store)
    before = reports.for_study(study)
    assert reports.for_study(study) is before, "nothing is computed twice"
    with store.connect() as db:
        item, rater = db.execute("SELECT id, rater FROM items LIMIT 1").fetchone()
    save_ratings(store, rater, [RatingEntry(item, Scores(3, 3, 1), "again")])
    after = reports.for_study(study)
    assert after.report.models != before.report.models


def test_a_report_that_came_late_is_worked_out_again(store, handlers) -> None:
    rated(store)
    parts = handlers._parts
    view = handlers.show("Pilot", "sd", ReportView("Pilot"), [], [], ["r01"])[parts.view]
    assert handlers.look_after("Pilot", "sd", view, [], [], ["r01"]) == gr.skip()
    for name, spread, raters in (("Pilot", "sd", []), ("Pilot", "shares", ["r01"])):
        again = handlers.look_after(name, spread, view, [], [], raters)
        assert isinstance(again[parts.changed], int), (name, spread, raters)
    for name in (None, "no such study"):
        assert handlers.look_after(name, "sd", view, [], [], []) == gr.skip(), "for good"
    new_study(store, name="Empty")
    assert parts.changed in handlers.look_after("Empty", "sd", view, [], [], [])
    empty = handlers.show("Empty", "sd", view, [], [], ["r01"])[parts.view]
    assert handlers.look_after("Empty", "sd", empty, [], [], []) == gr.skip()
    assert handlers.look_after("Pilot", "sd", None, [], [], []) == gr.skip()
