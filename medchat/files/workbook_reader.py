"""The first sheet of an Excel workbook, read in bounded time and memory.

Owns which parts of a workbook are opened: only those that texts come from, which are the list of
sheets, the formats that make a number a date, the shared strings, and one sheet after the other
until one has cells. Empty rows and columns between its cells cost nothing. Knows nothing about
headers or questions.

``openpyxl`` reads a workbook in order to write it back: every style, name and drawing, and every
row with all its cells from column A on. A file of a few kilobytes can occupy it for minutes and
gigabytes. Only its rules for dates are used here.
"""

import io
import posixpath
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from medchat.errors import BadInput
from medchat.files.bounded_xml import Allowance, TooMuch, read_xml
from medchat.files.workbook_parts import (
    CellValues,
    Contents,
    ContentTypes,
    Formats,
    Part,
    Relationships,
    SharedStrings,
    Sheet,
    SheetRow,
    TextAllowance,
)

MAX_UNPACKED_BYTES = 200_000_000
"""A workbook whose parts are larger together is refused before anything is unpacked."""
MAX_PARTS = 10_000
MAX_TAGS = 3_000_000
"""So many XML tags are read, of start or end. A cell has four, a shared text as many again."""
_ENTRY = b"PK\x01\x02"
"""What every entry in a zip's table of contents begins with."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How Excel packs. Unpacking by another method can take any amount of memory."""

_Part = TypeVar("_Part", bound=Part)


class NoWorkbook(Exception):
    """A zip of something else."""


def read_first_sheet(name: str, content: bytes, max_rows: int) -> list[SheetRow]:
    """At most ``max_rows`` rows of the first visible sheet that has any; [] where none has.

    Raises NoWorkbook for another zip, and BadInput for a file that is damaged or holds too much.
    """
    try:
        return _first_rows(name, content, max_rows)
    except (BadInput, NoWorkbook):
        raise
    except TooMuch as error:
        raise BadInput("workbook_overloaded", file=name) from error
    except Exception as error:  # whatever a damaged file makes the readers of its parts stumble on
        raise BadInput("workbook_broken", file=name) from error


def _first_rows(name: str, content: bytes, max_rows: int) -> list[SheetRow]:
    if content.count(_ENTRY) > MAX_PARTS:
        raise TooMuch("parts")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        _check_parts(name, archive.infolist())
        return next(filter(None, _Book(archive).sheets(max_rows)), [])


def _check_parts(name: str, parts: list[zipfile.ZipInfo]) -> None:
    if not any(part.filename.startswith("xl/") for part in parts):
        raise NoWorkbook(name)
    if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise BadInput("workbook_too_big", file=name, limit=MAX_UNPACKED_BYTES // 10**6)
    if max(Counter(part.filename.casefold() for part in parts).values()) > 1:
        raise zipfile.BadZipFile("two parts of one name")


class _Book:
    """An open workbook. What is read of all its parts is limited together."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._parts = {part.filename.casefold(): part for part in archive.infolist()}
        self._allowance = Allowance(MAX_UNPACKED_BYTES, MAX_TAGS)

    def sheets(self, max_rows: int) -> Iterator[list[SheetRow]]:
        """The rows of one visible sheet after the other."""
        workbook = self._read("[Content_Types].xml", ContentTypes()).workbook
        contents = self._read(workbook, Contents())
        folder, file = posixpath.split(workbook)
        targets = self._read(f"{folder}/_rels/{file}.rels", Relationships(folder))
        allowance = TextAllowance()
        strings, formats = SharedStrings(allowance), Formats()
        for kind, part in (("styles", formats), ("sharedStrings", strings)):
            for path in filter(self._is_there, targets.of_kind(kind)[:1]):
                self._read(path, part)
        values = CellValues(strings.texts, formats, contents.epoch, allowance)
        sheets = set(filter(self._is_there, targets.of_kind("worksheet")))
        for sheet in contents.sheets:
            if (path := targets.paths.get(sheet, "")) in sheets:
                yield self._read(path, Sheet(values, max_rows)).rows

    def _is_there(self, path: str) -> bool:
        return path.casefold() in self._parts

    def _read(self, path: str, part: _Part) -> _Part:
        entry = self._parts[path.casefold()]
        if entry.compress_type not in _METHODS:
            raise zipfile.BadZipFile(f"{path} is packed in a way that Excel does not know")
        with self._archive.open(entry) as stream:
            read_xml(stream, part, self._allowance)
        return part
