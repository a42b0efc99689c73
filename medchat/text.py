"""The ground floor for text: width, one line, cleaning, shortening, and the guard against formulas.

Depends on nothing but the standard library, so that every room may use it, ``storage`` included.
"""

import re
import unicodedata
from collections.abc import Sequence

MAX_QUOTED = 40
"""Characters of a cell or name that a message quotes."""

_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LETTER = re.compile(r".[\u0300-\u036f\u200d\ufe00-\ufe0f]*", re.DOTALL)
"""A letter with the marks that stand upon it."""


# -- width --


def columns(text: str) -> int:
    """Columns of a text: a Chinese character takes two, a mark that stands upon a letter none."""
    return sum(_letter_columns(letter) for letter in text)


def _letter_columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


# -- one line, cleaning --


def on_one_line(text: str) -> str:
    """Without line ends and control characters, which would break a table or steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def clean_text(text: str) -> tuple[str, int]:
    """The text without control characters and outer blanks, and how many were removed.

    Newlines and tabs stay. Removed are the C0 and C1 controls, the marks that turn the writing
    direction, which would show a rater something else than what the model read, and halves of
    surrogate pairs, which no file can hold.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    cleaned = _UNWANTED.sub("", text)
    return cleaned.strip(), len(text) - len(cleaned)


def clean_line(text: str) -> str:
    """A cleaned text on one line, with single blanks."""
    return " ".join(clean_text(text)[0].split())


# -- shortening --


def shorten(text: str, max_length: int = MAX_QUOTED) -> str:
    """A text as a message or a narrow cell quotes it: on one line, cut at its end."""
    text = " ".join(on_one_line(text).split())
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def shorten_middle(text: str, max_columns: int) -> str:
    """A name on one line of at most ``max_columns`` columns, cut in its middle.

    Versions of a model differ in the last letters of their names.
    """
    text = " ".join(on_one_line(text).split())
    if columns(text) <= max_columns:
        return text
    end = (max_columns - 1) // 3
    letters = _LETTER.findall(text)
    head = "".join(_fitting(letters, max_columns - 1 - end))
    tail = "".join(reversed(_fitting(letters[::-1], end)))
    return f"{head.rstrip()}…{tail.lstrip()}"


def _fitting(letters: Sequence[str], max_columns: int) -> Sequence[str]:
    """As many of the first letters as fit."""
    width = 0
    for position, letter in enumerate(letters):
        width += columns(letter)
        if width > max_columns:
            return letters[:position]
    return letters


# -- formulas --


FORMULA_STARTS = tuple("=+@＝＋－＠﹦﹢﹣﹫-")
"""A spreadsheet may run a cell that begins with one of these, in any of their widths."""
UNSEEN = (
    r"\x00-\x08\x0b\x0c\x0e-\x20\x22\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    r"\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Blanks, invisible characters and quotation marks, as a set of a regular expression. A spreadsheet
may look behind them for the start of a formula."""
_FORMULA = re.compile(rf"(?<![^;\t\n\r])(?='*[{UNSEEN}]*[{''.join(FORMULA_STARTS)}])")
"""The positions at which a formula may begin: the start of a text, and behind a semicolon, a tab or
the end of a line. Where semicolons separate the cells of a file, Excel divides a cell there, also
one in quotation marks."""
_QUOTED_FORMULA = re.compile(rf"(?<![^;\t\n\r])'(?='*[{UNSEEN}]*[{''.join(FORMULA_STARTS)}])")
"""The apostrophes at such positions."""
_MONTH = (
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sep(t(ember)?)?|oct(ober)?"
    r"|nov(ember)?|dec(ember)?)"
)
_TIME = (
    r"(上午|下午)?\d+:\d{1,2}(:\d{1,2})?([.,]\d+)?( ?[ap]m?)?|\d{1,2}( [ap]| ?[ap]m)"
    r"|(上午|下午)?\d{1,2}时(\d{1,2}分(\d{1,2}秒)?)?"
)
_DATE = (
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[-/]\d{1,2}|\d{4}[-/]\d{1,2}|\d{1,2}[-/]\d{4}"
    r"|(\d{2,4}年)?\d{1,2}月(\d{1,2}日)?"
    rf"|(\d{{1,4}}[ ./,-]{{0,3}})?{_MONTH}[ ./,-]{{0,3}}\d{{1,4}}([ ./,-]{{1,3}}\d{{1,4}})?"
    rf"|\d{{1,4}}[ ./,-]{{0,3}}{_MONTH}"
)
LOSES_DIGITS = re.compile(
    r"0\d+([.,]\d*)?|\d{16,}|(\d+([.,]\d*)?|[.,]\d+)e[+-]?\d+"
    r"|\d+[.,]\d*0|\d{1,3}([.,]\d{3})+|\.\d+|\d+\.|\(\d+([.,]\d+)?\)"
    rf"|{_TIME}|({_DATE})([ ,T]{{1,2}}({_TIME}))?",
    re.ASCII | re.IGNORECASE,
)
"""Texts that a spreadsheet would take for a number and show less of, such as 007, 1e-5, 1.10 or a
long id, or would take for a date, such as MARCH1, in an English or Chinese locale."""


def quote_formula(text: str) -> str:
    """Put a `'` before all that a spreadsheet would run as a formula, or change as a number.

    Also before what looks as if that were done already, so that `unquote_formula` gives every text
    back.
    """
    return f"'{text}" if _loses_digits(text) else _FORMULA.sub("'", text)


def unquote_formula(text: str) -> str:
    """Undo `quote_formula`."""
    if text.startswith("'") and _loses_digits(text[1:]):
        return text[1:]
    return _QUOTED_FORMULA.sub("", text)


def starts_formula(text: str) -> bool:
    """Whether a spreadsheet may take a whole text for a formula."""
    return bool(_FORMULA.match(text))


def _loses_digits(text: str) -> bool:
    return bool(LOSES_DIGITS.fullmatch(text.lstrip("'").strip()))
