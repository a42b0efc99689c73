"""The texts on screen: looked up by key in ``texts.toml``, with ``{words}`` filled in."""

from dataclasses import dataclass

from medchat.errors import LANGUAGES, Language, MedchatError, Message, catalogue_beside

__all__ = ["CATALOGUE", "LANGUAGES", "Language", "PageError", "Texts"]

CATALOGUE = catalogue_beside(__file__, "texts.toml")


class PageError(MedchatError):
    """A step on the page cannot be taken: its sentence is in ``eval_ui/texts.toml``."""

    catalogue = CATALOGUE


@dataclass(frozen=True)
class Texts:
    """The texts of one language."""

    language: Language

    def __call__(self, key: str, **words: object) -> str:
        return CATALOGUE.text(key, self.language, words)

    def error(self, error: MedchatError | Message) -> str:
        """An error's sentence for the person at the screen."""
        return error.text(self.language)
