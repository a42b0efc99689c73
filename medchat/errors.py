"""The errors that a person is meant to read, and the catalogues that hold their sentences.

    MedchatError
    ├── BadInput           a file, option or text that the person gave cannot be used
    ├── ModelUnavailable   a declared model cannot answer now
    ├── CheckpointError    the files of a model are missing, damaged or do not fit together
    ├── StorageError       the database refused (in ``storage``, with sentences of its own)
    └── PageError          a step on the page cannot be taken (in ``eval_ui``, likewise)

An error is a code and the values that its sentence names. The sentences lie beside the code that
raises them, in TOML files with Chinese and English side by side. A sentence names the value at
fault and what to do about it. Anything else that is raised is a defect of the program and keeps
its traceback.

Depends on nothing but the standard library.
"""

import locale
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, Language] = ("zh", "en")


def reader_language() -> Language:
    """The language of the command line: ``MEDCHAT_LANG``, else the locale's, else English."""
    names = [os.environ.get(name, "") for name in ("MEDCHAT_LANG", "LC_ALL", "LC_MESSAGES", "LANG")]
    name = next(filter(None, names), "") or locale.getlocale()[0] or ""
    return "zh" if name.lower().startswith(("zh", "chinese")) else "en"


@dataclass(frozen=True)
class Catalogue:
    """Sentences by key, read when the first is needed from a TOML file of this layout::

        [topic]
        key.zh = "…{value}…"
        key.en = "…{value}…"

    Topics are for the reader of the file; a key is unique in the whole file.
    """

    path: Path

    @cached_property
    def texts(self) -> dict[str, dict[str, str]]:
        """Language to sentence, by key. Raises ValueError for a key that two topics have."""
        texts: dict[str, dict[str, str]] = {}
        for topic in tomllib.loads(self.path.read_text(encoding="utf-8")).values():
            if twice := texts.keys() & topic.keys():
                raise ValueError(f"{self.path}: {min(twice)} stands there twice")
            texts |= topic
        return texts

    def text(self, key: str, language: Language, values: Mapping[str, object]) -> str:
        """The sentence with its values filled in; values that are messages speak its language."""
        sentence = self.texts[key][language]
        if not values:
            return sentence
        return sentence.format(
            **{name: _in_language(value, language) for name, value in values.items()}
        )


@cache
def catalogue_beside(file: str, name: str = "messages.toml") -> Catalogue:
    """The catalogue in the folder of ``file`` (a module's ``__file__``)."""
    return Catalogue(Path(file).with_name(name))


@dataclass(frozen=True)
class Message:
    """A sentence or phrase that is not raised: a problem in a list, or a value of another one."""

    code: str
    details: Mapping[str, object] = field(default_factory=dict)
    remainder: object = ""
    catalogue: Catalogue = field(default=catalogue_beside(__file__), repr=False)

    def text(self, language: Language) -> str:
        """The sentence; a library's own words, in whatever language, stand behind it."""
        sentence = self.catalogue.text(self.code, language, self.details)
        remainder = str(self.remainder).strip()
        if not remainder:
            return sentence
        return f"{sentence}（{remainder}）" if language == "zh" else f"{sentence} ({remainder})"

    def __str__(self) -> str:
        return self.text(reader_language())


def message(code: str, *, remainder: object = "", **details: object) -> Message:
    """A message of ``medchat/messages.toml``."""
    return Message(code, details, remainder)


class MedchatError(Exception):
    """A failure that the person who reads it can do something about.

    ``code`` is a key of the class's ``catalogue`` and never changes its meaning; ``details`` are
    the values that its sentence names: texts, numbers, paths, messages, or a sequence of messages,
    which become lines. ``remainder`` is what a library said, for those who look for the cause.
    ``str()`` gives the sentence in the language of the command line.
    """

    catalogue: ClassVar[Catalogue] = catalogue_beside(__file__)

    def __init__(self, code: str, /, *, remainder: object = "", **details: object) -> None:
        super().__init__(code)
        self.code = code
        self.details = details
        self.remainder = remainder

    @property
    def message(self) -> Message:
        return Message(self.code, self.details, self.remainder, self.catalogue)

    def text(self, language: Language) -> str:
        return self.message.text(language)

    def __str__(self) -> str:
        return self.text(reader_language())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code,), self.__dict__


class BadInput(MedchatError):
    """A file, option or text that the person gave cannot be used as it is."""


class ModelUnavailable(MedchatError):
    """A declared model cannot answer now: not set up, not loaded, or its server is away."""


class CheckpointError(MedchatError):
    """The files of a model are missing, damaged or do not fit together."""


def _in_language(value: object, language: Language) -> object:
    if isinstance(value, (Message, MedchatError)):
        return value.text(language)
    if isinstance(value, (list, tuple)) and any(isinstance(item, Message) for item in value):
        return "\n".join(str(_in_language(item, language)) for item in value)
    return value
