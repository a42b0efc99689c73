"""One pane's side of a conversation, from question to study, without a page."""

from pathlib import Path

import pytest

from eval_ui.chat.chat_session import (
    PaneSession,
    check_question,
    responses_for_study,
    status_html,
    status_line,
)
from eval_ui.texts import Language, PageError, Texts
from medchat.engine import Delta, End, Ticket
from medchat.files.answers import MAX_QUESTION_LENGTH
from medchat.models import Registry, Turn

ZH, EN = Texts("zh"), Texts("en")


LABELS = {"llama": "LLaMA", "huatuo": "HuaTuo"}
MODELS = """
[models.forgetful]
family = "llama"
base = "nowhere"
template = "med"

[models.attentive]
family = "chatglm"
base = "nowhere"
template = "chatglm"
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "models.toml").write_text(MODELS, encoding="utf-8")
    return Registry.read(tmp_path / "models.toml")


def asked(question: str = "感冒怎么办", model: str = "llama") -> PaneSession:
    pane = PaneSession(model)
    pane.ask(question)
    return pane


def answered(text: str = "多喝水", model: str = "llama", reason: str = "stop") -> PaneSession:
    pane = asked(model=model)
    pane.take_up()
    pane.take(End("", reason, text, provenance={"seed": 1}))  # type: ignore[arg-type]
    pane.busy = False
    return pane


# -- the life of a question --


def test_a_question_is_taken_up_once() -> None:
    pane = asked()
    assert pane.busy
    assert [pane.take_up(), pane.take_up()] == [True, False]


def test_without_a_question_there_is_nothing_to_take_up() -> None:
    assert PaneSession("llama").take_up() is False


def test_pieces_add_up_and_the_end_has_the_last_word() -> None:
    pane = asked()
    for piece in ("多喝", "水，"):
        pane.take(Delta("", piece))
    assert pane.partial == "多喝水，"
    pane.take(End("", "stop", "多喝水。"))
    assert pane.partial == "多喝水。"
    assert pane.turns == [Turn("感冒怎么办", "多喝水。")]


def test_the_model_sees_the_answered_turns_and_the_open_question() -> None:
    pane = answered()
    pane.ask("没有回答的")
    pane.take(End("", "error"))
    pane.ask("还有呢")
    assert pane.answered_turns == (Turn("感冒怎么办", "多喝水"), Turn("还有呢"))


def test_what_was_written_before_a_stop_stays() -> None:
    pane = asked()
    pane.take(Delta("", "多喝"))
    pane.take(End("", "cancelled", "多喝"))
    assert pane.turns[-1].answer == "多喝"


def test_stop_reaches_the_request_under_way() -> None:
    pane, ticket = asked(), Ticket()
    pane.attach(ticket)
    assert not ticket.cancelled
    pane.stop()
    assert ticket.cancelled


def test_stop_pressed_before_the_request_began_reaches_it_too() -> None:
    pane, ticket = asked(), Ticket()
    pane.stop()
    pane.attach(ticket)
    assert ticket.cancelled


def test_a_stop_does_not_reach_the_next_question() -> None:
    pane = answered()
    pane.stop()
    pane.ask("还有呢")
    later = Ticket()
    pane.attach(later)
    assert not later.cancelled


def test_a_retired_pane_stops_and_says_so() -> None:
    pane, ticket = asked(), Ticket()
    pane.attach(ticket)
    pane.retire()
    assert pane.retired
    assert ticket.cancelled


# -- questions --


def test_a_question_is_cleaned_and_what_it_lost_is_counted() -> None:
    assert check_question("  感\x07冒\u202e \r\n") == ("感冒", 2)


def test_the_longest_question_is_taken_and_one_more_character_is_refused() -> None:
    assert check_question("药" * MAX_QUESTION_LENGTH)[0] == "药" * MAX_QUESTION_LENGTH
    with pytest.raises(PageError, match="2001 characters; at most 2000"):
        check_question("药" * (MAX_QUESTION_LENGTH + 1))


@pytest.mark.parametrize("text", ["", " \n\t ", "\x00\u202e"])
def test_a_question_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(PageError, match="Please enter a question first"):
        check_question(text)


# -- the status line --


@pytest.mark.parametrize(
    ("language", "reason", "line"),
    [
        ("zh", "stop", "已完成 · 12 个 token · 首字 0.3 秒 · 共 1.3 秒"),
        ("zh", "cancelled", "已停止 · 12 个 token · 首字 0.3 秒 · 共 1.3 秒"),
        ("en", "length", "Length limit reached · 12 tokens · first after 0.3 s · 1.3 s in all"),
        ("en", "error", "Error · 12 tokens · first after 0.3 s · 1.3 s in all"),
    ],
)
def test_the_status_says_how_the_answer_ended(
    registry: Registry, language: Language, reason: str, line: str
) -> None:
    pane = asked()
    end = End("", reason, "多", new_tokens=12, seconds_to_first=0.3, seconds=1.26)  # type: ignore[arg-type]
    pane.take(end)
    assert status_line(pane, registry.find("attentive"), Texts(language)) == line


def test_the_status_waits_while_nothing_has_come_and_is_empty_before(registry: Registry) -> None:
    spec = registry.find("attentive")
    assert status_line(PaneSession("attentive"), spec, ZH) == ""
    assert status_line(asked(), spec, ZH) == "等待中…"
    assert status_line(asked(), spec, EN) == "Waiting…"


def test_an_answer_without_a_first_token_shows_a_dash(registry: Registry) -> None:
    pane = asked()
    pane.take(End("", "error"))
    assert "首字 – 秒" in status_line(pane, registry.find("attentive"), ZH)


@pytest.mark.parametrize(
    ("texts", "sentence"), [(ZH, "略去了最早的 2 轮"), (EN, "the 2 oldest turns did not fit")]
)
def test_the_status_tells_of_turns_that_did_not_fit(
    registry: Registry, texts: Texts, sentence: str
) -> None:
    pane = answered()
    pane.ask("还有呢")
    pane.take(End("", "stop", "没有", dropped_turns=2))
    assert sentence in status_line(pane, registry.find("attentive"), texts)


@pytest.mark.parametrize(
    ("texts", "sentence"), [(ZH, "此模型只看最后一问"), (EN, "sees the last question only")]
)
def test_a_second_turn_of_a_model_without_memory_says_so(
    registry: Registry, texts: Texts, sentence: str
) -> None:
    pane = answered()
    assert sentence not in status_line(pane, registry.find("forgetful"), texts)
    pane.ask("还有呢")
    pane.take(End("", "stop", "没有"))
    assert sentence in status_line(pane, registry.find("forgetful"), texts)
    assert sentence not in status_line(pane, registry.find("attentive"), texts)


# -- into a study --


@pytest.mark.parametrize("texts", [ZH, EN])
def test_the_prompt_is_folded_away_below_an_answer(registry: Registry, texts: Texts) -> None:
    spec = registry.find("attentive")
    pane = asked()
    assert "<details" not in status_html(pane, spec, texts)
    prompt = "### 问题:\n<script>alert(1)</script>\n"
    pane.take(End("", "stop", "好。", prompt_tokens=7, provenance={"prompt": prompt}))
    shown = status_html(pane, spec, texts)
    assert shown.startswith(status_line(pane, spec, texts))
    assert "<pre>### 问题:\n&lt;script&gt;alert(1)&lt;/script&gt;\n</pre>" in shown
    assert "7" in shown.split("<summary>")[1].split("</summary>")[0]


def test_finished_answers_go_into_a_study_with_their_provenance() -> None:
    panes = [answered("多喝水", "llama"), answered("", "huatuo", "length")]
    question, responses = responses_for_study(panes, LABELS)
    assert question == "感冒怎么办"
    assert [(r.model, r.text, r.finish_reason) for r in responses] == [
        ("llama", "多喝水", "stop"),
        ("huatuo", "", "length"),
    ]
    assert responses[0].provenance == {"seed": 1}


@pytest.mark.parametrize("panes", [[], [PaneSession("llama")], [asked()]])
def test_before_there_is_an_answer_there_is_nothing_to_add(panes: list[PaneSession]) -> None:
    with pytest.raises(PageError, match="There is no answer to add yet"):
        responses_for_study(panes, LABELS)


def test_one_pane_that_is_still_answering_holds_all_back() -> None:
    with pytest.raises(PageError, match="There is no answer to add yet"):
        responses_for_study([answered(), asked(model="huatuo")], LABELS)


@pytest.mark.parametrize("reason", ["cancelled", "error"])
def test_an_unfinished_answer_is_refused_by_the_name_on_screen(reason: str) -> None:
    panes = [answered(), answered("多", "huatuo", reason)]
    with pytest.raises(PageError, match="HuaTuo did not finish") as refused:
        responses_for_study(panes, LABELS)
    assert "LLaMA" not in str(refused.value)


def test_a_later_turn_is_refused_because_the_histories_differ() -> None:
    pane = answered()
    pane.ask("还有呢")
    pane.take(End("", "stop", "没有"))
    pane.busy = False
    with pytest.raises(PageError, match="This is turn 2"):
        responses_for_study([pane], LABELS)
