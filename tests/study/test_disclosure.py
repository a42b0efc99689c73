"""What gives an answer's model away, and what only looks like it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medchat.models.templates import TEMPLATES, Turn
from medchat.study.disclosure import MASK, Disclosure, find_disclosures, masked

STUDY = ("demo-llama", "LLaMA (demo)", "demo-huatuo", "HuaTuo (demo)", "模型甲", "M7")


def words(text: str, *names: str) -> list[str]:
    return [found.words for found in find_disclosures(text, names)]


def kinds(text: str, *names: str) -> list[str]:
    return [found.kind for found in find_disclosures(text, names)]


def hidden(text: str, *names: str) -> str:
    return masked(text, find_disclosures(text, names)).replace(MASK, "█")


# -- names --


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("作为ChatGLM，我建议休息。", "ChatGLM"),
        ("我是华驼，很高兴为您服务。", "华驼"),
        ("This is Chat GLM speaking", "Chat GLM"),
        ("由HuaTuo给出", "HuaTuo"),
        ("hua tuo says rest", "hua tuo"),
        ("bentsao", "bentsao"),
        ("智谱的产品", "智谱"),
        ("您可以问 GPT-4。", "GPT-4"),
        ("这是GPT模型的建议", "GPT"),
    ],
)
def test_a_name_of_a_model_is_found(text: str, name: str) -> None:
    assert find_disclosures(text) == [
        Disclosure(text.index(name), text.index(name) + len(name), "name", name)
    ]


@pytest.mark.parametrize(
    "name",
    ["GLM-4", "ChatGLM2-6B", "LLaMA2-7B", "LLaMA 7B", "ChatGLM-Med", "Qwen2.5-7B-Instruct"],
)
def test_what_belongs_to_a_name_is_masked_with_it(name: str) -> None:
    assert hidden(f"由{name}回答。") == "由█回答。"


@pytest.mark.parametrize("name", STUDY[:-1])
def test_names_and_labels_of_the_study_are_found_whole(name: str) -> None:
    for text in (f"由{name}回答", f"{name} says", f"“{name.upper()}”", name):
        assert name.lower() in [found.lower() for found in words(text, *STUDY)]
        assert masked(text, find_disclosures(text, STUDY)).count(MASK) == 1


def test_a_label_within_a_longer_label_does_not_leave_the_rest() -> None:
    labels = ("HuaTuo", "HuaTuo (Alpaca)", "HuaTuo (Alpaca, all data)")
    assert hidden("由HuaTuo (Alpaca, all data)回答", *labels) == "由█回答"


def test_a_chinese_label_is_found_beside_latin_letters() -> None:
    assert words("模型甲says", *STUDY) == ["模型甲"]


def test_a_name_of_two_characters_is_not_looked_for() -> None:
    assert words("M7 和 m7", *STUDY) == []


def test_signs_of_a_pattern_in_a_label_are_only_signs() -> None:
    assert words("a.b*c(d", "a.b*c(") == ["a.b*c("]
    assert words("axb", "a.b", "[unclosed", " \t ", "") == []


def test_a_label_of_digits_is_no_part_of_a_number() -> None:
    assert words("每次 10070 单位", "007") == []
    assert words("007 说", "007") == ["007"]


@pytest.mark.parametrize(
    "text",
    [
        "AIDS 患者可补充维生素 C。",
        "BAIDU",
        "作为AIDS患者，您要按时服药。",
        "我是AIDS患者的家属",
        "作为BAIDU的用户",
        "I am an AIDS patient; as an aide I help.",
        "维生素",
        "作为家长，我是说多喝水。",
        "我由于感冒而缺席训练",
        "The llamas and alpacas graze. Bloomberg. Bardolph.",
        "肝功能：GPT 40 U/L，GPT80 U/L，谷丙转氨酶（GPT）升高",
        "他问：好吗？她答：好。",
        "常见问题：无",
        "华佗是东汉名医。",
        "糖化血红蛋白 < 7%，血压 <s 140，[1] 参考文献",
        "# 一、饮食",
        "### Questions to ask",
    ],
)
def test_ordinary_words_give_nothing_away(text: str) -> None:
    assert words(text, *STUDY) == []


# -- talk of oneself --


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model",
        "As an AI",
        "as a large language model",
        "As a helpful virtual assistant",
        "I am an AI assistant",
        "I'm just a language model",
        "I’m a medical AI",
        "I was trained by",
        "my knowledge cutoff",
        "作为一个AI语言模型",
        "作为一个 AI 语言模型",
        "作为人工智能助手",
        "作为一名专业的医疗健康领域的人工智能助手",
        "身为大型语言模型",
        "我是一个大语言模型",
        "我只是一个人工智能程序",
        "我是机器人",
        "我是华佗",
        "作为华佗",
        "我是GPT",
        "我由清华团队训练",
        "我的训练数据",
        "我的知识截止",
        "我是一个由某某公司和某实验室多年来共同训练的语言模型",
        "由某某公司和实验室共同训练的语言模型",
    ],
)
def test_what_a_model_says_of_itself_is_masked_whole(text: str) -> None:
    assert kinds(f"您好，{text}，") == ["self"]
    assert hidden(f"您好，{text}，请就医。") == "您好，█，请就医。"


def test_english_is_found_right_behind_chinese() -> None:
    assert kinds("您好as an AI语言模型") == ["self"]


def test_a_mention_in_the_next_part_of_the_sentence_is_not_talk_of_oneself() -> None:
    assert words("作为医生，我不反对机器人手术。") == []


# -- what is left of a template --


@pytest.mark.parametrize(
    "mark",
    [
        *("[Round 1]", "[round 0]", "<eop>", "<sop>", "[gMASK]", "[MASK]", "<s>", "</s>"),
        *(
            "### Response:",
            "###Response:",
            "### Instruction:",
            "## Input",
            "### 回答：",
            "### 问题:",
        ),
        *("<n>", "<image_12>", "[INST]", "<|endoftext|>", "<user>", "<bot>", "[[训练时间]]"),
    ],
)
def test_a_mark_of_a_template_is_found_wherever_it_stands(mark: str) -> None:
    for text in (f"{mark}感冒", f"多休息{mark}", f"一\n {mark}\n二"):
        assert words(text) == [mark]
        assert kinds(text) == ["template"]


@pytest.mark.parametrize("mark", ["问：", "答：", "问:", "答 ：", "问题：", "答案：", "Human:"])
def test_a_speaker_is_found_only_at_the_start_of_a_line(mark: str) -> None:
    assert kinds(f"{mark}感冒") == ["template"]
    assert hidden(f"多休息。\n\n{mark}感冒") == "多休息。\n\n█感冒"
    assert words(f"他说{mark}感冒") == []


def test_every_prompt_that_the_program_writes_is_found_in_an_answer() -> None:
    turns = [Turn("感冒怎么办", "多喝水"), Turn("要吃药吗")]
    for name, template in TEMPLATES.items():
        if name != "plain" and name != "chatglm":
            assert kinds(template.render(turns[1:])), name
        if template.keeps_history:
            assert kinds(template.render(turns)), name


# -- overlaps and masks --


def test_overlaps_are_joined() -> None:
    text = "我是ChatGLM-6B人工智能助手，答案如下"
    (found,) = find_disclosures(text)
    assert (found.start, found.end, found.words) == (0, text.index("，"), text[: text.index("，")])


def test_a_mask_leaves_the_rest_untouched() -> None:
    text = " 作为ChatGLM，\n\t建议休息。\n\n答：多喝水 <eop>\n"
    assert hidden(text) == " 作为█，\n\t建议休息。\n\n█多喝水 █\n"
    assert masked(text, []) == text


def test_a_mask_does_not_tell_how_long_the_words_were() -> None:
    short, long = "由GLM回答", "由HuaTuo (Alpaca, all data)回答"
    names = ("HuaTuo (Alpaca, all data)",)
    assert masked(short, find_disclosures(short, names)) == masked(
        long, find_disclosures(long, names)
    )


marks = ("[Round 1]", "<eop>", "### ", "Response", "问", "答", "：", ":", "\n", "#")
pieces = (
    "作为",
    "我是",
    "我由",
    "AI",
    "语言模型",
    "GLM",
    "ChatGLM",
    "GPT",
    "-4",
    "6B",
    "华驼",
    "as an ",
)
more = ("demo-", "huatuo", "HuaTuo (demo)", "训练", "的", "，", "a", "7", " ")
telling = st.sampled_from((*marks, *pieces, *more))
any_text = st.lists(telling | st.text(max_size=5), max_size=30).map("".join)


@given(any_text, st.lists(st.text(max_size=6) | st.sampled_from(STUDY), max_size=5))
@settings(max_examples=400, deadline=None)
def test_any_text_is_searched_in_order_and_its_masks_give_nothing_away(
    text: str, names: list[str]
) -> None:
    found = find_disclosures(text, names)
    end = 0
    for each in found:
        assert end <= each.start < each.end <= len(text)
        assert each.words == text[each.start : each.end]
        end = each.end
    if MASK[0] not in text:
        again = find_disclosures(masked(text, found), names)
        assert not [each for each in again if MASK[0] in each.words]


@given(st.text(st.characters(), max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    masked(text, find_disclosures(text, [text, text[:5]]))


@pytest.mark.timeout(10)  # seconds; some took twenty, by going back over what they had seen
@pytest.mark.parametrize(
    "piece",
    [
        "#",
        "\n",
        " ",
        "<|",
        "作为",
        "我是",
        "我由",
        "as a ",
        "GLM-",
        "## ",
        "AI ",
        "问",
        "由",
        "基于由",
    ],
)
def test_a_long_and_dull_text_does_not_keep_one_waiting(piece: str) -> None:
    for start in ("", "##", "GLM"):
        find_disclosures(start + piece * 20_000, STUDY)
