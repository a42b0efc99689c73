"""Prompts: what a model is shown, to the letter."""

import pytest

from medchat.errors import BadInput
from medchat.models.templates import TEMPLATES, Template, Turn, find_template

QUESTION = "我感冒了，怎么治疗"

PUBLISHED = {
    "plain": QUESTION,
    "med": f"下面是一个问题，运用医学知识来正确回答提问.\n### 问题:\n{QUESTION}\n### 回答:\n",
    "literature": (
        "以下是描述任务的说明，编写适当地回复完成请求的响应。\n\n"
        f" ### 说明:\n <user>: {QUESTION}\n\n### 回复:\n"
    ),
    "bloom": f"下面是一个问题，运用医学知识来正确回答提问.\n{QUESTION}\n### 回答：\n",
    "alpaca": (
        "Below is an instruction that describes a task. Write a response that appropriately "
        f"completes the request.\n\n### Instruction:\n{QUESTION}\n\n### Response:\n"
    ),
    "chatglm": QUESTION,
    "chatglm-med": f"问题：{QUESTION}\n答案：",
}
CONVERSATION = [Turn("一？", "甲。"), Turn("二？", "乙。"), Turn("三？")]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_question_is_wrapped_as_the_published_model_was_tuned_to_see_it(name: str) -> None:
    prompt = find_template(name).render([Turn(QUESTION)])
    assert prompt.encode() == PUBLISHED[name].encode()


def test_every_template_has_its_published_text_here() -> None:
    assert set(TEMPLATES) == set(PUBLISHED)


# -- conversations --


def test_chatglm_sees_earlier_turns_as_rounds_counted_from_0() -> None:
    assert find_template("chatglm").render(CONVERSATION) == (
        "[Round 0]\n问：一？\n答：甲。\n[Round 1]\n问：二？\n答：乙。\n[Round 2]\n问：三？\n答："
    )


def test_the_literature_model_sees_the_dialogue_inside_its_instruction() -> None:
    assert find_template("literature").render(CONVERSATION) == (
        "以下是描述任务的说明，编写适当地回复完成请求的响应。\n\n ### 说明:\n"
        " <user>: 一？ <bot>: 甲。 <user>: 二？ <bot>: 乙。 <user>: 三？\n\n### 回复:\n"
    )


@pytest.mark.parametrize("name", ["plain", "med", "bloom", "alpaca", "chatglm-med"])
def test_a_model_tuned_on_single_questions_sees_the_last_one_alone(name: str) -> None:
    template = find_template(name)
    assert not template.keeps_history
    assert template.render(CONVERSATION) == template.render([Turn("三？")])


def test_a_turn_that_got_no_answer_is_left_out() -> None:
    turns = [Turn("一？"), Turn("二？", "乙。"), Turn("三？")]
    assert find_template("chatglm").render(turns) == (
        "[Round 0]\n问：二？\n答：乙。\n[Round 1]\n问：三？\n答："
    )


def test_after_nothing_but_unanswered_turns_the_question_stands_alone() -> None:
    assert find_template("chatglm").render([Turn("一？"), Turn("二？")]) == "二？"


def test_an_empty_answer_is_an_answer() -> None:
    turns = [Turn("一？", ""), Turn("二？")]
    assert find_template("chatglm").render(turns).startswith("[Round 0]\n问：一？\n答：\n[Round 1]")


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("typed", ["{question}", "{answer} {index} {}", "{", "%s \\n {0}"])
def test_braces_in_a_question_stay_as_they_were_typed(name: str, typed: str) -> None:
    template = find_template(name)
    assert template.render([Turn(typed)]) == template.single.replace("{question}", typed)


def test_braces_in_earlier_turns_stay_as_they_were_typed() -> None:
    turns = [Turn("{answer}", "{question} {index}"), Turn("{index}")]
    assert find_template("chatglm").render(turns) == (
        "[Round 0]\n问：{answer}\n答：{question} {index}\n[Round 1]\n问：{index}\n答："
    )


# -- templates that cannot be used --


def test_an_unknown_template_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'huatuo'.*plain, med, literature"):
        find_template("huatuo")


@pytest.mark.parametrize(
    "parts",
    [
        {"single": "no placeholder"},
        {"single": "{question}", "round": "{question}", "last": "{question}"},
        {"single": "{question}", "round": "{answer}", "last": "{question}"},
        {"single": "{question}", "round": "{question}{answer}", "last": "nothing"},
    ],
)
def test_a_template_that_would_lose_a_question_or_an_answer_is_refused(parts) -> None:
    with pytest.raises(BadInput, match="'mine'"):
        Template("mine", **parts)
