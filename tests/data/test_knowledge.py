"""The knowledge base, the training text made from it, and the test questions kept apart from it."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from project import ROOT

from medchat.data import (
    Entry,
    Pair,
    Templates,
    load_knowledge,
    load_templates,
    question_answer_pairs,
)
from medchat.data.wordings import build_data, known_facts, plain_text
from medchat.errors import BadInput

KNOWLEDGE = ROOT / "assets" / "knowledge"
QUESTIONS = ROOT / "tests" / "data" / "demo_questions.jsonl"

DISEASE_KEYS = {
    "相关症状",
    "所属科室",
    "发病部位",
    "病因",
    "并发症",
    "检查",
    "药物治疗",
    "治疗",
    "预防",
    "饮食",
}
DRUG_KEYS = {"药物类别", "适应症", "用法", "不良反应", "禁忌", "注意事项"}

SMALL_TEMPLATES = """
[wrappers]
starts = ["", "请问"]
ends = ["？"]
situations = ["我有{name}，{about}"]
drug_situations = ["我在吃{name}，{about}"]

[disease."病因"]
statements = ["{name}由{items}引起。"]
questions = ["{name}怎么得的", "为什么会得{name}"]
bare = ["怎么得的"]
answers = ["{name}由{items}引起。"]

[drug."药物类别"]
statements = ["{name}是{items}。"]
questions = ["{name}是什么药"]
bare = ["是什么药"]
answers = ["{name}属于{items}。"]
"""
COLD = '{"中心词": "感冒", "别名": ["上感"], "病因": ["病毒"]}'
ASPIRIN = '{"中心词": "阿司匹林", "药物类别": ["抗血小板药", "解热药"]}'


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return load_knowledge(KNOWLEDGE)


@pytest.fixture(scope="module")
def templates() -> Templates:
    return load_templates(KNOWLEDGE / "templates.toml")


@pytest.fixture
def knowledge(tmp_path: Path):
    """Writes a knowledge base of these lines and returns its folder."""

    def write(*lines: str, name: str = "a.jsonl") -> Path:
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
        (tmp_path / "templates.toml").write_text(SMALL_TEMPLATES, encoding="utf-8")
        (tmp_path / "general.txt").write_text("多喝水。\n早睡。\n", encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def template_file(tmp_path: Path):
    """Writes a templates.toml in which ``old`` has become ``new``."""

    def write(old: str = "", new: str = "") -> Path:
        assert old in SMALL_TEMPLATES
        file = tmp_path / "templates.toml"
        file.write_text(SMALL_TEMPLATES.replace(old, new, 1) if old else new, encoding="utf-8")
        return file

    return write


def complaint(folder: Path) -> str:
    with pytest.raises(BadInput) as caught:
        load_knowledge(folder)
    return str(caught.value)


# -- the shipped knowledge base --


def test_it_holds_at_least_60_diseases_and_30_drugs(entries) -> None:
    kinds = Counter(entry.kind for entry in entries)
    assert kinds["disease"] >= 60
    assert kinds["drug"] >= 30


def test_every_entry_has_every_key_of_its_kind(entries) -> None:
    wanted = {"disease": DISEASE_KEYS, "drug": DRUG_KEYS}
    assert {
        e.name: set(e.facts) ^ wanted[e.kind] for e in entries if set(e.facts) != wanted[e.kind]
    } == {}


def test_no_name_or_alias_means_two_entries(entries) -> None:
    names = Counter(name for entry in entries for name in {entry.name, *entry.aliases})
    assert [name for name, count in names.items() if count > 1] == []


def test_no_value_is_blank_or_stands_twice_in_its_list(entries) -> None:
    wrong = [
        (entry.name, key, values)
        for entry in entries
        for key, values in entry.facts.items()
        if len(set(values)) < len(values) or any(value != value.strip() for value in values)
    ]
    assert wrong == []


def test_there_are_wordings_for_every_fact(entries, templates) -> None:
    assert all(known_facts(entry, templates) == list(entry.facts) for entry in entries)


# -- reading a knowledge base --


def test_an_entry_has_its_name_aliases_kind_and_facts(knowledge) -> None:
    assert load_knowledge(knowledge(COLD, "", ASPIRIN)) == [
        Entry("感冒", ("上感",), "disease", {"病因": ("病毒",)}),
        Entry("阿司匹林", (), "drug", {"药物类别": ("抗血小板药", "解热药")}),
    ]


def test_entries_come_by_file_name_then_by_line(knowledge) -> None:
    knowledge(COLD, name="b.jsonl")
    assert [e.name for e in load_knowledge(knowledge(ASPIRIN))] == ["阿司匹林", "感冒"]


def test_a_byte_order_mark_and_windows_line_ends_make_no_difference(knowledge) -> None:
    folder = knowledge(COLD, ASPIRIN)
    plain = load_knowledge(folder)
    text = f"\ufeff{COLD}\r\n{ASPIRIN}\r\n"
    (folder / "a.jsonl").write_bytes(text.encode())
    assert load_knowledge(folder) == plain


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "not JSON"),
        ("[1]", "中心词"),
        ("3", "中心词"),
        ("{}", "中心词"),
        ('{"中心词": 3}', "中心词"),
        ('{"中心词": " "}', "中心词"),
        ('{"中心词": "感冒", "病因": "病毒"}', "病因 must be a list of texts"),
        ('{"中心词": "感冒", "病因": [1]}', "病因 must be a list of texts"),
        ('{"中心词": "感冒", "病因": [""]}', "病因 must be a list of texts"),
        ('{"中心词": "感冒", "病因": []}', "病因 is empty"),
        ('{"中心词": "感冒", "别名": "上感"}', "别名 must be a list of texts"),
    ],
)
def test_a_line_that_is_no_entry_is_refused_with_file_and_line(knowledge, line, told) -> None:
    text = complaint(knowledge(ASPIRIN, "", line))
    assert "a.jsonl, line 3" in text
    assert told in text


def test_a_name_that_stands_twice_is_refused_with_file_and_line(knowledge) -> None:
    knowledge(ASPIRIN, COLD, name="b.jsonl")
    text = complaint(knowledge(COLD))
    assert "b.jsonl, line 2" in text
    assert "感冒" in text


def test_a_file_in_another_encoding_is_named(knowledge) -> None:
    folder = knowledge(COLD)
    (folder / "a.jsonl").write_bytes(COLD.encode("gbk"))
    assert re.search(r"a\.jsonl cannot be read as UTF-8", complaint(folder))


def test_a_folder_without_a_knowledge_base_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) in complaint(tmp_path)


# -- templates --


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('questions = ["{name}怎么得的"', 'questions = ["怎么得的"'),
        ('answers = ["{name}由{items}引起。"]', 'answers = ["{name}由病毒引起。"]'),
        ('answers = ["{name}由{items}引起。"]', 'answers = ["由{items}引起。"]'),
        ('statements = ["{name}由{items}引起。"]', 'statements = ["由{items}引起。"]'),
        ('situations = ["我有{name}，{about}"]', 'situations = ["我有{name}"]'),
        ('drug_situations = ["我在吃{name}，{about}"]', 'drug_situations = ["{about}"]'),
        ('bare = ["怎么得的"]', 'bare = ["{name}怎么得的"]'),
        ("{name}怎么得的", "{nmae}怎么得的"),
        ("{name}怎么得的", "{name}怎么得的}"),
    ],
)
def test_a_wording_without_its_placeholders_is_refused_and_shown(template_file, old, new) -> None:
    with pytest.raises(BadInput, match=r"templates\.toml: .* (needs|stray)"):
        load_templates(template_file(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('ends = ["？"]', ""),
        ('ends = ["？"]', "ends = []"),
        ('bare = ["怎么得的"]', ""),
        ('bare = ["怎么得的"]', "bare = []"),
        ('bare = ["怎么得的"]', "bares = ['x']"),
        ("[wrappers]", "[wrapper]"),
        ('[drug."药物类别"]', '[drags."药物类别"]'),
        ("", "disease = 3\ndrug = 3\n[wrappers]\n"),
        ("", "not toml"),
    ],
)
def test_a_template_file_that_lacks_something_is_named(template_file, old, new) -> None:
    with pytest.raises(BadInput, match=r"templates\.toml"):
        load_templates(template_file(old, new))


def test_a_template_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.toml"):
        load_templates(tmp_path / "nowhere.toml")


# -- questions with answers --


def pairs(entries: list[Entry], templates: Templates, seed: int, rounds: int = 1) -> list[Pair]:
    return list(question_answer_pairs(entries, templates, rounds=rounds, seed=seed))


def test_the_same_seed_gives_the_same_pairs_and_another_one_others(entries, templates) -> None:
    assert pairs(entries, templates, 1) == pairs(entries, templates, 1)
    assert pairs(entries, templates, 1) != pairs(entries, templates, 2)


def test_every_fact_is_asked_once_per_round(entries, templates) -> None:
    facts = {(entry.name, key) for entry in entries for key in entry.facts}
    drawn = [(pair.entity, pair.attribute) for pair in pairs(entries, templates, 1, rounds=3)]
    for start in range(0, 3 * len(facts), len(facts)):
        assert Counter(drawn[start : start + len(facts)]) == Counter(facts)


def test_a_question_names_its_entry_and_the_answer_holds_all_its_values(entries, templates) -> None:
    by_name = {entry.name: entry for entry in entries}
    for pair in pairs(entries, templates, 1):
        entry = by_name[pair.entity]
        assert any(name in pair.question for name in (entry.name, *entry.aliases))
        assert all(value in pair.answer for value in entry.facts[pair.attribute])


def test_no_placeholder_is_left_in_questions_and_answers(entries, templates) -> None:
    for pair in pairs(entries, templates, 1):
        assert not re.search(r"[{}]", pair.question + pair.answer)


# -- plain text --


def test_plain_text_is_the_same_for_the_same_seed(entries, templates) -> None:
    general = ["多喝水。", "早睡。"]
    first, again, other = (
        list(plain_text(entries, templates, general, rounds=2, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert not any(re.search(r"[{}]", text) for text in first)


def test_an_entry_of_which_nothing_known_is_told_does_no_harm(knowledge) -> None:
    folder = knowledge(*(f'{{"中心词": "病{n}", "遗传": ["否"]}}' for n in range(5)))
    templates = load_templates(folder / "templates.toml")
    assert not any(plain_text(load_knowledge(folder), templates, [], rounds=2, seed=1))
    assert pairs(load_knowledge(folder), templates, 1) == []


# -- files --


def test_the_data_files_are_those_of_the_published_projects(knowledge, tmp_path: Path) -> None:
    output = tmp_path / "data"
    told = build_data(knowledge(COLD, ASPIRIN), output, rounds=2, text_rounds=3, seed=1)
    assert {file.name for file in output.iterdir()} == {
        "plain.jsonl",
        "llama_data.json",
        "chatglm_data.json",
    }
    llama, chatglm = (
        [json.loads(line) for line in (output / name).read_text(encoding="utf-8").splitlines()]
        for name in ("llama_data.json", "chatglm_data.json")
    )
    assert len(llama) == len(chatglm) == 4
    assert "4 question-answer pairs" in told
    for row, other in zip(llama, chatglm, strict=True):
        assert list(row) == ["instruction", "input", "output"]
        assert row["input"] == ""
        assert other == {
            "context": f"问题：{row['instruction']}\n答案：",
            "target": row["output"],
        }


def test_the_same_seed_writes_the_same_bytes(knowledge, tmp_path: Path) -> None:
    folder = knowledge(COLD, ASPIRIN)
    for name in ("one", "two"):
        build_data(folder, tmp_path / name, rounds=2, text_rounds=2, seed=7)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


# -- the test questions --


@pytest.fixture(scope="module")
def held_out() -> list[dict[str, str]]:
    return [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]


def test_all_60_test_questions_ask_for_a_fact_that_is_there(held_out, entries) -> None:
    by_name = {entry.name: entry for entry in entries}
    assert len(held_out) == 60
    assert len({row["id"] for row in held_out}) == 60
    assert len({row["question"] for row in held_out}) == 60
    for row in held_out:
        entry = by_name[row["entity"]]
        assert row["attribute"] in entry.facts, row
        assert any(name in row["question"] for name in (entry.name, *entry.aliases)), row


def test_no_test_question_has_a_wording_that_the_models_were_trained_on(
    held_out, entries, templates
) -> None:
    by_name = {entry.name: entry for entry in entries}
    seen = []
    for row in held_out:
        entry = by_name[row["entity"]]
        trained = trained_wordings(templates, entry.kind)
        asked = wordings_of(row["question"], entry, templates)
        seen += [(row["id"], wording) for wording in asked & trained]
    assert seen == []


def test_a_test_question_in_a_trained_wording_would_be_noticed(entries, templates) -> None:
    for pair in pairs(entries, templates, 1):
        entry = next(entry for entry in entries if entry.name == pair.entity)
        assert wordings_of(pair.question, entry, templates) & trained_wordings(
            templates, entry.kind
        )


def trained_wordings(templates: Templates, kind: str) -> set[str]:
    """Every question the models may have seen, of any attribute, without start, end and marks."""
    found = set()
    for wordings in templates.attributes[kind].values():
        found |= {letters(question) for question in wordings.questions}
        found |= {
            letters(situation.replace("{about}", bare))
            for situation in templates.situations[kind]
            for bare in wordings.bare
        }
    return found


def wordings_of(question: str, entry: Entry, templates: Templates) -> set[str]:
    """What the question may be as a template: each name replaced, each start and end stripped."""
    found = set()
    for name in (entry.name, *entry.aliases):
        if name not in question:
            continue
        asked = letters(question.replace(name, "{name}"))
        starts = {letters(start) for start in templates.starts if asked.startswith(letters(start))}
        for start in starts | {""}:
            rest = asked.removeprefix(start)
            ends = {letters(end) for end in templates.ends if rest.endswith(letters(end))}
            found |= {rest.removesuffix(end) for end in ends | {""}}
    return found


def letters(text: str) -> str:
    """Without punctuation and blanks, which make no other wording; braces of {name} stay."""
    return re.sub(r"[^\w{}]", "", text)
