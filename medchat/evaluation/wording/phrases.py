"""The phrases of ``phrases.toml`` in one language, with their values filled in."""

from dataclasses import dataclass
from typing import Any

from medchat.errors import Language, catalogue_beside
from medchat.evaluation.formatting import decimals
from medchat.scale import name_zh

CATALOGUE = catalogue_beside(__file__, "phrases.toml")


class Count(int):
    """A number that a phrase may write with its noun: ``{raters:rater}``, ``{n:was|were}``."""

    def __format__(self, noun: str) -> str:
        singular, _, plural = noun.partition("|")
        words = singular if self == 1 else plural or f"{singular}s"
        return f"{int(self)} {words}" if noun else str(int(self))


@dataclass(frozen=True)
class Phrases:
    language: Language

    def __call__(self, key: str, **values: Any) -> str:
        """The phrase; whole numbers are counts."""
        counts = {name: Count(v) if type(v) is int else v for name, v in values.items()}
        return CATALOGUE.text(key, self.language, counts)

    def dimension(self, name: str) -> str:
        """A dimension's name within a sentence."""
        return name_zh(name) if self.language == "zh" else name.replace("_", " ")

    def join(self, sign: str, parts: "list[str]") -> str:
        """The parts with one of the ``signs`` between them."""
        return self(sign).join(parts)

    def figure(self, value: float | None, key: str = "figure", places: int = 3) -> str:
        """A figure in the phrase ``key``, or that there is none."""
        return self("no_figure") if value is None else self(key, value=decimals(value, places))
