"""What the XML parts of an Excel workbook say: one handler of ``read_xml`` for every kind of part.

Owns how a cell becomes text, and how many cells and characters a sheet may hold. Does not know how
parts lie in a file.
"""

import json
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from typing import NamedTuple

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils import column_index_from_string
from openpyxl.utils.datetime import CALENDAR_MAC_1904, WINDOWS_EPOCH, from_excel, from_ISO8601

from medchat.files.bounded_xml import Finished, TooMuch, local_name

MAX_CELLS = 500_000
"""Empty cells do not count."""
MAX_CHARACTERS = 60_000_000
"""All cells together may hold so many; a text that many cells share counts in every one."""
MAX_CHARACTERS_OF_TEXT = 1_000_000
"""Excel allows 32,767 characters in a cell."""
MAX_DIGITS = 400
"""The largest number that Excel knows has 309 digits."""
MAX_TEXT_MEMORY = 150_000_000
"""All texts together may take so many bytes; a shared text counts once."""
LAST_ROW = 1_048_576
LAST_COLUMN = 16_384
"""XFD. Both count from 1."""
MAX_RELATIONSHIPS = 10_000
"""A workbook may have so many sheets and other parts."""
MAX_REFERENCE_LENGTH = 500
"""One part names another by an id or a path of at most this length."""
MAX_FORMATS = 2**16
MAX_NUMBER_FORMATS = 4_096
"""A workbook may define so many of its own. Excel says 250."""
MAX_FORMAT_ID_LENGTH = 10
MAX_FORMAT_LENGTH = 255
"""Excel allows no longer number format; in some the search for a date would take very long."""
_WORKBOOK_TYPE = re.compile(r"(sheet|template)\.(macroEnabled\.)?main\+xml$")
_UNSHOWABLE = re.compile("[\x00\ud800-\udfff]|_x000D_")
"""``_x000D_`` is how Excel files write the carriage return of a line break within a cell."""


def text_of(value: object) -> str:
    """A value of Excel or JSON as a person would write it: 1.0 is 1, a date is 2024-03-01."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float():
            return str(int(value)) if value.is_integer() else f"{value:.15g}"
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime():
            return value.isoformat(timespec="seconds")
        case date() | time():
            return value.isoformat()
        case dict() | list():
            return _showable(json.dumps(value, ensure_ascii=False))
    return _showable(str(value))


def _showable(text: str) -> str:
    return _UNSHOWABLE.sub("", text)


class Part:
    """A handler that needs nothing of its part; the others need a little."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None: ...

    def end(self, tag: str) -> None: ...

    def text(self, text: str) -> None: ...


@dataclass
class TextAllowance:
    """How many texts of a workbook may still be kept, and put into cells."""

    memory: int = MAX_TEXT_MEMORY
    cells: int = MAX_CELLS
    characters: int = MAX_CHARACTERS

    def keep(self, text: str) -> str:
        self.memory -= sys.getsizeof(text)
        if self.memory < 0:
            raise TooMuch("memory for texts")
        return text

    def fill(self, text: str) -> None:
        self.cells -= 1
        self.characters -= len(text)
        if self.cells < 0 or self.characters < 0:
            raise TooMuch("cells")


# -- which parts there are --


class ContentTypes(Part):
    """``[Content_Types].xml``: the path of the workbook's own part."""

    workbook = "xl/workbook.xml"

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "Override" and _WORKBOOK_TYPE.search(attributes.get("ContentType", "")):
            self.workbook = attributes["PartName"].lstrip("/")


class Relationships(Part):
    """The ``.rels`` of the part in ``folder``: the paths of others by id, and by their kind."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.paths: dict[str, str] = {}
        self.kinds: dict[str, str] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            if len(self.paths) == MAX_RELATIONSHIPS or _is_long(attributes.values()):
                raise TooMuch("relationships")
            path = posixpath.normpath(posixpath.join(f"/{self._folder}", attributes["Target"]))
            self.paths[attributes["Id"]] = path.lstrip("/")
            self.kinds[attributes["Id"]] = attributes["Type"].rpartition("/")[2]

    def of_kind(self, kind: str) -> list[str]:
        """The paths of a kind such as "styles", each once."""
        return list(dict.fromkeys(self.paths[id] for id, own in self.kinds.items() if own == kind))


@dataclass
class Contents(Part):
    """``workbook.xml``: the relationships of its visible sheets, and where its dates begin."""

    sheets: list[str] = field(default_factory=list)
    epoch: datetime = WINDOWS_EPOCH

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            self.epoch = CALENDAR_MAC_1904
        if tag == "sheet" and attributes.get("state", "visible") == "visible":
            if len(self.sheets) >= MAX_RELATIONSHIPS or _is_long(attributes.values()):
                raise TooMuch("sheets")
            self.sheets += [value for key, value in attributes.items() if local_name(key) == "id"]

    def end(self, tag: str) -> None:
        if tag == "sheets":
            raise Finished  # behind them are only names, views and settings


def _is_long(references: Iterable[str]) -> bool:
    return any(len(reference) > MAX_REFERENCE_LENGTH for reference in references)


# -- what cells refer to --


class _FormatKind(NamedTuple):
    is_date: bool = False
    is_duration: bool = False


def _kind_of(code: str) -> _FormatKind:
    return _FormatKind(bool(is_date_format(code)), bool(is_timedelta_format(code)))


_PLAIN_NUMBER = _FormatKind()
_BUILTIN_KINDS = {str(number): _kind_of(code) for number, code in BUILTIN_FORMATS.items()}


class Formats(Part):
    """``styles.xml``: which of the cells' formats make a number a date or a length of time."""

    def __init__(self) -> None:
        self.dates: set[int] = set()
        self.durations: set[int] = set()
        self._kinds = dict(_BUILTIN_KINDS)
        self._list = ""
        self._number_formats = 0
        self._count = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in ("numFmts", "cellXfs"):
            self._list = tag
        elif tag == "numFmt" and self._list == "numFmts":
            self._define(attributes["numFmtId"], attributes.get("formatCode", ""))
        elif tag == "xf" and self._list == "cellXfs":
            self._add(self._kinds.get(attributes.get("numFmtId", "0"), _PLAIN_NUMBER))

    def end(self, tag: str) -> None:
        if tag == "cellXfs":
            raise Finished  # behind them are only looks
        if tag == self._list:
            self._list = ""

    def _define(self, id: str, code: str) -> None:
        """Note what a code makes of numbers; the code itself would take memory."""
        self._number_formats += 1
        if self._number_formats > MAX_NUMBER_FORMATS or len(id) > MAX_FORMAT_ID_LENGTH:
            raise TooMuch("number formats")
        self._kinds[id] = _kind_of(code) if len(code) <= MAX_FORMAT_LENGTH else _PLAIN_NUMBER

    def _add(self, kind: _FormatKind) -> None:
        if kind.is_date:
            self.dates.add(self._count)
        if kind.is_duration:
            self.durations.add(self._count)
        self._count += 1
        if self._count > MAX_FORMATS:
            raise TooMuch("formats")


class _Texts(Part):
    """Collects the text of ``<t>``, whole or in runs, but not how it is pronounced."""

    def __init__(self, allowance: TextAllowance) -> None:
        self._allowance = allowance
        self._pieces: list[str] = []
        self._length = 0
        self._is_text = False
        self._is_phonetic = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "t":
            self._is_text = not self._is_phonetic
        elif tag == "rPh":
            self._is_phonetic = True

    def end(self, tag: str) -> None:
        if tag == "t":
            self._is_text = False
        elif tag == "rPh":
            self._is_phonetic = False

    def text(self, text: str) -> None:
        if self._is_text:
            self._pieces.append(text)
            self._length += len(text)
            if self._length > MAX_CHARACTERS_OF_TEXT:
                raise TooMuch("characters of a text")

    def take(self) -> str:
        """The text since the last call."""
        text = "".join(self._pieces)
        self._pieces.clear()
        self._length = 0
        return text


class SharedStrings(_Texts):
    """``sharedStrings.xml``: the texts that cells name by their number."""

    def __init__(self, allowance: TextAllowance) -> None:
        super().__init__(allowance)
        self.texts: list[str] = []

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag == "si":
            text = _showable(self.take().replace("x005F_", ""))
            self.texts.append(self._allowance.keep(text))


# -- cells --


@dataclass
class SheetRow:
    """A row that holds something: its texts by column, from 0, without the empty ones.

    ``formulas`` are the columns whose cell holds a formula without a usable result.
    """

    number: int
    cells: dict[int, str] = field(default_factory=dict)
    formulas: set[int] = field(default_factory=set)

    def holds(self, column: int) -> bool:
        return column in self.cells or column in self.formulas

    def without_blanks_at_its_end(self) -> "SheetRow":
        filled = (column for column, text in self.cells.items() if text.strip())
        last = max((*filled, *self.formulas), default=-1)
        if last == max(self.cells, default=-1):
            return self
        cells = {column: text for column, text in self.cells.items() if column <= last}
        return SheetRow(self.number, cells, self.formulas)


@dataclass(frozen=True)
class CellValues:
    """Makes texts of what cells hold: numbers, dates, and references to shared strings."""

    strings: Sequence[str]
    formats: Formats
    epoch: datetime
    allowance: TextAllowance

    def text(self, kind: str, raw: str, style: int) -> str:
        """Raises ValueError or LookupError for a damaged cell, NoDate for a date out of range."""
        if kind == "s" and not raw.startswith("-"):
            return self.strings[int(raw)]
        return self.allowance.keep(self._own_text(kind, raw, style))

    def _own_text(self, kind: str, raw: str, style: int) -> str:
        match kind:
            case "n":
                return self._number(raw, style)
            case "b":
                return text_of(bool(int(raw)))
            case "d":
                return text_of(from_ISO8601(raw))  # type: ignore[no-untyped-call]
            case "str" | "inlineStr":
                return _showable(raw)
        raise ValueError("a cell of an unknown kind")

    def _number(self, raw: str, style: int) -> str:
        if len(raw) > MAX_DIGITS:
            raise ValueError("a number that no cell can hold")
        number = int(raw) if raw.lstrip("-").isdecimal() else float(raw)
        if style not in self.formats.dates:
            return text_of(number) if isinstance(number, float) else str(number)
        try:
            return text_of(from_excel(number, self.epoch, style in self.formats.durations))
        except (OverflowError, ValueError) as error:
            raise NoDate(raw) from error


class NoDate(Exception):
    """A number in a date's format that is none, of which Excel shows only hash signs."""


class Sheet(_Texts):
    """The rows of a sheet, until it ends or ``max_rows`` have been read."""

    def __init__(self, values: CellValues, max_rows: int) -> None:
        super().__init__(values.allowance)
        self.rows: list[SheetRow] = []
        self._values = values
        self._max_rows = max_rows
        self._row = SheetRow(0)
        self._cell: Mapping[str, str] | None = None
        self._column = -1
        self._is_formula = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "c":
            self._start_cell(attributes)
        elif self._cell is None:
            if tag == "row":
                self._start_row(attributes)
        elif tag == "f":
            self._is_formula = True
        elif tag == "v":
            self._is_text = self._cell.get("t") != "inlineStr"
        elif self._cell.get("t") == "inlineStr":
            super().start(tag, attributes)

    def end(self, tag: str) -> None:
        if tag == "c":
            self._end_cell()
        elif self._cell is None:
            if tag == "row":
                self._end_row()
            elif tag == "sheetData":
                raise Finished  # behind it are only merged cells, links, rules and drawings
        elif tag == "v":
            self._is_text = False
        else:
            super().end(tag)

    def _start_row(self, attributes: Mapping[str, str]) -> None:
        number = int(float(attributes["r"])) if "r" in attributes else self._row.number + 1
        if number <= self._row.number:
            raise ValueError("rows that are not in order")
        if number > LAST_ROW:
            raise Finished
        self._row = SheetRow(number)
        self._column = -1

    def _end_row(self) -> None:
        if not (self._row.cells or self._row.formulas):
            return
        row = self._row.without_blanks_at_its_end()
        if row.cells or row.formulas:
            self.rows.append(row)
            if len(self.rows) >= self._max_rows:
                raise Finished

    def _start_cell(self, attributes: Mapping[str, str]) -> None:
        self._cell = attributes
        self._column = _column(attributes["r"]) if "r" in attributes else self._column + 1
        self._is_formula = False

    def _end_cell(self) -> None:
        cell, self._cell = self._cell or {}, None
        kind = cell.get("t", "n")
        if not (self._pieces or self._is_formula or kind == "e"):
            return  # only a format, of which a row may have thousands
        raw = self.take()
        is_unusable = kind == "e" or (self._is_formula and not raw and kind != "str")
        text = ""
        if raw and kind != "e":
            try:
                text = self._values.text(kind, raw, int(cell.get("s", 0)))
            except NoDate:
                is_unusable = True
        if text or is_unusable:
            self._put(text, is_unusable)

    def _put(self, text: str, is_unusable: bool) -> None:
        self._allowance.fill(text)
        if self._row.holds(self._column) or self._column >= LAST_COLUMN:
            raise ValueError("two cells in one place, or a cell behind the last column")
        if is_unusable:
            self._row.formulas.add(self._column)
        else:
            self._row.cells[self._column] = text


def _column(coordinate: str) -> int:
    """From 0: that of "C7" is 2."""
    return _column_of(coordinate.rstrip("0123456789"))


@lru_cache(maxsize=2**14)
def _column_of(letters: str) -> int:
    return column_index_from_string(letters) - 1
