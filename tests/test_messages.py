"""Every error is a code with a sentence in both languages, and every sentence is used."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import ROOT

from eval_ui.texts import CATALOGUE as PAGE
from medchat import errors
from medchat.errors import Catalogue, MedchatError
from storage import StorageError

MEDCHAT, STORAGE = MedchatError.catalogue, StorageError.catalogue
RAISING = {
    **dict.fromkeys(
        ("MedchatError", "BadInput", "ModelUnavailable", "CheckpointError", "message"), MEDCHAT
    ),
    **dict.fromkeys(("StorageError", "storage_message"), STORAGE),
    "PageError": PAGE,
}
"""What makes an error or a message, and where its sentence lies."""


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def constants(node: ast.expr) -> list[str] | None:
    """The texts that an expression may be: a constant, or a choice between constants.

    What is put together is no code, and stands for itself. None for a variable.
    """
    if isinstance(node, (ast.JoinedStr, ast.BinOp)):
        return [ast.unparse(node)]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        first, second = constants(node.body), constants(node.orelse)
        return first + second if first and second else None
    return None


def made_messages(source: str) -> Iterator[tuple[int, str, list[str] | None, set[str] | None]]:
    """Line, maker, codes (None: not a constant) and details (None: unpacked) of each."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        maker = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if maker not in RAISING or not node.args:
            continue
        names = [keyword.arg for keyword in node.keywords]
        details = None if None in names else {name for name in names if name} - {"remainder"}
        yield node.lineno, maker, constants(node.args[0]), details


def sources() -> Iterator[Path]:
    for room in ("medchat", "storage", "eval_ui"):
        yield from sorted((ROOT / room).rglob("*.py"))


def faults(source: str) -> list[str]:
    """What is wrong with the errors that a module raises."""
    wrong = []
    for line, maker, codes, details in made_messages(source):
        texts = RAISING[maker].texts
        for code in codes or []:
            if code not in texts:
                wrong.append(f"line {line}: {code!r} is in no catalogue")
            elif details is not None and places(texts[code]["en"]) != details:
                wrong.append(f"line {line}: {code} needs {sorted(places(texts[code]['en']))}")
    return wrong


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: path.name)
def test_every_code_has_its_sentence_and_every_value_is_given(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("raise BadInput('no such code')", "in no catalogue"),
        ("raise BadInput(f'{path} is no model')", "in no catalogue"),
        ("raise StorageError('study_exists')", "study_exists needs ['name']"),
        ("raise StorageError('study_exists', name=1, more=2)", "study_exists needs ['name']"),
        ("raise StorageError('study_empty' if x else 'nothing')", "'nothing' is in no catalogue"),
    ],
)
def test_a_faulty_raise_is_caught(source: str, fault: str) -> None:
    (caught,) = faults(source)
    assert fault in caught


@pytest.mark.parametrize("catalogue", [MEDCHAT, STORAGE, PAGE], ids=["medchat", "storage", "page"])
def test_both_languages_say_it_with_the_same_places(catalogue: Catalogue) -> None:
    for key, texts in catalogue.texts.items():
        assert set(texts) == {"zh", "en"}, key
        assert all(text.strip() for text in texts.values()), key
        assert places(texts["zh"]) == places(texts["en"]), key


@pytest.mark.parametrize("catalogue", [STORAGE, MEDCHAT], ids=["storage", "medchat"])
def test_no_sentence_is_left_that_nothing_raises(catalogue: Catalogue) -> None:
    texts = {
        node.value
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }
    assert set(catalogue.texts) - texts == set()


def test_an_english_sentence_of_storage_begins_and_ends_as_one() -> None:
    for path in sources():
        for _, maker, codes, _ in made_messages(path.read_text(encoding="utf-8")):
            for code in (codes or []) if maker == "StorageError" else []:
                text = STORAGE.texts[code]["en"]
                assert text[0].isupper() or text[0] == "{", code
                assert text.endswith((".", "}")), code


# -- speaking a language --


def test_an_error_speaks_the_language_it_is_asked_for() -> None:
    error = StorageError("study_exists", name="{试} <b>")
    assert "“{试} <b>”" in error.text("zh")
    assert error.text("en") == "There is already a study named {试} <b>. Choose another name."


def test_a_librarys_own_words_stand_behind_the_sentence() -> None:
    error = StorageError("study_empty", remainder="errno 5")
    assert error.text("en") == "The study has no questions yet. Add some first. (errno 5)"
    assert error.text("zh").endswith("（errno 5）")


def test_values_that_are_messages_speak_the_same_language() -> None:
    inner = StorageError("study_empty").message
    error = StorageError("study_exists", name=[inner, inner])
    assert error.text("en").count("The study has no questions yet") == 2
    assert "The study" not in error.text("zh")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"MEDCHAT_LANG": "zh", "LANG": "en_US.UTF-8"}, "zh"),
        ({"MEDCHAT_LANG": "en", "LC_ALL": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "zh_CN.UTF-8", "LANG": "C"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_command_line_speaks_the_readers_language(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], language: str
) -> None:
    for name in ("MEDCHAT_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert errors.reader_language() == language
    assert str(StorageError("study_empty")) == StorageError("study_empty").text(language)


def test_a_key_that_two_topics_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "texts.toml"
    path.write_text('[a]\nx.zh = "1"\nx.en = "1"\n[b]\nx.zh = "2"\nx.en = "2"\n')
    with pytest.raises(ValueError, match="x stands there twice"):
        _ = Catalogue(path).texts
