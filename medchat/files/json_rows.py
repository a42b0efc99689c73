"""Rows of texts from JSON: one array of objects, or one object per line."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from medchat.errors import BadInput
from medchat.files.column_names import check_unique, fold
from medchat.files.workbook_parts import text_of
from medchat.text import clean_line


def json_records(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Item of the array, or line, and the texts by key. ``name`` is what complaints call the file.

    Raises BadInput for what is no object, and for one that has a key twice.
    """
    return _array(name, text) if text.lstrip().startswith("[") else _lines(name, text)


def _array(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        items = json.loads(text, object_pairs_hook=partial(_unique, name))
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise BadInput("json_array_broken", file=name, line=line) from error
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise BadInput("json_item_no_object", file=name, number=number)
        yield number, _record(item)


def _lines(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _record(_object(name, number, line))


def _object(name: str, number: int, line: str) -> dict[str, Any]:
    cause = None
    try:
        item = json.loads(line, object_pairs_hook=partial(_unique, name))
        if isinstance(item, dict):
            return item
    except (ValueError, RecursionError) as error:
        cause = error
    raise BadInput("json_line_no_object", file=name, line=number) from cause


def _unique(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. One that has a key twice would lose a text without a word."""
    tidy = [(clean_line(key) or "_", value) for key, value in pairs]
    check_unique(name, [key for key, _ in tidy])
    return dict(tidy)


def _record(item: dict[str, Any]) -> dict[str, str]:
    return fold({key: text_of(value) for key, value in item.items()})
