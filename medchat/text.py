"""How wide a text is where every letter has one column and a Chinese character two."""

import unicodedata


def columns(text: str) -> int:
    """Columns of a text; marks that stand upon a letter take none."""
    return sum(_of_letter(letter) for letter in text)


def _of_letter(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
