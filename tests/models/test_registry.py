"""models.toml: what is declared, and what is said of a model that cannot be used."""

import re
from pathlib import Path

import pytest

from medchat.config import project_file
from medchat.errors import BadInput
from medchat.models import ModelSpec, Registry, Turn


@pytest.fixture
def declare(tmp_path: Path):
    """Writes a models.toml beside two model folders and reads it."""
    for name in ("base", "lora"):
        (tmp_path / name).mkdir()

    def read(text: str | bytes) -> Registry:
        file = tmp_path / "models.toml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return Registry.read(file)

    return read


def one(registry: Registry) -> ModelSpec:
    (spec,) = registry
    return spec


LLAMA = '[models.a]\nfamily = "llama"\n'


# -- what is read --


def test_a_model_has_what_the_file_says(declare, tmp_path: Path) -> None:
    spec = one(
        declare(
            '[models.huatuo]\nlabel = "HuaTuo"\nfamily = "llama"\nbase = "base"\nadapter = "lora"\n'
            'template = "med"\nabout = "A LoRA."\ndemo = true\ndefaults = {num_beams = 4}\n'
        )
    )
    assert (spec.name, spec.label, spec.about, spec.demo) == ("huatuo", "HuaTuo", "A LoRA.", True)
    assert (spec.base, spec.adapter) == (tmp_path / "base", tmp_path / "lora")
    assert spec.template.name == "med"
    assert spec.defaults.num_beams == 4
    assert spec.available


def test_a_model_without_a_label_is_called_by_its_name(declare) -> None:
    spec = one(declare(LLAMA + 'base = "base"'))
    assert (spec.label, spec.template.name, spec.adapter) == ("a", "plain", None)


def test_models_come_in_the_order_of_the_file(declare) -> None:
    names = ["z", "a", "m"]
    text = "".join(f'[models.{name}]\nfamily = "llama"\nbase = "base"\n' for name in names)
    assert [spec.name for spec in declare(text)] == names


def test_a_folder_may_come_from_the_environment(declare, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LLAMA_7B", str(tmp_path / "base"))
    assert one(declare(LLAMA + 'base = "$LLAMA_7B"')).base == tmp_path / "base"


def test_a_folder_is_sought_beside_the_file_not_where_the_program_was_started(
    declare, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir("/")
    assert one(declare(LLAMA + 'base = "base"')).base == tmp_path / "base"


# -- models that cannot be used yet --


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("", "names no base folder"),
        ('base = ""', "names no base folder"),
        ('base = "$NOT_SET_ANYWHERE"', "Set NOT_SET_ANYWHERE to the folder of its base"),
        ('base = "nowhere"', "base folder .*/nowhere does not exist"),
        ('base = "models.toml"', "base folder .*/models.toml does not exist"),
        ('base = "base"\nadapter = "nowhere"', "adapter folder .*/nowhere does not exist"),
        ('base = "base"\nadapter = "$NOT_SET_ANYWHERE"', "NOT_SET_ANYWHERE.* adapter"),
        ('base = "base"\nengine = "openai"', "'openai' is not part of this version"),
    ],
)
def test_a_model_that_is_not_set_up_is_declared_with_the_reason(declare, lines, reason) -> None:
    registry = declare(LLAMA + lines)
    assert re.search(reason, one(registry).unavailable)
    assert registry.available == []


def test_a_model_that_is_not_set_up_leaves_the_others_usable(declare) -> None:
    registry = declare(LLAMA + '[models.b]\nfamily = "llama"\nbase = "base"\n')
    assert len(registry) == 2
    assert [spec.name for spec in registry.available] == ["b"]


def test_an_unknown_name_is_answered_with_the_declared_ones(declare) -> None:
    registry = declare(LLAMA)
    assert registry.find("a").name == "a"
    with pytest.raises(BadInput, match=r"'chatgpt'.*Declared: a\."):
        registry.find("chatgpt")


# -- files that cannot be used --


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models = 3", "models must be a table"),
        ("", "declares no model"),
        ("[models]\n", "declares no model"),
        ("[models.a\n", "not a TOML file"),
        (b"\xff\xfe\x00", "not a TOML file"),
        ("[models]\na = 3\n", r"models\.a must be a table, not 3"),
        (
            '[models.a]\nfamily = "gpt"\n',
            r"model a: family must be one of llama, bloom, chatglm.*'gpt'",
        ),
        ("[models.a]\n", r"models\.a\.family is missing"),
        (LLAMA + 'adaptor = "x"', r"models\.a\.adaptor is an unknown key"),
        (LLAMA + 'template = "huatuo"', r"model a: .*'huatuo'.*Known: plain"),
        (LLAMA + "defaults = {temprature = 1}", r"model a: .*temprature"),
        (LLAMA + "defaults = {temperature = -1}", r"model a: .*temperature.*-1"),
        (LLAMA + "defaults = 3", r"models\.a\.defaults must be a table, not 3"),
        (LLAMA + "base = 3", r"models\.a\.base must be a text, not 3"),
        (LLAMA + 'adapter = ["x"]', r"models\.a\.adapter must be a text"),
        (LLAMA + "label = 3", r"models\.a\.label must be a text"),
    ],
)
def test_a_file_that_declares_models_wrongly_is_refused_with_the_place(declare, text, told) -> None:
    with pytest.raises(BadInput, match=rf"(?s)models\.toml.*{told}"):
        declare(text)


def test_every_fault_of_a_file_is_listed_in_both_languages(declare) -> None:
    with pytest.raises(BadInput) as refused:
        declare('[models.a]\nbase = 3\ndemo = "yes"\n[models.b]\nfamily = "llama"\nbse = ""\n')
    english = refused.value.text("en").splitlines()
    assert english[0].endswith("models.toml cannot be used:")
    assert english[1:] == [
        "models.a.family is missing.",
        "models.a.base must be a text, not 3.",
        "models.a.demo must be true or false, not 'yes'.",
        "models.b.bse is an unknown key.",
    ]
    assert refused.value.text("zh").splitlines()[1:] == [
        "缺少 models.a.family。",
        "models.a.base 必须是文字，而不是 3。",
        "models.a.demo 必须是 true 或 false，而不是 'yes'。",
        "models.b.bse：没有这个键。",
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.toml cannot be read"):
        Registry.read(tmp_path / "nowhere.toml")


def test_two_models_with_one_label_are_refused_for_nobody_could_tell_them_apart(declare) -> None:
    with pytest.raises(BadInput, match="a and b have the same label 'HuaTuo'"):
        declare(
            '[models.a]\nfamily = "llama"\nlabel = "HuaTuo"\n'
            '[models.b]\nfamily = "llama"\nlabel = "HuaTuo"\n'
        )


# -- templates of one's own --

OWN = '[templates.own]\nsingle = "Q: {question}\\nA:"\nstops = ["\\nQ:", ""]\n'


def test_a_template_can_be_declared_beside_the_models(declare) -> None:
    spec = one(declare(OWN + LLAMA + 'base = "base"\ntemplate = "own"'))
    assert spec.template.render([Turn("感冒？")]) == "Q: 感冒？\nA:"
    assert spec.template.stops == ("\nQ:",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[templates.own]\nsingle = "Q:"\n', "'own' lacks its placeholder {question}"),
        ('[templates.own]\nround = "{question}"\n', "'own' lacks its placeholder {question}"),
        (
            '[templates.own]\nsingle = "{question}"\nround = "{question}"\n',
            "a round needs {question} and {answer}",
        ),
        (
            '[templates.own]\nsingle = "{question}"\nform = ""\n',
            "templates.own.form is an unknown key",
        ),
        ("[templates.own]\nsingle = 3\n", "templates.own.single must be a text, not 3"),
        (
            '[templates.own]\nsingle = "{question}"\nstops = "x"\n',
            "templates.own.stops must be a list",
        ),
        ('[templates.med]\nsingle = "{question}"\n', "med is bundled"),
        ('templates = "own"\n', "templates must be a table"),
        ('[templates]\nown = "{question}"\n', "templates.own must be a table"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_its_name(declare, text, told) -> None:
    with pytest.raises(BadInput, match=re.escape(told)):
        declare(text + LLAMA + 'base = "base"')


# -- vocabularies --


@pytest.mark.parametrize("value", ["-1", "true", '"many"', "1.5"])
def test_a_vocabulary_that_is_no_number_is_refused(declare, value: str) -> None:
    with pytest.raises(BadInput, match=r"vocabulary must be (a whole number|at least 0)"):
        declare(LLAMA + f'base = "base"\nvocabulary = {value}')


def test_every_published_model_says_what_it_is_in_both_languages() -> None:
    for spec in Registry.read(project_file("models.toml")):
        english, _, chinese = spec.about.partition(" · ")
        assert english.isascii() or spec.demo, spec.name
        assert any("\u4e00" <= character <= "\u9fff" for character in chinese), spec.name


def test_the_adapters_of_the_two_bases_declare_their_vocabularies() -> None:
    registry = Registry.read(project_file("models.toml"))
    wanted = {"huatuo": 32000, "alpaca": 32000, "huatuo-alpaca": 49954}
    assert {name: registry.find(name).vocabulary for name in wanted} == wanted
